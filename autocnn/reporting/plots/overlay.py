"""An image beside itself with the map of where a model looks laid over it."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from autocnn.core.arrays import DoubleArray, Pixels

SIDE = 176
"""Longer side of a panel in px."""

GAP = 4
"""Between the panels, in px; in the grey that stands out on light and dark pages."""
GAP_GREY = 118

MAP_COLOURS = "inferno"
"""Perceptually uniform, dark to light: strength reads in greyscale too."""

STRONGEST = 0.75
"""Opacity where the model looks most; what it looks at shines through."""

CONTOUR = 0.5
"""Part of the map's range at which a line is drawn."""

QUALITY = 82


def draw_overlay(
    image: Pixels, attention: NDArray[np.floating[Any]], *, side: int = SIDE
) -> Image.Image:
    """Two panels: the image, and the image in grey with the map over it.

    The more attention, the lighter and the less transparent the map's colour; a white line
    with a dark rim surrounds what has more than half of the range. A map that is the same
    everywhere leaves the grey image as it is.

    Args:
        image: (height, width, 1 or 3) or (height, width) uint8.
        attention: (any height, any width) 0 or more, of the whole image.
        side: Longer side of a panel in px, at least 16.

    Raises:
        ValueError: When `side` is smaller or the arrays have other shapes.
    """
    pixels = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"image must be (height, width, 1 or 3), got {image.shape}.")
    if attention.ndim != 2:
        raise ValueError(f"attention must be (height, width), got {attention.shape}.")
    if side < 16:
        raise ValueError(f"side must be at least 16, got {side}.")
    scale = side / max(pixels.shape[:2])
    size = max(2, round(pixels.shape[1] * scale)), max(2, round(pixels.shape[0] * scale))
    shown = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    grey = np.asarray(shown.convert("L"), np.float64)
    laid = _lay_over(grey, _strength(attention, size))
    picture = Image.new("RGB", (2 * size[0] + GAP, size[1]), (GAP_GREY,) * 3)
    picture.paste(shown.convert("RGB"), (0, 0))
    picture.paste(Image.fromarray(laid), (size[0] + GAP, 0))
    return picture


def encode_overlay(picture: Image.Image) -> bytes:
    """The bytes of a JPEG file, some 10 kB; the same picture gives the same bytes."""
    file = io.BytesIO()
    # Colour at full resolution: halved, the white line gets coloured edges.
    picture.save(file, "JPEG", quality=QUALITY, optimize=True, subsampling=0)
    return file.getvalue()


def _strength(attention: NDArray[np.floating[Any]], size: tuple[int, int]) -> DoubleArray:
    """(height, width) 0 where there is least attention, 1 where there is most."""
    low, high = float(attention.min()), float(attention.max())
    if not high - low > 1e-6 * high:  # but for rounding the same everywhere
        return np.zeros(size[::-1])
    plane = Image.fromarray(((attention - low) / (high - low)).astype(np.float32))
    enlarged = np.asarray(plane.resize(size, Image.Resampling.BICUBIC), np.float64)
    return np.clip(enlarged, 0, 1)


def _lay_over(grey: DoubleArray, strength: DoubleArray) -> Pixels:
    """(height, width, 3) Grey image, map and contour."""
    colours = mpl.colormaps[MAP_COLOURS](strength)[..., :3] * 255
    opacity = STRONGEST * np.sqrt(strength)[..., None]
    laid = grey[..., None] * (1 - opacity) + colours * opacity
    apart = _contour_distance(strength)[..., None]
    laid *= 1 - 0.6 * np.clip(2.5 - apart, 0, 1)  # a dark rim, for what is white under the line
    line = np.clip(1.25 - apart, 0, 1)
    return np.rint(laid * (1 - line) + 255 * line).astype(np.uint8)


def _contour_distance(strength: DoubleArray) -> DoubleArray:
    """How many px each pixel is from where the map crosses the contour's value, about."""
    slopes = np.gradient(strength)
    distance: DoubleArray = np.abs(strength - CONTOUR) / np.maximum(np.hypot(*slopes), 1e-3)
    above = Image.fromarray(np.where(strength > CONTOUR, 255, 0).astype(np.uint8))
    widest, narrowest = (
        np.asarray(above.filter(kind(7))) for kind in (ImageFilter.MaxFilter, ImageFilter.MinFilter)
    )
    # A hilltop just below the value is no crossing, though its slope says it is near.
    return np.where(widest > narrowest, distance, np.inf)
