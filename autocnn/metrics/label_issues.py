"""Labels that look wrong, found with predictions of models that have not learned from them.

Two ways: `confident_learning`, as it was published, and `doubt_labels`, which autocnn uses. The
second takes the number of wrong labels from the first, but ranks all images together by how
probable their label is, and looks at copies of an image together. docs/label-issues.md has what
both find.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.metrics.calibration import SMALLEST_SHARE, kept_type
from autocnn.metrics.weighted import blocks, check_groups, check_predictions

COPY_NOISE = 0.05
"""Share of labels that are taken to be wrong where copies of one image carry several."""


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """What predictions say of n labels.

    Attributes:
        probabilities: (n, k) Of each class, copies looked at together.
        own: (n,) Of the label: the smaller, the more doubtful.
        predicted: (n,) The most probable class.
        order: (n,) Images, the most doubtful first.
        is_suspect: (n,) Whether the label is likely wrong: it is among the most doubtful, as many
            as `estimate_joint` counts, and another class is more probable.
    """

    probabilities: FloatArray
    own: FloatArray
    predicted: IntArray
    order: IntArray
    is_suspect: NDArray[np.bool_]


def doubt_labels(
    labels: IntArray, probabilities: FloatArray, *, copies: IntArray | None = None
) -> LabelDoubts:
    """Rank images by how improbable their label is.

    Images that show the same are looked at together: each gets the mean of their probabilities.
    Where they carry different labels, somebody has labelled them one by one, so each label is one
    more observation, and `COPY_NOISE` of such are wrong. Where all carry one label it may have
    been copied along with the image, and tells nothing new.

    Args:
        labels: (n,) As they are given, 0 to k - 1.
        probabilities: (n, k) Of models that have not learned from the image, calibrated.
        copies: (n,) The same number for images that show the same; None: there are none.

    Raises:
        ValueError: As for `score`.

    >>> doubts = doubt_labels(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]))
    >>> doubts.order.tolist(), doubts.predicted.tolist()
    ([1, 2, 0], [0, 1, 1])
    """
    check_predictions(labels, probabilities)
    pooled = _pool(labels, probabilities, check_groups(copies, len(labels)))
    own: FloatArray = pooled[np.arange(len(labels)), labels]
    predicted = pooled.argmax(axis=1)
    order = np.argsort(own, kind="stable")
    joint = estimate_joint(labels, pooled)
    is_suspect = np.zeros(len(labels), dtype=bool)
    is_suspect[order[: round(float(joint.sum() - np.trace(joint)))]] = True
    return LabelDoubts(pooled, own, predicted, order, is_suspect & (predicted != labels))


def estimate_joint(labels: IntArray, probabilities: FloatArray) -> DoubleArray:
    """How many images of each label are of each class in truth.

    An image counts as one of a class if the probability is at least as large as on average among
    the images with that label; of several such classes as one of the most probable. The counts of
    each label are then scaled to its number of images.

    Args:
        labels: (n,) As they are given, 0 to k - 1.
        probabilities: (n, k) Of models that have not learned from the image.

    Returns:
        (k, k) Images, label by true class; the diagonal holds those that are labelled rightly.

    Source: Northcutt, Jiang & Chuang 2021, Confident Learning, JAIR 70:1373-1411, equations 1 to
    3.
    """
    num_classes = probabilities.shape[1]
    numbers = np.bincount(labels, minlength=num_classes)
    own = probabilities[np.arange(len(labels)), labels]
    sums = np.bincount(labels, weights=own, minlength=num_classes)
    # A class without images is nobody's.
    limits = np.divide(sums, numbers, out=np.full(num_classes, np.inf), where=numbers > 0)
    counts = np.zeros((num_classes, num_classes))
    for block in blocks(probabilities.shape):
        above = np.where(probabilities[block] >= limits, probabilities[block], -1.0)
        is_counted = above.max(axis=1) >= 0
        np.add.at(counts, (labels[block][is_counted], above.argmax(axis=1)[is_counted]), 1)
    is_empty = counts.sum(axis=1) == 0
    counts[is_empty, is_empty] = 1
    joint: DoubleArray = counts / counts.sum(axis=1, keepdims=True) * numbers[:, np.newaxis]
    return joint


def confident_learning(labels: IntArray, probabilities: FloatArray) -> NDArray[np.bool_]:
    """(n,) The labels that confident learning takes for wrong: pruning by noise rate.

    For each pair of a label and another class, as many images as `estimate_joint` counts: those
    whose probability of the class is the furthest above that of the label.

    Args:
        labels: (n,) As they are given, 0 to k - 1.
        probabilities: (n, k) Of models that have not learned from the image.

    Source: Northcutt, Jiang & Chuang 2021, Confident Learning, JAIR 70:1373-1411, 3.2, method 4.
    """
    joint = estimate_joint(labels, probabilities)
    is_wrong = np.zeros(len(labels), dtype=bool)
    for label, other in zip(*np.nonzero(joint), strict=True):
        images = np.flatnonzero(labels == label)
        if label != other:
            margins = probabilities[images, other] - probabilities[images, label]
            most = round(float(joint[label, other]))
            is_wrong[images[np.argsort(-margins, kind="stable")[:most]]] = True
    return is_wrong


def _pool(labels: IntArray, probabilities: FloatArray, copies: IntArray) -> FloatArray:
    """(n, k) The probabilities of each image, copies looked at together; see `doubt_labels`."""
    pooled: FloatArray = probabilities.astype(kept_type(probabilities.size))
    _, group, sizes = np.unique(copies, return_inverse=True, return_counts=True)
    has_copies = sizes[group] > 1
    if not has_copies.any():
        return pooled
    num_classes = probabilities.shape[1]
    _, group, sizes = np.unique(copies[has_copies], return_inverse=True, return_counts=True)
    sums, votes = np.zeros((2, len(sizes), num_classes))
    np.add.at(sums, group, pooled[has_copies])
    np.add.at(votes, (group, labels[has_copies]), 1)
    has_conflict = (votes > 0).sum(axis=1) > 1
    weight = np.log((1 - COPY_NOISE) / (COPY_NOISE / (num_classes - 1)))
    logits = np.log(np.maximum(sums / sizes[:, np.newaxis], SMALLEST_SHARE))
    logits += weight * votes * has_conflict[:, np.newaxis]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    pooled[has_copies] = (shares / shares.sum(axis=1, keepdims=True))[group]
    return pooled
