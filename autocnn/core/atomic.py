"""Files that are written whole or not at all, and folders that outlast a power cut."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from autocnn.core.errors import DiskFullError, StudyError, Text

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk, or of a user's part of it, that is full."""

LOST = (*FULL, errno.EIO)
"""Errors of syncing that say more than that a file system cannot sync a folder."""


def replace_file(path: Path, content: bytes, *, setting: str = "results") -> None:
    """Write a file whole: temporary name, fsync, rename.

    Raises:
        DiskFullError: When the disk is full; the old file stands.
        StudyError: When the folder is read-only; the old file stands.
    """
    with replacing(path, setting=setting) as file:
        file.write(content)


def append_to_file(path: Path, content: bytes) -> None:
    """Write behind what a file holds, all at once: a process that is killed tears nothing.

    Raises:
        DiskFullError: When the disk is full; some of the content may stand.
        StudyError: When the file is read-only.
    """
    try:
        with path.open("ab", buffering=0) as file:
            while content:  # of a disk that is nearly full, a part is taken, then the error comes
                content = content[file.write(content) :]
    except OSError as error:
        raise writing_error(error, path) from error


@contextlib.contextmanager
def replacing(path: Path, *, setting: str = "results") -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well.

    Raises:
        DiskFullError: When the disk is full; the old file stands.
        StudyError: When the folder is read-only; the old file stands.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a disk that refuses this refused the file too
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise writing_error(error, path, setting=setting) from error
        raise


def make_folder(path: Path, *, setting: str = "results") -> None:
    """Make a folder, and what is missing above it; one that is there is no error.

    Its name is synced before anything stands in it: a power cut would else take the folder away,
    with files in it that were synced themselves.

    Args:
        path: Of the folder.
        setting: With which another place is given.

    Raises:
        DiskFullError: When the disk is full.
        StudyError: When it cannot be made.
    """
    try:
        _make(path)
    except OSError as error:
        raise writing_error(error, path, setting=setting) from error


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it; nothing there is no error.

    Raises:
        StudyError: When it cannot be deleted.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise writing_error(error, path) from error


def writing_error(error: OSError, path: Path, *, setting: str = "results") -> StudyError:
    """The error that tells a user why `path` could not be written, and what to do.

    Args:
        error: What was raised.
        path: What was to be written.
        setting: With which another place is given.
    """
    if error.errno in FULL:
        return DiskFullError(
            f"{path}: the disk must have free space, got: it is full.",
            remedy=Text(f"Free some space, or choose another folder with {{{setting}}}."),
        )
    remedy = Text(f"Choose a folder that you may write to with {{{setting}}}.")
    reason = error.strerror or str(error)
    return StudyError(f"{path}: must be writable, got: {reason}.", remedy=remedy)


def reading_error(error: OSError, path: Path) -> StudyError:
    """The error that tells a user why `path`, which is there, could not be read."""
    return StudyError(f"{path}: must be readable, got: {error.strerror or error}.")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlast a power cut; not every file system can.

    Raises:
        DiskFullError: When the disk has no space for them.
        StudyError: When it cannot be written.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in LOST:
            raise writing_error(error, folder) from error


def _make(path: Path) -> None:
    if path.is_dir():
        return
    _make(path.parent)
    try:
        path.mkdir(exist_ok=True)  # another process may just have made it
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
    sync_folder(path.parent)
