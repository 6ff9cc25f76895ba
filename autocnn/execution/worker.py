"""The inside of a worker process: run a task's function, report, and say how it ended."""

import contextlib
import gc
import importlib
import multiprocessing
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from autocnn.core.errors import AutocnnError
from autocnn.core.records import EpochScore, TrialState
from autocnn.execution.machine import is_out_of_memory
from autocnn.execution.tasks import Task, TrainingTask


def run_task(
    connection: Connection, function: str, task: Task, log_path: Path, device: str | None
) -> None:
    """Call `function(task, report)` and send its end through the connection.

    Messages: ("epoch", EpochScore), answered by a bool; then one of
    ("done", result, peak_mb) and ("failed", state, reason, error or None, traceback, peak_mb).
    """
    _belong_to_parent()
    _see_only(device)
    connection.send(_run(connection, function, task, log_path))


def serve(connection: Connection, preload: Sequence[str]) -> None:
    """Import some modules, then run task after task until the parent is gone.

    A task is (function, task, log_path, device); its messages are those of `run_task`.
    """
    _belong_to_parent()
    _send_output_to(Path(os.devnull))
    receive: Callable[[], Any] = _received_now(connection).result
    for name in preload:
        importlib.import_module(name)
    while True:
        try:
            function, task, log_path, device = receive()
        except (EOFError, ConnectionResetError):
            return
        receive = connection.recv
        _forget_peak_memory()
        _see_only(device)
        message = _run(connection, function, task, log_path)
        del task
        _forget_networks()
        # Before the parent hears of the end: Windows deletes no file that a process holds open.
        _send_output_to(Path(os.devnull))
        connection.send(message)


def _received_now(connection: Connection) -> Future[Any]:
    """The next message, received while this process does something else.

    A large one fits in no buffer: who sends it waits until somebody receives it.
    """
    message: Future[Any] = Future()

    def receive() -> None:
        try:
            message.set_result(connection.recv())
        except BaseException as error:  # noqa: BLE001 - raised again where it is asked for
            message.set_exception(error)

    threading.Thread(target=receive, daemon=True).start()
    return message


def _run(connection: Connection, function: str, task: Task, log_path: Path) -> tuple[object, ...]:
    """Run a task; the message that says how it ended."""
    _send_output_to(log_path)
    lock = _own_checkpoint(task)

    def report(score: EpochScore) -> bool:
        try:
            connection.send(("epoch", score))
            return bool(connection.recv())
        except (EOFError, ConnectionError):
            os._exit(1)  # the parent is gone; nobody is left to tell

    try:
        module, _, name = function.partition(":")
        call: Any = getattr(importlib.import_module(module), name)
        return "done", call(task, report), _peak_memory_mb()
    except AutocnnError as error:
        return "failed", TrialState.FAILED, str(error), error, "", _peak_memory_mb()
    except Exception as error:  # noqa: BLE001 - the one boundary: any failure becomes a state
        return "failed", *_describe(error), _peak_memory_mb()
    finally:
        if lock is not None:
            lock.release()


def _belong_to_parent() -> None:
    """Leave Ctrl-C to the parent; die when it does, as its successor may take up the trial."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _own_checkpoint(task: Task) -> FileLock | None:
    """Wait until no dying process of an earlier session can write the checkpoint any more."""
    if not isinstance(task, TrainingTask):
        return None
    lock = FileLock(task.checkpoint_path.with_name(".lock"))
    lock.acquire()
    return lock


def _see_only(device: str | None) -> None:
    """Show TensorFlow one GPU alone; before it has looked for any."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device


def _describe(error: Exception) -> tuple[TrialState, str, None, str]:
    """State, reason in a line, no user error, and traceback."""
    state = TrialState.OUT_OF_MEMORY if is_out_of_memory(error) else TrialState.FAILED
    first_line = next(iter(str(error).strip().splitlines()), "")
    reason = f"{type(error).__name__}: {first_line}"[:300]
    return state, reason, None, "".join(traceback.format_exception(error))


def _send_output_to(log_path: Path) -> None:
    """Let everything that this process prints, native libraries included, go to a file."""
    file = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _forget_networks() -> None:
    """Leave nothing of a task to the next one: networks, names of layers, memory."""
    keras = sys.modules.get("keras")
    if keras is not None:
        keras.utils.clear_session()
    gc.collect()


def _forget_peak_memory() -> None:
    """Let the peak be that of the next task, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def _peak_memory_mb() -> float:
    """Largest resident memory of this process, and not of the one that started it.

    On Linux `ru_maxrss` of a process that was spawned begins with the peak of its parent.
    """
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text("ascii")
        if peak := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
            return round(int(peak[1]) * 1024 / 1e6, 1)
    try:
        import resource
    except ImportError:  # Windows
        memory = psutil.Process().memory_info()
        return round(float(getattr(memory, "peak_wset", memory.rss)) / 1e6, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)  # macOS: bytes
