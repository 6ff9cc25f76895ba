"""All that autocnn uses of Keras and TensorFlow without their promise: the one module that may.

Each use stands behind a function that says what it gives and why nothing public does. Checked
with Keras 3.15 and TensorFlow 2.21; `tests/training/networks/test_keras_private.py` says which
one a later version has changed.
"""

from typing import Any

import keras
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from autocnn.core.arrays import Tensor


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """A model and all layers in it, those inside other layers too, each once.

    `Model.layers` ends at the first level: it gives no layer inside a layer of the user's own.

    Args:
        model: Any model.
    """
    return list(model._flatten_layers())


def layer_behind(tensor: Tensor) -> keras.Operation:
    """The layer or operation of a functional model that gives a symbolic tensor.

    A model names its outputs, but not which of its layers gives them; a layer that is used
    twice has no single `output` to compare with.

    Args:
        tensor: An output of a model or an input of a layer, not of numbers.
    """
    return tensor._keras_history.operation


def frozen_graph(function: Any) -> Any:
    """The graph of a concrete function with its variables as constants.

    TensorFlow's public ways to freeze a graph end in a SavedModel or a TFLite file; its
    profiler counts operations on a graph in memory.

    Args:
        function: Of `tf.function(...).get_concrete_function(...)`.
    """
    return convert_variables_to_constants_v2(function).graph


class KeptAverages(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the averaged weights in a model whose training is stopped early; last of callbacks.

    Keras' callback keeps them after the last epoch that was asked for, and not after one behind
    which another callback stops the training.

    Args:
        averaging: That callback.
    """

    def __init__(self, averaging: keras.callbacks.SwapEMAWeights) -> None:
        super().__init__()
        self._averaging = averaging

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See that the end of the training does not bring back the trained weights."""
        if self.model.stop_training:
            self._averaging._finalize_ema_values()


class AveragedWeights(keras.callbacks.SwapEMAWeights):  # type: ignore[misc]
    """Averaged weights at the end of each epoch, the trained ones again at the next start.

    A training that is resumed from a checkpoint begins with the averages in the model, which
    Keras' callback has no public way to be told.
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    @property
    def is_in_model(self) -> bool:
        """Whether the model holds the averages, and the optimiser the trained weights."""
        return bool(self._ema_weights_in_model)

    @is_in_model.setter
    def is_in_model(self, value: bool) -> None:
        self._ema_weights_in_model = value
