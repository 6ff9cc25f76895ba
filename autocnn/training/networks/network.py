"""`build_model`: a network of any family from params."""

import keras
from keras import layers

from autocnn.core.arrays import Tensor
from autocnn.core.records import Params
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.blocks import (
    BlockStyle,
    activate,
    convolve,
    plain_block,
    pool_head,
    residual_block,
    softmax_output,
)
from autocnn.training.networks.pretrained import pretrained_features

SMALLEST_SIDE = 4
"""A stage halves only maps of at least this side, so that small images are not halved away."""


def build_model(
    params: Params,
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    weights: str | None = "imagenet",
) -> keras.Model:
    """Build an untrained network (a `pretrained` one has its backbone's weights).

    Input: uint8 images of shape (batch, *image_shape), 0 to 255; scaling is inside.
    Output: float32 probabilities of shape (batch, num_classes). A `frozen` one is a backbone,
    its pooled features and the output layer.

    Args:
        params: Architecture and regularisation; names that are missing take the
            defaults of `knobs`.
        image_shape: (height, width, channels) with 1 or 3 channels.
        num_classes: At least 2.
        weights: For the `pretrained` and `frozen` families: `imagenet`, a file, or None for random.
    """
    settings = Settings(params)
    inputs = keras.Input(image_shape, dtype="uint8", name="image")
    if settings.text("family") in ("pretrained", "frozen"):
        features = pretrained_features(inputs, settings, weights=weights)
    else:
        features = _convolutional_features(inputs, settings)
    if settings.text("family") == "frozen":
        return keras.Model(inputs, softmax_output(features, num_classes))
    if settings.integer("head_units") > 0:
        features = layers.Dense(settings.integer("head_units"))(features)
        features = layers.Activation(settings.text("activation"))(features)
    if settings.number("dropout") > 0:
        features = layers.Dropout(settings.number("dropout"))(features)
    return keras.Model(inputs, softmax_output(features, num_classes))


def _convolutional_features(inputs: Tensor, settings: Settings) -> Tensor:
    """Stem, stages and head of the families that are trained from scratch."""
    style = BlockStyle.from_settings(settings)
    family = settings.text("family")
    width = settings.integer("width")
    side = min(inputs.shape[1:3])
    stem_stride = settings.integer("stem_stride")
    while stem_stride > 1 and side // stem_stride < 2 * SMALLEST_SIDE:
        stem_stride //= 2
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    if settings.flag("standardize"):
        x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)(x)
    x = convolve(x, width, style, size=max(3, 2 * stem_stride - 1), strides=stem_stride)
    if family == "plain":
        x = activate(x, style)
    num_stages = settings.integer("num_stages")
    blocks_per_stage = settings.integer("blocks_per_stage")
    num_blocks = num_stages * blocks_per_stage
    for index in range(num_blocks):
        stage, position = divmod(index, blocks_per_stage)
        is_halved = stage > 0 and position == 0 and min(x.shape[1:3]) >= SMALLEST_SIDE
        strides = 2 if is_halved else 1
        filters = width * 2**stage
        skip_rate = settings.number("stochastic_depth") * (index + 1) / num_blocks
        if family == "plain":
            x = plain_block(x, filters, strides, style)
        else:
            is_separable = family == "separable"
            x = residual_block(
                x, filters, strides, style, skip_rate=skip_rate, is_separable=is_separable
            )
    if family != "plain":
        x = activate(x, style)
    return pool_head(x, settings.text("pooling"))
