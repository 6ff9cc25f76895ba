"""Tasks as processes of this machine, forked from a server that has TensorFlow loaded.

A fresh interpreter would import TensorFlow for 13-19 s per trial; a child of the
forkserver starts in about a second (docs/performance.md). The parent never imports it.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil

from autocnn.core.quiet import silent_stderr
from autocnn.core.records import TrialState
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.machine import count_memory_kills
from autocnn.execution.tasks import Task
from autocnn.execution.worker import run_task

PRELOAD = (
    "autocnn.training.lean_keras",  # before any other imports Keras
    "autocnn.training.train",
    "autocnn.training.candidate",
    "autocnn.training.probe",
    "autocnn.execution.worker",
)

_FORCED = {"KERAS_BACKEND": "tensorflow"}
"""What workers need, whatever the user has set for programs of their own."""

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "OMP_NUM_THREADS": "1",
    # TensorFlow turns oneDNN on by itself only where it finds AVX512; with AVX2 alone it
    # trains half as fast again (docs/performance.md).
    "TF_ENABLE_ONEDNN_OPTS": "1",
}

_KILL_GRACE_S = 5.0

_LOST_EXIT_CODE = 255
"""What multiprocessing says of a child whose forkserver died."""


def start_forkserver(preload: Sequence[str] = PRELOAD) -> None:
    """Begin to import TensorFlow in the server, while this process goes on.

    Its environment is the caller's, with quiet logs unless the user set them.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(preload))
    with worker_environment(), _hidden_main(), silent_stderr():
        forkserver.ensure_running()


@contextlib.contextmanager
def worker_environment() -> Iterator[None]:
    """Inside, the environment is that of the workers; afterwards it is the caller's again.

    Whatever the caller's program starts or imports later must not find one thread, or another
    backend than its own.
    """
    changed = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    changed |= _FORCED
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass
class _Running:
    """A task under way."""

    process: ForkServerProcess
    connection: connection.Connection
    started: float
    deadline: float
    num_memory_kills: int
    ending: tuple[Any, ...] | None = None


class LocalExecutor:
    """Runs each task in its own process; see `base.Executor`.

    Args:
        memory_limit_gb: Memory of one process above which it is ended, GB; None: no limit.
        preload: Modules that the server imports once for all processes.
    """

    def __init__(
        self, *, memory_limit_gb: float | None = None, preload: Sequence[str] = PRELOAD
    ) -> None:
        start_forkserver(preload)
        self.memory_limit_gb = memory_limit_gb
        self._context = multiprocessing.get_context("forkserver")
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
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=run_task, args=(theirs, function, task, log_path), daemon=True
        )
        try:
            with worker_environment(), _hidden_main():
                with silent_stderr():
                    forkserver.ensure_running()  # again, if it was ended
                process.start()
        except (OSError, EOFError) as error:
            ours.close()
            reason = f"its process could not start: {str(error) or type(error).__name__}"
            self._unstarted.append(EndEvent(key, Outcome(TrialState.FAILED, 0.0, reason)))
            return
        finally:
            theirs.close()
        now = time.monotonic()
        deadline = now + timeout_s if timeout_s is not None else float("inf")
        self._running[key] = _Running(process, ours, now, deadline, count_memory_kills())

    def poll(self, timeout_s: float) -> list[Event]:
        """What happened; see `base.Executor.poll`."""
        if self._unstarted:
            unstarted, self._unstarted = self._unstarted, []
            return list(unstarted)
        now = time.monotonic()
        soonest = min((r.deadline for r in self._running.values()), default=float("inf"))
        timeout_s = max(0.0, min(timeout_s, soonest - now))
        waited: list[Any] = [r.connection for r in self._running.values()]
        waited += [r.process.sentinel for r in self._running.values()]
        ready = set(connection.wait(waited, timeout_s)) if waited else set()
        if not waited:
            time.sleep(timeout_s)
        events: list[Event] = []
        for key, running in list(self._running.items()):
            if running.connection in ready or running.process.sentinel in ready:
                events += self._read(key, running)
            elif time.monotonic() >= running.deadline:
                self._kill(running)
                seconds = time.monotonic() - running.started
                limit = running.deadline - running.started
                reason = f"ran longer than its {limit:.0f} s"
                events.append(self._end(key, Outcome(TrialState.TIMED_OUT, seconds, reason)))
            elif self._memory_gb(running) > (self.memory_limit_gb or float("inf")):
                self._kill(running)
                seconds = time.monotonic() - running.started
                reason = f"needed more than its {self.memory_limit_gb:g} GB of memory"
                events.append(self._end(key, Outcome(TrialState.OUT_OF_MEMORY, seconds, reason)))
        return events

    def answer(self, key: int, *, stop: bool) -> None:
        """Reply to an EpochEvent; a process that died meanwhile shows in the next poll."""
        running = self._running.get(key)
        if running is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                running.connection.send(stop)

    def cancel(self, key: int) -> None:
        """Stop one task at once; see `base.Executor.cancel`."""
        running = self._running.pop(key, None)
        if running is not None:
            self._kill(running)
            running.connection.close()
            running.process.close()

    def close(self) -> None:
        """Stop all tasks at once."""
        for running in self._running.values():
            self._kill(running)
            running.connection.close()
        self._running.clear()

    def _read(self, key: int, running: _Running) -> list[Event]:
        """Take one message, or notice the end of the process."""
        try:
            if running.connection.poll():
                message = running.connection.recv()
                if message[0] == "epoch":
                    return [EpochEvent(key, message[1])]
                running.ending = message
        except (EOFError, ConnectionResetError):
            pass
        if running.ending is None and running.process.is_alive():
            return []
        running.process.join(_KILL_GRACE_S)
        if running.process.is_alive():
            self._kill(running)
        return [self._end(key, self._outcome_of(running))]

    def _outcome_of(self, running: _Running) -> Outcome:
        seconds = time.monotonic() - running.started
        match running.ending:
            case ("done", result, peak):
                return Outcome(TrialState.COMPLETE, seconds, result=result, peak_memory_mb=peak)
            case ("failed", state, reason, error, trace, peak):
                return Outcome(state, seconds, reason, None, error, trace, peak)
        code = running.process.exitcode or 0
        if code == -signal.SIGKILL and count_memory_kills() > running.num_memory_kills:
            reason = "the kernel ended its process for want of memory"
            return Outcome(TrialState.OUT_OF_MEMORY, seconds, reason)
        if code < 0:
            name = signal.Signals(-code).name
            return Outcome(TrialState.FAILED, seconds, f"its process was ended by {name}")
        if code == _LOST_EXIT_CODE:
            _kill_orphan(running.process.pid)
            reason = "the server of the trials' processes was ended"
            return Outcome(TrialState.FAILED, seconds, reason)
        return Outcome(TrialState.FAILED, seconds, f"its process ended with exit code {code}")

    def _end(self, key: int, outcome: Outcome) -> EndEvent:
        running = self._running.pop(key)
        running.connection.close()
        running.process.close()
        return EndEvent(key, outcome)

    def _memory_gb(self, running: _Running) -> float:
        """Memory of a process that is its own: mapped images are the page cache's."""
        try:
            memory = psutil.Process(running.process.pid).memory_info()
        except psutil.Error:
            return 0.0
        return float(memory.rss - getattr(memory, "shared", 0)) / 1e9

    def _kill(self, running: _Running) -> None:
        running.process.kill()
        running.process.join(_KILL_GRACE_S)


def _kill_orphan(pid: int | None) -> None:
    """End a worker that lives on without its server, and nobody who got its number since."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if any("multiprocessing.forkserver" in word for word in process.cmdline()):
            process.kill()


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep workers from importing the caller's script again.

    multiprocessing does so for functions that live there; ours never do, and a script
    without `if __name__ == "__main__"` would start itself over.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
