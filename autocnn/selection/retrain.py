"""Retrains the finalists: on train + val, and on that without each fold of train.

Every one is trained with its params for the number of epochs that its search found best,
its learning rate annealed over just those (docs/decisions/0004). Nothing is chosen by what
is held out.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autocnn.core.arrays import IntArray
from autocnn.core.errors import SearchError
from autocnn.core.events import Observer
from autocnn.core.records import RetrainedRecord
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.runner import Job, JobList, run
from autocnn.execution.tasks import TRAIN, TrainingResult, TrainingTask
from autocnn.selection.plan import Finalist, FinalistsPlan
from autocnn.storage import StudyFolder

RETRAINED = 1
"""Third part of a retrained model's seed, which keeps it apart from its trial's."""


def retrain(
    plan: FinalistsPlan, executor: Executor, folder: StudyFolder, observer: Observer
) -> list[Finalist]:
    """Train every model of every finalist, but those that are there from before.

    Args:
        plan: Finalists, folds, and how to train.
        executor: Runs the processes.
        folder: Gets the models.
        observer: Hears of each epoch.

    Returns:
        The finalists of which all models could be made, in their order, with their records.

    Raises:
        SearchError: When there is none.
        KeyboardInterrupt: When stopping was asked for; what was made is kept.
    """
    folds = (None, *(fold.number for fold in plan.folds))
    pairs = [(finalist, fold) for finalist in plan.finalists for fold in folds]
    on_folds = f", also on {len(plan.folds)} folds" if plan.folds else ""
    observer.stage(
        f"retrain the finalists{on_folds}",
        total=sum(finalist.epochs for finalist, _ in pairs),
        unit="epochs",
    )
    for sentence in folder.recover_finalists():
        observer.warn(sentence)
    made: dict[tuple[int, int | None], RetrainedRecord] = {}
    jobs: deque[Job] = deque()
    for index, (finalist, fold) in enumerate(pairs):
        trial = finalist.number
        record = folder.read_retrained(trial, fold)
        if record is not None and _is_wanted(record, plan, finalist):
            folder.remove_retrained_checkpoint(trial, fold)  # a kill may have left it
            made[trial, fold] = record
            observer.advance(finalist.epochs)
        else:
            jobs.append(_job(plan, index, finalist, fold, folder))

    def note_half_batch(job: Job) -> None:
        finalist, fold = pairs[job.key]
        if job.has_half_batch and not finalist.trial.half_batch:
            folder.note_half_batch(finalist.number, fold)

    def keep(job: Job, outcome: Outcome) -> None:
        finalist, fold = pairs[job.key]
        record = _record(plan, finalist, job, outcome, folder, observer, fold=fold)
        if record is not None:
            made[finalist.number, fold] = record

    source = JobList(jobs, keep, note_half_batch, plan.find_stop, observer, plan.save_progress)
    run(source, executor, observer, workers=plan.workers, interruption=plan.interruption)
    retrained = []
    for finalist in plan.finalists:
        trial = finalist.number
        records = {fold: made[trial, fold] for fold in folds if (trial, fold) in made}
        if len(records) == len(folds):
            _warn_of_cuts(finalist, records, observer)
            retrained.append(replace(finalist, records=records))
    if not retrained:
        raise SearchError(
            f"{folder.path}: no finalist could be retrained; see finalists/*/*/log.txt"
        )
    return retrained


def _seen(plan: FinalistsPlan, fold: int | None) -> IntArray:
    """The images that a model learns from: all of train + val, or those of a fold."""
    if fold is not None:
        return plan.folds[fold - 1].train
    return np.sort(np.concatenate([plan.dataset.indices(split) for split in ("train", "val")]))


def _digest(rows: IntArray) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16]


def _is_wanted(record: RetrainedRecord, plan: FinalistsPlan, finalist: Finalist) -> bool:
    """Whether a model of an earlier session is the one that would be trained now.

    Folds that were cut otherwise would have it judged on images that it has learned from.
    """
    is_unknown = not record.rows_digest and record.fold is None
    is_same = is_unknown or record.rows_digest == _digest(_seen(plan, record.fold))
    return is_same and record.epochs == finalist.epochs


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
        epochs=finalist.epochs,
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
        name=f"The retraining of trial {number}" + (f" without fold {fold}" if fold else ""),
        function=TRAIN,
        task=task,
        log_path=folder.retrained_log_path(number, fold),
        timeout_s=plan.timeout_s(trial, len(seen)),
    )


def _record(
    plan: FinalistsPlan,
    finalist: Finalist,
    job: Job,
    outcome: Outcome,
    folder: StudyFolder,
    observer: Observer,
    *,
    fold: int | None,
) -> RetrainedRecord | None:
    """The record of a training that ended well, written; else None, and a warning."""
    trial = finalist.number
    if isinstance(outcome.result, TrainingResult):
        record = RetrainedRecord(
            trial=trial,
            fold=fold,
            epochs=finalist.epochs,
            num_weights=outcome.result.num_weights,
            # A resumed one trained in earlier processes too.
            seconds=max(outcome.seconds, sum(s.seconds for s in outcome.result.history)),
            history=outcome.result.history,
            half_batch=job.has_half_batch,
            rows_digest=_digest(_seen(plan, fold)),
        )
        folder.write_retrained(record)
        return record
    reason = f"{outcome.state}: {outcome.reason}"
    where = "" if fold is None else f" without fold {fold}"
    observer.warn(f"Trial {trial} could not be retrained{where} and is left out: {reason}")
    return None


def _warn_of_cuts(
    finalist: Finalist, records: Mapping[int | None, RetrainedRecord], observer: Observer
) -> None:
    fewest = min(len(record.history) for record in records.values())
    if fewest < finalist.epochs:
        observer.warn(
            f"The budget cut the retraining of trial {finalist.number} after "
            f"{fewest} of {finalist.epochs} epochs."
        )
