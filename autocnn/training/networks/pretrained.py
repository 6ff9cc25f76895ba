"""Backbones with ImageNet weights: those of keras.applications, and EfficientNet-Lite0."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from autocnn.core.arrays import Tensor
from autocnn.core.config import IMAGENET
from autocnn.core.errors import ConfigError, Text
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.blocks import pool_head
from autocnn.training.networks.efficientnet_lite import efficientnet_lite0

_NO_DOWNLOAD = ("EfficientNetLite0",)
"""Backbones whose weights nobody downloads by themselves."""

_TORCH = ("EfficientNetLite0",)
"""Backbones whose weights may be a file of PyTorch."""

_WITH_A_LAYER_MORE = "EfficientNetB0"
"""Its published weights have ImageNet's deviation for a variance (tensorflow/tensorflow#49930), and
keras.applications makes up for that by one more layer, where it downloads them itself."""

_FORMS = (
    "Give the `notop` .h5 file of keras.applications, saved weights (.weights.h5) or a saved model "
    "(.keras) of it, or the .pth file of EfficientNet-Lite0."
)

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, of 1."""


def _to_unit_range(x: Tensor) -> Tensor:
    return layers.Rescaling(1 / 127.5, offset=-1.0)(x)


def _standardize(x: Tensor) -> Tensor:
    scale = [1 / (255 * deviation) for deviation in _DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)]
    return layers.Rescaling(scale, offset=offset)(x)


_SCALING: dict[str, Callable[[Tensor], Tensor]] = {
    "MobileNetV2": _to_unit_range,
    "ResNet50V2": _to_unit_range,
    "DenseNet121": _standardize,
}
"""What some backbones take; the others take 0 to 255."""


def pretrained_features(inputs: Tensor, settings: Settings, *, weights: str | None) -> Tensor:
    """One vector per image from a backbone whose lower layers are frozen.

    Args:
        inputs: uint8 images; grey ones are shown to the backbone as RGB.
        settings: family, backbone, trainable_fraction and pooling are read.
        weights: `imagenet`, a file, or None for random.
    """
    x = layers.Rescaling(1.0)(inputs)
    if int(inputs.shape[-1]) == 1:
        x = layers.Concatenate()([x, x, x])
    name = settings.text("backbone")
    if name in _SCALING:
        x = _SCALING[name](x)
    backbone = load_backbone(name, inputs.shape[1:3], weights=weights)
    is_frozen = settings.text("family") == "frozen"
    share = 0.0 if is_frozen else settings.number("trainable_fraction")
    for layer in backbone.layers[: round(len(backbone.layers) * (1 - share))]:
        layer.trainable = False
    return pool_head(backbone(x), settings.text("pooling"))


TOO_SMALL = "nput size must be at least"
"""What keras.applications says of images that a backbone would shrink to nothing."""


def load_backbone(name: str, size: tuple[int, int], *, weights: str | None) -> keras.Model:
    """A backbone without its classifier for RGB images of a height and width in px.

    Raises:
        ConfigError: When the weights cannot be downloaded or do not fit, or the size is too small.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Skipping nested container")  # weights of another net
            return _build(name, size, weights)
    except Exception as error:  # Keras raises a bare one when a download fails
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        if TOO_SMALL in reason:
            raise ConfigError(
                f"backbone {name}: images must be of the size that it takes, got {size[1]} x "
                f"{size[0]} px: {reason}.",
                remedy=Text("Choose a larger {image_size}, or another backbone."),
            ) from error
        if weights == IMAGENET:
            raise ConfigError(
                f"backbone {name}: its ImageNet weights must be downloadable, got: {reason}.",
                remedy=f"With `--weights FILE` nothing is downloaded. {_FORMS} Or search from "
                "scratch with `--space default`.",
            ) from error
        raise ConfigError(
            f"{weights}: must hold the weights of {name} without its classifier, got: {reason}.",
            remedy=_FORMS,
        ) from error


def _build(name: str, size: tuple[int, int], weights: str | None) -> keras.Model:
    if weights == IMAGENET and name in _NO_DOWNLOAD:
        raise ValueError("they are in no place that is known")
    make: Any = efficientnet_lite0 if name == "EfficientNetLite0" else None
    make = partial(make or getattr(keras.applications, name), include_top=False)
    if weights is None:
        return make(weights=None, input_shape=(*size, 3))
    if Path(weights).suffix == ".keras":
        loaded = keras.models.load_model(weights, compile=False)
    else:
        loaded = make(weights=weights, input_shape=(*size, 3))
        if name != _WITH_A_LAYER_MORE:
            return loaded
    # The layers that a training is saved with, which knows no weights when it builds them.
    model: keras.Model = make(weights=None, input_shape=(*size, 3))
    model.set_weights(loaded.get_weights())
    for layer in model.layers:
        if isinstance(layer, layers.Normalization) and layer.weights:
            _finish(layer)
    return model


def _finish(normalization: layers.Normalization) -> None:
    """Let a layer that has been given weights use them, and a deviation be no variance."""
    mean, variance, count = normalization.get_weights()
    if np.allclose(variance, _DEVIATION, atol=1e-4):
        normalization.set_weights([mean, variance**2, count])
    normalization.finalize_state()


def fitting_backbones(names: tuple[str, ...], side: int, *, weights: str) -> tuple[str, ...]:
    """Which of the backbones can be had with these weights; downloads them on first use.

    Args:
        names: Backbones of a space.
        side: Side of the images in px.
        weights: `imagenet` or a file. A file fits one kind of backbone; the others drop out.

    Raises:
        ConfigError: When none can be had; the message is that of the first.
    """
    if weights == IMAGENET:
        names = tuple(name for name in names if name not in _NO_DOWNLOAD) or names
    elif Path(weights).suffix == ".pth":
        names = tuple(name for name in names if name in _TORCH) or names
    fitting = []
    problems = []
    for name in names:
        try:
            load_backbone(name, (side, side), weights=weights)
            fitting.append(name)
        except ConfigError as error:
            problems.append(error)
            if weights == IMAGENET:
                raise
    if not fitting:
        raise problems[0]
    return tuple(fitting)
