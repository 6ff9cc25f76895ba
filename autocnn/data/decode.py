"""One image, from whatever file it lies in, to a square of uint8 pixels.

What is decided here, once for training and for prediction:

- An image that is not square is stretched to a square, or laid on a black one, or its middle
  square is cut out: `fit_square`. It comes to its size with an antialiasing triangle filter.
- Transparent pixels are laid on white, as viewers show them.
- Values of more than 8 bits (16-bit PNG and TIFF, 32-bit integers, floats) are scaled by one
  pair of *levels* per data set, so that equal values stay equal from image to image: what
  becomes 0 and what 255. `choose_levels` takes the smallest of 8, 10, 12, 14 and 16 bits that
  holds all of them; values in 0..1 are times 255, floats in 0..255 kept where the largest is at
  least 16; any other range is stretched from its minimum..maximum (`levels_of`). Where most files
  name a window, as CT in DICOM does, the middle one of these windows counts. An image on its own
  has levels of its own.
- Pillow gives 16-bit *colour* images as 8 bits already: there the lower byte is gone.
- Of an animation or a stack, the first frame counts. EXIF orientation is applied.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError
from autocnn.core.records import Channels, Fit
from autocnn.data.dicom import File, StoredValues
from autocnn.data.image_files import BROKEN, put_upright, read_file, read_header, refuse

GREY_TOLERANCE = 2
"""Largest difference between channels, of 255, that still counts as grey: JPEG rounds
chroma, and a grey photo saved as RGB comes back with differences of 1 or 2."""

REDUCING_GAP = 3.0
"""An image is first reduced by whole numbers to not less than so many times its size."""

MOST_PADDED = 100_000_000
"""Pixels of a square that is cut or padded as it is."""

BIT_DEPTHS = (8, 10, 12, 14, 16)

LEAST_OF_255 = 16
"""The largest of floats that are taken for 0..255: of 0..1.02, all would be black."""

Levels = tuple[float, float]
"""Values of more than 8 bits that become 0 and 255."""


@dataclass(frozen=True)
class ValueRange:
    """The smallest and the largest value of an image with more than 8 bits.

    Attributes:
        low, high: Of the values.
        is_float: Whether they are no whole numbers.
        window: What the file asks viewers to show as black and as white; None: it does not.
    """

    low: float
    high: float
    is_float: bool
    window: Levels | None = None


def choose_levels(ranges: Sequence[ValueRange]) -> Levels | None:
    """The values that become 0 and 255 in all images of a data set; None of none.

    >>> choose_levels([ValueRange(3, 900, False), ValueRange(0, 4000, False)])
    (0, 4095)
    >>> choose_levels([ValueRange(-1000, 900, False), ValueRange(0, 2000, False)])
    (-1000, 2000)
    >>> choose_levels([ValueRange(0.0, 0.5, True)])
    (0, 1)
    >>> choose_levels([ValueRange(-1024, high, False, (-160.0, 240.0)) for high in (900, 3000)])
    (-160.0, 240.0)
    """
    if not ranges:
        return None
    if follow_windows(ranges):
        lows, highs = zip(*(one.window for one in ranges if one.window), strict=True)
        return float(np.median(lows)), float(np.median(highs))
    return levels_of(
        min(one.low for one in ranges),
        max(one.high for one in ranges),
        has_floats=any(one.is_float for one in ranges),
    )


def levels_of(low: float, high: float, *, has_floats: bool) -> Levels:
    """The values that become 0 and 255, by the smallest and the largest that there are.

    >>> levels_of(0, 4000, has_floats=False), levels_of(0, 0.5, has_floats=True)
    ((0, 4095), (0, 1))
    >>> levels_of(0, 180, has_floats=True), levels_of(0, 1.02, has_floats=True)
    ((0, 255), (0, 1.02))
    >>> levels_of(0, 1, has_floats=False)
    (0, 1)
    """
    if low >= 0 and high <= 1:  # of whole numbers: drawings and masks
        return 0, 1
    if has_floats and low >= 0 and LEAST_OF_255 <= high <= 255:
        return 0, 255
    if has_floats or low < 0 or high >= 2 ** BIT_DEPTHS[-1]:
        return low, high
    return 0, 2 ** next(bits for bits in BIT_DEPTHS if high < 2**bits) - 1


def follow_windows(ranges: Sequence[ValueRange]) -> bool:
    """Whether most images name what is to be black and white, and the middle of that counts."""
    return sum(one.window is not None for one in ranges) > len(ranges) / 2


def decode_image(
    image: File | Pixels | Image.Image,
    *,
    side: int,
    channels: Channels = "auto",
    levels: Levels | None = None,
    fit: Fit = "stretch",
    note: Callable[[ValueRange], None] | None = None,
) -> Pixels:
    """Decode an image to a square.

    Args:
        image: A file of any kind that `image_files` reads, or its content, or uint8 pixels
            (h, w) or (h, w, 1 | 3 | 4), or an image of Pillow's.
        side: Side of the square, px.
        channels: auto gives one channel when the image is grey in content, else three.
        levels: What values of more than 8 bits become 0 and 255; None: by this image alone.
        fit: How an image that is not square becomes one.
        note: Hears of the values of an image with more than 8 bits.

    Returns:
        uint8 (side, side, 1) or (side, side, 3).

    Raises:
        DataError: When it cannot be decoded; the message is the reason, without the path:
            "is truncated".
        MissingExtraError: When it is DICOM, and pydicom is not installed.
    """
    try:
        loaded = _load(image, side, channels)
        square = fit_square(_to_8_bits(loaded, levels, note), fit, side=side)
        return _to_pixels(square, side, channels)
    except BROKEN as error:
        refuse(error)


@contextmanager
def pillow_quiet() -> Iterator[None]:
    """Bombs are errors, other warnings of Pillow and of pydicom are silent.

    Filters are the process's, so they are set around the threads, not inside them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.|pydicom|autocnn\.data\.dicom")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_size(image: File | Pixels) -> tuple[int, int]:
    """Width and height in px from the header alone.

    Raises:
        DataError: As `decode_image`.
    """
    if not isinstance(image, Path | bytes):
        return image.shape[1], image.shape[0]
    try:
        header = read_header(image)
    except BROKEN as error:
        refuse(error)
    return header.width, header.height


def _load(
    image: File | Pixels | Image.Image, side: int, channels: Channels
) -> Image.Image | StoredValues:
    """The pixels in memory, upright, in one of Pillow's modes where it has one for them."""
    if isinstance(image, Image.Image):
        return put_upright(image)
    if not isinstance(image, Path | bytes):
        return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)

    def load(opened: Image.Image) -> Image.Image:
        # JPEG can be decoded at 1/2, 1/4, 1/8 for little: at least twice the side is kept;
        # and its brightness alone.
        opened.draft("L" if channels == "grey" else None, (2 * side, 2 * side))
        return put_upright(opened)

    return read_file(image, load)


def fit_square(image: Image.Image, fit: Fit, *, side: int) -> Image.Image:
    """The image as a square, which is still to be resized; as it is where it is to be stretched.

    Exports do the same by themselves (`inference.export.resizing.fit_square`, Keras's `Resizing`),
    and the printed programs too, all in whole pixels of the image: black is added as much on one
    side as on the other, so that an odd difference leaves a pixel, which is stretched; of a middle
    that cannot be exact, the larger rest is below and on the right.

    Args:
        image: In any mode.
        fit: How.
        side: To which it will be resized, px: an image whose square would need hundreds of MB,
            as that of a long strip, is first reduced.
    """
    if fit == "stretch" or image.width == image.height:
        return image
    whole = max(image.size) if fit == "pad" else min(image.size)
    if whole * whole > MOST_PADDED:
        image = image.reduce(max(1, int(whole / side / REDUCING_GAP)))
        whole = max(image.size) if fit == "pad" else min(image.size)
    x, y = (abs(length - whole) // 2 for length in image.size)
    if fit == "pad":
        return image.crop((-x, -y, image.width + x, image.height + y))  # black beyond the image
    return image.crop((x, y, x + whole, y + whole))


def _to_pixels(image: Image.Image, side: int, channels: Channels) -> Pixels:
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    pixels: Pixels = np.asarray(image)
    is_grey = channels == "grey" or (channels == "auto" and _has_grey_content(pixels))
    if image.mode == "RGB" and is_grey:
        pixels = np.asarray(image.convert("L"))
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    return np.repeat(pixels, 3, axis=2) if channels == "rgb" and pixels.shape[2] == 1 else pixels


def _has_grey_content(pixels: Pixels) -> bool:
    """Whether no pixel's channels differ by more than the tolerance."""
    if pixels.ndim == 2:
        return True
    # One pixel tells of most colour photos, at a twentieth of the time.
    middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].tolist()
    if max(middle) - min(middle) > GREY_TOLERANCE:
        return False
    # By pairs: `np.ptp` over the last axis takes 4 times as long.
    red, green, blue = pixels.astype(np.int16).T
    pairs = ((red, green), (green, blue), (blue, red))
    return all(int(np.abs(one - other).max()) <= GREY_TOLERANCE for one, other in pairs)


def _to_8_bits(
    image: Image.Image | StoredValues,
    levels: Levels | None,
    note: Callable[[ValueRange], None] | None,
) -> Image.Image:
    """The image in mode L or RGB."""
    if isinstance(image, Image.Image) and not (image.mode == "F" or image.mode.startswith("I")):
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            return Image.alpha_composite(white, image).convert("RGB")
        mode = "L" if image.mode in ("1", "L") else "RGB"
        return image if image.mode == mode else image.convert(mode)  # else it would be copied
    stored = image if isinstance(image, StoredValues) else StoredValues("", np.asarray(image))
    if stored.values.dtype == np.uint8 and stored.window is None:
        pixels: Pixels = stored.values
    else:
        found = _range_of(stored)
        if note is not None:
            note(found)
        pixels = _scale(stored.values, levels or choose_levels([found]) or (0, 1))
    return Image.fromarray(255 - pixels if stored.is_inverted else pixels)


def _range_of(stored: StoredValues) -> ValueRange:
    low, high = stored.values.min().item(), stored.values.max().item()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError("has values that are not finite")
    return ValueRange(low, high, stored.values.dtype.kind == "f", stored.window)


def _scale(values: NDArray[Any], levels: Levels) -> Pixels:
    """Grey values of any number type (h, w) to 0..255."""
    low, high = levels
    scaled = (values.astype(np.float64) - low) * (255 / ((high - low) or 1))
    pixels: Pixels = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return pixels
