"""The numbers in the pictures of scores, and those beside them as tables; from records alone."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autocnn.core.csv_tables import Cell
from autocnn.core.records import (
    ConfusionMatrix,
    Gap,
    GapLoss,
    Interval,
    PrCurve,
    ReliabilityBin,
    Robustness,
    RocCurve,
    SplitScores,
)

Table = tuple[Sequence[str], Iterator[list[Cell]]]
"""Columns and rows for `csv_tables.to_csv`."""


@dataclass(frozen=True)
class Disturbance:
    """What one disturbance of the images does to several candidates.

    Attributes:
        name: `noise`, `blur`, ...
        setting: What was done at the greatest strength, in words.
        strengths: 0, undisturbed, then those measured, ascending.
        accuracies: One row per candidate, a value per strength; None where not measured.
        mean_drop: Mean fall of the accuracy over candidates and strengths.
    """

    name: str
    setting: str
    strengths: tuple[int, ...]
    accuracies: tuple[tuple[float | None, ...], ...]
    mean_drop: float


def row_shares(matrix: ConfusionMatrix) -> tuple[tuple[float | None, ...], ...]:
    """A confusion matrix as fractions of each true class; None in a row without images.

    >>> row_shares(ConfusionMatrix(labels=("a", "b"), counts=((3, 1), (0, 0))))
    ((0.75, 0.25), (None, None))
    """
    shares = []
    for row in matrix.counts:
        total = sum(row)
        shares.append(tuple(count / total if total else None for count in row))
    return tuple(shares)


def lowest_curves(curves: Sequence[RocCurve], number: int) -> tuple[RocCurve, ...]:
    """The `number` class curves with the smallest area, smallest first."""
    classes = [curve for curve in curves if curve.kind == "class"]
    return tuple(sorted(classes, key=lambda curve: curve.auc)[:number])


def lowest_pr_curves(curves: Sequence[PrCurve], number: int) -> tuple[PrCurve, ...]:
    """The `number` curves with the smallest average precision, smallest first."""
    return tuple(sorted(curves, key=lambda curve: curve.average_precision)[:number])


def corner_distance(x: Sequence[float], y: Sequence[float], *, corner: tuple[int, int]) -> float:
    """How far a curve stays from a corner of the unit square.

    It is the side of the smallest square in the corner that holds a point of the curve.

    >>> corner_distance((0, 0.1, 1), (0, 0.95, 1), corner=(0, 1))
    0.1
    """
    gaps = np.maximum(np.abs(np.asarray(x) - corner[0]), np.abs(np.asarray(y) - corner[1]))
    return float(gaps.min())


def are_mirrored(first: RocCurve, second: RocCurve) -> bool:
    """Whether two ROC curves are mirror images, as those of two classes are.

    They are compared on 201 points, and may differ by 0.01 on average: probabilities
    that are rounded near 0 but not near 1 (or the reverse) tie in one curve only.
    """
    grid = np.linspace(0, 1, 201)
    height = np.interp(grid, first.false_positive_rate, first.true_positive_rate)
    mirrored_x = 1 - np.array(second.true_positive_rate)[::-1]
    mirrored_y = 1 - np.array(second.false_positive_rate)[::-1]
    mirrored_height = np.interp(grid, mirrored_x, mirrored_y)
    return bool(np.abs(height - mirrored_height).mean() < 0.01)


def largest_real_loss(gap: Gap) -> GapLoss | None:
    """The step that certainly loses accuracy, and loses most; None when no step does."""
    return max(
        (loss for loss in gap.losses if loss.is_real),
        key=lambda loss: loss.loss.value,
        default=None,
    )


def disturbances(results: Sequence[Robustness]) -> tuple[Disturbance, ...]:
    """Accuracy against strength for each disturbance, the most harmful one first.

    Args:
        results: One per candidate; they need not hold the same disturbances.
    """
    names = dict.fromkeys(one.name for result in results for one in result.corruptions)
    found = []
    for name in names:
        cells = {
            (row, one.strength): one
            for row, result in enumerate(results)
            for one in result.corruptions
            if one.name == name
        }
        strengths = sorted({strength for _, strength in cells})
        rows = []
        for row, result in enumerate(results):
            measured = [cells.get((row, strength)) for strength in strengths]
            values = [one.accuracy if one else None for one in measured]
            rows.append((result.accuracy if any(measured) else None, *values))
        found.append(
            Disturbance(
                name=name,
                setting=max(cells.values(), key=lambda one: one.strength).setting,
                strengths=(0, *strengths),
                accuracies=tuple(rows),
                mean_drop=float(np.mean([one.drop for one in cells.values()])),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.mean_drop))


def confusion_table(matrix: ConfusionMatrix) -> Table:
    """Long form: a row per pair of true and predicted label; its share of the true label's."""
    rows = zip(matrix.labels, matrix.counts, row_shares(matrix), strict=True)
    return ("label", "predicted", "count", "share"), (
        [label, predicted, count, share]
        for label, counts, shares in rows
        for predicted, count, share in zip(matrix.labels, counts, shares, strict=True)
    )


def read_confusion(rows: Iterable[Mapping[str, str]]) -> ConfusionMatrix:
    """The matrix that `confusion_table` wrote.

    Args:
        rows: Column -> cell.

    Raises:
        ValueError: When a cell is missing or no number.
    """
    try:
        counts = {(row["label"], row["predicted"]): int(row["count"]) for row in rows}
        labels = tuple(dict.fromkeys(label for label, _ in counts))
        return ConfusionMatrix(
            labels=labels, counts=tuple(tuple(counts[a, b] for b in labels) for a in labels)
        )
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error


def roc_table(curves: Sequence[RocCurve]) -> Table:
    """A row per point of every curve."""
    return ("curve", "kind", "auc", "false_positive_rate", "true_positive_rate"), (
        [curve.name, curve.kind, curve.auc, false_rate, true_rate]
        for curve in curves
        for false_rate, true_rate in zip(
            curve.false_positive_rate, curve.true_positive_rate, strict=True
        )
    )


def read_roc(rows: Iterable[Mapping[str, str]]) -> tuple[RocCurve, ...]:
    """The curves that `roc_table` wrote.

    Args:
        rows: Column -> cell.

    Raises:
        ValueError: When a cell is missing or no number.
    """
    try:
        curves = itertools.groupby(rows, key=lambda row: (row["kind"], row["curve"], row["auc"]))
        found = []
        for (kind, name, auc), points in curves:
            ends = ("false_positive_rate", "true_positive_rate")
            x, y = zip(*([float(row[end]) for end in ends] for row in points), strict=True)
            found.append(
                RocCurve.model_validate(
                    {"name": name, "kind": kind, "auc": float(auc), ends[0]: x, ends[1]: y}
                )
            )
        return tuple(found)
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error


def pr_table(curves: Sequence[PrCurve]) -> Table:
    """A row per point of every curve."""
    return ("curve", "average_precision", "recall", "precision"), (
        [curve.name, curve.average_precision, recall, precision]
        for curve in curves
        for recall, precision in zip(curve.recall, curve.precision, strict=True)
    )


def class_scores_table(scored: Sequence[SplitScores]) -> Table:
    """A row per scored set, class and score, with its 95 % interval."""
    names = ("precision", "recall", "specificity", "f1", "auc")
    return ("scored", "label", "num_images", "score", "value", "low", "high"), (
        [
            scores.split,
            one.label,
            one.num_images,
            name,
            getattr(one, name),
            *_ends(one.intervals.get(name)),
        ]
        for scores in scored
        for one in scores.classes
        for name in names
    )


def reliability_table(bins: Sequence[ReliabilityBin]) -> Table:
    """A row per bin of the top probability."""
    counts = ("low", "high", "num_images", "confidence")
    return (*counts, "accuracy", "accuracy_low", "accuracy_high"), (
        [
            *(getattr(one, name) for name in counts),
            one.accuracy.value if one.accuracy else None,
            *_ends(one.accuracy),
        ]
        for one in bins
    )


def gap_table(gap: Gap) -> Table:
    """A row per step from one set to the next."""
    return ("from", "to", "loss", "low", "high", "cause", "is_real"), (
        [one.start, one.end, one.loss.value, one.loss.low, one.loss.high, one.cause, one.is_real]
        for one in gap.losses
    )


def _ends(interval: Interval | None) -> tuple[Cell, Cell]:
    return (interval.low, interval.high) if interval else (None, None)
