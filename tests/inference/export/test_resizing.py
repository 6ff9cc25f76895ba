"""What an exported model makes of an image against Pillow, the study's reader and Keras."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from PIL import Image

from autocnn.data import decode_image
from autocnn.inference.export.resizing import FixedResize, resize_as_pillow, to_grey

pytestmark = pytest.mark.usefixtures("tensorflow_session")


def noise(*shape: int) -> NDArray[np.uint8]:
    """The hardest images to resize alike."""
    return np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(np.uint8)


SIZES = [
    (50, 60, 32),
    (20, 10, 32),
    (512, 512, 96),
    (33, 32, 32),
    (64, 32, 32),
    (7, 200, 16),
    (1, 1, 8),
    (300, 200, 9),
]


@pytest.mark.parametrize(("height", "width", "side"), SIZES)
def test_resizing_is_pillow_s(height: int, width: int, side: int) -> None:
    image = noise(height, width, 3)
    wanted = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
    found = resize_as_pillow(tf.constant(image[None]), side, side).numpy()[0]
    difference = np.abs(found - wanted.astype(np.float32))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02
    assert np.array_equal(found, np.round(found))


@pytest.mark.parametrize(("height", "width"), [(30, 40), (90, 60), (32, 32), (150, 190)])
def test_colour_to_grey_is_the_study_s_reader(height: int, width: int) -> None:
    image = noise(height, width, 3)
    wanted = decode_image(image, side=32, channels="grey").astype(np.float32)
    found = to_grey(resize_as_pillow(tf.constant(image[None]), 32, 32)).numpy()[0]
    assert np.abs(found - wanted).max() <= 1


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    image = noise(2, 24, 24, 3)
    assert np.array_equal(resize_as_pillow(tf.constant(image), 24, 24).numpy(), image)


def test_grey_is_exact() -> None:
    image = noise(256, 256, 3)
    wanted = np.asarray(Image.fromarray(image).convert("L"))
    found = to_grey(tf.constant(image[None].astype(np.float32))).numpy()[0, ..., 0]
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize(("side", "wanted"), [(48, 24), (96, 48), (64, 40), (32, 48), (40, 39)])
def test_the_resize_inside_ensembles_is_that_of_keras_bit_by_bit(side: int, wanted: int) -> None:
    images = noise(20, side, side, 1)
    layer = layers.Resizing(wanted, wanted, antialias=True, dtype="uint8")
    found = np.asarray(FixedResize(layer)(images, training=False))
    assert np.array_equal(found, np.asarray(layer(images, training=False)))
