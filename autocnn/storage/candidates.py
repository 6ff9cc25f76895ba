"""The candidates of a study: models, tables and pictures."""

import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autocnn.core.atomic import (
    make_folder,
    reading_error,
    remove,
    replace_file,
    replacing,
    sync_folder,
)
from autocnn.core.csv_tables import Cell, epoch_table, read_rows
from autocnn.core.errors import StudyError
from autocnn.core.records import CandidateRecord, EpochScore
from autocnn.storage.files import Files


class CandidateFiles(Files):
    """What stands under `candidates/` of a study, and leaderboard.csv."""

    def candidate_dir(self, candidate: int) -> Path:
        """Folder of a candidate, made if need be."""
        path = self.path / "candidates" / f"{candidate:02d}"
        make_folder(path)
        return path

    def candidate_model_path(self, candidate: int) -> Path:
        """Where a candidate's model stands."""
        return self.candidate_dir(candidate) / "model.keras"

    def candidate_log_path(self, candidate: int) -> Path:
        """Where the process that makes a candidate writes what it prints."""
        return self.candidate_dir(candidate) / "log.txt"

    def clear_candidates(self) -> None:
        """Delete all candidates and the leaderboard: they are about to be made anew."""
        # First the leaderboard, and for good: where there is one, its candidates are whole, also
        # after a power cut.
        remove(self.leaderboard_path)
        sync_folder(self.path)
        remove(self.path / "subgroups.csv")
        self.remove_predictions()
        for path in self._find("candidates/[0-9]*"):
            remove(path)

    def predictions_dir(self) -> Path:
        """Folder for raw predictions on their way from the judging process; emptied later."""
        path = self.path / "candidates" / ".predictions"
        make_folder(path)
        return path

    def remove_predictions(self) -> None:
        """Empty `predictions_dir`: predictions.csv holds them now."""
        shutil.rmtree(self.path / "candidates" / ".predictions", ignore_errors=True)

    def write_candidate(self, record: CandidateRecord) -> None:
        """Write candidate.json (all of it) and metrics.json (the scores by split)."""
        folder = f"candidates/{record.candidate:02d}"
        self.candidate_dir(record.candidate)
        metrics: dict[str, Any] = {
            scores.split: scores.model_dump(mode="json")
            for scores in (record.train, record.val, record.folds, record.test, record.test_clean)
            if scores is not None
        }
        self._write_json(f"{folder}/metrics.json", metrics)
        self._write_text(f"{folder}/candidate.json", record.model_dump_json(indent=1))

    def read_candidates(self) -> list[CandidateRecord]:
        """All candidates, by number.

        Raises:
            StudyError: When a record cannot be read.
        """
        paths = self._find("candidates/*/candidate.json")
        return [self._parse(path, CandidateRecord.model_validate_json) for path in paths]

    def read_candidate(self, number: int) -> CandidateRecord:
        """One candidate.

        Raises:
            StudyError: When there is no such candidate, or a record cannot be read.
        """
        records = {record.candidate: record for record in self.read_candidates()}
        if number not in records:
            there = ", ".join(map(str, records)) or "none"
            raise StudyError(
                f"{self.path}: must have the candidate {number}, got {there}.",
                remedy="" if records else f"Go on with it: `autocnn resume {self.argument}`.",
            )
        return records[number]

    def write_candidate_table(
        self,
        candidate: int,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        has_shares: bool = False,
    ) -> None:
        """Write one CSV of a candidate, e.g. `roc` -> candidates/01/roc.csv; see `csv_chunks`."""
        self.candidate_dir(candidate)
        self._write_table(
            f"candidates/{candidate:02d}/{name}.csv", columns, rows, has_shares=has_shares
        )

    def write_learning_curves(
        self, candidate: int, search: Sequence[EpochScore], refit: Sequence[EpochScore]
    ) -> None:
        """Write learning_curves.csv: the trial's epochs, then the refit's."""
        columns, rows = epoch_table([("search", search), ("refit", refit)])
        self.write_candidate_table(candidate, "learning_curves", columns, rows)

    def candidate_picture_path(self, candidate: int, name: str) -> Path:
        """Where one picture of a candidate stands, e.g. `roc` -> candidates/01/roc.png."""
        return self.candidate_dir(candidate) / f"{name}.png"

    def write_candidate_picture(
        self, candidate: int, name: str, write: Callable[[BinaryIO], None]
    ) -> None:
        """Write one picture of a candidate; `write` puts the PNG into the open file."""
        buffer = io.BytesIO()
        write(buffer)
        replace_file(self.candidate_picture_path(candidate, name), buffer.getvalue())

    def write_candidate_image(self, candidate: int, name: str, content: bytes) -> None:
        """Write one image of a candidate that is encoded already."""
        replace_file(self.candidate_dir(candidate) / name, content)

    def candidate_familiarity_path(self, candidate: int) -> Path:
        """Where a candidate's familiarity.npz stands, if its features could be had."""
        return self.candidate_dir(candidate) / "familiarity.npz"

    def write_familiarity(self, candidate: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Write familiarity.npz: what `metrics.familiarity.read_reference` reads."""
        with replacing(self.candidate_familiarity_path(candidate)) as file:
            np.savez(file, allow_pickle=False, **dict(arrays))

    def read_candidate_table(self, candidate: int, name: str) -> Iterator[dict[str, str]]:
        """The rows of one CSV of a candidate, column -> cell; none when it is not there.

        One is in memory at a time: of 100,000 images and 1,000 classes there are 10^8 cells.

        Raises:
            StudyError: When it cannot be read.
        """
        path = self.path / f"candidates/{candidate:02d}/{name}.csv"
        try:
            with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                rows = read_rows(file)
                header = next(rows, [])
                # A row that is too short lacks its last columns.
                yield from (dict(zip(header, row, strict=False)) for row in rows if row)
        except FileNotFoundError:
            return
        except OSError as error:
            raise reading_error(error, path) from error

    def write_subgroups(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Write subgroups.csv."""
        self._write_table("subgroups.csv", columns, rows)

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
                remedy=f"Go on with it: `autocnn resume {self.argument}`. Its trials so far are in "
                f"{self.path / 'trials.csv'}.",
            )
        return self._read("leaderboard.csv")
