"""Intervals against scipy, and by simulation: how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from autocnn.core.records import Interval
from autocnn.metrics.intervals import (
    difference_interval,
    effective_number,
    percentile_interval,
    share_interval,
    wilson_interval,
)
from autocnn.metrics.scores import score, score_split
from autocnn.metrics.weighted import resample_mean
from tests.metrics.predictions import NAMES, make_predictions

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


def test_percentile_interval_holds_the_value() -> None:
    resampled = np.linspace(1, 2, 41)
    assert percentile_interval(1.5, resampled) == Interval(value=1.5, low=1.025, high=1.975)
    assert percentile_interval(0.5, resampled).low == 0.5
    assert percentile_interval(2.5, resampled).high == 2.5


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


@pytest.fixture(scope="module")
def truth() -> dict[str, float | None]:
    """What the simulated predictions score on images without end."""
    labels, probabilities = make_predictions(200_000, 3, skill=SKILL, seed=10**6)
    return score(labels, probabilities).model_dump()


def coverage(truth: dict[str, float | None], *, copies: int, is_grouped: bool) -> dict[str, float]:
    """How many of 250 intervals hold the truth: 60 images, each so many times."""
    held: dict[str, list[bool]] = {}
    for seed in range(250):
        labels, probabilities = make_predictions(60, 3, skill=SKILL, seed=seed)
        split = score_split(
            "test",
            np.repeat(labels, copies),
            np.repeat(probabilities, copies, axis=0),
            NAMES[:3],
            groups=np.repeat(np.arange(60), copies) if is_grouped else None,
            num_resamples=100,
            seed=seed,
        )
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc"):
            interval, true = split.intervals[name], truth[name]
            assert true is not None
            held.setdefault(name, []).append(interval.low <= true <= interval.high)
    return {name: float(np.mean(values)) for name, values in held.items()}


def test_intervals_hold_the_truth_as_often_as_they_say(truth: dict[str, float | None]) -> None:
    # 0.92 is 2.2 standard errors of 250 simulations below 0.95.
    for name, share in coverage(truth, copies=1, is_grouped=False).items():
        assert 0.92 <= share <= 0.995, name


@pytest.mark.slow
def test_only_groups_keep_copies_from_narrowing_the_interval(
    truth: dict[str, float | None],
) -> None:
    grouped = coverage(truth, copies=4, is_grouped=True)
    alone = coverage(truth, copies=4, is_grouped=False)
    for name in grouped:
        assert grouped[name] >= 0.92, name
        assert alone[name] <= 0.85, name


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
