"""Images that a person has looked at and does not want: left out of train and val."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.core.errors import DataError
from autocnn.core.wording import count, first_few
from autocnn.data.audit.copies import Copies
from autocnn.data.sources.table_files import TEXT_SUFFIXES, read_cells
from autocnn.data.split import Split
from autocnn.data.table import ImageTable

PATH, DROP = "path", "drop"
"""Columns of the file; without the second, all its images are left out."""

YES = frozenset(("yes", "y", "true", "1", "x", "drop"))
NO = frozenset(("", "no", "n", "false", "0", "keep"))


def read_drops(file: Path) -> tuple[str, ...]:
    """Paths of the images that a file names, as label_issues.csv does.

    Args:
        file: CSV with a column `path`, and perhaps one `drop` with yes or nothing.

    Raises:
        DataError: When it cannot be read, has no column `path`, or marks nothing.
    """
    if file.suffix.lower() not in TEXT_SUFFIXES:
        raise DataError(
            f"{file}: must be a CSV with a column `path`, as label_issues.csv, got another file."
        )
    header, *rows = read_cells(file).rows or [[]]
    if PATH not in header:
        raise DataError(
            f"{file}: must have a column `path`, got {', '.join(header) or 'an empty file'}."
        )
    path = header.index(PATH)
    if DROP not in header:
        chosen = [row[path] for row in rows]
    else:
        marks = [row[header.index(DROP)].casefold() for row in rows]
        unclear = sorted(set(marks) - YES - NO)
        if unclear:
            raise DataError(
                f"{file}: the column `drop` must say yes or nothing, got {first_few(unclear)}."
            )
        chosen = [row[path] for row, mark in zip(rows, marks, strict=True) if mark in YES]
    if not chosen:
        raise DataError(
            f"{file}: must mark at least one image, got none of {len(rows):,}.",
            remedy="Look at the images, and write yes into the column `drop` of those whose label "
            "is wrong; without that column, all its images are left out.",
        )
    return tuple(dict.fromkeys(chosen))


@dataclass(frozen=True)
class Dropped:
    """Images that are left out.

    Attributes:
        is_kept: (n,) Whether an image of the table stays.
        rows: Path, label and split of the others.
        sentences: How many they are; one on test images that were named.
    """

    is_kept: NDArray[np.bool_]
    rows: tuple[tuple[str, str, str], ...]
    sentences: tuple[str, ...]


def choose_dropped(
    found: ImageTable, table: ImageTable, split: Split, paths: Sequence[str], *, name: str
) -> Dropped:
    """Which images of train and val are left out; those of test stay.

    A model is judged on all test images: without those that it gets wrong, its score would be
    better than it is.

    Args:
        found: All images, unreadable ones too.
        table: The readable ones.
        split: Theirs.
        paths: Of images to be left out.
        name: The file that names them, for messages.

    Raises:
        DataError: When a path is not there, or a class would be missing in train or val.
    """
    unknown = sorted(set(paths) - set(found.paths))
    if unknown:
        raise DataError(
            f"{name}: must name images of {found.source} by their paths in split.csv, got "
            f"{count(len(unknown), 'path')} that {'is' if len(unknown) == 1 else 'are'} not there: "
            f"{first_few(unknown)}.",
            remedy="Take these lines out of it, or give the DATA that it was made from.",
        )
    wanted = set(paths)
    is_named = np.array([path in wanted for path in table.paths], dtype=bool)
    is_test = np.array(split.names) == "test"
    is_kept: NDArray[np.bool_] = ~is_named | is_test
    for side in ("train", "val"):
        is_side = np.array(split.names) == side
        lost = np.setdiff1d(table.labels[is_side], table.labels[is_side & is_kept])
        if len(lost):
            raise DataError(
                f"{name}: every class must keep images in {side}, got all "
                f"{int((is_side & (table.labels == lost[0])).sum()):,} of "
                f"{table.class_names[lost[0]]!r} to be left out.",
                remedy="Keep some of them, or correct their labels in DATA.",
            )
    gone = np.flatnonzero(~is_kept).tolist()
    rows = tuple((table.paths[i], table.class_names[table.labels[i]], split.names[i]) for i in gone)
    sides = [f"{sum(row[2] == side for row in rows):,} of {side}" for side in ("train", "val")]
    sentences = [f"{count(len(rows), 'image')} left out, as {name} says: {' and '.join(sides)}."]
    tested = [table.paths[i] for i in np.flatnonzero(is_named & is_test)]
    if tested:
        sentences.append(
            f"{count(len(tested), 'test image')} that it names "
            f"{'stays' if len(tested) == 1 else 'stay'}: test is never changed "
            f"({first_few(tested)})."
        )
    return Dropped(is_kept, rows, tuple(sentences))


def keep_split(split: Split, is_kept: NDArray[np.bool_], sentences: Sequence[str]) -> Split:
    """The split of the images that are kept; it was made with the others."""
    names = tuple(name for name, kept in zip(split.names, is_kept, strict=True) if kept)
    return Split(names, split.made, (*split.sentences, *sentences))


def keep_copies(copies: Sequence[Copies], is_kept: NDArray[np.bool_]) -> tuple[Copies, ...]:
    """The groups of two or more that are left, by their new places in the table."""
    place = np.cumsum(is_kept) - 1
    groups = []
    for group in copies:
        left = [
            (int(place[i]), turn)
            for i, turn in zip(group.members, group.turns, strict=True)
            if is_kept[i]
        ]
        if len(left) > 1:
            members, turns = zip(*left, strict=True)
            groups.append(Copies(group.kind, members, turns))
    return tuple(groups)
