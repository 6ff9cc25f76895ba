"""The study folder: the only module that knows a path inside a study.

Every file is written whole: to a temporary name in the same folder, fsync, rename.
A reader therefore sees the old file or the new one, never half of one.

    results/<study>/
      study.json  space.yaml  split.csv  audit.json  trials.csv  optuna.db
      trials/0007/       trial.json  epochs.csv  log.txt  model.keras
      leaderboard.csv
      candidates/01/     candidate.json  metrics.json  model.keras  predictions.csv
                         confusion_matrix.csv/.png  roc.csv/.png  learning_curves.csv/.png
"""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from filelock import FileLock, Timeout

from autocnn.atomic import replace_file, writing_error
from autocnn.errors import (
    StudyError,
    StudyExistsError,
    StudyLockedError,
    StudyNotFoundError,
)
from autocnn.records import CandidateRecord, EpochScore, ParamValue, TrialRecord
from autocnn.space import SearchSpace

Cell = ParamValue | None
T = TypeVar("T")

TRIAL_COLUMNS = (
    "trial", "state", "reason", "objective", "epochs", "best_epoch", "seconds",
    "num_weights", "train_accuracy", "val_accuracy", "peak_memory_mb",
)  # fmt: skip


class StudyFolder:
    """One study on disk.

    Args:
        path: The folder, existing or not; `create` and `open_study` give checked ones.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: FileLock | None = None

    @property
    def name(self) -> str:
        """Name of the study: its folder's."""
        return self.path.name

    # -- the life of a folder ---------------------------------------------------------

    @classmethod
    def create(cls, results: Path, name: str) -> "StudyFolder":
        """Make the folder of a new study.

        Raises:
            StudyExistsError: When a study of that name is there.
            StudyError: When the folder cannot be made.
        """
        path = results / name
        if path.exists() and not path.is_dir():
            raise StudyError(f"{path}: a study must be a folder, got a file.",
                             remedy="Choose another --name.")  # fmt: skip
        if path.exists() and any(path.iterdir()):
            raise StudyExistsError(
                f"{path}: a new study must not exist yet, got one that does.",
                remedy=f"See it with `autocnn leaderboard {name}`, or choose another --name.",
            )
        try:
            (path / "trials").mkdir(parents=True)
            (path / "candidates").mkdir()
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise writing_error(error, path) from error
        return cls(path)

    def lock(self) -> None:
        """Become the only writer, until the process ends.

        Raises:
            StudyLockedError: When another process is.
        """
        self._lock = FileLock(self.path / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StudyLockedError(
                f"{self.path}: only one process may write a study, another one does.",
                remedy="Wait for it, or stop it.",
            ) from error

    def unlock(self) -> None:
        """Let others write."""
        if self._lock is not None:
            # In this order: a process that opened the file meanwhile sees that it is gone.
            (self.path / ".lock").unlink(missing_ok=True)
            self._lock.release()

    def remove(self) -> None:
        """Delete the folder: for a study that failed before its first trial."""
        self.unlock()
        shutil.rmtree(self.path, ignore_errors=True)

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

    def write_space(self, space: SearchSpace) -> None:
        """Write the space that was searched, as YAML that `--space` takes again."""
        from ruamel.yaml import YAML  # slow to import, and readers do without

        text = io.StringIO()
        yaml = YAML()
        yaml.default_flow_style = None
        yaml.dump(space.to_yaml_data(), text)
        self._write_text("space.yaml", text.getvalue())

    def write_split(self, rows: Iterable[Sequence[str]]) -> None:
        """Write split.csv from rows of (path, label, group, split, sha256)."""
        self._write_csv("split.csv", ("path", "label", "group", "split", "sha256"), rows)

    def write_audit(self, audit_json: str) -> None:
        """Write audit.json."""
        self._write_text("audit.json", audit_json)

    @property
    def optuna_url(self) -> str:
        """Address of the study's SQLite file for Optuna."""
        return f"sqlite:///{(self.path / 'optuna.db').resolve()}"

    # -- trials -----------------------------------------------------------------------

    def trial_dir(self, trial: int) -> Path:
        """Folder of a trial, made if need be."""
        path = self.path / "trials" / f"{trial:04d}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def trial_log_path(self, trial: int) -> Path:
        """Where a trial's process writes what it prints."""
        return self.trial_dir(trial) / "log.txt"

    def trial_model_path(self, trial: int) -> Path:
        """Where a trial's best weights stand, as a whole model."""
        return self.trial_dir(trial) / "model.keras"

    def write_trial(self, record: TrialRecord) -> None:
        """Write trial.json and epochs.csv of an ended trial."""
        folder = f"trials/{record.trial:04d}"
        self.trial_dir(record.trial)
        columns, rows = _epoch_table([("search", record.history)])
        self._write_csv(f"{folder}/epochs.csv", columns, rows)
        self._write_text(f"{folder}/trial.json", record.model_dump_json(indent=1))

    def read_trials(self) -> list[TrialRecord]:
        """All ended trials, by number.

        Raises:
            StudyError: When a record cannot be read.
        """
        records = []
        for path in sorted((self.path / "trials").glob("*/trial.json")):
            records.append(self._parse(path, TrialRecord.model_validate_json))
        return records

    def write_trials_table(self, records: Sequence[TrialRecord]) -> None:
        """Write trials.csv: a row per trial, whatever its end."""
        names = list(dict.fromkeys(name for record in records for name in record.params))
        rows = []
        for record in records:
            best = record.best
            row: list[Cell] = [
                record.trial, str(record.state), record.reason, record.objective,
                len(record.history), record.best_epoch, round(record.seconds, 3),
                record.num_weights,
                best.train.accuracy if best else None,
                best.val.accuracy if best else None,
                record.peak_memory_mb,
            ]  # fmt: skip
            rows.append(row + [record.params.get(name) for name in names])
        self._write_csv("trials.csv", [*TRIAL_COLUMNS, *(f"param.{n}" for n in names)], rows)

    def keep_models(self, trials: Iterable[int]) -> None:
        """Delete the model of every trial but these."""
        keep = set(trials)
        for path in (self.path / "trials").glob("*/model.keras"):
            if int(path.parent.name) not in keep:
                path.unlink(missing_ok=True)

    # -- candidates -------------------------------------------------------------------

    def candidate_dir(self, candidate: int) -> Path:
        """Folder of a candidate, made if need be."""
        path = self.path / "candidates" / f"{candidate:02d}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def candidate_model_path(self, candidate: int) -> Path:
        """Where a candidate's model stands."""
        return self.candidate_dir(candidate) / "model.keras"

    def candidate_log_path(self, candidate: int) -> Path:
        """Where the process that refits a candidate writes what it prints."""
        return self.candidate_dir(candidate) / "log.txt"

    def predictions_dir(self) -> Path:
        """Folder for raw predictions on their way from the judging process; emptied later."""
        path = self.path / "candidates" / ".predictions"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def remove_predictions(self) -> None:
        """Empty `predictions_dir`: predictions.csv holds them now."""
        shutil.rmtree(self.path / "candidates" / ".predictions", ignore_errors=True)

    def write_candidate(self, record: CandidateRecord) -> None:
        """Write candidate.json (all of it) and metrics.json (the scores by split)."""
        folder = f"candidates/{record.candidate:02d}"
        self.candidate_dir(record.candidate)
        scores: dict[str, Any] = {
            split.split: split.model_dump(mode="json")
            for split in (record.train, record.val, record.test)
        }
        self._write_json(f"{folder}/metrics.json", scores)
        self._write_text(f"{folder}/candidate.json", record.model_dump_json(indent=1))

    def read_candidates(self) -> list[CandidateRecord]:
        """All candidates, by number.

        Raises:
            StudyError: When a record cannot be read.
        """
        paths = sorted((self.path / "candidates").glob("*/candidate.json"))
        return [self._parse(path, CandidateRecord.model_validate_json) for path in paths]

    def write_candidate_table(
        self, candidate: int, name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
    ) -> None:
        """Write one CSV of a candidate, e.g. `roc` -> candidates/01/roc.csv."""
        self.candidate_dir(candidate)
        self._write_csv(f"candidates/{candidate:02d}/{name}.csv", columns, rows)

    def write_learning_curves(
        self, candidate: int, search: Sequence[EpochScore], refit: Sequence[EpochScore]
    ) -> None:
        """Write learning_curves.csv: the trial's epochs, then the refit's."""
        columns, rows = _epoch_table([("search", search), ("refit", refit)])
        self.write_candidate_table(candidate, "learning_curves", columns, rows)

    def write_candidate_picture(
        self, candidate: int, name: str, write: Callable[[BinaryIO], None]
    ) -> None:
        """Write one picture of a candidate; `write` puts the PNG into the open file."""
        path = self.candidate_dir(candidate) / f"{name}.png"
        buffer = io.BytesIO()
        write(buffer)
        replace_file(path, buffer.getvalue())

    # -- the leaderboard --------------------------------------------------------------

    @property
    def leaderboard_path(self) -> Path:
        """Where leaderboard.csv stands."""
        return self.path / "leaderboard.csv"

    def write_leaderboard(self, text: str) -> None:
        """Write leaderboard.csv."""
        self._write_text("leaderboard.csv", text)

    def read_leaderboard(self) -> str:
        """The text of leaderboard.csv.

        Raises:
            StudyError: While there is none.
        """
        if not self.leaderboard_path.exists():
            raise StudyError(
                f"{self.path}: has no leaderboard yet: it is not finished.",
                remedy=f"Its trials so far are in {self.path / 'trials.csv'}.",
            )
        return self._read("leaderboard.csv")

    # -- plumbing ---------------------------------------------------------------------

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"{self.path / name}: must be readable, got: {error}.") from error

    def _parse(self, path: Path, parse: Callable[[str], T]) -> T:
        try:
            return parse(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise StudyError(f"{path}: must be a whole record, got: {reason}.") from error

    def _write_json(self, name: str, data: dict[str, Any]) -> None:
        self._write_text(name, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def _write_csv(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_as_cell(value) for value in row] for row in rows)
        self._write_text(name, text.getvalue())

    def _write_text(self, name: str, text: str) -> None:
        replace_file(self.path / name, text.encode("utf-8", "surrogateescape"))


def open_study(study: str | None, results: Path) -> StudyFolder:
    """The study with that name under `results`, at that path, or the newest.

    Raises:
        StudyNotFoundError: When there is none; the message lists those there are.
    """
    there = sorted(results.glob("*/study.json"), key=lambda p: p.stat().st_mtime, reverse=True)
    names = [path.parent.name for path in there]
    if study is None:
        if not there:
            raise StudyNotFoundError(
                f"{results}: must hold a study, got none.",
                remedy="Start one with `autocnn search DATA`, or name the folder with --results.",
            )
        return StudyFolder(there[0].parent)
    for path in (results / study, Path(study)):
        if (path / "study.json").is_file():
            return StudyFolder(path)
    raise StudyNotFoundError(
        f"{study}: must be a study under {results} or a path to one, got neither.",
        remedy=f"There are: {', '.join(names[:8])}."
        if names
        else "Start one with `autocnn search`.",
    )


def _epoch_table(
    phases: Sequence[tuple[str, Sequence[EpochScore]]],
) -> tuple[list[str], list[list[Cell]]]:
    """Epochs as a table: one row each, a column per score of train and val."""
    columns = ["phase", "epoch", "train_loss", "learning_rate", "seconds"]
    metrics = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss")
    columns += [f"{split}_{metric}" for split in ("train", "val") for metric in metrics]
    rows: list[list[Cell]] = []
    for phase, history in phases:
        for score in history:
            row: list[Cell] = [phase, score.epoch, score.train_loss, score.learning_rate]
            row.append(round(score.seconds, 3))
            for scores in (score.train, score.val):
                row += [getattr(scores, metric) for metric in metrics]
            rows.append(row)
    return columns, rows


def _as_cell(value: Cell) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return float(f"{value:.9g}") if isinstance(value, float) else value
