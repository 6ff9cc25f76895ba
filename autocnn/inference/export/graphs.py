"""A candidate's model with all that comes before and after it, for each kind of file."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from autocnn.core.records import Fit
from autocnn.inference.export.resizing import (
    GREY_WEIGHTS,
    FixedResize,
    fit_square,
    resize_as_pillow,
    to_grey,
)
from autocnn.inference.predict.runtimes import NETWORK, PIXELS
from autocnn.metrics.familiarity import read_reference
from autocnn.training.networks.features import model_with_features, nearest_distances

INPUT = "image"
PROBABILITIES = "probabilities"
DISTANCE = "distance"


def keras_graph(network: keras.Model, *, fit: Fit = "stretch") -> keras.Model:
    """A model of RGB images of any size, of built-in layers and operations only.

    Args:
        network: From uint8 images (batch, height, width, 1 or 3) to probabilities.
        fit: How images that are not square become squares.

    Returns:
        From uint8 `image` (batch, any, any, 3) to `probabilities`. Its layer `network` is the
        network, its layer `pixels` what goes in there: a level beside Pillow's at worst, since
        Keras rounds once and Pillow twice.
    """
    height, width, channels = network.input_shape[1:]
    images = keras.Input((None, None, 3), dtype="uint8", name=INPUT)
    resize = layers.Resizing(
        height,
        width,
        antialias=True,
        crop_to_aspect_ratio=fit == "crop",
        pad_to_aspect_ratio=fit == "pad",
        fill_value=0,
        dtype="uint8",
        name="resize",
    )
    x = resize(images, training=False)
    if channels == 1:
        weigh = layers.Rescaling(list(GREY_WEIGHTS), dtype="float32", name="weigh_colours")
        # The cast cuts off what is behind the point, so that adding 0.5 rounds.
        x = ops.cast(ops.sum(weigh(x), axis=-1, keepdims=True) + 0.5, "uint8")
    pixels = layers.Identity(dtype="uint8", name=PIXELS)(x)
    inner = keras.Model(network.input, network.output, name=NETWORK)
    outputs = layers.Identity(dtype="float32", name=PROBABILITIES)(inner(pixels))
    return keras.Model(images, outputs)


class ServedModel(tf.Module):  # type: ignore[misc]
    """A model of RGB images of any size as one TensorFlow function, `serve`.

    Args:
        network: As for `keras_graph`.
        familiarity_path: Its familiarity.npz; None: no distances.
        fit: How images that are not square become squares.
    """

    def __init__(
        self, network: keras.Model, familiarity_path: Path | None, *, fit: Fit = "stretch"
    ) -> None:
        super().__init__()
        reference = None if familiarity_path is None else read_reference(familiarity_path)
        inside = portable(network, with_features=reference is not None)
        self.weights = [variable.value for variable in network.variables]
        shape = network.input_shape[1:]

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name=INPUT)],
            autograph=False,
        )
        def serve(image: Any) -> dict[str, Any]:
            pixels = resize_as_pillow(fit_square(image, fit), shape[0], shape[1])
            pixels = pixels if shape[2] == 3 else to_grey(pixels)
            pixels = tf.ensure_shape(tf.cast(pixels, tf.uint8), (None, *shape))
            found = inside(pixels, training=False)
            if reference is None:
                return {PROBABILITIES: found}
            neighbours = reference.facts.neighbours
            distances = nearest_distances(found[1], reference.features, neighbours)
            return {PROBABILITIES: found[0], DISTANCE: distances}

        self.serve = serve
        self.outputs = (PROBABILITIES,) if reference is None else (PROBABILITIES, DISTANCE)


def lite_graph(network: keras.Model) -> keras.Model:
    """A model of images as the network takes them; its output is named.

    Args:
        network: As for `keras_graph`.
    """
    inside = portable(network, with_features=False)
    return keras.Model(inside.input, {PROBABILITIES: inside.output})


def portable(network: keras.Model, *, with_features: bool) -> keras.Model:
    """The network in operations that every format has; weights are shared.

    Args:
        network: Single or averaged.
        with_features: Whether it gives [probabilities, features].

    Raises:
        ValueError: When features are wanted of a network that does not end in a Dense layer.
    """
    resizes = any(layer.name.startswith("resize_") for layer in network.layers)
    if not with_features and not resizes:
        return network
    both = model_with_features(network, resize=FixedResize)
    return both if with_features else keras.Model(network.input, both.outputs[0])
