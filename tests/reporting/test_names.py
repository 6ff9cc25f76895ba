"""What networks are called."""

import pytest

from autocnn.core.records import Params
from autocnn.reporting import names


@pytest.mark.parametrize(
    ("params", "builder", "words"),
    [
        ({}, None, "residual CNN"),
        ({"family": "plain"}, None, "plain CNN"),
        (
            {"family": "pretrained", "backbone": "EfficientNetB0"},
            None,
            "pretrained network (EfficientNetB0)",
        ),
        ({"filters": 8}, "my_model:build", "own model my_model:build"),
        ({"filters": 8}, "/home/me/my_model.py:build", "own model my_model:build"),
    ],
)
def test_the_kind_of_a_network(params: Params, builder: str | None, words: str) -> None:
    assert names.family(params, builder) == words
