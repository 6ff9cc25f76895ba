"""Workers without processes: trainings at their own pace, on a clock that jumps to each event.

A place for the protocol of a cluster: a worker that is lost ends as `Outcome.is_lost` says. Leases
and the attempts that a head counts belong here, beside `Lost`, once an executor has them.
"""

import heapq
import random
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from autocnn.core.errors import AutocnnError
from autocnn.core.events import Interruption
from autocnn.core.records import TrialState
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.tasks import CandidateTask, PredictionTask, Task, TrainingTask
from tests.simulation.judging import TASK_S, Judging, file_of
from tests.simulation.training import Broken, Crashed, Lost, Training, course_of

LATE_SHARE = 0.05
"""Polls in which nothing happens yet."""


class Clock:
    """Time passes from event to event."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """What outlasts a session: the clock, and what was done to each training.

    Attributes:
        rng: Draws the order of events.
        trouble: Share of trainings that end in a fault.
        clock: Of all sessions.
        reported: Training, whether with half its batch, and epochs that a parent heard of.
        lost: Workers that were lost with a training.
        trained: How often each epoch was trained.
        longest_s: The longest time that a worker took for one step.
    """

    rng: random.Random
    trouble: float = 0.0
    clock: Clock = field(default_factory=Clock)
    reported: set[tuple[Path, bool, int]] = field(default_factory=set)
    lost: Counter[Path] = field(default_factory=Counter)
    trained: Counter[tuple[Path, bool, int]] = field(default_factory=Counter)
    longest_s: float = 0.0


@dataclass
class _Process:
    """A task under way."""

    task: TrainingTask | PredictionTask | CandidateTask
    started: float
    deadline: float
    training: Training | None = None
    num_reported: int = 0
    is_stopped: bool = False
    is_waiting: bool = False


@dataclass
class VirtualExecutor:
    """Trains in one thread; `poll` jumps to the next event, or to some of them in any order.

    Attributes:
        world: Outlasts it.
        workers: The most tasks that may be given to it at once.
        interruption: What is pressed.
        presses: Polls in which Ctrl-C is pressed.
        num_polls: Polls so far.
        is_closed: Whether all tasks were stopped.
        order: Keys of the events, one after another, that are waited for in the place of drawn
            ones; empty: the clock decides.
        judging: Of the study.
    """

    world: World
    workers: int
    interruption: Interruption = field(default_factory=Interruption)
    presses: tuple[int, ...] = ()
    num_polls: int = 0
    is_closed: bool = False
    order: list[int] = field(default_factory=list)
    judging: Judging = field(default_factory=Judging)
    _running: dict[int, _Process] = field(default_factory=dict)
    _events: list[tuple[float, int, int, _Process]] = field(default_factory=list)
    _number: int = 0

    @property
    def num_running(self) -> int:
        """See `Executor.num_running`."""
        return len(self._running)

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """See `Executor.submit`."""
        assert isinstance(task, TrainingTask | PredictionTask | CandidateTask)
        if key in self._running or self.is_closed:
            raise Broken(f"task {key} was submitted twice, or after the end")
        if file_of(task) in [file_of(process.task) for process in self._running.values()]:
            raise Broken(f"two processes write {file_of(task)}")
        if len(self._running) >= self.workers:
            raise Broken(f"{len(self._running) + 1} tasks at once, not {self.workers}")
        now = self.world.clock.now
        deadline = now + (timeout_s if timeout_s is not None else float("inf"))
        process = self._running[key] = _Process(task, now, deadline)
        start_s = 0.0
        if isinstance(task, TrainingTask):
            start_s = course_of(task.seed, self.world.trouble).start_s
        self._plan(key, process, start_s)

    def poll(self, timeout_s: float) -> list[Event]:
        """See `Executor.poll`."""
        self.num_polls += 1
        if self.num_polls in self.presses:
            self.interruption.press()
        rng, clock = self.world.rng, self.world.clock
        self._forget_cancelled()
        if self.order:
            return self._next_of(self.order.pop(0))
        if not self._events:
            raise Broken("nothing will ever happen: every task waits for an answer, or is lost")
        first = self._events[0][0]
        if first > clock.now + timeout_s and rng.random() < LATE_SHARE:
            clock.now += timeout_s
            return []
        taken = [heapq.heappop(self._events)]
        while self._events and rng.random() < 0.5 and self._events[0][0] <= first + 1.0:
            taken.append(heapq.heappop(self._events))
        rng.shuffle(taken)
        clock.now = max(clock.now, max(time for time, *_ in taken))
        steps = [self._step(key, process) for _, _, key, process in taken]
        return [event for event in steps if event is not None]

    def answer(self, key: int, *, stop: bool) -> None:
        """See `Executor.answer`."""
        process = self._running[key]
        if not process.is_waiting:
            raise Broken(f"task {key} got an answer that it did not wait for")
        process.is_waiting, process.is_stopped = False, stop
        self._plan(key, process, 0.0)

    def cancel(self, key: int) -> None:
        """See `Executor.cancel`."""
        del self._running[key]

    def close(self) -> None:
        """See `Executor.close`."""
        self.is_closed = True
        self._running.clear()

    def _forget_cancelled(self) -> None:
        while self._events and self._running.get(self._events[0][2]) is not self._events[0][3]:
            heapq.heappop(self._events)

    def _next_of(self, key: int) -> list[Event]:
        """The next event of one task, whenever it comes."""
        process = self._running[key]
        found = None
        while found is None:
            (planned,) = (event for event in self._events if event[3] is process)
            self._events.remove(planned)
            found = self._step(key, process)
        heapq.heapify(self._events)
        return [found]

    def _plan(self, key: int, process: _Process, wait_s: float) -> None:
        """Note when the next step of a process has ended."""
        if isinstance(process.task, TrainingTask):
            wait_s += self._epoch_s(process, process.task)
        else:
            wait_s += TASK_S
        time = min(self.world.clock.now + wait_s, process.deadline)
        self.world.longest_s = max(self.world.longest_s, time - self.world.clock.now)
        self._number += 1
        heapq.heappush(self._events, (time, self._number, key, process))

    def _epoch_s(self, process: _Process, task: TrainingTask) -> float:
        """Seconds of its next epoch, if it trains one."""
        training, course, wait_s = process.training, course_of(task.seed, self.world.trouble), 0.0
        is_training = training is not None and process.num_reported >= len(training.history)
        if training is not None and is_training and not self._is_ending(process, training):
            wait_s += course.epoch_s
            wait_s += course.compile_s if len(training.history) == training.num_restored else 0.0
            if course.fault == "hang" and training.next_epoch == course.fault_epoch:
                wait_s = float("inf")
        return wait_s

    def _is_ending(self, process: _Process, training: Training) -> bool:
        is_all_said = process.num_reported >= len(training.history)
        return is_all_said and (process.is_stopped or training.is_over)

    def _step(self, key: int, process: _Process) -> Event | None:
        """What has just happened to a process, with all that it writes."""
        if self._running.get(key) is not process:
            return None
        if self.world.clock.now >= process.deadline:
            limit_s = process.deadline - process.started
            return self._end(key, TrialState.TIMED_OUT, f"ran longer than its {limit_s:.0f} s")
        try:
            if isinstance(process.task, TrainingTask):
                return self._work(key, process, process.task)
            return self._judge(key, process, process.task)
        except Crashed:
            return self._end(key, TrialState.FAILED, "its process was ended by SIGKILL")
        except Lost:
            self.world.lost[file_of(process.task)] += 1
            return self._end(key, TrialState.FAILED, "its node is gone", is_lost=True)
        except MemoryError:
            # The whole batch is given up, and its epochs with it.
            self._forget_reports(file_of(process.task))
            return self._end(key, TrialState.OUT_OF_MEMORY, "MemoryError: ")
        except AutocnnError as error:
            return self._end(key, TrialState.FAILED, str(error), error=error)
        except (OSError, ValueError) as error:
            text = "".join(traceback.format_exception(error))
            reason = f"{type(error).__name__}: {error}"
            return self._end(key, TrialState.FAILED, reason, traceback=text)

    def _judge(self, key: int, process: _Process, task: PredictionTask | CandidateTask) -> EndEvent:
        fault = self.judging.fault_of(task)
        if fault == "memory" and not task.half_batch:
            raise MemoryError
        if fault == "lost" and not self.world.lost[file_of(task)]:
            raise Lost
        result = self.judging.run(task)
        del self._running[key]
        return EndEvent(key, Outcome(TrialState.COMPLETE, TASK_S, result=result))

    def _work(self, key: int, process: _Process, task: TrainingTask) -> Event | None:
        training = process.training
        if training is None:
            training = process.training = Training(task, self.world.trouble)
            if not training.history:
                self._plan(key, process, 0.0)
                return None
        if self._is_ending(process, training):
            seconds = self.world.clock.now - process.started
            outcome = Outcome(TrialState.COMPLETE, seconds, result=training.finish())
            del self._running[key]
            return EndEvent(key, outcome)
        if process.num_reported >= len(training.history):
            mark = (task.checkpoint_path, task.half_batch, training.next_epoch)
            if len(task.seed) == 2 and mark in self.world.reported:
                raise Broken(f"epoch {training.next_epoch} of {task.seed} is trained again")
            training.train_epoch(self.world.lost[task.checkpoint_path])
            self.world.trained[mark] += 1
        score = training.history[process.num_reported]
        process.num_reported += 1
        process.is_waiting = True
        self.world.reported.add((task.checkpoint_path, task.half_batch, score.epoch))
        return EpochEvent(key, score)

    def _forget_reports(self, path: Path) -> None:
        self.world.reported = {mark for mark in self.world.reported if mark[0] != path}

    def _end(
        self,
        key: int,
        state: TrialState,
        reason: str,
        *,
        error: AutocnnError | None = None,
        traceback: str = "",
        is_lost: bool = False,
    ) -> EndEvent:
        process = self._running.pop(key)
        seconds = self.world.clock.now - process.started
        return EndEvent(
            key, Outcome(state, seconds, reason, error=error, traceback=traceback, is_lost=is_lost)
        )
