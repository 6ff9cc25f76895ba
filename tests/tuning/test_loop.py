"""The one loop of the search, with trials that follow a formula and take no time."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from autocnn.core.errors import DiskFullError, SearchError
from autocnn.core.events import Interruption, Observer
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, Params, Scores, TrialRecord, TrialState
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.tasks import Images, Task, TrainingResult, TrainingTask
from autocnn.storage import StudyFolder
from autocnn.storage.disk import DiskGuard
from autocnn.tuning.budget import Budget
from autocnn.tuning.engines.base import NoProposal, Proposal, restore
from autocnn.tuning.loop import (
    HALF_BATCH,
    OUT_OF_TIME,
    TOO_SLOW,
    SearchPlan,
    rank_trials,
    run_search,
)

GOAL = Goal("accuracy")
NUM_WEIGHTS = 1234


class Clock:
    """Time passes when a trial trains an epoch."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def formula(params: Params, epoch: int) -> EpochScore:
    """Accuracy grows with `width` and, for a while, with the epochs."""
    accuracy = min(1.0, int(params["width"]) / 256 + 0.01 * min(epoch, 3))
    return EpochScore(
        epoch=epoch,
        train_loss=1.0 / epoch,
        train=Scores(accuracy=accuracy),
        val=Scores(accuracy=accuracy),
        learning_rate=1e-3,
        seconds=1.0,
    )


@dataclass
class FakeTrial:
    task: TrainingTask
    timeout_s: float | None
    epoch: int = 0
    is_waiting: bool = False
    is_stopped: bool = False


@dataclass
class FakeExecutor:
    """Runs trials in memory: one event of each running trial per poll.

    Attributes:
        clock: Moved on by the seconds of each epoch.
        epoch_s: Trial -> seconds of its epochs, where they are not one.
        ends: Trial -> how it ends instead of training.
        interrupt_after: Polls after which Ctrl-C ends everything at once.
        press_after: Polls after which Ctrl-C is pressed once.
    """

    clock: Clock = field(default_factory=Clock)
    epoch_s: dict[int, float] = field(default_factory=dict)
    ends: dict[int, Outcome] = field(default_factory=dict)
    interrupt_after: int | None = None
    press_after: int | None = None
    interruption: Interruption = field(default_factory=Interruption)
    running: dict[int, FakeTrial] = field(default_factory=dict)
    tasks: list[TrainingTask] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    most_at_once: int = 0
    num_polls: int = 0
    is_closed: bool = False

    @property
    def num_running(self) -> int:
        return len(self.running)

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        assert isinstance(task, TrainingTask)
        assert log_path.parent.is_dir()
        assert key not in self.running
        self.functions.append(function)
        self.tasks.append(task)
        self.running[key] = FakeTrial(task, timeout_s)
        self.most_at_once = max(self.most_at_once, len(self.running))

    def poll(self, timeout_s: float) -> list[Event]:
        self.num_polls += 1
        if self.interrupt_after is not None and self.num_polls > self.interrupt_after:
            raise KeyboardInterrupt
        if self.num_polls == self.press_after:
            self.interruption.press()
        return [self._step(key, trial) for key, trial in list(self.running.items())]

    def answer(self, key: int, *, stop: bool) -> None:
        self.running[key].is_waiting = False
        self.running[key].is_stopped = stop

    def cancel(self, key: int) -> None:
        del self.running[key]

    def close(self) -> None:
        self.is_closed = True

    def _step(self, key: int, trial: FakeTrial) -> Event:
        assert not trial.is_waiting, "every epoch is answered"
        if key in self.ends and not trial.task.half_batch:
            del self.running[key]
            return EndEvent(key, self.ends[key])
        if trial.is_stopped or trial.epoch == trial.task.epochs:
            del self.running[key]
            trial.task.model_path.write_bytes(b"model")
            result = TrainingResult((), 1, NUM_WEIGHTS)
            return EndEvent(
                key, Outcome(TrialState.COMPLETE, 10.0, result=result, peak_memory_mb=500.0)
            )
        trial.epoch += 1
        trial.is_waiting = True
        seconds = self.epoch_s.get(key, 1.0)
        self.clock.now += seconds
        score = formula(trial.task.params, trial.epoch)
        return EpochEvent(key, score.model_copy(update={"seconds": seconds}))


@dataclass
class FakeEngine:
    """Proposes widths from a list; trial 0 is the start point.

    Attributes:
        widths: Of trials 0, 1, 2, ...; the last one is repeated.
        hopeless: Trials to prune after their second epoch.
        num_points: Points of the space; None: no end of them.
        waits: Trials that are not proposed while others run.
    """

    widths: Sequence[int] = (8,)
    hopeless: Sequence[int] = ()
    num_points: int | None = None
    waits: Sequence[int] = ()
    opened: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    told: list[TrialRecord] = field(default_factory=list)

    def reopen(self, record: TrialRecord) -> None:
        self.opened.append(record.trial)

    def needed_models(self) -> set[int]:
        return set()

    def close(self) -> None:
        raise AssertionError("the loop did not open it")

    def ask(self, trial: int) -> Proposal | NoProposal:
        if len(self.asked) == self.num_points:
            return NoProposal.EXHAUSTED
        if trial in self.waits and len(self.told) < len(self.asked):
            return NoProposal.WAIT
        self.asked.append(trial)
        width = self.widths[min(trial, len(self.widths) - 1)]
        return Proposal({"width": width}, from_start=trial == 0)

    def report(self, trial: int, score: EpochScore) -> bool:
        return trial in self.hopeless and score.epoch == 2

    def tell(self, record: TrialRecord) -> None:
        self.told.append(record)


class Recorder(Observer):
    """Keeps what it is told, in words."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.left: list[float | None] = []

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        self.said.append(f"stage {name} {total} {unit}")

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        self.said.append(f"start {trial} {epochs}")

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        self.said.append(f"epoch {trial} {score.epoch}")

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        self.said.append(f"end {record.trial} best {best.trial if best else None}")

    def note(self, text: str) -> None:
        self.said.append(f"note {text}")

    def time_left(self, seconds: float | None, *, finalists_s: float = 0.0) -> None:
        self.left.append(seconds)


@dataclass
class Study:
    """A search that is ready to run."""

    folder: StudyFolder
    executor: FakeExecutor
    engine: FakeEngine
    observer: Recorder
    plan: SearchPlan
    budget: Budget

    def run(
        self, earlier: Sequence[TrialRecord] = (), disk: DiskGuard | None = None
    ) -> list[TrialRecord]:
        return run_search(
            self.plan,
            self.engine,
            self.executor,
            self.folder,
            self.budget,
            self.observer,
            earlier=earlier,
            interruption=self.executor.interruption,
            disk=disk,
        )

    def kept_models(self) -> list[int]:
        trials = self.folder.path / "trials"
        return sorted(int(path.parent.name) for path in trials.glob("*/model.keras"))


StudyMaker = Callable[..., Study]


@pytest.fixture
def make_study(tmp_path: Path) -> StudyMaker:
    def make(
        *,
        engine: FakeEngine | None = None,
        executor: FakeExecutor | None = None,
        trials: int = 4,
        epochs: int = 3,
        workers: int = 1,
        keep: int = 2,
        budget_s: float | None = None,
        finalists: int = 1,
    ) -> Study:
        if (tmp_path / "study").exists():
            folder = StudyFolder(tmp_path / "study")
        else:
            folder = StudyFolder.create(tmp_path, "study", {})
        executor = executor or FakeExecutor()

        def make_task(record: TrialRecord) -> TrainingTask:
            images = Images(Path("images.npy"), np.zeros(0, np.int64), 2)
            rows = np.zeros(0, np.int64)
            trial = record.trial
            return TrainingTask(
                images,
                rows,
                rows,
                dict(record.params),
                record.epochs or 1,
                (0, trial),
                GOAL,
                folder.trial_model_path(trial),
                1,
                "float32",
                "",
                folder.trial_checkpoint_path(trial),
                half_batch=record.half_batch,
            )

        plan = SearchPlan(
            goal=GOAL,
            trials=trials,
            epochs=epochs,
            workers=workers,
            keep=keep,
            trial_timeout_s=60.0,
            make_task=make_task,
            function="tests:train",
        )
        chosen = engine or FakeEngine()
        default = {"width": chosen.widths[0]}
        budget = Budget(
            budget_s,
            workers,
            finalists,
            refit_factor=1.0,
            is_default=lambda params: params == default,
            clock=executor.clock,
        )
        return Study(folder, executor, chosen, Recorder(), plan, budget)

    return make


def failure(reason: str = "ValueError: no") -> Outcome:
    return Outcome(TrialState.FAILED, 2.0, reason, traceback="Traceback ...")


# -- the plain course ----------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3, 10])
def test_all_trials_run_and_never_more_than_there_are_workers(
    make_study: StudyMaker, workers: int
) -> None:
    study = make_study(trials=7, workers=workers)
    records = study.run()
    assert [record.trial for record in records] == list(range(7))
    assert {record.state for record in records} == {TrialState.COMPLETE}
    assert study.engine.asked == list(range(7))
    assert study.executor.most_at_once == min(workers, 7)
    assert study.executor.functions == ["tests:train"] * 7


def test_a_record_holds_what_its_trial_did(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine((64,)), trials=1, epochs=5)
    (record,) = study.run()
    history = tuple(formula({"width": 64}, epoch) for epoch in range(1, 6))
    assert record == TrialRecord(
        trial=0,
        state=TrialState.COMPLETE,
        params={"width": 64},
        objective=history[2].val.accuracy,
        best_epoch=3,
        history=history,
        num_weights=NUM_WEIGHTS,
        seconds=10.0,
        peak_memory_mb=500.0,
        from_start=True,
        epochs=5,
        end_order=0,
    )


def test_trial_0_is_the_start_point_and_others_are_not(make_study: StudyMaker) -> None:
    records = make_study(trials=3).run()
    assert [record.from_start for record in records] == [True, False, False]


def test_the_engine_is_told_every_end_once(make_study: StudyMaker) -> None:
    study = make_study(
        trials=5,
        workers=2,
        engine=FakeEngine(hopeless=[2]),
        executor=FakeExecutor(ends={3: failure()}),
    )
    records = study.run()
    assert sorted(study.engine.told, key=lambda record: record.trial) == records


def test_every_record_is_in_the_folder_and_in_trials_csv(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine((8, 32, 16)), trials=3)
    records = study.run()
    assert study.folder.read_trials() == records
    text = (study.folder.path / "trials.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["trial"], row["state"], row["param.width"]) for row in rows] == [
        ("0", "complete", "8"),
        ("1", "complete", "32"),
        ("2", "complete", "16"),
    ]


def test_the_models_of_the_best_trials_are_kept(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine((8, 200, 16, 100, 4)), trials=5, keep=2, workers=2)
    study.run()
    assert study.kept_models() == [0, 1, 3]  # 0: the default configuration


def test_trials_with_the_same_params_do_not_push_the_next_best_out(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine((8, 200, 200, 100, 4)), trials=5, keep=2, workers=1)
    study.run()
    assert study.kept_models() == [0, 1, 3]


def test_what_a_kill_left_of_other_models_is_deleted_at_the_resume(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine((8, 200, 16)), trials=3, keep=1)
    records = study.run()
    study.folder.trial_model_path(2).write_bytes(b"of an end that was cut off")
    again = make_study(engine=FakeEngine((8, 200, 16)), trials=3, keep=1)
    again.run(records)
    assert again.kept_models() == [0, 1]


def test_the_observer_hears_the_whole_story(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine((16, 8)), trials=2, epochs=1)
    study.run()
    assert study.observer.said == [
        "stage search 2 trials",
        "start 0 1",
        "epoch 0 1",
        "end 0 best 0",
        "start 1 1",
        "epoch 1 1",
        "end 1 best 0",
    ]
    assert study.observer.left[0] is None
    left = [cast("float", seconds) for seconds in study.observer.left[1:]]
    assert left == sorted(left, reverse=True)


def test_every_trial_gets_the_timeout(make_study: StudyMaker) -> None:
    study = make_study(trials=2, workers=2, executor=FakeExecutor(interrupt_after=0))
    with pytest.raises(KeyboardInterrupt):
        study.run()
    assert [trial.timeout_s for trial in study.executor.running.values()] == [60.0, 60.0]


# -- trials that end otherwise -------------------------------------------------------------


def test_a_hopeless_trial_is_pruned(make_study: StudyMaker) -> None:
    records = make_study(trials=3, engine=FakeEngine((8, 200, 8), hopeless=[1])).run()
    assert [record.state for record in records] == ["complete", "pruned", "complete"]
    assert records[1].reason == "pruned after epoch 2: behind other trials by then"
    assert len(records[1].history) == 2
    assert records[1].objective is not None
    assert [record.trial for record in rank_trials(GOAL, records)] == [0, 2]


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.TIMED_OUT])
def test_a_trial_that_does_not_finish_is_recorded_and_the_study_goes_on(
    make_study: StudyMaker, state: TrialState
) -> None:
    outcome = Outcome(state, 2.5, "because", traceback="Traceback ...", peak_memory_mb=9.0)
    records = make_study(executor=FakeExecutor(ends={0: outcome}), trials=3).run()
    first = records[0]
    assert (first.state, first.reason, first.traceback) == (state, "because", "Traceback ...")
    assert (first.seconds, first.peak_memory_mb) == (2.5, 9.0)
    assert (first.objective, first.best_epoch, first.num_weights) == (None, None, None)
    assert [record.state for record in records[1:]] == ["complete", "complete"]


def test_three_failures_alike_at_the_start_end_the_study(make_study: StudyMaker) -> None:
    executor = FakeExecutor(ends={n: failure("ValueError: bad images.") for n in range(9)})
    study = make_study(executor=executor, trials=9)
    with pytest.raises(SearchError) as caught:
        study.run()
    trial = study.folder.path / "trials" / "0002" / "trial.json"
    assert str(caught.value) == (
        f"{study.folder.path}: at least one trial must finish, but none of 3 trials did; "
        "the last was failed: ValueError: bad images. "
        f"See {trial} and log.txt beside it."
    )
    assert caught.value.exit_code == 5
    assert len(study.folder.read_trials()) == 3
    assert executor.is_closed


def test_three_different_failures_do_not_end_the_study(make_study: StudyMaker) -> None:
    executor = FakeExecutor(ends={n: failure(reason) for n, reason in enumerate("abc")})
    assert make_study(executor=executor, trials=4).run()[3].state == TrialState.COMPLETE


def test_failures_after_a_success_do_not_end_the_study(make_study: StudyMaker) -> None:
    executor = FakeExecutor(ends={n: failure() for n in range(1, 8)})
    records = make_study(executor=executor, trials=8).run()
    assert len(records) == 8


def test_a_study_in_which_nothing_finishes_ends_in_an_error(make_study: StudyMaker) -> None:
    executor = FakeExecutor(ends={0: failure("no luck")})
    study = make_study(executor=executor, trials=1)
    with pytest.raises(
        SearchError, match="but the only one did not; the last was failed: no luck"
    ) as caught:
        study.run()
    assert "failed: no luck. See " in str(caught.value)


# -- time ----------------------------------------------------------------------------------


def test_the_budget_ends_the_search_and_leaves_time_for_the_finalist(
    make_study: StudyMaker,
) -> None:
    study = make_study(trials=1000, epochs=3, budget_s=60.0)
    records = study.run()
    assert 3 < len(records) < 30
    planned = study.budget.planned_s(rank_trials(GOAL, records))
    assert planned > 0
    assert study.executor.clock.now + planned <= 60.0 + 3.0, "at most a trial over"
    assert study.executor.num_running == 0


def test_a_trial_that_starts_late_gets_fewer_epochs(make_study: StudyMaker) -> None:
    study = make_study(trials=1000, epochs=10, budget_s=60.0)
    study.run()
    epochs = [int(said.split()[2]) for said in study.observer.said if said.startswith("start")]
    assert epochs[0] == 10
    assert 10 > epochs[-1] >= 4


def test_a_trial_is_stopped_when_time_is_up_and_may_still_win(make_study: StudyMaker) -> None:
    study = make_study(trials=1, epochs=1000, budget_s=20.0)
    (record,) = study.run()
    assert (record.state, record.reason) == (TrialState.CUT, OUT_OF_TIME)
    assert len(record.history) == 20
    assert rank_trials(GOAL, [record]) == [record]
    assert study.kept_models() == [0]


def test_a_trial_too_slow_for_the_time_left_ends_at_once_and_is_no_finalist(
    make_study: StudyMaker,
) -> None:
    executor = FakeExecutor(epoch_s={1: 20.0})
    study = make_study(executor=executor, trials=4, epochs=10, budget_s=120.0)
    records = study.run()
    assert (records[1].state, records[1].reason) == (TrialState.PRUNED, TOO_SLOW)
    assert len(records[1].history) == 1
    assert [record.trial for record in rank_trials(GOAL, records)] == [0, 2, 3]


def test_the_start_point_is_never_too_slow(make_study: StudyMaker) -> None:
    executor = FakeExecutor(epoch_s={0: 20.0})
    records = make_study(executor=executor, trials=1, epochs=10, budget_s=120.0).run()
    assert (records[0].reason, len(records[0].history)) == (OUT_OF_TIME, 6)


def test_one_trial_runs_even_when_the_time_is_gone_before(make_study: StudyMaker) -> None:
    executor = FakeExecutor()
    executor.clock.now = 100.0
    study = make_study(executor=executor, trials=5, epochs=5, budget_s=20.0)
    assert [len(record.history) for record in study.run()] == [1]


# -- interrupts ----------------------------------------------------------------------------


def test_an_interrupt_keeps_what_ended_and_records_what_ran(make_study: StudyMaker) -> None:
    # Three epochs and the end of trials 0 and 1, then two epochs of trials 2 and 3.
    executor = FakeExecutor(interrupt_after=6)
    study = make_study(executor=executor, trials=10, workers=2, keep=10)
    with pytest.raises(KeyboardInterrupt):
        study.run()
    records = study.folder.read_trials()
    assert [record.state for record in records] == [
        "complete",
        "complete",
        "interrupted",
        "interrupted",
    ]
    assert records[2].reason == "the study was stopped"
    assert len(records[2].history) == 2
    assert records[2].seconds == 2.0
    assert executor.is_closed
    assert [record.trial for record in study.engine.told] == [0, 1], "the others will go on"
    text = (study.folder.path / "trials.csv").read_text("utf-8")
    assert [line.split(",")[1] for line in text.splitlines()[1:]] == [
        "complete",
        "complete",
        "interrupted",
        "interrupted",
    ]


def test_an_interrupted_trial_is_no_finalist(make_study: StudyMaker) -> None:
    study = make_study(executor=FakeExecutor(interrupt_after=2))
    with pytest.raises(KeyboardInterrupt):
        study.run()
    assert rank_trials(GOAL, study.folder.read_trials()) == []


def test_an_error_of_the_engine_closes_the_executor(make_study: StudyMaker) -> None:
    class BrokenEngine(FakeEngine):
        def report(self, trial: int, score: EpochScore) -> bool:
            raise RuntimeError("bug")

    study = make_study(engine=BrokenEngine())
    with pytest.raises(RuntimeError, match="bug"):
        study.run()
    assert study.executor.is_closed
    assert [record.state for record in study.folder.read_trials()] == ["interrupted"]


# -- resuming ------------------------------------------------------------------------------


def test_one_press_of_ctrl_c_finishes_the_epochs_and_leaves_the_trials_open(
    make_study: StudyMaker,
) -> None:
    study = make_study(executor=FakeExecutor(press_after=6), trials=10, workers=2)
    with pytest.raises(KeyboardInterrupt):
        study.run()
    records = study.folder.read_trials()
    assert [(r.state, len(r.history)) for r in records] == [
        ("complete", 3),
        ("complete", 3),
        ("interrupted", 2),
        ("interrupted", 2),
    ]
    assert any("Ctrl-C again stops at once" in line for line in study.observer.said)
    assert study.folder.trial_checkpoint_path(2).parent.exists()


def test_a_press_in_the_last_epoch_lets_the_trial_end(make_study: StudyMaker) -> None:
    study = make_study(executor=FakeExecutor(press_after=3), trials=10)
    with pytest.raises(KeyboardInterrupt):
        study.run()
    assert [r.state for r in study.folder.read_trials()] == ["complete"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_resumed_search_ends_like_one_that_was_not_stopped(
    make_study: StudyMaker, workers: int
) -> None:
    widths = (8, 32, 16, 64, 8)
    study = make_study(
        engine=FakeEngine(widths),
        executor=FakeExecutor(interrupt_after=6),
        trials=5,
        workers=workers,
    )
    with pytest.raises(KeyboardInterrupt):
        study.run()
    earlier = study.folder.read_trials()
    open_trials = [record.trial for record in earlier if record.is_open]
    assert open_trials

    resumed = make_study(engine=FakeEngine(widths), trials=5, workers=workers)
    restore(resumed.engine, earlier)
    records = resumed.run(earlier)
    assert [(r.trial, r.state, r.params["width"]) for r in records] == [
        (trial, "complete", width) for trial, width in enumerate(widths)
    ]
    assert resumed.engine.opened == [record.trial for record in earlier]
    assert resumed.engine.asked == list(range(len(earlier), 5))
    assert sorted(r.end_order for r in records if r.end_order is not None) == list(range(5))
    assert resumed.folder.read_trials() == records


def test_open_trials_go_on_first_with_the_epochs_they_had(make_study: StudyMaker) -> None:
    history = (formula({"width": 8}, 1), formula({"width": 8}, 2))
    earlier = [
        TrialRecord(
            trial=1,
            state=TrialState.INTERRUPTED,
            params={"width": 8},
            epochs=7,
            half_batch=True,
            history=history,
        )
    ]
    study = make_study(trials=2, epochs=3)
    study.run(earlier)
    first = study.executor.tasks[0]
    assert (first.seed, first.epochs, first.half_batch) == ((0, 1), 7, True)
    assert [task.seed for task in study.executor.tasks] == [(0, 1), (0, 0)]
    assert "note trial 1 goes on after epoch 2" in study.observer.said
    said = [line for line in study.observer.said if line.startswith("epoch 1")]
    assert said == [f"epoch 1 {epoch}" for epoch in range(3, 8)], "restored ones are not told"


def test_a_search_with_all_trials_ended_does_nothing_more(make_study: StudyMaker) -> None:
    records = make_study(trials=3).run()
    again = make_study(trials=3)
    assert again.run(records) == records
    assert again.executor.tasks == []


def test_more_trials_are_counted_in_all(make_study: StudyMaker) -> None:
    records = make_study(trials=3).run()
    more = make_study(trials=5)
    assert [record.trial for record in more.run(records)] == [0, 1, 2, 3, 4]
    assert more.engine.asked == [3, 4]


def test_a_number_whose_record_was_lost_is_asked_again(make_study: StudyMaker) -> None:
    records = make_study(trials=4).run()
    again = make_study(trials=4)
    assert len(again.run([record for record in records if record.trial != 1])) == 4
    assert again.engine.asked == [1]


# -- faults --------------------------------------------------------------------------------


def test_a_trial_out_of_memory_is_repeated_once_with_half_the_batch(make_study: StudyMaker) -> None:
    outcome = Outcome(TrialState.OUT_OF_MEMORY, 2.5, "needed too much")
    study = make_study(executor=FakeExecutor(ends={1: outcome}), trials=3)
    records = study.run()
    assert [record.state for record in records] == ["complete"] * 3
    assert (records[1].half_batch, records[1].reason) == (True, HALF_BATCH)
    assert [task.half_batch for task in study.executor.tasks] == [False, False, True, False]


def test_a_trial_with_half_the_batch_that_the_budget_cuts_may_still_win(
    make_study: StudyMaker,
) -> None:
    outcome = Outcome(TrialState.OUT_OF_MEMORY, 2.5, "needed too much")
    study = make_study(
        executor=FakeExecutor(ends={0: outcome}), trials=1, epochs=1000, budget_s=20.0
    )
    (record,) = study.run()
    assert record.state == TrialState.CUT
    assert record.reason == f"{OUT_OF_TIME}; {HALF_BATCH}"
    assert rank_trials(GOAL, [record]) == [record]


def test_out_of_memory_twice_is_an_end(make_study: StudyMaker) -> None:
    class Hungry(FakeExecutor):
        def _step(self, key: int, trial: FakeTrial) -> Event:
            if key != 1:
                return super()._step(key, trial)
            del self.running[key]
            return EndEvent(key, Outcome(TrialState.OUT_OF_MEMORY, 1.0, "needed too much"))

    study = make_study(executor=Hungry(), trials=3)
    records = study.run()
    assert [record.state for record in records] == ["complete", "out-of-memory", "complete"]
    assert records[1].reason == f"needed too much; {HALF_BATCH}"
    assert len(study.executor.tasks) == 4


def test_a_full_disk_stops_the_study_and_leaves_the_trial_open(make_study: StudyMaker) -> None:
    full = Outcome(TrialState.FAILED, 1.0, "full", error=DiskFullError("full"))
    study = make_study(executor=FakeExecutor(ends={1: full}), trials=3)
    with pytest.raises(DiskFullError):
        study.run()
    assert [r.state for r in study.folder.read_trials()] == ["complete", "interrupted"]


def test_the_disk_is_looked_at_between_epochs(make_study: StudyMaker) -> None:
    study = make_study(trials=3)
    guard = DiskGuard(study.folder, limit_gb=1e-9)
    with pytest.raises(DiskFullError, match="--disk-limit"):
        study.run(disk=guard)


def test_an_exhausted_space_ends_the_search(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine(num_points=3), trials=9, workers=2)
    assert len(study.run()) == 3
    assert len([line for line in study.observer.said if "exhausted" in line]) == 1


def test_the_loop_waits_when_the_engine_does(make_study: StudyMaker) -> None:
    study = make_study(engine=FakeEngine(waits=[1, 2]), trials=4, workers=2)
    assert len(study.run()) == 4
    starts = [line for line in study.observer.said if line.startswith(("start", "end"))]
    assert starts[:4] == ["start 0 3", "end 0 best 0", "start 1 3", "end 1 best 0"]


# -- with Optuna ---------------------------------------------------------------------------


def test_the_loop_drives_the_real_optuna_engine(make_study: StudyMaker) -> None:
    from autocnn.spaces.space import Int, SearchSpace
    from autocnn.tuning.engines.optuna_engine import OptunaEngine

    space = SearchSpace("s", "", 9, "auto", (Int("width", low=4, high=256),), ({"width": 24},))
    study = make_study(trials=20, epochs=9, workers=2)
    engine = OptunaEngine(space, GOAL, epochs=9, num_trials=20)
    records = run_search(
        study.plan, engine, study.executor, study.folder, study.budget, study.observer
    )
    states = {record.state for record in records}
    assert len(records) == 20
    assert records[0].params == {"width": 24}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    best = rank_trials(GOAL, records)[0]
    assert int(best.params["width"]) > 200
