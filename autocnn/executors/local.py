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
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from autocnn.executors.base import EndEvent, EpochEvent, Event, Outcome
from autocnn.executors.worker import run_task
from autocnn.records import TrialState
from autocnn.tasks import Task

PRELOAD = ("autocnn.training", "autocnn.judging", "autocnn.executors.worker")

_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "OMP_NUM_THREADS": "1",
    # TensorFlow turns oneDNN on by itself only where it finds AVX512; with AVX2 alone it
    # trains half as fast again (docs/performance.md).
    "TF_ENABLE_ONEDNN_OPTS": "1",
}

_KILL_GRACE_S = 5.0


def start_forkserver() -> None:
    """Begin to import TensorFlow in the server, while this process goes on.

    Its environment is the caller's, with quiet logs unless the user set them.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(PRELOAD))
    with _hidden_main(), _silent_stderr():
        forkserver.ensure_running()


@dataclass
class _Running:
    """A task under way."""

    process: ForkServerProcess
    connection: connection.Connection
    started: float
    deadline: float
    ending: tuple[Any, ...] | None = None


class LocalExecutor:
    """Runs each task in its own process; see `base.Executor`."""

    def __init__(self) -> None:
        start_forkserver()
        self._context = multiprocessing.get_context("forkserver")
        self._running: dict[int, _Running] = {}

    @property
    def num_running(self) -> int:
        """Tasks submitted and not ended."""
        return len(self._running)

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """Start a task; see `base.Executor.submit`."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=run_task, args=(theirs, function, task, log_path), daemon=True
        )
        with _hidden_main():
            process.start()
        theirs.close()
        now = time.monotonic()
        deadline = now + timeout_s if timeout_s is not None else float("inf")
        self._running[key] = _Running(process, ours, now, deadline)

    def poll(self, timeout_s: float) -> list[Event]:
        """What happened; see `base.Executor.poll`."""
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
        return events

    def answer(self, key: int, *, stop: bool) -> None:
        """Reply to an EpochEvent; a process that died meanwhile shows in the next poll."""
        running = self._running.get(key)
        if running is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                running.connection.send(stop)

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
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (often the kernel's, for want of memory)" if name == "SIGKILL" else ""
            return Outcome(TrialState.FAILED, seconds, f"its process was ended by {name}{hint}")
        return Outcome(TrialState.FAILED, seconds, f"its process ended with exit code {code}")

    def _end(self, key: int, outcome: Outcome) -> EndEvent:
        running = self._running.pop(key)
        running.connection.close()
        running.process.close()
        return EndEvent(key, outcome)

    def _kill(self, running: _Running) -> None:
        running.process.kill()
        running.process.join(_KILL_GRACE_S)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Give the server no stderr: TensorFlow greets there; workers write to their logs."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


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
