"""The one loop of the search: ask -> run -> report -> tell -> store.

It knows no Keras and no Optuna: an engine proposes, an executor runs, a folder keeps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autocnn.budget import Budget
from autocnn.engines.base import Engine
from autocnn.errors import SearchError
from autocnn.events import Observer
from autocnn.executors.base import EndEvent, EpochEvent, Executor, Outcome
from autocnn.objective import Goal
from autocnn.records import EpochScore, ParamValue, TrialRecord, TrialState
from autocnn.store import StudyFolder
from autocnn.tasks import TRAIN, TrainingResult, TrainingTask

FAILURES_IN_A_ROW = 3
"""A study whose first trials all fail for the same reason ends there."""

POLL_S = 0.5

TOO_SLOW = "too slow: its epochs would not fit into the time left"

OUT_OF_TIME = "stopped early: the time left is for the finalists"


@dataclass(frozen=True)
class SearchPlan:
    """What the loop is to do.

    Attributes:
        goal: Objective.
        trials: Trials in the study.
        epochs: Most epochs per trial.
        workers: Trials at once.
        keep: Models of that many best trials are kept.
        trial_timeout_s: Seconds per trial; None: no limit.
        make_task: (trial, params, epochs) -> what its process is to do.
        function: What runs a task; another one in tests.
    """

    goal: Goal
    trials: int
    epochs: int
    workers: int
    keep: int
    trial_timeout_s: float | None
    make_task: Callable[[int, dict[str, ParamValue], int], TrainingTask]
    function: str = TRAIN


@dataclass
class _Running:
    """A trial under way."""

    params: dict[str, ParamValue]
    from_start: bool
    epochs: int
    history: list[EpochScore] = field(default_factory=list)
    reason: str = ""


def run_search(
    plan: SearchPlan,
    engine: Engine,
    executor: Executor,
    folder: StudyFolder,
    budget: Budget,
    observer: Observer,
) -> list[TrialRecord]:
    """Run all trials of a study and keep what they left.

    Returns:
        One record per trial, in the order of their numbers.

    Raises:
        SearchError: When the first trials all fail alike, or none has finished an epoch.
    """
    return _Search(plan, engine, executor, folder, budget, observer).run()


def rank_trials(goal: Goal, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Trials that may become finalists, best first.

    Complete ones, and those that only the end of the time stopped.
    """
    return goal.rank([
        record
        for record in records
        if record.state == TrialState.COMPLETE or record.reason == OUT_OF_TIME
    ])  # fmt: skip


class _Search:
    """The state of one search; `run_search` is its front door."""

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
        self.records: dict[int, TrialRecord] = {}
        self.running: dict[int, _Running] = {}
        self.num_asked = 0

    def run(self) -> list[TrialRecord]:
        self.observer.stage("search", total=self.plan.trials, unit="trials")
        try:
            while self._start_trials() or self.running:
                for event in self.executor.poll(POLL_S):
                    if isinstance(event, EpochEvent):
                        self._take_epoch(event)
                    else:
                        self._take_end(event)
                self._say_time_left()
        except BaseException:
            self.executor.close()
            for trial in list(self.running):
                self._close_trial(trial, TrialState.INTERRUPTED, "the study was stopped")
            raise
        records = self._ended()
        if not rank_trials(self.plan.goal, records):
            raise self._nothing_finished(records)
        return records

    def _start_trials(self) -> bool:
        """Fill the free workers; False when no more trials will start."""
        while self.num_asked < self.plan.trials:
            if len(self.running) >= self.plan.workers:
                return True
            records = self._ended()
            best = rank_trials(self.plan.goal, records)
            epochs = self.budget.epochs_for_next(self.plan.epochs, records, best)
            if epochs == 0 and (self.num_asked > 0 or self.running):
                return False
            self._start_trial(max(1, epochs))
        return False

    def _start_trial(self, epochs: int) -> None:
        trial = self.num_asked
        proposal = self.engine.ask(trial)
        self.num_asked += 1
        self.running[trial] = _Running(proposal.params, proposal.from_start, epochs)
        self.observer.trial_started(trial, proposal.params, epochs=epochs)
        self.executor.submit(
            trial,
            self.plan.function,
            self.plan.make_task(trial, proposal.params, epochs),
            log_path=self.folder.trial_log_path(trial),
            timeout_s=self.plan.trial_timeout_s,
        )

    def _take_epoch(self, event: EpochEvent) -> None:
        trial = self.running[event.key]
        trial.history.append(event.score)
        self.observer.trial_epoch(event.key, event.score)
        if self.engine.report(event.key, event.score):
            trial.reason = f"pruned after epoch {event.score.epoch}: behind other trials by then"
        elif event.score.epoch < trial.epochs:
            trial.reason = self._reason_of_time(trial)
        self.executor.answer(event.key, stop=bool(trial.reason))

    def _reason_of_time(self, trial: _Running) -> str:
        """Why the budget ends a trial now; empty when it does not."""
        best = rank_trials(self.plan.goal, self._ended())
        if self.budget.search_left_s(best) <= 0:
            return OUT_OF_TIME
        is_slow = self.budget.is_too_slow(trial.history, trial.epochs, best)
        return TOO_SLOW if is_slow and not trial.from_start else ""

    def _take_end(self, event: EndEvent) -> None:
        outcome = event.outcome
        state, reason = outcome.state, outcome.reason
        if state == TrialState.COMPLETE and self.running[event.key].reason:
            state, reason = TrialState.PRUNED, self.running[event.key].reason
        self._close_trial(event.key, state, reason, outcome)
        self._check_failures()

    def _close_trial(
        self, trial: int, state: TrialState, reason: str, outcome: Outcome | None = None
    ) -> None:
        """Turn a running trial into its record; tell, store and show it."""
        running = self.running.pop(trial)
        best = self.plan.goal.best_epoch(running.history)
        result = outcome.result if outcome else None
        record = TrialRecord(
            trial=trial,
            state=state,
            reason=reason,
            params=running.params,
            objective=self.plan.goal.value_of(best.val) if best else None,
            best_epoch=best.epoch if best else None,
            history=tuple(running.history),
            num_weights=result.num_weights if isinstance(result, TrainingResult) else None,
            seconds=outcome.seconds if outcome else sum(s.seconds for s in running.history),
            peak_memory_mb=outcome.peak_memory_mb if outcome else None,
            from_start=running.from_start,
            traceback=outcome.traceback if outcome else "",
        )
        self.records[trial] = record
        self.folder.write_trial(record)
        self.folder.write_trials_table(self._ended())
        self.engine.tell(record)
        ranked = rank_trials(self.plan.goal, self._ended())
        self.folder.keep_models([r.trial for r in ranked[: self.plan.keep]] + list(self.running))
        self.observer.trial_ended(record, best=ranked[0] if ranked else None)

    def _ended(self) -> list[TrialRecord]:
        return [self.records[trial] for trial in sorted(self.records)]

    def _say_time_left(self) -> None:
        records = self._ended()
        best = rank_trials(self.plan.goal, records)
        num_left = self.plan.trials - len(records)
        self.observer.time_left(self.budget.left_s(num_left, records, best))

    def _check_failures(self) -> None:
        """End the study when its first trials all failed for one reason."""
        records = self._ended()
        reasons = {(record.state, record.reason) for record in records}
        all_failed = all(record.objective is None for record in records)
        if all_failed and len(records) >= FAILURES_IN_A_ROW and len(reasons) == 1:
            raise self._nothing_finished(records)

    def _nothing_finished(self, records: Sequence[TrialRecord]) -> SearchError:
        last = records[-1]
        what = f"all {len(records)} trials" if len(records) > 1 else "the only trial"
        log_path = self.folder.trial_log_path(last.trial)
        return SearchError(
            f"{self.folder.path}: at least one trial must finish, but {what} ended without "
            f"a score; the last was {last.state}: {last.reason.rstrip('.')}.",
            remedy=f"See {log_path.parent / 'trial.json'} and {log_path.name} beside it.",
        )
