"""Reads tables whose cells are the pixels themselves, as of MNIST and FER-2013 on Kaggle."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autocnn.core.errors import DataError
from autocnn.data.table import ArrayImages

FEWEST_PIXELS = 64
"""Numbers in 0..255 beside each other that must be the pixels of an image."""

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
        self.has_names = not all(_is_number(cell) for cell in (first[0], *first[-2:]))
        longest = max(range(len(second)), key=lambda place: len(second[place]))
        self.is_one_column = len(second[longest].split()) >= FEWEST_PIXELS
        if self.is_one_column:
            self.places = [longest]
        elif self.has_names:
            self.places = [i for i, name in enumerate(first) if _PIXEL_NAME.fullmatch(name.strip())]
        else:
            self.places = list(range(1, self.width))  # the label is the first, as in MNIST's
        number = len(second[longest].split()) if self.is_one_column else len(self.places)
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
                f"{self.file}:{line}: pixels must be whole numbers in 0..255, got: {error}."
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


def holds_pixels(row: Sequence[str]) -> bool:
    """Whether a row holds the pixels of an image.

    >>> holds_pixels(["3", *["17"] * 784]), holds_pixels(["0", "70 80 " * 1152, "Training"])
    (True, True)
    >>> holds_pixels(["1.png", *["17"] * 784])
    False
    """
    longest = max(row, key=len, default="").split()
    if len(longest) >= FEWEST_PIXELS and all(map(_is_byte, longest)):
        return True
    return sum(map(_is_byte, row)) >= FEWEST_PIXELS and all(map(_is_number, row))


def _is_byte(text: str) -> bool:
    digits = text.strip()
    return digits.isascii() and digits.isdecimal() and len(digits) <= 3 and int(digits) <= 255


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
