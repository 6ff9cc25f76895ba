"""Predictions and cost of a finished model, inside a worker process."""

import keras
import numpy as np

from autocnn.models.inference import (
    compile_prediction,
    count_flops,
    measure_latency_ms,
    predict_rows,
)
from autocnn.models.pretrained import fitting_backbones
from autocnn.tasks import JudgingResult, JudgingTask, WeightsResult, WeightsTask
from autocnn.training import Report, configure_tensorflow


def judge(task: JudgingTask, report: Report) -> JudgingResult:
    """Predict the rows of a task with its model and save the probabilities.

    Args:
        task: Model, images, rows.
        report: Not called: there are no epochs.
    """
    configure_tensorflow(threads=task.threads)
    model = keras.models.load_model(task.model_path, compile=False)
    predict = compile_prediction(model)
    images = task.images.open()
    np.save(task.probabilities_path, predict_rows(predict, images, task.rows))
    if not task.is_measured:
        return JudgingResult(model.count_params())
    latency = measure_latency_ms(predict, images[int(task.rows[0])])
    return JudgingResult(model.count_params(), count_flops(model), latency)


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
