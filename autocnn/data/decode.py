"""One image, from whatever file it lies in, to a square of uint8 pixels.

What is decided here, once for training and for prediction:

- The type is judged by content, never by the name: a PNG named .jpg is read, a text is not.
- The image is stretched to the square with an antialiasing triangle filter.
- Transparent pixels are laid on black.
- Values of more than 8 bits (16-bit PNG and TIFF, 32-bit integers, floats) are scaled by one
  pair of *levels* per data set, so that equal values stay equal from image to image: what
  becomes 0 and what 255. `choose_levels` takes the smallest of 8, 10, 12, 14 and 16 bits that
  holds all of them; floats in 0..1 are times 255, in 0..255 kept; any other range is stretched
  from its minimum..maximum. An image on its own has levels of its own.
- Pillow gives 16-bit *colour* images as 8 bits already: there the lower byte is gone.
- Of an animation or a stack, the first frame counts. EXIF orientation is applied.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError
from autocnn.core.records import Channels

FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        GifImagePlugin.GifImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
        WebPImagePlugin.WebPImageFile,
    )
)
"""What is read; Pillow opens a format only when its plug-in was imported. JPEG covers MPO."""

GREY_TOLERANCE = 2
"""Largest difference between channels, of 255, that still counts as grey: JPEG rounds
chroma, and a grey photo saved as RGB comes back with differences of 1 or 2."""

BIT_DEPTHS = (8, 10, 12, 14, 16)

Levels = tuple[float, float]
"""Values of more than 8 bits that become 0 and 255."""

# What Pillow's plug-ins let through on broken files, besides OSError.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)


@dataclass(frozen=True)
class ValueRange:
    """The smallest and the largest value of an image with more than 8 bits."""

    low: float
    high: float
    is_float: bool


def choose_levels(ranges: Sequence[ValueRange]) -> Levels | None:
    """The values that become 0 and 255 in all images of a data set; None of none.

    >>> choose_levels([ValueRange(3, 900, False), ValueRange(0, 4000, False)])
    (0, 4095)
    >>> choose_levels([ValueRange(-1000, 900, False), ValueRange(0, 2000, False)])
    (-1000, 2000)
    >>> choose_levels([ValueRange(0.0, 0.5, True)])
    (0, 1)
    """
    if not ranges:
        return None
    low, high = min(one.low for one in ranges), max(one.high for one in ranges)
    has_floats = any(one.is_float for one in ranges)
    if low < 0 or high >= 2 ** BIT_DEPTHS[-1] or (has_floats and high > 255):
        return low, high
    if all(one.is_float for one in ranges) and high <= 1:
        return 0, 1
    return 0, 2 ** next(bits for bits in BIT_DEPTHS if high < 2**bits) - 1


def decode_image(
    image: Path | bytes | Pixels | Image.Image,
    *,
    side: int,
    channels: Channels = "auto",
    levels: Levels | None = None,
    note: Callable[[ValueRange], None] | None = None,
) -> Pixels:
    """Decode an image, stretched to a square.

    Args:
        image: A PNG, JPEG, GIF, BMP, TIFF or WebP file or its content, or uint8 pixels (h, w)
            or (h, w, 1 | 3 | 4), or an image of Pillow's.
        side: Side of the square, px.
        channels: auto gives one channel when the image is grey in content, else three.
        levels: What values of more than 8 bits become 0 and 255; None: by this image alone.
        note: Hears of the values of an image with more than 8 bits.

    Returns:
        uint8 (side, side, 1) or (side, side, 3).

    Raises:
        DataError: When it cannot be decoded; the message is the reason, without the path:
            "is truncated".
    """
    try:
        loaded = _load(image, side, channels)
        return _to_pixels(_to_8_bits(loaded, levels, note), side, channels)
    except _BROKEN as error:
        _refuse(error)


@contextmanager
def pillow_quiet() -> Iterator[None]:
    """Bombs are errors, other warnings of Pillow are silent.

    Filters are the process's, so they are set around the threads, not inside them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_size(image: Path | bytes | Pixels) -> tuple[int, int]:
    """Width and height in px from the header alone.

    Raises:
        DataError: As `decode_image`.
    """
    if not isinstance(image, Path | bytes):
        return image.shape[1], image.shape[0]
    try:
        with _open(image) as opened:
            return opened.size
    except _BROKEN as error:
        _refuse(error)


def _open(file: Path | bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS)
    except UnidentifiedImageError:
        size = len(file) if isinstance(file, bytes) else file.stat().st_size
        if size == 0:
            raise DataError("is empty (0 bytes)") from None
        raise
    width, height = image.size
    # Pillow only warns up to twice the limit, and warnings may be silenced.
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        image.close()
        raise Image.DecompressionBombError(f"{width} x {height} px")
    return image


def _load(image: Path | bytes | Pixels | Image.Image, side: int, channels: Channels) -> Image.Image:
    """The pixels in memory, upright, in one of Pillow's modes."""
    if isinstance(image, Image.Image):
        return _upright(image)
    if not isinstance(image, Path | bytes):
        return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    with _open(image) as opened:
        # JPEG can be decoded at 1/2, 1/4, 1/8 for little: at least twice the side is kept;
        # and its brightness alone.
        opened.draft("L" if channels == "grey" else None, (2 * side, 2 * side))
        return _upright(opened)


def _upright(opened: Image.Image) -> Image.Image:
    opened.load()  # the pixels outlive the file
    try:
        orientation = opened.getexif().get(_ORIENTATION, 1)
    except _BROKEN:  # a broken EXIF block does not spoil the pixels
        orientation = 1
    turn = _TURNS.get(orientation)
    return opened if turn is None else opened.transpose(turn)


_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what puts the image upright."""


def _to_pixels(image: Image.Image, side: int, channels: Channels) -> Pixels:
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=3.0)
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
    image: Image.Image, levels: Levels | None, note: Callable[[ValueRange], None] | None
) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        found = _range_of(values)
        if note is not None:
            note(found)
        return Image.fromarray(_scale(values, levels or choose_levels([found]) or (0, 1)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image).convert("RGB")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)  # else it would be copied


def _range_of(values: NDArray[Any]) -> ValueRange:
    low, high = values.min().item(), values.max().item()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError("has values that are not finite")
    return ValueRange(low, high, values.dtype.kind == "f")


def _scale(values: NDArray[Any], levels: Levels) -> Pixels:
    """Grey values of any number type (h, w) to 0..255."""
    low, high = levels
    scaled = (values.astype(np.float64) - low) * (255 / ((high - low) or 1))
    pixels: Pixels = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return pixels


def _refuse(error: BaseException) -> NoReturn:
    """Raise the reason in words."""
    text = str(error)
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        reason = f"has more pixels than the limit of {Image.MAX_IMAGE_PIXELS:,}"
    elif isinstance(error, UnidentifiedImageError):
        reason = "is no PNG, JPEG, GIF, BMP, TIFF or WebP"
    elif isinstance(error, OSError) and error.errno is not None:
        reason = f"cannot be read: {error.strerror}"
    elif isinstance(error, EOFError) or "truncated" in text.lower():
        reason = "is truncated"
    else:
        reason = f"is broken: {text or type(error).__name__}"
    raise DataError(reason) from error
