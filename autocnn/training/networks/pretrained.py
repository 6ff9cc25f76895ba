"""Backbones with ImageNet weights, from keras.applications."""

import warnings
from typing import Any

import keras
from keras import layers

from autocnn.core.arrays import Tensor
from autocnn.core.errors import ConfigError
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.blocks import pool_head

_NEEDS_UNIT_RANGE = ("ResNet50V2",)
"""Backbones that take -1 to 1; the others scale 0 to 255 themselves."""


def pretrained_features(inputs: Tensor, settings: Settings, *, weights: str | None) -> Tensor:
    """One vector per image from a backbone whose lower layers are frozen.

    Args:
        inputs: uint8 images; grey ones are shown to the backbone as RGB.
        settings: backbone, trainable_fraction and pooling are read.
        weights: `imagenet`, a file, or None for random.
    """
    x = layers.Rescaling(1.0)(inputs)
    if int(inputs.shape[-1]) == 1:
        x = layers.Concatenate()([x, x, x])
    name = settings.text("backbone")
    if name in _NEEDS_UNIT_RANGE:
        x = layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    backbone = load_backbone(name, int(inputs.shape[1]), weights=weights)
    first_trained = round(len(backbone.layers) * (1 - settings.number("trainable_fraction")))
    for layer in backbone.layers[:first_trained]:
        layer.trainable = False
    return pool_head(backbone(x), settings.text("pooling"))


def load_backbone(name: str, side: int, *, weights: str | None) -> keras.Model:
    """A backbone without its classifier for RGB images of `side` px.

    Raises:
        ConfigError: When the weights cannot be downloaded or do not fit.
    """
    build: Any = getattr(keras.applications, name)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Skipping nested container")  # weights of another net
            model: keras.Model = build(
                include_top=False, weights=weights, input_shape=(side, side, 3)
            )
    except Exception as error:  # Keras raises a bare one when a download fails
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if weights == "imagenet":
            raise ConfigError(
                f"backbone {name}: its ImageNet weights must be downloadable, got: {reason}.",
                remedy="Give a file with `--weights FILE` (the `notop` .h5 of keras.applications),"
                " or search from scratch with `--space default`.",
            ) from error
        raise ConfigError(
            f"{weights}: must hold the weights of {name} without its classifier, got: {reason}.",
            remedy="Give the `notop` .h5 file of keras.applications, or saved weights of it.",
        ) from error
    return model


def fitting_backbones(names: tuple[str, ...], side: int, *, weights: str) -> tuple[str, ...]:
    """Which of the backbones can be had with these weights; downloads them on first use.

    Args:
        names: Backbones of a space.
        side: Side of the images in px.
        weights: `imagenet` or a file. A file fits one kind of backbone; the others drop out.

    Raises:
        ConfigError: When none can be had; the message is that of the first.
    """
    fitting = []
    problems = []
    for name in names:
        try:
            load_backbone(name, side, weights=weights)
            fitting.append(name)
        except ConfigError as error:
            problems.append(error)
            if weights == "imagenet":
                raise
    if not fitting:
        raise problems[0]
    return tuple(fitting)
