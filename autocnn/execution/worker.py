"""The inside of a worker process: run one task's function, report, and say how it ended."""

import importlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from filelock import FileLock

from autocnn.core.errors import AutocnnError
from autocnn.core.records import EpochScore, TrialState
from autocnn.execution.tasks import Task, TrainingTask


def run_task(connection: Connection, function: str, task: Task, log_path: Path) -> None:
    """Call `function(task, report)` and send its end through the connection.

    Messages: ("epoch", EpochScore), answered by a bool; then one of
    ("done", result, peak_mb) and ("failed", state, reason, error or None, traceback, peak_mb).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    _send_output_to(log_path)
    lock = _own_checkpoint(task)

    def report(score: EpochScore) -> bool:
        connection.send(("epoch", score))
        return bool(connection.recv())

    try:
        module, _, name = function.partition(":")
        call: Any = getattr(importlib.import_module(module), name)
        connection.send(("done", call(task, report), _peak_memory_mb()))
    except (EOFError, BrokenPipeError):
        os._exit(1)  # the parent is gone; nobody is left to tell
    except AutocnnError as error:
        message = ("failed", TrialState.FAILED, str(error), error, "", _peak_memory_mb())
        connection.send(message)
    except Exception as error:  # noqa: BLE001 - the one boundary: any failure becomes a state
        connection.send(("failed", *_describe(error), _peak_memory_mb()))
    finally:
        if lock is not None:
            lock.release()


def _end_with_parent() -> None:
    """Die at once when the parent does: its successor may take up the same trial."""
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


def _describe(error: Exception) -> tuple[TrialState, str, None, str]:
    """State, reason in a line, no user error, and traceback."""
    is_memory = isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
    state = TrialState.OUT_OF_MEMORY if is_memory else TrialState.FAILED
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


def _peak_memory_mb() -> float:
    """Largest resident memory of this process; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6, 1)
