"""Marks at the edge are found; images that differ everywhere are none."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from autocnn.data.audit.marks import find_marks

NUM_IMAGES = 200


def find(images: NDArray[np.uint8], labels: NDArray[np.integer], *names: str) -> list[str]:
    rows = np.arange(len(images))
    pixels = images if images.ndim == 4 else images[..., np.newaxis]
    found = find_marks(pixels, rows, labels.astype(np.int32), names, seed=0)
    return [f"{one.target}: {one.sentence}" for one in found]


def noise(side: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(60, 200, (NUM_IMAGES, side, side), dtype=np.uint8)


@pytest.mark.parametrize("side", [16, 32, 97])
def test_a_small_mark_in_a_corner(side: int) -> None:
    images, labels = noise(side), np.arange(NUM_IMAGES) % 3
    images[labels == 1, -2:, :2] = 255
    (found,) = find(images, labels, "a", "b", "c")
    assert found.startswith("b: b can be told by a small place at the edge (bottom left) alone")


def test_of_two_classes_one_is_named() -> None:
    images, labels = noise(), np.arange(NUM_IMAGES) % 2
    images[labels == 1, :2, 15:18] = 0
    assert len(find(images, labels, "a", "b")) == 1


def test_without_a_mark_there_is_none() -> None:
    assert find(noise(), np.arange(NUM_IMAGES) % 2, "a", "b") == []
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)
    assert find(images, digits.target, *map(str, range(10))) == []


def test_images_that_differ_everywhere_have_no_mark() -> None:
    """As sea and forest do."""
    images, labels = noise() // 2, np.arange(NUM_IMAGES) % 2
    images[labels == 1] += 120
    assert find(images, labels, "sea", "forest") == []


def test_a_mark_in_the_middle_is_content() -> None:
    images, labels = noise(), np.arange(NUM_IMAGES) % 2
    images[labels == 1, 14:18, 14:18] = 255
    assert find(images, labels, "a", "b") == []


def test_few_images_say_nothing() -> None:
    images, labels = noise(), (np.arange(NUM_IMAGES) < 10).astype(int)
    images[labels == 1, :2, :2] = 255
    assert find(images, labels, "a", "b") == []


def test_a_mark_of_a_rare_class_in_a_large_set() -> None:
    """Of 150 in 20,000, a sample of all would have 15."""
    labels = np.zeros(20_000, np.int64)
    labels[:150] = 1
    images = np.random.default_rng(0).integers(60, 200, (20_000, 16, 16), dtype=np.uint8)
    images[labels == 1, -2:, :2] = 255
    assert len(find(images, labels, "common", "rare")) == 1
