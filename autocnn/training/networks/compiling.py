"""Compiles a network for training as its params say."""

from collections.abc import Sequence

import keras

from autocnn.core.records import Params
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.keras_private import layers_of
from autocnn.training.networks.optimizer import build_loss, build_optimizer

AVERAGED_EPOCHS = 0.5
"""Time constant of the averages of the weights and of batch normalisation's statistics.

They must be the same: averaged weights with statistics of the latest ones scored 0.03
lower after three epochs (docs/performance.md). Half an epoch leaves the initial weights
behind by the second.
"""

UNKNOWN_STEPS = 100
"""Steps of an epoch for the averages, where nobody says how many there are."""

MOST_STEPS_PER_EXECUTION = 16


def compile_model(
    model: keras.Model,
    params: Params,
    *,
    steps_per_epoch: int | None = None,
    epochs: int = 1,
    first_epoch: int = 1,
    metrics: Sequence[str] | None = None,
) -> None:
    """Give a network the loss, the optimiser and the schedule of its params, in place.

    The loss takes one-hot labels. With `weight_averaging` the optimiser keeps averaged
    weights; `keras.callbacks.SwapEMAWeights` puts them into the model.

    Args:
        model: Of `build_model`, or another one that ends in a softmax.
        params: Of regularisation and optimisation; names that are missing take the defaults of
            `knobs`.
        steps_per_epoch: Over which the schedule is laid; None: the learning rate is constant.
        epochs: Epochs that the schedule spans.
        first_epoch: Above 1, the schedule counts the epochs before as trained.
        metrics: Names of Keras metrics; None: none.
    """
    settings = Settings(params)
    if steps_per_epoch is None:
        settings = Settings({**params, "schedule": "constant", "warmup_epochs": 0})
    steps = steps_per_epoch or UNKNOWN_STEPS
    momentum = max(0.5, 1 - 1 / (AVERAGED_EPOCHS * steps))
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
    model.compile(
        optimizer=build_optimizer(
            settings,
            steps=steps,
            epochs=epochs,
            steps_before=(first_epoch - 1) * steps,
            average_momentum=momentum,
        ),
        loss=build_loss(settings),
        metrics=None if metrics is None else list(metrics),
        steps_per_execution=_divisor_up_to(MOST_STEPS_PER_EXECUTION, steps_per_epoch or 1),
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice


def _divisor_up_to(most: int, number: int) -> int:
    return next(d for d in range(min(most, number), 0, -1) if number % d == 0)
