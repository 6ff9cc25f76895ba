"""What a user's own model is: checked, and brought into the form of our networks."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from autocnn.core.errors import ConfigError
from autocnn.core.own_model import OwnModel
from autocnn.training.networks.average import average_models, set_temperature
from autocnn.training.networks.features import feature_model
from autocnn.training.networks.own_model import ReadParams, build_own_model, check_own_model
from tests.training.networks import own_models

SHAPE = (12, 12, 1)

IMAGES = np.random.default_rng(0).integers(0, 256, (3, *SHAPE)).astype(np.uint8)


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def own(function: str) -> OwnModel:
    return OwnModel(Path(own_models.__file__), function)


def build(function: str, **params: int) -> keras.Model:
    return build_own_model(own(function), params, SHAPE, 3)


def problem(function: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        check_own_model(own(function), {"depth": 1}, SHAPE, 3)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("function", ["cnn", "bytes_in", "nested", "mlp"])
def test_a_model_gets_our_input_and_our_output(function: str) -> None:
    before = getattr(own_models, function)({}, SHAPE, 3)
    keras.utils.set_random_seed(0)
    expected = getattr(own_models, function)({}, SHAPE, 3)
    keras.utils.set_random_seed(0)
    model = build(function)
    assert (model.input.name, model.input.dtype, model.input.shape) == (
        "image",
        "uint8",
        (None, *SHAPE),
    )
    head = model.layers[-1]
    assert isinstance(head, layers.Dense)
    assert (head.name, head.activation) == ("probabilities", keras.activations.softmax)
    got = np.asarray(model(IMAGES, training=False))
    np.testing.assert_allclose(got, np.asarray(expected(IMAGES, training=False)), atol=1e-5)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-5)
    assert model.count_params() == before.count_params()


def test_it_can_be_calibrated_averaged_and_measured() -> None:
    first, second = build("cnn"), build("nested")
    sure = np.asarray(first(IMAGES)).max()
    set_temperature(first, 5.0)
    assert np.asarray(first(IMAGES)).max() < sure
    average = average_models([first, second], [0.5, 0.5])
    both = (np.asarray(first(IMAGES)) + np.asarray(second(IMAGES))) / 2
    np.testing.assert_allclose(np.asarray(average(IMAGES)), both, atol=1e-6)
    assert feature_model(average).output_shape == (None, 8 + 4)


def test_its_output_is_float32_in_mixed_precision(mixed_precision: None) -> None:
    model = build("cnn")
    assert np.asarray(model(IMAGES)).dtype == np.float32
    inner = next(layer for layer in model.layers if layer.name == "network")
    convolutions = [layer for layer in inner.layers if isinstance(layer, layers.Conv2D)]
    assert [layer.compute_dtype for layer in convolutions] == ["bfloat16"]


@pytest.mark.slow
def test_a_good_own_model_is_tried_and_what_it_read_is_told() -> None:
    params = {"depth": 2, "filters": 4, "unread": 3, "learning_rate": 1e-3}
    assert check_own_model(own("cnn"), params, SHAPE, 3) == ({"depth", "filters"}, "")


def test_a_model_without_a_feature_map_is_no_mistake() -> None:
    read, no_maps = check_own_model(own("mlp"), {"depth": 1}, SHAPE, 3)
    assert read == set()
    assert "feature map" in no_maps


@pytest.mark.parametrize(
    ("function", "message", "remedy"),
    [
        ("nothing", "must return a keras.Model, got NoneType", "returns a keras.Model"),
        ("unbuilt", "a model that knows its input", "keras.Input(image_shape)"),
        ("subclass", "got the subclass Subclass", "keras.Model(inputs, outputs)"),
        ("two_outputs", "one input and one output, got 1 and 2", ""),
        ("other_input", "input (None, 12, 12, 1), got (None, 32, 32, 3)", "keras.Input"),
        ("one_output", "output (None, 3), got (None, 1)", "Dense(num_classes"),
        ("logits", "ends in a Dense softmax layer, got Dense", 'activation="softmax"'),
        ("conv_head", "ends in a Dense softmax layer, got GlobalAveragePooling2D", ""),
        (
            "failing",
            "must build a model for the params of trial 0, got: KeyError: 'no_such_name'",
            "{'depth': 1}",
        ),
        ("frozen", "must return a model with weights to train, got none", ""),
        ("infinite", "must give finite probabilities for noise", "Rescaling(1 / 255)"),
        ("unregistered", "class 'Unregistered' is not registered", "register_keras_serializable"),
        ("forgetful", "is the same when it is saved and loaded", "get_config"),
        ("on_numpy", "must return a model that runs as a graph", "keras.ops"),
        ("cn", "own_models.py must define 'cn', got no such name", "Did you mean 'cnn'?"),
    ],
)
def test_the_rule_that_a_model_breaks_is_told(function: str, message: str, remedy: str) -> None:
    error = problem(function)
    assert message in error.message
    assert remedy in error.remedy
    assert "own_models.py" in error.message


def test_an_error_is_told_with_its_line() -> None:
    lines = Path(own_models.__file__).read_text().splitlines()
    number = lines.index('    return params["no_such_name"]') + 1
    assert problem("failing").message.startswith(f"{own_models.__file__}:{number}: must build")


def test_params_remember_who_looked() -> None:
    params = ReadParams({"a": 1, "b": 2, "c": 3})
    assert params["a"] == 1
    assert params.get("d") is None
    assert "b" in params
    assert (params.names, len(params)) == ({"a", "d"}, 3)
    assert dict(params) == {"a": 1, "b": 2, "c": 3}
    assert params.names >= {"a", "b", "c"}
