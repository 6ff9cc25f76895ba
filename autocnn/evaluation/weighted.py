"""The six metrics of one set of predictions, under many weightings of its images at once.

A bootstrap resample is a set of images with weights (how often each was drawn), and
the split itself is the resample in which every weight is 1. So there is one
implementation of each metric, for point values and for intervals.

Five steps, as in torchmetrics: check, bring to one form (`WeightedMetrics.prepare`),
count (sparse sums of weights), reduce (`WeightedMetrics.reduce`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
DoubleArray = NDArray[np.float64]

NUM_BINS = 15
"""Bins of the calibration error. Source: Guo et al. 2017, arXiv:1706.04599."""

SMALLEST_PROBABILITY = 1e-7
"""Floor of a probability inside a logarithm: what float32, and so Keras, can tell from 0."""

CHUNK_ELEMENTS = 2**20
"""Weights held at a time while resampling: 8 MB."""


@dataclass(frozen=True)
class WeightedScores:
    """The metrics of b weightings; NaN where one is not defined under a weighting.

    `macro_auc` is the mean over the classes for which it is defined.
    """

    accuracy: DoubleArray
    balanced_accuracy: DoubleArray
    macro_f1: DoubleArray
    macro_auc: DoubleArray
    log_loss: DoubleArray
    ece: DoubleArray


@dataclass(frozen=True)
class WeightedMetrics:
    """Predictions in the form in which any weighting of the images is a few sparse products.

    Every matrix has a column per image, and sums the weights of a group of images.

    Attributes:
        num_images: n.
        support: (k, n) Images of each class.
        predicted: (k, n) Images predicted as each class.
        hits: (k, n) Images of each class that were predicted as it.
        calibration: (15, n) Per bin of the top probability: correct - top probability.
        cross_entropy: (n,) -log of the true class's probability.
        rankings: One per class: the order of its images among the others.
    """

    num_images: int
    support: csr_array
    predicted: csr_array
    hits: csr_array
    calibration: csr_array
    cross_entropy: DoubleArray
    rankings: tuple["Ranking", ...]

    @classmethod
    def prepare(cls, labels: IntArray, probabilities: FloatArray) -> Self:
        """Group the images of checked predictions.

        Args:
            labels: (n,) True classes, 0 to k - 1.
            probabilities: (n, k) Rows that add up to 1.
        """
        shares: DoubleArray = probabilities.astype(np.float64, copy=False)
        num_images, num_classes = shares.shape
        images = np.arange(num_images)
        top = shares.argmax(axis=1)
        confidence = shares[images, top]
        correct = top == labels
        bins = np.clip(np.ceil(confidence * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
        truth = np.maximum(shares[images, labels], SMALLEST_PROBABILITY)
        ones = np.ones(num_images)
        return cls(
            num_images=num_images,
            support=_group(labels, images, ones, (num_classes, num_images)),
            predicted=_group(top, images, ones, (num_classes, num_images)),
            hits=_group(labels, images, correct.astype(float), (num_classes, num_images)),
            calibration=_group(bins, images, correct - confidence, (NUM_BINS, num_images)),
            cross_entropy=-np.log(np.minimum(truth, 1.0)),
            rankings=tuple(
                Ranking.prepare(labels == index, shares[:, index]) for index in range(num_classes)
            ),
        )

    def reduce(self, weights: DoubleArray) -> WeightedScores:
        """The metrics under each of b weightings.

        Args:
            weights: (n, b) How often each image counts; every column adds up to n.
        """
        support, predicted = self.support @ weights, self.predicted @ weights
        hits = self.hits @ weights
        return WeightedScores(
            accuracy=hits.sum(axis=0) / self.num_images,
            balanced_accuracy=mean_defined(divide(hits, support)),
            macro_f1=mean_defined(divide(2 * hits, support + predicted)),
            macro_auc=mean_defined(self.class_auc(weights)),
            log_loss=self.cross_entropy @ weights / self.num_images,
            ece=np.abs(self.calibration @ weights).sum(axis=0) / self.num_images,
        )

    def class_auc(self, weights: DoubleArray) -> DoubleArray:
        """(k, b) Area under the ROC curve of each class against the rest, NaN if undefined."""
        return np.stack([ranking.auc(weights) for ranking in self.rankings])

    def resample(self, num_resamples: int, *, seed: int) -> WeightedScores:
        """The metrics of bootstrap resamples of the images, each field (num_resamples,).

        Memory does not grow with the number of resamples.

        Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
        """
        chunks = [
            self.reduce(weights)
            for weights in draw_weights(self.num_images, num_resamples, seed=seed)
        ]
        return WeightedScores(
            *(
                np.concatenate([getattr(chunk, name) for chunk in chunks])
                for name in WeightedScores.__dataclass_fields__
            )
        )


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
        """Group the images of a class, `is_own` (n,), and all others by `probability` (n,)."""
        own, others = np.flatnonzero(is_own), np.flatnonzero(~is_own)
        values, groups = np.unique(probability[own], return_inverse=True)
        segments = values.searchsorted(probability[others], side="left")
        segments = segments + values.searchsorted(probability[others], side="right")
        shape = (2 * len(values) + 1, len(is_own))
        return cls(
            own=_group(groups, own, np.ones(len(own)), (len(values), len(is_own))),
            others=_group(segments, others, np.ones(len(others)), shape),
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


def draw_weights(num_images: int, num_resamples: int, *, seed: int) -> Iterator[DoubleArray]:
    """Chunks (n, b) of bootstrap weights: how often each resample drew each image."""
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK_ELEMENTS // num_images)
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        drawn = generator.integers(0, num_images, size=(size, num_images))
        drawn = drawn * size + np.arange(size)[:, np.newaxis]
        counts = np.bincount(drawn.ravel(), minlength=num_images * size)
        yield counts.reshape(num_images, size).astype(np.float64)


def divide(numerator: DoubleArray, denominator: DoubleArray) -> DoubleArray:
    """Quotients, NaN where the denominator is 0.

    >>> divide(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    quotients = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=quotients, where=denominator > 0)
    return quotients


def mean_defined(values: DoubleArray) -> DoubleArray:
    """(b,) Means over axis 0 of (k, b), leaving NaN out; NaN where nothing is left.

    >>> mean_defined(np.array([[1.0, np.nan], [0.0, np.nan]])).tolist()
    [0.5, nan]
    """
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(float))


def _group(
    rows: IntArray, images: IntArray, values: DoubleArray, shape: tuple[int, int]
) -> csr_array:
    return csr_array((values, (rows, images)), shape=shape)
