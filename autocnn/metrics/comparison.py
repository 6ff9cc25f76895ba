"""Two candidates on the same images: is one better, or is it chance?"""

import numpy as np

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.records import Comparison, Interval
from autocnn.metrics.intervals import effective_number, percentile_interval, wilson_interval
from autocnn.metrics.weighted import check_groups, check_predictions, resample_mean

SIGNIFICANCE = 0.05
"""Level that goes with 95 % intervals."""


def compare(
    labels: IntArray,
    first_probabilities: FloatArray,
    second_probabilities: FloatArray,
    *,
    other: int,
    groups: IntArray | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """The accuracy of a candidate minus that of another one.

    Both are resampled together, by group, so what is hard for both cancels. McNemar's
    exact test asks the same of the groups on which they differ: those of which one
    candidate has more images right. (Without groups these are the images on which one is
    right.) The bootstrap takes a handful of such groups for more evidence than they are:
    4 to 0 leave 0 out. So where the test's p-value is above 0.05, the interval is stretched
    to 0. When they differ on no image, it reaches as far to both sides as the Wilson
    interval of the share that would.

    Args:
        labels: (n,) True classes, as for `score`.
        first_probabilities: (n, k) Of this candidate.
        second_probabilities: (n, k) Of the other one.
        other: Number of the other one.
        groups: (n,) As for `score_split`.
        num_resamples: Resamples of the bootstrap, at least 1.
        seed: Seed of the resamples.

    Raises:
        ValueError: As for `score_split`.

    Source: McNemar 1947, Psychometrika 12:153-157; Efron & Tibshirani 1993, chapter 13.
    """
    for probabilities in (first_probabilities, second_probabilities):
        check_predictions(labels, probabilities)
    groups = check_groups(groups, len(labels))
    first_right = first_probabilities.argmax(axis=1) == labels
    second_right = second_probabilities.argmax(axis=1) == labels
    ahead = first_right.astype(np.float64) - second_right
    p_value = _sign_test(ahead, groups)
    if not ahead.any():
        reach = wilson_interval(0.0, effective_number(groups)).high
        interval = Interval(value=0.0, low=-reach, high=reach)
    else:
        resampled = resample_mean(ahead, groups, num_resamples=num_resamples, seed=seed)
        interval = percentile_interval(float(ahead.mean()), resampled)
        if p_value > SIGNIFICANCE:
            low, high = min(interval.low, 0.0), max(interval.high, 0.0)
            interval = Interval(value=interval.value, low=low, high=high)
    return Comparison(
        other=other,
        difference=interval,
        p_value=p_value,
        is_told_apart=not interval.low <= 0 <= interval.high,
    )


def _sign_test(ahead: FloatArray, groups: IntArray) -> float:
    """Exact p-value of how many groups speak for the first, of those that speak for one."""
    from scipy.stats import binomtest  # 1 s

    _, members = np.unique(groups, return_inverse=True)
    leads = np.bincount(members, weights=ahead)
    wins, losses = int((leads > 0).sum()), int((leads < 0).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
