"""What a finished model predicts, costs and looks at, inside a worker process."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from autocnn.atomic import replacing
from autocnn.evaluation.explanation import choose_explained
from autocnn.evaluation.robustness import CORRUPTIONS, STRENGTHS, corrupt
from autocnn.models.average import average_models, set_temperature
from autocnn.models.grad_cam import grad_cam, randomize_weights
from autocnn.models.inference import (
    compile_prediction,
    count_flops,
    measure_latency_ms,
    predict_rows,
)
from autocnn.models.pretrained import fitting_backbones
from autocnn.models.saving import save_model
from autocnn.tasks import (
    CandidateResult,
    CandidateTask,
    PredictionResult,
    PredictionTask,
    WeightsResult,
    WeightsTask,
)
from autocnn.training import Report, configure_tensorflow


def predict(task: PredictionTask, report: Report) -> PredictionResult:
    """Predict rows with each model of a task and save the probabilities.

    Args:
        task: Models, images, rows.
        report: Not called: there are no epochs.
    """
    configure_tensorflow(threads=task.threads)
    images = task.images.open()
    for prediction in task.predictions:
        model = keras.models.load_model(prediction.model_path, compile=False)
        probabilities = predict_rows(compile_prediction(model), images, prediction.rows)
        np.save(prediction.probabilities_path, probabilities)
    return PredictionResult()


def make_candidate(task: CandidateTask, report: Report) -> CandidateResult:
    """Make a candidate's model, and measure all that needs the model.

    The results are an .npz with `test` and `test_before` (test images, classes), the latter
    before the temperature that was fitted on the candidate; `disturbed`, positions in the
    test split, and `disturbed/<name>/<strength>`
    (disturbed images, classes); `explained` (m,), positions in the test split; `maps` and
    `random_maps` (m, height, width), Grad-CAM of the predicted class with the model's weights
    and with random ones; `cost`, three numbers.

    Args:
        task: Members, images, rows.
        report: Not called.

    Raises:
        DiskFullError: When there is no room for the model.
    """
    configure_tensorflow(threads=task.threads)
    images = task.images.open()
    before = _assemble(task, is_calibrated=False)
    results: dict[str, NDArray[Any]] = {
        "test_before": predict_rows(compile_prediction(before), images, task.test_rows)
    }
    model = _assemble(task, is_calibrated=True)
    save_model(model, task.model_path)
    predict_batch = compile_prediction(model)
    test = predict_rows(predict_batch, images, task.test_rows)
    results["test"] = test
    sample = images[task.test_rows[task.disturbed]]
    results["disturbed"] = task.disturbed
    every = np.arange(len(sample))
    for name in CORRUPTIONS:
        for strength in STRENGTHS:
            disturbed = corrupt(sample, name, strength, seed=task.seed)
            results[f"disturbed/{name}/{strength}"] = predict_rows(predict_batch, disturbed, every)
    labels = task.images.labels[task.test_rows]
    own = choose_explained(labels, test, per_class=task.per_class, seed=task.seed)
    explained = np.union1d(task.explained, own)
    shown, classes = images[task.test_rows[explained]], test[explained].argmax(axis=1)
    results["explained"] = explained
    results["maps"] = grad_cam(model, shown, classes)
    results["random_maps"] = grad_cam(randomize_weights(model, seed=task.seed), shown, classes)
    result = CandidateResult(
        model.count_params(),
        count_flops(model),
        measure_latency_ms(predict_batch, images[int(task.test_rows[0])]),
    )
    results["cost"] = np.array([result.num_weights, result.flops, result.latency_ms], float)
    with replacing(task.results_path) as file:
        np.savez(file, allow_pickle=False, **results)
    return result


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


def _assemble(task: CandidateTask, *, is_calibrated: bool) -> keras.Model:
    """The members at their temperatures: one as it is, several averaged."""
    models = []
    for member in task.members:
        model = keras.models.load_model(member.path, compile=False)
        if is_calibrated or task.has_temperature:
            set_temperature(model, member.temperature)
        models.append(model)
    if len(models) == 1:
        return models[0]
    weights = [member.weight for member in task.members]
    temperature = task.temperature if is_calibrated else 1.0
    return average_models(models, weights, temperature=temperature)
