"""Temperature inside a model, and several models as one that averages them.

Both give a model that loads with Keras alone: built-in layers and operations, no autocnn.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from autocnn.core.arrays import Tensor

OUTPUT = "probabilities"
"""Name of the layer that gives a model's probabilities."""

MEMBER = "member_"
"""Begins the names of the layers that are the members of an average."""

BOTH = "both_"
"""Begins the names of the layers that average a member's answers to an image and its mirror."""

SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Least value inside the logarithm, 1.2e-38: 0 would have no gradient."""


def set_temperature(model: keras.Model, temperature: float) -> None:
    """Divide the logits of a model by a temperature, in place.

    Kernel and bias of its last layer are divided, which is softmax(logits / T) exactly. A
    second call divides again.

    Args:
        model: Ends in a Dense softmax layer named `probabilities`, as of `build_model`.
        temperature: Above 0; above 1 makes the model less sure.

    Raises:
        ValueError: When the model has no such layer, or the temperature is not above 0.

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    _check_temperature(temperature)
    found = [layer for layer in model.layers if layer.name == OUTPUT]
    head = found[-1] if found else None
    if not isinstance(head, layers.Dense) or head.activation is not keras.activations.softmax:
        got = "none" if head is None else type(head).__name__
        raise ValueError(f"model must have a Dense softmax layer named {OUTPUT!r}, got {got}.")
    head.set_weights([weight / temperature for weight in head.get_weights()])


def average_models(
    members: Sequence[keras.Model],
    weights: Sequence[float],
    *,
    temperature: float = 1.0,
    mirrored: bool = False,
    image_shape: tuple[int, ...] | None = None,
) -> keras.Model:
    """One model whose probabilities are the weighted mean of those of its members.

    Its input is an image of `image_shape`; members that take others get it resized,
    with antialiasing. Inside, the members are the layers `member_1`, `member_2`, ...; they
    are not copied: what changes a member changes the average.

    Args:
        members: At least one; different models, each from uint8 images (batch, height,
            width, channels) to probabilities (batch, classes).
        weights: One per member, above 0; they add up to 1.
        temperature: With T the output is softmax(log(mean) / T); T above 0.
        mirrored: Whether each member is asked for the image and for its mirror image, left and
            right, and counts with the mean of both.
        image_shape: (height, width, channels) of what it takes; None: that of the largest member.

    Returns:
        A model from uint8 images to float32 probabilities (batch, classes), whose last
        layer is `probabilities`.

    Raises:
        ValueError: When the members differ in channels or classes, or the arguments are
            outside these.
    """
    _check_members(members, weights)
    _check_temperature(temperature)
    largest = max((member.input_shape[1:] for member in members), key=lambda shape: np.prod(shape))
    images = keras.Input(image_shape or largest, dtype="uint8", name="image")
    parts = []
    for number, (member, weight) in enumerate(zip(members, weights, strict=True), start=1):
        # The same tensors under another name: two loaded models are both `functional`.
        named = keras.Model(member.input, member.output, name=f"{MEMBER}{number}")
        shown = _resize(images, member.input_shape, number)
        probabilities = named(shown)
        if mirrored:
            both = layers.Average(dtype="float32", name=f"{BOTH}{number}")
            probabilities = both([probabilities, named(mirror(shown))])
        share = layers.Rescaling(float(weight), dtype="float32", name=f"share_{number}")
        parts.append(share(probabilities))
    if temperature == 1:
        return keras.Model(images, layers.Add(dtype="float32", name=OUTPUT)(parts))
    mean = layers.Add(dtype="float32", name="mean")(parts)
    logits = ops.log(ops.maximum(mean, SMALLEST_PROBABILITY))
    logits = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(logits)
    outputs = layers.Activation("softmax", dtype="float32", name=OUTPUT)(logits)
    return keras.Model(images, outputs)


def mirror(images: Tensor) -> Tensor:
    """(batch, height, width, channels) The images mirrored left and right."""
    return ops.flip(images, axis=2)


def members_of(model: keras.Model) -> dict[str, keras.Model]:
    """The networks inside an average, by their numbers: `1`, `2`, ...; empty for a single network.

    Args:
        model: Of `average_models`, or any other; also loaded from a file.
    """
    return {
        layer.name.removeprefix(MEMBER): layer
        for layer in model.layers
        if layer.name.startswith(MEMBER) and isinstance(layer, keras.Model)
    }


def _resize(images: Tensor, input_shape: tuple[int | None, ...], number: int) -> Tensor:
    """The images as a member takes them; computing in uint8, the layer rounds its result."""
    if images.shape[1:] == input_shape[1:]:
        return images
    height, width = input_shape[1:3]
    layer = layers.Resizing(height, width, antialias=True, dtype="uint8", name=f"resize_{number}")
    # Left to itself the layer takes training=True, and Keras 3.15 hands that on: a call of the
    # model without `training`, as in `export`, would normalise by the batch.
    return layer(images, training=False)


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be a number above 0, got {temperature}.")


def _check_members(members: Sequence[keras.Model], weights: Sequence[float]) -> None:
    if not members or len({id(member) for member in members}) < len(members):
        raise ValueError(f"members must be different models, got {len(members)}.")
    if len(weights) != len(members):
        raise ValueError(f"weights must be {len(members)} numbers, got {len(weights)}.")
    if min(weights) <= 0 or abs(sum(weights) - 1) > 1e-6:
        raise ValueError(f"weights must be above 0 and add up to 1, got {list(weights)}.")
    channels = sorted({member.input_shape[-1] for member in members})
    if len(channels) > 1:
        raise ValueError(f"members must agree on the number of channels, got {channels}.")
    classes = sorted({member.output_shape[-1] for member in members})
    if len(classes) > 1:
        raise ValueError(f"members must agree on the number of classes, got {classes}.")
