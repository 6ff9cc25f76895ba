"""How many mistakes are left when a model may say that it is unsure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autocnn.core.records.exports import RejectionPoint

MAX_POINTS = 200

CONFIDENCE = 0.95
"""Of the bound on the error: it fails once in 20 studies at most."""


def rejection_curve(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    groups: NDArray[np.integer] | None = None,
) -> tuple[RejectionPoint, ...]:
    """Coverage and error for every threshold on the largest probability.

    The first point answers everything; the others stand at probabilities that occurred,
    evenly spread over the images where there are many.

    Args:
        labels: True classes, (n,) integers.
        probabilities: (n, classes), of images that the model has not seen.
        groups: (n,) The same number for images that are not independent; None: all are.

    Returns:
        Points by ascending threshold; none without images.

    >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    >>> for point in rejection_curve(np.array([0, 1, 0]), probabilities):
    ...     print(point.threshold, round(point.coverage, 2), round(point.error, 2))
    0.0 1.0 0.33
    0.8 0.67 0.0
    0.9 0.33 0.0
    """
    if len(labels) == 0:
        return ()
    confidence = probabilities.max(axis=1).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    confidence = confidence[order]
    is_wrong = (probabilities.argmax(axis=1) != labels)[order]
    # Of equal probabilities, all are answered or none: the first place of each value counts.
    starts = np.flatnonzero(np.diff(confidence, prepend=-np.inf))
    if len(starts) > MAX_POINTS:
        starts = starts[np.linspace(0, len(starts) - 1, MAX_POINTS).astype(int)]
    num_answered = len(labels) - starts
    num_wrong = _counts_above(is_wrong)[starts]
    is_first = np.ones(len(labels), dtype=bool)
    if groups is not None:  # from the surest on, the first image of each group counts
        is_first[:] = False
        is_first[len(labels) - 1 - np.unique(groups[order][::-1], return_index=True)[1]] = True
    num_independent = _counts_above(is_first)[starts]
    thresholds = np.where(starts == 0, 0.0, confidence[starts])
    return tuple(
        RejectionPoint(
            threshold=threshold,
            coverage=answered / len(labels),
            error=wrong / answered,
            num_independent=independent,
        )
        for threshold, answered, wrong, independent in zip(
            thresholds.tolist(),
            num_answered.tolist(),
            num_wrong.tolist(),
            num_independent.tolist(),
            strict=True,
        )
    )


@dataclass(frozen=True)
class Bounded:
    """A threshold with a bound on its error.

    Attributes:
        point: Of the curve.
        bound: The share of wrong answers is at most this, with the confidence of `CONFIDENCE`.
    """

    point: RejectionPoint
    bound: float


def bounded_threshold(curve: Sequence[RejectionPoint], max_error: float) -> Bounded | None:
    """A threshold whose error on new images is at most a given one, with 95 % confidence.

    A binary search over the curve asks at each step whether the upper bound on the error there,
    from the binomial distribution, is small enough; the steps share the 5 % among them. That holds
    for images like those of the curve, and an error that falls as the threshold rises.

    Args:
        curve: From `rejection_curve`.
        max_error: Share of the answers that may be wrong, 0 to 1.

    Returns:
        The lowest threshold that the search found; None when it found none.

    Source:
        Geifman & El-Yaniv 2017, Selective classification for deep neural networks, algorithm 1
        (SGR). Points with so few images that no result could do are left out beforehand.

    >>> sure = rejection_curve(np.zeros(78, int), np.full((78, 2), [0.9, 0.1]))
    >>> bounded_threshold(sure, 0.01), round(bounded_threshold(sure, 0.05).bound, 4)
    (None, 0.0377)
    """
    fewest = fewest_images(curve, max_error)
    start, stop = 0, sum(point.num_independent >= fewest for point in curve)
    found = None
    while start < stop:
        middle = (start + stop) // 2
        bound = _upper_bound(curve[middle], _risk_per_step(curve))
        if bound <= max_error:
            found, stop = Bounded(curve[middle], bound), middle
        else:
            start = middle + 1
    return found


def fewest_images(curve: Sequence[RejectionPoint], max_error: float) -> float:
    """Images, all answered right, that it takes for the bound to be small enough.

    Args:
        curve: Its number of points counts.
        max_error: As of `bounded_threshold`; 0 takes infinitely many.
    """
    if max_error <= 0:
        return math.inf
    if max_error >= 1:
        return 1
    return math.ceil(math.log(_risk_per_step(curve)) / math.log1p(-max_error))


def _risk_per_step(curve: Sequence[RejectionPoint]) -> float:
    num_steps = max(1, math.ceil(math.log2(len(curve) + 1)))
    return (1 - CONFIDENCE) / num_steps


def _upper_bound(point: RejectionPoint, risk: float) -> float:
    """Clopper-Pearson's upper end: a larger share of wrong ones gives so few with that risk."""
    from scipy.special import betaincinv

    number = point.num_independent
    num_wrong = math.ceil(point.error * number - 1e-9)
    if num_wrong >= number:
        return 1.0
    return float(betaincinv(num_wrong + 1, number - num_wrong, 1 - risk))


def _counts_above(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) How many are true from each place to the end."""
    counts: NDArray[np.int64] = np.cumsum(mask[::-1], dtype=np.int64)[::-1]
    return counts
