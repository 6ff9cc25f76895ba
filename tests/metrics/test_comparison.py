"""Two candidates on the same images: against scipy, and how often chance is called real."""

import numpy as np
import pytest
from scipy.stats import binomtest

from autocnn.core.arrays import DoubleArray, IntArray
from autocnn.core.records import Comparison
from autocnn.metrics.comparison import compare
from autocnn.metrics.scores import score


def compare_right(
    first: IntArray, second: IntArray, *, groups: IntArray | None = None, seed: int = 0
) -> Comparison:
    """Of two candidates that are right where these are 1."""
    labels = np.zeros(len(first), dtype=int)
    return compare(
        labels,
        _certain(first),
        _certain(second),
        other=3,
        groups=groups,
        num_resamples=200,
        seed=seed,
    )


def _certain(is_right: IntArray) -> DoubleArray:
    return np.eye(2)[1 - is_right]


def test_difference_and_p_value() -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.random((2, 500)) < [[0.95], [0.85]]).astype(int)
    record = compare_right(first, second)
    wins, losses = int((first > second).sum()), int((first < second).sum())
    assert record.other == 3
    assert record.difference.value == pytest.approx(first.mean() - second.mean())
    assert record.p_value == pytest.approx(1 / 1001)
    assert binomtest(wins, wins + losses).pvalue < 1e-3
    standard_error = (first - second).std() / 500**0.5
    width = record.difference.high - record.difference.low
    assert width == pytest.approx(2 * 1.96 * standard_error, rel=0.15)
    assert record.is_told_apart
    assert record.difference.low > 0


def test_the_other_way_round_is_the_same_with_the_sign_turned() -> None:
    generator = np.random.default_rng(1)
    first, second = (generator.random((2, 300)) < 0.9).astype(int)
    here, there = compare_right(first, second), compare_right(second, first)
    assert here.difference.value == -there.difference.value
    assert here.p_value == pytest.approx(there.p_value, abs=1e-12)
    assert here.is_told_apart == there.is_told_apart


def test_the_same_predictions_are_a_tie_that_may_not_last() -> None:
    is_right = np.arange(100) % 10 > 0
    record = compare_right(is_right.astype(int), is_right.astype(int))
    assert (record.difference.value, record.p_value, record.is_told_apart) == (0, 1, False)
    wilson = binomtest(0, 100).proportion_ci(method="wilson")
    assert record.difference.high == pytest.approx(wilson.high, abs=1e-9)
    assert record.difference.low == -record.difference.high


def test_four_images_are_no_evidence() -> None:
    first, second = np.ones(300, dtype=int), np.ones(300, dtype=int)
    second[:4] = 0
    record = compare_right(first, second)
    assert record.p_value == pytest.approx(0.125, abs=0.035)
    assert record.difference.low == 0
    assert not record.is_told_apart
    second[:8] = 0
    assert compare_right(first, second).is_told_apart


def test_copies_are_no_evidence() -> None:
    first, second = np.ones(300, dtype=int), np.ones(300, dtype=int)
    second[:12] = 0
    groups = np.arange(300) // 4
    assert compare_right(first, second).is_told_apart
    record = compare_right(first, second, groups=groups)
    assert not record.is_told_apart
    assert record.p_value == pytest.approx(binomtest(3, 3).pvalue, abs=0.05)
    assert record.difference.high > 0.08


@pytest.mark.slow
def test_equals_are_seldom_told_apart() -> None:
    generator = np.random.default_rng(2)
    told_apart = []
    for seed in range(300):
        hard = generator.random(200) < 0.2
        first, second = (generator.random((2, 200)) > np.where(hard, 0.5, 0.01)).astype(int)
        told_apart.append(compare_right(first, second, seed=seed).is_told_apart)
    assert 0.0 < np.mean(told_apart) <= 0.06


def test_p_is_that_of_the_exact_test_where_all_images_count_alike() -> None:
    first, second = np.ones((2, 160), dtype=int)
    first[:5], second[5:19] = 0, 0
    exact = binomtest(14, 19).pvalue
    assert compare_right(first, second).p_value == pytest.approx(exact, abs=0.03)


def test_many_comparisons_are_corrected() -> None:
    generator = np.random.default_rng(5)
    first, second = (generator.random((2, 300)) < [[0.95], [0.9]]).astype(int)
    labels = np.zeros(300, dtype=int)

    def compared(number: int) -> Comparison:
        return compare(labels, _certain(first), _certain(second), other=1, num_comparisons=number)

    one, many = compared(1), compared(28)
    assert one.is_told_apart
    assert not many.is_told_apart
    assert many.p_value == min(1.0, 28 * one.p_value)
    assert many.difference.low <= 0 < one.difference.low


def test_what_is_plain_is_told_apart_among_any_number() -> None:
    """With a fixed number of draws no p-value could reach the level of many comparisons."""
    first, second = np.ones((2, 300), dtype=int)
    second[:60] = 0
    labels = np.zeros(300, dtype=int)
    record = compare(labels, _certain(first), _certain(second), other=1, num_comparisons=78)
    assert record.is_told_apart


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1", "macro_auc", "log_loss"])
def test_any_metric_is_compared(metric: str) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    noise = generator.dirichlet(np.ones(3), 300)
    good = 0.6 * np.eye(3)[labels] + 0.4 * noise
    bad = 0.3 * np.eye(3)[labels] + 0.7 * noise
    record = compare(labels, good, bad, other=2, metric=metric)
    expected = getattr(score(labels, good), metric) - getattr(score(labels, bad), metric)
    assert record.difference.value == pytest.approx(expected)
    assert (record.metric, record.is_told_apart) == (metric, True)
    back = compare(labels, bad, good, other=2, metric=metric)
    assert back.difference.value == pytest.approx(-expected)


def test_a_gain_in_a_rare_class_is_one_in_balanced_accuracy_only() -> None:
    """A class-weighted network: better for 40 rare images, worse for 60 of 960 others."""
    labels = np.repeat([0, 1], [960, 40])
    weighted, plain = np.ones((2, 1000), dtype=int)
    plain[960:990] = 0
    weighted[:60] = 0
    predicted = [np.eye(2)[np.where(right, labels, 1 - labels)] for right in (weighted, plain)]
    by = {
        m: compare(labels, *predicted, other=1, metric=m) for m in ("accuracy", "balanced_accuracy")
    }
    assert by["accuracy"].difference.high < 0
    assert by["balanced_accuracy"].difference.low > 0.2


def test_the_seed_alone_decides() -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.random((2, 100)) < 0.8).astype(int)
    assert compare_right(first, second, seed=1) == compare_right(first, second, seed=1)


def test_predictions_must_be_of_the_same_images() -> None:
    with pytest.raises(ValueError, match=r"labels must be \(2,\), got \(3,\)"):
        compare(np.array([0, 1, 1]), np.eye(2)[[0, 1, 1]], np.eye(2), other=1)


@pytest.mark.parametrize("seed", [26, 33, 36, 41, 48])
def test_the_verdict_is_that_of_the_p_value(seed: int) -> None:
    """Also where the permutation test sees what the interval of a rare class does not."""
    labels = np.repeat([0, 1], [200, 17])
    right = np.random.default_rng(seed).random((2, 217)) < [[0.95], [0.86]]
    first, second = (np.eye(2)[np.where(one, labels, 1 - labels)] for one in right)
    found = compare(
        labels,
        first,
        second,
        other=1,
        metric="balanced_accuracy",
        num_comparisons=10,
        num_resamples=400,
        seed=seed,
    )
    assert found.is_told_apart == (found.p_value <= 0.05)
    assert not found.is_told_apart


def test_where_a_metric_is_not_defined_chance_explains_everything() -> None:
    first, second = np.random.default_rng(0).dirichlet(np.ones(2), (2, 50))
    found = compare(np.zeros(50, int), first, second, other=1, metric="macro_auc")
    assert (found.difference.value, found.p_value, found.is_told_apart) == (0.0, 1.0, False)
