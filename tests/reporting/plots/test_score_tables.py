"""The numbers behind the pictures, as rows."""

from autocnn.core.records import ConfusionMatrix, Interval, PrCurve, ReliabilityBin, RocCurve
from autocnn.reporting.plots.score_tables import (
    class_scores_table,
    confusion_table,
    pr_table,
    reliability_table,
    roc_table,
)
from tests.reporting.studies import split_scores


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
