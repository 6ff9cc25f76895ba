"""metadata.json, which makes a folder an exported model: its name, read and written."""

from pathlib import Path

from autocnn.core.errors import ExportError
from autocnn.core.records import ExportMetadata

METADATA_FILE = "metadata.json"


def is_export(folder: Path) -> bool:
    """Whether a folder says that it is an exported model."""
    return (folder / METADATA_FILE).is_file()


def read_metadata(folder: Path) -> ExportMetadata:
    """What an exported folder says of its model.

    Args:
        folder: As `autocnn export` makes it.

    Raises:
        ExportError: When the file is absent or not whole.
    """
    path = folder / METADATA_FILE
    try:
        return ExportMetadata.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ExportError(
            f"{path}: must describe an exported model, got: {reason}.",
            remedy="Export it again: autocnn export.",
        ) from error


def write_metadata(metadata: ExportMetadata, folder: Path) -> None:
    """Write metadata.json into a folder that is being made."""
    (folder / METADATA_FILE).write_text(metadata.model_dump_json(indent=1) + "\n", "utf-8")
