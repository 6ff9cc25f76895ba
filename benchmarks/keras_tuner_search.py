"""The same trials by KerasTuner's RandomSearch.

    python -m benchmarks.keras_tuner_search IMAGE_FOLDER PARAMS_JSON TRIALS

Prints a JSON line per trial: the time of its end, and the memory of this process then.

KerasTuner 1.4.8 imports `tensorboard` at the start of each trial, which TensorFlow 2.21 no
longer brings; the import is only used when a TensorBoard callback is given. An empty
stand-in is put into this process's `sys.modules` unless the package is there.
"""

import importlib.util
import json
import os
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from autocnn.training.networks import build_model
from benchmarks.images import read_split
from benchmarks.processes import read_memory


class TimedRandomSearch(keras_tuner.RandomSearch):  # type: ignore[misc]
    """RandomSearch that says when each trial has ended."""

    def on_trial_end(self, trial: Any) -> None:
        """Store the trial as usual, then print."""
        super().on_trial_end(trial)
        ended = {"ended": time.time(), "rss": read_memory(os.getpid()).rss}
        print(json.dumps(ended), flush=True)


def main(folder: Path, params: dict[str, int | str], trials: int) -> None:
    """Read the images, then search with `trials` trials of one epoch."""
    stand_in_for_tensorboard()
    x_train, y_train = read_split(folder, "train")
    x_val, y_val = read_split(folder, "val")
    height, width, channels = x_train.shape[1:]

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        hp.Float("unused", 0.0, 1.0)  # without a choice, the search ends at its first repeat
        model = build_model(params, (height, width, channels), y_train.shape[1], weights=None)
        model.compile(
            optimizer=keras.optimizers.AdamW(2e-3),
            loss="categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    with tempfile.TemporaryDirectory(prefix="keras-tuner-") as work_dir:
        tuner = TimedRandomSearch(
            build,
            objective="val_accuracy",
            max_trials=trials,
            seed=0,
            directory=work_dir,
            project_name="overhead",
        )
        tuner.search(
            x_train,
            y_train,
            validation_data=(x_val, y_val),
            epochs=1,
            batch_size=int(params["batch_size"]),
            verbose=0,
        )


def stand_in_for_tensorboard() -> None:
    """Put an empty `tensorboard` into `sys.modules`, unless the package is there."""
    if importlib.util.find_spec("tensorboard") is not None:
        return
    name = "tensorboard"
    sys.modules[name] = module = types.ModuleType(name)
    for part in ("plugins", "hparams", "api"):
        name = f"{name}.{part}"
        sys.modules[name] = child = types.ModuleType(name)
        setattr(module, part, child)
        module = child


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
