"""The labels of a study that its models doubt, and the images that a person left out of it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from autocnn.core.atomic import make_folder, remove, replace_file
from autocnn.core.csv_tables import Cell, read_csv, to_csv
from autocnn.core.errors import DataError, StudyError
from autocnn.core.records import LabelIssue
from autocnn.storage.files import Files, read_picture

ISSUE_COLUMNS = (
    "path",
    "label",
    "predicted",
    "label_probability",
    "predicted_probability",
    "split",
    "is_suspect",
    "picture",
    "drop",
)
"""Of label_issues.csv. `drop` is empty: a person fills it in, for --drop-labels, and it stays."""

DROPPED_COLUMNS = ("path", "label", "split")


class LabelFiles(Files):
    """label_issues.csv and its thumbnails, and dropped.csv."""

    @property
    def label_issues_path(self) -> Path:
        """Where label_issues.csv stands."""
        return self.path / "label_issues.csv"

    def write_label_issues(
        self, issues: Sequence[LabelIssue], pictures: Mapping[str, bytes]
    ) -> Path | None:
        """Write label_issues.csv, and its thumbnails under label_issues/ by their names.

        What a person wrote into the column `drop` stays, whatever a spreadsheet made of the file;
        rows of it that are no longer among the issues stand at the end.

        Returns:
            Where the file of before is, if something of it could not be kept.
        """
        found = self._marked_rows()
        marked = {} if found is None else found
        rows = [(*_cells(one), marked.pop(one.path, ("",))[-1]) for one in issues]
        left = [row for row in marked.values() if len(row) == len(ISSUE_COLUMNS)]
        is_whole = found is not None and len(left) == len(marked)
        aside = None if is_whole else self.label_issues_path.with_name("label_issues.csv.broken")
        if aside is not None:
            self._write_text(aside.name, self._read("label_issues.csv"))
        self._remove_pictures()
        for name, content in pictures.items():
            path = self.path / "label_issues" / name
            make_folder(path.parent)
            replace_file(path, content)
        self._write_text("label_issues.csv", to_csv(ISSUE_COLUMNS, [*rows, *left]))
        return aside

    def read_label_issues(self) -> list[LabelIssue] | None:
        """The rows of label_issues.csv, also as a spreadsheet saves it; None where there is none.

        Raises:
            StudyError: When it cannot be read.
        """
        if not self.label_issues_path.exists():
            return None
        try:
            return [_read_issue(cells) for cells in self._label_cells()]
        except ValueError as error:
            raise StudyError(
                f"{self.label_issues_path}: must have the columns {', '.join(ISSUE_COLUMNS)} in "
                f"every row, got: {str(error).splitlines()[0]}.",
                remedy=f"Delete it, or make it anew: `autocnn resume {self.argument}` with more "
                "--trials.",
            ) from error

    def remove_label_issues(self) -> Path | None:
        """Delete label_issues.csv and its thumbnails: they are not of this end of the study.

        Rows into whose column `drop` a person wrote stay.

        Returns:
            As of `write_label_issues`.
        """
        marked = self._marked_rows()
        if marked is None or marked:
            return self.write_label_issues((), {})
        remove(self.label_issues_path)
        self._remove_pictures()
        return None

    def _remove_pictures(self) -> None:
        shutil.rmtree(self.path / "label_issues", ignore_errors=True)

    def _marked_rows(self) -> dict[str, tuple[Cell, ...]] | None:
        """Path -> row of label_issues.csv, without its thumbnail, where `drop` is not empty.

        None of a file without paths and marks, which may have had some. A row that lacks what is
        known of the image is path and mark alone.
        """
        if not self.label_issues_path.exists():
            return {}
        try:
            rows = self._label_cells()
        except ValueError:
            return None
        return {cells["path"]: _marked_row(cells) for cells in rows if cells["drop"].strip()}

    def _label_cells(self) -> list[dict[str, str]]:
        """Column -> cell of each row of label_issues.csv.

        Raises:
            ValueError: When it is no table, or has no columns `path` and `drop`.
        """
        header, *rows = list(read_csv(self._read("label_issues.csv"))) or [[]]
        if tuple(header) != ISSUE_COLUMNS or any(len(row) != len(header) for row in rows):
            # What a spreadsheet saves is read as --drop-labels reads it.
            from autocnn.data.sources.table_files import read_cells

            try:
                found = read_cells(self.label_issues_path).rows or [[]]
            except DataError as error:
                raise ValueError(error.message) from error
            header, *rows = [list(row) for row in found]
        if not {"path", "drop"} <= set(header):
            raise ValueError(", ".join(header) or "an empty file")
        return [dict(zip(header, row, strict=True)) for row in rows]

    def read_label_picture(self, name: str) -> bytes | None:
        """The bytes of a thumbnail of label_issues.csv; None where there is none."""
        return read_picture(self.path / "label_issues", name)

    def write_dropped(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Write dropped.csv: path, label and split of the images that were left out."""
        self._write_text("dropped.csv", to_csv(DROPPED_COLUMNS, rows))

    def read_dropped(self) -> tuple[str, ...]:
        """Paths of the images that were left out; none without a dropped.csv.

        Raises:
            StudyError: When it cannot be read.
        """
        if not (self.path / "dropped.csv").exists():
            return ()
        _, *rows = list(read_csv(self._read("dropped.csv"))) or [[]]
        return tuple(row[0] for row in rows if row)


def _read_issue(cells: Mapping[str, str]) -> LabelIssue:
    """An issue from its row, whose numbers may have commas for points.

    Raises:
        ValueError: When something is missing, or is not what it should be.
    """
    numbers = ("label_probability", "predicted_probability")
    points = {name: cells[name].replace(",", ".") for name in numbers if name in cells}
    facts = {name: cell for name, cell in cells.items() if name in LabelIssue.model_fields}
    return LabelIssue.model_validate(facts | points)


def _marked_row(cells: Mapping[str, str]) -> tuple[Cell, ...]:
    """The row of an image that a person marked; path and mark alone where the rest is lost."""
    verdict = cells.get("is_suspect", "").casefold()
    if verdict not in ("true", "false"):  # a spreadsheet writes it in its own language
        verdict = "true"
    try:
        one = _read_issue({**cells, "is_suspect": verdict, "picture": ""})
    except ValueError:
        return cells["path"], cells["drop"]
    return *_cells(one), cells["drop"]


def _cells(one: LabelIssue) -> tuple[Cell, ...]:
    """What its row says before the mark, in the order of `ISSUE_COLUMNS`."""
    return (
        one.path,
        one.label,
        one.predicted,
        one.label_probability,
        one.predicted_probability,
        one.split,
        one.is_suspect,
        one.picture,
    )
