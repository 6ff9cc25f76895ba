"""Files that are written whole or not at all."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from autocnn.core.errors import DiskFullError, StudyError, Text


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
            file.write(content)
    except OSError as error:
        raise writing_error(error, path) from error


@contextlib.contextmanager
def replacing(path: Path, *, setting: str = "results") -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well.

    Raises:
        DiskFullError: When the disk is full; the old file stands.
        StudyError: When the folder is read-only; the old file stands.
    """
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            yield file  # type: ignore[misc]
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise writing_error(error, path, setting=setting) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def writing_error(error: OSError, path: Path, *, setting: str = "results") -> StudyError:
    """The error that tells a user why `path` could not be written, and what to do.

    Args:
        error: What was raised.
        path: What was to be written.
        setting: With which another place is given.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"{path}: the disk must have free space, got: it is full.",
            remedy=Text(f"Free some space, or choose another folder with {{{setting}}}."),
        )
    remedy = Text(f"Choose a folder that you may write to with {{{setting}}}.")
    reason = error.strerror or str(error)
    return StudyError(f"{path}: must be writable, got: {reason}.", remedy=remedy)


def _sync_folder(folder: Path) -> None:
    """Make a rename outlast a power cut; not every file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
