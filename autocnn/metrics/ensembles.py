"""Which finalists are averaged, and with which weights."""

import numpy as np

from autocnn.core.arrays import DoubleArray, FloatArray
from autocnn.metrics.weighted import SMALLEST_PROBABILITY

SMALLEST_GAIN = 1e-4
"""Log loss, in nats, that further picks must win: less is not worth a model to predict with."""

MAX_PICKS = 20
"""Most picks of an ensemble: no weight is finer than 1/20."""


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


def _first_of_best(losses: DoubleArray) -> int:
    """Index of the first that is as good as the best."""
    return int((losses < losses.min() + SMALLEST_GAIN).argmax())


def _log_losses(truth: DoubleArray) -> DoubleArray:
    """(m,) Log loss of (m, n) probabilities of the true classes, clipped as in `score`."""
    bounded = np.clip(truth, SMALLEST_PROBABILITY, 1.0)
    losses: DoubleArray = -np.log(bounded).mean(axis=1)
    return losses
