"""The one event loop, with tasks that take no time."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autocnn.core.errors import DiskFullError, SearchError
from autocnn.core.records import TrialRecord, TrialState
from autocnn.execution.executor import Event, Outcome
from autocnn.execution.runner import MOST_ATTEMPTS, Again, Job, JobList, Running, Stop, run, run_one
from autocnn.execution.tasks import FIND_WEIGHTS, TRAIN, TrainingTask, WeightsResult, WeightsTask
from autocnn.storage import StudyFolder
from tests.simulation.executor import Recorder, SimulatedExecutor, SimulatedTask, training_task

PROBE = WeightsTask((), 32, "imagenet")
FOUND = WeightsResult(("ResNet50",))


@dataclass
class Listed:
    """A source that writes down what it is told.

    Attributes:
        jobs: What it has.
        stops: Job and epoch -> why that epoch is its last.
        told: All that it was told, in words.
        ends: Job -> how it ended.
        errors: What it was told -> what it raises then.
    """

    jobs: deque[Job]
    stops: dict[tuple[int, int], Stop] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    ends: dict[int, Outcome] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def next_job(self, num_running: int) -> Job | None:
        return self.jobs.popleft() if self.jobs else None

    def job_started(self, job: Job) -> None:
        self._tell(f"start {job.key}" + (" half" if job.has_half_batch else ""))

    def epoch_ended(self, running: Running) -> Stop | Again | None:
        epoch = running.history[-1].epoch
        new = "" if running.is_new_epoch else " again"
        self._tell(f"epoch {running.job.key} {epoch}{new}")
        return self.stops.get((running.job.key, epoch))

    def job_ended(self, running: Running, outcome: Outcome) -> None:
        self._tell(f"end {running.job.key} {outcome.state}")
        self.ends[running.job.key] = outcome

    def job_left_open(self, running: Running, reason: str) -> None:
        self._tell(f"open {running.job.key} {reason}")

    def round_ended(self) -> None:
        pass

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if what in self.errors:
            raise self.errors[what]


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder.create(tmp_path, "study", {})


MakeJobs = Callable[..., deque[Job]]


@pytest.fixture
def make_jobs(folder: StudyFolder) -> MakeJobs:
    def make(number: int, *, epochs: int = 2, half_batch: bool = False) -> deque[Job]:
        jobs: deque[Job] = deque()
        for key in range(number):
            record = TrialRecord(
                trial=key,
                state=TrialState.RUNNING,
                params={"width": 8},
                epochs=epochs,
                half_batch=half_batch,
            )
            task = training_task(folder, record)
            jobs.append(Job(key, f"Trial {key}", TRAIN, task, folder.trial_log_path(key), 9.0))
        return jobs

    return make


def run_all(
    source: Listed, executor: SimulatedExecutor, workers: int = 1, observer: Recorder | None = None
) -> None:
    run(
        source,
        executor,
        observer or Recorder(),
        workers=workers,
        interruption=executor.interruption,
    )


# -- the plain course ----------------------------------------------------------------------


def test_the_life_of_a_task(make_jobs: MakeJobs) -> None:
    source, executor = Listed(make_jobs(2)), SimulatedExecutor()
    run_all(source, executor)
    assert source.told == [
        *("start 0", "epoch 0 1", "epoch 0 2", "end 0 complete"),
        *("start 1", "epoch 1 1", "epoch 1 2", "end 1 complete"),
    ]
    assert executor.timeouts == [9.0, 9.0]
    assert not executor.is_closed, "others use it next"


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_never_more_run_than_there_are_workers(make_jobs: MakeJobs, workers: int) -> None:
    source, executor = Listed(make_jobs(5)), SimulatedExecutor()
    run_all(source, executor, workers)
    assert executor.most_at_once == min(workers, 5)
    assert sorted(source.ends) == list(range(5))


def test_a_stop_is_how_a_training_ends_that_does_as_it_is_told(make_jobs: MakeJobs) -> None:
    stop = Stop(TrialState.CUT, "no time")
    source = Listed(make_jobs(1, epochs=9), stops={(0, 3): stop})
    run_all(source, SimulatedExecutor())
    assert (source.ends[0].state, source.ends[0].reason) == (TrialState.CUT, "no time")
    assert source.ends[0].result is not None


def test_a_fault_counts_more_than_a_stop(make_jobs: MakeJobs) -> None:
    class Crashing(SimulatedExecutor):
        def _step(self, key: int, running: SimulatedTask) -> Event:
            if running.is_stopped:
                return self._end(key, Outcome(TrialState.FAILED, 1.0, "crashed"))
            return super()._step(key, running)

    source = Listed(make_jobs(1), stops={(0, 1): Stop(TrialState.PRUNED, "behind")})
    run_all(source, Crashing())
    assert (source.ends[0].state, source.ends[0].reason) == (TrialState.FAILED, "crashed")


def test_a_stop_is_forgotten_when_the_next_epoch_says_otherwise(make_jobs: MakeJobs) -> None:
    class Deaf(SimulatedExecutor):
        """A training that goes on after its restored epochs, whatever it is told."""

        def answer(self, key: int, *, stop: bool) -> None:
            super().answer(key, stop=False)

    source = Listed(make_jobs(1), stops={(0, 1): Stop(TrialState.PRUNED, "behind")})
    run_all(source, Deaf())
    assert source.ends[0].state == TrialState.COMPLETE


# -- want of memory ------------------------------------------------------------------------


def test_out_of_memory_is_repeated_with_half_the_batch(
    make_jobs: MakeJobs, folder: StudyFolder
) -> None:
    executor = SimulatedExecutor(ends={0: Outcome(TrialState.OUT_OF_MEMORY, 1.0, "too much")})
    source, observer = Listed(make_jobs(1)), Recorder()
    folder.trial_checkpoint_path(0).write_bytes(b"of the whole batch")
    run_all(source, executor, observer=observer)
    assert source.told == ["start 0", "start 0 half", "epoch 0 1", "epoch 0 2", "end 0 complete"]
    assert [task.half_batch for task in executor.trainings] == [False, True]
    assert not folder.trial_checkpoint_path(0).exists()
    assert observer.said == ["warn Trial 0 ran out of memory; it is repeated with half its batch."]


def test_the_checkpoint_of_the_whole_batch_goes_before_the_half_is_noted(
    make_jobs: MakeJobs, folder: StudyFolder
) -> None:
    """Else a study killed in between would go on with half the batch from the whole one's."""
    checkpoint = folder.trial_checkpoint_path(0)
    checkpoint.write_bytes(b"of the whole batch")
    noted: list[tuple[bool, bool]] = []

    class Noting(Listed):
        def job_started(self, job: Job) -> None:
            noted.append((job.has_half_batch, checkpoint.exists()))

    outcome = Outcome(TrialState.OUT_OF_MEMORY, 1.0, "too much")
    run_all(Noting(make_jobs(1)), SimulatedExecutor(ends={0: outcome}))
    assert noted == [(False, True), (True, False)]


def test_out_of_memory_with_half_the_batch_is_an_end(make_jobs: MakeJobs) -> None:
    class Hungry(SimulatedExecutor):
        def _step(self, key: int, running: SimulatedTask) -> Event:
            return self._end(key, Outcome(TrialState.OUT_OF_MEMORY, 1.0, "too much"))

    for half_batch, attempts in ((False, 2), (True, 1)):
        source, executor = Listed(make_jobs(1, half_batch=half_batch)), Hungry()
        run_all(source, executor)
        assert source.ends[0].state == TrialState.OUT_OF_MEMORY
        assert len(executor.tasks) == attempts


def test_a_probe_has_no_batch_to_halve(folder: StudyFolder) -> None:
    outcome = Outcome(TrialState.OUT_OF_MEMORY, 1.0, "too much")
    executor = SimulatedExecutor(ends={0: outcome})
    found = run_one(executor, FIND_WEIGHTS, PROBE, log_path=folder.path / "log.txt")
    assert found == outcome
    assert len(executor.tasks) == 1


# -- lost workers --------------------------------------------------------------------------


def test_a_task_whose_worker_was_lost_is_submitted_again(make_jobs: MakeJobs) -> None:
    source, observer = Listed(make_jobs(1)), Recorder()
    executor = SimulatedExecutor(losses={0: 2})
    run_all(source, executor, observer=observer)
    assert source.told == [
        *("start 0", "epoch 0 1"),
        *("start 0", "epoch 0 1 again"),
        *("start 0", "epoch 0 1 again", "epoch 0 2", "end 0 complete"),
    ]
    assert observer.said == ["warn Trial 0 lost its worker (its node is gone); it is repeated."] * 2
    assert executor.trainings == [executor.trainings[0]] * 3, "the same task"


def test_a_training_that_was_told_to_stop_stops_though_its_worker_was_lost(
    make_jobs: MakeJobs,
) -> None:
    """Who judges epochs judges each once: one that is reported again is not judged."""

    class Once(Listed):
        def epoch_ended(self, running: Running) -> Stop | Again | None:
            verdict = super().epoch_ended(running)
            return verdict if running.is_new_epoch else None

    stop = Stop(TrialState.PRUNED, "behind")
    source = Once(make_jobs(1, epochs=9), stops={(0, 1): stop})
    run_all(source, SimulatedExecutor(losses={0: 2}))
    assert source.told[-2:] == ["epoch 0 1 again", "end 0 pruned"]
    assert source.ends[0].reason == "behind"


def test_a_task_whose_worker_is_lost_again_and_again_has_failed(make_jobs: MakeJobs) -> None:
    source, executor = Listed(make_jobs(2)), SimulatedExecutor(losses={0: 99})
    run_all(source, executor)
    assert source.ends[0].state == TrialState.FAILED
    assert source.ends[0].reason == "its worker was lost 3 times"
    assert len(executor.tasks) == MOST_ATTEMPTS + 1
    assert source.ends[1].state == TrialState.COMPLETE, "the others go on"


def test_a_lost_worker_does_not_count_as_want_of_memory(make_jobs: MakeJobs) -> None:
    lost = Outcome(TrialState.OUT_OF_MEMORY, 1.0, "killed with its node", is_lost=True)

    class Losing(SimulatedExecutor):
        def _step(self, key: int, running: SimulatedTask) -> Event:
            return self._end(key, lost) if len(self.tasks) == 1 else super()._step(key, running)

    source, executor = Listed(make_jobs(1)), Losing()
    run_all(source, executor)
    assert [task.half_batch for task in executor.trainings] == [False, False]


# -- Ctrl-C and errors ---------------------------------------------------------------------


def test_the_first_ctrl_c_lets_the_running_epochs_end(make_jobs: MakeJobs) -> None:
    source, observer = Listed(make_jobs(5, epochs=4)), Recorder()
    executor = SimulatedExecutor(press_after=2)
    with pytest.raises(KeyboardInterrupt):
        run_all(source, executor, 2, observer)
    assert source.told == [
        *("start 0", "start 1", "epoch 0 1", "epoch 1 1"),
        *("epoch 0 2", "open 0 Ctrl-C", "epoch 1 2", "open 1 Ctrl-C"),
    ]
    assert len([line for line in observer.said if "Ctrl-C again stops at once" in line]) == 1
    assert executor.num_running == 0


def test_what_is_in_its_last_epoch_or_stops_anyway_may_end(make_jobs: MakeJobs) -> None:
    stop = Stop(TrialState.PRUNED, "behind")
    source = Listed(make_jobs(5), stops={(1, 2): stop})
    source.jobs[1] = replace(source.jobs[1], task=replace(_training(source.jobs[1]), epochs=9))
    executor = SimulatedExecutor(press_after=2)
    with pytest.raises(KeyboardInterrupt):
        run_all(source, executor, 2)
    assert {key: end.state for key, end in source.ends.items()} == {0: "complete", 1: "pruned"}


def test_epochs_that_are_reported_again_are_not_waited_for_twice(make_jobs: MakeJobs) -> None:
    source, executor = Listed(make_jobs(1, epochs=9)), SimulatedExecutor(press_after=1)
    source.jobs[0] = replace(source.jobs[0], num_restored=3)
    with pytest.raises(KeyboardInterrupt):
        run_all(source, executor)
    again = [f"epoch 0 {epoch} again" for epoch in (1, 2, 3)]
    assert source.told == ["start 0", *again, "open 0 Ctrl-C"], "none of its epochs is lost"


def test_the_second_ctrl_c_stops_at_once(make_jobs: MakeJobs) -> None:
    source, executor = Listed(make_jobs(3)), SimulatedExecutor(interrupt_after=1)
    with pytest.raises(KeyboardInterrupt):
        run_all(source, executor, 2)
    assert source.told[-2:] == ["open 0 the study was stopped", "open 1 the study was stopped"]
    assert executor.is_closed


def test_stopping_is_asked_for_before_anything_runs(make_jobs: MakeJobs) -> None:
    source, executor = Listed(make_jobs(3)), SimulatedExecutor()
    executor.interruption.is_wished = True
    with pytest.raises(KeyboardInterrupt):
        run_all(source, executor)
    assert executor.tasks == []


def test_a_full_disk_is_raised_and_leaves_the_task_open(make_jobs: MakeJobs) -> None:
    full = Outcome(TrialState.FAILED, 1.0, "full", error=DiskFullError("full"))
    source, executor = Listed(make_jobs(3)), SimulatedExecutor(ends={1: full})
    with pytest.raises(DiskFullError):
        run_all(source, executor, 2)
    assert source.told[-2:] == ["open 0 the study was stopped", "open 1 the study was stopped"]
    assert executor.is_closed


@pytest.mark.parametrize("when", ["start 1", "epoch 1 1", "end 1 complete"])
def test_an_error_of_the_source_closes_the_executor_and_leaves_the_task_open(
    make_jobs: MakeJobs, when: str
) -> None:
    source, executor = Listed(make_jobs(3)), SimulatedExecutor()
    source.errors[when] = SearchError("no")
    with pytest.raises(SearchError):
        run_all(source, executor)
    assert source.told[-2:] == [when, "open 1 the study was stopped"]
    assert executor.is_closed


# -- lists of jobs, and one alone ----------------------------------------------------------


def test_a_list_of_jobs_runs_in_its_order(make_jobs: MakeJobs) -> None:
    kept: list[tuple[int, str]] = []
    observer, executor = Recorder(), SimulatedExecutor()
    source = JobList(
        make_jobs(3), lambda job, outcome: kept.append((job.key, outcome.state)), observer=observer
    )
    run(source, executor, observer, workers=1)
    assert kept == [(0, "complete"), (1, "complete"), (2, "complete")]
    assert observer.steps == 6, "an epoch each"


def test_a_list_of_jobs_stops_before_the_disk_is_full(make_jobs: MakeJobs) -> None:
    def check() -> None:
        if executor.num_polls == 2:
            raise DiskFullError("full")

    ended: list[int] = []
    executor = SimulatedExecutor()
    source = JobList(make_jobs(2), lambda job, outcome: ended.append(job.key), check_disk=check)
    with pytest.raises(DiskFullError):
        run(source, executor, Recorder(), workers=1)
    assert executor.is_closed
    assert ended == []


def test_a_list_of_jobs_can_be_told_to_stop_all_trainings(make_jobs: MakeJobs) -> None:
    """When time is up after the first epochs, nothing more is started either."""
    ends: list[Outcome] = []
    stop = Stop(TrialState.CUT, "the time left is for the judging")
    executor = SimulatedExecutor()
    source = JobList(
        make_jobs(5, epochs=5),
        lambda job, outcome: ends.append(outcome),
        find_stop=lambda: stop if executor.clock.now > 0 else None,
    )
    run(source, executor, Recorder(), workers=2)
    assert [end.state for end in ends] == ["cut", "cut"]
    assert all(end.result is not None for end in ends)
    assert len(executor.tasks) == 2


def test_a_training_may_go_on_from_its_epoch_with_another_task(make_jobs: MakeJobs) -> None:
    class Shortening(Listed):
        def epoch_ended(self, running: Running) -> Stop | Again | None:
            stop = super().epoch_ended(running)
            task = _training(running.job)
            if running.history[-1].epoch == 2 and task.epochs == 5:
                return Again(replace(task, epochs=3))
            return stop

    source, executor = Shortening(make_jobs(1, epochs=5)), SimulatedExecutor()
    run_all(source, executor)
    assert source.told == [
        "start 0",
        "epoch 0 1",
        "epoch 0 2",
        "start 0",
        "epoch 0 1 again",
        "epoch 0 2 again",
        "epoch 0 3",
        "end 0 complete",
    ]
    assert executor.clock.now == 3.0
    assert executor.num_running == 0


def test_the_half_batch_of_a_list_s_job_is_known_before_it_starts(make_jobs: MakeJobs) -> None:
    started: list[bool] = []
    source = JobList(
        make_jobs(1),
        lambda job, outcome: started.append(job.has_half_batch),
        start=lambda job: started.append(job.has_half_batch),
    )
    outcome = Outcome(TrialState.OUT_OF_MEMORY, 1.0, "too much")
    run(source, SimulatedExecutor(ends={0: outcome}), Recorder(), workers=1)
    assert started == [False, True, True]


def test_one_task_alone(folder: StudyFolder) -> None:
    executor = SimulatedExecutor(others={FIND_WEIGHTS: lambda task: FOUND})
    log_path = folder.path / "log.txt"
    outcome = run_one(executor, FIND_WEIGHTS, PROBE, log_path=log_path, timeout_s=5.0)
    assert outcome.result == FOUND
    assert executor.timeouts == [5.0]
    failed = Outcome(TrialState.TIMED_OUT, 5.0, "ran longer than its 5 s")
    executor.ends[0] = failed
    assert run_one(executor, FIND_WEIGHTS, PROBE, log_path=log_path) == failed


def _training(job: Job) -> TrainingTask:
    assert isinstance(job.task, TrainingTask)
    return job.task
