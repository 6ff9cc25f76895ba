"""The loop of the search, with trials that follow a formula and take no time."""

import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from autocnn.core.errors import DiskFullError, SearchError, StudyError, TrialDivergedError
from autocnn.core.records import EpochScore, TrialRecord, TrialState
from autocnn.execution.executor import EndEvent, Event, Outcome
from autocnn.storage import StudyFolder
from autocnn.storage.disk import DiskGuard
from autocnn.tuning.engines.base import NoProposal, Proposal, restore
from autocnn.tuning.loop import HALF_BATCH, rank_trials
from tests.simulation.executor import (
    GOAL,
    NUM_WEIGHTS,
    PROCESS_S,
    ListEngine,
    Recorder,
    SimulatedExecutor,
    SimulatedSearch,
    SimulatedTask,
    formula,
    make_search,
)
from tests.tuning.conftest import StudyMaker


def failure(reason: str = "ValueError: no") -> Outcome:
    return Outcome(TrialState.FAILED, 2.0, reason, traceback="Traceback ...")


def with_checkpoint(study: SimulatedSearch) -> list[int]:
    """Numbers of the trials that could go on."""
    trials = study.folder.path / "trials"
    return sorted(int(path.parent.name) for path in trials.glob("*/checkpoint"))


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
    study = make_study(engine=ListEngine((64,)), trials=1, epochs=5)
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
        engine=ListEngine(hopeless=[2]),
        executor=SimulatedExecutor(ends={3: failure()}),
    )
    records = study.run()
    assert sorted(study.engine.told, key=lambda record: record.trial) == records


def test_every_record_is_in_the_folder_and_in_trials_csv(make_study: StudyMaker) -> None:
    study = make_study(engine=ListEngine((8, 32, 16)), trials=3)
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
    study = make_study(engine=ListEngine((8, 200, 16, 100, 4)), trials=5, keep=2, workers=2)
    study.run()
    assert study.kept_models() == [0, 1, 3]  # 0: the default configuration
    assert with_checkpoint(study) == []


def test_a_trial_is_noted_as_running_before_its_first_epoch(make_study: StudyMaker) -> None:
    class Curious(ListEngine):
        def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
            noted = study.folder.read_trials()[-1]
            found.append((noted.trial, noted.state, noted.reason, epochs))
            return False

    found: list[tuple[int, str, str, int | None]] = []
    begun = TrialRecord(
        trial=0, state=TrialState.INTERRUPTED, reason="Ctrl-C", params={"width": 8}, epochs=2
    )
    study = make_study(engine=Curious(), trials=2, epochs=1)
    study.run([begun])
    assert found == [(0, "running", "", 2)] * 2 + [(1, "running", "", 1)]


def test_the_time_of_the_finalists_is_told_with_the_time_left(make_study: StudyMaker) -> None:
    class Hearing(Recorder):
        def time_left(self, seconds: float | None, *, finalists_s: float = 0.0) -> None:
            told.append(finalists_s)

    told: list[float] = []
    study = make_study(trials=1)
    study.observer = Hearing()
    records = study.run()
    assert told == [0.0] * 3 + [study.budget.planned_s(records)]


def test_how_far_the_study_is_is_noted_after_every_round(make_study: StudyMaker) -> None:
    study = make_study(trials=1, epochs=3)
    polls: list[int] = []
    study.plan = replace(study.plan, save_progress=lambda: polls.append(study.executor.num_polls))
    study.run()
    assert polls == [1, 2, 3, 4]  # three epochs and the end


def test_trials_with_the_same_params_do_not_push_the_next_best_out(make_study: StudyMaker) -> None:
    study = make_study(engine=ListEngine((8, 200, 200, 100, 4)), trials=5, keep=2, workers=1)
    study.run()
    assert study.kept_models() == [0, 1, 3]


def test_what_a_kill_left_of_other_models_is_deleted_at_the_resume(make_study: StudyMaker) -> None:
    study = make_study(engine=ListEngine((8, 200, 16)), trials=3, keep=1)
    records = study.run()
    study.folder.trial_model_path(2).write_bytes(b"of an end that was cut off")
    again = make_study(engine=ListEngine((8, 200, 16)), trials=3, keep=1)
    again.run(records)
    assert again.kept_models() == [0, 1]


def test_the_observer_hears_the_whole_story(make_study: StudyMaker) -> None:
    study = make_study(engine=ListEngine((16, 8)), trials=2, epochs=1)
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
    study = make_study(trials=2, workers=2, executor=SimulatedExecutor(interrupt_after=0))
    with pytest.raises(KeyboardInterrupt):
        study.run()
    assert study.executor.timeouts == [60.0, 60.0]


# -- trials that end otherwise -------------------------------------------------------------


def test_a_hopeless_trial_is_pruned(make_study: StudyMaker) -> None:
    records = make_study(trials=3, engine=ListEngine((8, 200, 8), hopeless=[1])).run()
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
    records = make_study(executor=SimulatedExecutor(ends={0: outcome}), trials=3).run()
    first = records[0]
    assert (first.state, first.reason, first.traceback) == (state, "because", "Traceback ...")
    assert (first.seconds, first.peak_memory_mb) == (2.5, 9.0)
    assert (first.objective, first.best_epoch, first.num_weights) == (None, None, None)
    assert [record.state for record in records[1:]] == ["complete", "complete"]


def test_a_trial_that_diverged_is_known_by_its_error(make_study: StudyMaker) -> None:
    error = TrialDivergedError("diverged: the loss became nan in epoch 2")
    ends = {
        1: Outcome(TrialState.FAILED, 2.0, str(error), error=error),
        2: failure("diverged: a word of somebody else's"),
    }
    records = make_study(executor=SimulatedExecutor(ends=ends), trials=4).run()
    assert [record.is_diverged for record in records] == [False, True, False, False]


def test_three_failures_alike_at_the_start_end_the_study(make_study: StudyMaker) -> None:
    executor = SimulatedExecutor(ends={n: failure("ValueError: bad images.") for n in range(9)})
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
    executor = SimulatedExecutor(ends={n: failure(reason) for n, reason in enumerate("abc")})
    assert make_study(executor=executor, trials=4).run()[3].state == TrialState.COMPLETE


@pytest.mark.parametrize(("workers", "number"), [(1, 3), (4, 5)])
def test_failures_at_once_that_are_alike_stop_the_study(
    make_study: StudyMaker, workers: int, number: int
) -> None:
    """As where the cache was deleted, or a GPU is lost: all trials that are left would fail."""
    ends = {n: failure(f"FileNotFoundError: {n}.npy.") for n in range(workers, 40)}
    study = make_study(executor=SimulatedExecutor(ends=ends), trials=40, workers=workers)
    with pytest.raises(StudyError) as caught:
        study.run()
    ended = [r for r in study.folder.read_trials() if r.state == TrialState.FAILED]
    last = max(ended, key=lambda record: record.end_order or 0)
    folder = study.folder.path
    assert str(caught.value) == (
        f"{folder}: trials must begin, but the latest {number} failed alike before their first "
        f"epoch: {last.reason[:-1]}. The study was stopped. See "
        f"{folder}/trials/{last.trial:04d}/trial.json and log.txt beside it, remove the cause, "
        f"then go on with `autocnn resume {folder}`."
    )
    assert len(ended) == number
    assert all(r.state.is_scored or r.is_open for r in study.folder.read_trials()[:workers])


@pytest.mark.parametrize(
    "ends",
    [
        {2: failure(), 4: failure(), 5: failure(), 6: failure(), 7: failure()},  # of some params
        {n: failure(reason) for n, reason in enumerate("aabbaab", 1)},
        {n: Outcome(TrialState.TIMED_OUT, 60.0, "too long") for n in range(1, 8)},
        {
            n: replace(failure("diverged"), error=TrialDivergedError("diverged"))
            for n in range(1, 8)
        },
    ],
)
def test_failures_of_some_trials_stop_nothing(
    make_study: StudyMaker, ends: dict[int, Outcome]
) -> None:
    assert len(make_study(executor=SimulatedExecutor(ends=ends), trials=9).run()) == 9


def test_a_stopped_study_goes_on_when_the_cause_is_gone(make_study: StudyMaker) -> None:
    ends = {n: failure() for n in range(1, 4)}
    study = make_study(executor=SimulatedExecutor(ends=ends), trials=8)
    with pytest.raises(StudyError):
        study.run()
    again = make_study(trials=8)
    assert len(again.run(study.folder.read_trials())) == 8


def test_a_study_in_which_nothing_finishes_ends_in_an_error(make_study: StudyMaker) -> None:
    for trials, what in ((1, "the only one did not"), (2, "none of 2 trials did")):
        executor = SimulatedExecutor(ends=dict.fromkeys(range(trials), failure("no luck")))
        with pytest.raises(SearchError, match=f"but {what}; the last was failed: no luck. See "):
            make_study(executor=executor, trials=trials).run()


# -- interrupts ----------------------------------------------------------------------------


def test_an_interrupt_keeps_what_ended_and_records_what_ran(make_study: StudyMaker) -> None:
    # Three epochs and the end of trials 0 and 1, then two epochs of trials 2 and 3.
    executor = SimulatedExecutor(interrupt_after=6)
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
    assert [record.end_order for record in records] == [0, 1, None, None]
    assert executor.is_closed
    assert [record.trial for record in study.engine.told] == [0, 1], "the others will go on"
    assert study.observer.said[-2:] == ["end 2 best None", "end 3 best None"]
    text = (study.folder.path / "trials.csv").read_text("utf-8")
    assert [line.split(",")[1] for line in text.splitlines()[1:]] == [
        "complete",
        "complete",
        "interrupted",
        "interrupted",
    ]


def test_an_interrupted_trial_is_no_finalist(make_study: StudyMaker) -> None:
    study = make_study(executor=SimulatedExecutor(interrupt_after=2))
    with pytest.raises(KeyboardInterrupt):
        study.run()
    assert rank_trials(GOAL, study.folder.read_trials()) == []


def test_an_error_of_the_engine_closes_the_executor(make_study: StudyMaker) -> None:
    class BrokenEngine(ListEngine):
        def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
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
    study = make_study(executor=SimulatedExecutor(press_after=6), trials=10, workers=2)
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
    assert with_checkpoint(study) == [2, 3]


def test_a_press_in_the_last_epoch_lets_the_trial_end(make_study: StudyMaker) -> None:
    study = make_study(executor=SimulatedExecutor(press_after=3), trials=10)
    with pytest.raises(KeyboardInterrupt):
        study.run()
    assert [r.state for r in study.folder.read_trials()] == ["complete"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_resumed_search_ends_like_one_that_was_not_stopped(
    make_study: StudyMaker, workers: int
) -> None:
    widths = (8, 32, 16, 64, 8)
    study = make_study(
        engine=ListEngine(widths),
        executor=SimulatedExecutor(interrupt_after=6),
        trials=5,
        workers=workers,
    )
    with pytest.raises(KeyboardInterrupt):
        study.run()
    earlier = study.folder.read_trials()
    open_trials = [record.trial for record in earlier if record.is_open]
    assert open_trials

    resumed = make_study(engine=ListEngine(widths), trials=5, workers=workers)
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
    first = study.executor.trainings[0]
    assert (first.seed, first.epochs, first.half_batch) == ((0, 1), 7, True)
    assert [task.seed for task in study.executor.trainings] == [(0, 1), (0, 0)]
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


def test_ends_are_numbered_on_from_those_of_before(make_study: StudyMaker) -> None:
    """Records of an early version have no number."""
    first, second, third = make_study(trials=3).run()
    orders = {first.trial: None, second.trial: 7, third.trial: 5}
    earlier = [r.model_copy(update={"end_order": orders[r.trial]}) for r in (first, second, third)]
    records = make_study(trials=5).run(earlier)
    assert [r.end_order for r in records] == [None, 7, 5, 8, 9]


def test_a_number_whose_record_was_lost_is_asked_again(make_study: StudyMaker) -> None:
    records = make_study(trials=4).run()
    again = make_study(trials=4)
    assert len(again.run([record for record in records if record.trial != 1])) == 4
    assert again.engine.asked == [1]


# -- faults --------------------------------------------------------------------------------


def test_a_trial_out_of_memory_is_repeated_once_with_half_the_batch(make_study: StudyMaker) -> None:
    outcome = Outcome(TrialState.OUT_OF_MEMORY, 2.5, "needed too much")
    study = make_study(executor=SimulatedExecutor(ends={1: outcome}), trials=3)
    records = study.run()
    assert [record.state for record in records] == ["complete"] * 3
    assert (records[1].half_batch, records[1].reason) == (True, HALF_BATCH)
    assert [task.half_batch for task in study.executor.trainings] == [False, False, True, False]


def test_that_the_whole_batch_is_gone_lasts_before_the_half_is_noted(
    make_study: StudyMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut would else bring its checkpoint back, for the half to go on from."""
    done: list[str] = []
    sync, write = StudyFolder.sync_checkpoint, StudyFolder.write_trial

    def sync_checkpoint(folder: StudyFolder, trial: int) -> None:
        done.append("sync")
        sync(folder, trial)

    def write_trial(folder: StudyFolder, record: TrialRecord) -> None:
        done.append("half" if record.half_batch else "whole")
        write(folder, record)

    monkeypatch.setattr(StudyFolder, "sync_checkpoint", sync_checkpoint)
    monkeypatch.setattr(StudyFolder, "write_trial", write_trial)
    outcome = Outcome(TrialState.OUT_OF_MEMORY, 2.5, "needed too much")
    make_study(executor=SimulatedExecutor(ends={0: outcome}), trials=1).run()
    assert done == ["whole", "sync", "half", "half"]


def test_out_of_memory_twice_is_an_end(make_study: StudyMaker) -> None:
    class Hungry(SimulatedExecutor):
        def _step(self, key: int, running: SimulatedTask) -> Event:
            if key != 1:
                return super()._step(key, running)
            del self.running[key]
            return EndEvent(key, Outcome(TrialState.OUT_OF_MEMORY, 1.0, "needed too much"))

    study = make_study(executor=Hungry(), trials=3)
    records = study.run()
    assert [record.state for record in records] == ["complete", "out-of-memory", "complete"]
    assert records[1].reason == f"needed too much; {HALF_BATCH}"
    assert len(study.executor.trainings) == 4


def test_a_trial_whose_worker_was_lost_ends_as_if_nothing_had_been(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    plain = make_study(trials=3, epochs=4).run()
    (tmp_path / "again").mkdir()
    study = make_search(
        tmp_path / "again", trials=3, epochs=4, executor=SimulatedExecutor(losses={1: 2})
    )
    records = study.run()
    timeless = [record.model_copy(update={"seconds": 0.0}) for record in records]
    assert timeless == [record.model_copy(update={"seconds": 0.0}) for record in plain]
    epochs = [line for line in study.observer.said if line.startswith("epoch 1")]
    assert epochs == [f"epoch 1 {epoch}" for epoch in range(1, 5)], "none is shown twice"
    starts = [line for line in study.observer.said if line.startswith("start 1 ")]
    assert len(starts) == 1, "trackers take a start for a new beginning, and forget the epochs"


def test_a_full_disk_stops_the_study_and_leaves_the_trial_open(make_study: StudyMaker) -> None:
    full = Outcome(TrialState.FAILED, 1.0, "full", error=DiskFullError("full"))
    study = make_study(executor=SimulatedExecutor(ends={1: full}), trials=3)
    with pytest.raises(DiskFullError):
        study.run()
    assert [r.state for r in study.folder.read_trials()] == ["complete", "interrupted"]


def test_the_disk_is_looked_at_between_epochs(make_study: StudyMaker) -> None:
    study = make_study(trials=3)
    guard = DiskGuard(study.folder, limit_gb=1e-9)
    with pytest.raises(DiskFullError, match="--disk-limit"):
        study.run(disk=guard)


def test_an_exhausted_space_ends_the_search(make_study: StudyMaker) -> None:
    study = make_study(engine=ListEngine(num_points=3), trials=9, workers=2)
    assert len(study.run()) == 3
    assert len([line for line in study.observer.said if "exhausted" in line]) == 1


def test_the_loop_waits_when_the_engine_does(make_study: StudyMaker) -> None:
    study = make_study(engine=ListEngine(waits=[1, 2]), trials=4, workers=2)
    assert len(study.run()) == 4
    starts = [line for line in study.observer.said if line.startswith(("start", "end"))]
    assert starts[:4] == ["start 0 3", "end 0 best 0", "start 1 3", "end 1 best 0"]
    assert not any("exhausted" in line for line in study.observer.said)


# -- with Optuna ---------------------------------------------------------------------------


def test_the_loop_drives_the_real_optuna_engine(make_study: StudyMaker) -> None:
    from autocnn.spaces.space import Int, SearchSpace
    from autocnn.tuning.engines.optuna_engine import OptunaEngine

    space = SearchSpace("s", "", 9, "auto", (Int("width", low=4, high=256),), ({"width": 24},))
    study = make_study(trials=20, epochs=9, workers=2)
    engine = OptunaEngine(space, GOAL, epochs=9, num_trials=20)
    records = study.run(engine=engine)
    states = {record.state for record in records}
    assert len(records) == 20
    assert records[0].params == {"width": 24}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    best = rank_trials(GOAL, records)[0]
    assert int(best.params["width"]) > 200


# -- cost ----------------------------------------------------------------------------------


def test_a_trial_more_costs_the_same_however_many_there_are(
    make_study: StudyMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever looks at all trials is done once a session, and not at each step."""
    calls: Counter[str] = Counter()

    def counted(name: str, count: Callable[..., int]) -> None:
        method = getattr(StudyFolder, name)

        def call(*arguments: Any) -> None:
            calls[name] += count(*arguments)
            method(*arguments)

        monkeypatch.setattr(StudyFolder, name, call)

    counted("write_trials_table", lambda folder, records: 1)
    counted("keep_models", lambda folder, trials: 1)
    counted("append_trial_row", lambda folder, record, names: 1)
    counted("remove_models", lambda folder, trials: len(trials))
    widths = [8 + 7 * number % 240 for number in range(120)]
    found = []
    for trials in (20, 120):
        calls.clear()
        study = make_study(engine=ListEngine(widths), trials=trials, epochs=1, workers=3)
        study.run()
        found.append(dict(calls))
        shutil.rmtree(study.folder.path)
    few, many = found
    assert few["write_trials_table"] == many["write_trials_table"] == 3  # begin, new param, end
    assert few["keep_models"] == many["keep_models"] == 1
    assert (few["append_trial_row"], many["append_trial_row"]) == (19, 119)
    assert (few["remove_models"], many["remove_models"]) == (17, 117), "each is looked at once"


def test_trials_csv_stands_in_the_order_of_the_numbers_when_the_search_ends(
    make_study: StudyMaker,
) -> None:
    class Slow(SimulatedExecutor):
        """Trial 0 ends last."""

        def _step(self, key: int, running: SimulatedTask) -> Event:
            if key == 0 and self.num_polls < 12:
                running.history.clear()
            return super()._step(key, running)

    study = make_study(executor=Slow(), trials=5, workers=2)
    study.run()
    ends = [line.split()[1] for line in study.observer.said if line.startswith("end")]
    assert ends != sorted(ends)
    rows = (study.folder.path / "trials.csv").read_text("utf-8").splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "1", "2", "3", "4"]


# -- lines that whole studies alone held -----------------------------------------------------


def test_trials_that_have_ended_count_as_progress(make_study: StudyMaker) -> None:
    records = make_study(trials=3).run()
    again = make_study(trials=3)
    again.run(records)
    assert again.observer.steps == 3


def test_failures_that_differ_in_a_number_alone_are_alike(make_study: StudyMaker) -> None:
    ends = {n: failure(f"diverged: the loss became nan in epoch {n + 1}") for n in range(9)}
    study = make_study(executor=SimulatedExecutor(ends=ends), trials=9)
    with pytest.raises(SearchError):
        study.run()
    assert len(study.folder.read_trials()) == 3


def test_an_error_after_the_record_leaves_the_trial_ended(make_study: StudyMaker) -> None:
    class Full(ListEngine):
        def tell(self, record: TrialRecord) -> None:
            raise DiskFullError("full")

    study = make_study(engine=Full(), trials=3)
    with pytest.raises(DiskFullError):
        study.run()
    assert [r.state for r in study.folder.read_trials()] == ["complete"]


def test_a_trial_has_the_epochs_of_its_proposal(make_study: StudyMaker) -> None:
    class Brackets(ListEngine):
        def ask(self, trial: int) -> Proposal | NoProposal:
            self.asked.append(trial)
            return (
                Proposal({"width": 8, "family": "frozen"}, from_start=True),
                Proposal({"width": 8}, from_start=False, epochs=2),
                Proposal({"width": 8}, from_start=False, epochs=2, parent=1, first_epoch=3),
            )[trial]

    records = make_study(engine=Brackets(), trials=3, epochs=5).run()
    assert [r.epochs for r in records] == [1, 2, 3]
    assert [r.parent for r in records] == [None, None, 1]
    assert [r.num_ended_before for r in records] == [0, 1, 2]
    assert [s.epoch for s in records[2].history] == [3]


def test_frozen_is_but_a_word_in_the_params_of_an_own_model(make_study: StudyMaker) -> None:
    class Words(ListEngine):
        def ask(self, trial: int) -> Proposal | NoProposal:
            return Proposal({"width": 8, "family": "frozen"}, from_start=True)

    study = make_study(engine=Words(), trials=1, epochs=5)
    study.plan = replace(study.plan, has_own_model=True)
    assert [record.epochs for record in study.run()] == [5]


def test_the_epochs_of_earlier_sessions_count_in_the_seconds(make_study: StudyMaker) -> None:
    history = (formula({"width": 8}, 1), formula({"width": 8}, 2))
    begun = TrialRecord(
        trial=0, state=TrialState.INTERRUPTED, params={"width": 8}, epochs=3, history=history
    )
    (record,) = make_study(trials=1, epochs=3).run([begun])
    assert record.seconds == PROCESS_S + 2.0


def test_the_trials_of_an_exhausted_space_are_counted_with_those_that_run(
    make_study: StudyMaker,
) -> None:
    study = make_study(engine=ListEngine(num_points=3), trials=9, workers=2)
    study.run()
    said = "note The space is exhausted: all it holds was tried in 3 trials."
    assert said in study.observer.said


def test_trials_without_a_model_take_the_place_of_none_with_one(make_study: StudyMaker) -> None:
    """As those that a fork took over, whose models the old study had not kept."""
    widths = (8, 200, 190, 180, 100, 90)
    old = make_study(engine=ListEngine(widths), trials=4, keep=2)
    records = old.run()
    for path in (old.folder.path / "trials").glob("*/model.keras"):
        path.unlink()
    again = make_study(engine=ListEngine(widths), trials=6, keep=2)
    again.run(records)
    assert again.kept_models() == [4, 5]
