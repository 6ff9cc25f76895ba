"""The labels of a study that its models doubt, and the images that a person left out of it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from autocnn.core.atomic import make_folder, remove, replace_file
from autocnn.core.csv_tables import read_csv, to_csv
from autocnn.core.errors import StudyError
from autocnn.core.records import LabelIssue
from autocnn.storage.files import Files, read_picture, set_aside

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
    ) -> None:
        """Write label_issues.csv, and its thumbnails under label_issues/ by their names.

        What a person wrote into the column `drop` stays; rows of it that are no longer among the
        issues stand at the end.
        """
        marked = self._marked_rows()
        self._remove_pictures()
        for name, content in pictures.items():
            path = self.path / "label_issues" / name
            make_folder(path.parent)
            replace_file(path, content)
        rows = (
            (
                one.path,
                one.label,
                one.predicted,
                one.label_probability,
                one.predicted_probability,
                one.split,
                one.is_suspect,
                one.picture,
                marked.pop(one.path, ("",))[-1],
            )
            for one in issues
        )
        self._write_text("label_issues.csv", to_csv(ISSUE_COLUMNS, [*rows, *marked.values()]))

    def read_label_issues(self) -> list[LabelIssue] | None:
        """The rows of label_issues.csv; None where there is none.

        Raises:
            StudyError: When it cannot be read.
        """
        if not self.label_issues_path.exists():
            return None
        columns, *rows = list(read_csv(self._read("label_issues.csv"))) or [[]]
        issues = []
        try:
            for row in rows:
                cells = dict(zip(columns, row, strict=True))
                cells.pop("drop", None)
                issues.append(LabelIssue.model_validate(cells))
        except ValueError as error:
            raise StudyError(
                f"{self.label_issues_path}: must have the columns {', '.join(ISSUE_COLUMNS)} in "
                f"every row, got: {str(error).splitlines()[0]}.",
                remedy=f"Delete it, or make it anew: `autocnn resume {self.argument}` with more "
                "--trials.",
            ) from error
        return issues

    def remove_label_issues(self) -> None:
        """Delete label_issues.csv and its thumbnails: they are not of this end of the study.

        Rows into whose column `drop` a person wrote stay.
        """
        if self._marked_rows():
            self.write_label_issues((), {})
            return
        remove(self.label_issues_path)
        self._remove_pictures()

    def _remove_pictures(self) -> None:
        shutil.rmtree(self.path / "label_issues", ignore_errors=True)

    def _marked_rows(self) -> dict[str, tuple[str, ...]]:
        """Path -> row of label_issues.csv, without its thumbnail, where `drop` is not empty.

        A file that is none any more, as a spreadsheet may leave one, is renamed: it may have marks.
        """
        if not self.label_issues_path.exists():
            return {}
        header, *rows = list(read_csv(self._read("label_issues.csv"))) or [[]]
        if tuple(header) != ISSUE_COLUMNS or any(len(row) != len(header) for row in rows):
            set_aside(self.label_issues_path)
            return {}
        return {path: (path, *facts, "", drop) for path, *facts, _, drop in rows if drop.strip()}

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
