"""The loss, the optimiser and the schedule that a trial's params describe."""

import math
from typing import Any

import keras
import tensorflow as tf

from autocnn.spaces.knobs import Settings

MOST_DECAY = 0.5
"""Largest share of a weight that decay takes in one step."""


def build_loss(settings: Settings) -> keras.losses.Loss:
    """Cross-entropy or focal loss, with label smoothing.

    Args:
        settings: Params.
    """
    smoothing = settings.number("label_smoothing")
    if settings.text("imbalance") == "focal_loss":
        return keras.losses.CategoricalFocalCrossentropy(label_smoothing=smoothing)
    return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)


def build_optimizer(
    settings: Settings, *, steps: int, epochs: int, steps_before: int, average_momentum: float
) -> keras.optimizers.Optimizer:
    """The optimiser with its schedule, weight decay and weight averaging.

    Args:
        settings: Params.
        steps: Steps of an epoch.
        epochs: Epochs that the schedule spans.
        steps_before: Steps that a parent has trained.
        average_momentum: Of the averages of the weights, per step.
    """
    schedule = WarmUpAndDecay(
        settings.number("learning_rate"),
        warmup_steps=settings.integer("warmup_epochs") * steps,
        total_steps=epochs * steps,
        steps_before=steps_before,
        shape=settings.text("schedule"),
    )
    arguments: dict[str, Any] = {
        "learning_rate": schedule,
        # Keras multiplies it by the rate of each step; of few steps, none takes more than half.
        "weight_decay": min(
            settings.number("weight_decay") / schedule.sum_of_rates, MOST_DECAY / schedule.peak
        ),
        "use_ema": settings.flag("weight_averaging"),
        "ema_momentum": average_momentum,
        "clipnorm": 5.0,
    }
    name = settings.text("optimizer")
    if name == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **arguments)
    elif name == "rmsprop":
        optimizer = keras.optimizers.RMSprop(**arguments)
    elif name == "lion":
        optimizer = keras.optimizers.Lion(**arguments)
    else:
        optimizer = keras.optimizers.AdamW(**arguments)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear rise from 0, then a fall to 0 along a cosine or a line, or none.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983 (cosine).

    Args:
        peak: Largest learning rate.
        warmup_steps: Steps of the rise; at most half of all.
        total_steps: Steps in all.
        shape: `cosine`, `linear` or `constant`.
        steps_before: Steps that a parent has trained; the optimiser counts from 0 again,
            since its averages and its corrections of the first steps depend on that.
    """

    def __init__(
        self, peak: float, *, warmup_steps: int, total_steps: int, shape: str, steps_before: int = 0
    ) -> None:
        self.peak = peak
        self.warmup_steps = min(warmup_steps, total_steps // 2)
        self.total_steps = total_steps
        self.shape = shape
        self.steps_before = steps_before

    @property
    def sum_of_rates(self) -> float:
        """Of all its steps together, nearly."""
        share = 1.0 if self.shape == "constant" else 0.5
        steps = 0.5 * self.warmup_steps + share * (self.total_steps - self.warmup_steps)
        return self.peak * steps

    def __call__(self, step: Any) -> Any:
        """Learning rate of a step, 0 for the first."""
        step = tf.cast(step, tf.float32) + self.steps_before
        rise = (step + 1.0) / max(1, self.warmup_steps)
        share = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        share = tf.clip_by_value(share, 0.0, 1.0)
        if self.shape == "cosine":
            fall = 0.5 * (1.0 + tf.cos(math.pi * share))
        elif self.shape == "linear":
            fall = 1.0 - share
        else:
            fall = tf.ones_like(share)
        return self.peak * tf.where(step < self.warmup_steps, rise, fall)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return dict(vars(self))
