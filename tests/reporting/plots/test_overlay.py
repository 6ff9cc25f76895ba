import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from autocnn.reporting.plots.overlay import GAP, draw_overlay, encode_overlay

RNG = np.random.default_rng(0)


def blob(row: int, column: int, *, side: int = 24) -> NDArray[np.float64]:
    rows, columns = np.mgrid[:side, :side]
    plane: NDArray[np.float64] = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 12)
    plane /= plane.sum()
    return plane


def panels(picture: Image.Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    width = (picture.width - GAP) // 2
    pixels = np.asarray(picture, np.int64)
    return pixels[:, :width], pixels[:, width + GAP :]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((28, 28, 1), (356, 176)),
        ((8, 8), (356, 176)),
        ((80, 96, 3), (356, 147)),
        ((300, 150, 3), (180, 176)),
        ((400, 2, 1), (8, 176)),
    ],
)
def test_two_panels_of_any_image(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    image = RNG.integers(0, 256, shape, dtype=np.uint8)
    picture = draw_overlay(image, RNG.random((24, 24)))
    assert (picture.size, picture.mode) == (size, "RGB")


def test_the_first_panel_is_the_image_in_its_colours() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[...] = 200, 120, 40
    first, second = panels(draw_overlay(image, np.ones((5, 5))))
    assert (first == [200, 120, 40]).all()
    assert (second == second[..., :1]).all()  # grey


def test_colour_is_where_the_attention_is() -> None:
    image = np.full((48, 48, 1), 128, np.uint8)
    _, second = panels(draw_overlay(image, blob(6, 18)))
    colourful = second.max(axis=2) - second.min(axis=2)
    row, column = np.unravel_index(colourful.argmax(), colourful.shape)
    assert (row, column) == pytest.approx((6.5 / 24 * 176, 18.5 / 24 * 176), abs=20)
    assert colourful[120:].max() < 8
    assert (second == 255).all(axis=2).any()  # the contour
    assert (second[:, :, 0] < 100).any()  # and its dark rim


def test_strength_reads_in_greyscale() -> None:
    image = np.full((48, 48, 1), 60, np.uint8)
    picture = draw_overlay(image, blob(12, 12))
    grey = np.asarray(picture.convert("L"), np.int64)[:, -176:]
    centre = round(12.5 / 24 * 176)
    assert grey[centre, centre] > grey[centre, 5] + 60


@pytest.mark.parametrize("level", [0.0, 1 / 576, 3.0])
def test_an_even_map_marks_nothing(level: float) -> None:
    image = RNG.integers(0, 256, (48, 48, 1), dtype=np.uint8)
    first, second = panels(draw_overlay(image, np.full((24, 24), level, np.float32)))
    assert np.abs(first - second).max() <= 1


def test_files_are_small_and_repeatable() -> None:
    rows, columns = np.mgrid[:96, :96]
    waves = 128 + 60 * np.sin(rows / 5) * np.cos(columns / 7) + RNG.normal(0, 12, (96, 96))
    image = np.clip(waves, 0, 255).astype(np.uint8)[..., None]
    data = encode_overlay(draw_overlay(image, blob(6, 18)))
    assert data == encode_overlay(draw_overlay(image, blob(6, 18)))
    assert len(data) < 20_000
    read = Image.open(io.BytesIO(data))
    assert (read.format, read.size) == ("JPEG", (356, 176))


def test_wrong_shapes_are_refused() -> None:
    image = np.zeros((8, 8, 1), np.uint8)
    with pytest.raises(ValueError, match="image must be"):
        draw_overlay(np.zeros((8, 8, 2), np.uint8), np.ones((4, 4)))
    with pytest.raises(ValueError, match="attention must be"):
        draw_overlay(image, np.ones((4, 4, 1)))
    with pytest.raises(ValueError, match="side must be at least 16"):
        draw_overlay(image, np.ones((4, 4)), side=8)
