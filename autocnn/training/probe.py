"""What is tried in a worker process before any training: weights and the user's own model."""

import sys

import keras

from autocnn.core.own_model import new_files
from autocnn.execution.tasks import OwnModelResult, OwnModelTask, WeightsResult, WeightsTask
from autocnn.training.networks.own_model import check_own_model
from autocnn.training.networks.pretrained import fitting_backbones
from autocnn.training.train import Report, configure_tensorflow


def find_weights(task: WeightsTask, report: Report) -> WeightsResult:
    """Which backbones can be had with the task's weights.

    Args:
        task: Backbones and weights.
        report: Not called.

    Raises:
        ConfigError: When none can.
    """
    configure_tensorflow(threads=1)
    return WeightsResult(fitting_backbones(task.backbones, task.side, weights=task.weights))


def try_own_model(task: OwnModelTask, report: Report) -> OwnModelResult:
    """Try the user's own model before any training.

    Args:
        task: The own model, and the params of trial 0.
        report: Not called.

    Raises:
        ConfigError: The rule that it breaks.
    """
    configure_tensorflow(threads=1)
    keras.config.set_dtype_policy(task.precision)
    before = list(sys.modules)
    read, no_maps = check_own_model(task.own_model, task.params, task.image_shape, task.num_classes)
    return OwnModelResult(new_files(task.own_model, before), frozenset(read), no_maps)
