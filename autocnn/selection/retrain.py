"""Retrains the finalists: on train + val, and on that without each fold of train.

Every one is trained with its params for the number of epochs that its search found best,
its learning rate annealed over just those (docs/decisions/0004). Nothing is chosen by what
is held out.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autocnn.core.arrays import IntArray
from autocnn.core.events import Observer
from autocnn.core.records import RetrainedRecord, TrialState
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.runner import Job, JobList, run
from autocnn.execution.tasks import TRAIN, TrainingResult, TrainingTask
from autocnn.selection.plan import Finalist, FinalistsPlan
from autocnn.storage import StudyFolder

RETRAINED = 1
"""Third part of a retrained model's seed, which keeps it apart from its trial's."""

MOST_ATTEMPTS = 2
"""A training that was killed or hung goes on once more from its last epoch."""

RETRIED = (TrialState.FAILED, TrialState.TIMED_OUT)


@dataclass
class _Trainings:
    """What became of the trainings, by trial and fold."""

    made: dict[tuple[int, int | None], RetrainedRecord] = field(default_factory=dict)
    ends: dict[tuple[int, int | None], Outcome] = field(default_factory=dict)

    def why(self, finalist: Finalist, fold: int | None) -> str:
        """Why there is no such model."""
        outcome = self.ends.get((finalist.number, fold))
        if outcome is None:
            return "no time left"
        if outcome.state != TrialState.CUT:
            return f"{outcome.state}: {outcome.reason}"
        done = len(outcome.result.history) if isinstance(outcome.result, TrainingResult) else 0
        return f"no time left after {done} of {finalist.epochs} epochs"

    def is_worth_another_try(self, finalist: Finalist, fold: int | None) -> bool:
        """Whether it failed, and would not fail so for sure again."""
        key = finalist.number, fold
        outcome = self.ends.get(key)
        is_fault = outcome is not None and outcome.state in RETRIED and outcome.error is None
        return is_fault and key not in self.made

    def is_for_want_of_time(self, finalist: Finalist, fold: int | None) -> bool:
        """Whether the budget alone was the reason."""
        outcome = self.ends.get((finalist.number, fold))
        return outcome is None or outcome.state == TrialState.CUT


def retrain(
    plan: FinalistsPlan, executor: Executor, folder: StudyFolder, observer: Observer
) -> list[Finalist]:
    """Train every model of every finalist, but those that are there from before.

    A training that fails is tried once more. The trial's own model stands in the place of a
    refit that could not be had.

    Args:
        plan: Finalists, folds, and how to train.
        executor: Runs the processes.
        folder: Gets the models.
        observer: Hears of each epoch.

    Returns:
        The finalists of which all fold models could be made, in their order, with their records.
        Where that is none, or the best one is not among them for want of time, all finalists
        without fold models: val decides (`FinalistsPlan.compared_on`).

    Raises:
        KeyboardInterrupt: When stopping was asked for; what was made is kept.
    """
    folds = (None, *(fold.number for fold in plan.folds))
    retrained = [finalist for finalist in plan.finalists if finalist.epochs is not None]
    pairs = [(finalist, fold) for finalist in retrained for fold in folds]
    trainings = _Trainings()
    if pairs:
        _train(plan, pairs, trainings, executor, folder, observer)
    finalists = [_with_refit(finalist, trainings, observer) for finalist in plan.finalists]
    if not plan.folds:
        return finalists
    whole = [_with_folds(finalist, plan, trainings) for finalist in finalists]
    first = whole[0]
    lost = [f.number for f in plan.folds if (finalists[0].number, f.number) not in trainings.made]
    is_short = any(trainings.is_for_want_of_time(finalists[0], fold) for fold in lost)
    if not any(whole) or (first is None and is_short):
        observer.warn(
            f"The models of the folds could not all be made (trial {finalists[0].number}: "
            f"{trainings.why(finalists[0], lost[0])}): the finalists are compared on val."
        )
        return finalists
    for finalist, found in zip(finalists, whole, strict=True):
        if found is None:
            fold = next(f for f in folds[1:] if (finalist.number, f) not in trainings.made)
            observer.warn(
                f"Trial {finalist.number} could not be retrained without fold {fold} and is left "
                f"out: {trainings.why(finalist, fold)}"
            )
    return [finalist for finalist in whole if finalist is not None]


def _train(
    plan: FinalistsPlan,
    pairs: Sequence[tuple[Finalist, int | None]],
    trainings: _Trainings,
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> None:
    """Run the trainings of finalists on folds (None: on all) that have no record yet."""
    on_folds = f", also on {len(plan.folds)} folds" if plan.folds else ""
    observer.stage(
        f"retrain the finalists{on_folds}",
        total=sum(finalist.epochs or 0 for finalist, _ in pairs),
        unit="epochs",
    )
    for sentence in folder.recover_finalists():
        observer.warn(sentence)
    left: list[int] = []
    for index, (finalist, fold) in enumerate(pairs):
        trial = finalist.number
        record = folder.read_retrained(trial, fold)
        if record is not None and _is_wanted(record, plan, finalist):
            folder.remove_retrained_checkpoint(trial, fold)  # a kill may have left it
            trainings.made[trial, fold] = record
            observer.advance(record.epochs)
        else:
            left.append(index)

    def note_half_batch(job: Job) -> None:
        finalist, fold = pairs[job.key]
        if job.has_half_batch and not finalist.trial.half_batch:
            folder.note_half_batch(finalist.number, fold)

    def keep(job: Job, outcome: Outcome) -> None:
        finalist, fold = pairs[job.key]
        result = outcome.result
        # One that the budget cut is not kept: it is worse than the trial was.
        if isinstance(result, TrainingResult) and len(result.history) == finalist.epochs:
            record = _write_record(plan, finalist, job, outcome, result, folder, fold=fold)
            trainings.made[finalist.number, fold] = record
        else:
            trainings.ends[finalist.number, fold] = outcome

    for attempt in range(1, MOST_ATTEMPTS + 1):
        jobs = deque(_job(plan, index, *pairs[index], folder) for index in left)
        source = JobList(jobs, keep, note_half_batch, plan.find_stop, observer, plan.save_progress)
        run(source, executor, observer, workers=plan.workers, interruption=plan.interruption)
        left = [index for index in left if trainings.is_worth_another_try(*pairs[index])]
        if not left or attempt == MOST_ATTEMPTS:
            break
        for index in left:
            finalist, fold = pairs[index]
            observer.warn(
                f"{_name(finalist, fold)} failed ({trainings.why(finalist, fold)}); it is tried "
                "once more."
            )


def _with_refit(finalist: Finalist, trainings: _Trainings, observer: Observer) -> Finalist:
    """A finalist with the record of its refit, or of its trial's own model in its place."""
    record = trainings.made.get((finalist.number, None))
    if record is not None:
        return replace(finalist, records={None: record})
    if finalist.epochs is not None:
        observer.warn(
            f"Trial {finalist.number} could not be retrained ({trainings.why(finalist, None)}): "
            "its own model takes the place of the refit."
        )
    trial = finalist.trial
    own = RetrainedRecord(
        trial=trial.trial,
        epochs=trial.best_epoch or 1,
        num_weights=trial.num_weights or 0,
        seconds=trial.seconds,
        history=tuple(s for s in trial.history if s.epoch <= (trial.best_epoch or 1)),
        half_batch=trial.half_batch,
    )
    return replace(finalist, records={None: own}, has_own_model=True)


def _with_folds(finalist: Finalist, plan: FinalistsPlan, trainings: _Trainings) -> Finalist | None:
    """A finalist with the records of all its fold models too; None where one is missing."""
    records = dict(finalist.records)
    for fold in plan.folds:
        record = trainings.made.get((finalist.number, fold.number))
        if record is None:
            return None
        records[fold.number] = record
    return replace(finalist, records=records)


def _name(finalist: Finalist, fold: int | None) -> str:
    return f"The retraining of trial {finalist.number}" + (f" without fold {fold}" if fold else "")


def _seen(plan: FinalistsPlan, fold: int | None) -> IntArray:
    """The images that a model learns from: all of train + val, or those of a fold."""
    if fold is not None:
        return plan.folds[fold - 1].train
    return np.sort(np.concatenate([plan.dataset.indices(split) for split in ("train", "val")]))


def _digest(rows: IntArray) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16]


def _is_wanted(record: RetrainedRecord, plan: FinalistsPlan, finalist: Finalist) -> bool:
    """Whether a model of an earlier session is the one that would be trained now.

    Not one that an earlier budget cut, nor one of folds that were cut otherwise, which would be
    judged on images that it has learned from.
    """
    is_unknown = not record.rows_digest and record.fold is None
    is_same = is_unknown or record.rows_digest == _digest(_seen(plan, record.fold))
    return is_same and record.epochs == finalist.epochs == len(record.history)


def _job(
    plan: FinalistsPlan, key: int, finalist: Finalist, fold: int | None, folder: StudyFolder
) -> Job:
    trial, number = finalist.trial, finalist.number
    seen = _seen(plan, fold)
    task = TrainingTask(
        images=plan.images_of(trial),
        train_rows=seen,
        val_rows=seen[:0],
        params=dict(trial.params),
        epochs=finalist.epochs or 1,
        seed=(plan.seed, number, RETRAINED, fold or 0),
        goal=plan.goal,
        model_path=folder.retrained_model_path(number, fold),
        threads=plan.threads,
        precision=plan.precision,
        weights=plan.weights,
        checkpoint_path=folder.retrained_checkpoint_path(number, fold),
        half_batch=trial.half_batch or folder.has_half_batch(number, fold),
        deterministic=plan.deterministic,
        own_model=plan.own_model,
    )
    return Job(
        key=key,
        name=_name(finalist, fold),
        function=TRAIN,
        task=task,
        log_path=folder.retrained_log_path(number, fold),
        timeout_s=plan.timeout_s(trial, len(seen)),
    )


def _write_record(
    plan: FinalistsPlan,
    finalist: Finalist,
    job: Job,
    outcome: Outcome,
    result: TrainingResult,
    folder: StudyFolder,
    *,
    fold: int | None,
) -> RetrainedRecord:
    """The record of a training that ended well, written."""
    record = RetrainedRecord(
        trial=finalist.number,
        fold=fold,
        epochs=len(result.history),
        num_weights=result.num_weights,
        # A resumed one trained in earlier processes too.
        seconds=max(outcome.seconds, sum(score.seconds for score in result.history)),
        history=result.history,
        half_batch=job.has_half_batch,
        rows_digest=_digest(_seen(plan, fold)),
    )
    folder.write_retrained(record)
    return record
