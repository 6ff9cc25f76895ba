"""Scores, their intervals and the confusion matrix of predicted probabilities.

Accuracy, balanced accuracy, macro F1, macro AUC and log loss agree with
scikit-learn, which is not loaded here, so that a trial process that scores an epoch
does not pay for its import (2 s).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Self

import numpy as np

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.core.records import (
    ClassScores,
    ConfusionMatrix,
    Interval,
    ScoredSet,
    Scores,
    SplitScores,
)
from autocnn.metrics.evidence import equally_informative
from autocnn.metrics.intervals import (
    calibration_interval,
    effective_number,
    freedom_of_mean,
    loss_interval,
    mean_interval,
    share_interval,
    shared_errors,
)
from autocnn.metrics.own_objective import Measure, measured_interval
from autocnn.metrics.weighted import (
    WeightedClassScores,
    WeightedMetrics,
    WeightedScores,
    check_groups,
    check_predictions,
    class_areas,
    confidence_bins,
    draw_weights,
)

MOST_RANKED = 10_000_000
"""Probabilities whose order is kept for resampling: 160 MB."""

METRICS: tuple[str, ...] = tuple(field.name for field in fields(WeightedScores))
"""Names of the metrics, in the order of `Scores`."""

CLASS_METRICS: tuple[str, ...] = tuple(field.name for field in fields(WeightedClassScores))
"""Names of the scores of one class against the rest."""

SHARES = frozenset({"accuracy", "balanced_accuracy", "macro_f1", "macro_auc", *CLASS_METRICS})
"""Metrics from 0 to 1 that are 1 when every image is right."""

CORRELATIONS = ("kappa", "mcc")
"""Metrics from -1 to 1 that are 1 when every image is right."""


def score(labels: IntArray, probabilities: FloatArray, own: Measure | None = None) -> Scores:
    """How well predicted probabilities fit the labels.

    Args:
        labels: (n,) True classes, 0 to k - 1; n at least 1. A class may be missing.
        probabilities: (n, k) Rows that add up to 1; k at least 2. The prediction is
            the first class of the largest probability.
        own: What measures an objective that is none of these.

    Returns:
        accuracy; balanced_accuracy, the mean recall over the classes with images;
        macro_f1, the mean F1 over the classes with images or predictions (as
        scikit-learn's default); macro_auc, the unweighted mean one-vs-rest area under
        the ROC curve, None when a class has no image or all of them; kappa, Cohen's, None when
        all images are of one class and taken for it; mcc, Matthews' correlation, None when all
        images are of one class; log_loss in
        nats, probabilities below 1e-7 taken as 1e-7; ece, the expected calibration
        error over 15 equal bins (low, high] of the top probability; own, None where that is not
        defined.

    Raises:
        ValueError: When shapes, labels or probabilities are outside these.

    Source: ECE: Guo et al. 2017, arXiv:1706.04599, equation 3.

    >>> score(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])).accuracy
    0.5
    """
    check_predictions(labels, probabilities)
    return _with_own(_scores(*_unweighted(labels, probabilities)[1:]), labels, probabilities, own)


def score_split(
    scored: ScoredSet,
    labels: IntArray,
    probabilities: FloatArray,
    class_names: Sequence[str],
    *,
    groups: IntArray | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
    own: Measure | None = None,
) -> SplitScores:
    """Everything measured on one set of images, over all and per class, with 95 % intervals.

    The intervals come from bootstrap resamples of the groups: images of one group
    (copies, one patient) are drawn together, as they are right or wrong together and tell
    less than as many independent ones. For shares (accuracy, macro F1, macro AUC, and all
    that are given per class) it is the spread of the resamples on the logit scale
    (`share_interval`); for balanced accuracy, that of the mean of the recalls
    (`mean_interval`), which move together where classes share groups (`shared_errors`); for
    kappa and Matthews' correlation that of shares, of (1 + value) / 2; for log loss the
    bootstrap-t (`loss_interval`); for the calibration error the errors of its bins
    (`calibration_interval`). Three rules:

    - A share that is the same in every resample, as 0 and 1 are, gets the Wilson interval
      of as many independent images as its groups are worth (`effective_number`): for
      accuracy, recall, precision and specificity of those that it is a share of; for F1
      the mean of those of the class and those predicted as it; for means over k classes
      k^2 / sum(1 / n_c), the number of equally informative images when class c has n_c of
      them; for the AUC of a class the same with the class and the rest for its two. So do all
      areas where there are more than 10 million probabilities: resampling these would take
      minutes and GB.
    - A spread of few groups is known as well as one group less knows it (Student's t).
    - In a resample that lacks a class, class means are over the others; a class's own
      scores are resampled by the resamples that have them.

    A metric that is None has no interval.

    Args:
        scored: What was predicted.
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`.
        class_names: k names, in label order.
        groups: (n,) The group of each image, any integers; None: every image its own.
        num_resamples: Resamples of the bootstrap, at least 1.
        seed: Seed of the resamples; the same seed gives the same intervals.
        own: As for `score`.

    Raises:
        ValueError: As for `score`, when there are not k names, or not n groups.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 12 and 13.
    """
    check_predictions(labels, probabilities, class_names)
    groups = check_groups(groups, len(labels))
    metrics, scores, classes = _unweighted(labels, probabilities)
    resampled, resampled_classes = metrics.resample(groups, num_resamples, seed=seed)
    numbers = _Numbers.count(labels, probabilities.argmax(axis=1), groups, len(class_names))
    by_class = tuple(
        _class_scores(
            name,
            num_images=int((labels == index).sum()),
            values={key: float(getattr(classes, key)[index, 0]) for key in CLASS_METRICS},
            resampled={key: getattr(resampled_classes, key)[index] for key in CLASS_METRICS},
            num_independent=float(numbers.own[index]),
            numbers=numbers.of_class(index),
            freedom=numbers.freedom_of_class(index),
        )
        for index, name in enumerate(class_names)
    )
    points = _with_own(_scores(scores, classes), labels, probabilities, own)
    means, freedom = numbers.of_all(), numbers.freedom
    shares = {name: getattr(points, name) for name in METRICS if name in SHARES}
    of_means = {"macro_f1": freedom, "macro_auc": freedom}
    intervals = _intervals(shares, {n: getattr(resampled, n) for n in shares}, means, of_means)
    if 0 < scores.balanced_accuracy[0] < 1:
        found_shares, resampled_shares = classes.recall[:, 0], resampled_classes.recall
        measured = np.flatnonzero(~np.isnan(found_shares))
        recalls = [
            share_interval(
                float(found_shares[index]),
                resampled_shares[index],
                numbers.own[index],
                freedom=freedom,
            )
            for index in measured
        ]
        shared = shared_errors(labels, groups, resampled_shares)
        intervals["balanced_accuracy"] = mean_interval(
            recalls, None if shared is None else shared[np.ix_(measured, measured)]
        )
    for name in CORRELATIONS:
        value = getattr(points, name)
        if value is not None:
            half = (1 + getattr(resampled, name)) / 2
            found = share_interval((1 + value) / 2, half, numbers.all, is_of_images=False)
            intervals[name] = Interval(value=value, low=2 * found.low - 1, high=2 * found.high - 1)
    loss = loss_interval(metrics.cross_entropy, groups, num_resamples=num_resamples, seed=seed)
    if loss is not None:
        intervals["log_loss"] = loss
    intervals["ece"] = calibration_interval(
        metrics.calibration @ np.ones(len(labels)) / len(labels),
        _bin_covariance(metrics, labels, probabilities, groups, num_resamples, seed=seed),
        resampled.ece,
        seed=seed,
        freedom=numbers.all - 1,
    )
    if own is not None and points.own is not None:
        found_own = measured_interval(own, points.own, labels, probabilities, groups, seed=seed)
        intervals |= {} if found_own is None else {"own": found_own}
    return SplitScores(
        split=scored,
        num_images=len(labels),
        num_independent=numbers.all,
        scores=points,
        # Summed in another order, a mean differs in its last digit: the point's value stands.
        intervals={
            name: interval.model_copy(update={"value": getattr(points, name)})
            for name, interval in intervals.items()
        },
        classes=by_class,
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
    check_predictions(labels, probabilities, class_names)
    size = len(class_names)
    cells = np.bincount(
        labels.astype(np.int64) * size + probabilities.argmax(axis=1), minlength=size**2
    )
    rows = cells.reshape(size, size).tolist()
    return ConfusionMatrix(labels=tuple(class_names), counts=tuple(map(tuple, rows)))


@dataclass(frozen=True)
class _Numbers:
    """How many independent images each share is a share of.

    Attributes:
        all: Of all images.
        own: (k,) Of each class.
        others: (k,) Of all others.
        predicted: (k,) Predicted as each class.
    """

    all: float
    own: DoubleArray
    others: DoubleArray
    predicted: DoubleArray

    @classmethod
    def count(
        cls, labels: IntArray, predicted: IntArray, groups: IntArray, num_classes: int
    ) -> Self:
        """Count those of images with these labels, predictions and groups, each (n,)."""
        classes = range(num_classes)
        return cls(
            all=effective_number(groups),
            own=np.array([effective_number(groups[labels == c]) for c in classes]),
            others=np.array([effective_number(groups[labels != c]) for c in classes]),
            predicted=np.array([effective_number(groups[predicted == c]) for c in classes]),
        )

    def of_all(self) -> dict[str, float]:
        """Metric -> number, for those over all images."""
        own = self.own[self.own > 0]
        means = dict.fromkeys(METRICS, min(equally_informative(own), self.all))
        return means | {"accuracy": self.all}

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the spread of a mean over classes, which may share groups."""
        return min(freedom_of_mean(self.own[self.own > 0]), self.all - 1)

    def freedom_of_class(self, index: int) -> float:
        """The same of the spread of a class's AUC, which compares it with all others."""
        sides = np.array([self.own[index], self.others[index]])
        return min(freedom_of_mean(sides[sides > 0]), self.all - 1)

    def of_class(self, index: int) -> dict[str, float]:
        """Score -> number, for those of one class."""
        own, others, predicted = self.own[index], self.others[index], self.predicted[index]
        sides = np.array([own, others])
        return {
            "precision": predicted,
            "recall": own,
            "specificity": others,
            "f1": (own + predicted) / 2,
            "auc": min(equally_informative(sides), self.all) if sides.all() else 0.0,
        }


def _unweighted(
    labels: IntArray, probabilities: FloatArray
) -> tuple[WeightedMetrics, WeightedScores, WeightedClassScores]:
    """The prepared predictions, and the metrics of the images as they are.

    Of very many predictions, the areas are measured one by one, and not to be resampled.
    """
    is_ranked = probabilities.size <= MOST_RANKED
    metrics = WeightedMetrics.prepare(labels, probabilities, has_auc=is_ranked)
    scores, classes = metrics.reduce(np.ones((metrics.num_images, 1)))
    if not is_ranked:
        classes = replace(classes, auc=class_areas(labels, probabilities)[:, np.newaxis])
        scores = replace(scores, macro_auc=classes.means()["macro_auc"])
    return metrics, scores, classes


def _scores(scores: WeightedScores, classes: WeightedClassScores) -> Scores:
    values = {name: float(getattr(scores, name)[0]) for name in METRICS}
    if np.isnan(classes.auc).any():
        values["macro_auc"] = math.nan
    return Scores(**{name: None if math.isnan(value) else value for name, value in values.items()})


def _with_own(
    scores: Scores, labels: IntArray, probabilities: FloatArray, own: Measure | None
) -> Scores:
    if own is None:
        return scores
    value = own(labels, probabilities)
    return scores.model_copy(update={"own": None if math.isnan(value) else value})


def _bin_covariance(
    metrics: WeightedMetrics,
    labels: IntArray,
    probabilities: FloatArray,
    groups: IntArray,
    num_resamples: int,
    *,
    seed: int,
) -> DoubleArray:
    """(15, 15) Covariance of the errors of each bin's part of the calibration error.

    That of resamples; where a bin's own error is larger, as in bins of a handful of images that
    are all right, that of a share to which one image was added which is right as often as the
    probabilities say.
    """
    parts = [
        metrics.calibration @ weights / weights.sum(axis=0)
        for weights in draw_weights(groups, num_resamples, seed=seed)
    ]
    covariance: DoubleArray = np.cov(np.concatenate(parts, axis=1), ddof=0)
    confidence = probabilities.max(axis=1).astype(np.float64).clip(max=1.0)
    is_right = probabilities.argmax(axis=1) == labels
    bins = confidence_bins(confidence)
    for index in np.unique(bins):
        inside = bins == index
        number = effective_number(groups[inside])
        share = (is_right[inside].mean() * number + confidence[inside].mean()) / (number + 1)
        error = inside.mean() * np.sqrt(share * (1 - share) / (number + 1))
        covariance[index, index] = max(covariance[index, index], error**2)
    return covariance


def _class_scores(
    name: str,
    *,
    num_images: int,
    num_independent: float,
    values: Mapping[str, float],
    resampled: Mapping[str, DoubleArray],
    numbers: Mapping[str, float],
    freedom: float,
) -> ClassScores:
    points = {key: None if np.isnan(value) else value for key, value in values.items()}
    intervals = _intervals(points, resampled, numbers, {"auc": freedom})
    return ClassScores(
        label=name,
        num_images=num_images,
        num_independent=num_independent,
        intervals=intervals,
        **points,
    )


def _intervals(
    points: Mapping[str, float | None],
    resampled: Mapping[str, DoubleArray],
    numbers: Mapping[str, float],
    freedom: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Interval]:
    """The interval of each share that has a value."""
    return {
        name: share_interval(
            value,
            resampled[name],
            numbers[name],
            freedom=freedom.get(name),
            is_of_images=name not in ("auc", "macro_auc"),
        )
        for name, value in points.items()
        if value is not None
    }
