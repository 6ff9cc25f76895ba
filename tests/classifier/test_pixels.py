"""Arrays as images: shapes, layouts, values."""

import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.classifier.pixels import IMAGES_AT_ONCE, ImageShape, ValueRange, flatten_images


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (np.array([True, False]), 0, 1),
        (np.array([0.0, 0.3]), 0, 1),
        (np.array([0, 1], np.uint8), 0, 1),
        (np.array([0.0, 16.0]), 0, 16),
        (np.array([2, 15]), 0, 16),
        (np.array([16.5]), 0, 255),
        (np.array([0, 255], np.uint8), 0, 255),
        (np.array([256]), 0, 1023),
        (np.array([4095], np.uint16), 0, 4095),
        (np.array([65535], np.uint16), 0, 65535),
        (np.array([0, 65536]), 0, 65536),
        (np.array([5.0, 1e6]), 5, 1e6),
        (np.array([-0.5, 0.25]), -0.5, 0.25),
        (np.array([-3, -3]), -3, -3),
    ],
)
def test_the_range_is_the_smallest_usual_one(
    values: NDArray[np.number], low: float, high: float
) -> None:
    assert ValueRange.of(values) == ValueRange(low, high)


def test_values_are_scaled_rounded_and_cut_off() -> None:
    scaled = ValueRange(0, 16).to_uint8(np.array([[-1.0, 0, 8, 16, 20]]))
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [[0, 0, 128, 255, 255]]
    assert ValueRange(-1, 1).to_uint8(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 128, 255]


def test_digits_are_scaled_as_the_built_in_ones() -> None:
    from sklearn.datasets import load_digits

    from autocnn.data.sources.npz import read_digits

    images = load_digits().images[:50]
    ours = ValueRange.of(images).to_uint8(images)
    found = read_digits().images
    theirs = np.stack([np.asarray(found.open("", index)) for index in range(50)])
    assert np.array_equal(ours, theirs)


def test_a_constant_image_is_black_not_an_error() -> None:
    assert ValueRange(-3, -3).to_uint8(np.full((2, 2), -3)).tolist() == [[0, 0], [0, 0]]


def test_uint8_of_the_full_range_is_not_copied() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 256)
    assert ValueRange(0, 255).to_uint8(images) is images
    assert ValueRange(0, 16).to_uint8(images)[0, 16] == 255


def test_images_beyond_one_block_are_scaled_too() -> None:
    values = np.linspace(0, 1, IMAGES_AT_ONCE + 3)[:, None]
    scaled = ValueRange(0, 1).to_uint8(values)
    assert np.array_equal(scaled, np.rint(values * 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("num_values", "axes"),
    [(1, (1, 1, 1)), (64, (8, 8, 1)), (192, (8, 8, 3)), (784, (28, 28, 1)), (3072, (32, 32, 3))],
)
def test_a_square_is_grey_and_three_squares_are_colours(
    num_values: int, axes: tuple[int, int, int]
) -> None:
    assert ImageShape.of_width(num_values).axes == axes


def test_no_width_is_both_grey_and_colours() -> None:
    squares = {side * side for side in range(1, 2000)}
    assert not squares & {3 * square for square in squares}


@pytest.mark.parametrize("num_values", [2, 10, 63, 65, 96])
def test_another_width_needs_a_shape(num_values: int) -> None:
    with pytest.raises(ValueError, match=rf"got {num_values}\. Give image_shape=\(height"):
        ImageShape.of_width(num_values)


@pytest.mark.parametrize(
    "axes", [(), (8,), (8, 8, 2), (8, 8, 4), (8, 0), (8.0, 8.0), (8, 8, 3, 1), ("8", "8")]
)
def test_a_shape_is_height_width_and_channels(axes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(height, width\) or \(height, width, 1 or 3\)"):
        ImageShape.of_axes(axes)


@pytest.mark.parametrize("axes", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_images_become_rows_and_show_their_shape(axes: tuple[int, ...]) -> None:
    images = np.arange(2 * np.prod(axes)).reshape(2, *axes)
    table, shape = flatten_images(images)
    assert shape == ImageShape.of_axes(axes)
    assert np.array_equal(np.asarray(table).reshape(images.shape), images)
    assert np.shape(table) == (2, shape.num_values)
    assert flatten_images(images.tolist())[1] == shape


def test_tables_stay_as_they_are() -> None:
    table = np.zeros((3, 64))
    assert flatten_images(table) == (table, None)
    rows = [[1.0, 2.0], [3.0, 4.0]]
    assert flatten_images(rows) == (rows, None)


@pytest.mark.parametrize(
    ("axes", "remedy"),
    [
        ((2, 3, 8, 8), "X.transpose(0, 2, 3, 1)"),
        ((2, 1, 28, 28), "X.transpose(0, 2, 3, 1)"),
        ((2, 8, 8, 4), "X[..., :3]"),
        ((2, 8, 8, 2), "(images, height, width, 1 or 3)"),
        ((2, 8, 0), "(2, 8, 0)"),
        ((2, 8, 8, 3, 1), "(2, 8, 8, 3, 1)"),
    ],
)
def test_other_arrays_are_refused_with_a_way_out(axes: tuple[int, ...], remedy: str) -> None:
    with pytest.raises(ValueError, match="X must be") as caught:
        flatten_images(np.zeros(axes))
    assert remedy in str(caught.value)
