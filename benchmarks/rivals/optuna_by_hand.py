"""An Optuna script by hand: TPE, pruning by the median, autocnn's networks, one process."""

import contextlib
from pathlib import Path
from typing import Any

import keras
import optuna
import tensorflow as tf

from autocnn.integrations.tuners.optuna import suggest_params
from autocnn.training.networks import build_model
from benchmarks.by_hand import augmentation_layers
from benchmarks.rivals import SPLITS, Answer, Assignment, TimeIsUp, run_program

EPOCHS = 20


def search(assignment: Assignment) -> Answer:
    """Search until time is up; the best model on val answers."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    splits = assignment.read_images()
    (x_train, y_train), (x_val, y_val) = splits["train"], splits["val"]
    best_value, best_path = -1.0, Path(assignment.folder) / "best.keras"

    def objective(trial: optuna.Trial) -> float:
        nonlocal best_value
        keras.utils.clear_session()
        params = suggest_params(trial, assignment.space)
        model = build_model(params, x_train.shape[1:], y_train.shape[1], weights=None)
        steps = EPOCHS * -(-len(x_train) // int(params["batch_size"]))
        rate = keras.optimizers.schedules.CosineDecay(float(params["learning_rate"]), steps)
        # That of the space is of the whole schedule.
        decay = (
            2 * float(params.get("weight_decay", 0.0)) / (float(params["learning_rate"]) * steps)
        )
        model.compile(
            keras.optimizers.AdamW(rate, weight_decay=decay),
            keras.losses.CategoricalCrossentropy(
                label_smoothing=float(params.get("label_smoothing", 0.0))
            ),
            metrics=["accuracy"],
        )
        knobs = ("rotation", "zoom", "shift", "brightness", "contrast")
        augment = augmentation_layers({name: params.get(name, 0.0) for name in knobs})
        if params.get("flip", "none") == "none":
            augment = keras.Sequential(augment.layers[1:])
        data = (
            tf.data.Dataset.from_tensor_slices((x_train, y_train))
            .shuffle(len(x_train), seed=assignment.seed)
            .batch(int(params["batch_size"]))
            .map(
                lambda x, y: (tf.cast(augment(x, training=True), tf.uint8), y),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .prefetch(tf.data.AUTOTUNE)
        )
        value = 0.0
        for epoch in range(EPOCHS):
            model.fit(data, epochs=1, verbose=0, callbacks=[Deadline(assignment)])
            found = model.predict(x_val, verbose=0)
            value = float((found.argmax(axis=1) == y_val.argmax(axis=1)).mean())
            if value > best_value:
                best_value = value
                model.save(best_path)
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=assignment.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3),
    )
    with contextlib.suppress(TimeIsUp):
        study.optimize(objective)
    if not best_path.exists():
        raise SystemExit("not one epoch fits into the time")
    best = keras.models.load_model(best_path)
    found = {split: best.predict(splits[split][0], verbose=0) for split in SPLITS}
    trained = sum(bool(trial.intermediate_values) for trial in study.trials)
    return Answer(found, trained)


class Deadline(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the search when time is up."""

    def __init__(self, assignment: Assignment) -> None:
        super().__init__()
        self.assignment = assignment

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the clock."""
        if self.assignment.left_s <= 0:
            raise TimeIsUp


if __name__ == "__main__":
    run_program(search)
