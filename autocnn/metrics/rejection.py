"""How many mistakes are left when a model may say that it is unsure."""

import numpy as np
from numpy.typing import NDArray

from autocnn.core.records.exports import RejectionPoint

MAX_POINTS = 200


def rejection_curve(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> tuple[RejectionPoint, ...]:
    """Coverage and error for every threshold on the largest probability.

    The first point answers everything; the others stand at probabilities that occurred,
    evenly spread over the images where there are many.

    Args:
        labels: True classes, (n,) integers.
        probabilities: (n, classes), of images that the model has not seen.

    Returns:
        Points by ascending threshold; none without images.

    Source:
        Geifman & El-Yaniv 2017, Selective classification for deep neural networks.

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
    num_wrong = np.cumsum(is_wrong[::-1])[::-1][starts]
    thresholds = np.where(starts == 0, 0.0, confidence[starts])
    return tuple(
        RejectionPoint(
            threshold=float(threshold),
            coverage=float(answered / len(labels)),
            error=float(wrong / answered),
        )
        for threshold, answered, wrong in zip(thresholds, num_answered, num_wrong, strict=True)
    )


def threshold_for(curve: tuple[RejectionPoint, ...], max_error: float) -> float | None:
    """The threshold that answers most images with no more than a share of mistakes.

    Args:
        curve: From `rejection_curve`.
        max_error: Share of the answers that may be wrong, 0 to 1.

    Returns:
        A threshold of the curve; None when no threshold reaches it.

    >>> curve = rejection_curve(np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> threshold_for(curve, 0.1), threshold_for(curve, 0.5)
    (0.9, 0.0)
    """
    return next((point.threshold for point in curve if point.error <= max_error), None)
