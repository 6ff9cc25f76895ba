"""Resizing inside a model, in operations that ONNX and LiteRT have.

TensorFlow's antialiased resize is one operation that neither has. It is linear, first along
one axis, then along the other, so it is two products with matrices of weights.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from autocnn.core.records import Fit

GREY_WEIGHTS = (19595 / 65536, 38470 / 65536, 7471 / 65536)
"""Of red, green and blue in Pillow's mode L: exact in float32, and so are their products with
0 to 255 and the sums of these."""


def resize_as_pillow(images: Any, height: int, width: int) -> Any:
    """Stretch images with an antialiasing triangle filter, as Pillow's BILINEAR does.

    Args:
        images: (batch, h, w, channels), any number type, 0 to 255; h and w may be unknown.
        height: Wanted, px.
        width: Wanted, px.

    Returns:
        float32 (batch, height, width, channels), whole numbers: Pillow rounds after each axis,
        the horizontal one first. A level beside its result at worst (measured on noise).
    """
    shape = tf.shape(images)
    x = tf.transpose(tf.cast(images, tf.float32), [0, 1, 3, 2])
    x = _round(tf.tensordot(x, _triangle_weights(shape[2], width), axes=1))
    x = tf.transpose(x, [0, 3, 2, 1])
    x = _round(tf.tensordot(x, _triangle_weights(shape[1], height), axes=1))
    return tf.transpose(x, [0, 3, 1, 2])


def fit_square(images: Any, fit: Fit) -> Any:
    """Images as squares, as `data.decode.fit_square` makes them.

    Args:
        images: (batch, h, w, channels), any number type; h and w may be unknown.
        fit: How; images that are to be stretched stay as they are.
    """
    if fit == "stretch":
        return images
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    if fit == "crop":
        side = tf.minimum(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return images[:, top : top + side, left : left + side]
    side = tf.maximum(height, width)
    more = tf.stack([[0, 0], _around(height, side), _around(width, side), [0, 0]])
    return tf.pad(images, more)


def _around(length: Any, side: Any) -> Any:
    """What is added before and behind."""
    margin = (side - length) // 2
    return tf.stack([margin, margin])


def to_grey(images: Any) -> Any:
    """RGB to Pillow's mode L, exactly.

    Args:
        images: float32 (batch, height, width, 3), whole numbers 0 to 255.

    Returns:
        float32 (batch, height, width, 1), whole numbers.
    """
    return _round(tf.reduce_sum(images * tf.constant(GREY_WEIGHTS), axis=-1, keepdims=True))


def _triangle_weights(length: Any, wanted: int) -> Any:
    """(length, wanted) float32: the share of each old pixel in each new one."""
    length = tf.cast(length, tf.float32)
    scale = length / wanted
    support = tf.maximum(scale, 1.0)
    centres = (tf.range(wanted, dtype=tf.float32) + 0.5) * scale
    places = tf.range(length, dtype=tf.float32) + 0.5
    weights = tf.maximum(0.0, 1.0 - tf.abs(places[:, None] - centres[None]) / support)
    return weights / tf.reduce_sum(weights, axis=0, keepdims=True)


def _round(values: Any) -> Any:
    return (values + 0.5) // 1


class FixedResize(layers.Layer):  # type: ignore[misc]
    """Does what `keras.layers.Resizing(antialias=True, dtype="uint8")` does to one size.

    Bit by bit: members of an ensemble were judged on what that layer gives them, and a pixel
    that is rounded otherwise moves probabilities by more than an export may. So the sums are
    made in TensorFlow's order: rows first, and pixel after pixel.

    Args:
        layer: Whose work it does.
    """

    def __init__(self, layer: layers.Resizing) -> None:
        super().__init__(dtype="float32", autocast=False)
        self.size = (int(layer.height), int(layer.width))

    def call(self, images: Any, training: bool = False) -> Any:
        """uint8 (batch, h, w, channels) to uint8 (batch, height, width, channels)."""
        x = tf.cast(images, tf.float32)
        for axis, wanted in ((1, self.size[0]), (2, self.size[1])):
            x = _gather(x, _tensorflow_weights(int(images.shape[axis]), wanted), axis)
        return tf.cast(tf.clip_by_value(tf.round(x), 0.0, 255.0), tf.uint8)

    def compute_output_spec(self, images: Any, training: bool = False) -> keras.KerasTensor:
        """Shape and type of what `call` gives."""
        return keras.KerasTensor((None, *self.size, images.shape[-1]), dtype="uint8")


def _gather(x: Any, weights: NDArray[np.float32], axis: int) -> Any:
    """The weighted sum of pixels along an axis, term after term."""
    span = int((weights > 0).sum(axis=1).max())
    first = np.minimum((weights > 0).argmax(axis=1), weights.shape[1] - span)
    shape = [1, 1, 1, 1]
    shape[axis] = len(weights)
    total = None
    for step in range(span):
        share = weights[np.arange(len(weights)), first + step].reshape(shape)
        term = tf.gather(x, first + step, axis=axis) * share
        total = term if total is None else total + term
    return total


def _tensorflow_weights(length: int, wanted: int) -> NDArray[np.float32]:
    """(wanted, length): what TensorFlow's own operation makes of each unit vector."""
    with tf.init_scope():
        resized = tf.image.resize(tf.eye(length)[..., None], (wanted, length), antialias=True)
        weights: NDArray[np.float32] = resized[..., 0].numpy()
    return weights
