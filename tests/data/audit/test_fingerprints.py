from typing import Any

import numpy as np
import pytest

from autocnn.core.arrays import Pixels
from autocnn.data.audit.fingerprints import (
    TURNS,
    compute_keys,
    compute_spectra,
    low_frequencies,
    squared_distances,
)


def noise(seed: int, *, count: int = 6, side: int = 28, channels: int = 1) -> Pixels:
    shape = (count, side, side, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def turned(images: Pixels, turn: str) -> Pixels:
    """Mirrored left to right first, then turned clockwise."""
    if turn.startswith("mirrored"):
        images = images[:, :, ::-1]
    degrees = int(turn.split()[-1]) if "turned" in turn else 0
    return np.rot90(images, -degrees // 90, axes=(1, 2))


@pytest.mark.parametrize("side", [8, 28, 40])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("turn", TURNS)
def test_every_turn_is_recognised(turn: str, channels: int, side: int) -> None:
    images = noise(0, side=side, channels=channels)
    distances = squared_distances(compute_spectra(images), compute_spectra(turned(images, turn)))
    assert [TURNS[i] for i in distances.argmin(axis=1)] == [turn] * len(images)
    assert distances.min(axis=1) == pytest.approx(0, abs=1e-9)
    assert np.sort(distances, axis=1)[:, 1].min() > 0.5


@pytest.mark.parametrize("channels", [1, 3])
def test_distances_are_those_of_the_correlated_gradients(channels: int) -> None:
    first, second = noise(1, channels=channels), noise(2, channels=channels)
    spectra = compute_spectra(first), compute_spectra(second)
    assert (spectra[0] ** 2).sum(axis=(1, 2, 3)) == pytest.approx(1)
    expected = ((spectra[0] - spectra[1]) ** 2).sum(axis=(1, 2, 3))
    assert squared_distances(*spectra)[:, 0] == pytest.approx(expected, abs=1e-12)


def test_brightness_and_contrast_do_not_count() -> None:
    images = noise(3) // 4
    distances = squared_distances(compute_spectra(images), compute_spectra(images * 2 + 50))
    assert distances[:, 0] == pytest.approx(0, abs=1e-9)


def test_colour_counts() -> None:
    images = np.zeros((1, 16, 16, 3), np.uint8)
    images[:, 4:9, 3:12, 0] = 200
    others = images[..., ::-1].copy()
    assert squared_distances(compute_spectra(images), compute_spectra(others)).min() > 1


def test_nothing_to_compare() -> None:
    images = np.full((3, 16, 16, 1), 90, np.uint8)
    images[1, 8:] = 91
    images[2, 8:] = 99
    assert compute_spectra(images).any(axis=(1, 2, 3)).tolist() == [False, False, True]


@pytest.mark.parametrize("side", [8, 28, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_keys_are_never_farther_than_spectra(side: int, channels: int) -> None:
    base = noise(4, count=40, side=side, channels=channels).astype(np.int64)
    for strength in (2, 20, 200):
        changed = base + np.random.default_rng(5).integers(-strength, strength + 1, base.shape)
        spectra = [
            compute_spectra(np.clip(images, 0, 255).astype(np.uint8))
            for images in (base, turned(changed, "turned 90"))  # type: ignore[arg-type]
        ]
        low: list[Any] = [low_frequencies(found).astype(np.float32) for found in spectra]
        keys = [compute_keys(found) for found in low]
        nearest = squared_distances(*spectra).min(axis=1)
        low_nearest = squared_distances(*low).min(axis=1)
        key_distance = ((keys[0] - keys[1]) ** 2).sum(axis=1)
        assert (key_distance <= low_nearest + 1e-5).all()
        assert (low_nearest <= nearest + 1e-5).all()


def test_keys_are_the_same_in_all_positions() -> None:
    images = noise(6)
    keys = [
        compute_keys(low_frequencies(compute_spectra(turned(images, turn))).astype(np.float32))
        for turn in TURNS
    ]
    for key in keys[1:]:
        assert np.allclose(key, keys[0], atol=1e-6)
