"""Makes the candidates, opens the test split once, and puts everything measured together.

First every model predicts what it has not seen of train and val, and the candidates are
ranked on that alone; only then are the candidates made and the test split predicted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.errors import SearchError, StudyError
from autocnn.core.events import Observer
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.jobs import Job, run_jobs
from autocnn.execution.tasks import (
    MAKE_CANDIDATE,
    PREDICT,
    CandidateTask,
    MemberModel,
    Prediction,
    PredictionTask,
)
from autocnn.metrics.familiarity import choose_reference
from autocnn.metrics.robustness import choose_sample
from autocnn.selection.compare import Contender, Entrant, Held, rank_contenders
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.retrain import REFIT, Retrained
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice

NUM_DISTURBED = 200
"""Test images that each disturbance is tried on: 27 times, so it is what judging takes."""

NUM_EXPLAINED = 48
"""Test images whose maps all candidates share."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A finalist with what its models predict of train and val.

    Attributes:
        retrained: The finalist.
        train, val: Probabilities by its trial's model, which has seen train.
        out_of_fold: By its fold models, fold after fold; (0, classes) without folds.
    """

    retrained: Retrained
    train: FloatArray
    val: FloatArray
    out_of_fold: FloatArray


@dataclass(frozen=True, eq=False)
class Made:
    """A candidate with what its model gave.

    Attributes:
        number: Of the candidate, and its rank.
        contender: What it is made of.
        results: As `judging.make_candidate` describes them.
    """

    number: int
    contender: Contender
    results: dict[str, NDArray[np.float64]]

    @property
    def test(self) -> NDArray[np.float64]:
        """(test images, classes) probabilities."""
        return self.results["test"]


@dataclass(frozen=True, eq=False)
class Verdict:
    """All that the records are made from.

    Attributes:
        finalists: With their predictions, best on val first.
        held: What they were compared on.
        candidates: Best first.
    """

    finalists: tuple[Judged, ...]
    held: Held
    candidates: tuple[Made, ...]


def judge(
    plan: FinalistsPlan,
    retrained: Sequence[Retrained],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
    *,
    open_test: Callable[[Choice], None],
) -> Verdict:
    """Compare the finalists, choose, then predict test with every candidate.

    Args:
        plan: Images, folds, goal.
        retrained: The finalists and their models.
        executor: Runs the processes.
        folder: Holds the models; gets those of the candidates.
        observer: Hears of each step.
        open_test: Called once, with the choice, before any test image is predicted.

    Raises:
        SearchError: When a model could not predict.
        KeyboardInterrupt: When stopping was asked for.
    """
    finalists = _predict_unseen(plan, retrained, executor, folder, observer)
    held = _held(plan)
    entrants = [
        Entrant(
            trial=judged.retrained.finalist.trial.trial,
            objective=judged.retrained.finalist.trial.objective or 0.0,
            num_weights=judged.retrained.refit.num_weights,
            val=judged.val,
            out_of_fold=judged.out_of_fold,
        )
        for judged in finalists
    ]
    contenders, sentences = rank_contenders(entrants, held, plan.goal, seed=plan.seed)
    open_test(Choice(candidate=1, sentences=sentences))
    made = _make(plan, contenders, finalists, executor, folder, observer)
    return Verdict(finalists, held, made)


def _predict_unseen(
    plan: FinalistsPlan,
    retrained: Sequence[Retrained],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> tuple[Judged, ...]:
    """What the trials' models and the fold models predict of train and val."""
    observer.stage("compare the finalists", total=len(retrained), unit="trials")
    dataset = plan.dataset
    jobs, tasks = {}, []
    for index, finalist in enumerate(retrained):
        trial = finalist.finalist.trial
        own_path = folder.trial_model_path(trial.trial)
        parts: list[tuple[Path, IntArray, str]] = [
            (own_path, dataset.indices("train"), "train"),
            (own_path, dataset.indices("val"), "val"),
        ]
        parts += [
            (
                folder.retrained_model_path(trial.trial, fold.number),
                fold.held_out,
                f"fold-{fold.number}",
            )
            for fold in plan.folds
        ]
        predictions = tuple(
            Prediction(path, rows, folder.predictions_dir() / f"{trial.trial}-{name}.npy")
            for path, rows, name in parts
        )
        task = PredictionTask(plan.images_of(trial), predictions, plan.threads, plan.own_model)
        tasks.append(task)
        jobs[index] = Job(PREDICT, task, folder.retrained_log_path(trial.trial, REFIT))
    _run(plan, jobs, executor, observer, folder)
    judged = []
    for finalist, task in zip(retrained, tasks, strict=True):
        train, val, *folds = (np.load(p.probabilities_path) for p in task.predictions)
        out_of_fold = np.concatenate(folds) if folds else train[:0]
        judged.append(Judged(finalist, train, val, out_of_fold))
    return tuple(judged)


def _held(plan: FinalistsPlan) -> Held:
    dataset = plan.dataset
    rows = [fold.held_out for fold in plan.folds]
    stacked = np.concatenate(rows) if rows else dataset.indices("val")[:0]
    bundle_of_row = np.full(len(dataset.labels), -1, np.int64)
    bundle_of_row[dataset.rows] = dataset.bundles
    return Held(
        val_labels=dataset.labels[dataset.indices("val")],
        labels=dataset.labels[stacked],
        groups=bundle_of_row[stacked],
        fold_sizes=tuple(len(part) for part in rows),
    )


def _make(
    plan: FinalistsPlan,
    contenders: Sequence[Contender],
    finalists: Sequence[Judged],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> tuple[Made, ...]:
    """The candidates' models and what they give, but those that an earlier session made."""
    observer.stage("judge the candidates on test", total=len(contenders), unit="candidates")
    jobs, paths = {}, {}
    for number, contender in enumerate(contenders, start=1):
        paths[number] = folder.predictions_dir() / f"candidate-{number}.npz"
        if paths[number].exists() and folder.candidate_model_path(number).exists():
            observer.advance()
            continue
        task = _candidate_task(plan, number, contender, finalists, folder)
        jobs[number] = Job(MAKE_CANDIDATE, task, folder.candidate_log_path(number))
    _run(plan, jobs, executor, observer, folder)
    made = []
    for number, contender in enumerate(contenders, start=1):
        with np.load(paths[number]) as results:
            made.append(Made(number, contender, dict(results)))
        if "maps" not in made[-1].results:
            observer.warn(f"Candidate {number} has layers that Grad-CAM cannot open: no maps.")
    return tuple(made)


def _candidate_task(
    plan: FinalistsPlan,
    number: int,
    contender: Contender,
    finalists: Sequence[Judged],
    folder: StudyFolder,
) -> CandidateTask:
    dataset = plan.dataset
    labels = dataset.labels[dataset.indices("test")]
    train = dataset.indices("train")
    images = [
        plan.images_of(finalists[index].retrained.finalist.trial) for index in contender.weights
    ]
    return CandidateTask(
        members=members_of(contender, finalists, plan, folder),
        temperature=contender.temperature,
        has_temperature=contender.kind == "ensemble",
        model_path=folder.candidate_model_path(number),
        images=max(images, key=lambda some: some.open().shape[1]),
        test_rows=dataset.indices("test"),
        val_rows=dataset.indices("val"),
        reference_rows=train[choose_reference(dataset.labels[train], seed=plan.seed)],
        disturbed=choose_sample(labels, NUM_DISTURBED, seed=plan.seed),
        explained=choose_sample(labels, NUM_EXPLAINED, seed=plan.seed),
        per_class=pictured_per_class(dataset.num_classes),
        results_path=folder.predictions_dir() / f"candidate-{number}.npz",
        threads=plan.threads,
        seed=plan.seed,
        own_model=plan.own_model,
    )


def pictured_per_class(num_classes: int) -> int:
    """Wrong, and as many right, images of each class that a candidate is pictured with.

    >>> [pictured_per_class(number) for number in (2, 4, 10, 100)]
    [4, 4, 2, 1]
    """
    return max(1, min(4, 24 // num_classes))


def members_of(
    contender: Contender, finalists: Sequence[Judged], plan: FinalistsPlan, folder: StudyFolder
) -> tuple[MemberModel, ...]:
    """The models that a candidate averages, with their shares and temperatures."""
    members = []
    for index, weight in contender.weights.items():
        trial = finalists[index].retrained.finalist.trial.trial
        folds = [fold.number for fold in plan.folds] if contender.kind == "folds" else [REFIT]
        members += [
            MemberModel(
                folder.retrained_model_path(trial, fold),
                weight / len(folds),
                contender.temperatures[index],
            )
            for fold in folds
        ]
    return tuple(members)


def _run(
    plan: FinalistsPlan,
    jobs: dict[int, Job],
    executor: Executor,
    observer: Observer,
    folder: StudyFolder,
) -> None:
    """Run jobs of which none may fail."""

    def keep(key: int, outcome: Outcome) -> None:
        if isinstance(outcome.error, StudyError):
            raise outcome.error
        if outcome.result is None:
            raise SearchError(
                f"{folder.path}: the finalists could not be judged: {outcome.state}: "
                f"{outcome.reason}; see {jobs[key].log_path}"
            )

    run_jobs(plan, jobs, executor, observer, keep)
