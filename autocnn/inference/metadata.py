"""metadata.json, which makes a folder an exported model; what its files may name and need."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autocnn.core.archives import BROKEN_ARCHIVE
from autocnn.core.errors import ExportError
from autocnn.core.records import ExportMetadata

METADATA_FILE = "metadata.json"


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


def is_inside(folder: Path, name: str) -> bool:
    """Whether a name is of a file or folder directly in a folder, and no link out of it.

    >>> [is_inside(Path("here"), name) for name in ("model.keras", "..", "a/b", "/etc/passwd", "")]
    [True, False, False, False, False]
    """
    is_name = name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"}
    return is_name and (folder / name).resolve().parent == folder.resolve()


def has_own_layers(path: Path) -> bool:
    """Whether a .keras file holds layers or functions that Keras itself does not have.

    False for what is no .keras file: loading it tells more.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (OSError, ValueError, KeyError, *BROKEN_ARCHIVE):
        return False
    return any(_registered_names(config))


def _registered_names(config: Any) -> Iterator[str]:
    """Names like `package>Layer`, anywhere in a config."""
    if isinstance(config, dict):
        name = config.get("registered_name")
        if isinstance(name, str) and ">" in name:
            yield name
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _registered_names(part)
