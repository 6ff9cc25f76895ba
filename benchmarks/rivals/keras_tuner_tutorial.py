"""KerasTuner on a small CNN as TensorFlow's tutorial has it, written as a user writes it.

The module's first argument after the assignment names the tuner: random, hyperband or bayesian.
"""

import contextlib
import sys
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras import layers

from benchmarks.keras_tuner_search import stand_in_for_tensorboard
from benchmarks.rivals import SPLITS, Answer, Assignment, TimeIsUp, run_program

EPOCHS = 20

BATCH_SIZE = 32

TUNERS = {
    "random": (keras_tuner.RandomSearch, {"max_trials": 10_000}),
    "hyperband": (keras_tuner.Hyperband, {"max_epochs": EPOCHS, "hyperband_iterations": 100}),
    "bayesian": (keras_tuner.BayesianOptimization, {"max_trials": 10_000}),
}


class Deadline(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the search when time is up, in the middle of an epoch too."""

    def __init__(self, assignment: Assignment) -> None:
        super().__init__()
        self.assignment = assignment
        self.num_trials = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Count a training."""
        self.num_trials += 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the clock."""
        if self.assignment.left_s <= 0:
            raise TimeIsUp

    def __deepcopy__(self, memo: Any) -> "Deadline":
        """KerasTuner copies callbacks for every trial; this one counts for all."""
        return self


def search(assignment: Assignment) -> Answer:
    """Search until time is up; the best model on val answers."""
    stand_in_for_tensorboard()
    splits = assignment.read_images()
    (x_train, y_train), (x_val, y_val) = splits["train"], splits["val"]

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        x = images = keras.Input(x_train.shape[1:])
        x = layers.Rescaling(1 / 255)(x)
        if hp.Boolean("flip"):
            x = layers.RandomFlip("horizontal")(x)
        x = layers.RandomRotation(hp.Choice("rotation", [0.0, 0.05, 0.1]))(x)
        for block in range(hp.Int("blocks", 2, 4)):
            x = layers.Conv2D(
                hp.Choice(f"filters_{block}", [16, 32, 64]), 3, padding="same", activation="relu"
            )(x)
            x = layers.MaxPooling2D(padding="same")(x)  # digits are 8 px wide
        x = layers.Flatten()(x)
        x = layers.Dense(hp.Int("units", 64, 256, step=64), activation="relu")(x)
        x = layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1))(x)
        x = layers.Dense(y_train.shape[1], activation="softmax")(x)
        model = keras.Model(images, x)
        model.compile(
            keras.optimizers.Adam(hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4])),
            "categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    kind, options = TUNERS[sys.argv[2]]
    tuner = kind(
        build,
        objective="val_accuracy",
        seed=assignment.seed,
        directory=Path(assignment.folder),
        project_name="tuner",
        **options,
    )
    deadline = Deadline(assignment)
    patience = keras.callbacks.EarlyStopping("val_loss", patience=5)
    with contextlib.suppress(TimeIsUp):
        tuner.search(
            x_train,
            y_train,
            validation_data=(x_val, y_val),
            epochs=EPOCHS,
            batch_size=BATCH_SIZE,
            callbacks=[patience, deadline],
            verbose=0,
        )
    (best,) = tuner.get_best_models(1)
    found = {split: best.predict(splits[split][0], verbose=0) for split in SPLITS}
    return Answer(found, deadline.num_trials)


if __name__ == "__main__":
    run_program(search)
