"""How numbers and models are written for people."""

import pytest

from autocnn.core.records import Params
from autocnn.reporting import wording


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
    assert wording.family(params, builder) == words
