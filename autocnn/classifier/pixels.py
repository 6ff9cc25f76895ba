"""Arrays of numbers as images: their shape from a table's width, their values as 0..255.

For callers who hold arrays in memory, as scikit-learn's do; files go through `data`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOPS = (1, 16, 255, 1023, 4095, 16383, 65535)
"""Usual largest values: masks and fractions, scikit-learn's digits, 8, 10, 12, 14, 16 bits."""

IMAGES_AT_ONCE = 4096
"""Images that are scaled at a time, in float64: what bounds the memory beside the result."""

_LAYOUTS = "(images, height, width), (images, height, width, 1 or 3) or (images, pixels)"


@dataclass(frozen=True)
class ValueRange:
    """The values that become black and white.

    Attributes:
        low: Becomes 0, and so does everything below.
        high: Becomes 255, and so does everything above.
    """

    low: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.number]) -> "ValueRange":
        """The range that some images seem to be on, whatever their type.

        From 0 to the smallest of 1, 16, 255, 1023, 4095, 16383 and 65535 that no value
        exceeds; with values below 0 or above 65535, from the least to the greatest.

        Args:
            values: At least one, all finite.

        >>> ValueRange.of(np.array([0.0, 12.0]))
        ValueRange(low=0.0, high=16.0)
        >>> ValueRange.of(np.array([-1.5, 2.0]))
        ValueRange(low=-1.5, high=2.0)
        """
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= TOPS[-1]:
            return cls(0.0, float(next(top for top in TOPS if high <= top)))
        return cls(low, high)

    def to_uint8(self, values: NDArray[np.number]) -> NDArray[np.uint8]:
        """Values as 0..255: scaled, rounded, cut off at both ends.

        Args:
            values: Shape (n, ...).

        Returns:
            uint8, the same shape; the argument itself when there is nothing to do.
        """
        if values.dtype == np.uint8 and (self.low, self.high) == (0.0, 255.0):
            return values.astype(np.uint8, copy=False)
        # Constant images have no range: they are black.
        scale = 255 / (self.high - self.low) if self.high > self.low else 0.0
        scaled = np.empty(values.shape, np.uint8)
        for start in range(0, len(values), IMAGES_AT_ONCE):
            part = values[start : start + IMAGES_AT_ONCE].astype(np.float64)
            part = np.rint((np.clip(part, self.low, self.high) - self.low) * scale)
            scaled[start : start + IMAGES_AT_ONCE] = part
        return scaled


@dataclass(frozen=True)
class ImageShape:
    """Height, width and channels of every image.

    Attributes:
        height, width: Pixels.
        channels: 1 or 3, the last axis.
    """

    height: int
    width: int
    channels: int = 1

    @property
    def num_values(self) -> int:
        """Columns of a table of such images."""
        return self.height * self.width * self.channels

    @property
    def axes(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @classmethod
    def of_axes(cls, axes: Sequence[int]) -> "ImageShape":
        """From (height, width) or (height, width, 1 or 3).

        Raises:
            ValueError: When it is neither.
        """
        is_whole = all(isinstance(axis, (int, np.integer)) and axis > 0 for axis in axes)
        if not is_whole or not (len(axes) == 2 or (len(axes) == 3 and axes[2] in (1, 3))):
            rule = "must be (height, width) or (height, width, 1 or 3)"
            raise ValueError(f"The shape of an image {rule}, got {tuple(axes)}.")
        return cls(*(int(axis) for axis in axes))

    @classmethod
    def of_width(cls, num_values: int) -> "ImageShape":
        """From the columns of a table: a square, grey or RGB (rows, columns, channels).

        No number is both a square and three times a square.

        >>> ImageShape.of_width(64)
        ImageShape(height=8, width=8, channels=1)
        >>> ImageShape.of_width(192)
        ImageShape(height=8, width=8, channels=3)

        Raises:
            ValueError: When it is neither.
        """
        for channels in (1, 3):
            side = math.isqrt(num_values // channels)
            if side * side * channels == num_values:
                return cls(side, side, channels)
        raise ValueError(
            f"Flattened images must have side x side values (grey) or side x side x 3 (RGB), "
            f"got {num_values}. Give image_shape=(height, width) or (height, width, 3)."
        )


def flatten_images(images: ArrayLike) -> tuple[ArrayLike, ImageShape | None]:
    """Images as the rows of a table, and their shape where they show it.

    Args:
        images: (n, height, width) or (n, height, width, 1 or 3). All else, tables and what
            is no array, comes back as it is, with None.

    Raises:
        ValueError: When an array of 3 or more axes is none of these.
    """
    axes: tuple[int, ...] = getattr(images, "shape", None) or np.asarray(images).shape
    if len(axes) < 3:
        return images, None
    if len(axes) > 4 or (len(axes) == 4 and axes[3] not in (1, 3)) or 0 in axes[1:]:
        remedy = ""
        if len(axes) == 4 and axes[1] in (1, 3) and axes[3] > 4:
            remedy = " Move the channels to the end: X.transpose(0, 2, 3, 1)."
        elif len(axes) == 4 and axes[3] == 4:
            remedy = " Leave transparency out: X[..., :3]."
        raise ValueError(f"X must be {_LAYOUTS}, got the shape {axes}.{remedy}")
    shape = ImageShape.of_axes(axes[1:])
    return np.asarray(images).reshape(axes[0], shape.num_values), shape
