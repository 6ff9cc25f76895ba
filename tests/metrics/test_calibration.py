"""Temperatures: recovered, undone, at the edges; reliability bins against the ece."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import log_loss

from autocnn.core.arrays import DoubleArray, IntArray
from autocnn.metrics.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    apply_temperature,
    calibrate,
    check_calibration,
    fit_temperature,
    reliability_bins,
)
from autocnn.metrics.scores import score
from tests.metrics.predictions import make_predictions


def make_calibrated(num_images: int, *, seed: int = 0) -> tuple[IntArray, DoubleArray]:
    """Labels drawn from the probabilities themselves: they can be taken at their word."""
    generator = np.random.default_rng(seed)
    probabilities = softmax(generator.normal(scale=2, size=(num_images, 4)), axis=1)
    drawn = generator.random((num_images, 1)) > probabilities.cumsum(axis=1)
    return drawn.sum(axis=1).clip(max=3), probabilities


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    labels, probabilities = make_calibrated(20_000)
    too_sharp = apply_temperature(probabilities, 1 / temperature)
    assert fit_temperature(labels, too_sharp) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_has_the_smallest_log_loss() -> None:
    labels, probabilities = make_predictions(300, 3)

    def loss(temperature: float) -> float:
        return float(log_loss(labels, apply_temperature(probabilities, temperature)))

    found = minimize_scalar(loss, bounds=(0.2, 20), method="bounded", options={"xatol": 1e-9})
    temperature = fit_temperature(labels, probabilities)
    assert temperature == pytest.approx(found.x, abs=1e-6)
    assert loss(temperature) <= found.fun + 1e-12


def test_a_temperature_is_undone_by_its_inverse() -> None:
    _, probabilities = make_predictions(100, 5)
    for temperature in (0.3, 1.0, 7.0):
        there = apply_temperature(probabilities, temperature)
        assert there.sum(axis=1) == pytest.approx(1, abs=1e-12)
        assert (there.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        assert apply_temperature(there, 1 / temperature) == pytest.approx(probabilities, abs=1e-9)


def test_it_divides_logits() -> None:
    logits = np.random.default_rng(0).normal(scale=3, size=(50, 4))
    cooled = apply_temperature(softmax(logits, axis=1), 2.5)
    assert cooled == pytest.approx(softmax(logits / 2.5, axis=1), abs=1e-12)


def test_probabilities_of_0_and_1() -> None:
    labels = np.arange(1000) % 2
    predicted = labels.copy()
    predicted[:10] = 1 - predicted[:10]
    certain = np.eye(2, dtype=np.float32)[predicted]
    temperature = fit_temperature(labels, certain)
    assert LOWEST_TEMPERATURE < temperature < HIGHEST_TEMPERATURE
    # One of a hundred is wrong, and so it says.
    assert apply_temperature(certain, temperature).max(axis=1) == pytest.approx(0.99, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "temperature"), [([0, 1, 1], LOWEST_TEMPERATURE), ([1, 0, 0], HIGHEST_TEMPERATURE)]
)
def test_all_right_and_all_wrong_end_at_the_bounds(labels: list[int], temperature: float) -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    assert fit_temperature(np.array(labels), probabilities) == temperature


def test_uniform_probabilities_stay_as_they_are() -> None:
    assert fit_temperature(np.array([0, 2, 2]), np.full((3, 3), 1 / 3)) == 1.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperatures_that_cannot_be(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0, got"):
        apply_temperature(np.array([[0.5, 0.5]]), temperature)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [None, 1])
def test_bins_add_up_to_the_calibration_error(dtype: type, decimals: int | None) -> None:
    labels, probabilities = make_predictions(400, 3, decimals=decimals)
    probabilities = probabilities.astype(dtype)
    bins = reliability_bins(labels, probabilities)
    assert len(bins) == 15
    assert [b.low for b in bins[1:]] == [b.high for b in bins[:-1]]
    assert sum(b.num_images for b in bins) == 400
    total = 0.0
    for b in bins:
        if b.accuracy is None:
            assert (b.num_images, b.confidence) == (0, None)
            continue
        assert b.confidence is not None
        total += b.num_images / 400 * abs(b.accuracy.value - b.confidence)
        wilson = binomtest(round(b.accuracy.value * b.num_images), b.num_images)
        expected = wilson.proportion_ci(method="wilson")
        assert b.accuracy.low == pytest.approx(expected.low, abs=1e-9)
        assert b.accuracy.high == pytest.approx(expected.high, abs=1e-9)
    assert total == pytest.approx(score(labels, probabilities).ece, abs=1e-9)
    assert bins[0].accuracy is None  # three classes: the top one has more than 1/15


def test_groups_widen_the_bins() -> None:
    labels, probabilities = make_predictions(50, 2)
    alone = reliability_bins(labels, probabilities)
    copied = reliability_bins(
        np.tile(labels, 3), np.tile(probabilities, (3, 1)), groups=np.tile(np.arange(50), 3)
    )
    assert [b.accuracy for b in copied] == [b.accuracy for b in alone]
    assert [b.num_images for b in copied] == [3 * b.num_images for b in alone]


def test_check_says_what_the_temperature_did() -> None:
    labels, probabilities = make_calibrated(2000)
    too_sure = apply_temperature(probabilities, 1 / 2.5)
    fitted, test = slice(0, 1500), slice(1500, 2000)
    temperature = fit_temperature(labels[fitted], too_sure[fitted])
    after = apply_temperature(too_sure[test], temperature)
    record = check_calibration(
        labels[fitted],
        too_sure[fitted],
        temperature=temperature,
        fitted_on="folds",
        test_labels=labels[test],
        test_before=too_sure[test],
        test_probabilities=after,
    )
    assert (record.temperature, record.fitted_on, record.num_images) == (temperature, "folds", 1500)
    scores = score(labels[test], after)
    assert (record.test_after.ece, record.test_after.log_loss) == (scores.ece, scores.log_loss)
    assert record.test_before.log_loss == score(labels[test], too_sure[test]).log_loss
    assert record.test_after.ece < record.test_before.ece / 2
    assert record.fitted_after.log_loss < record.fitted_before.log_loss
    assert record.fitted_after.ece < record.fitted_before.ece
    assert record.bins == reliability_bins(labels[test], after)


def test_a_temperature_of_very_many_predictions_is_fitted_on_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 4000)
    logits = rng.normal(0, 1, (4000, 5)) + 2 * np.eye(5)[labels]
    probabilities = apply_temperature(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 0.5)
    whole, calibrated = fit_temperature(labels, probabilities), apply_temperature(probabilities, 2)
    monkeypatch.setattr("autocnn.metrics.calibration.MOST_FITTED", 10_000)
    assert fit_temperature(labels, probabilities) == pytest.approx(whole, rel=0.1)
    monkeypatch.setattr("autocnn.metrics.weighted.CHUNK_ELEMENTS", 99)
    np.testing.assert_array_equal(apply_temperature(probabilities, 2), calibrated)


def test_very_many_calibrated_probabilities_are_kept_in_single_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, probabilities = make_predictions(300, 3)
    exact = apply_temperature(probabilities, 2)
    kept = calibrate(probabilities, 2)
    assert kept.dtype == np.float64
    np.testing.assert_array_equal(kept, exact)
    monkeypatch.setattr("autocnn.metrics.calibration.MOST_EXACT", 899)
    monkeypatch.setattr("autocnn.metrics.weighted.CHUNK_ELEMENTS", 99)
    kept = calibrate(probabilities, 2)
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept, exact.astype(np.float32))
