"""The end of a study: the top trials retrained on train + val, then judged on test, once.

Each retrained model is kept with a record as soon as it is whole, and each epoch of the
others with a checkpoint, so a study that was stopped here goes on model by model.

Each finalist is refitted with its params for the number of epochs that its search found
best, its learning rate annealed over just those (docs/decisions/0004). Train and val are
scored with the model of the search, which has not seen val; test with the refit.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.budget import Budget
from autocnn.data import Dataset
from autocnn.errors import SearchError, StudyError
from autocnn.evaluation.metrics import score_split
from autocnn.events import Interruption, Observer
from autocnn.executors.base import EndEvent, Executor, Outcome
from autocnn.objective import Goal
from autocnn.records import (
    SPLITS,
    CandidateRecord,
    RefitRecord,
    SplitName,
    SplitScores,
    TrialRecord,
    TrialState,
)
from autocnn.store import StudyFolder
from autocnn.tasks import (
    JUDGE,
    TRAIN,
    Images,
    JudgingResult,
    JudgingTask,
    Task,
    TrainingResult,
    TrainingTask,
)

REFIT = 1
"""Third part of a refit's seed, which keeps it apart from its trial's."""

POLL_S = 0.5


@dataclass(frozen=True)
class Candidate:
    """A judged model, with the predictions that its pictures are drawn from.

    Attributes:
        record: Everything measured.
        trial: The trial it comes from.
        probabilities: Split -> float32 of shape (images of the split, classes).
    """

    record: CandidateRecord
    trial: TrialRecord
    probabilities: dict[SplitName, NDArray[np.float32]]


@dataclass(frozen=True)
class Finalist:
    """A trial that is retrained.

    Attributes:
        trial: The trial.
        epochs: Epochs of the refit; its best epoch, or fewer when time is short.
    """

    trial: TrialRecord
    epochs: int


@dataclass(frozen=True)
class FinalistsPlan:
    """How finalists are retrained and judged.

    Attributes:
        dataset: Images and splits.
        goal: Objective.
        seed: Study seed.
        workers: Models at once.
        threads: Threads per model.
        precision: Keras dtype policy of the refits.
        weights: Pretrained weights, for that family.
        deterministic: Whether only operations with reproducible results may be used.
        budget: The time that there is; a refit is cut at its end.
        interruption: Looked at after every epoch.
        save_progress: Called often, to note how far the study is.
    """

    dataset: Dataset
    goal: Goal
    seed: int
    workers: int
    threads: int
    precision: str
    weights: str
    deterministic: bool
    budget: Budget
    interruption: Interruption
    save_progress: Callable[[], None] = lambda: None

    def images_of(self, trial: TrialRecord) -> Images:
        """The images at the size of a trial's params."""
        return study_images(self.dataset, int(trial.params.get("image_size", 0)))


def study_images(dataset: Dataset, image_size: int) -> Images:
    """The decoded images of a size as workers open them."""
    arrays = dataset.images(image_size)
    return Images(arrays.path, dataset.labels, dataset.num_classes)


def judge_finalists(
    plan: FinalistsPlan,
    finalists: Sequence[Finalist],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> list[Candidate]:
    """Refit, predict and score the finalists.

    Args:
        plan: How.
        finalists: Trials whose models the folder holds, best first.
        executor: Runs the processes.
        folder: Gets the refitted models.
        observer: Hears of each step.

    Returns:
        One candidate per finalist that could be refitted, in the same order.

    Raises:
        SearchError: When none could.
        KeyboardInterrupt: When stopping was asked for; what was made is kept.
    """
    with plan.interruption.graceful():
        refits = _refit(plan, finalists, executor, folder, observer)
        if not refits:
            raise SearchError(
                f"{folder.path}: no finalist could be retrained; see candidates/*/log.txt"
            )
        return _judge(plan, refits, executor, folder, observer)


@dataclass(frozen=True)
class _Refit:
    trial: TrialRecord
    candidate: int
    record: RefitRecord


def _refit(
    plan: FinalistsPlan,
    finalists: Sequence[Finalist],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> list[_Refit]:
    """Retrain each finalist on train + val, but those that were before."""
    observer.stage("retrain the finalists", total=sum(f.epochs for f in finalists), unit="epochs")
    for sentence in folder.recover_candidates():
        observer.warn(sentence)
    made = {number: folder.read_refit(number) for number in range(1, 1 + len(finalists))}
    jobs = {}
    for number, finalist in enumerate(finalists, start=1):
        if made[number] is None:
            task = _refit_task(plan, finalist, number, folder)
            jobs[number] = _Job(TRAIN, task, folder.candidate_log_path(number))
        else:
            observer.advance(finalist.epochs)

    def keep(number: int, outcome: Outcome) -> None:
        trial = finalists[number - 1].trial.trial
        if isinstance(outcome.result, TrainingResult):
            record = RefitRecord(
                trial=trial,
                num_weights=outcome.result.num_weights,
                # A resumed one trained in earlier processes too.
                seconds=max(outcome.seconds, sum(s.seconds for s in outcome.result.history)),
                history=outcome.result.history,
            )
            folder.write_refit(number, record)
            made[number] = record
            return
        if isinstance(outcome.error, StudyError):
            raise outcome.error
        reason = f"{outcome.state}: {outcome.reason}"
        observer.warn(f"Trial {trial} could not be retrained and is left out: {reason}")

    _run_all(plan, jobs, executor, observer, keep)
    refits = []
    for number, finalist in enumerate(finalists, start=1):
        record = made[number]
        if record is None:
            continue
        if len(record.history) < finalist.epochs:
            observer.warn(
                f"The budget cut the retraining of trial {finalist.trial.trial} after "
                f"{len(record.history)} of {finalist.epochs} epochs."
            )
        refits.append(_Refit(finalist.trial, number, record))
    return refits


def _refit_task(
    plan: FinalistsPlan, finalist: Finalist, number: int, folder: StudyFolder
) -> TrainingTask:
    dataset, trial = plan.dataset, finalist.trial
    rows = np.sort(np.concatenate([dataset.indices("train"), dataset.indices("val")]))
    return TrainingTask(
        images=plan.images_of(trial),
        train_rows=rows,
        val_rows=rows[:0],
        params=dict(trial.params),
        epochs=finalist.epochs,
        seed=(plan.seed, trial.trial, REFIT),
        goal=plan.goal,
        model_path=folder.candidate_model_path(number),
        threads=plan.threads,
        precision=plan.precision,
        weights=plan.weights,
        checkpoint_path=folder.candidate_checkpoint_path(number),
        half_batch=trial.half_batch,
        deterministic=plan.deterministic,
    )


def _judge(
    plan: FinalistsPlan,
    refits: Sequence[_Refit],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> list[Candidate]:
    """Predict all splits, the test split with the refits alone, and score."""
    observer.stage("judge the finalists on test", total=2 * len(refits), unit="models")
    dataset = plan.dataset
    seen = np.concatenate([dataset.indices("train"), dataset.indices("val")])
    jobs: list[_Job] = []
    for refit in refits:
        for model_path, rows in (
            (folder.trial_model_path(refit.trial.trial), seen),
            (folder.candidate_model_path(refit.candidate), dataset.indices("test")),
        ):
            is_refit = model_path != folder.trial_model_path(refit.trial.trial)
            name = f"{refit.candidate}-{'refit' if is_refit else 'trial'}.npy"
            task = JudgingTask(
                model_path=model_path,
                images=plan.images_of(refit.trial),
                rows=rows,
                probabilities_path=folder.predictions_dir() / name,
                threads=plan.threads,
                is_measured=is_refit,
            )
            jobs.append(_Job(JUDGE, task, folder.candidate_log_path(refit.candidate)))
    outcomes = _run_all(plan, dict(enumerate(jobs)), executor, observer)
    candidates = []
    for index, refit in enumerate(refits):
        by_trial, by_refit = outcomes[2 * index], outcomes[2 * index + 1]
        for outcome in (by_trial, by_refit):
            if outcome.state != TrialState.COMPLETE:
                raise SearchError(
                    f"{folder.path}: candidate {refit.candidate} could not be judged: "
                    f"{outcome.state}: {outcome.reason}"
                )
        own = np.load(folder.predictions_dir() / f"{refit.candidate}-trial.npy")
        test = np.load(folder.predictions_dir() / f"{refit.candidate}-refit.npy")
        num_train = len(dataset.indices("train"))
        probabilities: dict[SplitName, NDArray[np.float32]] = {
            "train": own[:num_train],
            "val": own[num_train:],
            "test": test,
        }
        assert isinstance(by_refit.result, JudgingResult)
        record = _record(plan, refit, by_refit.result, probabilities, folder)
        candidates.append(Candidate(record, refit.trial, probabilities))
    folder.remove_predictions()
    return candidates


def _record(
    plan: FinalistsPlan,
    refit: _Refit,
    cost: JudgingResult,
    probabilities: dict[SplitName, NDArray[np.float32]],
    folder: StudyFolder,
) -> CandidateRecord:
    dataset = plan.dataset
    scores: dict[SplitName, SplitScores] = {
        split: score_split(
            split,
            dataset.labels[dataset.indices(split)],
            probabilities[split],
            dataset.class_names,
            seed=plan.seed,
        )
        for split in SPLITS
    }
    return CandidateRecord(
        candidate=refit.candidate,
        rank=refit.candidate,
        kind="refit",
        trial=refit.trial.trial,
        params=dict(refit.trial.params),
        objective=refit.trial.objective or 0.0,
        train=scores["train"],
        val=scores["val"],
        test=scores["test"],
        num_weights=refit.record.num_weights,
        flops=cost.flops,
        latency_ms=cost.latency_ms,
        size_mb=folder.candidate_model_path(refit.candidate).stat().st_size / 1e6,
        epochs=len(refit.record.history),
        train_seconds=refit.record.seconds,
        seed=plan.seed,
        history=refit.record.history,
    )


@dataclass(frozen=True)
class _Job:
    function: str
    task: Task
    log_path: Path


def _run_all(
    plan: FinalistsPlan,
    jobs: Mapping[int, _Job],
    executor: Executor,
    observer: Observer,
    keep: Callable[[int, Outcome], None] = lambda key, outcome: None,
) -> dict[int, Outcome]:
    """Run jobs, some at a time; each outcome is given to `keep` as soon as it is there."""
    outcomes: dict[int, Outcome] = {}
    waiting = deque(jobs)
    running: set[int] = set()
    try:
        while waiting or running:
            if plan.interruption.is_wished and not running:
                raise KeyboardInterrupt
            while waiting and len(running) < plan.workers and not plan.interruption.is_wished:
                key = waiting.popleft()
                job = jobs[key]
                executor.submit(key, job.function, job.task, log_path=job.log_path, timeout_s=None)
                running.add(key)
            for event in executor.poll(POLL_S):
                if isinstance(event, EndEvent):
                    running.discard(event.key)
                    outcomes[event.key] = event.outcome
                    keep(event.key, event.outcome)
                    if not isinstance(jobs[event.key].task, TrainingTask):
                        observer.advance()
                    continue
                observer.advance()
                if plan.interruption.is_wished:
                    executor.cancel(event.key)
                    running.discard(event.key)
                    waiting.append(event.key)
                else:
                    executor.answer(event.key, stop=plan.budget.is_time_to_judge(len(jobs)))
            plan.save_progress()
    except BaseException:
        executor.close()
        raise
    return outcomes
