"""Trainings of given params on given rows, as many at once as in a study."""

import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.config import IMAGENET
from autocnn.core.events import Observer
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, Params
from autocnn.data import Dataset
from autocnn.execution.executor import Outcome
from autocnn.execution.gpus import inspect_machine
from autocnn.execution.local import LocalExecutor
from autocnn.execution.machine import share_machine
from autocnn.execution.runner import Job, JobList, run
from autocnn.execution.tasks import (
    PREDICT,
    TRAIN,
    Prediction,
    PredictionTask,
    TrainingResult,
    TrainingTask,
)
from autocnn.metrics.comparison import compare
from autocnn.metrics.robustness import DISTURBANCES, choose_sample, summarize
from autocnn.selection.plan import study_images
from autocnn.spaces.knobs import image_size_of

LOG_LOSS = Goal("log_loss")


@dataclass(frozen=True, eq=False)
class Training:
    """One network that is trained, and what it is asked then.

    Attributes:
        name: For the progress.
        params: Of network and training.
        epochs: Of its schedule.
        seed: Of all that is by chance.
        rows: That it learns from.
        held_out: Rows that it predicts.
        parent: Place of the training whose weights it begins with; None: it begins anew.
        val: Rows that it is scored on after each epoch, the best of which is kept; none: the last.
    """

    name: str
    params: Params
    epochs: int
    seed: tuple[int, ...]
    rows: IntArray
    held_out: IntArray
    parent: int | None = None
    val: IntArray | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """What became of it.

    Attributes:
        seconds: Of its process.
        predicted: (held out, classes) probabilities, before any temperature.
        drop: Accuracy that disturbances cost, on average over all of them; 0 without.
        mirrored: The same of the images mirrored left and right; None: not asked for.
        history: Of its epochs; none where it failed.
    """

    seconds: float
    predicted: FloatArray
    drop: float = 0.0
    mirrored: FloatArray | None = None
    history: tuple[EpochScore, ...] = ()


def train_all(
    dataset: Dataset,
    trainings: Sequence[Training],
    *,
    num_disturbed: int = 0,
    mirror: bool = False,
    may_fail: bool = False,
    weights: str = IMAGENET,
    goal: Goal = LOG_LOSS,
) -> list[Trained]:
    """Train and ask all of them, in their order.

    Args:
        dataset: Images and labels.
        trainings: What to train.
        num_disturbed: Of the held-out images, so many are also disturbed.
        mirror: Whether the held-out images are also predicted mirrored.
        may_fail: Whether a training that fails predicts all classes alike, and ends nothing.
        weights: Pretrained ones: a file, or ImageNet's.
        goal: By which the best epoch on val is found.
    """
    resources = share_machine(
        inspect_machine(Observer()), trials=None, workers=None, threads=None, precision="auto"
    )
    seconds = [0.0] * len(trainings)
    histories: dict[int, tuple[EpochScore, ...]] = {}
    executor = LocalExecutor(devices=resources.devices)
    with tempfile.TemporaryDirectory(prefix="autocnn-trainings-") as place:
        folder = Path(place)

        def training(number: int) -> Job:
            one = trainings[number]
            task = TrainingTask(
                images=study_images(dataset, image_size_of(one.params)),
                train_rows=one.rows,
                val_rows=one.rows[:0] if one.val is None else one.val,
                params=dict(one.params),
                epochs=one.epochs,
                seed=one.seed,
                goal=goal,
                model_path=folder / f"{number}.keras",
                threads=resources.threads,
                precision=resources.precision,
                weights=weights,
                checkpoint_path=folder / f"{number}-checkpoint" / "epoch.npz",
                start_path=None if one.parent is None else folder / f"{one.parent}.keras",
            )
            return Job(number, one.name, TRAIN, task, folder / f"{number}.txt")

        def note(job: Job, outcome: Outcome) -> None:
            seconds[job.key] = outcome.seconds
            if isinstance(outcome.result, TrainingResult):
                histories[job.key] = outcome.result.history
            elif not may_fail:
                raise SystemExit(f"{job.name}: {outcome.reason}")
            click.echo(f"  {job.name}: {outcome.seconds:.0f} s", err=True)

        def sample_of(one: Training) -> IntArray:
            labels = dataset.labels[one.held_out]
            return choose_sample(labels, num_disturbed, seed=0) if num_disturbed else labels[:0]

        def prediction(number: int) -> Job:
            one = trainings[number]
            asked = Prediction(
                folder / f"{number}.keras",
                one.held_out,
                folder / f"{number}.npy",
                disturbed=sample_of(one),
            )
            images = study_images(dataset, image_size_of(one.params))
            task = PredictionTask(images, (asked,), resources.threads)
            return Job(number, f"prediction {number}", PREDICT, task, folder / f"{number}.txt")

        try:
            first = [n for n, one in enumerate(trainings) if one.parent is None]
            then = [n for n, one in enumerate(trainings) if one.parent is not None]
            for numbers in (first, then):
                jobs = JobList(deque(map(training, numbers)), note)
                run(jobs, executor, Observer(), workers=resources.workers)
            jobs = JobList(deque(map(prediction, sorted(histories))), lambda job, outcome: None)
            run(jobs, executor, Observer(), workers=resources.workers)
        finally:
            executor.close()
        alike = np.full(dataset.num_classes, 1 / dataset.num_classes, np.float32)
        found = []
        for number, one in enumerate(trainings):
            if number not in histories:
                found.append(Trained(seconds[number], np.tile(alike, (len(one.held_out), 1))))
                continue
            labels, predicted = dataset.labels[one.held_out], np.load(folder / f"{number}.npy")
            drop = _drop(labels, predicted, sample_of(one)) if num_disturbed else 0.0
            mirrored = _mirrored(dataset, one, folder / f"{number}.keras") if mirror else None
            predicted = predicted[: len(labels)]
            found.append(Trained(seconds[number], predicted, drop, mirrored, histories[number]))
        return found


def _drop(labels: IntArray, predicted: FloatArray, sample: IntArray) -> float:
    """Accuracy that disturbances cost on some of what a network has not seen.

    Args:
        labels: (n,) Of what was held out.
        predicted: (n + 27 * s, classes) Of a `Prediction` that has them disturbed too.
        sample: (s,) Positions of the disturbed images.
    """
    found = predicted[len(labels) :].reshape(len(DISTURBANCES), len(sample), -1)
    disturbed = dict(zip(DISTURBANCES, found, strict=True))
    return summarize(labels[sample], predicted[sample], disturbed).mean_drop


def _mirrored(dataset: Dataset, one: Training, model_path: Path) -> FloatArray:
    """(held out, classes) What a network says of the mirrored images, which it has not seen."""
    import keras  # slow to import, and seldom asked for

    from autocnn.training.networks.inference import compile_prediction, predict_rows

    images = study_images(dataset, image_size_of(one.params)).open()[one.held_out]
    predict = compile_prediction(keras.models.load_model(model_path, compile=False))
    return predict_rows(predict, images[:, :, ::-1], np.arange(len(images)))


def bundles_of(dataset: Dataset, rows: IntArray) -> NDArray[np.int64]:
    """The bundle of each row: copies of each other, or images of one group."""
    bundle_of = np.full(len(dataset.labels), -1, np.int64)
    bundle_of[dataset.rows] = dataset.bundles
    return bundle_of[rows]


def difference(
    labels: IntArray, first: FloatArray, second: FloatArray, metric: str, groups: IntArray
) -> str:
    """`-0.0072 [-0.0207, +0.0064]`: a metric of the first less that of the second, by group."""
    apart = compare(labels, first, second, other=0, metric=metric, groups=groups).difference
    return f"{apart.value:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}]"
