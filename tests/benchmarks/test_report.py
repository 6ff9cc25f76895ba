"""What a benchmark says of its figures."""

import pytest

from benchmarks.report import Figure


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (Figure("wrong answers", 0, "", most=0), "(aim: at most 0, reached)"),
        (Figure("wrong answers", 1, "", most=0), "(aim: at most 0, MISSED)"),
        (Figure("speed", 0.5, " x", least=0.5), "(aim: at least 0.5 x, reached)"),
        (Figure("speed", 0.4, " x", least=0.5), "(aim: at least 0.5 x, MISSED)"),
    ],
)
def test_an_aim_is_reached_at_its_very_value(figure: Figure, words: str) -> None:
    assert figure.text.endswith(words)
