"""Disturbed images: what a model's accuracy loses when images are a little worse than its own.

Nine disturbances at three strengths: 1 is barely visible, 2 is clear, 3 is strong, but a
person still recognises the picture (docs/decisions/0012-robustness.md). Shifts are shares of
the side; blur, resolution and JPEG, which small images stand less well, are given for 96 px
and follow the side as written at each.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from autocnn.core.arrays import FloatArray, IntArray, Pixels
from autocnn.core.records import Corruption, Robustness

STRENGTHS = (1, 2, 3)

FIELD_KNOTS = 3
"""Random values along each side that an intensity field runs through."""

SIDE = 96
"""Side in px that the levels of blur, resolution and JPEG are given for."""

BEST_QUALITY = 95
"""Of JPEG: Pillow advises against more."""

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class Draw:
    """What is random about one image: the same at all strengths.

    Attributes:
        rng: Derived from the seed, the disturbance and the position of the image.
        turn: The position; what has a direction takes turns.
    """

    rng: np.random.Generator
    turn: int

    @property
    def sign(self) -> int:
        """1 and -1 by turns."""
        return 1 - 2 * (self.turn % 2)


@dataclass(frozen=True)
class CorruptionKind:
    """One disturbance.

    Attributes:
        change: Takes an image, float32 (h, w, c), 0 to 255, and a level; may leave the range.
        levels: One per strength.
        wording: What is done, with a place for the level.
    """

    change: Callable[[FloatImage, float, Draw], FloatImage]
    levels: tuple[float, float, float]
    wording: str

    def setting(self, strength: int) -> str:
        """What is done at a strength, in words."""
        return self.wording.format(self.levels[strength - 1])


def corrupt(images: Pixels, name: str, strength: int, *, seed: int) -> Pixels:
    """Disturb images.

    What happens to an image depends on the seed and its position alone. Brightness,
    contrast and rotation take turns in both directions, shift in four.

    Args:
        images: uint8 (n, height, width, channels) with 1 or 3 channels.
        name: One of `CORRUPTIONS`.
        strength: 1, 2 or 3.
        seed: Any number from 0 on.

    Returns:
        uint8, of the same shape.

    Raises:
        ValueError: When an argument is outside these.

    Source: Hendrycks & Dietterich 2019, arXiv:1903.12261 (ImageNet-C), adapted.
    """
    if images.ndim != 4 or images.dtype != np.uint8:
        got = f"{images.dtype} {images.shape}"
        raise ValueError(f"images must be uint8 (n, height, width, channels), got {got}.")
    kind = _find(name, strength)
    level = kind.levels[strength - 1]
    number = tuple(CORRUPTIONS).index(name)
    changed = np.empty_like(images)
    for position, image in enumerate(images):
        draw = Draw(np.random.default_rng((seed, number, position)), position)
        pixels = kind.change(image.astype(np.float32), level, draw)
        changed[position] = np.clip(np.rint(pixels), 0, 255)
    return changed


def choose_sample(labels: IntArray, number: int, *, seed: int) -> NDArray[np.int64]:
    """Positions of random images, the same share of every class.

    Args:
        labels: (n,) Classes, 0 to k - 1.
        number: Images wanted, at least 1. From k on, every class has one at least.
        seed: The same seed gives the same positions.

    Returns:
        (min(number, n),) Ascending.

    Raises:
        ValueError: When fewer than one is wanted.
    """
    if number < 1:
        raise ValueError(f"number must be at least 1, got {number}.")
    order = np.random.default_rng(seed).permutation(len(labels))
    # The i-th of a class's c images stands at i / c: a cut takes as much of every class.
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = np.arange(len(members)) / len(members)
    return np.sort(order[np.argsort(place[order], kind="stable")[:number]]).astype(np.int64)


def summarize(
    labels: IntArray, clean: FloatArray, disturbed: Mapping[tuple[str, int], FloatArray]
) -> Robustness:
    """Accuracy under every disturbance, and what it loses.

    Args:
        labels: (n,) True classes, 0 to k - 1; n at least 1.
        clean: (n, k) Probabilities for the undisturbed images.
        disturbed: Name and strength -> (n, k) probabilities for the same images, disturbed;
            one at least.

    Raises:
        ValueError: When shapes do not agree, or a name or strength is none.
    """
    if not disturbed:
        raise ValueError("disturbed must hold at least one disturbance, got none.")
    accuracy = _accuracy(labels, clean, "clean")
    corruptions = []
    for (name, strength), probabilities in disturbed.items():
        setting = _find(name, strength).setting(strength)
        reached = _accuracy(labels, probabilities, f"{name} {strength}")
        corruptions.append(
            Corruption(
                name=name,
                strength=strength,
                setting=setting,
                accuracy=reached,
                drop=accuracy - reached,
            )
        )
    names = tuple(CORRUPTIONS)
    corruptions.sort(key=lambda corruption: (names.index(corruption.name), corruption.strength))
    return Robustness(
        num_images=len(labels),
        accuracy=accuracy,
        mean_drop=float(np.mean([corruption.drop for corruption in corruptions])),
        corruptions=tuple(corruptions),
    )


def _accuracy(labels: IntArray, probabilities: FloatArray, what: str) -> float:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        got = f"{labels.shape} and {probabilities.shape}"
        raise ValueError(f"{what}: labels (n,) must fit probabilities (n, k), got {got}.")
    return float((probabilities.argmax(axis=1) == labels).mean())


def _find(name: str, strength: int) -> CorruptionKind:
    if name not in CORRUPTIONS:
        raise ValueError(f"name must be one of {', '.join(CORRUPTIONS)}, got {name!r}.")
    if strength not in STRENGTHS:
        raise ValueError(f"strength must be 1, 2 or 3, got {strength}.")
    return CORRUPTIONS[name]


def _add_noise(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """Gaussian noise with a standard deviation of `level`, each channel its own."""
    return image + level * draw.rng.standard_normal(image.shape, np.float32)


def _blur(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """Gaussian blur; 8 px stand less than half the sigma that 96 px stand."""
    sigma = level * _relative_side(image) ** 0.35
    blurred: FloatImage = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")
    return blurred


def _brighten(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    return image + draw.sign * level


def _stretch_contrast(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """Differences from the image's mean, divided or multiplied by `level`."""
    mean = np.float32(image.mean())
    return mean + (image - mean) * np.float32(level**-draw.sign)


def _compress(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """JPEG, there and back; its blocks of 8 px are large in a small image."""
    quality = min(BEST_QUALITY, max(1, round(level * _relative_side(image) ** -0.5)))
    file = io.BytesIO()
    _to_pillow(image).save(file, "JPEG", quality=quality)
    return _from_pillow(Image.open(file), image.shape)


def _rotate(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """Turned about the centre by degrees; the border is drawn out."""
    angle = draw.sign * level
    turned: FloatImage = ndimage.rotate(image, angle, reshape=False, order=1, mode="nearest")
    return turned


def _shift(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """Moved by percent of the side, up, down, left or right; the border is drawn out."""
    axis = draw.turn // 2 % 2
    size = image.shape[axis]
    # ndimage.shift interpolates along every axis: 2.7 s for 200 photos of 224 px, this 0.1 s.
    source = np.arange(size) - draw.sign * level / 100 * min(image.shape[:2])
    source = source.clip(0, size - 1)
    first = source.astype(np.intp)
    second = np.minimum(first + 1, size - 1)
    share = (source - first).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    moved: FloatImage = image.take(first, axis) * (1 - share) + image.take(second, axis) * share
    return moved


def _lower_resolution(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """Made smaller and back to its size; small images by less, as 8 px are no digit at 4 px."""
    height, width = image.shape[:2]
    side = min(height, width)
    factor = side ** (math.log(level) / math.log(SIDE)) / side
    size = max(1, round(width * factor)), max(1, round(height * factor))
    # With a bilinear filter, 8 px lost as much at strength 1 as at 3 (measured).
    small = _to_pillow(image).resize(size, Image.Resampling.BICUBIC)
    back = small.resize((width, height), Image.Resampling.BICUBIC)
    return _from_pillow(back, image.shape)


def _apply_field(image: FloatImage, level: float, draw: Draw) -> FloatImage:
    """Times a smooth random field from 1 / level to level, as of the coils of an MRI scanner."""
    height, width = image.shape[:2]
    knots = draw.rng.standard_normal((FIELD_KNOTS, FIELD_KNOTS), np.float32)
    field = np.asarray(Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC))
    low, high = field.min(), field.max()
    exponent = (2 * field - low - high) / max(high - low, np.finfo(np.float32).tiny)
    factor: FloatImage = level ** exponent[..., np.newaxis]
    return image * factor


def _relative_side(image: FloatImage) -> float:
    return float(min(image.shape[:2]) / SIDE)


def _to_pillow(image: FloatImage) -> Image.Image:
    pixels = image.astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _from_pillow(image: Image.Image, shape: tuple[int, ...]) -> FloatImage:
    return np.asarray(image, np.float32).reshape(shape)


CORRUPTIONS: Mapping[str, CorruptionKind] = MappingProxyType(
    {
        "noise": CorruptionKind(_add_noise, (4, 9, 18), "sigma {} of 255"),
        "blur": CorruptionKind(_blur, (0.7, 1.1, 1.6), "sigma {} px at 96 px"),
        "brightness": CorruptionKind(_brighten, (13, 26, 51), "{} of 255 up or down"),
        "contrast": CorruptionKind(_stretch_contrast, (1.2, 1.5, 2.0), "times or divided by {}"),
        "jpeg": CorruptionKind(_compress, (40, 20, 11), "JPEG quality {} at 96 px"),
        "rotation": CorruptionKind(_rotate, (3, 7, 15), "{} degrees"),
        "shift": CorruptionKind(_shift, (3, 6, 12), "{} % of the side"),
        "resolution": CorruptionKind(_lower_resolution, (73, 51, 35), "reduced to {} px at 96 px"),
        "field": CorruptionKind(_apply_field, (1.2, 1.4, 1.8), "smooth, from divided to times {}"),
    }
)
"""The disturbances by name, in the order of tables."""

DISTURBANCES = tuple(product(CORRUPTIONS, STRENGTHS))
"""Each disturbance with each strength, in the order of tables."""
