"""Reads a data set in several Parquet files, as the Hugging Face hub keeps them, as one table."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from autocnn.core.errors import DataError
from autocnn.core.records import SplitName
from autocnn.core.wording import first_few
from autocnn.data.sources.parquet import read_parquet
from autocnn.data.sources.table_files import PARQUET_SUFFIXES, Cells
from autocnn.data.table import EncodedColumn, EncodedImages, natural_key, split_word

BELOW = "data"
"""Where the hub has the files, below the folder of a data set."""

_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})(-[0-9a-z]+)?")


def find_shards(folder: Path) -> Mapping[Path, SplitName]:
    """The Parquet files of a data set and their splits, in the order of their names.

    They lie in the folder, or in `data/` below it, and are all named after a split, as
    `train.parquet` or `test-00000-of-00002.parquet`.

    Returns:
        Empty where there is none, or one of another name.
    """
    for place in (folder, folder / BELOW):
        parquet = (file for file in place.glob("*") if file.suffix.lower() in PARQUET_SUFFIXES)
        files = sorted(filter(Path.is_file, parquet), key=lambda file: natural_key(file.name))
        if files:
            splits = {file: split_word(_split_of(file)) for file in files}
            found = {file: split for file, split in splits.items() if split is not None}
            return found if len(found) == len(files) else {}
    return {}


def read_shards(folder: Path) -> Cells:
    """The rows of all files one after another, with a column `split` where they have none.

    Args:
        folder: With such files: see `find_shards`.

    Raises:
        DataError: When a part is missing, or has other columns than the first.
        MissingExtraError: When pyarrow is not installed.
    """
    shards = find_shards(folder)
    _check_parts(list(shards))
    parts = {file: read_parquet(file) for file in shards}
    (first_file, first), *others = parts.items()
    names = list(first.rows[0])
    for file, part in others:
        if list(part.rows[0]) != names or part.images.keys() != first.images.keys():
            differing = sorted(set(names) ^ set(part.rows[0])) or names
            raise DataError(
                f"{file}: must have the columns of {first_file.name}, got others: "
                f"{first_few(differing)}.",
                remedy="Give one file, or move those of another data set away.",
            )
    has_split = any(name.strip().casefold() == "split" for name in names)
    rows = [names if has_split else [*names, "split"]]
    for file, part in parts.items():
        own = [] if has_split else [shards[file]]
        rows += [[*row, *own] for row in part.rows[1:]]
    lengths = [len(part.rows) - 1 for part in parts.values()]
    everything = np.arange(sum(lengths), dtype=np.int64)
    images = {}
    for place in first.images:
        columns = [part.images[place] for part in parts.values()]
        encoded = [one.column for one in columns if isinstance(one, EncodedImages)]
        images[place] = EncodedImages(_Joined(encoded, lengths), everything)
    return Cells(
        rows,
        range(len(rows)),
        has_names=True,
        spaced=frozenset(cell for part in parts.values() for cell in part.spaced),
        images=images,
        notes=tuple(dict.fromkeys(note for part in parts.values() for note in part.notes)),
    )


class _Joined:
    """The images of one column in several files.

    Args:
        columns: One of each file.
        lengths: Rows of each.
    """

    def __init__(self, columns: Sequence[EncodedColumn], lengths: Sequence[int]) -> None:
        self._columns = columns
        self._starts = [0, *accumulate(lengths)]

    def read(self, row: int) -> bytes:
        """See `EncodedColumn.read`."""
        part = bisect_right(self._starts, row) - 1
        return self._columns[part].read(row - self._starts[part])


def _split_of(file: Path) -> str:
    """The word before the number of a part, or the whole name.

    >>> _split_of(Path("train-00000-of-00002-5ef1.parquet")), _split_of(Path("test.parquet"))
    ('train', 'test')
    """
    match = _PART.fullmatch(file.stem)
    return match[1] if match else file.stem


def _check_parts(files: Sequence[Path]) -> None:
    """Every part of every split is there.

    Raises:
        DataError: When one is not.
    """
    there: dict[tuple[str, int], set[int]] = {}
    for file in files:
        match = _PART.fullmatch(file.stem)
        if match:
            there.setdefault((match[1], int(match[3])), set()).add(int(match[2]))
    for (split, total), numbers in there.items():
        if missing := sorted(set(range(total)) - numbers):
            raise DataError(
                f"{files[0].parent}: all {total} parts of {split} must be there, got none with "
                f"the numbers {first_few([f'{number:05d}' for number in missing])}.",
                remedy="Fetch the rest.",
            )
