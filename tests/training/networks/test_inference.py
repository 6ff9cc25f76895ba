"""Predictions in batches that follow the size of the images and what memory there is."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.training.networks.inference import in_batches, predict_rows

ERRORS = (
    MemoryError(),
    tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
    tf.errors.InternalError(None, None, "Dst tensor is not initialized."),
)

IMAGES = np.arange(40, dtype=np.uint8).reshape(10, 2, 2, 1)


class Machine:
    """Predicts the first pixel of each image, of so many at once as there is memory for."""

    def __init__(self, most: int, error: Exception = ERRORS[0]) -> None:
        self.most = most
        self.error = error
        self.asked: list[int] = []

    def __call__(self, images: Any) -> NDArray[np.float32]:
        self.asked.append(len(images))
        if len(images) > self.most:
            raise self.error
        return np.asarray(images, np.float32)[:, 0, 0]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("most", "last"), [(256, 9), (4, 1), (1, 1)])
def test_batches_are_halved_until_they_fit(most: int, last: int, error: Exception) -> None:
    machine = Machine(most, error)
    rows = np.array([9, 0, 3, 3, 5, 6, 7, 8, 1])
    found = predict_rows(machine, IMAGES, rows)
    np.testing.assert_array_equal(found, IMAGES[rows, 0, 0])
    assert machine.asked[-1] == last


def test_what_has_been_predicted_is_not_predicted_again() -> None:
    machine = Machine(256)

    def work(part: slice) -> NDArray[np.float32]:
        if part.start == 4:
            machine.most = 1
        return machine(IMAGES[part])

    parts = in_batches(work, 10, batch_size=4)
    np.testing.assert_array_equal(np.concatenate(parts), IMAGES[:, 0, 0])
    assert machine.asked == [4, 4, 2, *[1] * 6]


def test_one_image_that_does_not_fit_is_the_end() -> None:
    with pytest.raises(MemoryError):
        predict_rows(Machine(0), IMAGES, np.arange(10))


def test_another_error_of_tensorflow_is_the_end_at_once() -> None:
    machine = Machine(0, tf.errors.InternalError(None, None, "an illegal memory access"))
    with pytest.raises(tf.errors.InternalError):
        predict_rows(machine, IMAGES, np.arange(10))
    assert machine.asked == [10]


def test_half_the_batch_is_half_of_what_fits_by_size() -> None:
    large = np.zeros((40, 512, 512, 1), np.uint8)
    for half_batch, first in ((False, 9), (True, 4)):
        machine = Machine(256)
        predict_rows(machine, large, np.arange(40), half_batch=half_batch)
        assert machine.asked[0] == first
