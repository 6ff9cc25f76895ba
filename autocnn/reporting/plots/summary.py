"""The numbers behind the pictures that no record holds: pure, from records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autocnn.core.records import ConfusionMatrix, Gap, GapLoss, PrCurve, Robustness, RocCurve


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
