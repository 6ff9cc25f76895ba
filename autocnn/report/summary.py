"""The numbers behind the pictures that no record holds: pure, from records."""

from collections.abc import Sequence

import numpy as np

from autocnn.records import ConfusionMatrix, RocCurve


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
