"""The table of images that a source found: what they are, not their pixels.

Sources fill a `FoundImages`; `sources.read_source` checks it, names the classes and
hashes the content, which gives the `ImageTable` that everything else works on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError
from autocnn.core.records import SplitName

_SPLIT_WORDS: Mapping[str, SplitName] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "tr": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "publictest": "val",  # of FER-2013, as everybody uses it
    "privatetest": "test",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "holdout": "test",
}
_ABSENT = frozenset(("", "nan", "na", "n/a", "null"))
_SPLIT_SUFFIX = re.compile(r"[ _-]?(set|data|images|split)$")


@dataclass(frozen=True)
class FileImages:
    """Images that are files below `root`.

    Attributes:
        root: Folder that the paths of the table are relative to.
    """

    root: Path

    def open(self, path: str, position: int) -> Path:
        """The file of the image at `path`; `position` is not used."""
        return self.root / path

    def select(self, indices: NDArray[np.int64]) -> "FileImages":
        """The same folder: files are found by path."""
        return self


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images that lie in memory.

    Attributes:
        blocks: uint8 arrays (n, h, w) or (n, h, w, 1 | 3 | 4), one after the other.
        positions: (images of the table,) place of each in the blocks taken together.
    """

    blocks: tuple[Pixels, ...]
    positions: NDArray[np.int64]

    def open(self, path: str, position: int) -> Pixels:
        """The pixels of the image at `position` of the table; `path` is for the message.

        Raises:
            DataError: When the pixels were let go with `ImageTable.without_pixels`.
        """
        place = int(self.positions[position])
        for block in self.blocks:
            if place < len(block):
                pixels: Pixels = block[place]
                return pixels
            place -= len(block)
        raise DataError(f"{path}: must be in memory, got a table without pixels.")

    def select(self, indices: NDArray[np.int64]) -> "ArrayImages":
        """The images at `indices`, in that order; the blocks are shared."""
        return ArrayImages(self.blocks, self.positions[indices])


class EncodedColumn(Protocol):
    """Image files that lie in the rows of something else."""

    def read(self, row: int) -> bytes:
        """The content of the image file of a row; empty where there is none."""


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """Image files that lie in a table, read one by one.

    Attributes:
        column: Where they are.
        rows: (images of the table,) row of each.
    """

    column: EncodedColumn
    rows: NDArray[np.int64]

    def open(self, path: str, position: int) -> bytes:
        """The content of the file of the image at `position`; `path` is not used.

        Raises:
            DataError: When it cannot be read any more.
        """
        return self.column.read(int(self.rows[position]))

    def select(self, indices: NDArray[np.int64]) -> "EncodedImages":
        """The images at `indices`, in that order."""
        return EncodedImages(self.column, self.rows[indices])


Images = FileImages | ArrayImages | EncodedImages


@dataclass(frozen=True)
class FoundImages:
    """What one kind of source found, not yet checked.

    Attributes:
        paths: (n,) `/`-separated, relative to the source; `train_images[12]` in an .npz.
        class_of: (n,) class name of each image.
        splits: (n,) the split that the source gives, None where it gives none.
        groups: (n,) the group that the source gives, None where it gives none.
        images: Where the pixels are.
        ignored: Kind of file or folder that was left out -> how many.
        notes: Choices that were made while reading, one sentence each.
        others: Name -> (n,) cells of what else a table says of its images. None of the names
            stands in split.csv already.
        array_levels: Values of an .npz that became 0 and 255; None: it is none, or is of uint8.
    """

    paths: tuple[str, ...]
    class_of: tuple[str, ...]
    splits: tuple[SplitName | None, ...]
    groups: tuple[str | None, ...]
    images: Images
    ignored: Mapping[str, int]
    notes: tuple[str, ...]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    array_levels: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class ImageTable:
    """All images of a data set, in a fixed order.

    Attributes:
        source: DATA as the user gave it, for messages.
        paths: (n,) `/`-separated, relative to the source; `train_images[12]` in an .npz,
            `digits[12]` in the built-in set. Each occurs once.
        labels: (n,) int32, index into `class_names`.
        class_names: Sorted as people sort: `class 2` before `class 10`.
        splits: (n,) the split that the source gives, None where it gives none.
        groups: (n,) images that must stay on one side share a group; None: no group.
        sha256: (n,) hex digest of the file's bytes, or of the array's; empty when the file
            could not be read.
        images: Where the pixels are; read them with `open`.
        ignored: Kind of file or folder that was left out -> how many.
        notes: Choices that were made while reading, one sentence each.
        others: Name -> (n,) cells of what else a table says of its images.
        array_levels: Values of an .npz that became 0 and 255; None: it is none, or is of uint8.
    """

    source: str
    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    class_names: tuple[str, ...]
    splits: tuple[SplitName | None, ...]
    groups: tuple[str | None, ...]
    sha256: tuple[str, ...]
    images: Images
    ignored: Mapping[str, int]
    notes: tuple[str, ...]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    array_levels: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Path | bytes | Pixels:
        """The image at `index`: its file, a file's content, or pixels that are in memory."""
        return self.images.open(self.paths[index], index)

    def select(self, keep_indices: Sequence[int] | NDArray[np.int64]) -> "ImageTable":
        """The images at `keep_indices`, in that order; classes, notes and counts stay."""
        keep = np.asarray(keep_indices, dtype=np.int64)
        return replace(
            self,
            paths=tuple(self.paths[i] for i in keep),
            labels=self.labels[keep],
            splits=tuple(self.splits[i] for i in keep),
            groups=tuple(self.groups[i] for i in keep),
            sha256=tuple(self.sha256[i] for i in keep),
            images=self.images.select(keep),
            others={name: tuple(cells[i] for i in keep) for name, cells in self.others.items()},
        )

    def without_pixels(self) -> "ImageTable":
        """The same table, no longer keeping pixels in memory; files stay readable."""
        if not isinstance(self.images, ArrayImages):
            return self
        return replace(self, images=ArrayImages((), self.images.positions))


def split_word(word: str) -> SplitName | None:
    """The split that a folder name or a CSV cell means, in any case; None when none.

    >>> split_word("Training"), split_word("valid"), split_word("test_set"), split_word("cat")
    ('train', 'val', 'test', None)
    """
    return _SPLIT_WORDS.get(_SPLIT_SUFFIX.sub("", word.strip().casefold()))


def is_absent(cell: str) -> bool:
    """Whether a cell says nothing: it is empty, or what R and pandas write for that.

    >>> is_absent("NA"), is_absent("nan"), is_absent("naevus")
    (True, True, False)
    """
    return cell.casefold() in _ABSENT


def natural_key(text: str) -> str:
    """Sort key that reads runs of digits as numbers; small, for folders of a million images.

    >>> sorted(["class 10", "class 2", "b", "A"], key=natural_key)
    ['A', 'b', 'class 2', 'class 10']
    """

    def number(run: re.Match[str]) -> str:
        digits = run.group().lstrip("0")
        # More digits are a larger number; NUL comes before any letter, as an end does.
        return f"\0{len(digits):04d}{digits}"

    return f"{re.sub(r'[0-9]+', number, text.casefold())}\0\0{text}"
