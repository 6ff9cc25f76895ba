"""Reads a CSV of path,label[,split][,group]."""

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from autocnn.core.csv_tables import read_cell
from autocnn.core.errors import DataError
from autocnn.core.records import SplitName
from autocnn.core.wording import first_few
from autocnn.data.table import FileImages, FoundImages, split_word

COLUMNS = ("path", "label", "split", "group")

SHARE_PREFIX = "p."
"""Begins the columns of probabilities, which every table of predictions has."""


def read_csv(file: Path) -> FoundImages:
    """Find the images that a CSV lists.

    Every cell is text: the label `01` stays `01`. An empty split means "not given", an
    empty group "no group". Columns besides the four are not read.

    Args:
        file: UTF-8 text, comma-separated, with a header; the paths in it are relative to
            its folder and stay inside it.

    Raises:
        DataError: Where a line breaks a rule; the message says which line.
    """
    return _CsvReader(file).read()


class _CsvReader:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.notes: list[str] = []

    def fail(self, text: str, remedy: str = "", *, line: int | None = None) -> NoReturn:
        where = f"{self.file}" if line is None else f"{self.file}:{line}"
        raise DataError(f"{where}: {text}.", remedy=remedy)

    def read(self) -> FoundImages:
        lines: dict[str, int] = {}
        class_of: list[str] = []
        splits: list[SplitName | None] = []
        groups: list[str | None] = []
        for line, row in self.rows():
            path = self.path(row["path"], line)
            if path in lines:
                rule = f"every path must be listed once, got {path!r} again"
                self.fail(rule, f"It is in line {lines[path]} too: delete one.", line=line)
            lines[path] = line
            if not row["label"]:
                self.fail(f"label must not be empty, got none for {path!r}", line=line)
            class_of.append(row["label"])
            splits.append(self.split(row.get("split", ""), line))
            groups.append(row.get("group") or None)
        if not lines:
            self.fail("must list at least two images, got none", "Add a line for each image.")
        unknown = [path for path in lines if not (self.file.parent / path).is_file()]
        if unknown:
            self.fail(
                f"every path must be a file in {self.file.parent}, "
                f"got {len(unknown):,} unknown: {first_few(unknown)}",
                "Write paths relative to the folder of the CSV.",
            )
        return FoundImages(
            paths=tuple(lines),
            class_of=tuple(class_of),
            splits=tuple(splits),
            groups=tuple(groups),
            images=FileImages(self.file.parent),
            ignored={},
            notes=tuple(self.notes),
        )

    def rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """(line number, column -> stripped cell) of each line that is not blank."""
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as text:
                reader = csv.reader(text, strict=True)
                header = [name.strip().casefold() for name in next(reader, [])]
                self.check_header(header)
                for cells in reader:
                    if not any(cell.strip() for cell in cells):
                        continue
                    if len(cells) != len(header):
                        rule = f"must have {len(header)} cells, got {len(cells)}"
                        remedy = "Put cells that hold a comma in double quotes."
                        self.fail(rule, remedy, line=reader.line_num)
                    stripped = (read_cell(cell.strip()) for cell in cells)
                    yield reader.line_num, dict(zip(header, stripped, strict=True))
        except OSError as error:
            self.fail(f"must be readable, got: {error.strerror}")
        except UnicodeDecodeError:
            self.fail("must be UTF-8 text, got other bytes", "Save it as UTF-8.")
        except csv.Error as error:
            self.fail(f"must be comma-separated text, got: {error}")

    def check_header(self, header: list[str]) -> None:
        shares = [name for name in header if name.startswith(SHARE_PREFIX)]
        if shares:
            self.fail(
                f"must be a table of images and their labels, got one of predictions: it has the "
                f"column {shares[0]!r}",
                "What a model says is no label: a score on it would compare the model with itself. "
                "Give the true labels; if `label` has them, delete the columns of probabilities.",
            )
        missing = [name for name in ("path", "label") if name not in header]
        if missing:
            got = ", ".join(map(repr, header)) or "an empty file"
            remedy = "Name them so in the first line: path,label[,split][,group]."
            self.fail(f"must have the columns path and label, got {got}", remedy)
        twice = [name for name in COLUMNS if header.count(name) > 1]
        if twice:
            self.fail(f"must have each column once, got {twice[0]!r} more than once")
        others = [name for name in header if name not in COLUMNS]
        if others:
            self.notes.append(f"Columns not read: {', '.join(others)}.")

    def path(self, cell: str, line: int) -> str:
        """The path in one form, `/`-separated, inside the CSV's folder."""
        if not cell:
            self.fail("path must not be empty, got none", line=line)
        path = Path(os.path.normpath(cell))
        if path.is_absolute() or path.parts[:1] == (os.pardir,) or "\0" in cell:
            rule = f"path must stay inside {self.file.parent}, got {cell!r}"
            self.fail(rule, "Move the CSV to the folder that holds all images.", line=line)
        return path.as_posix()

    def split(self, cell: str, line: int) -> SplitName | None:
        split = split_word(cell) if cell else None
        if cell and split is None:
            self.fail(f"split must be train, val or test, or empty, got {cell!r}", line=line)
        return split
