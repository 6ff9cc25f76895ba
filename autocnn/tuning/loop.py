"""The one loop of the search: ask -> run -> report -> tell -> store.

It knows no Keras and no Optuna: an engine proposes, an executor runs, a folder keeps.
A study that was stopped goes on here too: its open trials first, from their last epochs.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autocnn.core.errors import SearchError, StudyError
from autocnn.core.events import Interruption, Observer
from autocnn.core.objective import Goal, distinct_trials
from autocnn.core.records import EpochScore, TrialRecord, TrialState
from autocnn.execution.executor import EndEvent, EpochEvent, Executor, Outcome
from autocnn.execution.tasks import TRAIN, TrainingResult, TrainingTask
from autocnn.storage import StudyFolder
from autocnn.storage.disk import DiskGuard
from autocnn.tuning.budget import Budget
from autocnn.tuning.engines.base import Engine, NoProposal, Proposal

FAILURES_IN_A_ROW = 3
"""A study whose first trials all fail for the same reason ends there."""

POLL_S = 0.5

TOO_SLOW = "too slow: its epochs would not fit into the time left"

OUT_OF_TIME = "stopped early: the time left is for the finalists"

HALF_BATCH = "with half the batch: it ran out of memory with the whole one"


@dataclass(frozen=True)
class SearchPlan:
    """What the loop is to do.

    Attributes:
        goal: Objective.
        trials: Trials in the study, those of earlier sessions included.
        epochs: Most epochs per trial.
        workers: Trials at once.
        keep: Models of that many best trials are kept.
        trial_timeout_s: Seconds per trial; None: no limit.
        make_task: The trial as it starts -> what its process is to do.
        save_progress: Called often, to note how far the study is.
        function: What runs a task; another one in tests.
    """

    goal: Goal
    trials: int
    epochs: int
    workers: int
    keep: int
    trial_timeout_s: float | None
    make_task: Callable[[TrialRecord], TrainingTask]
    save_progress: Callable[[], None] = lambda: None
    function: str = TRAIN


@dataclass
class _Running:
    """A trial under way: its record as it started, and what has happened since."""

    start: TrialRecord
    history: list[EpochScore] = field(default_factory=list)
    reason: str = ""

    @property
    def num_restored(self) -> int:
        """Epochs of an earlier session, which are reported again."""
        return len(self.start.history)


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
        DiskFullError: When the disk is too full to go on; running trials stay open.
        KeyboardInterrupt: When stopping was asked for; running trials stay open.
    """
    search = _Search(plan, engine, executor, folder, budget, observer)
    search.take_over(earlier)
    return search.run(interruption or Interruption(), disk)


def rank_trials(goal: Goal, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Trials that may become finalists, best first."""
    return goal.rank([record for record in records if record.may_win])


class _Search:
    """The state of one search; callers use `run_search`."""

    def __init__(
        self,
        plan: SearchPlan,
        engine: Engine,
        executor: Executor,
        folder: StudyFolder,
        budget: Budget,
        observer: Observer,
    ) -> None:
        self.plan = plan
        self.engine = engine
        self.executor = executor
        self.folder = folder
        self.budget = budget
        self.observer = observer
        self.interruption = Interruption()
        self.disk: DiskGuard | None = None
        self.records: dict[int, TrialRecord] = {}
        self.running: dict[int, _Running] = {}
        self.left_open: dict[int, TrialRecord] = {}
        self.opened: deque[TrialRecord] = deque()
        self.numbers: deque[int] = deque(range(plan.trials))
        self.is_exhausted = False

    def take_over(self, earlier: Sequence[TrialRecord]) -> None:
        """Begin with the trials of earlier sessions."""
        self.records = {r.trial: r for r in earlier if not r.is_open}
        self.opened = deque(r for r in earlier if r.is_open)
        begun = {record.trial for record in earlier}
        self.numbers = deque(number for number in self.numbers if number not in begun)

    def run(self, interruption: Interruption, disk: DiskGuard | None) -> list[TrialRecord]:
        self.interruption, self.disk = interruption, disk
        self.observer.stage("search", total=self.plan.trials, unit="trials")
        self.observer.advance(len(self.records))
        self.folder.write_trials_table(self._ended())
        self._keep_best_models(rank_trials(self.plan.goal, self._ended()))
        try:
            with interruption.graceful():
                self._work()
        except BaseException:
            self.executor.close()
            for trial in list(self.running):
                self._leave_open(trial, "the study was stopped")
            raise
        records = self._ended()
        if not rank_trials(self.plan.goal, records):
            raise self._nothing_finished(records)
        return records

    def _work(self) -> None:
        is_told = False
        while self._start_trials() or self.running:
            for event in self.executor.poll(POLL_S):
                if isinstance(event, EpochEvent):
                    self._take_epoch(event)
                else:
                    self._take_end(event)
            if self.interruption.is_wished and not is_told:
                is_told = True
                self.observer.note(
                    f"Stopping after the running epochs of {len(self.running)} trial(s); "
                    "Ctrl-C again stops at once. Nothing is lost either way."
                )
            if self.disk is not None:
                self.disk.check()
            self._say_time_left()
            self.plan.save_progress()
        if self.interruption.is_wished:
            raise KeyboardInterrupt

    def _start_trials(self) -> bool:
        """Fill the free workers; False when no more trials will start."""
        while (self.opened or self.numbers) and not self.interruption.is_wished:
            if len(self.running) >= self.plan.workers:
                return True
            records = self._ended()
            best = rank_trials(self.plan.goal, records)
            epochs = self.budget.epochs_for_next(self.plan.epochs, records, best)
            if epochs == 0 and (self.records or self.running):
                return False
            if self.opened:
                self._start(self.opened.popleft())
                continue
            proposal = self.engine.ask(self.numbers[0])
            if proposal == NoProposal.WAIT and self.running:
                return True
            if not isinstance(proposal, Proposal):
                self._say_exhausted()
                return False
            self._start(self._new_record(self.numbers.popleft(), proposal, max(1, epochs)))
        return False

    def _new_record(self, trial: int, proposal: Proposal, epochs: int) -> TrialRecord:
        return TrialRecord(
            trial=trial,
            state=TrialState.RUNNING,
            params=proposal.params,
            from_start=proposal.from_start,
            epochs=max(proposal.first_epoch, min(epochs, proposal.epochs or epochs)),
            parent=proposal.parent,
            first_epoch=proposal.first_epoch,
            num_ended_before=len(self.records),
        )

    def _start(self, record: TrialRecord) -> None:
        """Hand a trial to a worker; from here on a resumed study goes on with it."""
        record = record.model_copy(update={"state": TrialState.RUNNING, "reason": ""})
        self.running[record.trial] = _Running(record)
        self.folder.write_trial(record.model_copy(update={"history": ()}))
        self.observer.trial_started(record.trial, record.params, epochs=record.epochs or 1)
        if record.history:
            done = record.history[-1].epoch
            self.observer.note(f"trial {record.trial} goes on after epoch {done}")
        self.executor.submit(
            record.trial,
            self.plan.function,
            self.plan.make_task(record),
            log_path=self.folder.trial_log_path(record.trial),
            timeout_s=self.plan.trial_timeout_s,
        )

    def _take_epoch(self, event: EpochEvent) -> None:
        trial = self.running[event.key]
        trial.history.append(event.score)
        is_restored = len(trial.history) < trial.num_restored
        trial.reason = ""
        if self.engine.report(event.key, event.score):
            trial.reason = f"pruned after epoch {event.score.epoch}: behind other trials by then"
        elif event.score.epoch < (trial.start.epochs or 1) and not is_restored:
            trial.reason = self._reason_of_time(trial)
        if len(trial.history) > trial.num_restored:
            self.observer.trial_epoch(event.key, event.score)
        is_last = bool(trial.reason) or event.score.epoch == trial.start.epochs
        if self.interruption.is_wished and not is_last and not is_restored:
            self.executor.cancel(event.key)
            self._leave_open(event.key, "Ctrl-C")
        else:
            self.executor.answer(event.key, stop=bool(trial.reason))

    def _reason_of_time(self, trial: _Running) -> str:
        """Why the budget ends a trial now; empty when it does not."""
        best = rank_trials(self.plan.goal, self._ended())
        if self.budget.search_left_s(best) <= 0:
            return OUT_OF_TIME
        is_slow = self.budget.is_too_slow(trial.history, trial.start.epochs or 1, best)
        return TOO_SLOW if is_slow and not trial.start.from_start else ""

    def _take_end(self, event: EndEvent) -> None:
        outcome, running = event.outcome, self.running[event.key]
        if isinstance(outcome.error, StudyError):
            raise outcome.error  # a full disk is not the trial's fault
        if outcome.state == TrialState.OUT_OF_MEMORY and not running.start.half_batch:
            self._repeat_with_half_batch(event.key)
            return
        state, reason = outcome.state, outcome.reason
        if state == TrialState.COMPLETE and running.reason:
            is_cut = running.reason == OUT_OF_TIME
            state, reason = TrialState.CUT if is_cut else TrialState.PRUNED, running.reason
        if running.start.half_batch:
            reason = f"{reason}; {HALF_BATCH}" if reason else HALF_BATCH
        self._close_trial(event.key, state, reason, outcome)
        self._check_failures()

    def _repeat_with_half_batch(self, trial: int) -> None:
        record = self.running.pop(trial).start
        self.folder.remove_checkpoint(trial)
        self.observer.warn(f"Trial {trial} ran out of memory; it is repeated with half its batch.")
        self._start(record.model_copy(update={"half_batch": True, "history": ()}))

    def _leave_open(self, trial: int, reason: str) -> None:
        """Note that a trial was stopped and goes on when the study is resumed."""
        running = self.running.pop(trial)
        record = self._record(running, TrialState.INTERRUPTED, reason, None)
        self.left_open[trial] = record
        shown = {**self.records, **self.left_open}
        try:
            self.folder.write_trial(record)
            self.folder.write_trials_table([shown[number] for number in sorted(shown)])
        except StudyError:
            return  # on a full disk it stays noted as running, which means the same
        self.observer.trial_ended(record, best=None)

    def _close_trial(self, trial: int, state: TrialState, reason: str, outcome: Outcome) -> None:
        """Turn a running trial into its record; store, tell and show it."""
        record = self._record(self.running[trial], state, reason, outcome)
        self.folder.write_trial(record)
        self.running.pop(trial)
        self.records[trial] = record
        self.folder.remove_checkpoint(trial)
        self.folder.write_trials_table(self._ended())
        self.engine.tell(record)
        ranked = rank_trials(self.plan.goal, self._ended())
        self._keep_best_models(ranked)
        self.observer.trial_ended(record, best=ranked[0] if ranked else None)

    def _keep_best_models(self, ranked: Sequence[TrialRecord]) -> None:
        """Delete the models of all but the finalists so far and what the engine needs."""
        finalists = distinct_trials(ranked)[: self.plan.keep]
        # Trial 0, the default configuration, is always a finalist.
        keep = {0, *(record.trial for record in finalists)} | self.engine.needed_models()
        self.folder.keep_models(keep | set(self.running))

    def _record(
        self, running: _Running, state: TrialState, reason: str, outcome: Outcome | None
    ) -> TrialRecord:
        best = self.plan.goal.best_epoch(running.history)
        result = outcome.result if outcome else None
        trained_s = sum(score.seconds for score in running.history)
        restored_s = sum(score.seconds for score in running.history[: running.num_restored])
        facts = {
            "state": state,
            "reason": reason,
            "objective": self.plan.goal.value_of(best.val) if best else None,
            "best_epoch": best.epoch if best else None,
            "history": tuple(running.history),
            "num_weights": result.num_weights if isinstance(result, TrainingResult) else None,
            "seconds": outcome.seconds + restored_s if outcome else trained_s,
            "peak_memory_mb": outcome.peak_memory_mb if outcome else None,
            "traceback": outcome.traceback if outcome else "",
            "end_order": self._next_end() if outcome else None,
        }
        return running.start.model_copy(update=facts)

    def _next_end(self) -> int:
        orders = [r.end_order for r in self.records.values() if r.end_order is not None]
        return max(orders, default=-1) + 1

    def _ended(self) -> list[TrialRecord]:
        return [self.records[trial] for trial in sorted(self.records)]

    def _say_exhausted(self) -> None:
        if not self.is_exhausted:
            self.is_exhausted = True
            num_tried = len(self.records) + len(self.running)
            self.observer.note(
                f"The space is exhausted: all it holds was tried in {num_tried} trials."
            )

    def _say_time_left(self) -> None:
        records = self._ended()
        best = rank_trials(self.plan.goal, records)
        left_s = self.budget.left_s(self.plan.trials - len(records), records, best)
        self.observer.time_left(left_s, finalists_s=self.budget.planned_s(best))

    def _check_failures(self) -> None:
        """End the study when its first trials all failed for one reason."""
        records = self._ended()
        if len(records) < FAILURES_IN_A_ROW:
            return
        causes = {(record.state, re.sub(r"\d+", "#", record.reason)) for record in records}
        if len(causes) == 1 and records[0].state.is_fault:
            raise self._nothing_finished(records)

    def _nothing_finished(self, records: Sequence[TrialRecord]) -> SearchError:
        last = records[-1]
        what = f"none of {len(records)} trials did" if len(records) > 1 else "the only one did not"
        log_path = self.folder.trial_log_path(last.trial)
        return SearchError(
            f"{self.folder.path}: at least one trial must finish, but {what}; the last was "
            f"{last.state}: {last.reason.rstrip('.')}.",
            remedy=f"See {log_path.parent / 'trial.json'} and {log_path.name} beside it.",
        )
