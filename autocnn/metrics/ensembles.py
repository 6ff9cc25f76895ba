"""Which finalists are averaged, with which weights, and how sure their average may be."""

from collections.abc import Sequence

import numpy as np

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.metrics.calibration import LOWEST_TEMPERATURE, fit_temperature
from autocnn.metrics.weighted import SMALLEST_PROBABILITY

SMALLEST_GAIN = 1e-4
"""Log loss, in nats, that further picks must win: less is not worth a model to predict with."""

MAX_PICKS = 20
"""Most picks of an ensemble: no weight is finer than 1/20."""

FEWEST_IMAGES = 200
"""On fewer, temperatures are luck: nothing is said then of how far models are apart."""


def choose_ensemble(truth: FloatArray, *, max_picks: int = MAX_PICKS) -> DoubleArray:
    """(m,) The weight of each model in the average that predicts these images best.

    Greedy, with replacement: it begins with the best N models, N chosen, and goes on to
    pick the model, new or again, after which the mean of all picks is best, even where
    that is no gain: a weak model may help at a tenth, not at a half. What counts is the
    shortest list of picks on the way that is within 1e-4 of the best. A model's weight is
    its share of the picks. Equals are decided by order, so the same predictions give the
    same weights.

    Best is the smallest log loss, whatever the objective: of good models only a handful
    of images are wrong, so accuracy moves in steps, picks tie, and those it favours are
    luck; log loss hears every image. Take predictions of images that no model has learned
    from (out of fold), or the most overfitted model wins.

    Args:
        truth: (m, n) What each model gives for the true class of each image: only that enters the
            log loss, and its mean is linear. m and n at least 1.
        max_picks: At least 1.

    Raises:
        ValueError: When there is no model, no image or no pick.

    Source: Caruana et al. 2004, "Ensemble selection from libraries of models", ICML.
    """
    if truth.ndim != 2 or not truth.size or max_picks < 1:
        got = f"{truth.shape} and {max_picks}"
        raise ValueError(f"truth must be (m, n) with m, n and max_picks >= 1, got {got}.")
    own = truth.astype(np.float64)
    ranked = np.argsort(_log_losses(own), kind="stable")[:max_picks]
    firsts = np.arange(1, len(ranked) + 1)
    starts = _log_losses(own[ranked].cumsum(axis=0) / firsts[:, np.newaxis])
    counts = np.zeros(len(own))
    counts[ranked[: 1 + _first_of_best(starts)]] = 1
    path, losses = [counts], [_log_losses(counts[np.newaxis] @ own / counts.sum())[0]]
    while counts.sum() < max_picks:
        following = _log_losses((counts @ own + own) / (counts.sum() + 1))
        counts = counts.copy()
        counts[following.argmin()] += 1
        path.append(counts)
        losses.append(following.min())
    chosen = path[_first_of_best(np.array(losses))]
    weights: DoubleArray = chosen / chosen.sum()
    return weights


def fit_disagreement(labels: IntArray, mean: FloatArray, *, num_models: int) -> float:
    """How far apart models are, by what the mean of some of them lacks in sureness.

    Where models are calibrated, their mean is right more often than it says, and wants a
    temperature below 1. Measured, that is `temperature_of_mean`: one number tells it for any number
    of models.

    Args:
        labels: (n,) True classes.
        mean: (n, k) Mean probabilities of calibrated models, of images that none has seen.
        num_models: In the mean; of one, nothing is told.

    Returns:
        0 where a mean is not less sure than it is right, and where there are fewer than 200 images.

    Raises:
        ValueError: As for `fit_temperature`.

    Source: Rahaman and Thiery 2021, "Uncertainty quantification and deep ensembles", NeurIPS.
    """
    if num_models < 2 or len(labels) < FEWEST_IMAGES:
        return 0.0
    return max(0.0, (1 - fit_temperature(labels, mean)) / (1 - 1 / num_models))


def temperature_of_mean(disagreement: float, weights: Sequence[float]) -> float:
    """The temperature of the weighted mean of calibrated models.

    Args:
        disagreement: Of `fit_disagreement`.
        weights: Of the models; they add up to 1. They count as 1 / (sum of their squares) models.

    Returns:
        1 of a single model, less of several, at least 0.2; it divides the logits of their mean.

    >>> [round(temperature_of_mean(0.3, [1 / n] * n), 3) for n in (1, 2, 3)]
    [1.0, 0.85, 0.8]
    """
    squares = sum(weight * weight for weight in weights)
    return max(LOWEST_TEMPERATURE, 1 - disagreement * (1 - squares))


def _first_of_best(losses: DoubleArray) -> int:
    """Index of the first that is as good as the best."""
    return int((losses < losses.min() + SMALLEST_GAIN).argmax())


def _log_losses(truth: DoubleArray) -> DoubleArray:
    """(m,) Log loss of (m, n) probabilities of the true classes, clipped as in `score`."""
    bounded = np.clip(truth, SMALLEST_PROBABILITY, 1.0)
    losses: DoubleArray = -np.log(bounded).mean(axis=1)
    return losses
