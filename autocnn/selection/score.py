"""From predictions to records: every score, interval and comparison of the candidates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from autocnn.core.arrays import BoolArray, FloatArray, IntArray
from autocnn.core.events import Observer
from autocnn.core.objective import Goal
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
from autocnn.metrics.calibration import check_calibration
from autocnn.metrics.comparison import compare
from autocnn.metrics.gap import Training, take_apart
from autocnn.metrics.own_objective import measure_of
from autocnn.metrics.robustness import summarize
from autocnn.metrics.scores import score_split
from autocnn.selection.compare import Contender
from autocnn.selection.plan import FinalistsPlan, OnDemand
from autocnn.storage import StudyFolder
from autocnn.training.measurements import Measurements


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
    """A judged model, with all that its tables and pictures are made from.

    Attributes:
        record: Everything that was found out.
        contender: What it is made of.
        predictions: By what was scored, made anew when asked for; no `folds` without folds, and
            no `test_clean` where test has no copies of other images, or nothing but copies.
        measured: On its model, maps and features too.
    """

    record: CandidateRecord
    contender: Contender
    predictions: Mapping[ScoredSet, Predictions]
    measured: Measurements

    @property
    def judged(self) -> Predictions:
        """What speaks for it: clean test, or test where that is the same or empty."""
        return judged_part(self.predictions)

    @property
    def trial(self) -> TrialRecord:
        """The trial that it comes from; of an ensemble, that which weighs most."""
        return self.contender.leader.trial


def judged_part(predictions: Mapping[ScoredSet, Predictions]) -> Predictions:
    """Clean test, or test where that is the same or empty: headline, pictures, comparisons."""
    return predictions["test_clean" if "test_clean" in predictions else "test"]


def score_candidates(
    plan: FinalistsPlan,
    judged: Sequence[tuple[Contender, Measurements]],
    folder: StudyFolder,
    observer: Observer,
) -> list[Candidate]:
    """The records of all candidates, best first.

    Args:
        plan: Images, folds, goal.
        judged: From `judge`.
        folder: Holds the candidates' models.
        observer: Hears of each candidate.
    """
    observer.stage("measure", total=len(judged), unit="candidates")
    candidates: list[Candidate] = []
    num_pairs = len(judged) * (len(judged) - 1) // 2
    scored: dict[tuple[ScoredSet, bool, int], SplitScores] = {}
    for number, (contender, measured) in enumerate(judged, start=1):
        predictions = _predictions(plan, contender, measured.test)
        scores = {}
        for name in predictions:
            # The refit of a trial and the mean of its folds share all but test.
            is_own = name.startswith("test") or contender.kind == "ensemble"
            key = (name, is_own, number if is_own else contender.leader.number)
            if key not in scored:
                scored[key] = _score(plan, name, predictions[name])
            scores[name] = scored[key]
        comparisons = _comparisons(plan, judged_part(predictions), candidates, num_pairs)
        record = _record(
            plan, number, contender, measured, predictions, scores, comparisons, folder
        )
        candidates.append(Candidate(record, contender, predictions, measured))
        observer.advance()
    return candidates


def _score(plan: FinalistsPlan, name: ScoredSet, what: Predictions) -> SplitScores:
    """Scores of a set; an image that several repeats of the folds predict is one image."""
    scored = score_split(
        name,
        what.labels,
        what.probabilities,
        plan.dataset.class_names,
        groups=what.groups,
        seed=plan.seed,
        own=measure_of(plan.goal),
    )
    repeats = plan.num_repeats if name == "folds" else 1
    if repeats == 1:
        return scored
    numbers = (one.num_images // repeats for one in scored.classes)
    classes = tuple(
        one.model_copy(update={"num_images": number})
        for one, number in zip(scored.classes, numbers, strict=True)
    )
    facts = {"num_images": scored.num_images // repeats, "classes": classes}
    return scored.model_copy(update=facts)


def _predictions(
    plan: FinalistsPlan, contender: Contender, test: FloatArray
) -> OnDemand[ScoredSet, Predictions]:
    dataset, held = plan.dataset, plan.held()

    def of_split(
        split: SplitName, predict: Callable[[], FloatArray], keep: BoolArray | None = None
    ) -> Predictions:
        positions, probabilities = dataset.positions(split), predict()
        if keep is not None:
            positions, probabilities = positions[keep], probabilities[keep]
        return Predictions(
            dataset.table.labels[positions], probabilities, dataset.bundles[positions]
        )

    is_clean = dataset.is_clean_test[dataset.positions("test")]
    found: dict[ScoredSet, Callable[[], Predictions]] = {
        "train": partial(of_split, "train", partial(contender.predict_seen, "train")),
        "val": partial(of_split, "val", partial(contender.predict_seen, "val")),
        "test": partial(of_split, "test", lambda: test),
    }
    if is_clean.any() and not is_clean.all():
        found["test_clean"] = partial(of_split, "test", lambda: test, is_clean)
    if held.fold_sizes:
        found["folds"] = lambda: Predictions(held.labels, contender.calibrated, held.groups)
    return OnDemand(found)


def _comparisons(
    plan: FinalistsPlan, judged: Predictions, better: Sequence[Candidate], num_pairs: int
) -> tuple[Comparison, ...]:
    own = measure_of(plan.goal)
    return tuple(
        compare(
            judged.labels,
            judged.probabilities,
            other.judged.probabilities,
            other=other.record.candidate,
            metric=plan.goal.objective,
            groups=judged.groups,
            num_comparisons=max(1, num_pairs),
            seed=plan.seed,
            own=own,
        )
        for other in better
    )


def _record(
    plan: FinalistsPlan,
    number: int,
    contender: Contender,
    measured: Measurements,
    predictions: Mapping[ScoredSet, Predictions],
    scores: Mapping[ScoredSet, SplitScores],
    comparisons: tuple[Comparison, ...],
    folder: StudyFolder,
) -> CandidateRecord:
    leader = contender.leader
    tied = [comparison.other for comparison in comparisons if not comparison.is_told_apart]
    records = [finalist.records[part] for finalist, part, _, _ in contender.models]
    judged, held, has_folds = judged_part(predictions), plan.held(), "folds" in predictions
    fitted = scores["folds" if has_folds else "val"]
    return CandidateRecord(
        candidate=number,
        rank=number,
        kind=contender.kind,
        trial=leader.number,
        members=_members(contender),
        params=dict(leader.trial.params),
        builder=plan.own_model.name if plan.own_model is not None else None,
        is_default=leader.is_default,
        objective=_on_val(contender, scores["val"], plan.goal),
        cv_mean=contender.cv_mean,
        cv_sd=contender.cv_sd,
        fold_scores=contender.fold_scores,
        train=scores["train"],
        val=scores["val"],
        folds=scores.get("folds"),
        test=scores["test"],
        test_clean=scores.get("test_clean"),
        checked_on="test_clean" if "test_clean" in scores else "test",
        num_test_clean=int(plan.dataset.is_clean_test.sum()),
        gap=take_apart([scores[name] for name in _way(scores)], _training(plan)),
        calibration=check_calibration(
            held.labels if has_folds else held.val_labels,
            contender.out_of_fold if has_folds else contender.mix_seen("val"),
            temperature=contender.own_temperature,
            fitted_on="folds" if has_folds else "val",
            test_labels=judged.labels,
            test_before=measured.test_before[plan.judged],
            test_probabilities=judged.probabilities,
            test_groups=judged.groups,
            sharpening=contender.sharpening,
        ).model_copy(update={"num_images": fitted.num_images}),
        comparisons=comparisons,
        tied_with=min(tied, default=None),
        robustness=_robustness(measured, predictions["test"]),
        image_size=plan.largest_images(contender.finalists).open().shape[1],
        num_weights=measured.num_weights,
        flops=measured.flops,
        latency_ms=measured.latency_ms,
        size_mb=folder.candidate_model_path(number).stat().st_size / 1e6,
        epochs=max(len(record.history) for record in records),
        train_seconds=sum(record.seconds for record in records),
        seed=plan.seed,
        history=leader.refit.history if contender.kind == "refit" else (),
    )


def _on_val(contender: Contender, scored: SplitScores, goal: Goal) -> float:
    """The objective on val: what the search saw of a trial, or what an ensemble of them has."""
    if contender.kind == "ensemble":
        return scored.scores.of(goal.objective) or 0.0
    return contender.leader.trial.objective or 0.0


def _training(plan: FinalistsPlan) -> Training:
    """How the models of a candidate were trained, beside its trial's own."""
    dataset = plan.dataset
    num_train = len(dataset.indices("train"))
    seen = [len(fold.train) for fold in plan.folds] or [num_train]
    return Training(fold_share=min(seen) / num_train, has_groups=any(dataset.table.groups))


def _way(scores: Mapping[ScoredSet, SplitScores]) -> list[ScoredSet]:
    """The sets from train to what is judged."""
    end: ScoredSet = "test_clean" if "test_clean" in scores else "test"
    return ["train", "val", *(name for name in scores if name == "folds"), end]


def _members(contender: Contender) -> tuple[Member, ...]:
    if contender.kind in ("refit", "trial"):
        return ()
    return tuple(
        Member(trial=finalist.number, fold=part.fold, member=part.member, weight=share)
        for finalist, part, share, _ in contender.models
    )


def _robustness(measured: Measurements, test: Predictions) -> Robustness:
    positions = measured.disturbed
    labels, undisturbed = test.labels[positions], test.probabilities[positions]
    return summarize(labels, undisturbed, measured.disturbed_test)
