"""Only one process writes a study: who it is, whether it lives, and how it is followed.

    .lock         locked by the operating system while the owner lives
    .owner.json   host, process, start of the process

The system's lock ends with its process, however it ends. The owner is written beside it
for three cases that the lock cannot distinguish: who holds it; a dead owner, whose study
is taken over with a note; and an owner on another host, since network file systems may not
carry locks from host to host.
"""

import contextlib
import datetime
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import psutil
from filelock import FileLock, Timeout
from pydantic import Field, TypeAdapter

from autocnn.core.atomic import replace_file
from autocnn.core.errors import StudyError, StudyLockedError, Text

SAME_START_S = 1.0
"""Two processes with one number are the same when they started within this time."""

DYING_S = 2.0
"""A process that was just killed may hold its lock for so long."""


@dataclass(frozen=True)
class Owner:
    """A process that writes a study.

    Attributes:
        host: Name of its machine.
        process: Its number there.
        started: When it started, seconds since 1970; another number once the clock was set.
        boot: Which start of its machine that was in; empty where the system does not say.
        ticks: When it started, since that.
    """

    host: str
    process: Annotated[int, Field(gt=0)]
    started: float
    boot: str = ""
    ticks: int = 0

    @classmethod
    def this(cls) -> "Owner":
        """The process that asks."""
        process = psutil.Process()
        since_boot = _started_since_boot(process.pid)
        return cls(socket.gethostname(), process.pid, process.create_time(), *since_boot)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs on this host; another process may have its number by now."""
        try:
            started = psutil.Process(self.process).create_time()
        except psutil.Error:
            return False
        boot, ticks = _started_since_boot(self.process)
        if boot and self.boot:
            return (boot, ticks) == (self.boot, self.ticks)
        return abs(started - self.started) < SAME_START_S

    def __str__(self) -> str:
        started = datetime.datetime.fromtimestamp(self.started)
        return f"process {self.process} on {self.host}, started {started:%Y-%m-%d %H:%M:%S}"


def _started_since_boot(process: int) -> tuple[str, int]:
    """Which start of this machine a process belongs to, and its own; nothing but on Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        facts = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
        return boot, int(facts.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return "", 0


class StudyLock:
    """The lock of one study folder.

    Args:
        folder: The study's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / ".lock")

    def acquire(self, *, force: bool = False, is_noted: bool = True) -> Owner | None:
        """Become the only writer, until `release` or the end of the process.

        Args:
            force: Take the study from an owner on another host.
            is_noted: Whether the owner is written down, for other hosts; a full disk has no space
                for that.

        Returns:
            The owner before, who died without letting go, or None.

        Raises:
            StudyLockedError: When another process holds it, or may hold it on another host.
        """
        try:
            self._lock.acquire(timeout=DYING_S)
        except Timeout as error:
            raise self._held(self._owner()) from error
        owner, me = self._owner(), Owner.this()
        if owner is not None and owner.host != me.host and not force:
            self._lock.release()
            raise self._foreign(owner)
        if owner is not None and owner.host == me.host and owner != me and owner.is_alive:
            self._lock.release()
            raise self._held(owner)
        try:
            if is_noted:
                replace_file(self._owner_path, json.dumps(asdict(me)).encode())
        except StudyError:
            self._lock.release()
            raise
        return owner if owner != me else None

    def check_here(self) -> None:
        """See that the last owner is no process on another host that may still write.

        Raises:
            StudyLockedError: When it may be.
        """
        owner = self._owner()
        if owner is not None and owner.host != socket.gethostname():
            raise self._foreign(owner)

    def holder(self) -> Owner | None:
        """Who writes the study now, as far as it can be seen from this machine."""
        owner = self._owner()
        if owner is None or owner.host != socket.gethostname():
            return None
        return owner if owner.is_alive else None

    def release(self) -> None:
        """Let others write."""
        # In this order: who opened the files meanwhile sees that they are gone.
        self._owner_path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Windows deletes no open file; the lock does it there
            (self.folder / ".lock").unlink(missing_ok=True)
        self._lock.release()

    @property
    def _owner_path(self) -> Path:
        return self.folder / ".owner.json"

    def _owner(self) -> Owner | None:
        try:
            return TypeAdapter(Owner).validate_json(self._owner_path.read_bytes(), strict=True)
        except (OSError, ValueError):
            return None

    def _foreign(self, owner: Owner) -> StudyLockedError:
        return StudyLockedError(
            f"{self.folder}: only one process may write a study; {owner} last did and did not say "
            "that it ended.",
            remedy=Text("If that process is gone, ask again with {force_unlock:True}."),
        )

    def _held(self, owner: Owner | None) -> StudyLockedError:
        who = str(owner) if owner else "another process"
        kill = ""
        if owner and owner.host != socket.gethostname():
            kill = ", or stop it there"
        elif owner and owner.process != os.getpid():
            kill = f", or stop it: kill {owner.process}"
        return StudyLockedError(
            f"{self.folder}: only one process may write a study; {who} does.",
            remedy=f"Wait for it{kill}.",
        )
