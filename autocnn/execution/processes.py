"""Where the workers' processes come from: forked anew for each task, or kept warm.

A fresh interpreter imports TensorFlow for 13-19 s. A child of the forkserver starts in a second, so
there each task gets a process of its own. Where there is no forkserver (Windows), processes are
spawned once and take task after task; they are replaced after a crash, a timeout, some tasks, or
when they hold more and more memory.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil

from autocnn.core.errors import ConfigError
from autocnn.core.quiet import silent_stderr
from autocnn.execution.tasks import Task
from autocnn.execution.worker import run_task, serve

START_VARIABLE = "AUTOCNN_START"
"""Environment variable that chooses how processes start, by hand."""

Start = Literal["forkserver", "spawn"]

Setting = tuple[int, bool, str | None]
"""Threads, whether results must be reproducible, GPU."""

MOST_TASKS = 20
"""A warm worker is replaced after so many: what leaks a little would leak for ever."""

GROWTH_ALLOWED = 2.0
"""Or when it holds so many times the memory at rest that it held after its first task."""

KILL_GRACE_S = 5.0

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


@dataclass
class Worker:
    """A process, and the way to it.

    Attributes:
        process: The process.
        connection: To it.
        device: The GPU that it may use; None: all there are, or none.
        setting: What cannot be changed in a process once TensorFlow has begun.
        num_tasks: That it was given.
        resting_memory: Bytes that it held after its first task; 0 before.
    """

    process: BaseProcess
    connection: connection.Connection
    device: str | None = None
    setting: Setting | None = None
    num_tasks: int = 0
    resting_memory: int = 0

    def memory(self) -> int:
        """Bytes that are its own: mapped images are the page cache's."""
        try:
            memory = psutil.Process(self.process.pid).memory_info()
        except psutil.Error:
            return 0
        return int(memory.rss - getattr(memory, "shared", 0))

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.join(KILL_GRACE_S)

    def close(self) -> None:
        """Let go of it; it has ended, or does so as soon as its system lets it."""
        self.connection.close()
        with contextlib.suppress(ValueError):  # it was killed, and is there still
            self.process.close()


class Workers(Protocol):
    """Gives a process to each task, and takes it back."""

    def start(self, function: str, task: Task, log_path: Path, device: str | None) -> Worker:
        """Begin a task on a GPU, or on none.

        Raises:
            OSError, EOFError: When there is no process to be had.
        """
        ...

    def release(self, worker: Worker, *, is_sound: bool) -> None:
        """Take a worker back whose task has ended; one that is not sound is of no more use."""
        ...

    def close(self) -> None:
        """End those that wait."""
        ...


def choose_start(*, is_dear: bool = False) -> Start:
    """How processes start here: as `AUTOCNN_START` says, else from a forkserver, else spawned.

    Args:
        is_dear: Whether a start takes long after the import, as on a GPU: then they are spawned.

    Raises:
        ConfigError: When the variable says something else, or what this system lacks.
    """
    able = [name for name in ("forkserver", "spawn") if _has(name)]
    wanted = os.environ.get(START_VARIABLE) or able[-1 if is_dear else 0]
    if wanted not in able:
        raise ConfigError(f"{START_VARIABLE} must be {' or '.join(able)}, got {wanted!r}.")
    return "forkserver" if wanted == "forkserver" else "spawn"


def _has(start: str) -> bool:
    return start in multiprocessing.get_all_start_methods()


def make_workers(preload: Sequence[str], *, is_dear: bool) -> Workers:
    """The source of processes that fits this system; it begins to import TensorFlow.

    Args:
        preload: Modules to import.
        is_dear: As for `choose_start`.
    """
    is_forked = choose_start(is_dear=is_dear) == "forkserver"
    return ForkedWorkers(preload) if is_forked else WarmWorkers(preload)


class ForkedWorkers:
    """A process for each task, forked from a server.

    Args:
        preload: Modules that the server imports once for all processes.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        _run_server()

    def start(self, function: str, task: Task, log_path: Path, device: str | None) -> Worker:
        """Begin a task; see `Workers.start`."""
        _run_server()  # again, if it was ended
        worker = _start_worker(self._context, run_task, (function, task, log_path, device))
        worker.device, worker.num_tasks = device, 1
        return worker

    def release(self, worker: Worker, *, is_sound: bool) -> None:
        """Wait for its end; see `Workers.release`."""
        if is_sound:
            worker.process.join(KILL_GRACE_S)
        if worker.process.is_alive():
            worker.kill()
        worker.close()

    def close(self) -> None:
        """Nothing waits: the server serves other executors too."""


def _run_server() -> None:
    from multiprocessing import forkserver  # not on every system

    with worker_environment(), _hidden_main(), silent_stderr(), _without_interrupts():
        forkserver.ensure_running()


class WarmWorkers:
    """Processes that take task after task.

    Args:
        preload: Modules that each imports at its start.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._preload = tuple(preload)
        self._idle: list[Worker] = []
        with contextlib.suppress(OSError):  # to be told of the task that needs it
            self._idle.append(self._spawn())  # it imports while the caller reads its data

    def start(self, function: str, task: Task, log_path: Path, device: str | None) -> Worker:
        """Begin a task; see `Workers.start`."""
        is_deterministic = getattr(task, "deterministic", False)
        setting = getattr(task, "threads", 1), is_deterministic, device
        worker = self._take(setting)
        worker.setting, worker.device = setting, device
        worker.num_tasks += 1
        try:
            worker.connection.send((function, task, log_path, device))
        except (BrokenPipeError, ConnectionResetError) as error:
            self._end(worker)
            raise EOFError("it ended before its task began") from error
        return worker

    def release(self, worker: Worker, *, is_sound: bool) -> None:
        """Keep it for the next task, unless it is worn; see `Workers.release`."""
        memory = worker.memory()
        worker.resting_memory = worker.resting_memory or memory
        is_worn = worker.num_tasks >= MOST_TASKS or memory > GROWTH_ALLOWED * worker.resting_memory
        if is_sound and worker.process.is_alive() and not is_worn:
            self._idle.append(worker)
        else:
            self._end(worker)

    def close(self) -> None:
        """End those that wait; see `Workers.close`."""
        while self._idle:
            self._end(self._idle.pop())

    def _take(self, setting: Setting) -> Worker:
        """One that waits and can do it; else a new one, in the place of one that waits in vain."""
        self._idle, dead = (
            [worker for worker in self._idle if worker.process.is_alive() is is_alive]
            for is_alive in (True, False)
        )
        for worker in dead:
            self._end(worker)
        for worker in self._idle:
            if worker.setting in (None, setting):
                self._idle.remove(worker)
                return worker
        if self._idle:
            self._end(self._idle.pop(0))
        return self._spawn()

    def _spawn(self) -> Worker:
        return _start_worker(self._context, serve, (self._preload,))

    @staticmethod
    def _end(worker: Worker) -> None:
        if worker.process.is_alive():
            worker.kill()
        worker.close()


def _start_worker(context: Any, target: Callable[..., None], arguments: tuple[Any, ...]) -> Worker:
    """Start a process with its end of a connection and further arguments.

    Raises:
        OSError, EOFError: When it cannot start.
    """
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    # A worker that is forked has this from its server; to wait for the server takes long.
    is_spawned = context.get_start_method() == "spawn"
    protection = _without_interrupts() if is_spawned else contextlib.nullcontext()
    try:
        with worker_environment(), _hidden_main(), protection:
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Worker(process, ours)


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


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Inside, processes are started that Ctrl-C does not end: a terminal sends it to all of them.

    They ignore it by themselves, but not before they have imported what they need. One that ended
    then would take the trial with it that it was to begin.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # which lets it through again when it starts its process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
