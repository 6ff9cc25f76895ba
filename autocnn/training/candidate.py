"""What a finished model predicts, costs and looks at, inside a worker process."""

import operator
from functools import partial, reduce
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray, Pixels
from autocnn.core.atomic import replacing
from autocnn.execution.tasks import (
    CandidateResult,
    CandidateTask,
    MemberModel,
    PredictionResult,
    PredictionTask,
)
from autocnn.metrics.calibration import calibrate
from autocnn.metrics.explanation import choose_explained
from autocnn.metrics.familiarity import Reference, calibrate_familiarity
from autocnn.metrics.robustness import DISTURBANCES, corrupt
from autocnn.spaces.knobs import Settings, is_frozen
from autocnn.training.measurements import Measurements
from autocnn.training.networks.augmentation import Augmenter
from autocnn.training.networks.average import average_models, set_temperature
from autocnn.training.networks.features import feature_model
from autocnn.training.networks.grad_cam import GradCam, randomize_weights
from autocnn.training.networks.inference import (
    compile_prediction,
    count_flops,
    measure_latency_ms,
    predict_rows,
)
from autocnn.training.networks.saving import save_model
from autocnn.training.train import Report, configure_tensorflow

NUM_VERSIONS = 5
"""Of each training image that is shown augmented."""


def predict(task: PredictionTask, report: Report) -> PredictionResult:
    """Predict rows with each model of a task, some disturbed too, and save the probabilities.

    Args:
        task: Models, rows, and images that are as large as a model takes them, or larger.
        report: Not called: there are no epochs.

    Raises:
        DiskFullError: When there is no space for them.
    """
    configure_tensorflow(threads=task.threads)
    if task.own_model is not None:
        task.own_model.register()
    images = task.images.open()
    for prediction in task.predictions:
        model = keras.models.load_model(prediction.model_path, compile=False)
        shape = images.shape[1:]
        sides = zip(model.input_shape[1:], shape, strict=True)
        is_smaller = any(taken not in (None, given) for taken, given in sides)
        if prediction.mirrored or is_smaller:  # as inside an average
            mirrored = prediction.mirrored
            model = average_models([model], [1.0], mirrored=mirrored, image_shape=shape)
        ask = partial(predict_rows, compile_prediction(model), half_batch=task.half_batch)
        probabilities = [ask(images, prediction.rows)]
        if len(prediction.disturbed):
            sample = images[prediction.rows[prediction.disturbed]]
            every = np.arange(len(sample))
            for name, strength in DISTURBANCES:
                changed = corrupt(sample, name, strength, seed=task.seed)
                probabilities.append(ask(changed, every))
        with replacing(prediction.probabilities_path) as file:
            np.save(file, np.concatenate(probabilities))
    return PredictionResult()


def make_candidate(task: CandidateTask, report: Report) -> CandidateResult:
    """Make a candidate's model, measure all that needs it, and write the measurements.

    Args:
        task: Members with what they predict, images, rows.
        report: Not called.

    Raises:
        DiskFullError: When there is no space for the model.
    """
    configure_tensorflow(threads=task.threads)
    if task.own_model is not None:
        task.own_model.register()
    images = task.images.open()
    model = _assemble(task)
    save_model(model, task.model_path)
    predict_batch = compile_prediction(model)
    test = predict_rows(predict_batch, images, task.test_rows, half_batch=task.half_batch)
    num_test = len(task.test_rows)
    test_before = _average_predicted(task, slice(num_test), is_calibrated=False)
    disturbed = _average_predicted(task, slice(num_test, None), is_calibrated=True)
    disturbed = disturbed.reshape(len(DISTURBANCES), len(task.disturbed), -1)
    labels = task.images.labels[task.test_rows[task.judged]]
    own = choose_explained(labels, test[task.judged], per_class=task.per_class, seed=task.seed)
    explained = np.union1d(task.explained, task.judged[own])
    shown, classes = images[task.test_rows[explained]], test[explained].argmax(axis=1)
    maps, random_maps = _maps(model, shown, classes, task)
    familiarity, is_unlike = _familiarity(model, images, task)
    Measurements(
        test=test,
        test_before=test_before,
        disturbed=task.disturbed,
        disturbed_test=dict(zip(DISTURBANCES, disturbed, strict=True)),
        explained=explained,
        maps=maps,
        random_maps=random_maps,
        familiarity=familiarity,
        num_weights=model.count_params(),
        flops=count_flops(model),
        latency_ms=measure_latency_ms(predict_batch, images[int(task.test_rows[0])]),
        recipe=task.recipe,
        augmented=_augmented(images, task),
        is_unlike=is_unlike,
    ).write(task.results_path)
    return CandidateResult()


def _maps(
    model: keras.Model, images: NDArray[np.uint8], classes: NDArray[Any], task: CandidateTask
) -> tuple[FloatArray | None, FloatArray | None]:
    """Where the model looks, and where with random weights."""
    try:
        return (
            GradCam(model)(images, classes),
            GradCam(randomize_weights(model, seed=task.seed))(images, classes),
        )
    except Exception:  # opening layers of a user's own may raise anything
        if task.own_model is None:
            raise
        return None, None


def _augmented(images: Pixels, task: CandidateTask) -> Pixels | None:
    """Versions of some training images, as the training makes them; None where it makes none."""
    if not len(task.augmented_rows) or (task.own_model is None and is_frozen(task.params)):
        return None
    shown = np.asarray(images[task.augmented_rows])
    augment = Augmenter(Settings(task.params), tuple(images.shape[1:]))
    one_hot = np.eye(task.images.num_classes, dtype=np.float32)
    labels = one_hot[task.images.labels[task.augmented_rows]]
    versions = [
        augment(shown, labels, tf.constant([task.seed, version], tf.int32))[0].numpy()
        for version in range(NUM_VERSIONS)
    ]
    augmented: Pixels = np.stack(versions, axis=1)
    return augmented if (augmented != shown[:, np.newaxis]).any() else None


def _familiarity(
    model: keras.Model, images: NDArray[np.uint8], task: CandidateTask
) -> tuple[Reference | None, dict[str, NDArray[np.bool_]]]:
    """What familiar images are measured with, and what that says of those of val and test."""
    try:
        predict_batch = compile_prediction(feature_model(model))
    except ValueError:
        return None, {}  # of an own model that ends otherwise
    reference, val, test = (
        predict_rows(predict_batch, images, rows, half_batch=task.half_batch)
        for rows in (task.reference_rows, task.val_rows, task.test_rows)
    )
    found = calibrate_familiarity(
        reference,
        val,
        test,
        num_classes=task.images.num_classes,
        judged=task.judged,
        num_independent=task.num_independent,
    )
    return found, {"val": found.is_unlike(val), "test": found.is_unlike(test)}


def _assemble(task: CandidateTask) -> keras.Model:
    """The members at their temperatures: one as it is, several averaged."""
    models = []
    for member in task.members:
        model = keras.models.load_model(member.path, compile=False)
        if member.mirrored:  # its temperature was found for the mean of both
            model = average_models([model], [1.0], temperature=member.temperature, mirrored=True)
        else:
            set_temperature(model, member.temperature)
        models.append(model)
    if len(models) == 1:
        return models[0]
    weights = [member.weight for member in task.members]
    return average_models(models, weights, temperature=task.temperature)


def _average_predicted(task: CandidateTask, part: slice, *, is_calibrated: bool) -> FloatArray:
    """(rows, classes) The members' predictions, averaged as `_assemble` does; none is asked again.

    Args:
        task: Members, with the files of what they predicted.
        part: Rows of these files. The members are read one after the other: of a very large test
            split, all at once would take too much memory.
        is_calibrated: Whether at the temperature that was fitted on the candidate.
    """

    def give(member: MemberModel) -> FloatArray:
        given = np.load(member.predicted_path, mmap_mode="r")[part]
        temperature = member.temperature if is_calibrated or task.has_temperature else 1.0
        cooled = calibrate(given, temperature)
        cooled *= member.weight
        return cooled

    mean = reduce(operator.iadd, map(give, task.members))
    return calibrate(mean, task.temperature if is_calibrated else 1.0).astype(np.float32)
