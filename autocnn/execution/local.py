"""Tasks as processes of this machine that have TensorFlow loaded; the parent never imports it."""

import contextlib
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

import psutil

from autocnn.core.records import TrialState
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.machine import count_memory_kills
from autocnn.execution.processes import KILL_GRACE_S, Worker, make_workers
from autocnn.execution.tasks import Task

PRELOAD = (
    "autocnn.training.lean_keras",  # before any other imports Keras
    "autocnn.training.train",
    "autocnn.training.candidate",
    "autocnn.training.probe",
    "autocnn.execution.worker",
)

_SIGKILL = 9
"""Of signal, which has no name for it on every system."""

_LOST_EXIT_CODE = 255
"""What multiprocessing says of a child whose forkserver died."""


@dataclass
class _Running:
    """A task under way."""

    worker: Worker
    started: float
    deadline: float
    num_memory_kills: int
    ending: tuple[Any, ...] | None = None

    @property
    def is_worker_sound(self) -> bool:
        """Whether its worker can be given another task: it has told how this one ended.

        On a GPU an error that nobody foresaw may leave a context in which nothing works any more.
        """
        match self.ending:
            case None:
                return False
            case ("failed", _, _, None, _, _):
                return self.worker.device is None
        return True


class LocalExecutor:
    """Runs each task in its own process; see `base.Executor`.

    Args:
        memory_limit_gb: Memory of one process above which it is ended, GB; None: no limit.
        preload: Modules that the processes have imported when a task begins.
        devices: GPUs, as CUDA_VISIBLE_DEVICES names them: each task sees the one that fewest
            others use. None of them: each sees whatever there is.
        is_kill_a_loss: Whether a task whose process somebody killed is lost, and not failed: on a
            machine of a cluster, where others may do so.
    """

    def __init__(
        self,
        *,
        memory_limit_gb: float | None = None,
        preload: Sequence[str] = PRELOAD,
        devices: Sequence[str] = (),
        is_kill_a_loss: bool = False,
    ) -> None:
        self.memory_limit_gb = memory_limit_gb
        self.devices = tuple(devices)
        self.is_kill_a_loss = is_kill_a_loss
        self._workers = make_workers(preload, is_dear=bool(devices))
        self._running: dict[int, _Running] = {}
        self._unstarted: list[EndEvent] = []

    @property
    def num_running(self) -> int:
        """Tasks submitted and not ended."""
        return len(self._running) + len(self._unstarted)

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """Start a task; see `base.Executor.submit`."""
        try:
            worker = self._workers.start(function, task, log_path, self._free_device())
        except (OSError, EOFError) as error:
            reason = f"its process could not start: {str(error) or type(error).__name__}"
            self._unstarted.append(EndEvent(key, Outcome(TrialState.FAILED, 0.0, reason)))
            return
        now = time.monotonic()
        deadline = now + timeout_s if timeout_s is not None else float("inf")
        self._running[key] = _Running(worker, now, deadline, count_memory_kills())

    def poll(self, timeout_s: float) -> list[Event]:
        """What happened; see `base.Executor.poll`."""
        events: list[Event] = [*self._unstarted]
        if self._unstarted:
            self._unstarted.clear()
            timeout_s = 0.0  # the others are read all the same
        now = time.monotonic()
        soonest = min((r.deadline for r in self._running.values()), default=float("inf"))
        timeout_s = max(0.0, min(timeout_s, soonest - now))
        waited: list[Any] = [r.worker.connection for r in self._running.values()]
        waited += [r.worker.process.sentinel for r in self._running.values()]
        ready = set(connection.wait(waited, timeout_s)) if waited else set()
        if not waited:
            time.sleep(timeout_s)
        for key, running in list(self._running.items()):
            worker = running.worker
            told: list[Event] = []
            if worker.connection in ready or worker.process.sentinel in ready:
                told = self._read(key, running)
            if key not in self._running:
                events += told  # it has ended
            elif self._is_too_large(worker):
                running.worker.kill()  # the epoch that it has just told is not heard of
                seconds = time.monotonic() - running.started
                reason = f"needed more than its {self.memory_limit_gb:g} GB of memory"
                events.append(self._end(key, Outcome(TrialState.OUT_OF_MEMORY, seconds, reason)))
            elif told:
                events += told
            elif time.monotonic() >= running.deadline:
                running.worker.kill()
                seconds = time.monotonic() - running.started
                limit = running.deadline - running.started
                reason = f"ran longer than its {limit:.0f} s"
                events.append(self._end(key, Outcome(TrialState.TIMED_OUT, seconds, reason)))
        return events

    def answer(self, key: int, *, stop: bool) -> None:
        """Reply to an EpochEvent; a process that died meanwhile shows in the next poll."""
        running = self._running.get(key)
        if running is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                running.worker.connection.send(stop)

    def cancel(self, key: int) -> None:
        """Stop one task at once; see `base.Executor.cancel`."""
        self._unstarted = [event for event in self._unstarted if event.key != key]
        running = self._running.pop(key, None)
        if running is not None:
            running.worker.kill()
            self._workers.release(running.worker, is_sound=False)

    def close(self) -> None:
        """Stop all tasks at once."""
        self._unstarted.clear()
        for key in list(self._running):
            self.cancel(key)
        self._workers.close()

    def _is_too_large(self, worker: Worker) -> bool:
        """Whether a process takes more memory than it may."""
        limit_gb = self.memory_limit_gb
        return limit_gb is not None and worker.memory() / 1e9 > limit_gb

    def _free_device(self) -> str | None:
        """The GPU that fewest tasks use."""
        used = [running.worker.device for running in self._running.values()]
        return min(self.devices, key=used.count, default=None)

    def _read(self, key: int, running: _Running) -> list[Event]:
        """Take one message, or notice the end of the process."""
        worker = running.worker
        try:
            if worker.connection.poll():
                message = worker.connection.recv()
                if message[0] == "epoch":
                    return [EpochEvent(key, message[1])]
                running.ending = message
        except (EOFError, ConnectionResetError):
            pass
        if running.ending is None:
            if worker.process.is_alive():
                return []
            worker.process.join(KILL_GRACE_S)
        return [self._end(key, self._outcome_of(running))]

    def _outcome_of(self, running: _Running) -> Outcome:
        seconds = time.monotonic() - running.started
        match running.ending:
            case ("done", result, peak):
                return Outcome(TrialState.COMPLETE, seconds, result=result, peak_memory_mb=peak)
            case ("failed", state, reason, error, trace, peak):
                return Outcome(state, seconds, reason, None, error, trace, peak)
        code = running.worker.process.exitcode or 0
        if code == -_SIGKILL and count_memory_kills() > running.num_memory_kills:
            reason = "the kernel ended its process for want of memory"
            return Outcome(TrialState.OUT_OF_MEMORY, seconds, reason)
        if code < 0:
            name = signal.Signals(-code).name
            is_lost = code == -_SIGKILL and self.is_kill_a_loss
            reason = f"its process was ended by {name}"
            return Outcome(TrialState.FAILED, seconds, reason, is_lost=is_lost)
        if code == _LOST_EXIT_CODE:
            _kill_orphan(running.worker.process.pid)
            reason = "the server of the trials' processes was ended"
            return Outcome(TrialState.FAILED, seconds, reason, is_lost=self.is_kill_a_loss)
        return Outcome(TrialState.FAILED, seconds, f"its process ended with exit code {code}")

    def _end(self, key: int, outcome: Outcome) -> EndEvent:
        running = self._running.pop(key)
        self._workers.release(running.worker, is_sound=running.is_worker_sound)
        return EndEvent(key, outcome)


def _kill_orphan(pid: int | None) -> None:
    """End a worker that lives on without its server, and nobody who got its number since."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if any("multiprocessing.forkserver" in word for word in process.cmdline()):
            process.kill()
