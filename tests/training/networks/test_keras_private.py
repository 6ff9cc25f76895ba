"""What autocnn uses of Keras without a promise: each test names what a new version changed."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf

from autocnn.training.networks.keras_private import (
    AveragedWeights,
    frozen_graph,
    layer_behind,
    layers_of,
)


class Block(keras.layers.Layer):  # type: ignore[misc]
    """A layer of somebody's own with layers inside."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.layers.BatchNormalization()

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return self.inner(inputs)


@contextmanager
def changed_by_keras(private_name: str) -> Iterator[None]:
    """Turn any error into the sentence that names the private attribute."""
    try:
        yield
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        pytest.fail(
            f"Keras {keras.__version__} or TensorFlow {tf.__version__} has changed {private_name}, "
            "which keras_private uses and which was checked with Keras 3.15 and TensorFlow 2.21: "
            f"{type(error).__name__}: {error}"
        )


def make_model() -> keras.Model:
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    outputs = keras.layers.Softmax(name="last")(shared(shared(Block()(inputs))))
    return keras.Model(inputs, outputs)


def test_layers_inside_layers_are_found_and_each_once() -> None:
    with changed_by_keras("Model._flatten_layers"):
        layers = layers_of(make_model())
        assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in layers) == 1
        assert sum(layer.name == "shared" for layer in layers) == 1


def test_the_layer_behind_an_output_is_found_though_another_is_used_twice() -> None:
    with changed_by_keras("KerasTensor._keras_history"):
        last = layer_behind(make_model().outputs[0])
        assert last.name == "last"
        assert layer_behind(last.input).name == "shared"


def test_a_frozen_graph_has_constants_in_the_place_of_variables() -> None:
    variable = tf.Variable([2.0])
    graph = tf.function(lambda x: x * variable).get_concrete_function(tf.TensorSpec((1,)))
    with changed_by_keras("convert_variables_to_constants_v2"):
        kinds = {operation.type for operation in frozen_graph(graph).get_operations()}
        assert "Const" in kinds
        assert not kinds & {"ReadVariableOp", "VarHandleOp"}


def test_averaged_weights_say_where_they_are_and_can_be_told() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(optimizer=optimizer, loss="mse")
    for _ in range(3):
        model.train_on_batch(np.ones((4, 1), np.float32), np.full((4, 1), 9, np.float32))
    trained = model.get_weights()
    with changed_by_keras("SwapEMAWeights._ema_weights_in_model"):
        callback = AveragedWeights()
        callback.set_model(model)
        callback.set_params({"epochs": 3})
        assert callback.is_in_model is False
        callback.on_epoch_end(0)
        assert callback.is_in_model is True
        assert not np.allclose(model.get_weights()[0], trained[0])
        resumed = AveragedWeights()
        resumed.set_model(model)
        resumed.is_in_model = True
        resumed.on_epoch_begin(1)
        assert resumed.is_in_model is False
        np.testing.assert_allclose(model.get_weights()[0], trained[0], rtol=1e-5)
