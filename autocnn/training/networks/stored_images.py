"""Training images in the memory of a GPU, put there once for a training.

The training step then gathers and augments them there (`batches`), and the processor sends no
pixel while the network trains. docs/decisions/0032 has the reasons.
"""

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.core.arrays import IntArray
from autocnn.execution.machine import is_out_of_memory

MOST_BYTES = 2_000_000_000
"""Of the images that are put into a GPU's memory: a quarter of a card of 8 GB. While they are
put together they take twice as much."""

PART_BYTES = 64_000_000
"""Of the images that are copied at once: a worker's own memory is limited."""


@contextlib.contextmanager
def images_on_gpu(images: NDArray[np.uint8], rows: IntArray) -> Iterator[tf.Variable | None]:
    """Put the images of some rows into the memory of the first visible GPU, where they fit.

    Args:
        images: uint8, shape (n, height, width, channels); may be mapped from disk.
        rows: Shape (m,), at least one.

    Yields:
        uint8, shape (m, height, width, channels), in the order of the rows. None without a GPU,
        or where the images take more than `MOST_BYTES` or than is free.
    """
    stored = _store(images, rows)
    try:
        yield stored
    finally:
        if stored is not None:
            # Its memory is given back by hand: TensorFlow keeps the graph of a training step,
            # and all that it refers to, when its network is gone.
            stored.assign(tf.zeros((0, *stored.shape[1:]), tf.uint8))


def _store(images: NDArray[np.uint8], rows: IntArray) -> tf.Variable | None:
    device = first_gpu()
    size = math.prod(images.shape[1:])
    if device is None or len(rows) * size > MOST_BYTES:
        return None
    number = max(1, PART_BYTES // size)
    parts = (images[rows[start : start + number]] for start in range(0, len(rows), number))
    try:
        with tf.device(device):
            whole = tf.concat([tf.constant(part) for part in parts], axis=0)
            return tf.Variable(whole, trainable=False, shape=(None, *images.shape[1:]))
    except (MemoryError, tf.errors.OpError) as error:
        if not is_out_of_memory(error):
            raise
        return None  # other processes may have the memory


def first_gpu() -> str | None:
    """TensorFlow's name of the first GPU that this process sees; None: it sees none."""
    gpus = tf.config.list_logical_devices("GPU")
    return gpus[0].name if gpus else None
