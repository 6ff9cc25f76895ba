"""One case after another, and what must not happen in any.

A case ends well, or in an error of autocnn's, within `MOST_S` and `MOST_GB`. It runs no code of the
file, starts nothing, asks nobody, and writes nothing outside of its folder.
"""

import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from autocnn.core.errors import AutocnnError
from tests.fuzz.mutation import mutate
from tests.fuzz.targets import TARGETS

MOST_S = 2

MOST_GB = 1.0

CORPUS = Path(__file__).parent / "corpus"

FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect")

SPLICED = 0.1
"""Share of cases that begin with the middle of another file."""


class Forbidden(BaseException):
    """What no file may bring about; not an Exception, which somebody might catch."""


class TooSlow(BaseException):
    """A case that takes too long."""


@dataclass
class Guard:
    """Hears of everything that Python does; see `sys.addaudithook`.

    Attributes:
        folder: Where a case may write; None: nothing is watched.
        seen: What was done that is forbidden.
    """

    folder: str | None = None
    seen: list[str] = field(default_factory=list)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An event."""
        if self.folder is None:
            return
        if event in FORBIDDEN or event == "pickle.find_class":
            self._note(f"{event} {arguments!r}")
        elif event == "open":
            path, mode, flags = arguments
            is_written = bool(set(mode or "") & set("wax+")) or bool(
                (flags or 0) & (os.O_WRONLY | os.O_RDWR)
            )
            is_path = isinstance(path, str | bytes)
            if is_written and is_path and not self._may_write(os.fsdecode(path)):
                self._note(f"open {path!r} {mode} {flags}")

    def _may_write(self, path: str) -> bool:
        is_compiled = path.endswith(".pyc") or ".pyc." in path
        return path.startswith(str(self.folder)) or is_compiled or path == os.devnull

    def _note(self, what: str) -> None:
        self.seen.append(what)
        raise Forbidden(what)


GUARD = Guard()


def find_fault(target: str, content: bytes) -> str | None:
    """What a case did that it must not; None: it was opened, or refused in words."""
    folder = Path(tempfile.mkdtemp(prefix="autocnn-fuzz-"))
    GUARD.seen.clear()
    try:
        with _limits():
            GUARD.folder = str(folder)
            try:
                TARGETS[target].open(content, folder)
            finally:
                GUARD.folder = None
    except AutocnnError as error:
        return None if str(error).strip() else "an error without words"
    except (Exception, Forbidden, TooSlow) as error:  # noqa: BLE001 - all that may not be
        return f"{type(error).__name__}: {str(error).replace(str(folder), '')[:200]}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return f"did {GUARD.seen[0]}" if GUARD.seen else None


@contextmanager
def _limits() -> Iterator[None]:
    """A case that takes too long, or too much memory, ends in an error."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"took longer than {MOST_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.alarm(0)
    profiler = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, MOST_S)  # its own time: others use this machine too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, profiler)
        signal.signal(signal.SIGALRM, before)


def limit_memory() -> None:
    """From now on this process gets no more than a GB beside what it has."""
    with Path("/proc/self/statm").open() as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    most = used + int(MOST_GB * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def watch() -> None:
    """Hear of all that Python does from now on; a hook stays until the process ends."""
    sys.addaudithook(GUARD.hear)


def draw(target: str, number: int) -> bytes:
    """The case of that number: always the same."""
    rng = random.Random(f"{target} {number}")
    seeds = [*TARGETS[target].seeds(), *kept(target)]
    content = rng.choice(seeds)
    if rng.random() < SPLICED:
        other = rng.choice(seeds)
        content = content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other)) :]
    return mutate(content, rng, TARGETS[target].tokens)


def kept(target: str) -> list[bytes]:
    """Cases that once were a fault."""
    return [path.read_bytes() for path in sorted(CORPUS.glob(f"{target}-*"))]


def keep(target: str, content: bytes) -> None:
    """Write a case into the corpus."""
    digest = hashlib.sha256(content).hexdigest()[:8]
    (CORPUS / f"{target}-{digest}.bin").write_bytes(content)


def kind_of(fault: str) -> str:
    """The same for faults that differ in numbers, or only towards their end.

    >>> kind_of("IndexError: 12 of 7") == kind_of("IndexError: 3 of 1")
    True
    """
    return "".join(letter for letter in fault[:60] if not letter.isdigit())


def run(target: str, first: int, last: int) -> Counter[str]:
    """Some cases; each kind of fault, with how many there were. New ones are printed."""
    faults: Counter[str] = Counter()
    for number in range(first, last):
        content = draw(target, number)
        fault = find_fault(target, content)
        if fault is not None:
            kind = kind_of(fault)
            if kind not in faults:
                print(f"{target} {number}: {fault}", flush=True)
            faults[kind] += 1
    return faults
