"""The one event loop: trials, refits, folds, predictions and probes all run through `run`.

A *source* knows what there is to do and what becomes of it; an `Executor` runs it. What can
happen to any task on its way stands here, once: Ctrl-C, want of memory, a lost worker, a full
disk. The life of a task, in order: `start`, `_take_epoch` for each epoch, `_take_end`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from autocnn.core.errors import StudyError
from autocnn.core.events import Interruption, Observer
from autocnn.core.records import EpochScore, TrialState
from autocnn.core.wording import count
from autocnn.execution.executor import Elastic, EpochEvent, Executor, Outcome
from autocnn.execution.tasks import BatchedTask, Task, TrainingTask

POLL_S = 0.5

MOST_ATTEMPTS = 3
"""A task whose worker is lost so often has failed."""

STOPPED = "the study was stopped"


@dataclass(frozen=True)
class Job:
    """A task and how it is run.

    Attributes:
        key: Names it among the jobs of its source.
        name: As a warning begins, e.g. `Trial 7`.
        function: What runs it, named as in `tasks`.
        task: Its argument.
        log_path: File for what its process prints.
        timeout_s: Seconds that a process may take for it; None: no limit.
        num_restored: Epochs of an earlier process, which are reported again.
    """

    key: int
    name: str
    function: str
    task: Task
    log_path: Path
    timeout_s: float | None = None
    num_restored: int = 0

    @property
    def has_half_batch(self) -> bool:
        """Whether it trains, or predicts, with half its batch."""
        return isinstance(self.task, BatchedTask) and self.task.half_batch


@dataclass(frozen=True)
class Stop:
    """Why a training ends before its last epoch.

    Attributes:
        state: What it ends as.
        reason: In words.
    """

    state: TrialState
    reason: str


@dataclass(frozen=True)
class Again:
    """A training goes on from the epoch that has just ended, with another task.

    Attributes:
        task: With the same checkpoint.
    """

    task: TrainingTask


@dataclass
class Running:
    """A job under way.

    Attributes:
        job: As it was submitted last.
        attempt: 1, and one more for each worker that was lost with it.
        history: Epochs that were reported since it was submitted, restored ones included.
        stop: Why it was told to end; None: it goes on.
        stop_then: Why it is to end after its restored epochs: a worker that was lost had been told.
    """

    job: Job
    attempt: int = 1
    history: list[EpochScore] = field(default_factory=list)
    stop: Stop | None = None
    stop_then: Stop | None = None

    @property
    def is_restoring(self) -> bool:
        """Whether the last epoch was reported before, and another such one follows."""
        return len(self.history) < self.job.num_restored

    @property
    def is_new_epoch(self) -> bool:
        """Whether the last epoch was not reported before."""
        return len(self.history) > self.job.num_restored


class Source(Protocol):
    """What there is to do, and what becomes of it."""

    def next_job(self, num_running: int) -> Job | None:
        """What to start now; None: nothing, before a running job has ended or at all."""
        ...

    def job_started(self, job: Job) -> None:
        """A job is about to be handed to a worker, the first time or again.

        What this writes is there before the worker is: a resumed study finds it.
        """
        ...

    def epoch_ended(self, running: Running) -> Stop | Again | None:
        """The last epoch of `running.history` has ended; why the training is to end, or None."""
        ...

    def job_ended(self, running: Running, outcome: Outcome) -> None:
        """A job has ended for good; a training that was stopped in the state of its stop."""
        ...

    def job_left_open(self, running: Running, reason: str) -> None:
        """A job was stopped for no fault of its own: a resumed study goes on with it."""
        ...

    def round_ended(self) -> None:
        """All events so far were handled."""
        ...


def run(
    source: Source,
    executor: Executor,
    observer: Observer,
    *,
    workers: int,
    interruption: Interruption | None = None,
) -> None:
    """Run what a source has, until it has no more.

    Args:
        source: What there is to do.
        executor: Does it.
        observer: Hears what goes otherwise than planned.
        workers: Jobs at once; an executor whose machines come and go knows better.
        interruption: Looked at after every epoch; the first Ctrl-C lets running epochs end.

    Raises:
        KeyboardInterrupt: When stopping was asked for.
        StudyError: When something could not be written, e.g. for want of disk space.
        AutocnnError: What the source raised.

    Whatever is raised, nothing is running any more, and what ran was left open.
    """
    _Runner(source, executor, observer, workers, interruption or Interruption()).run()


@dataclass
class _Runner:
    source: Source
    executor: Executor
    observer: Observer
    workers: int
    interruption: Interruption
    running: dict[int, Running] = field(default_factory=dict)

    def run(self) -> None:
        try:
            with self.interruption.graceful():
                self._work()
        except BaseException:
            # First the processes, then the notes: none may write what is noted as open.
            self.executor.close()
            for running in self.running.values():
                self.source.job_left_open(running, STOPPED)
            raise

    def _work(self) -> None:
        is_told = False
        elastic = self.executor if isinstance(self.executor, Elastic) else None
        while True:
            num_slots = elastic.num_slots if elastic is not None else self.workers
            while len(self.running) < num_slots and not self.interruption.is_wished:
                job = self.source.next_job(len(self.running))
                if job is None:
                    break
                self._start(Running(job))
            if not self.running:
                break
            for event in self.executor.poll(POLL_S):
                running = self.running.get(event.key)
                if running is None:
                    continue  # it was cancelled in this very round
                if isinstance(event, EpochEvent):
                    self._take_epoch(running, event.score)
                else:
                    self._take_end(running, event.outcome)
            if self.interruption.is_wished and not is_told:
                is_told = True
                self._say_stopping()
            self.source.round_ended()
        if self.interruption.is_wished:
            raise KeyboardInterrupt

    def _start(self, running: Running) -> None:
        job = running.job
        # It counts as running before anything is written: an error leaves it open.
        self.running[job.key] = running
        self.source.job_started(job)
        self.executor.submit(
            job.key, job.function, job.task, log_path=job.log_path, timeout_s=job.timeout_s
        )

    def _take_epoch(self, running: Running, score: EpochScore) -> None:
        job = running.job
        running.history.append(score)
        verdict = self.source.epoch_ended(running)
        if isinstance(verdict, Again):
            # The checkpoint of this epoch was written before it was reported.
            self.executor.cancel(job.key)
            again = replace(job, task=verdict.task, num_restored=len(running.history))
            self._start(Running(again, running.attempt))
            return
        running.stop = verdict
        if not running.is_restoring:
            running.stop = verdict or running.stop_then
        is_last = isinstance(job.task, TrainingTask) and score.epoch == job.task.epochs
        if (
            self.interruption.is_wished
            and running.stop is None
            and not is_last
            and not running.is_restoring
        ):
            # The checkpoint of this epoch was written before it was reported.
            self.executor.cancel(job.key)
            del self.running[job.key]
            self.source.job_left_open(running, "Ctrl-C")
        else:
            self.executor.answer(job.key, stop=running.stop is not None)

    def _take_end(self, running: Running, outcome: Outcome) -> None:
        job, task = running.job, running.job.task
        if isinstance(outcome.error, StudyError):
            raise outcome.error  # a full disk is no fault of the task's
        if outcome.is_lost and running.attempt < MOST_ATTEMPTS:
            self.observer.warn(f"{job.name} lost its worker ({outcome.reason}); it is repeated.")
            num_restored = max(job.num_restored, len(running.history))
            again = replace(job, num_restored=num_restored)
            stop_then = running.stop or running.stop_then
            self._start(Running(again, running.attempt + 1, stop_then=stop_then))
            return
        if outcome.is_lost:
            outcome = replace(outcome, reason=f"its worker was lost {MOST_ATTEMPTS} times")
        is_out_of_memory = outcome.state == TrialState.OUT_OF_MEMORY
        if is_out_of_memory and isinstance(task, BatchedTask) and not task.half_batch:
            # First what the whole batch has trained goes, then `job_started` notes the half:
            # the other way round, a kill in between would let the half go on from the whole.
            if isinstance(task, TrainingTask):
                task.checkpoint_path.unlink(missing_ok=True)
            self.observer.warn(f"{job.name} ran out of memory; it is repeated with half its batch.")
            halved = replace(job, task=replace(task, half_batch=True), num_restored=0)
            self._start(Running(halved, running.attempt))
            return
        if running.stop is not None and outcome.state == TrialState.COMPLETE:
            outcome = replace(outcome, state=running.stop.state, reason=running.stop.reason)
        # The source writes its record while the job still counts as running: an error before
        # the record stands leaves the job open, and nothing that ended is lost.
        self.source.job_ended(running, outcome)
        del self.running[job.key]

    def _say_stopping(self) -> None:
        number = len(self.running)
        is_training = any(isinstance(r.job.task, TrainingTask) for r in self.running.values())
        what = count(number, "trial" if is_training else "task")
        what = f"the running epochs of {what}" if is_training else what
        self.observer.note(
            f"Stopping after {what}; Ctrl-C again stops at once. Nothing is lost either way."
        )


@dataclass
class JobList:
    """Jobs that are all known beforehand, in their order; a `Source`.

    Attributes:
        jobs: What is left to start.
        keep: Takes each job, as it was submitted last, and how it ended, as soon as it did.
        start: Called before a job is handed to a worker.
        find_stop: Asked before each start and after each epoch: why training ends now, or None.
        observer: Hears of each epoch of a training, and of the end of each other job.
        save_progress: Called often, to note how far the study is.
        check_disk: Called often, to stop before the disk is full.
    """

    jobs: deque[Job]
    keep: Callable[[Job, Outcome], None]
    start: Callable[[Job], None] = lambda job: None
    find_stop: Callable[[], Stop | None] = lambda: None
    observer: Observer = field(default_factory=Observer)
    save_progress: Callable[[], None] = lambda: None
    check_disk: Callable[[], None] = lambda: None

    def next_job(self, num_running: int) -> Job | None:
        """See `Source.next_job`: none, too, where it would have to stop at once."""
        if not self.jobs or self.find_stop() is not None:
            return None
        return self.jobs.popleft()

    def job_started(self, job: Job) -> None:
        """See `Source.job_started`."""
        self.start(job)

    def epoch_ended(self, running: Running) -> Stop | None:
        """See `Source.epoch_ended`."""
        if running.is_new_epoch:
            self.observer.advance()
        return self.find_stop()

    def job_ended(self, running: Running, outcome: Outcome) -> None:
        """See `Source.job_ended`."""
        self.keep(running.job, outcome)
        if not isinstance(running.job.task, TrainingTask):
            self.observer.advance()

    def job_left_open(self, running: Running, reason: str) -> None:
        """See `Source.job_left_open`: its checkpoint is all that it needs."""

    def round_ended(self) -> None:
        """See `Source.round_ended`."""
        self.check_disk()
        self.save_progress()


def run_one(
    executor: Executor, function: str, task: Task, *, log_path: Path, timeout_s: float | None = None
) -> Outcome:
    """Run one task while nothing else runs, and wait for its end.

    Args:
        executor: Runs it.
        function: Named as in `tasks`.
        task: Its argument.
        log_path: File for what its process prints.
        timeout_s: Seconds that it may take; None: no limit.

    Raises:
        StudyError: When its process could not write for want of disk space.
    """
    ends: list[Outcome] = []
    job = Job(0, "The task", function, task, log_path, timeout_s)
    source = JobList(deque([job]), lambda _, outcome: ends.append(outcome))
    run(source, executor, Observer(), workers=1)
    return ends[0]
