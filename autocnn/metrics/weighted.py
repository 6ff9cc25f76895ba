"""The metrics of one set of predictions, under many weightings of its images at once.

A bootstrap resample is a set of images with weights (how often each was drawn), and
the split itself is the resample in which every weight is 1. So there is one
implementation of each metric, for point values and for intervals.

Five steps, as in torchmetrics: check (`check_predictions`), bring to one form
(`WeightedMetrics.prepare`), count (sparse sums of weights), reduce
(`WeightedMetrics.reduce`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray

NUM_BINS = 15
"""Bins of the calibration error. Source: Guo et al. 2017, arXiv:1706.04599."""

SMALLEST_PROBABILITY = 1e-7
"""Least probability inside a logarithm: what float32, and so Keras, can tell from 0."""

CHUNK_ELEMENTS = 2**20
"""Weights held at a time while resampling, or numbers in a block: 8 MB."""


@dataclass(frozen=True)
class WeightedScores:
    """The metrics of b weightings, each (b,); NaN where one is not defined under a weighting.

    `macro_auc` is the mean over the classes for which it is defined.
    """

    accuracy: DoubleArray
    balanced_accuracy: DoubleArray
    macro_f1: DoubleArray
    macro_auc: DoubleArray
    kappa: DoubleArray
    mcc: DoubleArray
    log_loss: DoubleArray
    ece: DoubleArray


@dataclass(frozen=True)
class WeightedClassScores:
    """Each class against the rest under b weightings, each (k, b); NaN where not defined."""

    precision: DoubleArray
    recall: DoubleArray
    specificity: DoubleArray
    f1: DoubleArray
    auc: DoubleArray

    def means(self) -> dict[str, DoubleArray]:
        """The three metrics that are means over the classes, each (b,)."""
        return {
            "balanced_accuracy": mean_defined(self.recall),
            "macro_f1": mean_defined(self.f1),
            "macro_auc": mean_defined(self.auc),
        }


@dataclass(frozen=True)
class WeightedMetrics:
    """Predictions in the form in which any weighting of the images is a few sparse products.

    Every matrix has a column per image, and sums the weights of a set of images.

    Attributes:
        num_images: n.
        support: (k, n) Images of each class.
        predicted: (k, n) Images predicted as each class.
        hits: (k, n) Images of each class that were predicted as it.
        calibration: (15, n) Per bin of the top probability: correct - top probability.
        cross_entropy: (n,) -log of the true class's probability.
        rankings: One per class: the order of its images among the others; empty without areas.
    """

    num_images: int
    support: csr_array
    predicted: csr_array
    hits: csr_array
    calibration: csr_array
    cross_entropy: DoubleArray
    rankings: tuple["Ranking", ...]

    @classmethod
    def prepare(cls, labels: IntArray, probabilities: FloatArray, *, has_auc: bool = True) -> Self:
        """Bring checked predictions to this form.

        Args:
            labels: (n,) True classes, 0 to k - 1.
            probabilities: (n, k) Rows that add up to 1.
            has_auc: Whether areas are wanted, which cost most; without, they are NaN.
        """
        # Never all of them in double precision at once: of 1,000 classes that is half a GB.
        num_images, num_classes = probabilities.shape
        images = np.arange(num_images)
        top = probabilities.argmax(axis=1)
        confidence = probabilities[images, top].astype(np.float64)
        correct = top == labels
        bins = confidence_bins(confidence)
        truth = np.maximum(probabilities[images, labels].astype(np.float64), SMALLEST_PROBABILITY)
        ones = np.ones(num_images)
        return cls(
            num_images=num_images,
            support=_sum_rows(labels, images, ones, (num_classes, num_images)),
            predicted=_sum_rows(top, images, ones, (num_classes, num_images)),
            hits=_sum_rows(labels, images, correct.astype(float), (num_classes, num_images)),
            calibration=_sum_rows(bins, images, correct - confidence, (NUM_BINS, num_images)),
            cross_entropy=-np.log(np.minimum(truth, 1.0)),
            rankings=tuple(
                Ranking.prepare(labels == index, probabilities[:, index].astype(np.float64))
                for index in range(num_classes if has_auc else 0)
            ),
        )

    def reduce(self, weights: DoubleArray) -> tuple[WeightedScores, WeightedClassScores]:
        """The metrics under each of b weightings, over all images and per class.

        Args:
            weights: (n, b) How often each image counts; no column is all 0.
        """
        support, predicted = self.support @ weights, self.predicted @ weights
        hits = self.hits @ weights
        total: DoubleArray = support.sum(axis=0)
        classes = WeightedClassScores(
            precision=divide(hits, predicted),
            recall=divide(hits, support),
            specificity=divide(total - support - predicted + hits, total - support),
            f1=divide(2 * hits, support + predicted),
            auc=np.stack([ranking.auc(weights) for ranking in self.rankings])
            if self.rankings
            else np.full(support.shape, np.nan),
        )
        scores = WeightedScores(
            accuracy=hits.sum(axis=0) / total,
            kappa=kappa(support, predicted, hits),
            mcc=matthews(support, predicted, hits),
            log_loss=self.cross_entropy @ weights / total,
            ece=np.abs(self.calibration @ weights).sum(axis=0) / total,
            **classes.means(),
        )
        return scores, classes

    def resample(
        self, groups: IntArray, num_resamples: int, *, seed: int
    ) -> tuple[WeightedScores, WeightedClassScores]:
        """The metrics of bootstrap resamples, over all images and per class.

        Memory does not grow with the number of resamples.

        Args:
            groups: (n,) As for `draw_weights`.
            num_resamples: b, at least 1.
            seed: Seed of the resamples.

        Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
        """
        chunks = [
            self.reduce(weights) for weights in draw_weights(groups, num_resamples, seed=seed)
        ]
        scores = {
            field.name: np.concatenate([getattr(chunk, field.name) for chunk, _ in chunks])
            for field in fields(WeightedScores)
        }
        classes = {
            field.name: np.concatenate([getattr(chunk, field.name) for _, chunk in chunks], axis=1)
            for field in fields(WeightedClassScores)
        }
        return WeightedScores(**scores), WeightedClassScores(**classes)


def class_areas(labels: IntArray, probabilities: FloatArray) -> DoubleArray:
    """(k,) The area under the ROC curve of each class against the rest, one class at a time.

    As `Ranking.auc` with all weights 1, to the last digit, in the memory of one class.

    Args:
        labels: (n,) True classes, 0 to k - 1.
        probabilities: (n, k)
    """
    below, pairs = np.zeros((2, probabilities.shape[1]))
    for index, column in enumerate(probabilities.T):
        is_own = labels == index
        own, others = column[is_own], np.sort(column[~is_own])
        ends = [others.searchsorted(own, side) for side in ("left", "right")]
        below[index], pairs[index] = np.sum(ends) / 2, len(own) * len(others)
    return divide(below, pairs)


@dataclass(frozen=True)
class Ranking:
    """Where the images of one class stand among all others, by its probability.

    The q distinct probabilities of the class's own images cut the line into 2q + 1
    segments: below the first, equal to it, between it and the second, ...

    Attributes:
        own: (q, n) Own images at each distinct probability.
        others: (2q + 1, n) Other images in each segment.
    """

    own: csr_array
    others: csr_array

    @classmethod
    def prepare(cls, is_own: NDArray[np.bool_], probability: DoubleArray) -> Self:
        """Order the images of a class, `is_own` (n,), and all others by `probability` (n,)."""
        own, others = np.flatnonzero(is_own), np.flatnonzero(~is_own)
        values, levels = np.unique(probability[own], return_inverse=True)
        segments = values.searchsorted(probability[others], side="left")
        segments = segments + values.searchsorted(probability[others], side="right")
        shape = (2 * len(values) + 1, len(is_own))
        return cls(
            own=_sum_rows(levels, own, np.ones(len(own)), (len(values), len(is_own))),
            others=_sum_rows(segments, others, np.ones(len(others)), shape),
        )

    def auc(self, weights: DoubleArray) -> DoubleArray:
        """(b,) Chance that an own image stands above another one; a tie counts a half.

        Exact with ties, NaN where either side has no weight.

        Source: Hanley & McNeil 1982, Radiology 143:29-36 (the Mann-Whitney statistic).
        """
        own, others = self.own @ weights, (self.others @ weights).cumsum(axis=0)
        below = (others[0:-1:2] + others[1::2]) / 2
        pairs: DoubleArray = own.sum(axis=0) * others[-1]
        return divide((own * below).sum(axis=0), pairs)


def draw_weights(groups: IntArray, num_resamples: int, *, seed: int) -> Iterator[DoubleArray]:
    """Chunks (n, b) of bootstrap weights: how often each resample drew each image.

    A resample of m groups draws m of them, with replacement, and takes all images of a
    group together. So where groups differ in size, so do resamples.

    Args:
        groups: (n,) The group of each image, any integers; n at least 1.
        num_resamples: Columns of all chunks together, at least 1.
        seed: Seed of the draws.

    Source: Davison & Hinkley 1997, Bootstrap Methods and their Application, 3.8.
    """
    generator = np.random.default_rng(seed)
    names, members = np.unique(groups, return_inverse=True)
    num_groups = len(names)
    step = max(1, CHUNK_ELEMENTS // len(groups))
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        drawn = generator.integers(0, num_groups, size=(size, num_groups))
        drawn = drawn * size + np.arange(size)[:, np.newaxis]
        counts = np.bincount(drawn.ravel(), minlength=num_groups * size)
        yield counts.reshape(num_groups, size)[members].astype(np.float64)


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """The rows of a matrix in parts of about a million numbers, for which there is always space.

    Args:
        shape: Of the matrix, (n, k).

    >>> list(blocks((3, 600_000)))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)]
    """
    num_rows, num_columns = shape
    step = max(1, CHUNK_ELEMENTS // num_columns)
    for start in range(0, num_rows, step):
        yield slice(start, min(start + step, num_rows))


def check_predictions(
    labels: IntArray, probabilities: FloatArray, class_names: Sequence[str] | None = None
) -> None:
    """Check that predictions fit together.

    Args:
        labels: (n,) True classes, 0 to k - 1; n at least 1. A class may be missing.
        probabilities: (n, k) 0 to 1; k at least 2.
        class_names: k names, where there are any.

    Raises:
        ValueError: When shapes, labels or probabilities are outside these.
    """
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


def check_groups(groups: IntArray | None, num_images: int) -> IntArray:
    """(num_images,) The groups; of None, every image its own.

    Raises:
        ValueError: When there is not one integer per image.
    """
    if groups is None:
        return np.arange(num_images)
    if groups.shape != (num_images,) or groups.dtype.kind not in "iu":
        got = f"{groups.dtype} of {groups.shape}"
        raise ValueError(f"groups must be integers of ({num_images},), got {got}.")
    return groups


def confidence_bins(confidence: DoubleArray) -> IntArray:
    """(n,) Which of the 15 equal bins (low, high] a top probability (n,) falls in.

    >>> confidence_bins(np.array([0.2, 0.21, 1.0])).tolist()
    [2, 3, 14]
    """
    bins: IntArray = np.clip(np.ceil(confidence * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    return bins


def divide(numerator: DoubleArray, denominator: DoubleArray) -> DoubleArray:
    """Quotients, NaN where the denominator is 0.

    >>> divide(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    quotients = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=quotients, where=denominator > 0)
    return quotients


def kappa(support: DoubleArray, predicted: DoubleArray, hits: DoubleArray) -> DoubleArray:
    """(b,) Cohen's kappa: how much more often right than by chance, of what chance leaves.

    Args:
        support: (k, b) Images of each class.
        predicted: (k, b) Images taken for each class.
        hits: (k, b) Images that are both.

    Returns:
        1 where all are right, 0 for guessing, below 0 for less; NaN where all images are of one
        class and taken for it.

    Source: Cohen 1960, Educational and Psychological Measurement 20:37-46.

    >>> kappa(np.array([[50.0], [50.0]]), np.array([[60.0], [40.0]]), np.array([[45.0], [35.0]]))
    array([0.6])
    """
    total: DoubleArray = support.sum(axis=0)
    chance = (support * predicted).sum(axis=0) / total**2
    found = divide(hits.sum(axis=0) / total - chance, 1 - chance)
    return np.where(chance > 1 - 1e-12, np.nan, found)


def matthews(support: DoubleArray, predicted: DoubleArray, hits: DoubleArray) -> DoubleArray:
    """(b,) Matthews' correlation of labels and predictions, of any number of classes.

    Args:
        support: (k, b) Images of each class.
        predicted: (k, b) Images taken for each class.
        hits: (k, b) Images that are both.

    Returns:
        1 where all are right, 0 for guessing, below 0 for less; 0 where all are taken for one
        class; NaN where all are of one class.

    Source: Gorodkin 2004, Computational Biology and Chemistry 28:367-374.

    >>> matthews(np.array([[50.0], [50.0]]), np.array([[50.0], [50.0]]), np.array([[45.0], [45.0]]))
    array([0.8])
    """
    total: DoubleArray = support.sum(axis=0)
    shared = hits.sum(axis=0) * total - (support * predicted).sum(axis=0)
    labels, guesses = (total**2 - (one**2).sum(axis=0) for one in (support, predicted))
    found = np.nan_to_num(divide(shared, np.sqrt(np.maximum(labels * guesses, 0.0))))
    return np.where(labels > 0, found, np.nan)


def mean_defined(values: DoubleArray) -> DoubleArray:
    """(b,) Means over axis 0 of (k, b), leaving NaN out; NaN where nothing is left.

    >>> mean_defined(np.array([[1.0, np.nan], [0.0, np.nan]])).tolist()
    [0.5, nan]
    """
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(float))


def _sum_rows(
    rows: IntArray, images: IntArray, values: DoubleArray, shape: tuple[int, int]
) -> csr_array:
    """The matrix whose products sum weights, each times its value, by row."""
    return csr_array((values, (rows, images)), shape=shape)
