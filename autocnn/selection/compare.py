"""Which candidate is best, decided on folds (or on val, without them) and said in words.

Pure: out-of-fold probabilities in, ranked candidates out. The test split is not known here.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Literal

import numpy as np

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.config import Prefer
from autocnn.core.objective import Goal
from autocnn.core.records import OWN, REFIT, CandidateKind, Comparison, Part
from autocnn.core.wording import fraction, fraction_interval, listing, metric_name, weights
from autocnn.metrics.calibration import apply_temperature, calibrate, fit_temperature
from autocnn.metrics.comparison import compare, standard_error
from autocnn.metrics.ensembles import choose_ensemble, fit_disagreement, temperature_of_mean
from autocnn.metrics.evidence import guessing, is_at_chance
from autocnn.metrics.own_objective import measure_of
from autocnn.metrics.scores import score, score_split
from autocnn.selection.plan import Finalist, Held, SeenSet


@dataclass(frozen=True, eq=False)
class Contender:
    """A candidate before it is made.

    Attributes:
        kind: Of `CandidateKind`.
        finalists: Whose models it is made of; several only for an ensemble.
        shares: Of each finalist; they add up to 1.
        temperatures: Of each finalist's models.
        temperature: Of the average, fitted on what it was chosen on; 1 but for an ensemble.
        sharpening: What that is multiplied by where more models are averaged than have predicted
            each of those images.
        fold_scores: The objective on each fold; empty without folds, and where it is not defined
            on one of them.
        num_weights: Of all its models together.
        crossed: (m, classes) Of an ensemble, what it predicts out of fold before its own
            temperature, with shares that were chosen on the other folds.
    """

    kind: CandidateKind
    finalists: tuple[Finalist, ...]
    shares: tuple[float, ...]
    temperatures: tuple[float, ...]
    temperature: float
    fold_scores: tuple[float, ...]
    num_weights: int
    crossed: FloatArray | None = None
    sharpening: float = 1.0

    @property
    def leader(self) -> Finalist:
        """The finalist that weighs most, the first of equals."""
        return self.finalists[self.shares.index(max(self.shares))]

    @property
    def models(self) -> list[tuple[Finalist, Part, float, float]]:
        """Its models: finalist, which of its models, share and temperature of each."""
        found = []
        every = zip(self.finalists, self.shares, self.temperatures, strict=True)
        for finalist, share, temperature in every:
            parts = _parts(finalist, self.kind)
            found += [(finalist, part, share / len(parts), temperature) for part in parts]
        return found

    @property
    def out_of_fold(self) -> FloatArray:
        """(m, classes) Probabilities before its own temperature; empty without folds."""
        return self.leader.predictions["folds"] if self.crossed is None else self.crossed

    @property
    def own_temperature(self) -> float:
        """The temperature that was fitted on `out_of_fold`, or on val without folds."""
        return self.temperature if self.kind == "ensemble" else self.temperatures[0]

    def predict_seen(self, split: Literal["train", "val"]) -> FloatArray:
        """What the trials' models give for a split; of an ensemble, their weighted mean."""
        mixed = self.mix_seen(split)
        return calibrate(mixed, self.temperature) if self.kind == "ensemble" else mixed

    def mix_seen(self, split: Literal["train", "val"]) -> FloatArray:
        """The same before any temperature; of an ensemble, before its own."""
        if self.kind != "ensemble":
            return self.leader.predictions[split]
        models = _models(self.finalists, split, self.temperatures)
        return _mix(models, [slice(None)], [self.shares])

    @property
    def cv_mean(self) -> float | None:
        """Mean of the fold scores; None without any."""
        return float(np.mean(self.fold_scores)) if self.fold_scores else None

    @property
    def cv_sd(self) -> float | None:
        """Standard deviation of the fold scores; None without any."""
        return float(np.std(self.fold_scores, ddof=1)) if self.fold_scores else None

    @property
    def calibrated(self) -> FloatArray:
        """(m, classes) Out-of-fold probabilities, as the candidate gives them."""
        return calibrate(self.out_of_fold, self.own_temperature)


def rank_contenders(
    finalists: Sequence[Finalist], held: Held, goal: Goal, *, seed: int, prefer: Prefer = "score"
) -> tuple[list[Contender], tuple[str, ...]]:
    """All candidates that the finalists give, the chosen one first, and why it is.

    Each finalist gives its refit, the mean of that and more where it has them, and the mean of its
    fold models, which share its fold scores; an ensemble of refits is chosen greedily on the
    out-of-fold predictions. The best on the folds is chosen, or the simplest that is within one
    standard error of it. Without folds an ensemble is chosen on val, and comes first; the others
    are in the order of val, as are those whose objective is not defined on every fold: they come
    last.

    Args:
        finalists: With their records and predictions, best on val first.
        held: What they were measured on.
        goal: Objective.
        seed: Of the intervals.
        prefer: `score` or `simple`.

    Source: Breiman et al. 1984, Classification and Regression Trees, 3.4.3 (the one
    standard error rule), with the error of the paired difference; Caruana et al. 2004, ICML
    (ensembles).
    """
    contenders = [one for finalist in finalists for one in _of_one(finalist, held, goal)]
    singles = [c for c in contenders if c.kind in ("refit", "trial")]
    ranked, sentences = _rank(contenders, singles, held, goal, seed=seed, prefer=prefer)
    disagreement = _disagreement(singles, held)
    return [_sharpened(contender, disagreement) for contender in ranked], sentences


def _disagreement(singles: Sequence[Contender], held: Held) -> float:
    """How far apart models are: of the finalists, as of one none has two that have not seen it."""
    labels, models = _on_held(singles, held)
    number = len(models)
    mean = _mix(models, [slice(None)], [[1 / number] * number])
    return fit_disagreement(labels, mean, num_models=number)


def _sharpened(contender: Contender, disagreement: float) -> Contender:
    """A contender whose average is as sure as more models let it be."""
    shipped = [share for _, _, share, _ in contender.models]
    fitted = contender.shares if contender.kind == "ensemble" else (1.0,)
    before, after = (temperature_of_mean(disagreement, shares) for shares in (fitted, shipped))
    return replace(contender, sharpening=after / before)


def _rank(
    contenders: list[Contender],
    singles: Sequence[Contender],
    held: Held,
    goal: Goal,
    *,
    seed: int,
    prefer: Prefer,
) -> tuple[list[Contender], tuple[str, ...]]:
    """All contenders, the chosen one first, with the ensemble if there is one."""
    has_scores = any(contender.fold_scores for contender in contenders)
    ensemble = _ensemble(singles, held, goal) if has_scores or not held.fold_sizes else None
    if not has_scores:
        return _by_val(contenders, ensemble, held, goal, seed=seed, prefer=prefer)
    if ensemble is not None:
        contenders.append(ensemble)
    contenders.sort(key=partial(_place, goal=goal))
    best = contenders[0]
    if prefer == "simple":
        chosen = _simplest(contenders, held, goal, seed=seed)
        contenders.insert(0, contenders.pop(contenders.index(chosen)))
    sentences = (
        *_against_chance(contenders[0], held, seed=seed),
        *_why(contenders, best, held, goal, seed=seed),
        *_against_default(contenders, best, singles, held, goal, seed=seed),
    )
    return contenders, sentences


def _by_val(
    contenders: list[Contender],
    ensemble: Contender | None,
    held: Held,
    goal: Goal,
    *,
    seed: int,
    prefer: Prefer,
) -> tuple[list[Contender], tuple[str, ...]]:
    """Contenders without scores on folds in the order of val, and why that decides.

    The trials were chosen on val too, and the best of many looks better there than it is. That an
    average of several has a smaller log loss is less by luck: where there is one, it is chosen.
    """
    if prefer == "simple":
        contenders.sort(key=lambda c: c.kind == "refits")
    if ensemble is not None:
        contenders.insert(len(contenders) if prefer == "simple" else 0, ensemble)
    chosen, why = contenders[0], "It was not compared on folds"
    sentences: list[str] = []
    if held.fold_sizes:
        why = f"No candidate has a value of {metric_name(goal.objective)} on every fold"
        sentences += _against_chance(chosen, held, seed=seed)
    best = "has the smallest log loss on val" if chosen is ensemble else "is the best on val"
    sentences.append(f"Candidate 1 ({describe(chosen)}) {best}. {why}, so this may be luck.")
    return contenders, tuple(sentences)


def _place(contender: Contender, goal: Goal) -> tuple[bool, float, bool, int]:
    """What puts the best on the folds first, and behind all what has no score there."""
    mean = contender.cv_mean
    if mean is None:
        return True, 0.0, False, 0  # they stay in the order of val
    merit = -mean if goal.maximize else mean
    return False, merit, contender.kind != "refits", contender.num_weights


def _simplest(ranked: Sequence[Contender], held: Held, goal: Goal, *, seed: int) -> Contender:
    """The one with the fewest weights that is within one standard error of the best."""
    best, sign = ranked[0], 1.0 if goal.maximize else -1.0
    own = measure_of(goal)
    smaller = (c for c in ranked if c.fold_scores and c.num_weights < best.num_weights)
    for contender in sorted(smaller, key=lambda c: c.num_weights):
        lost, error = standard_error(
            held.labels,
            best.calibrated,
            contender.calibrated,
            metric=goal.objective,
            groups=held.groups,
            seed=seed,
            own=own,
        )
        if sign * lost <= error:
            return contender
    return best


def _kinds(finalist: Finalist, held: Held) -> list[CandidateKind]:
    """What its models give alone, the mean of several before the refit.

    They share their scores on the folds, which are of one model per image. The log loss of a mean
    is at most the mean log loss, so a mean of refits is at least as good as that says.
    """
    if not finalist.is_retrained:
        kinds: list[CandidateKind] = ["trial"]
    else:
        kinds = ["refits", "refit"] if len(finalist.members) > 1 else ["refit"]
    return [*kinds, "folds"] if held.fold_sizes else kinds


def _parts(finalist: Finalist, kind: CandidateKind) -> list[Part]:
    """Of which of its models a candidate is made."""
    if kind == "folds":
        return finalist.fold_models
    alone: dict[CandidateKind, Part] = {"refit": REFIT, "trial": OWN}
    return [alone[kind]] if kind in alone else finalist.members


def _of_one(finalist: Finalist, held: Held, goal: Goal) -> list[Contender]:
    """The candidates of a finalist alone; without folds the temperature is that on val."""
    out_of_fold = finalist.predictions["folds"]
    scores: tuple[float, ...] = ()
    if held.fold_sizes:
        temperature = fit_temperature(held.labels, out_of_fold)
        scores = _fold_scores(held, out_of_fold, temperature, goal)
    else:
        temperature = fit_temperature(held.val_labels, finalist.predictions["val"])
    return [
        Contender(
            kind,
            (finalist,),
            (1.0,),
            (temperature,),
            1.0,
            scores,
            len(_parts(finalist, kind)) * finalist.num_weights,
        )
        for kind in _kinds(finalist, held)
    ]


Model = Callable[[], FloatArray]
"""Gives (images, classes) calibrated probabilities, anew each time: one is in memory at a time."""


def _models(
    finalists: Sequence[Finalist], what: SeenSet, temperatures: Sequence[float]
) -> list[Model]:
    """What each finalist predicts of a set, at its temperature."""

    def predict(finalist: Finalist, temperature: float) -> FloatArray:
        return calibrate(finalist.predictions[what], temperature)

    return [partial(predict, *pair) for pair in zip(finalists, temperatures, strict=True)]


def _on_held(singles: Sequence[Contender], held: Held) -> tuple[IntArray, list[Model]]:
    """(n,) true classes of what the folds hold out, or of val without folds, and the models there.

    Args:
        singles: A contender for each finalist.
        held: What they were measured on.
    """
    what: SeenSet = "folds" if held.fold_sizes else "val"
    labels = held.labels if held.fold_sizes else held.val_labels
    temperatures = [single.own_temperature for single in singles]
    return labels, _models([single.leader for single in singles], what, temperatures)


def _mix(
    models: Sequence[Model], parts: Sequence[slice], shares: Sequence[Sequence[float]]
) -> FloatArray:
    """(images, classes) The weighted mean of models, in each part of the images with own weights.

    Args:
        models: At least one.
        parts: Of the images; all of them together.
        shares: Of each part, the weights of the models.
    """

    def weigh(model: Model, *own: float) -> FloatArray:
        calibrated = model()
        for part, share in zip(parts, own, strict=True):
            calibrated[part] *= share
        return calibrated

    mixed: FloatArray = reduce(operator.iadd, map(weigh, models, *shares))
    return mixed


def _ensemble(singles: Sequence[Contender], held: Held, goal: Goal) -> Contender | None:
    """The greedy ensemble of refits; None where one of them alone is the best.

    Without folds it is chosen on val, by what the trials' own models predict, which stand in the
    place of those refits that there was no time for.
    """
    if len(singles) < 2:
        return None
    labels, models = _on_held(singles, held)
    truth = np.stack([model()[np.arange(len(labels)), labels] for model in models])
    shares = choose_ensemble(truth).tolist()
    members = [(single, share) for single, share in zip(singles, shares, strict=True) if share > 0]
    if len(members) < 2:
        return None
    temperature = fit_temperature(labels, _mix(models, [slice(None)], [shares]))
    crossed = _cross_fit(models, truth, held) if held.fold_sizes else None
    return Contender(
        "ensemble",
        tuple(single.leader for single, _ in members),
        tuple(share for _, share in members),
        tuple(single.own_temperature for single, _ in members),
        temperature,
        () if crossed is None else _fold_scores(held, crossed, temperature, goal),
        sum(len(single.leader.members) * single.leader.num_weights for single, _ in members),
        crossed,
    )


def _cross_fit(models: Sequence[Model], truth: FloatArray, held: Held) -> FloatArray:
    """(m, classes) What ensembles predict whose shares were chosen on other groups of images.

    Args:
        models: Of the finalists, for what the folds hold out.
        truth: (finalists, m) Of the true classes.
        held: What the finalists were measured on.
    """
    parts = held.parts()
    others = (~np.isin(held.groups, held.groups[part]) for part in parts)
    return _mix(models, parts, [choose_ensemble(truth[:, other]).tolist() for other in others])


def _fold_scores(
    held: Held, probabilities: FloatArray, temperature: float, goal: Goal
) -> tuple[float, ...]:
    """The objective on each fold; nothing where one of them has none, as no mean is of the rest."""
    scores, own = [], measure_of(goal)
    for part in held.parts():
        calibrated = apply_temperature(probabilities[part], temperature)
        value = goal.value_of(score(held.labels[part], calibrated, own))
        if value is None:
            return ()
        scores.append(value)
    return tuple(scores)


def describe(contender: Contender) -> str:
    """A candidate in words: `the refit of trial 22`."""
    trial = contender.leader.number
    if contender.kind == "refit":
        return f"the refit of trial {trial}"
    if contender.kind == "refits":
        number = sum(part.is_refit for _, part, _, _ in contender.models)
        refits = f"{number} refits" if number > 1 else "the refit"
        own = " and its own model" if number < len(contender.models) else ""
        return f"the mean of {refits} of trial {trial}{own}"
    if contender.kind == "trial":
        return f"the model of trial {trial} itself"
    if contender.kind == "folds":
        return f"the mean of the fold models of trial {trial}"
    trials = [str(finalist.number) for finalist in contender.finalists]
    return f"the ensemble of trials {listing(trials)}"


def _against_chance(chosen: Contender, held: Held, *, seed: int) -> Iterator[str]:
    """That nothing was learned, where the folds do not show that anything was."""
    names = [str(label) for label in range(chosen.out_of_fold.shape[1])]
    scored = score_split(
        "folds", held.labels, chosen.calibrated, names, groups=held.groups, seed=seed
    )
    if is_at_chance(scored):
        yield (
            "Nothing was learned that holds for new images, as far as the folds show: balanced "
            f"accuracy {fraction_interval(scored.intervals['balanced_accuracy'])}, where guessing "
            f"gives {fraction(guessing(scored))}."
        )


def _why(
    contenders: Sequence[Contender], best: Contender, held: Held, goal: Goal, *, seed: int
) -> Iterator[str]:
    """Why the first was chosen, and what the simplest would cost, or the best have gained."""
    chosen, measure = contenders[0], metric_name(goal.objective)
    num_folds = len(chosen.fold_scores)
    what = f"Candidate 1 ({_describe_with_size(chosen)})"
    mean = f"{measure} {fraction(chosen.cv_mean)} ± {fraction(chosen.cv_sd)}"
    simplest = min(contenders, key=lambda c: c.num_weights)
    if chosen is best:
        yield f"{what} is the best on {num_folds} folds: {mean}."
        other, role = simplest, "The simplest"
    else:
        rule = f"the simplest within one standard error of the best on {num_folds} folds"
        yield f"{what} is {rule}: {mean}."
        other, role = best, "The best"
    if other is chosen:
        return
    if other.finalists == chosen.finalists:
        yield (
            f"{role} is candidate {contenders.index(other) + 1} ({_describe_with_size(other)}). "
            "The folds cannot distinguish the two: there one model predicts each image."
        )
        return
    if not other.fold_scores:
        yield (
            f"{role} is candidate {contenders.index(other) + 1} ({_describe_with_size(other)}), "
            f"whose {measure} is not defined on every fold."
        )
        return
    found = _compare(other, chosen, held, goal, seed=seed).difference
    yield (
        f"{role} is candidate {contenders.index(other) + 1} ({_describe_with_size(other)}): "
        f"{measure} {fraction_interval(found, sign=True)} against candidate 1."
    )


def _compare(
    first: Contender,
    second: Contender,
    held: Held,
    goal: Goal,
    *,
    seed: int,
    num_comparisons: int = 1,
) -> Comparison:
    """The objective of a contender minus that of another one, out of fold."""
    return compare(
        held.labels,
        first.calibrated,
        second.calibrated,
        other=1,
        metric=goal.objective,
        groups=held.groups,
        num_comparisons=num_comparisons,
        seed=seed,
        own=measure_of(goal),
    )


def _describe_with_size(contender: Contender) -> str:
    return f"{describe(contender)}, {weights(contender.num_weights, space=' ')} weights"


def _against_default(
    contenders: Sequence[Contender],
    best: Contender,
    singles: Sequence[Contender],
    held: Held,
    goal: Goal,
    *,
    seed: int,
) -> Iterator[str]:
    """Whether the choice beats the default configuration: yes, not shown, or it is worse."""
    chosen = contenders[0]
    default = next((single for single in singles if single.leader.is_default), None)
    if default is None:
        return
    if chosen.finalists == default.finalists:
        is_best = best.finalists == default.finalists
        more = ": the search found nothing better" if is_best else ""
        yield f"It is the space's default configuration{more}."
        return
    # One ensemble or single was chosen out of these, by the same images: they chose no trial.
    num_rivals = len(singles) - 1 + any(c.kind == "ensemble" for c in contenders)
    found = _compare(chosen, default, held, goal, seed=seed, num_comparisons=num_rivals)
    gain = found.difference.value if goal.maximize else -found.difference.value
    verdict = "is not shown to be better than"
    if found.is_told_apart:
        verdict = "is better than" if gain > 0 else "is worse than"
    yield (
        f"It {verdict} the space's default configuration (trial {default.leader.number}): "
        f"{metric_name(goal.objective)} {fraction_interval(found.difference, sign=True)}, on train "
        "images that neither had seen and that chose none of the trials"
        f"{_best_of(num_rivals)}."
    )


def _best_of(number: int) -> str:
    """That so many were held against the default, and one of them was taken."""
    if number < 2:
        return ""
    return f"; the choice among {number} was made on them, which the interval allows for"
