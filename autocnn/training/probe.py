"""What is tried in a worker process before any training: weights and the user's own model."""

import sys

import keras
import tensorflow as tf

from autocnn.core.own_model import new_files
from autocnn.execution.machine import Gpu
from autocnn.execution.tasks import (
    GpusResult,
    GpusTask,
    OwnModelResult,
    OwnModelTask,
    WeightsResult,
    WeightsTask,
)
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


def find_gpus(task: GpusTask, report: Report) -> GpusResult:
    """Which GPUs TensorFlow sees: a driver alone is not enough.

    Args:
        task: Says nothing.
        report: Not called.
    """
    found = []
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        capability = details.get("compute_capability")
        # Not its place in this list, from which cards that are too old are left out.
        number = int(device.name.rpartition(":")[2])
        found.append(Gpu(details.get("device_name", device.name), capability, number))
    return GpusResult(tuple(found))


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
