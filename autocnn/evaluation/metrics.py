"""Scores, intervals, confusion matrix and ROC curves of predicted probabilities.

Accuracy, balanced accuracy, macro F1, macro AUC and log loss agree with
scikit-learn; scikit-learn itself is only loaded where curves are asked for, so that
a trial process that scores an epoch does not pay for its import (2 s).
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Literal

import numpy as np

from autocnn.evaluation.weighted import (
    DoubleArray,
    FloatArray,
    IntArray,
    WeightedMetrics,
    WeightedScores,
    divide,
)
from autocnn.records import (
    ClassScores,
    ConfusionMatrix,
    Interval,
    RocCurve,
    Scores,
    SplitName,
    SplitScores,
)

METRICS: tuple[str, ...] = tuple(field.name for field in fields(WeightedScores))
"""Names of the metrics, in the order of `Scores`."""

SHARES = frozenset({"accuracy", "balanced_accuracy", "macro_f1", "macro_auc"})
"""Metrics that are 1 when every image is right: at 0 and 1 a resample cannot differ."""

Z_95 = 1.959963984540054
"""The normal distribution's 97.5 % point: 95 % lie within this many standard deviations."""


def score(labels: IntArray, probabilities: FloatArray) -> Scores:
    """How well predicted probabilities fit the labels.

    Args:
        labels: (n,) True classes, 0 to k - 1; n at least 1. A class may be missing.
        probabilities: (n, k) Rows that add up to 1; k at least 2. The prediction is
            the first class of the largest probability.

    Returns:
        accuracy; balanced_accuracy, the mean recall over the classes with images;
        macro_f1, the mean F1 over the classes with images or predictions (as
        scikit-learn's default); macro_auc, the unweighted mean one-vs-rest area under
        the ROC curve, None when a class has no image or all of them; log_loss in
        nats, probabilities below 1e-7 taken as 1e-7; ece, the expected calibration
        error over 15 equal bins (low, high] of the top probability.

    Raises:
        ValueError: When shapes, labels or probabilities are outside these.

    Source: ECE: Guo et al. 2017, arXiv:1706.04599, equation 3.

    >>> score(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])).accuracy
    0.5
    """
    _check(labels, probabilities)
    return _point_scores(WeightedMetrics.prepare(labels, probabilities))


def score_split(
    split: SplitName,
    labels: IntArray,
    probabilities: FloatArray,
    class_names: Sequence[str],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> SplitScores:
    """Everything measured on one split, with 95 % intervals and the scores per class.

    The intervals are percentiles of bootstrap resamples of the images, with three
    rules for what a percentile cannot say:

    - A share (accuracy, balanced accuracy, F1, AUC) of exactly 0 or 1 is the same in
      every resample. It gets the Wilson interval: for accuracy of that share of n
      images; for the class means of k^2 / sum(1 / n_c) images, the number of equally
      informative images when class c has n_c of them.
    - In a resample that lacks a class, class means are over the others.
    - The calibration error of a resample is biased upwards, as it holds fewer
      different images, so an interval is stretched to hold the value itself.

    A metric that is None has no interval.

    Args:
        split: The split that was predicted.
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`.
        class_names: k names, in label order.
        num_resamples: Resamples of the bootstrap, at least 1.
        seed: Seed of the resamples; the same seed gives the same intervals.

    Raises:
        ValueError: As for `score`, and when there are not k names.

    Source: Efron & Tibshirani 1993, chapter 13; Wilson 1927, JASA 22:209-212.
    """
    _check(labels, probabilities, class_names)
    metrics = WeightedMetrics.prepare(labels, probabilities)
    scores = _point_scores(metrics)
    resampled = metrics.resample(num_resamples, seed=seed)
    counts = np.bincount(labels, minlength=len(class_names))
    intervals = {}
    for name in METRICS:
        value: float | None = getattr(scores, name)
        if value is None:
            continue
        if name in SHARES and value in (0.0, 1.0):
            num_images = float(len(labels))
            if name != "accuracy":
                num_images = np.count_nonzero(counts) ** 2 / (1 / counts[counts > 0]).sum()
            intervals[name] = _wilson_interval(value, num_images)
        else:
            low, high = np.nanpercentile(getattr(resampled, name), [2.5, 97.5])
            intervals[name] = Interval(
                value=value, low=min(float(low), value), high=max(float(high), value)
            )
    return SplitScores(
        split=split,
        num_images=len(labels),
        scores=scores,
        intervals=intervals,
        classes=_class_scores(metrics, class_names),
    )


def confusion_matrix(
    labels: IntArray, probabilities: FloatArray, class_names: Sequence[str]
) -> ConfusionMatrix:
    """Counts of (true class, predicted class).

    Args:
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`.
        class_names: k names, in label order.

    Raises:
        ValueError: As for `score_split`.

    >>> confusion_matrix(np.array([0, 1, 1]), np.eye(2)[[0, 0, 1]], ["cat", "dog"]).counts
    ((1, 0), (1, 1))
    """
    _check(labels, probabilities, class_names)
    size = len(class_names)
    cells = np.bincount(
        labels.astype(np.int64) * size + probabilities.argmax(axis=1), minlength=size**2
    )
    rows = cells.reshape(size, size).tolist()
    return ConfusionMatrix(labels=tuple(class_names), counts=tuple(map(tuple, rows)))


def roc_curves(
    labels: IntArray, probabilities: FloatArray, class_names: Sequence[str]
) -> tuple[RocCurve, ...]:
    """The ROC curve of every class against the rest, then their macro and micro average.

    A class without images, or with all of them, has no curve; without any curve there
    is no macro average either. The macro average is the mean true-positive rate of
    the curves at every false-positive rate where one of them bends. There it takes the
    mean on both sides of a vertical step, so its area is the mean of their areas
    (scikit-learn's example keeps the upper side only, and its area is larger). The
    micro average pools all (image, class) pairs.

    Args:
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`.
        class_names: k names, in label order.

    Raises:
        ValueError: As for `score_split`.

    Source: scikit-learn, "Multiclass Receiver Operating Characteristic", examples.
    """
    from sklearn.metrics import roc_curve  # 2 s, and no trial process needs it

    _check(labels, probabilities, class_names)
    truth = np.eye(len(class_names), dtype=bool)[labels]
    counts = truth.sum(axis=0)
    curves: list[tuple[str, DoubleArray, DoubleArray]] = []
    for index, name in enumerate(class_names):
        if 0 < counts[index] < len(labels):
            false_rate, true_rate, _ = roc_curve(truth[:, index], probabilities[:, index])
            curves.append((name, false_rate, true_rate))
    records = [_roc_record("class", *curve) for curve in curves]
    if curves:
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
    false_rate, true_rate, _ = roc_curve(truth.ravel(), probabilities.ravel())
    records.append(_roc_record("micro", "micro average", false_rate, true_rate))
    return tuple(records)


def _check(
    labels: IntArray, probabilities: FloatArray, class_names: Sequence[str] | None = None
) -> None:
    if probabilities.ndim != 2 or probabilities.shape[0] < 1 or probabilities.shape[1] < 2:
        rule = "must be (n, k) with n >= 1 and k >= 2"
        raise ValueError(f"probabilities {rule}, got {probabilities.shape}.")
    num_images, num_classes = probabilities.shape
    if labels.shape != (num_images,):
        raise ValueError(f"labels must be ({num_images},), got {labels.shape}.")
    if labels.min() < 0 or labels.max() >= num_classes:
        got = f"{labels.min()} to {labels.max()}"
        raise ValueError(f"labels must be 0 to {num_classes - 1}, got {got}.")
    # The comparison is false for NaN. A rounded sum may stand a little above 1.
    if not (probabilities.min() >= 0 and probabilities.max() <= 1.001):
        got = f"{probabilities.min()} to {probabilities.max()}"
        raise ValueError(f"probabilities must be 0 to 1, got {got}.")
    if class_names is not None and len(class_names) != num_classes:
        raise ValueError(f"class_names must be {num_classes} names, got {len(class_names)}.")


def _point_scores(metrics: WeightedMetrics) -> Scores:
    weights = np.ones((metrics.num_images, 1))
    reduced = metrics.reduce(weights)
    values = {name: float(getattr(reduced, name)[0]) for name in METRICS}
    is_auc_defined = not np.isnan(metrics.class_auc(weights)).any()
    return Scores(**(values | ({} if is_auc_defined else {"macro_auc": None})))


def _class_scores(metrics: WeightedMetrics, class_names: Sequence[str]) -> tuple[ClassScores, ...]:
    weights = np.ones((metrics.num_images, 1))
    support = (metrics.support @ weights)[:, 0]
    predicted = (metrics.predicted @ weights)[:, 0]
    hits = (metrics.hits @ weights)[:, 0]
    columns = (
        divide(hits, predicted),
        divide(hits, support),
        divide(2 * hits, support + predicted),
        metrics.class_auc(weights)[:, 0],
    )
    classes = []
    for index, name in enumerate(class_names):
        values = [float(column[index]) for column in columns]
        precision, recall, f1, auc = (None if np.isnan(value) else value for value in values)
        classes.append(
            ClassScores(
                label=name,
                num_images=int(support[index]),
                precision=precision,
                recall=recall,
                f1=f1,
                auc=auc,
            )
        )
    return tuple(classes)


def _wilson_interval(share: float, num_images: float) -> Interval:
    """The Wilson interval of a share that is exactly 0 or 1."""
    width = Z_95**2 / (num_images + Z_95**2)
    low, high = (0.0, width) if share == 0.0 else (1.0 - width, 1.0)
    return Interval(value=share, low=low, high=high)


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
