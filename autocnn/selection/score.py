"""From predictions to records: every score, interval and comparison of the candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.events import Observer
from autocnn.core.records import (
    CandidateRecord,
    Comparison,
    Member,
    Robustness,
    ScoredSet,
    SplitName,
    SplitScores,
    TrialRecord,
)
from autocnn.metrics.calibration import apply_temperature, check_calibration
from autocnn.metrics.comparison import compare
from autocnn.metrics.gap import take_apart
from autocnn.metrics.robustness import summarize
from autocnn.metrics.scores import score_split
from autocnn.selection.compare import Contender
from autocnn.selection.judge import Judged, Made, Verdict
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.retrain import REFIT
from autocnn.storage import StudyFolder


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model gave for a set of images.

    Attributes:
        labels: (n,) true classes.
        probabilities: (n, classes).
        groups: (n,) images of one group are copies of each other, or of one patient.
    """

    labels: IntArray
    probabilities: FloatArray
    groups: IntArray


@dataclass(frozen=True, eq=False)
class Candidate:
    """A judged model, with the predictions that its tables and pictures are made from.

    Attributes:
        record: Everything measured.
        trial: The trial that it comes from; of an ensemble, that which weighs most.
        predictions: By what was scored; no `folds` without folds.
        made: Its raw results.
    """

    record: CandidateRecord
    trial: TrialRecord
    predictions: Mapping[ScoredSet, Predictions]
    made: Made


def score_candidates(
    plan: FinalistsPlan, verdict: Verdict, folder: StudyFolder, observer: Observer
) -> list[Candidate]:
    """The records of all candidates, best first.

    Args:
        plan: Images, folds, goal.
        verdict: From `judge`.
        folder: Holds the candidates' models.
        observer: Hears of each candidate.
    """
    observer.stage("measure", total=len(verdict.candidates), unit="candidates")
    candidates: list[Candidate] = []
    scored: dict[tuple[ScoredSet, int], SplitScores] = {}
    for made in verdict.candidates:
        predictions = _predictions(plan, verdict, made)
        scores = {}
        for name, what in predictions.items():
            # The refit of a trial and the mean of its folds share all but test.
            is_own = name.startswith("test") or made.contender.kind == "ensemble"
            key = (name, -made.number if is_own else made.contender.leader)
            if key not in scored:
                scored[key] = score_split(
                    name,
                    what.labels,
                    what.probabilities,
                    plan.dataset.class_names,
                    groups=what.groups,
                    seed=plan.seed,
                )
            scores[name] = scored[key]
        comparisons = _comparisons(plan, predictions["test"], candidates)
        record = _record(plan, verdict, made, predictions, scores, comparisons, folder)
        trial = verdict.finalists[made.contender.leader].retrained.finalist.trial
        candidates.append(Candidate(record, trial, predictions, made))
        observer.advance()
    return candidates


def _predictions(plan: FinalistsPlan, verdict: Verdict, made: Made) -> dict[ScoredSet, Predictions]:
    dataset, contender = plan.dataset, made.contender

    def of_split(
        split: SplitName, probabilities: FloatArray, keep: NDArray[np.bool_]
    ) -> Predictions:
        positions = dataset.positions(split)[keep]
        return Predictions(
            dataset.table.labels[positions], probabilities[keep], dataset.bundles[positions]
        )

    test = made.test
    is_clean = dataset.is_clean_test[dataset.positions("test")]
    train, val = (_blend(contender, verdict.finalists, split) for split in ("train", "val"))
    found: dict[ScoredSet, Predictions] = {
        "train": of_split("train", train, np.ones(len(train), bool)),
        "val": of_split("val", val, np.ones(len(val), bool)),
        "test": of_split("test", test, np.ones(len(test), bool)),
    }
    if is_clean.any():
        found["test_clean"] = of_split("test", test, is_clean)
    held = verdict.held
    if held.fold_sizes:
        calibrated = apply_temperature(contender.out_of_fold, _temperature(contender))
        found["folds"] = Predictions(held.labels, calibrated, held.groups)
    return found


def _blend(contender: Contender, finalists: Sequence[Judged], split: str) -> FloatArray:
    """What the trials' models give for train or val; of an ensemble, their weighted mean."""
    parts = {
        index: finalists[index].train if split == "train" else finalists[index].val
        for index in contender.weights
    }
    if contender.kind != "ensemble":
        return parts[contender.leader]
    calibrated = [
        weight * apply_temperature(parts[index], contender.temperatures[index])
        for index, weight in contender.weights.items()
    ]
    return apply_temperature(np.sum(calibrated, axis=0), contender.temperature)


def _temperature(contender: Contender) -> float:
    """The temperature that was fitted on the candidate's own out-of-fold predictions."""
    if contender.kind == "ensemble":
        return contender.temperature
    return contender.temperatures[contender.leader]


def _comparisons(
    plan: FinalistsPlan, test: Predictions, better: Sequence[Candidate]
) -> tuple[Comparison, ...]:
    return tuple(
        compare(
            test.labels,
            test.probabilities,
            other.predictions["test"].probabilities,
            other=other.record.candidate,
            groups=test.groups,
            seed=plan.seed,
        )
        for other in better
    )


def _record(
    plan: FinalistsPlan,
    verdict: Verdict,
    made: Made,
    predictions: Mapping[ScoredSet, Predictions],
    scores: Mapping[ScoredSet, SplitScores],
    comparisons: tuple[Comparison, ...],
    folder: StudyFolder,
) -> CandidateRecord:
    contender, number = made.contender, made.number
    leader = verdict.finalists[contender.leader].retrained
    trial = leader.finalist.trial
    tied = [comparison.other for comparison in comparisons if not comparison.is_told_apart]
    num_weights, flops, latency_ms = made.results["cost"].tolist()
    sizes = [
        plan.images_of(verdict.finalists[index].retrained.finalist.trial)
        for index in contender.weights
    ]
    members = _members(plan, verdict, contender)
    records = [
        verdict.finalists[index].retrained.records[fold]
        for index in contender.weights
        for fold in _folds(plan, contender)
    ]
    test = predictions["test"]
    fitted = predictions.get("folds", predictions["val"])
    fitted_before = contender.out_of_fold if "folds" in predictions else fitted.probabilities
    return CandidateRecord(
        candidate=number,
        rank=number,
        kind=contender.kind,
        trial=trial.trial,
        members=members,
        params=dict(trial.params),
        builder=plan.own_model.name if plan.own_model is not None else None,
        is_default=trial.trial == 0,
        objective=trial.objective or 0.0,
        cv_mean=contender.cv_mean,
        cv_sd=contender.cv_sd,
        fold_scores=contender.fold_scores,
        train=scores["train"],
        val=scores["val"],
        folds=scores.get("folds"),
        test=scores["test"],
        test_clean=scores.get("test_clean"),
        gap=take_apart([scores[name] for name in _way(scores)]),
        calibration=check_calibration(
            fitted.labels,
            fitted_before,
            temperature=_temperature(contender),
            fitted_on="folds" if "folds" in predictions else "val",
            test_labels=test.labels,
            test_before=made.results["test_before"],
            test_probabilities=test.probabilities,
            test_groups=test.groups,
        ),
        comparisons=comparisons,
        tied_with=min(tied, default=None),
        robustness=_robustness(made, test),
        image_size=max(images.open().shape[1] for images in sizes),
        num_weights=int(num_weights),
        flops=int(flops),
        latency_ms=latency_ms,
        size_mb=folder.candidate_model_path(number).stat().st_size / 1e6,
        epochs=max(len(record.history) for record in records),
        train_seconds=sum(record.seconds for record in records),
        seed=plan.seed,
        history=leader.refit.history if contender.kind == "refit" else (),
    )


def _way(scores: Mapping[ScoredSet, SplitScores]) -> list[ScoredSet]:
    """The sets between train and clean test; all of test where nothing of it is clean."""
    end: ScoredSet = "test_clean" if "test_clean" in scores else "test"
    return ["train", "val", *(name for name in scores if name == "folds"), end]


def _folds(plan: FinalistsPlan, contender: Contender) -> list[int]:
    return [fold.number for fold in plan.folds] if contender.kind == "folds" else [REFIT]


def _members(plan: FinalistsPlan, verdict: Verdict, contender: Contender) -> tuple[Member, ...]:
    if contender.kind == "refit":
        return ()
    folds = _folds(plan, contender)
    return tuple(
        Member(
            trial=verdict.finalists[index].retrained.finalist.trial.trial,
            fold=fold,
            weight=weight / len(folds),
        )
        for index, weight in contender.weights.items()
        for fold in folds
    )


def _robustness(made: Made, test: Predictions) -> Robustness:
    disturbed = {}
    for key in made.results:
        if key.startswith("disturbed/"):
            _, name, strength = key.split("/")
            disturbed[name, int(strength)] = made.results[key]
    positions = made.results["disturbed"]
    return summarize(test.labels[positions], test.probabilities[positions], disturbed)
