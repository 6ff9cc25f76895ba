"""Thumbnails of copies: the telling groups first."""

import io

import numpy as np
import pytest
from PIL import Image

from autocnn.data.thumbnails import SIDE, draw_thumbnail


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 3), (224, 1)])
def test_any_image_becomes_a_small_jpeg(side: int, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, channels), dtype=np.uint8)
    content = draw_thumbnail(pixels)
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.size) == ("JPEG", (SIDE, SIDE))
    assert image.mode == ("L" if channels == 1 else "RGB")
    assert len(content) < 20_000


def test_small_images_keep_their_pixels() -> None:
    pixels = np.zeros((8, 8, 1), np.uint8)
    pixels[0, 0] = 255
    drawn = np.asarray(Image.open(io.BytesIO(draw_thumbnail(pixels))))
    assert drawn[: SIDE // 8, : SIDE // 8].mean() > 240
    assert drawn[SIDE // 8 :, SIDE // 8 :].mean() < 5
