"""Tables that a test writes as text, and the files that they name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.config import Reading
from autocnn.core.errors import DataError
from autocnn.data.sources.open import read_source
from autocnn.data.table import ImageTable


def make_files(*names: str) -> None:
    """Files that are only hashed here, not decoded."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)


def read(
    text: str, name: str = "list.csv", *, encoding: str = "utf-8", **settings: Any
) -> ImageTable:
    """The images of a table with this text in the current folder."""
    Path(name).write_bytes(text.encode(encoding))
    return read_source(name, reading=Reading(**settings))


def lines(header: str, rows: Sequence[str]) -> str:
    return "\n".join([header, *rows, ""])


def labels_of(table: ImageTable) -> list[str]:
    return [table.class_names[label] for label in table.labels]


def refusal(text: str, **options: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(text, **options)
    return str(raised.value)


NAMES = [f"{i}.png" for i in range(6)]
KINDS = ["cat", "dog"] * 3
PAIRS = [f"{name},{kind}" for name, kind in zip(NAMES, KINDS, strict=True)]
