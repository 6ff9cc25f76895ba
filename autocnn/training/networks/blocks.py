"""The blocks of which the networks are made: tensors in, tensors out."""

from dataclasses import dataclass

import keras
from keras import layers

from autocnn.core.arrays import Tensor
from autocnn.spaces.knobs import Settings


@dataclass(frozen=True)
class BlockStyle:
    """What all blocks of a network have in common.

    Attributes:
        kernel_size: Side of the convolutions in px.
        normalization: `batch`, `group` or `none`.
        activation: Name of a Keras activation.
        squeeze_excitation: Whether blocks weigh their channels (arXiv:1709.01507).
    """

    kernel_size: int
    normalization: str
    activation: str
    squeeze_excitation: bool

    @classmethod
    def from_settings(cls, settings: Settings) -> "BlockStyle":
        """The style that the params ask for."""
        return cls(
            kernel_size=settings.integer("kernel_size"),
            normalization=settings.text("normalization"),
            activation=settings.text("activation"),
            squeeze_excitation=settings.flag("squeeze_excitation"),
        )


def convolve(
    x: Tensor, filters: int, style: BlockStyle, *, size: int | None = None, strides: int = 1
) -> Tensor:
    """A convolution without bias unless nothing normalises after it."""
    return layers.Conv2D(
        filters,
        size or style.kernel_size,
        strides=strides,
        padding="same",
        use_bias=style.normalization == "none",
        kernel_initializer="he_normal",
    )(x)


def normalize(x: Tensor, style: BlockStyle) -> Tensor:
    """The normalisation layer of the style; groups of about 8 channels."""
    if style.normalization == "batch":
        return layers.BatchNormalization()(x)
    if style.normalization == "group":
        channels = int(x.shape[-1])
        groups = next(g for g in range(max(1, channels // 8), 0, -1) if channels % g == 0)
        return layers.GroupNormalization(groups=groups)(x)
    return x


def activate(x: Tensor, style: BlockStyle) -> Tensor:
    """Normalise, then the activation function."""
    return layers.Activation(style.activation)(normalize(x, style))


def squeeze_and_excite(x: Tensor) -> Tensor:
    """Weigh the channels by what the whole image shows (Hu et al. 2018, arXiv:1709.01507)."""
    channels = int(x.shape[-1])
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(max(4, channels // 8), 1, activation="relu")(weights)
    weights = layers.Conv2D(channels, 1, activation="sigmoid")(weights)
    return layers.Multiply()([x, weights])


def plain_block(x: Tensor, filters: int, strides: int, style: BlockStyle) -> Tensor:
    """Two convolutions, each normalised and activated; max pooling where the image halves."""
    if strides > 1:
        x = layers.MaxPooling2D(strides, padding="same")(x)
    for _ in range(2):
        x = activate(convolve(x, filters, style), style)
    return squeeze_and_excite(x) if style.squeeze_excitation else x


def residual_block(
    x: Tensor,
    filters: int,
    strides: int,
    style: BlockStyle,
    *,
    skip_rate: float,
    is_separable: bool = False,
) -> Tensor:
    """Pre-activation residual block (He et al. 2016, arXiv:1603.05027).

    Args:
        x: Shape (batch, height, width, channels).
        filters: Channels of the result.
        strides: 2 halves the image.
        style: The network's style.
        skip_rate: Probability that the branch is left out in training
            (stochastic depth, arXiv:1603.09382).
        is_separable: Whether its convolutions are depthwise separable (arXiv:1610.02357).
    """
    active = activate(x, style)
    if is_separable:
        branch = activate(_separate(active, filters, strides, style), style)
        branch = _separate(branch, filters, 1, style)
    else:
        branch = activate(convolve(active, filters, style, strides=strides), style)
        branch = convolve(branch, filters, style)
    if style.squeeze_excitation:
        branch = squeeze_and_excite(branch)
    return layers.Add()([_shortcut(x, active, filters, strides, style), _skip(branch, skip_rate)])


def pool_head(x: Tensor, pooling: str) -> Tensor:
    """One vector per image: the mean, the maximum, or both of each channel."""
    pooled = []
    if pooling in ("avg", "avg_max"):
        pooled.append(layers.GlobalAveragePooling2D()(x))
    if pooling in ("max", "avg_max"):
        pooled.append(layers.GlobalMaxPooling2D()(x))
    return pooled[0] if len(pooled) == 1 else layers.Concatenate()(pooled)


def _shortcut(x: Tensor, active: Tensor, filters: int, strides: int, style: BlockStyle) -> Tensor:
    """The way past the branch: as it is, or averaged and projected to the branch's shape."""
    if strides == 1 and int(x.shape[-1]) == filters:
        return x
    if strides > 1:
        active = layers.AveragePooling2D(strides, padding="same")(active)
    return convolve(active, filters, style, size=1)


def _separate(x: Tensor, filters: int, strides: int, style: BlockStyle) -> Tensor:
    x = layers.DepthwiseConv2D(style.kernel_size, strides=strides, padding="same", use_bias=False)(
        x
    )
    return convolve(x, filters, style, size=1)


def _skip(branch: Tensor, rate: float) -> Tensor:
    if rate <= 0:
        return branch
    return layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(branch)


def softmax_output(features: Tensor, num_classes: int) -> keras.KerasTensor:
    """Class probabilities in float32, whatever the precision before."""
    return layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(
        features
    )
