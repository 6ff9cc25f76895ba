"""Temperature scaling: probabilities that can be taken at their word, and a check of it.

A network that is asked after training is right less often, or more often, than its
probabilities say. One number heals most of that: all logits are divided by a
temperature. The order of the classes stays, so no prediction changes.
"""

from typing import Literal

import numpy as np

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.core.records import Calibration, CalibrationScores, ReliabilityBin
from autocnn.metrics.intervals import effective_number, wilson_interval
from autocnn.metrics.weighted import (
    NUM_BINS,
    WeightedMetrics,
    blocks,
    check_groups,
    check_predictions,
    confidence_bins,
)

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.2, 20.0
"""Where the search for a temperature ends.

Without a lower end, predictions that are all right would be made certain, whatever
their number. Networks trained with label smoothing and mixup need 0.5 to 0.8.
"""

SMALLEST_SHARE = float(np.finfo(np.float32).tiny)
"""Least probability (1.2e-38): below, float32 has lost what the logit was."""


MOST_FITTED = 5_000_000
"""Probabilities that a temperature is fitted on: 40 MB."""

MOST_EXACT = 10_000_000
"""Calibrated probabilities that are kept in double precision: 80 MB."""


def fit_temperature(labels: IntArray, probabilities: FloatArray) -> float:
    """The temperature whose probabilities have the smallest log loss on these images.

    Take images that the model has not learned from, or it comes out too low. In 1 / T the
    log loss is convex, so there is one minimum: where its slope is 0, found to 1e-12, or
    an end of 0.2 to 20. Predictions that are all right end at 0.2, predictions worse
    than guessing at 20. When all rows are uniform, every T is the same: 1. Of more than 5
    million probabilities, so many count, of images evenly spread: they tell one number well.

    Args:
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`, of a model at T = 1.

    Raises:
        ValueError: As for `score`.

    Source: Guo et al. 2017, arXiv:1706.04599, 4.2.
    """
    from scipy.optimize import brentq
    from scipy.special import softmax

    check_predictions(labels, probabilities)
    if probabilities.size > MOST_FITTED:
        number = max(1, MOST_FITTED // probabilities.shape[1])
        chosen = np.linspace(0, len(labels) - 1, number).astype(np.int64)
        labels, probabilities = labels[chosen], probabilities[chosen]
    logits = _logits(probabilities)
    own = logits[np.arange(len(labels)), labels]

    def slope(inverse: float) -> float:
        """Of the mean log loss over 1 / T."""
        return float(((softmax(inverse * logits, axis=1) * logits).sum(axis=1) - own).mean())

    if np.ptp(logits, axis=1).max() == 0.0:
        return 1.0
    if slope(1 / HIGHEST_TEMPERATURE) >= 0:
        return HIGHEST_TEMPERATURE
    if slope(1 / LOWEST_TEMPERATURE) <= 0:
        return LOWEST_TEMPERATURE
    return float(1 / brentq(slope, 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE, xtol=1e-12))


def apply_temperature(probabilities: FloatArray, temperature: float) -> DoubleArray:
    """(n, k) Probabilities of logits that are divided by a temperature.

    1 / temperature undoes it, up to rounding, where no probability falls below 1.2e-38.

    Args:
        probabilities: (n, k) Rows that add up to 1.
        temperature: Above 0; 1 changes nothing.

    Raises:
        ValueError: When the temperature is not above 0.

    >>> apply_temperature(np.array([[0.9, 0.1]]), 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    from scipy.special import softmax

    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}.")
    calibrated = np.empty(probabilities.shape, np.float64)
    for block in blocks(probabilities.shape):  # some arrays more for each of them
        calibrated[block] = softmax(_logits(probabilities[block]) / temperature, axis=1)
    return calibrated


def calibrate(probabilities: FloatArray, temperature: float) -> FloatArray:
    """(n, k) What `apply_temperature` gives, to be kept: of very many in single precision.

    Args:
        probabilities: (n, k) As for `apply_temperature`, like the temperature.
        temperature: Above 0.
    """
    calibrated: FloatArray = np.empty(probabilities.shape, kept_type(probabilities.size))
    for block in blocks(probabilities.shape):
        calibrated[block] = apply_temperature(probabilities[block], temperature)
    return calibrated


def kept_type(number: int) -> type[np.float32] | type[np.float64]:
    """The type of so many probabilities that are kept: single precision of over 10 million."""
    return np.float32 if number > MOST_EXACT else np.float64


def reliability_bins(
    labels: IntArray, probabilities: FloatArray, *, groups: IntArray | None = None
) -> tuple[ReliabilityBin, ...]:
    """How often the model is right where it is how sure: the bins of `score`'s ece.

    The sum of |accuracy - confidence| over the bins, weighted by their images, is the ece.

    Args:
        labels: (n,) True classes, as for `score`.
        probabilities: (n, k) As for `score`.
        groups: (n,) As for `score_split`. The Wilson interval of the accuracy is that of
            as many images as the groups in the bin are worth (`effective_number`).

    Raises:
        ValueError: As for `score_split`.
    """
    check_predictions(labels, probabilities)
    groups = check_groups(groups, len(labels))
    confidence = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == labels
    bins = confidence_bins(confidence)
    records = []
    for index in range(NUM_BINS):
        inside = bins == index
        mean, accuracy = None, None
        if inside.any():
            mean = float(confidence[inside].mean())
            share = float(is_right[inside].mean())
            accuracy = wilson_interval(share, effective_number(groups[inside]))
        records.append(
            ReliabilityBin(
                low=index / NUM_BINS,
                high=(index + 1) / NUM_BINS,
                num_images=int(inside.sum()),
                confidence=mean,
                accuracy=accuracy,
            )
        )
    return tuple(records)


def check_calibration(
    labels: IntArray,
    probabilities: FloatArray,
    *,
    temperature: float,
    fitted_on: Literal["folds", "val"],
    test_labels: IntArray,
    test_before: FloatArray,
    test_probabilities: FloatArray,
    test_groups: IntArray | None = None,
    sharpening: float = 1.0,
) -> Calibration:
    """What a temperature did, on the images that it was fitted on and on test.

    Args:
        labels: (n,) True classes of the images that it was fitted on.
        probabilities: (n, k) Their probabilities before.
        temperature: As fitted on these.
        fitted_on: What those images are.
        test_labels: (m,) True classes of test.
        test_before: (m, k) Probabilities of test before.
        test_probabilities: (m, k) Those of the model with the temperature in it.
        test_groups: (m,) As for `reliability_bins`.
        sharpening: What it is multiplied by in the model.

    Raises:
        ValueError: As for `score_split`.
    """
    return Calibration(
        temperature=temperature,
        fitted_on=fitted_on,
        num_images=len(labels),
        sharpening=sharpening,
        fitted_before=_scores(labels, probabilities),
        fitted_after=_scores(labels, calibrate(probabilities, temperature)),
        test_before=_scores(test_labels, test_before),
        test_after=_scores(test_labels, test_probabilities),
        bins=reliability_bins(test_labels, test_probabilities, groups=test_groups),
    )


def _logits(probabilities: FloatArray) -> DoubleArray:
    """Logits of probabilities, but for a constant per row, which softmax does not see."""
    return np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_SHARE))


def _scores(labels: IntArray, probabilities: FloatArray) -> CalibrationScores:
    check_predictions(labels, probabilities)
    # Areas under curves cost most, and no temperature changes them much.
    metrics = WeightedMetrics.prepare(labels, probabilities, has_auc=False)
    found, _ = metrics.reduce(np.ones((len(labels), 1)))
    return CalibrationScores(ece=float(found.ece[0]), log_loss=float(found.log_loss[0]))
