"""The numbers behind the pictures of one scored set, as tables: columns, then rows."""

from collections.abc import Iterator, Sequence

from autocnn.core.csv_tables import Cell
from autocnn.core.records import ConfusionMatrix, PrCurve, ReliabilityBin, RocCurve, SplitScores
from autocnn.reporting.plots.summary import row_shares

Table = tuple[Sequence[str], Iterator[list[Cell]]]
"""For `tables.to_csv`."""


def confusion_table(matrix: ConfusionMatrix) -> Table:
    """Long form: a row per pair of true and predicted label; its share of the true label's."""
    return ("label", "predicted", "count", "share"), _confusion_rows(matrix)


def roc_table(curves: Sequence[RocCurve]) -> Table:
    """A row per point of every curve."""
    columns = ("curve", "kind", "auc", "false_positive_rate", "true_positive_rate")
    return columns, _roc_rows(curves)


def pr_table(curves: Sequence[PrCurve]) -> Table:
    """A row per point of every curve."""
    return ("curve", "average_precision", "recall", "precision"), _pr_rows(curves)


def class_scores_table(scored: Sequence[SplitScores]) -> Table:
    """A row per scored set, class and score, with its 95 % interval."""
    columns = ("scored", "label", "num_images", "score", "value", "low", "high")
    return columns, _class_rows(scored)


def reliability_table(bins: Sequence[ReliabilityBin]) -> Table:
    """A row per bin of the top probability."""
    columns = (
        "low",
        "high",
        "num_images",
        "confidence",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
    )
    return columns, _reliability_rows(bins)


def _confusion_rows(matrix: ConfusionMatrix) -> Iterator[list[Cell]]:
    for label, counts, shares in zip(matrix.labels, matrix.counts, row_shares(matrix), strict=True):
        for predicted, count, share in zip(matrix.labels, counts, shares, strict=True):
            yield [label, predicted, count, share]


def _roc_rows(curves: Sequence[RocCurve]) -> Iterator[list[Cell]]:
    for curve in curves:
        points = zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)
        for false_rate, true_rate in points:
            yield [curve.name, curve.kind, curve.auc, false_rate, true_rate]


def _pr_rows(curves: Sequence[PrCurve]) -> Iterator[list[Cell]]:
    for curve in curves:
        for recall, precision in zip(curve.recall, curve.precision, strict=True):
            yield [curve.name, curve.average_precision, recall, precision]


def _class_rows(scored: Sequence[SplitScores]) -> Iterator[list[Cell]]:
    for scores in scored:
        for one in scores.classes:
            for name in ("precision", "recall", "specificity", "f1", "auc"):
                interval = one.intervals.get(name)
                yield [
                    scores.split,
                    one.label,
                    one.num_images,
                    name,
                    getattr(one, name),
                    interval.low if interval else None,
                    interval.high if interval else None,
                ]


def _reliability_rows(bins: Sequence[ReliabilityBin]) -> Iterator[list[Cell]]:
    for one in bins:
        accuracy = one.accuracy
        yield [
            one.low,
            one.high,
            one.num_images,
            one.confidence,
            accuracy.value if accuracy else None,
            accuracy.low if accuracy else None,
            accuracy.high if accuracy else None,
        ]
