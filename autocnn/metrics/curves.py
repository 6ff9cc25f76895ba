"""ROC and precision-recall curves of predicted probabilities, by scikit-learn."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.core.records import PrCurve, RocCurve
from autocnn.metrics.weighted import check_predictions

MOST_POOLED = 5_000_000
"""Pairs of an image and a class that the micro average pools."""


def roc_curves(
    labels: IntArray, probabilities: FloatArray, class_names: Sequence[str]
) -> tuple[RocCurve, ...]:
    """The ROC curve of every class against the rest, then their macro and micro average.

    A class without images, or with all of them, has no curve; then there is no macro average
    either, as in `score`. The macro average is the mean true-positive rate of
    the curves at every false-positive rate where one of them bends. There it takes the
    mean on both sides of a vertical step, so its area is the mean of their areas
    (scikit-learn's example keeps the upper side only, and its area is larger). The
    micro average pools all (image, class) pairs, of images evenly spread where there are more
    than 5 million.

    Args:
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`.
        class_names: k names, in label order.

    Raises:
        ValueError: As for `score_split`.

    Source: scikit-learn, "Multiclass Receiver Operating Characteristic", examples.
    """
    from sklearn.metrics import roc_curve  # 2 s

    check_predictions(labels, probabilities, class_names)
    truth = np.eye(len(class_names), dtype=bool)[labels]
    counts = truth.sum(axis=0)
    curves: list[tuple[str, DoubleArray, DoubleArray]] = []
    for index, name in enumerate(class_names):
        if 0 < counts[index] < len(labels):
            false_rate, true_rate, _ = roc_curve(truth[:, index], probabilities[:, index])
            curves.append((name, false_rate, true_rate))
    records = [_roc_record("class", *curve) for curve in curves]
    if len(curves) == len(class_names):
        grid = np.unique(np.concatenate([false_rate for _, false_rate, _ in curves]))
        macro = np.zeros(2 * len(grid))
        for _, false_rate, true_rate in curves:
            # np.interp takes the last of equal abscissae: the top of a step, and
            # mirrored its foot.
            macro[0::2] += np.interp(-grid, -false_rate[::-1], true_rate[::-1])
            macro[1::2] += np.interp(grid, false_rate, true_rate)
        macro /= len(curves)
        rates = np.repeat(grid, 2)
        keep = np.append(True, (np.diff(rates) > 0) | (np.diff(macro) > 0))
        records.append(_roc_record("macro", "macro average", rates[keep], macro[keep]))
    # Sorting all pairs takes ten times their memory: of very many, images evenly spread count.
    step = -(-probabilities.size // MOST_POOLED)
    pooled = truth[::step].ravel(), probabilities[::step].ravel()
    false_rate, true_rate, _ = roc_curve(*pooled)
    records.append(_roc_record("micro", "micro average", false_rate, true_rate))
    return tuple(records)


def pr_curves(
    labels: IntArray, probabilities: FloatArray, class_names: Sequence[str]
) -> tuple[PrCurve, ...]:
    """The precision-recall curve of every class that has images, against the rest.

    A curve begins at recall 0 with precision 1, by convention, and keeps the points where
    it changes direction. Its area is that of its steps: each point's precision holds from
    the recall before it, so nothing between two points is taken for better than it is.

    Args:
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`.
        class_names: k names, in label order.

    Raises:
        ValueError: As for `score_split`.

    Source: Davis & Goadrich 2006, ICML, on why its points are not joined by lines.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve  # 2 s

    check_predictions(labels, probabilities, class_names)
    curves = []
    for index, name in enumerate(class_names):
        is_own, probability = labels == index, probabilities[:, index]
        if not is_own.any():
            continue
        precision, recall, _ = precision_recall_curve(is_own, probability, drop_intermediate=True)
        curves.append(
            PrCurve(
                name=name,
                recall=tuple(recall[::-1].tolist()),
                precision=tuple(precision[::-1].tolist()),
                average_precision=float(average_precision_score(is_own, probability)),
                share=float(is_own.mean()),
            )
        )
    return tuple(curves)


def _roc_record(
    kind: Literal["class", "macro", "micro"],
    name: str,
    false_rate: DoubleArray,
    true_rate: DoubleArray,
) -> RocCurve:
    return RocCurve(
        name=name,
        kind=kind,
        false_positive_rate=tuple(false_rate.tolist()),
        true_positive_rate=tuple(true_rate.tolist()),
        auc=float(np.trapezoid(true_rate, false_rate)),
    )
