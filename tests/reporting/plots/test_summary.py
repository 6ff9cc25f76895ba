"""The numbers behind the pictures."""

import doctest

import pytest

from autocnn.core.records import ConfusionMatrix, Corruption, PrCurve, Robustness, RocCurve
from autocnn.reporting.plots import summary
from autocnn.reporting.plots.summary import (
    are_mirrored,
    corner_distance,
    disturbances,
    lowest_curves,
    lowest_pr_curves,
    row_shares,
)


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


def test_lowest_pr_curves() -> None:
    curves = [
        PrCurve(name=name, recall=(0, 1), precision=(1, 1), average_precision=area, share=0.5)
        for name, area in (("a", 0.9), ("b", 0.7), ("c", 0.8))
    ]
    assert [curve.name for curve in lowest_pr_curves(curves, 2)] == ["b", "c"]


def test_distance_from_a_corner() -> None:
    assert corner_distance((0, 0, 1), (0, 1, 1), corner=(0, 1)) == 0
    assert corner_distance((0, 0.5, 1), (1, 0.75, 0), corner=(1, 1)) == 0.5


def test_disturbances_are_lines_per_candidate() -> None:
    def corruption(name: str, strength: int, drop: float) -> Corruption:
        return Corruption(
            name=name, strength=strength, setting=f"s{strength}", accuracy=1 - drop, drop=drop
        )

    both = (corruption("a", 1, 0.0), corruption("b", 2, 0.5), corruption("b", 1, 0.25))
    one = (corruption("a", 1, 0.125),)
    results = [
        Robustness(num_images=4, accuracy=1.0, mean_drop=0.25, corruptions=both),
        Robustness(num_images=4, accuracy=0.75, mean_drop=0.125, corruptions=one),
    ]
    worst, other = disturbances(results)
    assert (worst.name, worst.setting, worst.strengths) == ("b", "s2", (0, 1, 2))
    assert worst.accuracies == ((1.0, 0.75, 0.5), (None, None, None))
    assert worst.mean_drop == pytest.approx(0.375)
    assert other.accuracies == ((1.0, 1.0), (0.75, 0.875))
    assert disturbances([]) == ()


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(summary)
    assert result.attempted > 0
    assert result.failed == 0
