"""Trains a network as its params say, outside of a study: for a tuner script of one's own."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from autocnn.core.errors import UsageError
from autocnn.core.records import Params
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.batches import steps_of, training_batches
from autocnn.training.networks.compiling import compile_model
from autocnn.training.networks.keras_private import KeptAverages

METRICS = ("accuracy",)

Labelled = tuple[NDArray[Any], NDArray[Any]]
"""Images and their labels."""


def fit_model(
    model: keras.Model,
    params: Params,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    validation_data: Labelled | None = None,
    epochs: int = 1,
    initial_epoch: int = 0,
    batch_size: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    seed: int = 0,
    verbose: int | str = 0,
) -> keras.callbacks.History:
    """Compile and train a network with everything that params say of training.

    That is batch size, augmentation, class weights, loss, optimiser, schedule, weight decay,
    averaged weights and early stopping (by accuracy on val), as in a study.

    Args:
        model: Of `build_model`, from uint8 images to probabilities.
        params: A point of a space.
        x: Images, uint8 (n, height, width, channels).
        y: Class numbers (n,), or one-hot (n, classes).
        validation_data: The same of val; scored after each epoch as `val_loss`, `val_accuracy`.
        epochs: Epochs in all; the schedule spans them.
        initial_epoch: Epochs that the model was trained before, as in Keras.
        batch_size: In the place of that of the params.
        callbacks: Of Keras.
        seed: Order and augmentation derive from it.
        verbose: As in Keras.

    Returns:
        Keras' history: `accuracy`, `val_accuracy`, ... per epoch.

    Raises:
        UsageError: When images or labels are of another kind.
    """
    settings = Settings(params)
    num_classes = int(model.output_shape[-1])
    labels = _class_numbers(x, y, "x and y", num_classes)
    rows = np.arange(len(x))
    batch_size = max(1, min(batch_size or settings.integer("batch_size"), len(x)))
    steps = steps_of(rows, batch_size)
    compile_model(
        model,
        params,
        steps_per_epoch=steps,
        epochs=epochs,
        first_epoch=initial_epoch + 1,
        metrics=METRICS,
    )
    val = None
    if validation_data is not None:
        val_labels = _class_numbers(*validation_data, "validation_data", num_classes)
        val = validation_data[0], np.eye(num_classes, dtype=np.float32)[val_labels]
    averaging = []  # before the caller's callbacks, which may save weights
    if settings.flag("weight_averaging"):
        averaging.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    keeping = [KeptAverages(one) for one in averaging]  # behind whatever stops the training
    return model.fit(
        training_batches(
            x,
            labels,
            rows,
            settings,
            num_classes=num_classes,
            batch_size=batch_size,
            epochs=epochs,
            done=initial_epoch,
            seed=(seed,),
        ),
        validation_data=val,
        epochs=epochs,
        initial_epoch=initial_epoch,
        steps_per_epoch=steps,
        callbacks=[*averaging, *_stopping(settings, has_val=val is not None), *callbacks, *keeping],
        shuffle=False,
        verbose=verbose,
    )


def _stopping(settings: Settings, *, has_val: bool) -> list[keras.callbacks.Callback]:
    """What stops early."""
    patience = settings.integer("early_stopping_patience")
    if patience <= 0 or not has_val:
        return []
    return [keras.callbacks.EarlyStopping(monitor="val_accuracy", mode="max", patience=patience)]


def _class_numbers(
    x: NDArray[Any], y: NDArray[Any], name: str, num_classes: int
) -> NDArray[np.integer]:
    """Class numbers (n,) of labels in either form, checked against their images."""
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != np.uint8 or x.ndim != 4:
        raise UsageError(
            f"{name}: images must be uint8 of shape (n, height, width, channels), got {x.dtype} "
            f"of shape {x.shape}.",
            remedy="Give pixels of 0 to 255, as read: scaling is inside the model. "
            "images[..., None] adds the channel of grey ones.",
        )
    labels = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] == num_classes else y
    is_right = labels.ndim == 1 and len(labels) == len(x) and labels.dtype.kind in "iu"
    if not is_right or (len(labels) and not 0 <= labels.min() <= labels.max() < num_classes):
        raise UsageError(
            f"{name}: labels must be class numbers of 0 to {num_classes - 1}, or one-hot, one per "
            f"image, got {y.dtype} of shape {y.shape} for {len(x)} images."
        )
    return labels
