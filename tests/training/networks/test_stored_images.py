from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from autocnn.training.networks import stored_images
from autocnn.training.networks.stored_images import images_on_gpu

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 6, 3), dtype=np.uint8)
ROWS = np.array([3, 1, 19, 4, 7, 0, 11])
IMAGE_BYTES = 4 * 6 * 3


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is one")
def test_without_a_gpu_nothing_is_stored() -> None:
    with images_on_gpu(IMAGES, ROWS) as stored:
        assert stored is None


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("images_at_once", [1, 3, 7, 100])
def test_images_are_stored_in_the_order_of_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images_at_once: int
) -> None:
    monkeypatch.setattr(stored_images, "PART_BYTES", images_at_once * IMAGE_BYTES)
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    with images_on_gpu(mapped, ROWS) as stored:
        assert stored is not None and stored.dtype == tf.uint8
        assert stored.device.endswith("CPU:0")
        np.testing.assert_array_equal(stored.numpy(), IMAGES[ROWS])


@pytest.mark.usefixtures("as_on_a_gpu")
def test_their_memory_is_given_back_whatever_happens() -> None:
    with pytest.raises(ZeroDivisionError), images_on_gpu(IMAGES, ROWS) as stored:
        raise ZeroDivisionError
    assert stored is not None and stored.numpy().nbytes == 0


@pytest.mark.usefixtures("as_on_a_gpu")
def test_only_what_fits_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_images, "MOST_BYTES", len(ROWS) * IMAGE_BYTES)
    with images_on_gpu(IMAGES, ROWS) as stored:
        assert stored is not None
    with images_on_gpu(IMAGES, np.append(ROWS, 2)) as stored:
        assert stored is None


@pytest.mark.usefixtures("as_on_a_gpu")
def test_what_finds_no_memory_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*parts: object, axis: int) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(tf, "concat", full)
    with images_on_gpu(IMAGES, ROWS) as stored:
        assert stored is None
