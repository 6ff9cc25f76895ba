"""Which candidate is best, decided on folds (or on val, without them) and said in words.

Pure: out-of-fold probabilities in, ranked candidates out. The test split is not known here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.objective import Goal
from autocnn.core.wording import METRICS, fraction, fraction_interval, listing, weights
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.comparison import compare
from autocnn.metrics.ensembles import choose_ensemble, pick_simplest
from autocnn.metrics.scores import score

Kind = Literal["refit", "folds", "ensemble"]


@dataclass(frozen=True, eq=False)
class Entrant:
    """A finalist with what was measured on it without test.

    Attributes:
        trial: Number of its trial.
        objective: Its trial's best objective on val.
        num_weights: Weights of one of its models.
        val: (val images, classes) probabilities of the trial's model.
        out_of_fold: (m, classes) each image of train + val, predicted by the fold model that
            has not seen it, fold after fold; empty without folds.
    """

    trial: int
    objective: float
    num_weights: int
    val: FloatArray
    out_of_fold: FloatArray


@dataclass(frozen=True, eq=False)
class Held:
    """What the entrants were measured on.

    Attributes:
        val_labels: (val images,) true classes.
        labels: (m,) true classes of `Entrant.out_of_fold`.
        groups: (m,) images of one group are copies of each other, or of one patient.
        fold_sizes: Images held out by each fold; they add up to m.
    """

    val_labels: IntArray
    labels: IntArray
    groups: IntArray
    fold_sizes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Contender:
    """A candidate before it is made.

    Attributes:
        kind: `refit`, `folds` or `ensemble`.
        weights: Index of an entrant -> its share; one of 1 but for an ensemble.
        temperatures: Index of an entrant -> the temperature of its models.
        temperature: Of the average; 1 but for an ensemble.
        fold_scores: The objective on each fold; empty without folds.
        num_weights: Of all its models together.
        out_of_fold: (m, classes) probabilities before any temperature; of an ensemble,
            before its own.
    """

    kind: Kind
    weights: dict[int, float]
    temperatures: dict[int, float]
    temperature: float
    fold_scores: tuple[float, ...]
    num_weights: int
    out_of_fold: FloatArray

    @property
    def leader(self) -> int:
        """The entrant that weighs most."""
        return max(self.weights, key=lambda index: (self.weights[index], -index))

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
    entrants: Sequence[Entrant], held: Held, goal: Goal, *, seed: int
) -> tuple[list[Contender], tuple[str, ...]]:
    """All candidates that the finalists give, the chosen one first, and why it is.

    Each finalist gives its refit and the mean of its fold models, which share its fold
    scores; an ensemble of refits is chosen greedily on the out-of-fold predictions. The
    choice is the simplest within one standard error of the best. Without folds there are
    refits only, and val decides.

    Args:
        entrants: The finalists, best on val first.
        held: What they were measured on.
        goal: Objective.
        seed: Of the intervals.

    Source: Breiman et al. 1984, Classification and Regression Trees, 3.4.3 (the one
    standard error rule); Caruana et al. 2004, ICML (ensembles).
    """
    if not held.fold_sizes:
        contenders = [_refit(index, entrant, held) for index, entrant in enumerate(entrants)]
        return contenders, (
            f"Candidate 1 (the refit of trial {entrants[0].trial}) is the best on val. It was not "
            "compared on folds, so this may be luck.",
        )
    contenders = []
    for index, entrant in enumerate(entrants):
        contenders += _of_one(index, entrant, held, goal)
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
        _why(contenders[0], best, entrants, goal),
        *_against_default(contenders[0], singles, entrants, held, seed=seed),
    )
    return contenders, sentences


def _refit(index: int, entrant: Entrant, held: Held) -> Contender:
    """Without folds: the temperature is that of the trial's model on val."""
    temperature = fit_temperature(held.val_labels, entrant.val)
    return Contender(
        "refit",
        {index: 1.0},
        {index: temperature},
        1.0,
        (),
        entrant.num_weights,
        entrant.out_of_fold,
    )


def _of_one(index: int, entrant: Entrant, held: Held, goal: Goal) -> list[Contender]:
    """The refit of a finalist, and the mean of its fold models."""
    temperature = fit_temperature(held.labels, entrant.out_of_fold)
    scores = _fold_scores(held, entrant.out_of_fold, goal)
    sizes: tuple[tuple[Kind, int], ...] = ("refit", 1), ("folds", len(held.fold_sizes))
    return [
        Contender(
            kind,
            {index: 1.0},
            {index: temperature},
            1.0,
            scores,
            number * entrant.num_weights,
            entrant.out_of_fold,
        )
        for kind, number in sizes
    ]


def _ensemble(singles: Sequence[Contender], held: Held, goal: Goal) -> Contender | None:
    """The greedy ensemble of refits; None where one of them alone is the best."""
    calibrated = np.stack(
        [
            apply_temperature(single.out_of_fold, single.temperatures[single.leader])
            for single in singles
        ]
    )
    shares = choose_ensemble(held.labels, calibrated)
    if np.count_nonzero(shares) < 2:
        return None
    averaged = np.tensordot(shares, calibrated, axes=1)
    members = np.flatnonzero(shares).tolist()
    return Contender(
        "ensemble",
        {index: float(shares[index]) for index in members},
        {index: singles[index].temperatures[index] for index in members},
        fit_temperature(held.labels, averaged),
        _fold_scores(held, averaged, goal),
        sum(singles[index].num_weights for index in members),
        averaged,
    )


def _fold_scores(held: Held, probabilities: FloatArray, goal: Goal) -> tuple[float, ...]:
    scores = []
    for end, size in zip(np.cumsum(held.fold_sizes), held.fold_sizes, strict=True):
        part = slice(int(end) - size, int(end))
        value = goal.value_of(score(held.labels[part], probabilities[part]))
        scores.append(float("nan") if value is None else value)
    return tuple(scores)


def describe(contender: Contender, entrants: Sequence[Entrant]) -> str:
    """A candidate in words: `the refit of trial 22`."""
    trial = entrants[contender.leader].trial
    if contender.kind == "refit":
        return f"the refit of trial {trial}"
    if contender.kind == "folds":
        return f"the mean of the fold models of trial {trial}"
    trials = [str(entrants[index].trial) for index in sorted(contender.weights)]
    return f"the ensemble of trials {listing(trials)}"


def _why(chosen: Contender, best: Contender, entrants: Sequence[Entrant], goal: Goal) -> str:
    size, size_of_best = (weights(one.num_weights, space=" ") for one in (chosen, best))
    what = f"Candidate 1 ({describe(chosen, entrants)}, {size} weights)"
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
        f"{describe(best, entrants)} ({size_of_best} weights)."
    )


def _against_default(
    chosen: Contender,
    singles: Sequence[Contender],
    entrants: Sequence[Entrant],
    held: Held,
    *,
    seed: int,
) -> tuple[str, ...]:
    """Whether the choice beats trial 0 on the images that neither had seen."""
    default = next((s for s in singles if entrants[s.leader].trial == 0), None)
    if default is None:
        return ()
    if list(chosen.weights) == [default.leader]:
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
            f"It beats the space's default configuration (trial 0): accuracy on the folds "
            f"{numbers}.",
        )
    return (
        f"It is no better than the space's default configuration (trial 0): accuracy on the "
        f"folds {numbers}.",
    )
