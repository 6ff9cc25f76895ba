"""Makes the candidates, opens the test split once, and puts everything measured together.

First every model predicts what it has not seen of train and val, and the candidates are
ranked on that alone; only then is the test split predicted, and are the candidates made.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.errors import SearchError
from autocnn.core.events import Observer
from autocnn.core.records import OWN, REFIT, Part
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.runner import Job, JobList, run
from autocnn.execution.tasks import (
    MAKE_CANDIDATE,
    PREDICT,
    CandidateTask,
    Images,
    MemberModel,
    Prediction,
    PredictionTask,
)
from autocnn.metrics.familiarity import choose_reference
from autocnn.metrics.intervals import effective_number
from autocnn.selection.augmented import choose_augmented
from autocnn.selection.compare import Contender, rank_contenders
from autocnn.selection.plan import Finalist, FinalistsPlan, OnDemand, SeenSet
from autocnn.selection.retrain import add_members
from autocnn.spaces.knobs import is_mirrored
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice
from autocnn.training.measurements import Measurements, read_recipe

NUM_DISTURBED = 200
"""Test images that each disturbance is tried on: 27 times, so it is most of what judging takes."""

NUM_EXPLAINED = 48
"""Test images whose maps all candidates share."""


def judge(
    plan: FinalistsPlan,
    finalists: Sequence[Finalist],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
    *,
    open_test: Callable[[Choice], None],
) -> list[tuple[Contender, Measurements]]:
    """Compare the finalists, choose, train the chosen once more, predict test with all candidates.

    Args:
        plan: Images, folds, goal.
        finalists: With the records of their models, best on val first.
        executor: Runs the processes.
        folder: Holds the models; gets those of the candidates.
        observer: Hears of each step.
        open_test: Called once, with the choice, before any test image is predicted.

    Returns:
        What each candidate is made of, and what was measured on it, the chosen one first.

    Raises:
        SearchError: When a model could not predict.
        KeyboardInterrupt: When stopping was asked for.
    """
    finalists = _predict_unseen(plan, finalists, executor, folder, observer)
    contenders, sentences = _rank(plan, finalists)
    chosen = contenders[0].finalists
    finalists = add_members(plan, finalists, chosen, executor, folder, observer)
    contenders, sentences = _rank(plan, finalists)
    open_test(Choice(candidate=1, sentences=sentences))
    measured = _measure(plan, contenders, executor, folder, observer)
    return list(zip(contenders, measured, strict=True))


def _rank(
    plan: FinalistsPlan, finalists: Sequence[Finalist]
) -> tuple[list[Contender], tuple[str, ...]]:
    return rank_contenders(finalists, plan.held(), plan.goal, seed=plan.seed, prefer=plan.prefer)


def _predict_unseen(
    plan: FinalistsPlan,
    finalists: Sequence[Finalist],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> list[Finalist]:
    """The finalists with what their trials' models and fold models predict of train and val."""
    observer.stage("compare the finalists", total=len(finalists), unit="trials")
    dataset = plan.dataset
    jobs: list[Job] = []
    tasks = []
    for index, finalist in enumerate(finalists):
        trial = finalist.number
        own_path, mirrored = folder.trial_model_path(trial), _is_mirrored(plan, finalist)
        parts: list[tuple[Path, IntArray, str]] = [
            (own_path, dataset.indices("train"), "train"),
            (own_path, dataset.indices("val"), "val"),
        ]
        parts += [
            (folder.retrained_model_path(trial, part), fold.held_out, part.name)
            for fold in plan.folds
            for part in (Part(fold.number),)
        ]
        predictions = tuple(
            Prediction(path, rows, folder.predictions_dir() / f"{trial}-{name}.npy", mirrored)
            for path, rows, name in parts
        )
        images = plan.images_of(finalist.trial)
        task = PredictionTask(images, predictions, plan.threads, plan.own_model)
        tasks.append(task)
        log_path = folder.retrained_log_path(trial, REFIT)
        jobs.append(Job(index, f"Trial {trial}", PREDICT, task, log_path))
    _run(plan, jobs, executor, observer, folder)
    predicted = []
    for finalist, task in zip(finalists, tasks, strict=True):
        train, val, *folds = (prediction.probabilities_path for prediction in task.predictions)
        files: dict[SeenSet, list[Path]] = {"train": [train], "val": [val], "folds": folds}
        found = {name: partial(_read, paths, dataset.num_classes) for name, paths in files.items()}
        predicted.append(replace(finalist, predictions=OnDemand(found)))
    return predicted


def _read(paths: Sequence[Path], num_classes: int) -> FloatArray:
    """(images, classes) What was predicted, part after part; of no parts, no images."""
    if len(paths) == 1:
        found: FloatArray = np.load(paths[0])
        return found
    return np.concatenate([np.zeros((0, num_classes), np.float32), *map(np.load, paths)])


def _measure(
    plan: FinalistsPlan,
    contenders: Sequence[Contender],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> list[Measurements]:
    """Make the candidates' models and measure them, but those that an earlier session made.

    A candidate of an earlier session is known by what it is made of, not by its number: after
    a rounding that fell otherwise, two of them may have changed places.
    """
    tasks = {
        number: _candidate_task(plan, number, contender, folder)
        for number, contender in enumerate(contenders, start=1)
    }
    missing = {number: task for number, task in tasks.items() if not _is_made(task)}
    _predict_test(plan, [contenders[number - 1] for number in missing], executor, folder, observer)
    observer.stage("judge the candidates on test", total=len(tasks), unit="candidates")
    for _ in range(len(tasks) - len(missing)):
        observer.advance()
    jobs = []
    for number, task in missing.items():
        # Before the model is written over: a kill in between must leave none that fits it.
        task.results_path.unlink(missing_ok=True)
        log_path = folder.candidate_log_path(number)
        jobs.append(Job(number, f"Candidate {number}", MAKE_CANDIDATE, task, log_path))
    _run(plan, jobs, executor, observer, folder)
    for task in missing.values():  # of many images in many classes, gigabytes
        for member in task.members:
            member.predicted_path.unlink(missing_ok=True)
    measured = {number: Measurements.read(task.results_path) for number, task in tasks.items()}
    for number, found in measured.items():
        if found.maps is None:
            observer.warn(f"Candidate {number} has layers that Grad-CAM cannot open: no maps.")
    return list(measured.values())


def _is_made(task: CandidateTask) -> bool:
    """Whether an earlier session made the candidate, and measured it."""
    return task.model_path.exists() and read_recipe(task.results_path) == task.recipe


def _predict_test(
    plan: FinalistsPlan,
    contenders: Sequence[Contender],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> None:
    """Have each model of these predict test, as it is and disturbed, once for all of them."""
    test_rows, disturbed = plan.dataset.indices("test"), plan.sample(NUM_DISTURBED)
    jobs: dict[Path, Job] = {}
    for contender in contenders:
        images = plan.largest_images(contender.finalists)
        for finalist, part, _, _ in contender.models:
            path = _predicted_path(finalist, part, images, folder)
            if path in jobs:
                continue
            model_path, mirrored = _model_path(finalist, part, folder), _is_mirrored(plan, finalist)
            asked = (Prediction(model_path, test_rows, path, mirrored, disturbed),)
            task = PredictionTask(images, asked, plan.threads, plan.own_model, seed=plan.seed)
            log_path = folder.retrained_log_path(finalist.number, part)
            jobs[path] = Job(len(jobs), f"Trial {finalist.number}", PREDICT, task, log_path)
    if jobs:
        observer.stage("predict test", total=len(jobs), unit="models")
        _run(plan, list(jobs.values()), executor, observer, folder)


def _predicted_path(finalist: Finalist, part: Part, images: Images, folder: StudyFolder) -> Path:
    """Where it stands what a model gives for test images of a size: averages have the largest."""
    side = images.open().shape[1]
    return folder.predictions_dir() / f"{finalist.number}-{part.name}-{side}px-test.npy"


def _candidate_task(
    plan: FinalistsPlan, number: int, contender: Contender, folder: StudyFolder
) -> CandidateTask:
    dataset = plan.dataset
    train = dataset.indices("train")
    images = plan.largest_images(contender.finalists)
    return CandidateTask(
        members=tuple(
            MemberModel(
                _model_path(finalist, part, folder),
                _predicted_path(finalist, part, images, folder),
                share,
                temperature,
                mirrored=_is_mirrored(plan, finalist),
            )
            for finalist, part, share, temperature in contender.models
        ),
        temperature=contender.temperature * contender.sharpening,
        has_temperature=contender.kind == "ensemble",
        model_path=folder.candidate_model_path(number),
        images=images,
        test_rows=dataset.indices("test"),
        val_rows=dataset.indices("val"),
        reference_rows=train[choose_reference(dataset.labels[train], seed=plan.seed)],
        judged=plan.judged,
        num_independent=effective_number(dataset.bundles[dataset.positions("test")][plan.judged]),
        disturbed=plan.sample(NUM_DISTURBED),
        explained=plan.sample(NUM_EXPLAINED),
        per_class=pictured_per_class(dataset.num_classes),
        results_path=folder.predictions_dir() / f"candidate-{number}.npz",
        threads=plan.threads,
        seed=plan.seed,
        own_model=plan.own_model,
        params=contender.leader.trial.params,
        augmented_rows=train[choose_augmented(plan)] if number == 1 else train[:0],
    )


def _is_mirrored(plan: FinalistsPlan, finalist: Finalist) -> bool:
    """Whether its models are asked for each image and its mirror image: as they were trained."""
    return plan.own_model is None and is_mirrored(finalist.trial.params)


def _model_path(finalist: Finalist, part: Part, folder: StudyFolder) -> Path:
    """Where a model of a finalist stands."""
    if part == OWN:
        return folder.trial_model_path(finalist.number)
    return folder.retrained_model_path(finalist.number, part)


def pictured_per_class(num_classes: int) -> int:
    """Wrong, and as many right, images of each class that a candidate is pictured with.

    >>> [pictured_per_class(number) for number in (2, 4, 10, 100)]
    [4, 4, 2, 1]
    """
    return max(1, min(4, 24 // num_classes))


def _run(
    plan: FinalistsPlan,
    jobs: Sequence[Job],
    executor: Executor,
    observer: Observer,
    folder: StudyFolder,
) -> None:
    """Run jobs of which none may fail."""

    def keep(job: Job, outcome: Outcome) -> None:
        if outcome.result is None:
            raise SearchError(
                f"{folder.path}: the finalists could not be judged: {outcome.state}: "
                f"{outcome.reason}; see {job.log_path}"
            )

    source = JobList(
        deque(jobs),
        keep,
        observer=observer,
        save_progress=plan.save_progress,
        check_disk=plan.check_disk,
    )
    run(source, executor, observer, workers=plan.workers, interruption=plan.interruption)
