"""Reads the cells of a table as text: CSV with any separator and encoding, Excel, Parquet."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from autocnn.core.archives import BROKEN_ARCHIVE
from autocnn.core.csv_tables import allow_long_cells, read_cell
from autocnn.core.errors import DataError, MissingExtraError
from autocnn.core.extras import install_line
from autocnn.core.wording import count, first_few
from autocnn.data.sources.pixel_tables import PixelRows, holds_pixels
from autocnn.data.table import ArrayImages, EncodedImages

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
EXCEL_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")
PARQUET_SUFFIXES = (".parquet", ".pq")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, *EXCEL_SUFFIXES, *PARQUET_SUFFIXES)

SEPARATORS = (",", ";", "\t", "|")
SAMPLE_LINES = 50
"""From which the separator is judged."""

_MARKS = (  # that of UTF-32 begins as that of UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a table, as they are written, without the spaces around them.

    Attributes:
        rows: A list of cells each, all as long; the first may be the header.
        lines: (rows,) Number of each in the file, from 1; of a Parquet file, from 0.
        has_names: Whether the first row is a header for certain; else it has to be looked at.
        spaced: Some cells that had spaces around them.
        images: Place of a column -> the images in it, where it holds no text but images.
        notes: Choices that were made while reading, one sentence each.
    """

    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    has_names: bool = False
    spaced: frozenset[str] = frozenset()
    images: Mapping[int, EncodedImages | ArrayImages] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_cells(file: Path) -> Cells:
    """Read a table whatever it is written in, by its suffix.

    Args:
        file: Of one of `TABLE_SUFFIXES`; or a folder of Parquet files, see `shards.find_shards`.

    Raises:
        DataError: When it is no such table.
        MissingExtraError: When a package that reads it is not installed.
    """
    if file.is_dir():
        from autocnn.data.sources.shards import read_shards

        return read_shards(file)
    suffix = file.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        from autocnn.data.sources.parquet import read_parquet

        return read_parquet(file)
    try:
        if suffix in EXCEL_SUFFIXES:
            return _read_excel(file)
        return _read_text(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{file}: must be readable, got: {reason}.") from error


# -- text ------------------------------------------------------------------------------------


def _read_text(file: Path) -> Cells:
    content, encoding, notes = _find_encoding(file)
    allow_long_cells()
    # Lines end in \n or \r alone: what else `splitlines` takes for an end may stand in a cell.
    sample = io.TextIOWrapper(io.BytesIO(content), encoding)
    lines = [line.rstrip("\n") for line in islice(sample, SAMPLE_LINES)]
    skipped = 0
    if lines and lines[0].lower().startswith("sep=") and len(lines[0]) == 5:  # for Excel
        separator, skipped = lines[0][4], 1
    else:
        separator = _separator([line for line in lines if line.strip()])
    if separator not in (",", "\t"):
        notes.append(f"Columns are separated by {separator!r}.")
    rows: list[list[str]] = []
    numbers: list[int] = []
    spaced: set[str] = set()
    pixels: PixelRows | None = None
    try:
        # A stream: text as a whole takes up to five times the file's size.
        text = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")
        for number, row in islice(_split(text, separator), skipped, None):
            stripped = [cell.strip() for cell in row]
            if not any(stripped):
                continue
            if len(rows) == 1 and holds_pixels(rows[0], row):
                pixels = PixelRows(file, rows[0], row)
                first, numbers = rows[0], numbers * (2 - pixels.has_names)
                rows = [pixels.names(first)]
                rows += [] if pixels.has_names else [pixels.take(first, numbers[0])]
            if pixels is not None:
                rows.append(pixels.take(row, number))
                numbers.append(number)
                continue
            spaced.update(cell for cell, bare in zip(row, stripped, strict=True) if cell != bare)
            rows.append([read_cell(cell) for cell in stripped])
            numbers.append(number)
    except csv.Error as error:
        raise DataError(f"{file}: must be a table of text, got: {error}.") from error
    if pixels is not None:
        notes.append(f"Pixels are read as grey images of {pixels.side} x {pixels.side} px.")
        place = len(rows[0]) - 1
        return Cells(
            rows, numbers, has_names=True, images={place: pixels.images()}, notes=tuple(notes)
        )
    return _evened(Cells(rows, numbers, spaced=frozenset(spaced), notes=tuple(notes)), file)


def _find_encoding(file: Path) -> tuple[bytes, str, list[str]]:
    """The content, its encoding, and a sentence where that had to be guessed."""
    content = file.read_bytes()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if encoding is None and b"\0" in content:
        # Text in UTF-16 without its mark: every other byte of Latin letters is 0.
        even, odd = content[0:2000:2].count(0), content[1:2000:2].count(0)
        encoding = "utf-16-le" if odd > even else "utf-16-be"
        if not min(even, odd) * 20 < max(even, odd) > len(content[:2000]) / 4:
            raise DataError(f"{file}: must be a table of text, got other bytes.")
    try:
        content.decode(encoding or "utf-8")
        return content, encoding or "utf-8", []
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise DataError(f"{file}: must be a table of text, got broken {encoding}.") from error
    note = (
        "It is not UTF-8, so it was read as Windows-1252; where letters are wrong, save it as "
        "UTF-8."
    )
    try:
        content.decode("cp1252")
        return content, "cp1252", [note]
    except UnicodeDecodeError:
        return content, "latin-1", [note.replace("Windows-1252", "Latin-1")]


def _separator(lines: Sequence[str]) -> str:
    """The one that cuts most lines into as many cells as the first; a comma where none does."""
    best, most = ",", (0.0, 1)
    for separator in (*SEPARATORS, " "):
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        if not widths or widths[0] < 2:
            continue
        rank = (widths.count(widths[0]) / len(widths), widths[0])
        # Spaces stand in names and labels: they separate only where nothing else does.
        if rank > most and (separator != " " or (most == (0.0, 1) and rank[0] == 1)):
            best, most = separator, rank
    return best


def _split(text: io.TextIOBase, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each row."""
    reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=separator == " ")
    for row in reader:
        yield reader.line_num, row


def _evened(cells: Cells, file: Path) -> Cells:
    """All rows as long as the first: empty cells at the end are no cells."""
    if not cells.rows:
        return cells
    width = max(len(cells.rows[0]), 1)
    wrong = []
    rows = []
    for line, row in zip(cells.lines, cells.rows, strict=True):
        if len(row) != width and (len(row) < width or any(row[width:])):
            wrong.append(f"{len(row)} in line {line}")
        rows.append(row[:width])
    if wrong:
        raise DataError(
            f"{file}: every row must have {width} cells, as the first has, got {first_few(wrong)}.",
            remedy="Put cells that hold the separator in double quotes.",
        )
    return Cells(rows, cells.lines, spaced=cells.spaced, notes=cells.notes)


# -- Excel -----------------------------------------------------------------------------------


def _read_excel(file: Path) -> Cells:
    """The first sheet."""
    import pandas as pd

    try:
        with pd.ExcelFile(file) as book:
            frame = pd.read_excel(book, header=None, dtype=object, na_filter=False)
            sheets = [str(name) for name in book.sheet_names]
    except ImportError as error:
        reason = str(error).partition(".")[0]
        is_new = file.suffix.lower() in (".xlsx", ".xlsm")
        raise MissingExtraError(
            f"{file}: a package that reads it must be installed, got: {reason}.",
            remedy=f"{install_line('excel')}; or save the table as CSV."
            if is_new
            else "Save the table as .xlsx or CSV.",
        ) from error
    except (ValueError, KeyError, *BROKEN_ARCHIVE) as error:
        raise DataError(
            f"{file}: must be a table that Excel wrote, got: {str(error).rstrip('.')}.",
            remedy="Save it as CSV.",
        ) from error
    written = [[excel_text(value) for value in row] for row in frame.itertuples(index=False)]
    rows = [[cell.strip() for cell in row] for row in written]
    spaced = {cell for row in written for cell in row if cell != cell.strip()}
    kept = [number for number, row in enumerate(rows) if any(row)]
    notes = []
    if len(sheets) > 1:
        notes.append(f"Read the sheet {sheets[0]!r}, the first of {count(len(sheets), 'sheet')}.")
    return Cells(
        [rows[number] for number in kept],
        [number + 1 for number in kept],
        spaced=frozenset(spaced),
        notes=tuple(notes),
    )


def excel_text(value: Any) -> str:
    """A cell as Excel shows it: whole numbers without a point.

    >>> excel_text(7.0), excel_text("007"), excel_text(0.3333), excel_text(True), excel_text(None)
    ('7', '007', '0.3333', 'True', '')
    """
    if value is None or value != value:  # not a number
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
