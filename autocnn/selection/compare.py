"""Which candidate is best, decided on folds (or on val, without them) and said in words.

Pure: out-of-fold probabilities in, ranked candidates out. The test split is not known here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autocnn.core.arrays import FloatArray
from autocnn.core.objective import Goal
from autocnn.core.wording import METRICS, fraction, fraction_interval, listing, weights
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.comparison import compare
from autocnn.metrics.ensembles import choose_ensemble, pick_simplest
from autocnn.metrics.scores import score
from autocnn.selection.plan import Finalist, Held

Kind = Literal["refit", "folds", "ensemble"]


@dataclass(frozen=True, eq=False)
class Contender:
    """A candidate before it is made.

    Attributes:
        kind: `refit`, `folds` or `ensemble`.
        finalists: Whose models it is made of; several only for an ensemble.
        shares: Of each finalist; they add up to 1.
        temperatures: Of each finalist's models.
        temperature: Of the average; 1 but for an ensemble.
        fold_scores: The objective on each fold; empty without folds.
        num_weights: Of all its models together.
        out_of_fold: (m, classes) probabilities before any temperature; of an ensemble,
            before its own.
    """

    kind: Kind
    finalists: tuple[Finalist, ...]
    shares: tuple[float, ...]
    temperatures: tuple[float, ...]
    temperature: float
    fold_scores: tuple[float, ...]
    num_weights: int
    out_of_fold: FloatArray

    @property
    def leader(self) -> Finalist:
        """The finalist that weighs most, the first of equals."""
        return self.finalists[self.shares.index(max(self.shares))]

    @property
    def models(self) -> list[tuple[Finalist, int | None, float, float]]:
        """Its models: finalist, fold (None: the refit), share and temperature of each."""
        found = []
        parts = zip(self.finalists, self.shares, self.temperatures, strict=True)
        for finalist, share, temperature in parts:
            folds = [f for f in finalist.records if (f is not None) == (self.kind == "folds")]
            found += [(finalist, fold, share / len(folds), temperature) for fold in folds]
        return found

    @property
    def own_temperature(self) -> float:
        """The temperature that was fitted on `out_of_fold`."""
        return self.temperature if self.kind == "ensemble" else self.temperatures[0]

    def predict_seen(self, split: Literal["train", "val"]) -> FloatArray:
        """What the trials' models give for a split; of an ensemble, their weighted mean."""
        if self.kind != "ensemble":
            return self.leader.predictions[split]
        parts = zip(self.finalists, self.shares, self.temperatures, strict=True)
        calibrated = [
            share * apply_temperature(finalist.predictions[split], temperature)
            for finalist, share, temperature in parts
        ]
        return apply_temperature(np.sum(calibrated, axis=0), self.temperature)

    @property
    def cv_mean(self) -> float | None:
        """Mean of the fold scores; None without folds."""
        return float(np.mean(self.fold_scores)) if self.fold_scores else None

    @property
    def cv_sd(self) -> float | None:
        """Standard deviation of the fold scores; None without folds."""
        return float(np.std(self.fold_scores, ddof=1)) if self.fold_scores else None

    @property
    def standard_error(self) -> float:
        """Of the mean of the fold scores."""
        return (self.cv_sd or 0.0) / math.sqrt(max(1, len(self.fold_scores)))


def rank_contenders(
    finalists: Sequence[Finalist], held: Held, goal: Goal, *, seed: int
) -> tuple[list[Contender], tuple[str, ...]]:
    """All candidates that the finalists give, the chosen one first, and why it is.

    Each finalist gives its refit and the mean of its fold models, which share its fold
    scores; an ensemble of refits is chosen greedily on the out-of-fold predictions. The
    choice is the simplest within one standard error of the best. Without folds there are
    refits only, and val decides.

    Args:
        finalists: With their records and predictions, best on val first.
        held: What they were measured on.
        goal: Objective.
        seed: Of the intervals.

    Source: Breiman et al. 1984, Classification and Regression Trees, 3.4.3 (the one
    standard error rule); Caruana et al. 2004, ICML (ensembles).
    """
    if not held.fold_sizes:
        contenders = [_refit(finalist, held) for finalist in finalists]
        return contenders, (
            f"Candidate 1 ({describe(contenders[0])}) is the best on val. It was not compared on "
            "folds, so this may be luck.",
        )
    contenders = []
    for finalist in finalists:
        contenders += _of_one(finalist, held, goal)
    singles = [c for c in contenders if c.kind == "refit"]
    ensemble = _ensemble(singles, held, goal)
    if ensemble is not None:
        contenders.append(ensemble)
    sign = -1.0 if goal.maximize else 1.0
    contenders.sort(key=lambda c: (sign * (c.cv_mean or 0.0), c.num_weights))
    best = contenders[0]
    chosen = pick_simplest(
        [contender.cv_mean or 0.0 for contender in contenders],
        [contender.num_weights for contender in contenders],
        standard_error=best.standard_error,
        maximize=goal.maximize,
    )
    contenders.insert(0, contenders.pop(chosen))
    sentences = (
        _why(contenders[0], best, goal),
        *_against_default(contenders[0], singles, held, seed=seed),
    )
    return contenders, sentences


def _refit(finalist: Finalist, held: Held) -> Contender:
    """Without folds: the temperature is that of the trial's model on val."""
    temperature = fit_temperature(held.val_labels, finalist.predictions["val"])
    return Contender(
        "refit",
        (finalist,),
        (1.0,),
        (temperature,),
        1.0,
        (),
        finalist.num_weights,
        finalist.predictions["folds"],
    )


def _of_one(finalist: Finalist, held: Held, goal: Goal) -> list[Contender]:
    """The refit of a finalist, and the mean of its fold models."""
    out_of_fold = finalist.predictions["folds"]
    temperature = fit_temperature(held.labels, out_of_fold)
    scores = _fold_scores(held, out_of_fold, goal)
    sizes: tuple[tuple[Kind, int], ...] = ("refit", 1), ("folds", len(held.fold_sizes))
    return [
        Contender(
            kind,
            (finalist,),
            (1.0,),
            (temperature,),
            1.0,
            scores,
            number * finalist.num_weights,
            out_of_fold,
        )
        for kind, number in sizes
    ]


def _ensemble(singles: Sequence[Contender], held: Held, goal: Goal) -> Contender | None:
    """The greedy ensemble of refits; None where one of them alone is the best."""
    calibrated = np.stack(
        [apply_temperature(single.out_of_fold, single.own_temperature) for single in singles]
    )
    shares = choose_ensemble(held.labels, calibrated)
    pairs = zip(singles, shares.tolist(), strict=True)
    members = [(single, share) for single, share in pairs if share > 0]
    if len(members) < 2:
        return None
    averaged = np.tensordot(shares, calibrated, axes=1)
    return Contender(
        "ensemble",
        tuple(single.leader for single, _ in members),
        tuple(share for _, share in members),
        tuple(single.own_temperature for single, _ in members),
        fit_temperature(held.labels, averaged),
        _fold_scores(held, averaged, goal),
        sum(single.num_weights for single, _ in members),
        averaged,
    )


def _fold_scores(held: Held, probabilities: FloatArray, goal: Goal) -> tuple[float, ...]:
    scores = []
    for end, size in zip(np.cumsum(held.fold_sizes), held.fold_sizes, strict=True):
        part = slice(int(end) - size, int(end))
        value = goal.value_of(score(held.labels[part], probabilities[part]))
        scores.append(float("nan") if value is None else value)
    return tuple(scores)


def describe(contender: Contender) -> str:
    """A candidate in words: `the refit of trial 22`."""
    trial = contender.leader.number
    if contender.kind == "refit":
        return f"the refit of trial {trial}"
    if contender.kind == "folds":
        return f"the mean of the fold models of trial {trial}"
    trials = [str(finalist.number) for finalist in contender.finalists]
    return f"the ensemble of trials {listing(trials)}"


def _why(chosen: Contender, best: Contender, goal: Goal) -> str:
    size, size_of_best = (weights(one.num_weights, space=" ") for one in (chosen, best))
    what = f"Candidate 1 ({describe(chosen)}, {size} weights)"
    measure = METRICS[goal.objective]
    mean = f"{measure} {fraction(chosen.cv_mean)} ± {fraction(chosen.cv_sd)}"
    if chosen is best:
        return (
            f"{what} is the best on {len(chosen.fold_scores)} folds ({mean}), and nothing simpler "
            "comes within one standard error of it."
        )
    return (
        f"{what} is the simplest within one standard error ({fraction(best.standard_error)}) of "
        f"the best on {len(chosen.fold_scores)} folds: {mean}, against {fraction(best.cv_mean)} of "
        f"{describe(best)} ({size_of_best} weights)."
    )


def _against_default(
    chosen: Contender, singles: Sequence[Contender], held: Held, *, seed: int
) -> tuple[str, ...]:
    """Whether the choice beats the default configuration on images that neither had seen."""
    default = next((single for single in singles if single.leader.is_default), None)
    if default is None:
        return ()
    if chosen.finalists == default.finalists:
        return (
            "It is the space's default configuration: the search found nothing that is "
            "better by more than chance.",
        )
    found = compare(
        held.labels, chosen.out_of_fold, default.out_of_fold, other=1, groups=held.groups, seed=seed
    ).difference
    numbers = fraction_interval(found, sign=True)
    if found.low > 0:
        return (
            f"It beats the space's default configuration (trial {default.leader.number}): "
            f"accuracy on the folds "
            f"{numbers}.",
        )
    return (
        f"It is no better than the space's default configuration (trial {default.leader.number}): "
        f"accuracy on the folds {numbers}.",
    )
