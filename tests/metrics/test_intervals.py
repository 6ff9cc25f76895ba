"""Intervals against scipy, and by simulation: how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from autocnn.metrics.intervals import (
    difference_interval,
    effective_number,
    share_interval,
    wilson_interval,
)
from autocnn.metrics.weighted import resample_mean

SKILL = 2.5  # of simulated predictions: accuracy 0.93


@pytest.mark.parametrize(("hits", "number"), [(0, 7), (1, 1), (3, 10), (99, 100), (250, 250)])
def test_wilson_interval_is_scipys(hits: int, number: int) -> None:
    expected = binomtest(hits, number).proportion_ci(method="wilson")
    interval = wilson_interval(hits / number, number)
    assert interval.low == pytest.approx(expected.low, abs=1e-9)
    assert interval.high == pytest.approx(expected.high, abs=1e-9)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_share_interval_is_about_wilsons_for_independent_images() -> None:
    is_right = np.arange(400) >= 20
    resampled = resample_mean(is_right.astype(float), np.arange(400), num_resamples=4000, seed=0)
    interval = share_interval(0.95, resampled, 400)
    wilson = wilson_interval(0.95, 400)
    assert interval.low == pytest.approx(wilson.low, abs=0.003)
    assert interval.high == pytest.approx(wilson.high, abs=0.003)


def test_share_interval_ignores_resamples_without_a_value() -> None:
    resampled = np.array([0.8, 0.9, np.nan, 0.85])
    assert share_interval(0.85, resampled, 9) == share_interval(0.85, resampled[[0, 1, 3]], 9)
    for few in (np.array([np.nan, np.nan]), np.array([0.85]), np.full(5, 0.85)):
        assert share_interval(0.85, few, 9) == wilson_interval(0.85, 9)


def test_difference_interval_by_hand() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 has 0.0524 to 0.3339.
    interval = difference_interval(wilson_interval(56 / 70, 70), wilson_interval(48 / 80, 80))
    assert interval.value == pytest.approx(0.2)
    assert interval.low == pytest.approx(0.0524, abs=5e-5)
    assert interval.high == pytest.approx(0.3339, abs=5e-5)


def test_effective_number_is_that_of_the_groups_where_they_are_of_one_size() -> None:
    assert effective_number(np.arange(12)) == 12
    assert effective_number(np.arange(12) // 3) == 4
    assert effective_number(np.zeros(12, dtype=int)) == 1
    assert 1 < effective_number(np.array([0] * 90 + [1] * 10)) < 2
    assert effective_number(np.array([], dtype=int)) == 0


@pytest.mark.parametrize(("first", "second"), [(0.95, 0.95), (0.999, 0.9), (0.8, 0.95)])
def test_difference_intervals_hold_the_truth(first: float, second: float) -> None:
    generator = np.random.default_rng(0)
    held = []
    for hits, others in zip(
        generator.binomial(400, first, 2000), generator.binomial(60, second, 2000), strict=True
    ):
        interval = difference_interval(
            wilson_interval(hits / 400, 400), wilson_interval(others / 60, 60)
        )
        held.append(interval.low <= first - second <= interval.high)
    assert 0.935 <= np.mean(held) <= 0.985
