"""Which finalists are averaged, and with which weights."""

import numpy as np

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.metrics.weighted import SMALLEST_PROBABILITY, check_predictions

SMALLEST_GAIN = 1e-4
"""Log loss, in nats, that further picks must win: less is not worth a model to predict with."""

MAX_PICKS = 20
"""Most picks of an ensemble: no weight is finer than 1/20."""


def choose_ensemble(
    labels: IntArray, probabilities: FloatArray, *, max_picks: int = MAX_PICKS
) -> DoubleArray:
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
        labels: (n,) True classes, as for `score`.
        probabilities: (m, n, k) Of each model; m at least 1.
        max_picks: At least 1.

    Raises:
        ValueError: As for `score`, and when there is no model or no pick.

    Source: Caruana et al. 2004, "Ensemble selection from libraries of models", ICML.
    """
    if probabilities.ndim != 3 or len(probabilities) < 1 or max_picks < 1:
        got = f"{probabilities.shape} and {max_picks}"
        raise ValueError(f"probabilities must be (m, n, k) with m and max_picks >= 1, got {got}.")
    for model in probabilities:
        check_predictions(labels, model)
    # Only the true class's probability enters the log loss, and its mean is linear.
    truth = probabilities[:, np.arange(len(labels)), labels].astype(np.float64)
    ranked = np.argsort(_log_losses(truth), kind="stable")[:max_picks]
    firsts = np.arange(1, len(ranked) + 1)
    starts = _log_losses(truth[ranked].cumsum(axis=0) / firsts[:, np.newaxis])
    counts = np.zeros(len(truth))
    counts[ranked[: 1 + _first_of_best(starts)]] = 1
    path, losses = [counts], [_log_losses(counts[np.newaxis] @ truth / counts.sum())[0]]
    while counts.sum() < max_picks:
        following = _log_losses((counts @ truth + truth) / (counts.sum() + 1))
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
