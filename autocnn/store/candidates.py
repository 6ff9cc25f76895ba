"""The candidates of a study: refits, models, tables and pictures."""

import io
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from autocnn.atomic import replace_file
from autocnn.errors import StudyError
from autocnn.records import CandidateRecord, EpochScore, RefitRecord
from autocnn.store.files import CHECKPOINT, Files
from autocnn.tables import Cell, epoch_table, to_csv


class CandidateFiles(Files):
    """What stands under `candidates/` of a study, and leaderboard.csv."""

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

    def candidate_checkpoint_path(self, candidate: int) -> Path:
        """Where the refit of a candidate keeps its last whole epoch; the folder is made."""
        path = self.candidate_dir(candidate) / CHECKPOINT
        path.parent.mkdir(exist_ok=True)
        return path

    def write_refit(self, candidate: int, record: RefitRecord) -> None:
        """Write refit.json: the candidate's model is whole, and need not be made again."""
        folder = f"candidates/{candidate:02d}"
        self._write_text(f"{folder}/refit.json", record.model_dump_json(indent=1))
        shutil.rmtree(self.candidate_dir(candidate) / "checkpoint", ignore_errors=True)

    def read_refit(self, candidate: int) -> RefitRecord | None:
        """What `write_refit` wrote; None when the model has to be made."""
        path = self.candidate_dir(candidate) / "refit.json"
        if not path.exists() or not self.candidate_model_path(candidate).exists():
            return None
        try:
            return self._parse(path, RefitRecord.model_validate_json)
        except StudyError:
            return None

    def recover_candidates(self) -> list[str]:
        """Set torn checkpoints of refits aside; a sentence for each."""
        paths = sorted((self.path / "candidates").glob(f"*/{CHECKPOINT}"))
        return [sentence for path in paths for sentence in self._recover_checkpoint(path)[1]]

    def place_candidates(self, trials: Sequence[int]) -> None:
        """Number the candidates' folders anew: 1 for the first of `trials`, and so on.

        A finished refit of one of them keeps its files under its new number; what belongs
        to no candidate any more, the old leaderboard too, is deleted.
        """
        self.leaderboard_path.unlink(missing_ok=True)
        folder = self.path / "candidates"
        for old in sorted(folder.glob("[0-9]*")):
            refit = self.read_refit(int(old.name))
            if refit is not None:
                old.rename(folder / f".refit-{refit.trial}")
            else:
                shutil.rmtree(old)
        for number, trial in enumerate(trials, start=1):
            if (folder / f".refit-{trial}").exists():
                (folder / f".refit-{trial}").rename(folder / f"{number:02d}")
        for unused in folder.glob(".refit-*"):
            shutil.rmtree(unused)

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
        self._write_text(f"candidates/{candidate:02d}/{name}.csv", to_csv(columns, rows))

    def write_learning_curves(
        self, candidate: int, search: Sequence[EpochScore], refit: Sequence[EpochScore]
    ) -> None:
        """Write learning_curves.csv: the trial's epochs, then the refit's."""
        columns, rows = epoch_table([("search", search), ("refit", refit)])
        self.write_candidate_table(candidate, "learning_curves", columns, rows)

    def write_candidate_picture(
        self, candidate: int, name: str, write: Callable[[BinaryIO], None]
    ) -> None:
        """Write one picture of a candidate; `write` puts the PNG into the open file."""
        path = self.candidate_dir(candidate) / f"{name}.png"
        buffer = io.BytesIO()
        write(buffer)
        replace_file(path, buffer.getvalue())

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
                remedy=f"Go on with it: `autocnn resume {self.path}`. Its trials so far are in "
                f"{self.path / 'trials.csv'}.",
            )
        return self._read("leaderboard.csv")
