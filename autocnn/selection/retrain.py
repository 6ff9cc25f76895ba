"""Retrains the finalists: on train + val, and on that without each fold of train.

Every one is trained with its params over the whole schedule of its trial, or up to the best
epoch of one that ended before (docs/decisions/0037). Nothing is chosen by what is held out.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autocnn.core.arrays import IntArray
from autocnn.core.events import Observer
from autocnn.core.records import OWN, REFIT, Part, RetrainedRecord, TrialRecord, TrialState
from autocnn.core.wording import count
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.runner import Job, JobList, run
from autocnn.execution.tasks import TRAIN, TrainingResult, TrainingTask
from autocnn.selection.plan import Finalist, FinalistsPlan
from autocnn.spaces.knobs import is_frozen
from autocnn.storage import StudyFolder
from autocnn.tuning.budget import further_epochs

RETRAINED = 1
"""Third part of a retrained model's seed, which keeps it apart from its trial's."""

MOST_ATTEMPTS = 2
"""A training that was killed or hung goes on once more from its last epoch."""

WHOLE_SHARE = 0.9
"""A training that the budget cut counts as whole from so much of its epochs on.

An annealed learning rate has fallen to a fortieth by then."""

RETRIED = (TrialState.FAILED, TrialState.TIMED_OUT)


@dataclass
class _Trainings:
    """What became of the trainings, by trial and part."""

    made: dict[tuple[int, Part], RetrainedRecord] = field(default_factory=dict)
    ends: dict[tuple[int, Part], Outcome] = field(default_factory=dict)

    def refits_of(self, finalist: Finalist) -> dict[Part, RetrainedRecord]:
        """The records of its refits."""
        return {
            part: record
            for (trial, part), record in self.made.items()
            if trial == finalist.number and part.is_refit
        }

    def why(self, finalist: Finalist, part: Part) -> str:
        """Why there is no such model."""
        outcome = self.ends.get((finalist.number, part))
        if outcome is None:
            return "no time left"
        if outcome.state != TrialState.CUT:
            return f"{outcome.state}: {outcome.reason}"
        done = len(outcome.result.history) if isinstance(outcome.result, TrainingResult) else 0
        return f"no time left after {done} of {finalist.epochs} epochs"

    def is_worth_another_try(self, finalist: Finalist, part: Part) -> bool:
        """Whether it failed, and would not fail so for sure again."""
        key = finalist.number, part
        outcome = self.ends.get(key)
        is_fault = outcome is not None and outcome.state in RETRIED and outcome.error is None
        return is_fault and key not in self.made

    def is_for_want_of_time(self, finalist: Finalist, part: Part) -> bool:
        """Whether the budget alone was the reason."""
        outcome = self.ends.get((finalist.number, part))
        return outcome is None or outcome.state == TrialState.CUT


def retrain(
    plan: FinalistsPlan, executor: Executor, folder: StudyFolder, observer: Observer
) -> list[Finalist]:
    """Train every model of every finalist, but those that are there from before.

    Without folds also further refits of the best, as time allows: nothing more will be known of it.

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
    parts = (REFIT, *(Part(fold.number) for fold in plan.folds))
    retrained = [finalist for finalist in plan.finalists if finalist.epochs is not None]
    pairs = [(finalist, part) for finalist in retrained for part in parts]
    if not plan.folds:  # nothing is waited for to know the best
        pairs += _more_refits(plan, retrained[:1], plan.finalists, folder, first=retrained)
    trainings = _Trainings()
    if pairs:
        on_folds = f", also on {len(plan.folds)} folds" if plan.folds else ""
        name = f"retrain the finalists{on_folds}"
        _train(plan, name, pairs, trainings, executor, folder, observer)
    finalists = [_with_refit(finalist, trainings, observer) for finalist in plan.finalists]
    if not plan.folds:
        return finalists
    whole = [_with_folds(finalist, plan, trainings) for finalist in finalists]
    first = whole[0]
    lost = [part for part in parts[1:] if (finalists[0].number, part) not in trainings.made]
    is_short = any(trainings.is_for_want_of_time(finalists[0], part) for part in lost)
    if not any(whole) or (first is None and is_short):
        observer.warn(
            f"The models of the folds could not all be made (trial {finalists[0].number}: "
            f"{trainings.why(finalists[0], lost[0])}): the finalists are compared on val."
        )
        return finalists
    for finalist, found in zip(finalists, whole, strict=True):
        if found is None:
            part = next(p for p in parts[1:] if (finalist.number, p) not in trainings.made)
            observer.warn(
                f"Trial {finalist.number} could not be retrained without fold {part.fold} and is "
                f"left out: {trainings.why(finalist, part)}"
            )
    return [finalist for finalist in whole if finalist is not None]


def add_members(
    plan: FinalistsPlan,
    finalists: Sequence[Finalist],
    chosen: Sequence[Finalist],
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> list[Finalist]:
    """More models of the chosen finalists, for an average: refits as time allows.

    Each has another seed. Where there is no time for as many as are wanted, the trial's own model
    is one more, which costs no training. They are chosen by then, on their folds, so nothing is
    chosen by these models.

    Args:
        plan: How to train, and how many refits there may be.
        finalists: All, with their records.
        chosen: Those that the chosen candidate is made of.
        executor: Runs the processes.
        folder: Gets the models.
        observer: Hears of each epoch.

    Returns:
        The finalists in their order; each of the chosen with as many refits as all of those got.

    Raises:
        KeyboardInterrupt: When stopping was asked for; what was made is kept.
    """
    chosen = [finalist for finalist in chosen if finalist.is_retrained]
    pairs = _more_refits(plan, chosen, finalists, folder)
    left = [(finalist, part) for finalist, part in pairs if part not in finalist.records]
    trainings = _Trainings()
    number = 1 + len({part for _, part in pairs})
    if left:
        name = f"train {number} refits of the best, to average them"
        _train(plan, name, left, trainings, executor, folder, observer)
    lost = [pair for pair in left if (pair[0].number, pair[1]) not in trainings.made]
    gone = {part for _, part in lost}
    if lost:
        observer.warn(
            f"The best is averaged of {count(number - len(gone), 'refit')}, not of {number}: "
            f"{trainings.why(*lost[0])}."
        )

    averaged = {finalist.number for finalist in chosen if not _is_alike(plan, finalist)}

    def with_more(finalist: Finalist) -> Finalist:
        refits = trainings.refits_of(finalist)
        more = {part: record for part, record in refits.items() if part not in gone}
        found = replace(finalist, records={**finalist.records, **more})
        if len(found.members) >= plan.budget.members:
            return found
        return replace(found, records={**found.records, OWN: _own(finalist.trial)})

    return [with_more(f) if f.number in averaged else f for f in finalists]


def _is_alike(plan: FinalistsPlan, finalist: Finalist) -> bool:
    """Whether all its models are alike, as a classifier on frozen features is."""
    return plan.own_model is None and is_frozen(finalist.trial.params)


def _more_refits(
    plan: FinalistsPlan,
    chosen: Sequence[Finalist],
    finalists: Sequence[Finalist],
    folder: StudyFolder,
    *,
    first: Sequence[Finalist] = (),
) -> list[tuple[Finalist, Part]]:
    """Further refits of the chosen finalists: what there is time for, or is there from before.

    Args:
        plan: How to train, and how many refits there may be.
        chosen: Of which each gets as many as the others.
        finalists: All that will be judged.
        folder: Has what is there.
        first: Finalists whose first refit is to be made before.
    """
    wanted = [finalist for finalist in chosen if not _is_alike(plan, finalist)]
    if not wanted:
        return []
    epochs, first_epochs = ([(f.trial, f.epochs or 1) for f in some] for some in (wanted, first))
    trials = [finalist.trial for finalist in finalists]
    most, schedule = plan.budget.members_now(epochs, trials, len(plan.folds), first=first_epochs)
    members = [Part(member=number) for number in range(2, plan.budget.members + 1)]
    epochs_of = {(f.number, p): _epochs_there(plan, f, p, folder) for p in members for f in wanted}
    there = [part for part in members if all(epochs_of[f.number, part] for f in wanted)]
    more = members[: max(most - 1, len(there))]

    def shortened(finalist: Finalist, part: Part) -> Finalist:
        fitting = further_epochs(finalist.trial, finalist.epochs or 1, schedule)
        return replace(finalist, epochs=epochs_of[finalist.number, part] or fitting)

    return [(shortened(finalist, part), part) for part in more for finalist in wanted]


def _epochs_there(plan: FinalistsPlan, finalist: Finalist, part: Part, folder: StudyFolder) -> int:
    """Epochs of a further refit that an earlier session made; 0 where it made none."""
    record, most = folder.read_retrained(finalist.number, part), finalist.epochs or 1
    if record is None or not further_epochs(finalist.trial, most) <= record.epochs <= most:
        return 0
    is_wanted = _is_wanted(record, plan, replace(finalist, epochs=record.epochs))
    return record.epochs if is_wanted else 0


def _train(
    plan: FinalistsPlan,
    name: str,
    pairs: Sequence[tuple[Finalist, Part]],
    trainings: _Trainings,
    executor: Executor,
    folder: StudyFolder,
    observer: Observer,
) -> None:
    """Run the trainings of finalists that have no record yet."""
    observer.stage(name, total=sum(finalist.epochs or 0 for finalist, _ in pairs), unit="epochs")
    for sentence in folder.recover_finalists():
        observer.warn(sentence)
    left: list[int] = []
    for index, (finalist, part) in enumerate(pairs):
        trial = finalist.number
        record = folder.read_retrained(trial, part)
        if record is not None and _is_wanted(record, plan, finalist):
            folder.remove_retrained_checkpoint(trial, part)  # a kill may have left it
            trainings.made[trial, part] = record
            observer.advance(record.epochs)
        else:
            left.append(index)

    def note_half_batch(job: Job) -> None:
        finalist, part = pairs[job.key]
        if job.has_half_batch and not finalist.trial.half_batch:
            folder.note_half_batch(finalist.number, part)

    def keep(job: Job, outcome: Outcome) -> None:
        finalist, part = pairs[job.key]
        result = outcome.result
        # One that the budget cut early is not kept: it is worse than the trial was.
        if isinstance(result, TrainingResult) and _is_whole(len(result.history), finalist):
            record = _write_record(plan, finalist, job, outcome, result, folder, part=part)
            trainings.made[finalist.number, part] = record
        else:
            trainings.ends[finalist.number, part] = outcome

    for attempt in range(1, MOST_ATTEMPTS + 1):
        jobs = deque(_job(plan, index, *pairs[index], folder) for index in left)
        source = JobList(
            jobs,
            keep,
            note_half_batch,
            plan.find_stop,
            observer,
            plan.save_progress,
            plan.check_disk,
        )
        run(source, executor, observer, workers=plan.workers, interruption=plan.interruption)
        left = [index for index in left if trainings.is_worth_another_try(*pairs[index])]
        if not left or attempt == MOST_ATTEMPTS:
            break
        for index in left:
            finalist, part = pairs[index]
            observer.warn(
                f"{_name(finalist, part)} failed ({trainings.why(finalist, part)}); it is tried "
                "once more."
            )


def _with_refit(finalist: Finalist, trainings: _Trainings, observer: Observer) -> Finalist:
    """A finalist with the records of its refits, or of its trial's own model in their place."""
    refits = trainings.refits_of(finalist)
    if REFIT in refits:
        return replace(finalist, records=refits)
    if finalist.epochs is not None:
        observer.warn(
            f"Trial {finalist.number} could not be retrained ({trainings.why(finalist, REFIT)}): "
            "its own model takes the place of the refit."
        )
    return replace(finalist, records={OWN: _own(finalist.trial)})


def _own(trial: TrialRecord) -> RetrainedRecord:
    """What the record of a refit would be, of the trial's own model."""
    return RetrainedRecord(
        trial=trial.trial,
        member=OWN.member,
        epochs=trial.best_epoch or 1,
        num_weights=trial.num_weights or 0,
        seconds=trial.seconds,
        history=tuple(s for s in trial.history if s.epoch <= (trial.best_epoch or 1)),
        half_batch=trial.half_batch,
    )


def _with_folds(finalist: Finalist, plan: FinalistsPlan, trainings: _Trainings) -> Finalist | None:
    """A finalist with the records of all its fold models too; None where one is missing."""
    records = dict(finalist.records)
    for part in (Part(fold.number) for fold in plan.folds):
        record = trainings.made.get((finalist.number, part))
        if record is None:
            return None
        records[part] = record
    return replace(finalist, records=records)


def _name(finalist: Finalist, part: Part) -> str:
    more = "" if part == REFIT else f", refit {part.member}"
    if part.fold is not None:
        more = f" without fold {part.fold}"
    return f"The retraining of trial {finalist.number}{more}"


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
    is_same = is_same and record.epochs == finalist.epochs
    return is_same and _is_whole(len(record.history), finalist)


def _is_whole(num_epochs: int, finalist: Finalist) -> bool:
    """Whether so many epochs are all that a model of a finalist needs."""
    return num_epochs >= WHOLE_SHARE * (finalist.epochs or 1)


def _job(plan: FinalistsPlan, key: int, finalist: Finalist, part: Part, folder: StudyFolder) -> Job:
    trial, number = finalist.trial, finalist.number
    seen = _seen(plan, part.fold)
    seed = (plan.seed, number, RETRAINED, part.fold or 0)
    task = TrainingTask(
        images=plan.images_of(trial),
        train_rows=seen,
        val_rows=seen[:0],
        params=dict(trial.params),
        epochs=finalist.epochs or 1,
        seed=seed if part.member == 1 else (*seed, part.member),
        goal=plan.goal,
        model_path=folder.retrained_model_path(number, part),
        threads=plan.threads,
        precision=plan.precision,
        weights=plan.weights,
        checkpoint_path=folder.retrained_checkpoint_path(number, part),
        half_batch=trial.half_batch or folder.has_half_batch(number, part),
        deterministic=plan.deterministic,
        own_model=plan.own_model,
    )
    return Job(
        key=key,
        name=_name(finalist, part),
        function=TRAIN,
        task=task,
        log_path=folder.retrained_log_path(number, part),
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
    part: Part,
) -> RetrainedRecord:
    """The record of a training that ended well, written."""
    record = RetrainedRecord(
        trial=finalist.number,
        fold=part.fold,
        member=part.member,
        epochs=finalist.epochs or 1,
        num_weights=result.num_weights,
        # A resumed one trained in earlier processes too.
        seconds=max(outcome.seconds, sum(score.seconds for score in result.history)),
        history=result.history,
        half_batch=job.has_half_batch,
        rows_digest=_digest(_seen(plan, part.fold)),
    )
    folder.write_retrained(record)
    return record
