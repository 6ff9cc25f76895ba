"""A disk in memory, below `os` and `open`, that fills up, tears files and loses power.

Within `Disk.mounted` everything under `ROOT` is on the disk, whoever asks for it: pathlib, zipfile
and shutil too. What storage writes, and in which order, so passes through as it is, and no line of
autocnn knows of it.

Each call that changes something is a *write*, counted from 1. At one of them the disk may be full,
the process may die, or the power may be cut. After a power cut remains of a file's content what was
synced, or any beginning of what was written since; of the names in a folder what was synced, with
any number of the changes since, in their order. In a strict disk (POSIX promises no more) these
changes are lost in each folder for itself, a folder's own name among those of its parent; in an
ordered one (ext4, XFS) any sync makes all earlier changes of names last.
"""

import builtins
import contextlib
import errno
import fcntl
import functools
import io
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from numpy.lib import _format_impl

ROOT = "/simulated"

FIRST_DESCRIPTOR = 1_000_000

DEVICE = 77

FREE_BYTES = 10**12

FLAGS = {
    "r": os.O_RDONLY,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
}
"""Of each mode in which a file is opened."""


class Died(BaseException):
    """The process is gone: every further call ends so too, until the disk is booted."""


@dataclass(eq=False)
class File:
    """A file: what is in it, and what of it outlasts a power cut."""

    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    is_dirty: bool = False
    names: ClassVar[dict[str, "File | Folder"]] = {}
    mode: int = stat.S_IFREG | 0o644
    time: int = 0


@dataclass(eq=False)
class Folder:
    """A folder: names, those that outlast a power cut, and what was changed since, and when."""

    names: "Names" = field(default_factory=dict)
    synced: "Names" = field(default_factory=dict)
    changes: "list[tuple[int, Change]]" = field(default_factory=list)
    mode: int = stat.S_IFDIR | 0o755
    time: int = 0

    def sync(self, before: float = float("inf")) -> None:
        """Make the changes last, or only those before some time; the others are gone."""
        for time, change in self.changes:
            if time < before:
                _apply(self.synced, change)
        self.changes.clear()


Names = dict[str, File | Folder]

Change = tuple[tuple[str, File | Folder | None], ...]


def _apply(names: Names, change: Change) -> None:
    for name, node in change:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


@dataclass(frozen=True)
class Fault:
    """What happens at one write, or at one call of any kind.

    Attributes:
        at: Its number, from 1.
        kind: `error`, `torn` (some of the content is written, then the process dies), `kill` or
            `power`.
        code: Of the error.
        is_lasting: Whether all further ones fail too, until the disk is booted.
        counts_reads: Whether calls that only read are counted too.
    """

    at: int
    kind: str
    code: int = errno.ENOSPC
    is_lasting: bool = False
    counts_reads: bool = False


@dataclass
class Disk:
    """See the module.

    Attributes:
        rng: Draws what a power cut leaves.
        is_strict: Whether only what POSIX promises outlasts a power cut.
        fault: The next one.
        num_writes, num_calls: Calls so far that change something, and of any kind.
        is_dead: Whether the process died.
        on_replaced: Called with the path and the content of a file that a rename has put in place.
        log: Calls with their paths, where a list is given.
    """

    rng: random.Random = field(default_factory=lambda: random.Random(0))
    is_strict: bool = True
    fault: Fault | None = None
    num_writes: int = 0
    num_calls: int = 0
    is_dead: bool = False
    on_replaced: Callable[[str, bytes], None] | None = None
    log: list[tuple[str, str]] | None = None
    root: Folder = field(default_factory=Folder)
    boot_number: int = 0
    _open: dict[int, "Handle | str"] = field(default_factory=dict)
    _next_descriptor: int = FIRST_DESCRIPTOR
    _time: int = 10**9
    _changed: list[Folder] = field(default_factory=list)
    _found: dict[str, Folder] = field(default_factory=dict)

    # -- faults -----------------------------------------------------------------------------

    def call(self, name: str, path: str, *, writes: bool = False) -> bool:
        """Count a call; whether it is to be torn.

        Raises:
            OSError: When it fails.
            Died: When the process dies, or is dead.
        """
        if self.is_dead:
            raise Died
        self.num_calls += 1
        self.num_writes += writes
        if self.log is not None:
            self.log.append((name, path))
        fault = self.fault
        if fault is None or not (writes or fault.counts_reads):
            return False
        number = self.num_calls if fault.counts_reads else self.num_writes
        if number < fault.at or (number > fault.at and not fault.is_lasting):
            return False
        if fault.kind == "error":
            if fault.code == errno.ENOSPC and name in ("unlink", "rmdir", "chmod", "truncate"):
                return False  # they need no space
            # A folder that may not be read cannot be synced at all, and nothing is promised there.
            is_never_refused = name in ("fsync", "open folder") and fault.code == errno.EACCES
            code = errno.EIO if is_never_refused else fault.code
            raise OSError(code, os.strerror(code), path)
        if fault.kind == "torn" and name == "write":
            return True
        self.die(power=fault.kind == "power")
        raise Died

    def die(self, *, power: bool) -> None:
        """End the process; with the power goes what was not synced."""
        self.is_dead = True
        if power:
            self._lose(self.root, None if self.is_strict else self._draw_time([self.root]))

    def boot(self) -> None:
        """Let a new process begin: all that remains is on the disk for good."""
        self.is_dead = False
        self.fault = None
        self.boot_number += 1
        self._open.clear()

    def sync_all(self) -> None:
        """Let all that is there outlast a power cut."""
        self._sync_names()
        folders = [self.root]
        while folders:
            for node in folders.pop().names.values():
                if isinstance(node, Folder):
                    folders.append(node)
                else:
                    node.synced, node.is_dirty = bytes(node.content), False

    def _sync_names(self) -> None:
        for folder in self._changed:
            folder.sync()
        self._changed.clear()

    def _draw_time(self, folders: list[Folder]) -> float:
        """A time among those of the changes that are not synced, or behind them all."""
        times = []
        while folders:
            folder = folders.pop()
            times += [time for time, _ in folder.changes]
            folders += [node for node in folder.names.values() if isinstance(node, Folder)]
        return self.rng.choice([*times, float("inf")])

    def _lose(self, folder: Folder, before: float | None) -> None:
        self._changed.clear()
        self._found.clear()
        folder.sync(self._draw_time_of(folder) if before is None else before)
        folder.names = dict(folder.synced)
        for node in folder.names.values():
            if isinstance(node, Folder):
                self._lose(node, before)
            elif node.is_dirty:
                self._tear(node)

    def _draw_time_of(self, folder: Folder) -> float:
        return self.rng.choice([*(time for time, _ in folder.changes), float("inf")])

    def _tear(self, file: File) -> None:
        content = bytes(file.content)
        match self.rng.randint(0, 3):
            case 0:
                left = file.synced
            case 1:
                left = content
            case 2:
                left = content[: self.rng.randint(0, len(content))]
            case _:  # its length, but not all of its blocks
                start = self.rng.randint(0, len(content))
                left = content[:start] + bytes(len(content) - start)
        file.content = bytearray(left)
        file.synced, file.is_dirty = left, False

    # -- names ------------------------------------------------------------------------------

    def find(self, path: str) -> File | Folder | None:
        """What is at a path; None: nothing."""
        parent, _, name = path.rpartition("/")
        folder = self._found.get(parent)
        if folder is not None and name and name != ".":
            return folder.names.get(name)
        above = self._walk(parent) if parent.startswith(ROOT) else None
        if isinstance(above, Folder) and name:
            self._found[parent] = above
        return self._walk(path)

    def _walk(self, path: str) -> File | Folder | None:
        node: File | Folder = self.root
        for name in _parts(path):
            found = node.names.get(name)
            if found is None:
                return None
            node = found
        return node

    def get(self, path: str) -> File | Folder:
        """What is at a path.

        Raises:
            FileNotFoundError, NotADirectoryError: When nothing is.
        """
        node = self.find(path)
        if node is None:
            above = path
            while self.find(above) is None:
                above = above.rpartition("/")[0]
            is_below_file = isinstance(self.find(above), File)
            raise _error(errno.ENOTDIR if is_below_file else errno.ENOENT, path)
        return node

    def get_folder(self, path: str) -> Folder:
        """The folder at a path; see `get`."""
        node = self.get(path)
        if not isinstance(node, Folder):
            raise _error(errno.ENOTDIR, path)
        return node

    def split(self, path: str) -> tuple[Folder, str]:
        """The folder that holds a path, and its name there."""
        parent, _, name = path.rstrip("/").rpartition("/")
        return self._found.get(parent) or self.get_folder(parent), name

    def change(self, folder: Folder, *change: tuple[str, File | Folder | None]) -> None:
        """Set names in a folder, or remove those with None, all at once."""
        for name, _ in change:
            if isinstance(folder.names.get(name), Folder):
                self._found.clear()  # a folder goes, and all below it
        _apply(folder.names, change)
        folder.changes.append((self.tick(), change))
        self._changed.append(folder)

    def tick(self) -> int:
        """A time, later than all before."""
        self._time += 1
        return self._time

    def paths_below(self, path: str) -> Iterator[str]:
        """Of all that is in a folder and its folders, without a call."""
        node = self.find(path)
        if isinstance(node, Folder):
            for name in node.names:
                yield f"{path}/{name}"
                yield from self.paths_below(f"{path}/{name}")

    # -- what is asked of `os` ----------------------------------------------------------------

    def stat(self, path: str) -> os.stat_result:
        """See `os.stat`."""
        self.call("stat", path)
        return _stat_of(self.get(path))

    def mkdir(self, path: str) -> None:
        """See `os.mkdir`."""
        self.call("mkdir", path, writes=True)
        folder, name = self.split(path)
        if name in folder.names:
            raise _error(errno.EEXIST, path)
        self.change(folder, (name, Folder(time=self.tick())))

    def rmdir(self, path: str) -> None:
        """See `os.rmdir`."""
        self.call("rmdir", path, writes=True)
        if self.get_folder(path).names:
            raise _error(errno.ENOTEMPTY, path)
        folder, name = self.split(path)
        self.change(folder, (name, None))

    def unlink(self, path: str) -> None:
        """See `os.unlink`."""
        self.call("unlink", path, writes=True)
        if isinstance(self.get(path), Folder):
            raise _error(errno.EISDIR, path)
        folder, name = self.split(path)
        self.change(folder, (name, None))

    def rename(self, path: str, target: str) -> None:
        """See `os.rename`."""
        self.call("rename", target, writes=True)
        node = self.get(path)
        folder, name = self.split(path)
        other, new = self.split(target)
        if isinstance(node, Folder) and target.startswith(f"{path}/"):
            raise _error(errno.EINVAL, path)
        if path.startswith(f"{target}/"):
            raise _error(errno.ENOTEMPTY, target)
        there = other.names.get(new)
        if there is node:
            return
        if isinstance(there, Folder):
            if not isinstance(node, Folder):
                raise _error(errno.EISDIR, target)
            if there.names:
                raise _error(errno.ENOTEMPTY, target)
        elif isinstance(node, Folder) and there is not None:
            raise _error(errno.ENOTDIR, target)
        if folder is other:
            self.change(folder, (name, None), (new, node))
        else:
            self.change(folder, (name, None))
            self.change(other, (new, node))
        if self.on_replaced is not None and isinstance(node, File):
            self.on_replaced(target, bytes(node.content))

    def names_in(self, path: str) -> list[str]:
        """See `os.listdir`."""
        self.call("scandir", path)
        return list(self.get_folder(path).names)

    def chmod(self, path: str, mode: int) -> None:
        """See `os.chmod`."""
        self.call("chmod", path, writes=True)
        node = self.get(path)
        node.mode = stat.S_IFMT(node.mode) | mode

    def remove_tree(self, path: str, *, ignore_errors: bool) -> None:
        """See `shutil.rmtree`."""
        try:
            names = self.names_in(path)
        except OSError:
            if ignore_errors:
                return
            raise
        for name in names:
            child = f"{path}/{name}"
            try:
                if isinstance(self.find(child), Folder):
                    self.remove_tree(child, ignore_errors=ignore_errors)
                else:
                    self.unlink(child)
            except OSError:
                if not ignore_errors:
                    raise
        try:
            self.rmdir(path)
        except OSError:
            if not ignore_errors:
                raise

    # -- open files -------------------------------------------------------------------------

    def open_descriptor(self, path: str, flags: int) -> int:
        """See `os.open`."""
        is_written = bool(flags & (os.O_WRONLY | os.O_RDWR))
        node = None if self.is_dead else self.find(path)
        name = "open folder" if isinstance(node, Folder) else "open"
        self.call(name, path, writes=is_written and (node is None or bool(flags & os.O_TRUNC)))
        self._next_descriptor += 1
        number = self._next_descriptor
        if node is not None and flags & os.O_EXCL and flags & os.O_CREAT:
            raise _error(errno.EEXIST, path)
        if isinstance(node, Folder):
            if is_written:
                raise _error(errno.EISDIR, path)
            self._open[number] = path
            return number
        if node is None:
            if not flags & os.O_CREAT:
                self.get(path)
            folder, name = self.split(path)
            node = File(time=self.tick())
            self.change(folder, (name, node))
        if flags & os.O_TRUNC and node.content:
            node.content.clear()
            node.is_dirty = True
        self._open[number] = Handle(self, node, path, number, flags)
        return number

    def open_file(
        self, path: str, mode: str, buffering: int, encoding: str | None, **options: Any
    ) -> Any:
        """See `open`."""
        opener = options.pop("opener", None)
        number = FLAGS[mode.strip("bt+")]
        if "+" in mode:
            number = number & ~os.O_WRONLY | os.O_RDWR
        descriptor = self.open_descriptor(path, number) if opener is None else opener(path, number)
        handle = self._open[descriptor]
        if isinstance(handle, str):
            raise _error(errno.EISDIR, path)
        if "b" in mode and buffering == 0:
            return handle
        if "+" in mode:
            buffered: Any = io.BufferedRandom(handle)
        else:
            buffered = io.BufferedWriter(handle) if handle.writable() else io.BufferedReader(handle)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, **options)

    def sync(self, descriptor: int) -> None:
        """See `os.fsync`."""
        handle = self._open[descriptor]
        path = handle if isinstance(handle, str) else handle.path
        self.call("fsync", path, writes=True)
        if isinstance(handle, str):
            self.get_folder(handle).sync()
        else:
            handle.file.synced, handle.file.is_dirty = bytes(handle.file.content), False
        if not self.is_strict:
            self._sync_names()

    def close_descriptor(self, descriptor: int) -> None:
        """See `os.close`."""
        if descriptor in self._open:
            del self._open[descriptor]

    # -- in the place of the system's ---------------------------------------------------------

    @contextlib.contextmanager
    def mounted(self) -> Iterator[None]:
        """Let this process see the disk under `ROOT`."""
        with replaced(_replacements(self)):
            yield


class Handle(io.RawIOBase):
    """An open file."""

    def __init__(self, disk: Disk, file: File, path: str, descriptor: int, flags: int) -> None:
        super().__init__()
        self.disk = disk
        self.file = file
        self.path = self.name = path
        self.descriptor = descriptor
        self.boot_number = disk.boot_number
        self.is_readable = not flags & os.O_WRONLY
        self.is_writable = bool(flags & (os.O_WRONLY | os.O_RDWR))
        self.is_appending = bool(flags & os.O_APPEND)
        self.place = 0

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return self.is_readable

    def writable(self) -> bool:
        """See `io.RawIOBase`."""
        return self.is_writable

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def fileno(self) -> int:
        """See `io.RawIOBase`."""
        return self.descriptor

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`."""
        self.disk.call("read", self.path)
        found = self.file.content[self.place : self.place + len(buffer)]
        buffer[: len(found)] = found
        self.place += len(found)
        return len(found)

    def write(self, data: Any) -> int:
        """See `io.RawIOBase`."""
        if self.boot_number != self.disk.boot_number:
            return len(data)  # of a process that died long ago
        is_torn = self.disk.call("write", self.path, writes=True)
        content = bytes(data)
        if is_torn:
            content = content[: self.disk.rng.randint(0, len(content))]
        if self.is_appending:
            self.place = len(self.file.content)
        if self.place > len(self.file.content):
            self.file.content.extend(bytes(self.place - len(self.file.content)))
        self.file.content[self.place : self.place + len(content)] = content
        self.place += len(content)
        self.file.is_dirty = True
        self.file.time = self.disk.tick()
        if is_torn:
            self.disk.die(power=False)
            raise Died
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        """See `io.RawIOBase`."""
        start = (0, self.place, len(self.file.content))[whence]
        self.place = start + offset
        return self.place

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self.place

    def truncate(self, size: int | None = None) -> int:
        """See `io.RawIOBase`."""
        self.disk.call("truncate", self.path, writes=True)
        size = self.place if size is None else size
        del self.file.content[size:]
        self.file.is_dirty = True
        return size

    def close(self) -> None:
        """See `io.RawIOBase`."""
        if not self.closed:
            self.disk.close_descriptor(self.descriptor)
        super().close()


class Entry:
    """One of `os.scandir`."""

    def __init__(self, disk: Disk, folder: str, name: str) -> None:
        self.name = name
        self.path = f"{folder}/{name}"
        self._disk = disk

    def __fspath__(self) -> str:
        return self.path

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """See `os.DirEntry`."""
        return isinstance(self._disk.find(self.path), Folder)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """See `os.DirEntry`."""
        return isinstance(self._disk.find(self.path), File)

    def is_symlink(self) -> bool:
        """See `os.DirEntry`."""
        return False

    def is_junction(self) -> bool:
        """See `os.DirEntry`."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """See `os.DirEntry`."""
        return self._disk.stat(self.path)


class Entries(list[Entry]):
    """What `os.scandir` gives."""

    def __enter__(self) -> "Entries":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __next__(self) -> Entry:
        if not self:
            raise StopIteration
        return self.pop(0)

    def close(self) -> None:
        """See `os.scandir`."""


@functools.lru_cache(100_000)
def _parts(path: str) -> tuple[str, ...]:
    """The names that lead to a path of the disk."""
    return tuple(name for name in path[len(ROOT) :].split("/") if name and name != ".")


def _error(code: int, path: str) -> OSError:
    return OSError(code, os.strerror(code), path)


def _stat_of(node: File | Folder) -> os.stat_result:
    size = len(node.content) if isinstance(node, File) else 4096
    return os.stat_result(
        (node.mode, id(node), DEVICE, 1, 0, 0, size, node.time, node.time, node.time)
    )


def _path_of(path: Any) -> str | None:
    """The path as text if it is on the disk; None if it is not, or no path."""
    if type(path) is not str:
        if isinstance(path, int):
            return None
        path = os.fspath(path)
        if not isinstance(path, str):
            return None
    return path if path.startswith(ROOT) else None


def _replacements(disk: Disk) -> list[tuple[Any, str, Callable[..., Any]]]:
    """Module, name, and what stands there while the disk is mounted."""

    def passing(
        module: Any, name: str, ours: Callable[..., Any]
    ) -> tuple[Any, str, Callable[..., Any]]:
        theirs = getattr(module, name)

        def function(path: Any, *args: Any, **kwargs: Any) -> Any:
            place = _path_of(path)
            if place is None:
                return theirs(path, *args, **kwargs)
            return ours(place, *args, **kwargs)

        return module, name, function

    def on_descriptor(name: str, ours: Callable[[int], Any]) -> tuple[Any, str, Callable[..., Any]]:
        theirs = getattr(os, name)

        def function(descriptor: int, *args: Any) -> Any:
            if descriptor < FIRST_DESCRIPTOR:
                return theirs(descriptor, *args)
            return ours(descriptor)

        return os, name, function

    def open_file(
        path: str,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        text = {} if "b" in mode else {"errors": errors, "newline": newline}
        return disk.open_file(path, mode, buffering, encoding, opener=opener, **text)

    def rename(path: str, target: Any, **_: Any) -> None:
        disk.rename(path, os.fspath(target))

    def scan(path: str) -> Entries:
        return Entries(Entry(disk, path, name) for name in disk.names_in(path))

    def rmtree(path: str, ignore_errors: bool = False, **_: Any) -> None:
        disk.remove_tree(path, ignore_errors=ignore_errors)

    def fstat(descriptor: int) -> os.stat_result:
        handle = disk._open[descriptor]
        return _stat_of(disk.get(handle) if isinstance(handle, str) else handle.file)

    def statvfs(path: str) -> os.statvfs_result:
        disk.call("statvfs", path)
        blocks = FREE_BYTES // 4096
        return os.statvfs_result((4096, 4096, blocks, blocks, blocks, 9, 9, 9, 0, 255))

    def mkdir(path: str, *_: Any, **__: Any) -> None:
        disk.mkdir(path)

    def chmod(path: str, mode: int, **_: Any) -> None:
        disk.chmod(path, mode)

    def open_descriptor(path: str, flags: int, *_: Any, **__: Any) -> int:
        return disk.open_descriptor(path, flags)

    def ask(path: str, **_: Any) -> os.stat_result:
        return disk.stat(path)

    def remove(path: str, **_: Any) -> None:
        disk.unlink(path)

    def remove_folder(path: str, **_: Any) -> None:
        disk.rmdir(path)

    def may(path: str, *_: Any, **__: Any) -> bool:
        return disk.find(path) is not None

    return [
        passing(os, "stat", ask),
        passing(os, "lstat", ask),
        passing(os, "open", open_descriptor),
        passing(os, "mkdir", mkdir),
        passing(os, "rmdir", remove_folder),
        passing(os, "unlink", remove),
        passing(os, "remove", remove),
        passing(os, "rename", rename),
        passing(os, "replace", rename),
        passing(os, "scandir", scan),
        passing(os, "listdir", disk.names_in),
        passing(os, "chmod", chmod),
        passing(os, "statvfs", statvfs),
        passing(os, "access", may),
        passing(io, "open", open_file),
        passing(builtins, "open", open_file),
        passing(shutil, "rmtree", rmtree),
        on_descriptor("fsync", disk.sync),
        on_descriptor("close", disk.close_descriptor),
        on_descriptor("fstat", fstat),
        on_descriptor("fchmod", lambda descriptor: None),
        (fcntl, "flock", _passing_lock(fcntl.flock)),
        # NumPy hands what the system opened to C.
        (_format_impl, "isfileobj", lambda file: False),
    ]


@contextlib.contextmanager
def replaced(replacements: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Let values stand in modules and classes: `mock.patch` does so too, and takes longer."""
    before = [(module, name, getattr(module, name)) for module, name, _ in replacements]
    try:
        for module, name, value in replacements:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _passing_lock(theirs: Callable[..., None]) -> Callable[..., None]:
    def flock(descriptor: Any, operation: int) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if number < FIRST_DESCRIPTOR:
            theirs(descriptor, operation)

    return flock


def results_dir() -> Path:
    """Where studies stand on the disk; make it first."""
    return Path(ROOT) / "results"
