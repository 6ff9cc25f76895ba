"""Generated pictures: seeded gratings and blobs, a class by its angle. Never real data."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CHUNK = 256
"""Pictures drawn at once: what bounds the memory."""


def draw_images(
    labels: NDArray[np.int64], *, side: int, channels: int, num_classes: int, seed: int
) -> NDArray[np.uint8]:
    """Draw one picture per label: a grating whose angle is the class's, a blob, noise.

    Args:
        labels: Classes, shape (n,).
        side: Height and width in px.
        channels: 1 or 3.
        num_classes: The angles divide half a turn by it.
        seed: Of all randomness.

    Returns:
        uint8, shape (n, side, side, channels); no two are alike.
    """
    rng = np.random.default_rng(seed)
    n = len(labels)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side

    def draw(low: float, high: float) -> NDArray[np.float32]:
        return rng.uniform(low, high, (n, 1, 1)).astype(np.float32)

    angle = (np.pi * labels[:, None, None] / num_classes).astype(np.float32) + draw(-0.1, 0.1)
    along = np.cos(angle) * x + np.sin(angle) * y
    wave = np.sin(2 * np.pi * (draw(3, 5) * along + draw(0, 1)))
    distance = (x - draw(0.2, 0.8)) ** 2 + (y - draw(0.2, 0.8)) ** 2
    blob = np.exp(-distance / draw(0.005, 0.03))
    grey = 110 + 50 * wave + 80 * blob
    tint = rng.uniform(0.7, 1.0, (n, 1, 1, channels)).astype(np.float32)
    noise = rng.normal(0, 12, (n, side, side, channels)).astype(np.float32)
    pixels: NDArray[np.uint8] = np.clip(grey[..., None] * tint + noise, 0, 255).astype(np.uint8)
    return pixels


def write_image_folder(
    folder: Path,
    counts: Mapping[str, int],
    *,
    side: int,
    channels: int,
    num_classes: int = 4,
    seed: int = 0,
) -> Path:
    """Write folder/split/class/number.png with balanced classes.

    Args:
        folder: Made here.
        counts: Split (train, val, test) -> number of images.
        side: Height and width in px.
        channels: 1 or 3.
        num_classes: At most 10.
        seed: The same seed draws the same pictures.
    """
    for split_number, (split, count) in enumerate(counts.items()):
        for label in range(num_classes):
            (folder / split / f"class-{label}").mkdir(parents=True)
        for start in range(0, count, CHUNK):
            numbers = np.arange(start, min(start + CHUNK, count))
            labels = numbers % num_classes
            pixels = draw_images(
                labels,
                side=side,
                channels=channels,
                num_classes=num_classes,
                seed=seed + 1_000_000 * split_number + start,
            )
            for number, picture in zip(numbers, pixels, strict=True):
                image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
                path = folder / split / f"class-{number % num_classes}" / f"{number:06d}.png"
                image.save(path, compress_level=1)
    return folder


def read_split(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """All pictures of a split into memory, as the simplest of programs would.

    Returns:
        uint8 of shape (n, side, side, channels), and one-hot labels of shape (n, classes).
    """
    classes = sorted((folder / split).iterdir())
    pixels, labels = [], []
    for label, class_dir in enumerate(classes):
        for path in sorted(class_dir.iterdir()):
            with Image.open(path) as image:
                picture = np.asarray(image)
            pixels.append(picture if picture.ndim == 3 else picture[..., None])
            labels.append(label)
    return np.stack(pixels), np.eye(len(classes), dtype=np.float32)[labels]
