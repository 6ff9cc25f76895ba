"""The last features of a model: what its classifier sees, as points on a sphere."""

import keras
from keras import layers

from autocnn.models.blocks import Tensor


def feature_model(model: keras.Model) -> keras.Model:
    """A model of the same images that gives unit features, so that a product is a cosine.

    A network's features are what goes into its last layer. Those of an averaged model are
    those of its members, side by side. Weights are shared, not copied.

    Args:
        model: Of `build_model` or `average_models`, or loaded from their files.

    Returns:
        A model from the same input to float32 (batch, features) of length 1.

    Raises:
        ValueError: When a network does not end in a Dense layer.
    """
    parts = _features(model, model.input)
    joined = parts[0] if len(parts) == 1 else layers.Concatenate(dtype="float32")(parts)
    return keras.Model(model.input, layers.UnitNormalization(dtype="float32")(joined))


def _features(model: keras.Model, images: Tensor) -> list[Tensor]:
    named = {layer.name: layer for layer in model.layers}
    members = {
        name.removeprefix("member_"): layer
        for name, layer in named.items()
        if name.startswith("member_") and isinstance(layer, keras.Model)
    }
    if not members:
        head = model.layers[-1]
        if not isinstance(head, layers.Dense):
            raise ValueError(f"model must end in a Dense layer, got {type(head).__name__}.")
        network = keras.Model(model.input, head.input)
        return [layers.UnitNormalization(dtype="float32")(network(images))]
    parts = []
    for number, member in members.items():
        resize = named.get(f"resize_{number}")
        shown = images if resize is None else resize(images, training=False)
        parts += _features(member, shown)
    return parts
