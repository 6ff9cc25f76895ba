"""What an image shows, in numbers that a copy keeps: a perceptual hash that is not rounded.

The spectrum of an image is the low part of its cosine transform, times the frequency (so that
detail counts as much as the large dark and bright areas, which any two head scans share), at
length 1 (so that brightness and contrast do not count). The squared distance of two spectra is
2 - 2 r, where r is the correlation of the images' gradients. Of a colour image the brightness
counts at all these frequencies and the colours at the lowest alone: JPEG and WebP keep no more.

A turn or mirror image of a square only changes signs of its cosine transform, or swaps its
axes. So all eight positions are compared for little, and the *key*, sorted absolute values of
the low frequencies, is the same in all of them and never farther than the spectra are: near
copies can be looked for with keys alone, and none is missed.
"""

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels

FEWEST_FREQUENCIES, MOST_FREQUENCIES = 16, 32
"""Along each axis: a third of the pixels, what compression and scaling keep, within these; never
more than pixels."""

COLOUR_FREQUENCIES = 8
"""Of the colours: JPEG halves their resolution, and rounds what is left coarsely."""

COLOUR_WEIGHT = 2.0
"""Makes up for the frequencies that do not count: with 2, photographs whose colours were exchanged
are told apart as often as when all of them counted, with 1 half as often."""

KEY_FREQUENCIES = 16
"""With 8, one pair of 3 of the brain set had to be looked at again; with 16, one of 1,000."""

LEAST_CONTRAST = 1.0
"""Standard deviation of the grey values of these frequencies, of 255, below which an image
shows nothing to compare."""

TURNS = (
    "as is",
    "mirrored",
    "mirrored, turned 180",
    "turned 180",
    "mirrored, turned 270",
    "turned 90",
    "turned 270",
    "mirrored, turned 90",
)
"""The positions of a square, turned clockwise; mirrored, left to right, is done first."""

# Sums over (even, even), (even, odd), (odd, even), (odd, odd) frequencies of rows and columns
# -> products in the first four positions.
_SIGNS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float64)

Spectra = NDArray[np.float64]
"""(images, channels, frequencies down, frequencies across), each image of length 1, or all 0
where there is nothing to compare."""


def compute_spectra(pixels: Pixels) -> Spectra:
    """The spectra of images.

    Args:
        pixels: uint8 (n, side, side, channels).
    """
    side, num_channels = pixels.shape[2:]
    values = _brightness_and_colours(np.moveaxis(pixels, -1, 1).astype(np.float64, order="C"))
    num_frequencies = min(max(side // 3, FEWEST_FREQUENCIES), MOST_FREQUENCIES, side)
    basis = _cosines(side, num_frequencies)
    frequency = np.arange(len(basis))
    spectra: Spectra = basis @ values @ basis.T
    spectra[:, :, 0, 0] = 0
    spectra[:, 1:, COLOUR_FREQUENCIES:] = 0
    spectra[:, 1:, :, COLOUR_FREQUENCIES:] = 0
    contrast = np.sqrt((spectra**2).sum(axis=(1, 2, 3)) / num_channels) / side
    spectra *= np.hypot(frequency[:, np.newaxis], frequency)
    lengths = np.sqrt((spectra**2).sum(axis=(1, 2, 3)))
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=contrast >= LEAST_CONTRAST)
    spectra *= scale[:, np.newaxis, np.newaxis, np.newaxis]
    return spectra


def low_frequencies(spectra: Spectra) -> Spectra:
    """(n, 1, 16, 16) The lowest frequencies of the brightness, a part of the spectra."""
    low: Spectra = spectra[:, :1, :KEY_FREQUENCIES, :KEY_FREQUENCIES]
    return low


def compute_keys(low: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, numbers) The same for all eight positions of an image.

    The squared distance of two keys is never more than the smallest of `squared_distances`,
    but for rounding.

    Args:
        low: From `low_frequencies`, (n, 1, frequencies, frequencies).
    """
    values = np.abs(low[:, 0])
    down, across = np.triu_indices(values.shape[1], 1)
    upper, lower = values[:, down, across], values[:, across, down]
    diagonal = np.diagonal(values, axis1=1, axis2=2)
    return np.concatenate((np.maximum(upper, lower), np.minimum(upper, lower), diagonal), axis=1)


def squared_distances(first: Spectra, second: Spectra) -> NDArray[np.float64]:
    """(n, 8) Between each second spectrum and the first one in each of `TURNS`.

    Args:
        first: Spectra of n images, or their low frequencies.
        second: Of n others, of the same channels and frequencies.
    """
    straight = _sums_by_sign(first * second) @ _SIGNS.T
    swapped = _sums_by_sign(first.swapaxes(2, 3) * second) @ _SIGNS.T
    lengths = (first**2).sum(axis=(1, 2, 3)) + (second**2).sum(axis=(1, 2, 3))
    products = np.concatenate((straight, swapped), axis=1)
    distances: NDArray[np.float64] = lengths[:, np.newaxis] - 2 * products
    return distances


def _brightness_and_colours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """RGB as JPEG divides it; grey images stay as they are.

    The brightness is as long as three equal channels, so that a grey image is the same in RGB.

    Args:
        values: (n, 1 | 3, side, side).

    Source: ITU-T T.871 (JFIF), 7.
    """
    if values.shape[1] != 3:
        return values
    red, green, blue = values[:, 0], values[:, 1], values[:, 2]
    brightness = 0.299 * red + 0.587 * green + 0.114 * blue
    first = COLOUR_WEIGHT * (blue - brightness) / 1.772
    second = COLOUR_WEIGHT * (red - brightness) / 1.402
    return np.stack([np.sqrt(3) * brightness, first, second], axis=1)


def _sums_by_sign(products: NDArray[np.float64]) -> NDArray[np.float64]:
    summed = products.sum(axis=1)
    parts = [summed[:, down::2, across::2].sum(axis=(1, 2)) for down in (0, 1) for across in (0, 1)]
    return np.stack(parts, axis=1)


def _cosines(side: int, num_frequencies: int) -> NDArray[np.float64]:
    """(frequencies, side) The first rows of the orthonormal cosine transform (DCT-II)."""
    frequency = np.arange(num_frequencies)[:, np.newaxis]
    basis = np.sqrt(2 / side) * np.cos(np.pi * (np.arange(side) + 0.5) * frequency / side)
    basis[0] /= np.sqrt(2)
    rows: NDArray[np.float64] = basis
    return rows
