"""What the report reads of a study beside its records, and what it leaves there."""

from pathlib import Path

from autocnn.core.records import AuditReport
from autocnn.storage.files import Files, read_picture


class ReportFiles(Files):
    """audit.json, the pictures, report.html and model_card.md of a study."""

    @property
    def report_path(self) -> Path:
        """Where report.html stands."""
        return self.path / "report.html"

    @property
    def model_card_path(self) -> Path:
        """Where model_card.md stands."""
        return self.path / "model_card.md"

    def read_audit(self) -> AuditReport | None:
        """The audit of the data; None while there is none.

        Raises:
            StudyError: When it cannot be read, or another version wrote it.
        """
        path = self.path / "audit.json"
        return self._parse(path, AuditReport.model_validate_json) if path.exists() else None

    def has_model(self, candidate: int) -> bool:
        """Whether a candidate's model.keras is there: it may have been deleted to save space."""
        return (self.path / "candidates" / f"{candidate:02d}" / "model.keras").is_file()

    def read_candidate_picture(self, candidate: int, name: str) -> bytes | None:
        """The bytes of a picture beside candidate.json; None where there is none.

        Args:
            candidate: Its number.
            name: With its ending: `roc.png`.
        """
        return read_picture(self.path / "candidates" / f"{candidate:02d}", name)

    def read_audit_picture(self, name: str) -> bytes | None:
        """The bytes of a thumbnail of the audit; None where there is none."""
        return read_picture(self.path / "audit", name)

    def write_report(self, html: str) -> None:
        """Write report.html."""
        self._write_text("report.html", html)
