"""The numbers behind the pictures."""

import doctest

from autocnn.records import ConfusionMatrix, RocCurve
from autocnn.report import summary
from autocnn.report.summary import are_mirrored, lowest_curves, row_shares


def make_curve(*points: tuple[float, float], auc: float = 0.9, kind: str = "class") -> RocCurve:
    false_rate, true_rate = zip(*points, strict=True)
    return RocCurve(
        name=f"{auc}",
        kind=kind,  # type: ignore[arg-type]
        false_positive_rate=false_rate,
        true_positive_rate=true_rate,
        auc=auc,
    )


def test_shares_are_of_the_row() -> None:
    matrix = ConfusionMatrix(labels=("a", "b", "c"), counts=((1, 3, 0), (0, 0, 0), (2, 0, 2)))
    assert row_shares(matrix) == ((0.25, 0.75, 0.0), (None, None, None), (0.5, 0.0, 0.5))


def test_lowest_curves_leave_averages_out() -> None:
    curves = [make_curve((0, 0), (1, 1), auc=auc) for auc in (0.9, 0.7, 0.8)]
    average = make_curve((0, 0), (1, 1), auc=0.1, kind="macro")
    assert lowest_curves([*curves, average], 2) == (curves[1], curves[2])
    assert lowest_curves([average], 2) == ()


def test_mirror_images_are_recognised() -> None:
    first = make_curve((0, 0), (0, 0.6), (0.2, 0.6), (0.2, 1), (1, 1))
    mirrored = make_curve((0, 0), (0, 0.8), (0.4, 0.8), (0.4, 1), (1, 1))
    assert are_mirrored(first, mirrored)
    assert are_mirrored(mirrored, first)
    assert not are_mirrored(first, first)


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(summary)
    assert result.attempted > 0
    assert result.failed == 0
