"""The trials of a study: records, logs, checkpoints, models."""

import contextlib
import io
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from autocnn.core.atomic import append_to_file, make_folder, remove, replace_file, sync_folder
from autocnn.core.csv_tables import csv_lines, epoch_table, to_csv, trial_row, trial_table
from autocnn.core.errors import TornRecordError
from autocnn.core.records import TrialRecord, TrialState
from autocnn.storage.checkpoint import read_history
from autocnn.storage.files import CHECKPOINT, Files, set_aside


class TrialFiles(Files):
    """What stands under `trials/` of a study, and trials.csv."""

    def trial_dir(self, trial: int) -> Path:
        """Folder of a trial, made if need be."""
        path = self.path / "trials" / f"{trial:04d}"
        make_folder(path)
        return path

    def trial_log_path(self, trial: int) -> Path:
        """Where a trial's process writes what it prints."""
        return self.trial_dir(trial) / "log.txt"

    def trial_model_path(self, trial: int) -> Path:
        """Where a trial's best weights stand, as a whole model."""
        return self.trial_dir(trial) / "model.keras"

    def trial_checkpoint_path(self, trial: int) -> Path:
        """Where a running trial keeps its last whole epoch; the folder is made."""
        path = self.trial_dir(trial) / CHECKPOINT
        make_folder(path.parent)
        return path

    def sync_checkpoint(self, trial: int) -> None:
        """Make it last that a checkpoint is there, or is deleted."""
        sync_folder(self.trial_checkpoint_path(trial).parent)

    def remove_checkpoint(self, trial: int) -> None:
        """Delete the checkpoint of a trial that has ended."""
        shutil.rmtree(self.trial_checkpoint_dir(trial), ignore_errors=True)

    def trial_checkpoint_dir(self, trial: int) -> Path:
        """Folder of the checkpoint of a trial."""
        return (self.trial_dir(trial) / CHECKPOINT).parent

    def write_trial(self, record: TrialRecord) -> None:
        """Write trial.json and epochs.csv of a trial: at its start, and at its end."""
        folder = f"trials/{record.trial:04d}"
        self.trial_dir(record.trial)
        if not record.is_open:
            columns, rows = epoch_table([("search", record.history)])
            self._write_text(f"{folder}/epochs.csv", to_csv(columns, rows))
        self._write_text(f"{folder}/trial.json", record.model_dump_json(indent=1))

    def read_trials(self) -> list[TrialRecord]:
        """All trials that have begun, by number.

        Raises:
            StudyError: When a record cannot be read.
        """
        paths = self._find("trials/*/trial.json")
        return [self._parse(path, TrialRecord.model_validate_json) for path in paths]

    def trial_stamps(self) -> dict[int, int]:
        """Number of each trial -> when its record was last written, ns: what has changed."""
        stamps = {}
        for path in (self.path / "trials").glob("*/trial.json"):
            with contextlib.suppress(OSError, ValueError):  # gone meanwhile, or no trial
                stamps[int(path.parent.name)] = path.stat().st_mtime_ns
        return dict(sorted(stamps.items()))

    def read_trial(self, trial: int) -> TrialRecord:
        """One trial; one that runs has the epochs of its checkpoint.

        Raises:
            StudyError: When its record cannot be read.
        """
        place = self.path / "trials" / f"{trial:04d}"
        record = self._parse(place / "trial.json", TrialRecord.model_validate_json)
        if record.is_open:
            record = record.model_copy(update={"history": read_history(place / CHECKPOINT)})
        return record

    def read_trial_log(self, trial: int, *, most: int) -> str:
        """The end of what a trial's process printed; empty where there is nothing.

        Args:
            trial: Its number.
            most: Bytes of it.
        """
        path = self.path / "trials" / f"{trial:04d}" / "log.txt"
        try:
            with path.open("rb") as file:
                size = file.seek(0, io.SEEK_END)
                file.seek(max(0, size - most))
                return file.read(most).decode("utf-8", "replace")
        except OSError:
            return ""

    def recover_trials(self) -> tuple[list[TrialRecord], list[str]]:
        """All trials of an earlier session; what is torn is set aside, not used.

        Returns:
            The records that can be read, by number, those of open trials with the epochs
            of their checkpoints; and a sentence for each file that cannot: `trial.json` or
            `epoch.npz` is renamed to `...broken`, and the trial will be repeated.

        Raises:
            StudyError: When something is there and cannot be read at the moment.
        """
        records, sentences = [], []
        # A process that was killed may not have come to it: what these folders hold is synced.
        sync_folder(self.path / "trials")
        for path in self._find("trials/*/trial.json"):
            try:
                records.append(self._parse(path, TrialRecord.model_validate_json))
            except TornRecordError as error:
                set_aside(path)
                sentences.append(f"{error.message} Set aside; the trial is repeated.")
                self.remove_checkpoint(int(path.parent.name))
                # Repeated behind later trials, it may have other params: its models are not theirs.
                remove(self.path / "finalists" / path.parent.name)
        recovered = []
        for record in records:
            if record.is_open:
                sync_folder(self.trial_dir(record.trial))
                history, said = self._recover_checkpoint(self.trial_checkpoint_path(record.trial))
                record = record.model_copy(update={"history": history})
                sentences += said
            elif self.trial_checkpoint_dir(record.trial).exists():
                # A process that was killed may have come to the rename of its record alone.
                sync_folder(self.trial_dir(record.trial))
                if record.state != TrialState.CUT:
                    self.remove_checkpoint(record.trial)
            recovered.append(record)
        return recovered, sentences

    def reopen_trial(self, record: TrialRecord) -> TrialRecord | None:
        """A trial that the budget cut as one that was interrupted; nothing is written.

        Returns:
            None where its checkpoint is gone or torn: it stays as it ended.
        """
        history, _ = self._recover_checkpoint(self.trial_checkpoint_path(record.trial))
        if not history:
            return None
        facts = {"state": TrialState.INTERRUPTED, "reason": "", "end_order": None}
        return record.model_copy(update={**facts, "history": history})

    @property
    def trials_path(self) -> Path:
        """Where trials.csv stands."""
        return self.path / "trials.csv"

    def write_trials_table(self, records: Sequence[TrialRecord]) -> None:
        """Write trials.csv: a row per trial, whatever its end."""
        self._write_text("trials.csv", to_csv(*trial_table(records)))

    def append_trial_row(self, record: TrialRecord, names: Iterable[str]) -> None:
        """Write one more line to trials.csv, with a cell for each of the params in `names`."""
        line = csv_lines([trial_row(record, names)])
        append_to_file(self.path / "trials.csv", line.encode("utf-8", "surrogateescape"))

    def remove_models(self, trials: Iterable[int]) -> None:
        """Delete the models of these trials; one without a model is no error."""
        for trial in trials:
            remove(self.path / "trials" / f"{trial:04d}" / "model.keras")

    def kept_models(self) -> set[int]:
        """Numbers of the trials whose models are there; it looks at all trials."""
        return {int(path.parent.name) for path in self._find("trials/*/model.keras")}

    def keep_models(self, trials: Iterable[int]) -> None:
        """Delete the model of every trial but these; it looks at all trials."""
        self.remove_models(sorted(self.kept_models() - set(trials)))

    def adopt_trial(self, source: "TrialFiles", old: int, record: TrialRecord) -> None:
        """Take over an ended trial of another study, its log and its model too.

        Args:
            source: The other study.
            old: Its number there.
            record: Its record with its number here.
        """
        for name in ("log.txt", "model.keras"):
            path = source.path / "trials" / f"{old:04d}" / name
            if path.exists():
                replace_file(self.trial_dir(record.trial) / name, path.read_bytes())
        self.write_trial(record)


class TrialsTable:
    """trials.csv while a search runs: a view of the records, at the cost of a line per trial.

    A trial that ends is one more line, so that the lines stand in the order of the ends. The
    file is written whole, its lines in the order of the numbers, when a session of the search
    begins and ends, and when a trial has a param that no trial before it had. A power cut may
    tear the last line: the next session begins with a whole file (docs/decisions/0018).

    Args:
        folder: The study.
        records: Of the trials that ended in earlier sessions.

    Attributes:
        open: Trials that were left open, which have a line from the next `rewrite` on.
    """

    def __init__(self, folder: TrialFiles, records: Iterable[TrialRecord]) -> None:
        self.open: list[TrialRecord] = []
        self._folder = folder
        self._ended = list(records)
        self._names: dict[str, None] = {}
        self.rewrite()

    def add(self, record: TrialRecord) -> None:
        """Take a trial that has just ended."""
        self._ended.append(record)
        if self._names.keys() >= record.params.keys():
            self._folder.append_trial_row(record, self._names)
        else:
            self.rewrite()

    def rewrite(self) -> None:
        """Write the file whole."""
        records = sorted((*self._ended, *self.open), key=lambda record: record.trial)
        self._names = dict.fromkeys(name for record in records for name in record.params)
        self._folder.write_trials_table(records)
