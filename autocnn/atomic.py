"""Files that are written whole or not at all."""

import errno
import os
import tempfile
from pathlib import Path

from autocnn.errors import StudyError


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole: temporary name, fsync, rename.

    Raises:
        StudyError: When the disk is full or the folder read-only; the old file stands.
    """
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise writing_error(error, path) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def writing_error(error: OSError, path: Path) -> StudyError:
    """The error that tells a user why `path` could not be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Free some space, or choose another folder with --results."
        return StudyError(f"{path}: the disk must have room, got: it is full.", remedy=remedy)
    remedy = "Choose a folder that you may write to with --results."
    reason = error.strerror or str(error)
    return StudyError(f"{path}: must be writable, got: {reason}.", remedy=remedy)
