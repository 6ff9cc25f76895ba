"""The labels of a study that its models doubt, and the images that a person left out of it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from autocnn.core.atomic import make_folder, remove, replace_file
from autocnn.core.csv_tables import read_csv, to_csv
from autocnn.core.errors import StudyError
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
"""Of label_issues.csv. `drop` is empty: a person fills it in, for --drop-labels."""

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
        """Write label_issues.csv, and its thumbnails under label_issues/ by their names."""
        self.remove_label_issues()
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
                "",
            )
            for one in issues
        )
        self._write_text("label_issues.csv", to_csv(ISSUE_COLUMNS, rows))

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
        """Delete label_issues.csv and its thumbnails: they are not of this end of the study."""
        remove(self.label_issues_path)
        shutil.rmtree(self.path / "label_issues", ignore_errors=True)

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
