"""How every file of a study is read and written: whole, or with an error that says why not."""

import fnmatch
import glob
import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from autocnn.core.atomic import reading_error, replace_file, replacing, sync_folder, writing_error
from autocnn.core.csv_tables import Cell, csv_chunks
from autocnn.core.errors import TornRecordError
from autocnn.core.records import EpochScore
from autocnn.storage.checkpoint import read_checkpoint

T = TypeVar("T")

CHECKPOINT = "checkpoint/epoch.npz"


class Files:
    """A folder of files.

    Args:
        path: The folder, existing or not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def argument(self) -> str:
        """The folder as a shell takes it, for commands that somebody is told to type."""
        return shlex.quote(str(self.path))

    def _find(self, pattern: str) -> list[Path]:
        """The paths that match, by name and number; a folder that cannot be read is no empty one.

        `Path.glob` leaves out what it may not read: a study whose trials cannot be listed at the
        moment would begin again.

        Args:
            pattern: Relative to the folder; `*` and `[0-9]` stand for names and parts of them.

        Raises:
            StudyError: When a folder is there and cannot be listed.
        """
        found = [""]
        for part in pattern.split("/"):
            if glob.has_magic(part):
                names = [(place, fnmatch.filter(_list(self.path / place), part)) for place in found]
                found = [f"{place}{name}/" for place, some in names for name in some]
            else:
                found = [f"{place}{part}/" for place in found]
        paths = [self.path / place for place in sorted(found, key=_natural)]
        try:
            return [path for path in paths if path.exists()]
        except OSError as error:
            raise reading_error(error, self.path / pattern) from error

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_bytes().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise reading_error(error, self.path / name) from error

    def _parse(self, path: Path, parse: Callable[[bytes], T]) -> T:
        try:
            return parse(path.read_bytes())
        except OSError as error:
            raise reading_error(error, path) from error
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise TornRecordError(f"{path}: must be a whole record, got: {reason}.") from error

    def _write_json(self, name: str, data: dict[str, Any]) -> None:
        self._write_text(name, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def _recover_checkpoint(self, path: Path) -> tuple[tuple[EpochScore, ...], list[str]]:
        """The epochs in a checkpoint; a torn one is set aside, with a sentence."""
        # A process that was killed may have come to the rename alone: what is reported now, lasts.
        sync_folder(path.parent)
        try:
            checkpoint = read_checkpoint(path)
        except ValueError as error:
            set_aside(path)
            return (), [f"{error}. Set aside; the training begins again."]
        return checkpoint.history if checkpoint else (), []

    def _write_table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        has_shares: bool = False,
    ) -> None:
        """Write a CSV piece by piece, whole or not at all."""
        with replacing(self.path / name) as file:
            for chunk in csv_chunks(columns, rows, has_shares=has_shares):
                file.write(chunk.encode("utf-8", "surrogateescape"))

    def _write_text(self, name: str, text: str) -> None:
        replace_file(self.path / name, text.encode("utf-8", "surrogateescape"))


def _natural(path: str) -> list[list[int | str]]:
    """What puts 9999 before 10000; as text it stands behind."""
    texts = (re.split(r"(\d+)", part) for part in path.split("/"))
    return [[int(text) if text.isdecimal() else text for text in part] for part in texts]


def _list(folder: Path) -> list[str]:
    """The names in a folder; none where there is no folder."""
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise reading_error(error, folder) from error


def set_aside(path: Path) -> None:
    """Rename a torn file to `...broken`, so that nothing uses it, and a person can look at it."""
    try:
        path.rename(path.with_name(f"{path.name}.broken"))
    except OSError as error:
        raise writing_error(error, path) from error


def read_picture(folder: Path, name: str) -> bytes | None:
    """A file of that folder itself: a name with a path in it is none, nor is a link out of it."""
    if not name or Path(name).name != name or (folder / name).is_symlink():
        return None
    try:
        return (folder / name).read_bytes()
    except OSError:
        return None
