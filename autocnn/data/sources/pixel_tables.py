"""Reads tables whose cells are the pixels themselves, as of MNIST and FER-2013 on Kaggle."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autocnn.core.errors import DataError
from autocnn.core.wording import shortened
from autocnn.data.table import ArrayImages

FEWEST_PIXELS = 64
"""Numbers in 0..255 beside each other that must be the pixels of an image."""

_CALLED_PIXEL = re.compile(r"(pixel|pix|px)[ _]?\d+([x_]\d+)?", re.IGNORECASE)
_PIXEL_NAME = re.compile(r"(pixel|pix|px|p|x)?[ _]?\d+([x_]\d+)?", re.IGNORECASE)


class PixelRows:
    """Rows of which some cells are pixels, and are put aside.

    Square grey images, row by row: a column per pixel, or all of them in one column with spaces
    between.

    Args:
        file: For messages.
        first: The first row: names, or an image.
        second: The second, which is an image.

    Raises:
        DataError: When the pixels are no square.
    """

    def __init__(self, file: Path, first: Sequence[str], second: Sequence[str]) -> None:
        self.file = file
        self.width = len(first)
        whole = [place for place, cell in enumerate(second) if _is_image(cell)]
        self.is_one_column = bool(whole)
        if whole and whole[0] >= self.width:
            raise DataError(
                f"{file}: every row must have {self.width:,} cells, as the first has, got "
                f"{len(second):,}."
            )
        self.has_names = _are_names(first) and not (whole and _is_image(first[whole[0]]))
        if whole:
            self.places = whole[:1]
        elif self.has_names:
            self.places = _places(first, _PIXEL_NAME)
        else:
            self.places = list(range(1, self.width))  # the label is the first, as in MNIST's
        number = len(second[whole[0]].split()) if whole else len(self.places)
        self.side = math.isqrt(number)
        if self.side < 2 or self.side**2 != number:
            raise DataError(
                f"{file}: a table must name image files and their labels, or hold square grey "
                f"images, got {number:,} pixels in a row.",
                remedy="Save them as an .npz and give that: numpy.savez('images.npz', x=pixels, "
                "y=labels), where pixels are uint8 (images, height, width) and labels (images,).",
            )
        self._taken = set(self.places)
        self._pixels = bytearray()

    def names(self, first: Sequence[str]) -> list[str]:
        """The names of the other columns, then that of the images."""
        names = [*first] if self.has_names else [f"column {i + 1}" for i in range(self.width)]
        ends = (names[self.places[0]].strip(), names[self.places[-1]].strip())
        return [*self._others(names), ends[0] if self.is_one_column else " to ".join(ends)]

    def take(self, row: Sequence[str], line: int) -> list[str]:
        """Put the pixels of a row aside; the other cells, then an empty one for them.

        Raises:
            DataError: When they are not as many as in the other rows, or not in 0..255.
        """
        cells = (
            row[self.places[0]].split()
            if self.is_one_column and len(row) == self.width
            else [row[place] for place in self.places if place < len(row)]
        )
        try:
            pixels = bytes(map(int, cells))
        except ValueError as error:
            raise DataError(
                f"{self.file}:{line}: pixels must be whole numbers in 0..255, got: "
                f"{shortened(str(error), limit=100)}."
            ) from error
        if len(row) != self.width or len(pixels) != self.side**2:
            raise DataError(
                f"{self.file}:{line}: every row must have {self.side**2:,} pixels in "
                f"{self.width:,} cells, as the first has, got {len(pixels):,} in {len(row):,}."
            )
        self._pixels += pixels
        return [*self._others(row), ""]

    def images(self) -> ArrayImages:
        """The images that were put aside."""
        block = np.frombuffer(self._pixels, np.uint8).reshape(-1, self.side, self.side)
        return ArrayImages((block,), np.arange(len(block), dtype=np.int64))

    def _others(self, row: Sequence[str]) -> list[str]:
        return [cell.strip() for place, cell in enumerate(row) if place not in self._taken]


def holds_pixels(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether a table holds the pixels of images, by its first two rows.

    A column each is called by its number, as `pixel7`; else it may say yes or no to a class. Where
    it is not called a pixel, as `7` or `x7`, all other columns hold numbers too: no path is there.

    >>> names = ["label", *(f"pixel{i}" for i in range(784))]
    >>> holds_pixels(names, ["3", *["17"] * 784])
    True
    >>> holds_pixels(names, ["three", *["17"] * 784])
    True
    >>> holds_pixels(["emotion", "pixels"], ["0", "70 80 " * 1152])
    True
    >>> holds_pixels(["id", *(f"breed {i}" for i in "ab" * 51)], ["7", *["0"] * 101, "1"])
    False
    """
    if any(map(_is_image, second)):
        return True
    if sum(map(_is_byte, second)) < FEWEST_PIXELS:
        return False
    if not all(map(_is_number, second)):
        return len(_places(first, _CALLED_PIXEL)) >= FEWEST_PIXELS
    return not _are_names(first) or len(_places(first, _PIXEL_NAME)) >= FEWEST_PIXELS


def _is_image(cell: str) -> bool:
    """Whether a cell holds all pixels of an image."""
    numbers = cell.split()
    return len(numbers) >= FEWEST_PIXELS and all(map(_is_byte, numbers))


def _are_names(row: Sequence[str]) -> bool:
    """Whether the first row names the columns; of the pixels, they may be plain numbers."""
    return not all(_is_number(cell) for cell in (row[0], *row[-2:]))


def _places(names: Sequence[str], pattern: re.Pattern[str]) -> list[int]:
    return [place for place, name in enumerate(names) if pattern.fullmatch(name.strip())]


def _is_byte(text: str) -> bool:
    digits = text.strip()
    return digits.isascii() and digits.isdecimal() and len(digits) <= 3 and int(digits) <= 255


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
