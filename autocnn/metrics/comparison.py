"""Two candidates on the same images: is one better, or is it chance?"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.core.records import Comparison, Interval
from autocnn.metrics.intervals import SIGNIFICANCE, effective_number, wilson_interval
from autocnn.metrics.own_objective import NUM_RESAMPLES, Measure, under_weights
from autocnn.metrics.weighted import (
    CHUNK_ELEMENTS,
    WeightedMetrics,
    check_groups,
    check_predictions,
    draw_weights,
)

NUM_SWAPS = 1000
"""Fewest draws of the permutation test, whose p-values are no finer than 1 / (draws + 1)."""

SWAPS_PER_COMPARISON = 40
"""With so many for each, a p-value can be half the corrected level."""


def compare(
    labels: IntArray,
    first_probabilities: FloatArray,
    second_probabilities: FloatArray,
    *,
    other: int,
    metric: str = "accuracy",
    groups: IntArray | None = None,
    num_comparisons: int = 1,
    num_resamples: int = 1000,
    seed: int = 0,
    own: Measure | None = None,
) -> Comparison:
    """A metric of a candidate minus that of another one.

    Both are resampled together, by group, so what is hard for both cancels: the interval is
    the difference and as many standard deviations of its resamples as the level takes. A
    permutation test asks the same without a distribution: were the two alike, it would not
    matter which of them predicted a group, so the predictions of each group are swapped or
    not at random, and the p-value is how often the difference is as large as it is. The
    bootstrap takes a handful of images for more evidence than they are, so where the p-value
    is above the level, the interval is stretched to 0; and where the interval holds 0, the
    p-value is the interval's: both must speak. Candidates that predict all images
    alike are as far apart as the Wilson interval of a share of 0 allows.

    Args:
        labels: (n,) True classes, as for `score`.
        first_probabilities: (n, k) Of this candidate.
        second_probabilities: (n, k) Of the other one.
        other: Number of the other one.
        metric: A field of `Scores`, or the objective that `own` measures.
        groups: (n,) As for `score_split`.
        num_comparisons: How many are made together, at least 1. Interval and p-value are such
            that all of them hold at once with 95 % (Bonferroni's correction).
        num_resamples: Resamples of the bootstrap, at least 2.
        seed: Seed of the resamples.
        own: As for `score`.

    Raises:
        ValueError: As for `score_split`.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 15.
    """
    for probabilities in (first_probabilities, second_probabilities):
        check_predictions(labels, probabilities)
    groups = check_groups(groups, len(labels))
    level = SIGNIFICANCE / num_comparisons
    pair = _Pair(labels, first_probabilities, second_probabilities, metric, own)
    value, spread = pair.value, pair.spread(groups, num_resamples, seed=seed)
    fewest = NUM_SWAPS if own is None else NUM_RESAMPLES
    num_swaps = max(fewest, SWAPS_PER_COMPARISON * num_comparisons)
    p_value = pair.swap(groups, num_swaps, seed=seed)
    if spread == 0.0:
        reach = wilson_interval(0.0, effective_number(groups)).high
        low, high = value - reach, value + reach
    else:
        half = _normal_quantile(1 - level / 2) * spread
        low, high = value - half, value + half
        p_value = max(p_value, _normal_tails(value / spread))
    if p_value > level:
        low, high = min(low, 0.0), max(high, 0.0)
    return Comparison(
        other=other,
        metric=metric,
        difference=Interval(value=value, low=low, high=high),
        p_value=min(1.0, p_value * num_comparisons),
        is_told_apart=not low <= 0 <= high,
    )


def standard_error(
    labels: IntArray,
    first_probabilities: FloatArray,
    second_probabilities: FloatArray,
    *,
    metric: str,
    groups: IntArray,
    seed: int,
    num_resamples: int = 1000,
    own: Measure | None = None,
) -> tuple[float, float]:
    """The paired difference of `compare`, and its standard error.

    Args:
        labels: (n,) As for `compare`, like all others.
        first_probabilities: (n, k).
        second_probabilities: (n, k).
        metric: As for `compare`.
        groups: (n,).
        seed: Of the resamples.
        num_resamples: At least 2.
        own: As for `score`.
    """
    pair = _Pair(labels, first_probabilities, second_probabilities, metric, own)
    return pair.value, pair.spread(groups, num_resamples, seed=seed)


class _Pair:
    """The predictions of two candidates on n images, one below the other.

    Args:
        labels: (n,) The true classes.
        first: (n, k) Probabilities of the first.
        second: (n, k) Of the second.
        metric: A field of `Scores`, or the objective that `own` measures.
        own: As for `score`.

    Attributes:
        value: First minus second; 0 where it is not defined.
    """

    def __init__(
        self,
        labels: IntArray,
        first: FloatArray,
        second: FloatArray,
        metric: str,
        own: Measure | None,
    ) -> None:
        both = np.concatenate([labels, labels]), np.concatenate([first, second])
        self.reduce = (
            partial(under_weights, own, *both) if own is not None else _reduce_metric(metric, *both)
        )
        self.is_own = own is not None
        self.value = float(np.nan_to_num(self.difference(np.ones((len(labels), 1)))[0]))

    def difference(
        self, weights: DoubleArray, is_swapped: NDArray[np.bool_] | None = None
    ) -> DoubleArray:
        """(b,) First minus second, of images with weights (n, b), some with their roles swapped."""
        swapped = np.zeros(weights.shape, bool) if is_swapped is None else is_swapped
        kept, given = np.where(swapped, 0.0, weights), np.where(swapped, weights, 0.0)
        return self._value(kept, given) - self._value(given, kept)

    def spread(self, groups: IntArray, num_resamples: int, *, seed: int) -> float:
        """Standard deviation of the differences of bootstrap resamples by group."""
        number = min(num_resamples, NUM_RESAMPLES) if self.is_own else num_resamples
        drawn = draw_weights(groups, number, seed=seed)
        differences = np.concatenate([self.difference(weights) for weights in drawn])
        differences = differences[np.isfinite(differences)]
        # Where hardly a resample has a value, nothing can be told apart.
        return float(differences.std(ddof=1)) if len(differences) > 1 else abs(self.value)

    def swap(self, groups: IntArray, num_swaps: int, *, seed: int) -> float:
        """How often random roles make a difference as large as it is.

        A draw in which there is none, as in that of a class without images, speaks for chance.
        """
        larger = 0
        for is_swapped in _draw_swaps(groups, num_swaps, seed=seed):
            found = self.difference(np.ones(is_swapped.shape), is_swapped)
            is_smaller = np.abs(found) < abs(self.value) - 1e-12  # not where it is not defined
            larger += int((~is_smaller).sum())
        return (1 + larger) / (1 + num_swaps)

    def _value(self, first: DoubleArray, second: DoubleArray) -> DoubleArray:
        return self.reduce(np.concatenate([first, second]))


def _reduce_metric(
    metric: str, labels: IntArray, probabilities: FloatArray
) -> Callable[[DoubleArray], DoubleArray]:
    """What gives a metric, (b,), under weights (n, b)."""
    metrics = WeightedMetrics.prepare(labels, probabilities, has_auc=metric == "macro_auc")

    def reduce(weights: DoubleArray) -> DoubleArray:
        found: DoubleArray = getattr(metrics.reduce(weights)[0], metric)
        return found

    return reduce


def _draw_swaps(groups: IntArray, number: int, *, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Chunks (n, b) of coins, one per group and draw."""
    _, members = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng((seed, 1))
    step = max(1, CHUNK_ELEMENTS // len(groups))
    for start in range(0, number, step):
        size = min(step, number - start)
        yield generator.integers(0, 2, size=(members.max() + 1, size), dtype=np.int8)[members] > 0


def _normal_tails(distance: float) -> float:
    """The share of a normal distribution that is at least so many standard deviations away."""
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(distance)))


def _normal_quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))
