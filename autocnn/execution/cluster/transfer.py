"""How the files of tasks come to an agent and back: in messages, or by a folder that all share.

Either way the study's folder is written here alone, each file whole, and only for a submission
that counts. An agent writes to a folder that only its submission has.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from autocnn.core.atomic import make_folder, reading_error, replace_file, replacing
from autocnn.core.errors import ConfigError, StudyError, Text
from autocnn.execution.cluster.messages import Contents
from autocnn.execution.cluster.names import NamedTask

OPEN = "open.json"
"""In the folder of a submission that has not ended: the name of its checkpoint."""


class Transfer(Protocol):
    """Brings files to an agent and back."""

    def send(self, task: NamedTask, number: str) -> tuple[Contents, str | None]:
        """What a task reads: the files of its message, or the folder where they stand."""
        ...

    def keep(self, task: NamedTask, files: Contents) -> None:
        """Take over files of a submission that goes on."""
        ...

    def has_arrived(self, number: str, left: Mapping[str, int]) -> bool:
        """Whether what a submission left is here."""
        ...

    def take(self, task: NamedTask, number: str, left: Mapping[str, int], files: Contents) -> None:
        """Take over what a submission left; its folder is closed.

        Raises:
            StudyError: When the study cannot be written.
        """
        ...

    def recover(self, task: NamedTask, number: str) -> None:
        """Take over the last whole epoch of a submission whose agent is lost, if it is here."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class ByMessage:
    """Files travel in the messages."""

    def send(self, task: NamedTask, number: str) -> tuple[Contents, str | None]:
        """See `Transfer.send`."""
        reads = dict(task.reads)
        if task.checkpoint is not None and task.writes[task.checkpoint].exists():
            reads[task.checkpoint] = task.writes[task.checkpoint]
        return {name: path.read_bytes() for name, path in reads.items()}, None

    def keep(self, task: NamedTask, files: Contents) -> None:
        """See `Transfer.keep`."""
        for name, content in files.items():
            if name in task.writes:
                replace_file(task.writes[name], content)

    def has_arrived(self, number: str, left: Mapping[str, int]) -> bool:
        """See `Transfer.has_arrived`."""
        return True

    def take(self, task: NamedTask, number: str, left: Mapping[str, int], files: Contents) -> None:
        """See `Transfer.take`."""
        self.keep(task, files)

    def recover(self, task: NamedTask, number: str) -> None:
        """See `Transfer.recover`: what came with its last reports is all."""

    def close(self) -> None:
        """See `Transfer.close`."""


class BySharedFolder:
    """Files stand in a folder that all machines share, one folder in it per submission.

    Args:
        storage: The folder.
        study: Folder of the study.
        session: Names this session of it.

    Raises:
        ConfigError: When the folder cannot be written.
    """

    def __init__(self, storage: Path, study: Path, session: str) -> None:
        place = str(study.resolve())
        digest = hashlib.sha256(place.encode()).hexdigest()[:8]
        self._root = storage.resolve() / f"autocnn-{study.name}-{digest}"
        self._token = f"check-{session}"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            for stale in self._root.glob("check-*"):  # of a session that was killed
                stale.unlink(missing_ok=True)
            replace_file(self._root / self._token, b"", setting="storage")
        except (OSError, StudyError) as error:
            reason = error.message if isinstance(error, StudyError) else error.strerror
            raise ConfigError(
                Text(
                    "{storage} must be a folder that can be written, got {0}: {1}", storage, reason
                )
            ) from error

    @property
    def check(self) -> tuple[str, str]:
        """The folder, and the name of a file in it, by which an agent tries it."""
        return str(self._root), self._token

    def begin(self, study: Path) -> None:
        """Take over the last whole epochs that earlier sessions left, and delete their folders.

        Only where nothing in the study is newer: it may have gone on elsewhere since.
        """
        for marker in sorted(self._root.glob(f"*/{OPEN}")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                name = json.loads(marker.read_text("utf-8"))["checkpoint"]
                source, target = marker.parent / name, study / name
                records = target.parents[1].glob("*.json")
                newest = max((path.stat().st_mtime for path in records), default=0.0)
                if source.stat().st_mtime > newest:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _copy(source, target)
        for folder in [path for path in self._root.iterdir() if path.is_dir()]:
            self._close(folder)  # those without a checkpoint too

    def send(self, task: NamedTask, number: str) -> tuple[Contents, str | None]:
        """See `Transfer.send`."""
        folder = self._root / number
        reads = dict(task.reads)
        if task.checkpoint is not None and task.writes[task.checkpoint].exists():
            reads[task.checkpoint] = task.writes[task.checkpoint]
        for name, path in reads.items():
            make_folder((folder / name).parent, setting="storage")
            _copy(path, folder / name, setting="storage")
        make_folder(folder, setting="storage")
        if task.checkpoint is not None:
            marker = json.dumps({"checkpoint": task.checkpoint}).encode()
            replace_file(folder / OPEN, marker, setting="storage")
        return {}, str(folder)

    def keep(self, task: NamedTask, files: Contents) -> None:
        """See `Transfer.keep`: they stand in the folder."""

    def has_arrived(self, number: str, left: Mapping[str, int]) -> bool:
        """See `Transfer.has_arrived`: a shared file may be seen here some seconds later."""
        folder = self._root / number
        try:
            return all((folder / name).stat().st_size == size for name, size in left.items())
        except OSError:
            return False

    def take(self, task: NamedTask, number: str, left: Mapping[str, int], files: Contents) -> None:
        """See `Transfer.take`."""
        for name in left:
            if name in task.writes:
                _copy(self._root / number / name, task.writes[name])
        self._close(self._root / number)

    def recover(self, task: NamedTask, number: str) -> None:
        """See `Transfer.recover`."""
        folder = self._root / number
        if task.checkpoint is not None and (folder / task.checkpoint).exists():
            _copy(folder / task.checkpoint, task.writes[task.checkpoint])
        self._close(folder)

    def close(self) -> None:
        """See `Transfer.close`."""
        (self._root / self._token).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._root.rmdir()  # if nothing was left

    def _close(self, folder: Path) -> None:
        """First the marker: what a process that lives on writes here later is never looked at."""
        (folder / OPEN).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path, *, setting: str = "results") -> None:
    """Copy a file whole; `setting` gives the place of the target.

    Raises:
        StudyError: When one cannot be read or the other not be written.
    """
    try:
        content = source.open("rb")
    except OSError as error:
        raise reading_error(error, source) from error
    with content, replacing(target, setting=setting) as file:
        shutil.copyfileobj(content, file, 2**20)
