"""The one loop of the search: ask -> run -> report -> tell -> store.

It knows no Keras and no Optuna: an engine proposes, the runner drives an executor, a folder
keeps. A study that was stopped goes on here too: its open trials first, from their last epochs.
"""

import contextlib
import itertools
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autocnn.core.errors import SearchError, StudyError, TrialDivergedError
from autocnn.core.events import Interruption, Observer
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, Params, TrialRecord, TrialState
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.runner import Again, Job, Running, Stop, run
from autocnn.execution.tasks import TRAIN, TrainingResult, TrainingTask
from autocnn.spaces.knobs import is_frozen
from autocnn.storage import StudyFolder
from autocnn.storage.disk import DiskGuard
from autocnn.storage.trials import TrialsTable
from autocnn.tuning.budget import Budget, Pace, epoch_seconds, is_too_slow
from autocnn.tuning.engines.base import Engine, NoProposal, Proposal
from autocnn.tuning.ranking import Ranking

FAILURES_IN_A_ROW = 3
"""A study whose first trials all fail for the same reason ends there."""

FAILURES_AT_ONCE = 3
"""So many trials, and more than run at once, fail alike before their first epoch: then something is
wrong beside them, as a cache that was deleted or a GPU that was lost, and the study stops."""

TOO_SLOW = "too slow: its epochs would not fit into the time left"

OUT_OF_TIME = "stopped early: the time left is for the finalists"

HALF_BATCH = "with half the batch: it ran out of memory with the whole one"


@dataclass(frozen=True)
class SearchPlan:
    """What the loop is to do.

    Attributes:
        goal: Objective.
        trials: Trials in the study, those of earlier sessions included; None: as many as there
            is time for.
        epochs: Most epochs per trial.
        workers: Trials at once.
        keep: Models of that many best trials are kept, and that of the default configuration.
        trial_timeout_s: Seconds per trial; None: no limit.
        make_task: The trial as it starts -> what its process is to do.
        is_default: Whether params are those of the default configuration.
        save_progress: Called often, to note how far the study is.
        has_own_model: Whether params are of networks of somebody's own: `frozen` means nothing.
        function: What runs a task; another one in tests.
    """

    goal: Goal
    trials: int | None
    epochs: int
    workers: int
    keep: int
    trial_timeout_s: float | None
    make_task: Callable[[TrialRecord], TrainingTask]
    is_default: Callable[[Params], bool]
    save_progress: Callable[[], None] = lambda: None
    has_own_model: bool = False
    function: str = TRAIN


def run_search(
    plan: SearchPlan,
    engine: Engine,
    executor: Executor,
    folder: StudyFolder,
    budget: Budget,
    observer: Observer,
    *,
    earlier: Sequence[TrialRecord] = (),
    interruption: Interruption | None = None,
    disk: DiskGuard | None = None,
) -> list[TrialRecord]:
    """Run all trials of a study and keep what they left.

    Args:
        plan: What to do.
        engine: Knows the earlier trials already.
        executor: Runs the trials.
        folder: Keeps them.
        budget: The time that there is.
        observer: Hears of each step.
        earlier: Trials of earlier sessions; open ones go on.
        interruption: Looked at after every epoch.
        disk: Looked at now and then.

    Returns:
        One record per ended trial, in the order of their numbers.

    Raises:
        SearchError: When the first trials all fail alike, or none has finished an epoch.
        DiskFullError: When there is no space on the disk to go on; running trials stay open.
        KeyboardInterrupt: When stopping was asked for; running trials stay open.
    """
    search = _Search(plan, engine, folder, budget, observer, disk, earlier)
    try:
        run(search, executor, observer, workers=plan.workers, interruption=interruption)
    except BaseException:
        search.table.open += search.opened
        with contextlib.suppress(StudyError):  # on a full disk the table stays as it was
            search.table.rewrite()
        raise
    search.table.open += search.opened  # for want of time they did not go on
    search.table.rewrite()
    records = [search.records[trial] for trial in sorted(search.records)]
    if not rank_trials(plan.goal, records):
        raise nothing_finished(folder, records)
    return records


def nothing_finished(folder: StudyFolder, records: Sequence[TrialRecord]) -> SearchError:
    """The error of a search that has no finalist.

    Args:
        folder: Of the study.
        records: Its ended trials, by number; at least one.
    """
    last, number = records[-1], len(records)
    what = f"none of {number} trials did" if number > 1 else "the only one did not"
    log_path = folder.trial_log_path(last.trial)
    return SearchError(
        f"{folder.path}: at least one trial must finish, but {what}; the last was "
        f"{last.state}: {last.reason.rstrip('.')}.",
        remedy=f"See {log_path.parent / 'trial.json'} and {log_path.name} beside it.",
    )


def rank_trials(goal: Goal, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Trials that may become finalists, best first."""
    return goal.rank([record for record in records if record.may_win])


def find_stop(
    history: Sequence[EpochScore], *, epochs: int, is_behind: bool, is_exempt: bool, left_s: float
) -> Stop | None:
    """Why a trial ends after its last epoch so far; None: it goes on, or was done anyway.

    Args:
        history: Its epochs so far, at least one.
        epochs: Epochs that its schedule spans.
        is_behind: What the engine says: others were better by then.
        is_exempt: Whether it is never too slow, as a start point is not.
        left_s: Seconds until the finalists must begin.
    """
    epoch = history[-1].epoch
    if epoch >= epochs:
        return None
    if is_behind:
        reason = f"pruned after epoch {epoch}: behind other trials by then"
        return Stop(TrialState.PRUNED, reason)
    if left_s <= 0:
        return Stop(TrialState.CUT, OUT_OF_TIME)
    if not is_exempt and is_too_slow(history, epochs, left_s):
        return Stop(TrialState.CUT, TOO_SLOW)
    return None


class _Search:
    """The trials of one search, as a source of work for the runner; see `runner.Source`.

    Whatever is asked of it at each step costs the same at the ten thousandth trial as at the
    tenth: it keeps what it needs of the ended trials up to date, and looks through none.
    """

    def __init__(
        self,
        plan: SearchPlan,
        engine: Engine,
        folder: StudyFolder,
        budget: Budget,
        observer: Observer,
        disk: DiskGuard | None,
        earlier: Sequence[TrialRecord],
    ) -> None:
        self.plan = plan
        self.engine = engine
        self.folder = folder
        self.budget = budget
        self.observer = observer
        self.disk = disk
        self.records: dict[int, TrialRecord] = {}
        self.ranking = Ranking(plan.goal, plan.is_default)
        self.pace = Pace()
        self.causes: set[tuple[TrialState, str]] = set()
        self.streak: list[TrialRecord] = []
        self.streak_began = 0
        self.outlived: set[str] = set()
        self.next_end = 0
        # A fork takes over trials whose models the other study did not keep. Nothing can be made
        # of them, so they must not take the place of one with a model among the best.
        with_model = folder.kept_models()
        for record in earlier:
            if not record.is_open:
                self._add(record, has_model=record.trial in with_model)
        self.started: dict[int, TrialRecord] = {}
        # First those that have something to lose: also without time, their best epoch is kept.
        opened = sorted((r for r in earlier if r.is_open), key=lambda r: not r.history)
        self.opened = deque(opened)
        begun = {record.trial for record in earlier}
        all_numbers = itertools.count() if plan.trials is None else range(plan.trials)
        self._numbers = (number for number in all_numbers if number not in begun)
        self.number = next(self._numbers, None)
        self.unfitted: set[int] = set()
        self.told: set[int] = set()
        self.exempt: set[int] = set()
        self.leading: TrialRecord | None = None
        self.is_exhausted = False
        observer.stage("search", total=plan.trials, unit="trials")
        observer.advance(len(self.records))
        self.table = TrialsTable(folder, list(self.records.values()))
        self.models = self._models_to_keep()
        folder.keep_models(self.models)  # a kill may have left others

    def _add(self, record: TrialRecord, *, has_model: bool = True) -> None:
        """Count an ended trial in."""
        self.records[record.trial] = record
        if has_model:
            self.ranking.add(record)
        self.pace.add(record)
        if len(self.causes) <= 1:
            self.causes.add((record.state, _cause(record)))
        if record.end_order is not None:
            self.next_end = max(self.next_end, record.end_order + 1)

    # -- the life of a trial, in its order --------------------------------------------------

    def next_job(self, num_running: int) -> Job | None:
        """The next trial: an open one first, then what the engine proposes."""
        epochs = self._epochs_for_next()
        settled = None
        if epochs == 0 and self.ranking.best and not num_running:
            settled = self.budget.settled(self._shortlist())
        if settled is not None:
            self.budget = settled
            epochs = self._epochs_for_next()
        is_time = epochs > 0 or not (self.records or num_running)
        if self.opened:
            if not is_time and not self.opened[0].history:
                return None
            record = self.opened.popleft().model_copy(update={"reason": ""})
        elif not is_time or self.number is None:
            return None
        else:
            proposal = self.engine.ask(self.number)
            if proposal == NoProposal.WAIT and num_running:
                return None
            if not isinstance(proposal, Proposal):
                self._say_exhausted(num_running)
                return None
            record = self._new_record(self.number, proposal, max(1, epochs))
            self.number = next(self._numbers, None)
        if self.budget.total_s is not None and self.pace.epoch_s is None:
            self.unfitted.add(record.trial)
        record = record.model_copy(update={"state": TrialState.RUNNING})
        self.started[record.trial] = record
        return Job(
            key=record.trial,
            name=f"Trial {record.trial}",
            function=self.plan.function,
            task=self.plan.make_task(record),
            log_path=self.folder.trial_log_path(record.trial),
            timeout_s=self.plan.trial_timeout_s,
            num_restored=len(record.history),
        )

    def job_started(self, job: Job) -> None:
        """From here on a resumed study goes on with it."""
        record = self.started[job.key]
        if job.has_half_batch and not record.half_batch:
            # What the whole batch has trained is deleted by now, and must be for good before the
            # half is noted: a power cut would else bring it back, for the half to go on from.
            self.folder.sync_checkpoint(record.trial)
            record = record.model_copy(update={"half_batch": True, "history": ()})
            self.started[job.key] = record
        self.folder.write_trial(record.model_copy(update={"history": ()}))
        if job.num_restored and record.trial in self.told:
            return  # with another schedule or worker: for whoever watches it just goes on
        self.told.add(record.trial)
        self.observer.trial_started(record.trial, record.params, epochs=record.epochs or 1)
        if record.history:
            done = record.history[-1].epoch
            self.observer.note(f"trial {record.trial} goes on after epoch {done}")

    def epoch_ended(self, running: Running) -> Stop | Again | None:
        """Tell the engine; what it and the time left say of going on."""
        trial, record = running.job.key, self.started[running.job.key]
        is_behind = self.engine.report(trial, running.history[-1], epochs=record.epochs)
        is_behind = is_behind and not self._has_few_trials(running)
        if running.is_new_epoch:
            self.observer.trial_epoch(trial, running.history[-1])
        if trial == min(self.started):
            self.leading = self._at_its_end(running)
        left_s = float("inf")
        if not running.is_restoring:
            if trial in self.unfitted and not is_behind:
                epochs = self.budget.epochs_that_fit(
                    self._so_far(running), self._finalists_beside(running)
                )
                if epochs is None:
                    return None  # the next epoch tells
                fitted = self._fit(running, epochs)
                if fitted is not None:
                    return fitted
            left_s = self.budget.search_left_s(self._finalists(running))
        stop = find_stop(
            running.history,
            epochs=record.epochs or 1,
            is_behind=is_behind,
            is_exempt=record.from_start or trial in self.exempt,
            left_s=left_s,
        )
        if stop is not None and stop.reason == TOO_SLOW:
            epochs = self.budget.epochs_if_slow(
                self._so_far(running), self._finalists_beside(running)
            )
            return stop if epochs is None else self._fit(running, epochs)
        return stop

    def _fit(self, running: Running, epochs: int) -> Stop | Again | None:
        """Shorten the schedule of a trial now that it is known how long its epochs are."""
        trial, record = running.job.key, self.started[running.job.key]
        self.unfitted.discard(trial)
        self.exempt.add(trial)  # what is a little too slow now is cut when time is up
        wanted, done = record.epochs or 1, running.history[-1].epoch
        if epochs >= wanted:
            return None
        if epochs <= done:
            return Stop(TrialState.CUT, OUT_OF_TIME)
        self.started[trial] = record = record.model_copy(update={"epochs": epochs})
        self.observer.note(
            f"trial {trial} trains {epochs} epochs, not {wanted}: so many fit into the budget"
        )
        return Again(self.plan.make_task(record))

    def _so_far(self, running: Running) -> TrialRecord:
        """A running trial with its epochs."""
        best = self.plan.goal.best_epoch(running.history)
        facts = {"history": tuple(running.history), "best_epoch": best.epoch if best else None}
        return self.started[running.job.key].model_copy(update=facts)

    def job_ended(self, running: Running, outcome: Outcome) -> None:
        """Turn a running trial into its record; store, tell and show it."""
        trial = running.job.key
        state, reason = outcome.state, outcome.reason
        if running.job.has_half_batch:
            reason = f"{reason}; {HALF_BATCH}" if reason else HALF_BATCH
        record = self._record(running, state, reason, outcome)
        # First the record: once it stands, the trial has ended, whatever happens next. Then
        # it is counted in, so that an error below cannot have it noted as open again. Only
        # then goes the checkpoint, with which a kill before the record would let it go on. That
        # of a trial that the budget cut stays: with a larger one it goes on.
        self.folder.write_trial(record)
        self._add(record)
        del self.started[trial]
        if record.state != TrialState.CUT:
            self.folder.remove_checkpoint(trial)
        self.table.add(record)
        self.engine.tell(record)
        self._remove_models(trial)
        self.observer.trial_ended(record, best=self.ranking.best)
        self._check_failures()
        self._check_streak(record)

    def job_left_open(self, running: Running, reason: str) -> None:
        """Note that a trial was stopped and goes on when the study is resumed."""
        if running.job.key in self.records:
            return  # it has ended, and its record stands
        record = self._record(running, TrialState.INTERRUPTED, reason, None)
        del self.started[record.trial]
        self.table.open.append(record)
        try:
            self.folder.write_trial(record)
        except StudyError:
            return  # on a full disk it stays noted as running, which means the same
        self.observer.trial_ended(record, best=None)

    def round_ended(self) -> None:
        """Look at the disk; say how long it will take; note how far the study is."""
        if self.disk is not None:
            self.disk.check()
        trials = self.plan.trials
        num_left = None if trials is None else trials - len(self.records)
        finalists_s = self.budget.planned_s(self._shortlist())
        left_s = self.budget.time_left_s(num_left, self.pace, finalists_s)
        self.observer.time_left(left_s, finalists_s=finalists_s)
        self.plan.save_progress()

    # -- what that needs --------------------------------------------------------------------

    def _epochs_for_next(self) -> int:
        """Epochs of a trial that would start now."""
        return self.budget.epochs_for_next(self.plan.epochs, self.pace, self._shortlist())

    def _shortlist(self) -> list[TrialRecord]:
        """The trials that the budget keeps time for."""
        return self.ranking.shortlist(self.budget.finalists)

    def _finalists_beside(self, running: Running) -> list[TrialRecord]:
        """The same; before any trial has ended, the first one as it will be at its end.

        Nothing where the running one is the first.
        """
        leading = self.leading
        is_other = leading is not None and leading.trial != running.job.key
        return self._shortlist() or ([leading] if leading is not None and is_other else [])

    def _finalists(self, running: Running) -> list[TrialRecord]:
        """The same, or the running one as it will be at its end."""
        return self._finalists_beside(running) or [self._at_its_end(running)]

    def _at_its_end(self, running: Running) -> TrialRecord:
        record = self._so_far(running)
        return record.model_copy(update={"best_epoch": record.epochs})

    def _has_few_trials(self, running: Running) -> bool:
        """Whether there is time for so few trials that none is stopped for being behind."""
        epoch_s = self.pace.epoch_s or epoch_seconds(running.history)
        return self.budget.has_few_trials(self.plan.epochs, epoch_s, self._finalists(running))

    def _new_record(self, trial: int, proposal: Proposal, epochs: int) -> TrialRecord:
        is_fitted_once = not self.plan.has_own_model and is_frozen(proposal.params)
        most = 1 if is_fitted_once else min(epochs, proposal.epochs or epochs)
        return TrialRecord(
            trial=trial,
            state=TrialState.RUNNING,
            params=proposal.params,
            from_start=proposal.from_start,
            epochs=max(proposal.first_epoch, most),
            parent=proposal.parent,
            first_epoch=proposal.first_epoch,
            num_ended_before=len(self.records),
        )

    def _record(
        self, running: Running, state: TrialState, reason: str, outcome: Outcome | None
    ) -> TrialRecord:
        history = running.history
        best = self.plan.goal.best_epoch(history)
        result = outcome.result if outcome else None
        trained_s = sum(score.seconds for score in history)
        restored_s = sum(score.seconds for score in history[: running.job.num_restored])
        facts = {
            "state": state,
            "reason": reason,
            "objective": self.plan.goal.value_of(best.val) if best else None,
            "best_epoch": best.epoch if best else None,
            "history": tuple(history),
            "num_weights": result.num_weights if isinstance(result, TrainingResult) else None,
            "seconds": outcome.seconds + restored_s if outcome else trained_s,
            "peak_memory_mb": outcome.peak_memory_mb if outcome else None,
            "traceback": outcome.traceback if outcome else "",
            "end_order": self.next_end if outcome else None,
            "is_diverged": outcome is not None and isinstance(outcome.error, TrialDivergedError),
        }
        return self.started[running.job.key].model_copy(update=facts)

    def _models_to_keep(self) -> set[int]:
        """Ended trials whose models are needed: the finalists so far, and what the engine says."""
        finalists = {record.trial for record in self.ranking.distinct(self.plan.keep)}
        return finalists | self.engine.needed_models()

    def _remove_models(self, ended: int) -> None:
        """Delete the models that are needed no longer, now that one more trial has ended."""
        keep = self._models_to_keep()
        self.folder.remove_models((self.models | {ended}) - keep)
        self.models = keep

    def _say_exhausted(self, num_running: int) -> None:
        if not self.is_exhausted:
            self.is_exhausted = True
            num_tried = len(self.records) + num_running
            self.observer.note(
                f"The space is exhausted: all it holds was tried in {num_tried} trials."
            )

    def _check_failures(self) -> None:
        """End the study when its first trials all failed for one reason."""
        if len(self.records) >= FAILURES_IN_A_ROW and len(self.causes) == 1:
            ((state, _),) = self.causes
            if state.is_fault:
                records = [self.records[trial] for trial in sorted(self.records)]
                raise nothing_finished(self.folder, records)

    def _check_streak(self, record: TrialRecord) -> None:
        """Stop the study when trial after trial fails at once, whatever its params: all would.

        A failure that others trained after is one of some params, and stops nothing any more.
        """
        is_at_once = record.state == TrialState.FAILED and not record.history
        is_at_once = is_at_once and not record.is_fault_of_params
        is_alike = is_at_once and self.streak and _cause(self.streak[0]) == _cause(record)
        if is_alike:
            self.streak.append(record)
        elif not self.streak or record.num_ended_before >= self.streak_began:
            if self.streak and record.history:
                self.outlived.add(_cause(self.streak[0]))
            self.streak = [record] if is_at_once else []
            self.streak_began = len(self.records)
        number = len(self.streak)
        if number < max(FAILURES_AT_ONCE, self.plan.workers + 1):
            return
        if _cause(record) not in self.outlived:
            log_path = self.folder.trial_log_path(record.trial)
            raise StudyError(
                f"{self.folder.path}: trials must begin, but the latest {number} failed alike "
                f"before their first epoch: {record.reason.rstrip('.')}. The study was stopped.",
                remedy=f"See {log_path.parent / 'trial.json'} and {log_path.name} beside it, "
                f"remove the cause, then go on with `{self.folder.resume_command()}`.",
            )


def _cause(record: TrialRecord) -> str:
    """Why a trial ended, whatever the numbers in it."""
    return re.sub(r"\d+", "#", record.reason)
