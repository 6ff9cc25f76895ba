"""Where the exports of a study stand."""

from pathlib import Path

from autocnn.core.records.exports import ExportFormat, Precision
from autocnn.storage.files import Files


class ExportFiles(Files):
    """What stands under `exports/` of a study: `onnx`, `litert-int8`, ..."""

    def export_dir(self, kind: ExportFormat, precision: Precision) -> Path:
        """Where an export goes that is given no other place; the folder is not made."""
        return self.path / "exports" / (kind if precision == "float32" else f"{kind}-int8")
