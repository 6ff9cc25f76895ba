"""Intervals against scipy, and by simulation: how often they hold the truth."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest
from scipy.stats import t as student

from autocnn.core.records import Interval
from autocnn.metrics.intervals import (
    calibration_interval,
    difference_interval,
    effective_number,
    freedom_of_mean,
    loss_interval,
    mean_interval,
    share_interval,
    shared_errors,
    wilson_interval,
)
from autocnn.metrics.weighted import draw_weights


@pytest.mark.parametrize(("hits", "number"), [(0, 7), (1, 1), (3, 10), (99, 100), (250, 250)])
def test_wilson_interval_is_scipys(hits: int, number: int) -> None:
    expected = binomtest(hits, number).proportion_ci(method="wilson")
    interval = wilson_interval(hits / number, number)
    assert interval.low == pytest.approx(expected.low, abs=1e-9)
    assert interval.high == pytest.approx(expected.high, abs=1e-9)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_share_interval_is_about_wilsons_for_independent_images() -> None:
    is_right = np.arange(400) >= 20
    drawn = draw_weights(np.arange(400), 4000, seed=0)
    resampled = np.concatenate([is_right @ weights / 400 for weights in drawn])
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


@pytest.mark.parametrize(
    ("freedom", "reach"),
    [(np.inf, 1.959964), (4.0, student.ppf(0.975, 4)), (0.3, student.ppf(0.975, 1))],
)
def test_share_interval_by_hand(freedom: float, reach: float) -> None:
    half = reach * (0.1 / 2**0.5) / (0.85 * 0.15)
    resampled = np.array([0.8, 0.9])
    found = share_interval(0.85, resampled, 9, freedom=freedom, is_of_images=False)
    assert found.low == pytest.approx(expit(logit(0.85) - half), rel=1e-6)
    assert found.high == pytest.approx(expit(logit(0.85) + half), rel=1e-6)


@pytest.mark.parametrize("num_groups", [3, 5, 12])
def test_intervals_of_a_few_groups_hold_the_truth(num_groups: int) -> None:
    """Patients of 50 images each, who differ in how hard their images are."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(600):
        right = rng.binomial(50, rng.beta(8, 2, num_groups)) / 50
        resampled = right[rng.integers(0, num_groups, (200, num_groups))].mean(axis=1)
        interval = share_interval(float(right.mean()), resampled, num_groups)
        held.append(interval.low <= 0.8 <= interval.high)
    assert 0.91 <= np.mean(held) <= 0.98


def test_images_without_groups_and_copies_of_them_are_sure_of_their_spread() -> None:
    resampled = np.random.default_rng(0).binomial(10, 0.8, 4000) / 10
    found, normal = (
        share_interval(0.8, resampled, 10, freedom=freedom) for freedom in (None, np.inf)
    )
    assert found.low == pytest.approx(normal.low, abs=0.01)
    of_two = share_interval(0.9, np.array([0.85, 0.95, 0.9]), 2)  # no surer than of two images
    assert of_two.low == pytest.approx(
        expit(logit(0.9) - 1.959964 * (0.09 / 2) ** 0.5 / 0.09), rel=1e-6
    )


def test_freedom_of_a_class_of_one_image() -> None:
    expected = 1.05**2 / (1 / 0.5 + 1 / (400 * 19))
    assert freedom_of_mean(np.array([1.0, 20.0])) == pytest.approx(expected)


def test_mean_interval_by_hand() -> None:
    parts = [Interval(value=0.9, low=0.8, high=0.95), Interval(value=0.7, low=0.6, high=0.85)]
    found = mean_interval(parts)
    assert found.value == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8 - (0.01 + 0.01) ** 0.5 / 2)
    assert found.high == pytest.approx(0.8 + (0.0025 + 0.0225) ** 0.5 / 2)


def test_mean_interval_of_shares_that_move_together() -> None:
    """As long as each of them; of two that move apart, the mean is known to a hair."""
    part = Interval(value=0.7, low=0.6, high=0.85)
    together = mean_interval([part, part], np.ones((2, 2)))
    assert (together.low, together.high) == pytest.approx((0.6, 0.85))
    apart = mean_interval([part, part], np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert (apart.low, apart.high) == pytest.approx((0.7, 0.7))


def test_only_classes_that_share_groups_have_correlated_errors() -> None:
    rng = np.random.default_rng(0)
    recalls = np.repeat(rng.random((1, 50)), 4, axis=0)
    recalls[1] *= -1
    recalls[3, :5] = np.nan  # resamples without it
    labels = np.array([0, 1, 1, 2, 0, 3])
    groups = np.array([0, 0, 1, 2, 3, 3])
    found = shared_errors(labels, groups, recalls)
    assert found is not None
    assert found[0, 1] == pytest.approx(-1 + 1 / 2.6)  # the four groups are worth 3.6
    assert 0.8 < found[0, 3] < 1
    assert np.array_equal(
        found == 0, np.array([[0, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]])
    )
    assert shared_errors(labels, np.arange(6), recalls) is None


def test_loss_interval_of_even_losses_is_that_of_the_normal_distribution() -> None:
    losses = np.random.default_rng(0).normal(1.0, 0.2, 400)
    half = 1.96 * losses.std() / 20
    found = loss_interval(losses, np.arange(400), num_resamples=20_000, seed=0)
    assert found is not None
    assert found.value == pytest.approx(losses.mean())
    assert found.high - found.value == pytest.approx(half, rel=0.06)
    assert found.value - found.low == pytest.approx(half, rel=0.06)


def test_loss_interval_counts_copies_once_and_is_long_where_few_images_cost_most() -> None:
    losses = np.concatenate([np.full(97, 0.01), np.full(3, 3.0)])
    alone = loss_interval(losses, np.arange(100), num_resamples=400, seed=0)
    copies = loss_interval(
        np.repeat(losses, 4), np.repeat(np.arange(100), 4), num_resamples=400, seed=0
    )
    same = loss_interval(np.ones(9), np.arange(9), num_resamples=9, seed=0)
    assert alone is not None and copies is not None and same is not None
    assert alone.high - alone.value > alone.value - alone.low > 0
    assert copies.low == pytest.approx(alone.low, abs=1e-9)
    assert copies.high == pytest.approx(alone.high, abs=1e-9)
    assert (same.low, same.value, same.high) == (1, 1, 1)


def test_the_losses_of_one_group_say_nothing_of_others() -> None:
    """As of all images of one patient: their interval would have no length."""
    losses = np.array([0.1, 2.0, 0.3])
    assert loss_interval(losses, np.zeros(3, int), num_resamples=9, seed=0) is None


def test_calibration_interval_without_noise_is_short() -> None:
    parts, errors = np.array([0.05, -0.05]), np.diag([1e-18, 1e-18])
    found = calibration_interval(parts, errors, np.zeros(3), seed=0)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.09525, abs=2e-4)
    assert found.high == pytest.approx(0.10475, abs=2e-4)
    spread = calibration_interval(parts, errors, np.array([0.1, 0.2]), seed=0)
    assert spread.high == pytest.approx(0.1 + 1.959964 * 0.05)
    assert calibration_interval(parts, errors, np.array([0.0, 10.0]), seed=0).high == 1.0


def test_calibration_interval_of_mere_noise_begins_at_0() -> None:
    found = calibration_interval(np.array([0.02]), np.array([[0.05**2]]), np.zeros(3), seed=0)
    assert found.low == 0 < found.value < found.high


def test_a_loss_interval_takes_four_groups() -> None:
    losses = np.array([0.5, 1.0, 1.5, 1.2])
    found = loss_interval(losses, np.arange(4), num_resamples=200, seed=0)
    assert found is not None
    assert found.low < 1.05 < found.high
    for groups in ([0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 2]):
        assert loss_interval(losses, np.array(groups), num_resamples=200, seed=0) is None
