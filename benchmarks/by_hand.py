"""Training as a user writes it by hand, after TensorFlow's image classification tutorial.

    python -m benchmarks.by_hand

Reads jobs from stdin, a JSON object per line, trains each in this one process with
TensorFlow's own number of threads, and answers each with a JSON object on stdout. The
process is kept between jobs so that TensorFlow is imported once.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from autocnn.training.networks import build_model


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """When each epoch ended, and how long its steps took from the first to the last."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch_ends: list[float] = []
        self.step_seconds: list[float] = []
        self.first_step = 0.0
        self.last_step = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the time of the step."""
        self.last_step = time.perf_counter()
        if batch == 0:
            self.first_step = self.last_step

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the time of the epoch, val included."""
        self.epoch_ends.append(time.perf_counter())
        self.step_seconds.append(self.last_step - self.first_step)


def train_by_hand(job: dict[str, Any]) -> dict[str, list[float]]:
    """Train one network.

    Args:
        job: `folder` with train and val, `side`, `params` of the network and the
            augmentation, `epochs`, `precision`, and `place` of the augmentation: `map`
            (in the dataset) or `model` (as the network's first layers).

    Returns:
        What `Clock` noted.
    """
    keras.utils.clear_session()
    keras.config.set_dtype_policy(job["precision"])
    params, side = job["params"], job["side"]
    train, val = (
        keras.utils.image_dataset_from_directory(
            Path(job["folder"]) / split,
            label_mode="categorical",
            image_size=(side, side),
            batch_size=params["batch_size"],
            verbose=False,
        )
        for split in ("train", "val")
    )
    num_classes = len(train.class_names)
    augment = augmentation_layers(params)
    train = train.cache().shuffle(1000)
    if job["place"] == "map":
        train = train.map(
            lambda x, y: (augment(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE
        )
    train = train.prefetch(tf.data.AUTOTUNE)
    val = val.cache().prefetch(tf.data.AUTOTUNE)
    model = build_model(params, (side, side, 3), num_classes, weights=None)
    if job["place"] == "model":
        inputs = keras.Input((side, side, 3))
        model = keras.Model(inputs, model(layers.Lambda(_to_bytes)(augment(inputs))))
    model.compile(
        optimizer=keras.optimizers.AdamW(params["learning_rate"]),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=params["label_smoothing"]),
        metrics=["accuracy"],
    )
    clock = Clock()
    model.fit(train, validation_data=val, epochs=job["epochs"], callbacks=[clock], verbose=0)
    return {"epoch_ends": clock.epoch_ends, "step_seconds": clock.step_seconds}


def augmentation_layers(params: dict[str, Any]) -> keras.Sequential:
    """Keras's layers for what the params ask of autocnn."""
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(params["rotation"] / 360, fill_mode="nearest"),
            layers.RandomZoom(params["zoom"], fill_mode="nearest"),
            layers.RandomTranslation(params["shift"], params["shift"], fill_mode="nearest"),
            layers.RandomBrightness(params["brightness"]),
            layers.RandomContrast(params["contrast"]),
        ]
    )


def _to_bytes(images: Any) -> Any:
    """The network takes uint8."""
    return tf.cast(images, tf.uint8)


def main() -> None:
    """Answer jobs until stdin ends."""
    for line in sys.stdin:
        print(json.dumps(train_by_hand(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
