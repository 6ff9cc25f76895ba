"""Reads Parquet: tables of text, also with images in a column, as the Hugging Face hub has."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autocnn.core.errors import DataError, MissingExtraError
from autocnn.core.extras import install_line
from autocnn.data.sources.table_files import Cells
from autocnn.data.table import EncodedImages

if TYPE_CHECKING:
    from pyarrow import DataType, Schema

IMAGES_AT_ONCE = 64
"""Images that are read together; two times as many are held."""


BUFFER_BYTES = 2**20
"""Read at once. Without it a row group is: 540 MB for one of 400 MB, in the place of 180."""


class ParquetColumn:
    """The images in a column, read as they are asked for, best in their order.

    Args:
        file: The Parquet file.
        column: Whose cells are the bytes of an image file, `image` or `image.bytes`.
    """

    def __init__(self, file: Path, column: str) -> None:
        self.file = file
        self.column = column
        with _open(file) as opened:
            sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._lock = threading.Lock()
        self._group = -1
        self._parts: Iterator[tuple[int, list[bytes]]] = iter(())
        self._held: list[tuple[int, list[bytes]]] = []

    def read(self, row: int) -> bytes:
        """The image of a row: the content of its file; empty where there is none.

        Raises:
            DataError: When the file is not what it was.
        """
        with self._lock:
            while True:
                for start, images in self._held:
                    if start <= row < start + len(images):
                        return images[row - start]
                self._move_towards(row)

    def _move_towards(self, row: int) -> None:
        """Read on, or begin at the row's group where it lies elsewhere."""
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        is_behind = bool(self._held) and row < self._held[-1][0]
        if group != self._group or is_behind:
            self._group, self._held, self._parts = group, [], self._read_group(group)
        part = next(self._parts, None)
        if part is None:
            raise DataError(f"{self.file}: must stay as it is while it is read, got it changed.")
        self._held = [*self._held[-1:], part]

    def _read_group(self, group: int) -> Iterator[tuple[int, list[bytes]]]:
        """(first row, images) of each part of a row group."""
        start = int(self._starts[group])
        with _open(self.file) as opened:
            batches = opened.iter_batches(IMAGES_AT_ONCE, row_groups=[group], columns=[self.column])
            for batch in batches:
                column = batch.column(0)
                while hasattr(column.type, "num_fields") and column.type.num_fields:  # a struct
                    column = column.field(0)
                yield start, [image or b"" for image in column.to_pylist()]
                start += len(column)


def read_parquet(file: Path) -> Cells:
    """The columns of a Parquet file as text; images stay where they are.

    Whole numbers that the schema of the Hugging Face hub calls ClassLabel become their names; -1
    is no label.
    Of a column of structs with `bytes` and `path`, the paths are the text; without bytes it is
    a column of paths as any other. Columns of other nested values are not read.

    Raises:
        DataError: When it is no Parquet file.
        MissingExtraError: When pyarrow is not installed.
    """
    names: list[str] = []
    columns: list[Sequence[str]] = []
    images: dict[int, EncodedImages] = {}
    left_out: list[str] = []
    spaced: set[str] = set()
    with _open(file) as opened:
        schema = opened.schema_arrow
        class_names = _class_names(schema)
        for column in schema:
            kind = _kind(column.type)
            if kind == "nested":
                left_out.append(column.name)
                continue
            place = f"{column.name}.path" if kind == "struct" else column.name
            if kind == "bytes":
                text = [""] * opened.metadata.num_rows
            else:
                values = opened.read([place]).column(0)
                if kind == "struct":
                    values = values.combine_chunks().field("path")
                known = class_names.get(column.name)
                written = [_text(value, known) for value in values.to_pylist()]
                text = [cell.strip() for cell in written]
                spaced.update(cell for cell in written if cell != cell.strip())
            if kind == "bytes" or (kind == "struct" and _has_bytes(opened, column.name)):
                where = f"{column.name}.bytes" if kind == "struct" else column.name
                images[len(names)] = EncodedImages(
                    ParquetColumn(file, where), np.arange(len(text), dtype=np.int64)
                )
            names.append(column.name)
            columns.append(text)
    if len(set(map(len, columns))) > 1:
        raise DataError(
            f"{file}: must be a whole Parquet file, got columns of different lengths.",
            remedy="Fetch it again.",
        )
    notes = (f"Columns of nested values are not read: {', '.join(left_out)}.",) if left_out else ()
    rows = [names, *map(list, zip(*columns, strict=True))]
    return Cells(
        rows, range(len(rows)), has_names=True, spaced=frozenset(spaced), images=images, notes=notes
    )


@contextmanager
def _open(file: Path) -> Iterator[Any]:
    """The opened file; pages of a column are read one after the other, not all at once."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(
            f"{file}: pyarrow must be installed to read Parquet, got: {error}.",
            remedy=install_line("parquet"),
        ) from error
    try:
        with pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER_BYTES) as opened:
            yield opened
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{file}: must be a whole Parquet file, got: {str(error).rstrip('.')}.",
            remedy="Fetch it again.",
        ) from error


def _kind(column: "DataType") -> str:
    """`text`, `bytes`, `struct` (of bytes and path), `list` (of plain values) or `nested`."""
    from pyarrow import types

    if types.is_struct(column):
        fields = {column.field(i).name for i in range(column.num_fields)}
        return "struct" if {"bytes", "path"} <= fields else "nested"
    if types.is_binary(column) or types.is_large_binary(column):
        return "bytes"
    if types.is_list(column) or types.is_large_list(column):
        is_text = types.is_integer(column.value_type) or types.is_string(column.value_type)
        return "list" if is_text else "nested"
    return "nested" if types.is_nested(column) else "text"


def _has_bytes(opened: Any, name: str) -> bool:
    """Whether a column of structs holds images, and not paths alone."""
    for batch in opened.iter_batches(IMAGES_AT_ONCE, columns=[f"{name}.bytes"]):
        values = batch.column(0).field("bytes")
        if values.null_count < len(values):
            return True
    return False


def _text(value: object, class_names: Sequence[str] | None) -> str:
    """A cell as it would be written, empty of NaN too; several values are joined by `|`."""
    if value is None or value != value:
        return ""
    if isinstance(value, list):
        return "|".join(_text(one, class_names) for one in value)
    if class_names is not None and isinstance(value, int) and -1 <= value < len(class_names):
        return class_names[value] if value >= 0 else ""  # a test set whose labels are kept back
    return str(value)


def _class_names(schema: "Schema") -> Mapping[str, Sequence[str]]:
    """Column -> names of its numbers, from what the Hugging Face hub keeps in the schema."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        found = {name: _names_of(feature) for name, feature in features.items()}
        return {name: names for name, names in found.items() if names}
    except (TypeError, ValueError, LookupError, AttributeError):
        return {}


def _names_of(feature: Any) -> list[str]:
    """The names of a ClassLabel, also of a list of them; empty of anything else."""
    while isinstance(feature, list) and feature:
        feature = feature[0]
    if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    is_label = isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    return [str(name) for name in feature.get("names") or ()] if is_label else []
