"""Prediction with a model, and what it costs. No tf.data: see docs/performance.md."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.execution.machine import MOST_AT_ONCE, batch_size_for, is_out_of_memory
from autocnn.training.networks.keras_private import frozen_graph


def compile_prediction(model: keras.Model) -> Callable[[Any], Any]:
    """The model's forward pass as one graph for batches of any length.

    It reads the model's weights when called, so it serves all epochs of a training.
    """
    shape = (None, *model.input_shape[1:])

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, tf.uint8)])  # type: ignore[untyped-decorator]
    def predict(images: Any) -> Any:
        return model(images, training=False)

    return predict  # type: ignore[no-any-return]


def in_batches(
    work: Callable[[slice], NDArray[np.float32]], number: int, *, batch_size: int
) -> list[NDArray[np.float32]]:
    """What `work` gives for each part of `number` images; the parts are halved on want of memory.

    Args:
        work: Takes a part of the images.
        number: Of the images.
        batch_size: Of a part, to begin with.

    Raises:
        MemoryError, tf.errors.OpError: When not even one image fits.
    """
    parts: list[NDArray[np.float32]] = []
    start = 0
    while start < number:
        try:
            parts.append(work(slice(start, start + batch_size)))
        except (MemoryError, tf.errors.OpError) as error:
            if batch_size == 1 or not is_out_of_memory(error):
                raise
            batch_size //= 2
        else:
            start += batch_size
    return parts


def predict_rows(
    predict: Callable[[Any], Any],
    images: NDArray[np.uint8],
    rows: NDArray[np.integer],
    *,
    half_batch: bool = False,
) -> NDArray[np.float32]:
    """Probabilities of some rows, a batch at a time.

    Args:
        predict: From `compile_prediction`.
        images: uint8, shape (n, height, width, channels); may be mapped from disk.
        rows: Shape (m,).
        half_batch: Whether batches are half as large as they would be: a process ran out of
            memory with the whole ones.

    Returns:
        float32, shape (m, classes).
    """

    def work(part: slice) -> NDArray[np.float32]:
        return np.asarray(predict(tf.constant(images[rows[part]])), np.float32)

    most = MOST_AT_ONCE // 2 if half_batch else MOST_AT_ONCE
    batch_size = batch_size_for(*images.shape[1:3], most=most)
    return np.concatenate(in_batches(work, len(rows), batch_size=batch_size))


def measure_latency_ms(
    predict: Callable[[Any], Any], image: NDArray[np.uint8], *, repeats: int = 30
) -> float:
    """Median time to predict one image, after three calls that do not count."""
    batch = tf.constant(image[None])
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        np.asarray(predict(batch))
        times.append(time.perf_counter() - start)
    return float(np.median(times[3:]) * 1e3)


def count_flops(model: keras.Model) -> int:
    """Floating-point operations of one forward pass of one image, as TensorFlow counts them."""
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.uint8)
    graph = tf.function(lambda images: model(images, training=False)).get_concrete_function(spec)
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    profile = tf.compat.v1.profiler.profile(frozen_graph(graph), options=options)
    return int(profile.total_float_ops)
