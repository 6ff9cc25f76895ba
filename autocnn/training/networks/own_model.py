"""The user's own network: built, checked, and brought into the form of ours.

That form is what all else relies on: uint8 images in, a Dense softmax layer named
`probabilities` in float32 at the end. With it, temperatures, features, averages and exports
work as for `build_model`.
"""

import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from autocnn.core.errors import ConfigError, Text
from autocnn.core.own_model import CONTRACT, OwnModel, describe, place_of
from autocnn.core.records import Params, ParamValue
from autocnn.training.networks.average import OUTPUT
from autocnn.training.networks.grad_cam import GradCam
from autocnn.training.networks.inference import compile_prediction, count_flops
from autocnn.training.networks.keras_private import layer_behind

NUM_NOISE = 4
"""Images of noise that a network is tried on."""

TOLERANCE = 1e-4
"""Largest difference in probability between a model and itself, saved and loaded again."""

HEAD_REMEDY = 'End it with keras.layers.Dense(num_classes, activation="softmax").'


class ReadParams(Mapping[str, ParamValue]):
    """Params that remember which of them were looked at.

    Attributes:
        names: Those that were.
    """

    def __init__(self, params: Params) -> None:
        self._params = dict(params)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> ParamValue:
        self.names.add(name)
        return self._params[name]

    def __iter__(self) -> Iterator[str]:
        self.names |= set(self._params)
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __contains__(self, name: object) -> bool:
        return name in self._params


def build_own_model(
    own_model: OwnModel, params: Params, image_shape: tuple[int, int, int], num_classes: int
) -> keras.Model:
    """The network that the user's function builds, as a model like those of `build_model`.

    Args:
        own_model: Names the function; it is imported if it was not.
        params: A point of the study's space.
        image_shape: (height, width, channels).
        num_classes: At least 2.

    Returns:
        From uint8 `image` (batch, *image_shape) to float32 `probabilities` (batch,
        num_classes). The user's layers are shared, not copied.

    Raises:
        ConfigError: When it cannot be imported or what it gives breaks a rule.
        Exception: What the user's function raises.
    """
    built = own_model.load()(params, image_shape, num_classes)
    if not isinstance(built, keras.Model):
        raise _error(own_model, f"must return a keras.Model, got {type(built).__name__}", CONTRACT)
    if isinstance(built, keras.Sequential) and not built.built:
        raise _error(
            own_model,
            "must return a model that knows its input, got a Sequential without one",
            "Begin it with keras.Input(image_shape).",
        )
    if not hasattr(built, "operations") and not isinstance(built, keras.Sequential):
        raise _error(
            own_model,
            "must return a model of the functional API or a Sequential, got the subclass "
            f"{type(built).__name__}",
            "Make it a layer, and return keras.Model(inputs, outputs).",
        )
    _check_shapes(own_model, built, image_shape, num_classes)
    return _as_ours(own_model, built, image_shape, num_classes)


def check_own_model(
    own_model: OwnModel, params: Params, image_shape: tuple[int, int, int], num_classes: int
) -> tuple[set[str], str]:
    """Try an own model on the params of trial 0: all that can be wrong before any training.

    It is built, run on noise in a graph, saved, loaded and run again.

    Args:
        own_model: Of the user.
        params: Of trial 0.
        image_shape: (height, width, channels).
        num_classes: At least 2.

    Returns:
        The params that it read, and why Grad-CAM cannot open the model; empty when it can.

    Raises:
        ConfigError: The rule that is broken.
    """
    read = ReadParams(params)
    try:
        model = build_own_model(
            own_model, params=read, image_shape=image_shape, num_classes=num_classes
        )
    except ConfigError:
        raise
    except Exception as error:  # a user's function may raise anything
        raise ConfigError(
            f"{place_of(error, own_model)}: must build a model for the params of trial 0, got: "
            f"{describe(error)}.",
            remedy=f"The params are {dict(params)}.",
        ) from error
    if not model.trainable_weights:
        raise _error(own_model, "must return a model with weights to train, got none", "")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (NUM_NOISE, *image_shape)).astype(np.uint8)
    probabilities = _run(own_model, model, noise)
    if not np.isfinite(probabilities).all():
        raise _error(
            own_model,
            "must give finite probabilities for noise of 0 to 255, got "
            f"{probabilities[~np.isfinite(probabilities)][0]}",
            "Scale the images inside the model: keras.layers.Rescaling(1 / 255).",
        )
    _check_saving(own_model, model, noise, probabilities)
    try:
        GradCam(model)(noise, probabilities.argmax(axis=1))
    except Exception as error:  # noqa: BLE001 - it opens layers that it has never seen
        return read.names, describe(error)
    return read.names, ""


def _run(own_model: OwnModel, model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a model gives in a graph of TensorFlow operations, as trials and judging run it."""
    try:
        count_flops(model)
        return np.asarray(compile_prediction(model)(images), np.float32)
    except Exception as error:  # a user's layers may raise anything
        raise ConfigError(
            f"{place_of(error, own_model)}: must return a model that runs as a graph, got: "
            f"{describe(error)}.",
            remedy="Use keras.ops in layers of your own, not NumPy.",
        ) from error


def _check_saving(
    own_model: OwnModel,
    model: keras.Model,
    images: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
) -> None:
    """Whether a saved model is the same when it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.save(path)
                again = keras.models.load_model(path, compile=False)
        except Exception as error:  # a user's layers may raise anything
            got = _why_not_loaded(error)
            raise _error(
                own_model,
                f"must return a model that loads again once it is saved, got: {got}",
                "Decorate layers and functions of your own with "
                '@keras.saving.register_keras_serializable("my_model"), and give layers a '
                "get_config with all arguments of __init__; write no Lambda layers.",
            ) from error
    difference = float(np.abs(_run(own_model, again, images) - probabilities).max())
    if not difference <= TOLERANCE:
        raise _error(
            own_model,
            "must return a model that is the same when it is saved and loaded, got probabilities "
            f"that differ by {difference:.2g}",
            "Let get_config of your layers give all arguments, and make weights in __init__ or "
            "build with add_weight.",
        )


def _why_not_loaded(error: Exception) -> str:
    """What Keras could not load, where its long message names it."""
    found = re.search(r"Could not locate (\w+) '([^']+)'", str(error))
    return f"{found[1]} {found[2]!r} is not registered" if found else describe(error)


def _check_shapes(
    own_model: OwnModel, model: keras.Model, image_shape: tuple[int, int, int], num_classes: int
) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise _error(
            own_model,
            "must return a model with one input and one output, got "
            f"{len(model.inputs)} and {len(model.outputs)}",
            CONTRACT,
        )
    wanted, got = (None, *image_shape), tuple(model.inputs[0].shape)
    is_fitting = len(got) == 4 and all(
        have is None or have == want for have, want in zip(got, wanted, strict=True)
    )
    if not is_fitting:
        raise _error(
            own_model,
            f"must return a model with input {wanted}, got {got}",
            "Begin it with keras.Input(image_shape).",
        )
    wanted_out, got_out = (None, num_classes), tuple(model.outputs[0].shape)
    if got_out != wanted_out:
        raise _error(
            own_model, f"must return a model with output {wanted_out}, got {got_out}", HEAD_REMEDY
        )


def _as_ours(
    own_model: OwnModel, built: keras.Model, image_shape: tuple[int, int, int], num_classes: int
) -> keras.Model:
    """The same network between our input and our output."""
    head = _head(own_model, built)
    images = keras.Input(image_shape, dtype="uint8", name="image")
    takes_bytes = keras.backend.standardize_dtype(built.inputs[0].dtype) == "uint8"
    # Float32, whatever the precision: the user's model scales what is 0 to 255.
    pixels = images if takes_bytes else layers.Rescaling(1.0, dtype="float32")(images)
    features = keras.Model(built.inputs[0], head.input, name="network")(pixels)
    output = layers.Dense.from_config(
        {**head.get_config(), "name": OUTPUT, "activation": "softmax", "dtype": "float32"}
    )
    model = keras.Model(images, output(features))
    output.set_weights(head.get_weights())
    output.trainable = head.trainable
    return model


def _head(own_model: OwnModel, model: keras.Model) -> layers.Dense:
    """The Dense layer of the classes; its softmax may be a layer of its own."""
    last = layer_behind(model.outputs[0])
    is_softmax = isinstance(last, layers.Softmax) or (
        isinstance(last, layers.Activation) and last.activation is keras.activations.softmax
    )
    dense = layer_behind(last.input) if is_softmax else last
    wanted = keras.activations.linear if is_softmax else keras.activations.softmax
    if type(dense) is layers.Dense and dense.activation is wanted and len(dense.input.shape) == 2:
        return dense
    got = f"{type(dense).__name__} {dense.name!r}"
    if isinstance(dense, layers.Dense):
        got += f" with {getattr(dense.activation, '__name__', dense.activation)}"
    raise _error(
        own_model, f"must return a model that ends in a Dense softmax layer, got {got}", HEAD_REMEDY
    )


def _error(own_model: OwnModel, rule: str, remedy: str) -> ConfigError:
    return ConfigError(Text("{model} {0}: {1}.", own_model, rule), remedy=remedy)
