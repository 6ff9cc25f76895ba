"""The last features of a model: what its classifier sees, as points on a sphere."""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from autocnn.core.arrays import Tensor
from autocnn.training.networks.average import BOTH, members_of, mirror


def feature_model(model: keras.Model) -> keras.Model:
    """A model of the same images that gives unit features, so that a product is a cosine.

    A network's features are what goes into its last layer, of the image as it is. Those of an
    averaged model are those of its members, side by side. Weights are shared, not copied.

    Args:
        model: Of `build_model` or `average_models`, or loaded from their files.

    Returns:
        A model from the same input to float32 (batch, features) of length 1.

    Raises:
        ValueError: When a network does not end in a Dense layer.
    """
    return keras.Model(model.input, model_with_features(model).outputs[1])


def model_with_features(
    model: keras.Model, *, resize: Callable[[layers.Resizing], layers.Layer] | None = None
) -> keras.Model:
    """The same model with a second output: its unit features, at no cost.

    Args:
        model: As of `feature_model`.
        resize: Gives the layer that does the work of one that resizes images for a smaller
            member; None: the layer itself.

    Returns:
        A model from the same input to [probabilities, features]; weights are shared.

    Raises:
        ValueError: When a network does not end in a Dense layer.
    """
    named = {layer.name: layer for layer in model.layers}
    members = members_of(model)
    if not members:
        features = layers.UnitNormalization(dtype="float32")(_head(model).input)
        return keras.Model(model.input, [model.output, features])
    probabilities, features = [], []
    for number, member in members.items():
        shown = model.input
        if f"resize_{number}" in named:
            layer = named[f"resize_{number}"]
            shown = (resize(layer) if resize is not None else layer)(shown, training=False)
        answer, its_features = model_with_features(member, resize=resize)(shown)
        if f"{BOTH}{number}" in named:
            answer = layers.Average(dtype="float32")([answer, member(mirror(shown))])
        probabilities.append(answer)
        features.append(its_features)
    # From the members' probabilities on, the graph is taken as it stands.
    average = keras.Model([named[f"share_{number}"].input for number in members], model.output)
    joined = features[0] if len(features) == 1 else layers.Concatenate(dtype="float32")(features)
    unit = layers.UnitNormalization(dtype="float32")(joined)
    return keras.Model(model.input, [average(probabilities), unit])


def nearest_distances(features: Tensor, reference: NDArray[np.float32], neighbours: int) -> Tensor:
    """`metrics.familiarity.neighbour_distances` as a part of a graph.

    NumPy's own threads and TensorFlow's hinder each other: a product of NumPy's between two
    calls of a small network made both half as slow again.

    Args:
        features: float32 (n, d) of length 1.
        reference: (m, d) of length 1; m at least `neighbours`.
        neighbours: k, 1 for the nearest.

    Returns:
        float32 (n,).
    """
    cosines = ops.matmul(features, ops.transpose(ops.convert_to_tensor(reference)))
    return 1 - ops.top_k(cosines, neighbours)[0][:, -1]


def _head(model: keras.Model) -> layers.Dense:
    head = model.layers[-1]
    if not isinstance(head, layers.Dense):
        raise ValueError(f"model must end in a Dense layer, got {type(head).__name__}.")
    return head
