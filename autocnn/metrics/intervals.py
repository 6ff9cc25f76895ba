"""95 % intervals: of shares, of resamples, of differences; and what a group counts for."""

import numpy as np

from autocnn.core.arrays import DoubleArray, IntArray
from autocnn.core.records import Interval

Z_95 = 1.959963984540054
"""The normal distribution's 97.5 % point: 95 % lie within this many standard deviations."""


def wilson_interval(share: float, number: float) -> Interval:
    """The Wilson score interval of a share.

    Args:
        share: 0 to 1.
        number: Independent cases that it is a share of, whole or not (`effective_number`);
            above 0.

    Source: Wilson 1927, JASA 22:209-212.

    >>> wilson_interval(1.0, 100).low > 0.96
    True
    """
    spread = Z_95**2 / number
    center = (share + spread / 2) / (1 + spread)
    half = Z_95 * np.sqrt(share * (1 - share) / number + spread / number / 4) / (1 + spread)
    # Rounding may leave a share of exactly 0 or 1 a hair outside.
    low, high = min(float(center - half), share), max(float(center + half), share)
    return Interval(value=share, low=max(low, 0.0), high=min(high, 1.0))


def share_interval(share: float, resampled: DoubleArray, number: float) -> Interval:
    """The interval of a share, from the spread of its resamples on the logit scale.

    Near 1 a share can fall further than it can rise. Percentiles miss that: where the
    accuracy is 0.994, those of the AUC of a class held the truth in 78 of 100 simulated
    splits of 1,300 images, this interval in 94. A share of exactly 0 or 1 is the same in
    every resample, as any is of a single group; then it is the Wilson interval.

    Args:
        share: Of the images as they are, 0 to 1.
        resampled: (b,) Of their resamples; NaN where it is not defined.
        number: Independent cases that it is a share of, as for `wilson_interval`.

    Source: Qin & Hotilovac 2008, Statistical Methods in Medical Research 17:207-221 (AUC).
    """
    defined = resampled[~np.isnan(resampled)]
    spread = float(defined.std(ddof=1)) if len(defined) > 1 else 0.0
    if spread < 1e-12:  # but for rounding, all are the same
        return wilson_interval(share, number)
    odds, half = share / (1 - share), Z_95 * spread / (share * (1 - share))
    low, high = odds * np.exp([-half, half])
    return Interval(value=share, low=float(low / (1 + low)), high=float(high / (1 + high)))


def percentile_interval(value: float, resampled: DoubleArray) -> Interval:
    """The middle 95 % of resampled values, stretched to hold the value itself.

    Args:
        value: Of the images as they are.
        resampled: (b,) Of their resamples.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))


def difference_interval(first: Interval, second: Interval) -> Interval:
    """First minus second, two independent values, from the interval of each.

    A side of the difference is as long as the two sides that it adds up, squared and
    added: of independent errors, both are seldom at their limits together. Unlike the
    difference of two sets of resamples, it keeps the uncertainty of a share of exactly 1,
    which resamples have none of.

    Source: Newcombe 1998, Statistics in Medicine 17:873-890, method 10; Zou & Donner 2008,
    Statistics in Medicine 27:1693-1702.
    """
    value = first.value - second.value
    down = np.hypot(first.value - first.low, second.high - second.value)
    up = np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value=value, low=float(value - down), high=float(value + up))


def effective_number(groups: IntArray) -> float:
    """How many independent images a set in groups is worth: their number without groups.

    It takes the images of a group for copies, all right or all wrong together. m groups
    of one size are worth m; where sizes differ, the largest decide and it is less:
    (sum of sizes)^2 / sum of squared sizes.

    Args:
        groups: (n,) The group of each image; n may be 0.

    Source: Kish 1965, Survey Sampling, 11.7.

    >>> effective_number(np.array([0, 0, 1, 1])), effective_number(np.array([0, 0, 0, 1]))
    (2.0, 1.6)
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if len(sizes) else 0.0
