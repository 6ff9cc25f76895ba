"""What an exported model makes of an image against Pillow, the study's reader and Keras."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.records import Fit
from autocnn.data import decode_image
from autocnn.inference.export.graphs import keras_graph
from autocnn.inference.export.resizing import FixedResize, fit_square, resize_as_pillow, to_grey
from autocnn.reporting.programs import Taken, write_program


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


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(40, 40), (31, 64), (64, 31), (33, 40), (12, 13), (60, 24)])
def test_all_that_make_squares_make_the_same(
    fit: Fit, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The reader, the function that is served, Keras's layer, and the program on the card."""
    side = 12
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    wanted = decode_image(image, side=side, channels="rgb", fit=fit).astype(int)

    served = resize_as_pillow(fit_square(tf.constant(image[None]), fit), side, side)
    assert np.abs(served.numpy()[0] - wanted).max() <= 1

    inputs = keras.Input((side, side, 3), dtype="uint8")
    network = keras.Model(inputs, layers.Flatten()(inputs))
    graph = keras_graph(network, fit=fit)
    inside = keras.Model(graph.input, graph.get_layer("pixels").output)
    assert np.abs(np.asarray(inside(image[None]))[0].astype(int) - wanted).max() <= 1

    monkeypatch.chdir(tmp_path)
    Image.fromarray(image).save("image.png")
    taken = Taken(3, (side, side), fit=fit)
    program = write_program("litert", "m", taken, classes="[]").partition("pixels = ")[0]
    lines = [line for line in program.splitlines() if "nterpreter" not in line]
    content: dict[str, Any] = {}
    exec("\n".join(lines), content)
    assert np.abs(np.asarray(content["image"]).astype(int) - wanted).max() <= 1
