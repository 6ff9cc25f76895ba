"""A study as a folder: made, locked, described, found again."""

import contextlib
import errno
import io
import json
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autocnn.core.atomic import make_folder, remove, replace_file, sync_folder, writing_error
from autocnn.core.csv_tables import FOLD_COLUMN, SPLIT_COLUMNS, read_csv
from autocnn.core.errors import StudyError, StudyExistsError, StudyNotFoundError, Text
from autocnn.core.paths import is_by_file_manager, to_path
from autocnn.core.wording import first_few
from autocnn.spaces.space import SearchSpace
from autocnn.storage.candidates import CandidateFiles
from autocnn.storage.exports import ExportFiles
from autocnn.storage.files import CHECKPOINT
from autocnn.storage.finalists import FinalistFiles
from autocnn.storage.labels import LabelFiles
from autocnn.storage.lock import Owner, StudyLock
from autocnn.storage.report import ReportFiles
from autocnn.storage.status import StudyStatus
from autocnn.storage.trials import TrialFiles

_NAMES = (
    r"(study\.json|space\.yaml|split\.csv|dropped\.csv|audit(\.json)?|trials(\.csv)?|finalists"
    r"|candidates|leaderboard\.csv|subgroups\.csv|label_issues(\.csv(\.broken)?)?|report\.html"
    r"|model_card\.md|builder(\.txt)?|weights\.txt|optuna\.db.*|keras_tuner|tensorboard|exports)"
)
_OWN_NAMES = re.compile(rf"{_NAMES}|\.{_NAMES}\.\w{{8}}|\.lock|\.owner\.json(\.\w{{8}})?")
"""What `StudyFolder` makes, temporary files and locks among it."""

STALE_S = 60.0
"""A study that is not whole after so long belongs to no process any more."""


class StudyFolder(TrialFiles, FinalistFiles, CandidateFiles, LabelFiles, ReportFiles, ExportFiles):
    """One study on disk.

    Args:
        path: The folder, existing or not; `create` and `open_study` give checked ones.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock: StudyLock | None = None

    @property
    def name(self) -> str:
        """Name of the study: its folder's."""
        return self.path.name

    # -- the life of a folder ---------------------------------------------------------

    @classmethod
    def create(cls, results: Path, name: str, facts: dict[str, Any]) -> "StudyFolder":
        """Make the folder of a new study, whole at once: it is resumable from its first instant.

        Args:
            results: Folder of all studies.
            name: The study's.
            facts: What study.json holds.

        Raises:
            StudyExistsError: When a study of that name is there.
            StudyError: When the folder cannot be made.
        """
        path = results / name
        partial = results / f".{name}.{secrets.token_hex(4)}"
        try:
            if path.exists() and not path.is_dir():
                raise StudyError(
                    f"{path}: a study must be a folder, got a file.",
                    remedy=Text("Choose another {name}."),
                )
            if path.exists() and any(path.iterdir()):
                raise _exists(path)
            for stale in results.glob(f".{name}.????????"):  # of a process that was killed
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - stale.stat().st_mtime > STALE_S:  # or one that makes it now
                        shutil.rmtree(stale, ignore_errors=True)
            make_folder(partial / "trials")
            make_folder(partial / "candidates")
            cls(partial).write_study(facts)
            partial.rename(path)
            sync_folder(results)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise _exists(path) from error  # another process made it just now
            raise writing_error(error, path) from error
        except StudyError as error:
            shutil.rmtree(partial, ignore_errors=True)
            cause = error.__cause__
            raise (writing_error(cause, path) if isinstance(cause, OSError) else error) from cause
        return cls(path)

    def lock(self, *, force: bool = False, is_noted: bool = True) -> Owner | None:
        """Become the only writer, until `unlock` or the end of the process.

        Args:
            force: Take the study from an owner on another host.
            is_noted: As of `StudyLock.acquire`.

        Returns:
            The owner before, who died without letting go, or None.

        Raises:
            StudyLockedError: When another process writes it.
            StudyError: When the folder cannot be written.
        """
        try:
            lock = StudyLock(self.path)
            owner = lock.acquire(force=force, is_noted=is_noted)
            # A process that was killed may not have come to it.
            sync_folder(self.path.parent)
        except OSError as error:
            raise writing_error(error, self.path) from error
        self._lock = lock
        return owner

    def resume_command(self, *options: str) -> str:
        """What somebody is told to type to go on with it, as a shell takes it."""
        words = ["autocnn resume", self.argument, *options]
        with contextlib.suppress(StudyError):
            if self.read_status().config.own_code:
                words.append("--trust-code")
        return " ".join(words)

    def unlock(self) -> None:
        """Let others write."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def writer(self) -> Owner | None:
        """The process on this machine that writes it now; None: nobody is seen to."""
        return StudyLock(self.path).holder()

    def check_removable(self, *, force: bool = False) -> None:
        """See that the folder is a study and nothing else, and that nobody writes it.

        Args:
            force: Although an owner on another host did not say that it ended.

        Raises:
            StudyError: When it is a link, holds something else, or is written just now.
        """
        if self.path.is_symlink():
            raise StudyError(f"{self.path}: must be the study itself, got a link to it.")
        self.read_status()
        names = (path.name for path in self.path.iterdir())
        strangers = sorted(
            name for name in names if not (_OWN_NAMES.fullmatch(name) or is_by_file_manager(name))
        )
        if strangers:
            raise StudyError(
                f"{self.path}: must hold nothing but the study to be removed, got "
                f"{first_few(strangers)}.",
                remedy="Move it to another place first.",
            )
        writer = self.writer()
        if writer is not None:
            raise StudyError(
                f"{self.path}: must not be written to be removed, {writer} does.",
                remedy="Wait for it, or stop it.",
            )
        if not force:
            StudyLock(self.path).check_here()

    def remove(self) -> None:
        """Delete the folder with all that is in it: to readers it is gone at once.

        Raises:
            StudyError: When it cannot be deleted.
        """
        self.unlock()
        aside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            self.path.rename(aside)
            shutil.rmtree(aside)
        except OSError as error:
            raise writing_error(error, self.path) from error

    @property
    def changed(self) -> float:
        """When study.json was last written, seconds since 1970."""
        return (self.path / "study.json").stat().st_mtime

    @property
    def is_report_due(self) -> bool:
        """Whether there is a leaderboard, and the report that belongs to it is not written yet.

        It is written last: one that is older is that of an earlier end.

        Raises:
            OSError: When a file cannot be looked at.
        """
        if not self.leaderboard_path.exists():
            return False
        newest = max(self.changed, self.leaderboard_path.stat().st_mtime)
        return not self.report_path.exists() or self.report_path.stat().st_mtime < newest

    def image_stamps(self) -> tuple[int, ...]:
        """Change when what is known of the study's images does: split, verdicts, doubted labels."""
        paths = (self.split_path, self.leaderboard_path, self.label_issues_path)
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)

    def size_gb(self) -> float:
        """Size of all files, in GB (10^9 bytes)."""
        return self.sizes_gb()[0]

    def sizes_gb(self) -> tuple[float, float]:
        """Size of all files, and of the largest checkpoint (0 without any), in GB (10^9 bytes)."""
        total = largest = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                with contextlib.suppress(OSError):  # a temporary file may be gone by now
                    path = f"{folder}/{name}"
                    size = os.lstat(path).st_size
                    total += size
                    if path.endswith(f"/{CHECKPOINT}"):
                        largest = max(largest, size)
        return total / 1e9, largest / 1e9

    # -- the study as a whole ---------------------------------------------------------

    def write_study(self, facts: dict[str, Any]) -> None:
        """Write study.json: config, seed, versions, machine, fingerprints."""
        self._write_json("study.json", facts)

    def read_study(self) -> dict[str, Any]:
        """What `write_study` wrote.

        Raises:
            StudyError: When it cannot be read.
        """
        data: dict[str, Any] = self._parse(self.path / "study.json", json.loads)
        return data

    def read_status(self) -> StudyStatus:
        """What study.json says, checked.

        Raises:
            StudyError: When it cannot be read or says something else.
        """
        return StudyStatus.from_json(self.read_study(), source=self.path / "study.json")

    def write_space(self, space: SearchSpace) -> None:
        """Write the space that was searched, as YAML that `--space` takes again."""
        from ruamel.yaml import YAML  # slow to import, and readers do without

        text = io.StringIO()
        yaml = YAML()
        yaml.default_flow_style = None
        yaml.dump(space.to_yaml_data(), text)
        self._write_text("space.yaml", text.getvalue())

    @property
    def space_path(self) -> Path:
        """Where the space that is searched stands."""
        return self.path / "space.yaml"

    @property
    def own_model_dir(self) -> Path:
        """Where a copy of the user's own model stands: its files as they were."""
        return self.path / "builder"

    def write_own_model(self, files: Mapping[str, bytes]) -> None:
        """Copy the files of the user's own model, by their relative paths."""
        for name, content in files.items():
            path = self.own_model_dir / name
            make_folder(path.parent)
            replace_file(path, content)

    @property
    def own_model_log_path(self) -> Path:
        """Where the process that tries the user's own model writes what it prints."""
        return self.path / "builder.txt"

    @property
    def weights_log_path(self) -> Path:
        """Where the process that gets pretrained weights writes what it prints."""
        return self.path / "weights.txt"

    @property
    def split_path(self) -> Path:
        """Where split.csv stands."""
        return self.path / "split.csv"

    def write_split(
        self,
        rows: Iterable[Sequence[str]],
        folds: Sequence[Mapping[str, int]] = (),
        others: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Write split.csv: path, label, group, split, fold, sha256, and a fold per further repeat.

        What else a table says of its images stands in columns behind these.

        Args:
            rows: Path, label, group, split and sha256 of each image.
            folds: Of each repeat: path -> in which fold the image is held out. An image that no
                fold holds out, as one of test, has an empty cell.
            others: Name -> a cell for each of the rows; no name is one of the names above.
        """
        others = others or {}
        first, more = (folds[0], folds[1:]) if folds else ({}, ())
        *facts, content = SPLIT_COLUMNS
        names = [f"{FOLD_COLUMN}_{number}" for number in range(2, len(more) + 2)]
        cells = (
            (
                *row[:-1],
                first.get(row[0]),
                row[-1],
                *(column.get(row[0]) for column in more),
                *(column[place] for column in others.values()),
            )
            for place, row in enumerate(rows)
        )
        header = [*facts, FOLD_COLUMN, content, *names, *others]
        self._write_table("split.csv", header, cells)

    def read_split(self) -> list[tuple[str, ...]]:
        """Path, label, group, split and sha256 of each image; empty when there is no split yet.

        Raises:
            StudyError: When split.csv cannot be read, or lacks one of these.
        """
        columns, rows = self._split_table()
        places = [columns.index(name) for name in SPLIT_COLUMNS] if columns else []
        return [tuple(row[place] for place in places) for row in rows]

    def read_folds(self) -> list[dict[str, int]]:
        """Of each repeat: path -> in which fold the image is held out; empty without folds.

        Raises:
            StudyError: When split.csv cannot be read, or a fold is no number.
        """
        columns, rows = self._split_table()
        places = [
            place for place, name in enumerate(columns) if name.partition("_")[0] == FOLD_COLUMN
        ]
        try:
            found = [{row[0]: int(row[place]) for row in rows if row[place]} for place in places]
        except ValueError as error:
            where = self.split_path
            raise StudyError(f"{where}: a fold must be a number, got: {error}.") from error
        return [column for column in found if column]

    def _split_table(self) -> tuple[list[str], list[list[str]]]:
        """Columns and rows of split.csv; nothing when there is none yet."""
        path = self.split_path
        if not path.exists():
            return [], []
        columns, *rows = list(read_csv(self._read("split.csv"))) or [[]]
        missing = [name for name in SPLIT_COLUMNS if name not in columns]
        if missing or any(len(row) != len(columns) for row in rows):
            wrong = f"no column {missing[0]!r}" if missing else "a row of another length"
            raise StudyError(
                f"{path}: must have the columns {', '.join(SPLIT_COLUMNS)} in every row, "
                f"got {wrong}."
            )
        return columns, rows

    def write_audit(self, audit_json: str, pictures: Mapping[str, bytes]) -> None:
        """Write audit.json, and its thumbnails under audit/ by their names."""
        for name, content in pictures.items():
            path = self.path / "audit" / name
            make_folder(path.parent)
            replace_file(path, content)
        self._write_text("audit.json", audit_json)

    @property
    def optuna_path(self) -> Path:
        """Where Optuna's SQLite file stands from the first trial on."""
        return self.path / "optuna.db"

    @property
    def optuna_url(self) -> str:
        """Address of the study's SQLite file for Optuna."""
        from sqlalchemy import URL  # slow to import, and readers do without

        # It quotes what would end the path.
        address = URL.create("sqlite", database=str(self.optuna_path.resolve()))
        return address.render_as_string()

    @property
    def tensorboard_dir(self) -> Path:
        """Where event files stand, for `tensorboard --logdir`."""
        return self.path / "tensorboard"

    @property
    def keras_tuner_dir(self) -> Path:
        """Where KerasTuner's oracle keeps its JSON."""
        return self.path / "keras_tuner"

    def remove_engine_files(self) -> None:
        """Delete what the engines wrote: views of the records, made anew at resume."""
        for path in self.path.glob("optuna.db*"):
            remove(path)
        shutil.rmtree(self.keras_tuner_dir, ignore_errors=True)


def _exists(path: Path) -> StudyExistsError:
    return StudyExistsError(
        f"{path}: a new study must not exist yet, got one that does.",
        remedy=Text(
            "Go on with it: `autocnn resume {0}`; or choose another {name}.", shlex.quote(str(path))
        ),
    )


def study_names(results: Path) -> list[str]:
    """Names of the studies under `results`, the newest first."""
    files = results.glob("[!.]*/study.json")
    newest = sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.name for path in newest]


def open_study(study: str | None, results: Path) -> StudyFolder:
    """The study with that name under `results`, at that path, or the newest.

    Raises:
        StudyNotFoundError: When there is none; the message lists those there are.
    """
    names = study_names(results)
    if study is None:
        if not names:
            raise StudyNotFoundError(
                f"{results}: must hold a study, got none.",
                remedy=Text(
                    "Start one with `autocnn search DATA`, or name the folder with {results}."
                ),
            )
        return StudyFolder(results / names[0])
    for path in (results / study, to_path(study)) if study else ():
        if (path / "study.json").is_file():
            # `.` and `..` have no name.
            return StudyFolder(path if path.name not in ("", "..") else path.resolve())
    raise StudyNotFoundError(
        f"{study or repr(study)}: must be a study under {results} or a path to one, got neither.",
        remedy=f"There are: {', '.join(names[:8])}."
        if names
        else "Start one with `autocnn search`.",
    )


def find_candidate(path: Path) -> tuple[StudyFolder, int] | None:
    """The study and number of the candidate whose folder, or file in it, this is.

    >>> find_candidate(Path("no/candidates/01")) is None
    True
    """
    place = path.resolve()
    for folder in (place, place.parent):
        study = folder.parent.parent
        is_candidate = folder.parent.name == "candidates" and folder.name.isdecimal()
        if is_candidate and (study / "study.json").is_file():
            return StudyFolder(study), int(folder.name)
    return None
