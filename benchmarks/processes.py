"""Runs whole programs, and watches the memory of all their processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
"""Where `python -m benchmarks.<name>` finds these modules."""

MB = 1e6

QUIET = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}


@dataclass(frozen=True)
class Memory:
    """The memory of one process at one moment, in MB (10^6 bytes).

    Attributes:
        rss: Resident: all pages in its page table, those of files and shared ones too.
        pss: Proportional: a page shared by k processes counts 1/k in each.
        anonymous: Pages that are no file's: what the process itself allocated, or has
            in common with the process that it was forked from.
    """

    rss: float
    pss: float
    anonymous: float


@dataclass(frozen=True)
class Snapshot:
    """The processes of a program at one moment.

    Attributes:
        time: Seconds of `time.time`.
        parent: The process that was started.
        server: autocnn's forkserver, or None.
        workers: The processes forked from it.
    """

    time: float
    parent: Memory
    server: Memory | None
    workers: tuple[Memory, ...]

    @property
    def total_pss(self) -> float:
        """Memory of the whole program, every page counted once."""
        total = self.parent.pss + sum(worker.pss for worker in self.workers)
        return total + self.server.pss if self.server else total


@dataclass(frozen=True)
class ProgramRun:
    """A program that has ended.

    Attributes:
        started: `time.time` of its start.
        seconds: From its start to its end.
        output: What it wrote to stdout.
        snapshots: Its memory over time, where that was watched.
    """

    started: float
    seconds: float
    output: str
    snapshots: tuple[Snapshot, ...]


def autocnn_command(*arguments: str) -> list[str]:
    """The command line of `autocnn ...` as a user starts it."""
    script = Path(sys.executable).with_name("autocnn")
    start = [str(script)] if script.exists() else [sys.executable, "-m", "autocnn"]
    return [*start, *arguments]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line of `python -m benchmarks.<module> ...`."""
    return [sys.executable, "-m", f"benchmarks.{module}", *arguments]


def quiet_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with TensorFlow's greetings off."""
    return {**os.environ, **QUIET, **(extra or {})}


def run_program(command: Sequence[str], *, watch_every_s: float | None = None) -> ProgramRun:
    """Run a program to its end.

    Args:
        command: Its command line.
        watch_every_s: Look at the memory of its processes that often; None: never.

    Raises:
        RuntimeError: When it fails; the message ends with what it wrote to stderr.
    """
    started, clock = time.time(), time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=quiet_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watcher = _Watcher(process.pid, watch_every_s) if watch_every_s else None
    output, errors = process.communicate()
    seconds = time.perf_counter() - clock
    snapshots = watcher.stop() if watcher else ()
    if process.returncode != 0:
        last_lines = "\n".join(errors.strip().splitlines()[-20:])
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{last_lines}")
    return ProgramRun(started, seconds, output, snapshots)


class _Watcher:
    """A thread that takes snapshots of a program until it is stopped."""

    def __init__(self, pid: int, every_s: float) -> None:
        self.pid = pid
        self.every_s = every_s
        self.snapshots: list[Snapshot] = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def stop(self) -> tuple[Snapshot, ...]:
        self.is_over.set()
        self.thread.join()
        return tuple(self.snapshots)

    def _watch(self) -> None:
        while not self.is_over.wait(self.every_s):
            snapshot = _look_at(self.pid)
            if snapshot is not None:
                self.snapshots.append(snapshot)


def _look_at(pid: int) -> Snapshot | None:
    """The memory of a program's processes; None when it is just ending."""
    now = time.time()
    try:
        process = psutil.Process(pid)
        parent = read_memory(pid)
        server = next((c for c in process.children() if _is_forkserver(c)), None)
        server_memory = read_memory(server.pid) if server else None
        workers = tuple(_memories(server)) if server else ()
    except (psutil.Error, OSError):
        return None
    return Snapshot(now, parent, server_memory, workers)


def _memories(server: psutil.Process) -> Iterator[Memory]:
    for worker in server.children():
        try:
            yield read_memory(worker.pid)
        except (psutil.Error, OSError):
            continue  # it ended between the two looks


def _is_forkserver(process: psutil.Process) -> bool:
    return any("multiprocessing.forkserver" in argument for argument in process.cmdline())


def read_memory(pid: int) -> Memory:
    """The memory of a process now.

    From /proc/<pid>/smaps_rollup; where there is none (macOS, Windows) all three numbers
    are the resident memory.

    Raises:
        OSError, psutil.Error: When the process has ended.
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    if not rollup.exists():
        rss = psutil.Process(pid).memory_info().rss / MB
        return Memory(rss, rss, rss)
    amounts = {}
    for line in rollup.read_text("ascii").splitlines()[1:]:
        name, amount, _ = line.split()
        amounts[name] = int(amount) * 1024 / MB
    if not amounts:  # a process that has ended and was not yet waited for
        raise ProcessLookupError(f"process {pid} has ended")
    return Memory(amounts["Rss:"], amounts["Pss:"], amounts["Anonymous:"])
