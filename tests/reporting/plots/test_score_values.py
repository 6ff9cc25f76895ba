"""The numbers in and beside the pictures of scores."""

import pytest

from autocnn.core.records import (
    ConfusionMatrix,
    Corruption,
    Interval,
    PrCurve,
    ReliabilityBin,
    Robustness,
    RocCurve,
)
from autocnn.reporting.plots.score_values import (
    are_mirrored,
    class_scores_table,
    confusion_table,
    corner_distance,
    disturbances,
    lowest_curves,
    lowest_pr_curves,
    pr_table,
    reliability_table,
    roc_table,
    row_shares,
)
from tests.reporting.studies import split_scores


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


def test_confusion_rows_are_counts_and_shares_of_the_true_class() -> None:
    columns, rows = confusion_table(ConfusionMatrix(labels=("a", "b"), counts=((3, 1), (0, 0))))
    assert list(columns) == ["label", "predicted", "count", "share"]
    assert list(rows) == [
        ["a", "a", 3, 0.75],
        ["a", "b", 1, 0.25],
        ["b", "a", 0, None],
        ["b", "b", 0, None],
    ]


def test_curves_are_a_row_per_point() -> None:
    roc = RocCurve(
        name="a",
        kind="class",
        false_positive_rate=(0.0, 1.0),
        true_positive_rate=(0.5, 1.0),
        auc=0.75,
    )
    columns, rows = roc_table([roc])
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [row["true_positive_rate"] for row in found] == [0.5, 1.0]
    assert {(row["curve"], row["kind"], row["auc"]) for row in found} == {("a", "class", 0.75)}
    pr = PrCurve(
        name="b", recall=(0.0, 1.0), precision=(1.0, 0.4), average_precision=0.6, share=0.4
    )
    columns, rows = pr_table([pr])
    assert list(columns) == ["curve", "average_precision", "recall", "precision"]
    assert list(rows) == [["b", 0.6, 0.0, 1.0], ["b", 0.6, 1.0, 0.4]]


def test_classes_are_a_row_per_set_class_and_score() -> None:
    scored = split_scores("test", 0.9, classes=("a", "b"))
    columns, rows = class_scores_table([scored, scored.model_copy(update={"split": "val"})])
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    assert len(found) == 2 * 2 * 5
    of_val = [row for row in found if (row["scored"], row["label"]) == ("val", "b")]
    (recall,) = [row for row in of_val if row["score"] == "recall"]
    interval = scored.classes[1].intervals["recall"]
    assert (recall["value"], recall["low"], recall["high"]) == (
        scored.classes[1].recall,
        interval.low,
        interval.high,
    )


def test_empty_bins_have_empty_cells() -> None:
    empty = ReliabilityBin(low=0.0, high=0.5, num_images=0, confidence=None, accuracy=None)
    accuracy = Interval(value=0.7, low=0.6, high=0.8)
    full = ReliabilityBin(low=0.5, high=1.0, num_images=9, confidence=0.75, accuracy=accuracy)
    _, rows = reliability_table([empty, full])
    assert list(rows) == [[0.0, 0.5, 0, None, None, None, None], [0.5, 1.0, 9, 0.75, 0.7, 0.6, 0.8]]
