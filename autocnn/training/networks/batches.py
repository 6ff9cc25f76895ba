"""Batches of training images: their order, their augmentation, their weights."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.core.arrays import IntArray
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.augmentation import Augmenter


def training_batches(
    images: NDArray[np.uint8],
    labels: IntArray,
    rows: IntArray,
    settings: Settings,
    *,
    num_classes: int,
    batch_size: int,
    epochs: int,
    done: int,
    seed: tuple[int, ...],
    model: keras.Model | None = None,
    stored: tf.Variable | None = None,
) -> tf.data.Dataset:
    """All batches of all epochs after those done, in one dataset: images, labels, weights.

    The order of an epoch and the augmentation of a batch derive from the seed and the
    step alone. One iterator serves the whole training and nothing is tuned at run time:
    TensorFlow's autotuner holds up the end of every iterator (docs/performance.md).

    Args:
        images: uint8, shape (n, height, width, channels); may be mapped from disk.
        labels: Class numbers, shape (n,).
        rows: Rows to train on.
        settings: Augmentation and class weights.
        num_classes: At least 2.
        batch_size: Images per step, at most as many as rows.
        epochs: Epochs in all.
        done: Epochs that were trained before.
        seed: All randomness derives from it.
        model: The network that is trained, and was not before; needed with `stored`.
        stored: The images of the rows in the memory of a GPU (`images_on_gpu`). The training step
            of the network then makes the same batches there from what the dataset gives, their
            places, labels and seeds; nothing else can train it any more.
    """
    steps = steps_of(rows, batch_size)
    one_hot = np.eye(num_classes, dtype=np.float32)
    weights = class_weights(labels[rows], num_classes, settings)
    is_weighted = bool((weights != 1).any())
    augment = Augmenter(settings, tuple(images.shape[1:]))
    number = number_from(*seed)
    order: dict[int, IntArray] = {}

    def gather(step: Any) -> tuple[IntArray, NDArray[np.float32]]:
        """Images, or their places among those that are stored, and labels."""
        epoch, position = divmod(int(step), steps)
        if epoch not in order:
            order.clear()
            order[epoch] = np.random.default_rng((*seed, epoch)).permutation(len(rows))
        places = order[epoch][position * batch_size : (position + 1) * batch_size]
        chosen = rows[places]
        return images[chosen] if stored is None else places, one_hot[labels[chosen]]

    def load(step: Any) -> tuple[Any, Any, Any]:
        kind, shape = (tf.uint8, images.shape[1:]) if stored is None else (tf.int64, ())
        x, y = tf.numpy_function(gather, [step], [kind, tf.float32], stateful=False)
        x.set_shape((batch_size, *shape))
        y.set_shape((batch_size, num_classes))
        return x, y, tf.stack([tf.constant(number, tf.int32), tf.cast(step, tf.int32)])

    def finish(x: Any, y: Any, seed: Any) -> tuple[Any, Any, Any]:
        x, y = augment(x, y, seed)
        if not is_weighted:
            return x, y, tf.linalg.matvec(y, weights)
        # Of two mixed images, each class's part of the loss has its own weight.
        weighted = y * weights
        total = tf.reduce_sum(weighted, axis=1)
        return x, weighted / total[:, None], total

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def make_batch(step: Any) -> tuple[Any, Any, Any]:
        return finish(*load(step)) if stored is None else load(step)

    if model is not None and stored is not None:
        train_step = model.train_step
        model.train_step = lambda loaded: train_step(
            finish(tf.gather(stored, loaded[0]), *loaded[1:])
        )

    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    batches = tf.data.Dataset.range(done * steps, epochs * steps)
    return batches.map(make_batch).prefetch(2).with_options(options)


def steps_of(rows: IntArray, batch_size: int) -> int:
    """Steps of an epoch: whole batches, at least one."""
    return max(1, len(rows) // batch_size)


def class_weights(labels: IntArray, num_classes: int, settings: Settings) -> NDArray[np.float32]:
    """Weight of each class in the loss: its rarity, or 1; the mean over the images is 1.

    Args:
        labels: Class numbers of the training images, shape (n,).
        num_classes: At least 2.
        settings: `imbalance` decides.
    """
    counts = np.bincount(labels, minlength=num_classes)
    if settings.text("imbalance") != "class_weights":
        return np.ones(len(counts), np.float32)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights.astype(np.float32)


def number_from(*seed: int) -> int:
    """One 31-bit number that a tuple of numbers always gives."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)
