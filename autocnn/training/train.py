"""One training, start to end or from its last whole epoch on, inside a worker process.

The forkserver imports this module, and with it TensorFlow and Keras, once; a forked
worker then starts at once. Nothing here runs a TensorFlow operation at import.
"""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.core.errors import TrialDivergedError
from autocnn.core.records import EpochScore, Scores
from autocnn.execution.tasks import TrainingResult, TrainingTask
from autocnn.metrics.own_objective import measure_of
from autocnn.metrics.scores import score
from autocnn.spaces.knobs import Settings, is_frozen
from autocnn.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autocnn.training.networks import build_model
from autocnn.training.networks.batches import class_weights, number_from, steps_of, training_batches
from autocnn.training.networks.compiling import compile_model
from autocnn.training.networks.inference import compile_prediction, predict_rows
from autocnn.training.networks.keras_private import AveragedWeights, layers_of
from autocnn.training.networks.own_model import build_own_model
from autocnn.training.networks.saving import save_model
from autocnn.training.networks.stored_images import images_on_gpu

Report = Callable[[EpochScore], bool]
"""Takes an epoch's scores, answers whether to stop."""

FEWEST_SCORED, MOST_SCORED = 128, 512
"""A tenth of the train images is scored after each epoch, within these bounds."""


def train(task: TrainingTask, report: Report) -> TrainingResult:
    """Train a network and save the weights of its best epoch.

    With a checkpoint, the epochs that it holds are reported again, and training goes on
    with the numbers that it would have had.

    Args:
        task: What to train on which images.
        report: Called after each epoch; training stops when it answers True after the
            latest one.

    Returns:
        The scores of all epochs, and which was best; in a refit, which has no val
        split, the last epoch is.

    Raises:
        TrialDivergedError: When the loss becomes NaN or infinite, or a probability NaN.
        DiskFullError: When a checkpoint or the model does not fit on the disk.
    """
    configure_tensorflow(threads=task.threads, deterministic=task.deterministic)
    keras.config.set_dtype_policy(task.precision)
    keras.utils.set_random_seed(number_from(*task.seed))
    settings = Settings(task.params)
    images = task.images.open()
    shape = images.shape[1], images.shape[2], images.shape[3]
    model = _build(task, shape, weights=task.weights)
    batch_size = min(settings.integer("batch_size"), len(task.train_rows))
    batch_size = max(1, batch_size // (2 if task.half_batch else 1))
    steps = steps_of(task.train_rows, batch_size)
    compile_model(
        model, task.params, steps_per_epoch=steps, epochs=task.epochs, first_epoch=task.first_epoch
    )
    if task.start_path is not None:
        model.set_weights(keras.models.load_model(task.start_path, compile=False).get_weights())
    scorer = _Scorer(task, images, report, patience=settings.integer("early_stopping_patience"))
    averaging = AveragedWeights() if settings.flag("weight_averaging") else None
    checkpoint = read_checkpoint(task.checkpoint_path)
    if checkpoint is not None:
        _restore(model, checkpoint)
        if averaging is not None:
            averaging.is_in_model = True
    if checkpoint is None or not scorer.replay(checkpoint):
        done = task.first_epoch - 1 + len(scorer.history)
        if task.own_model is None and is_frozen(task.params):
            _fit_output(model, scorer, first=done)
        else:
            # A trial that ran out of memory leaves that of the GPU to its network.
            place = nullcontext() if task.half_batch else images_on_gpu(images, task.train_rows)
            with place as stored:
                model.fit(
                    training_batches(
                        images,
                        task.images.labels,
                        task.train_rows,
                        settings,
                        num_classes=task.images.num_classes,
                        batch_size=batch_size,
                        epochs=task.epochs,
                        done=done,
                        seed=task.seed,
                        model=model,
                        stored=stored,
                    ),
                    initial_epoch=done,
                    epochs=task.epochs,
                    steps_per_epoch=steps,
                    callbacks=[scorer] if averaging is None else [averaging, scorer],
                    shuffle=False,
                    verbose=0,
                )
    _save_model(task, shape, scorer.best_weights)
    return TrainingResult(tuple(scorer.history), scorer.best_epoch, model.count_params())


def _build(task: TrainingTask, shape: tuple[int, int, int], *, weights: str | None) -> keras.Model:
    """The task's network, of autocnn's or of the user's own."""
    if task.own_model is not None:
        return build_own_model(task.own_model, task.params, shape, task.images.num_classes)
    return build_model(task.params, shape, task.images.num_classes, weights=weights)


def configure_tensorflow(*, threads: int, deterministic: bool = False) -> None:
    """Set threads, and let GPUs grow their memory; before the first operation.

    A warm worker comes here with every task, always with the same threads.
    """
    if tf.config.threading.get_intra_op_parallelism_threads() == threads:
        return
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def _restore(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Put the weights and the optimiser back as they were at the end of an epoch.

    Raises:
        ValueError: When they are of another network or another optimiser.
    """
    model.set_weights(checkpoint.weights)
    variables, values = model.optimizer.variables, checkpoint.optimizer
    # In float16 Keras puts the optimiser into one that scales the loss: numbers of its own come
    # first, and begin anew where another machine has trained in another precision.
    shared = min(len(variables), len(values))
    if any(len(one.shape) > 0 for one in (*variables[:-shared], *values[:-shared])):
        raise ValueError("the checkpoint must hold the state of this optimiser, got another one")
    for variable, value in zip(variables[-shared:], values[-shared:], strict=True):
        variable.assign(value)


class _Scorer(keras.callbacks.Callback):  # type: ignore[misc]
    """Scores each epoch, saves it, reports it, and remembers the best weights."""

    def __init__(
        self, task: TrainingTask, images: NDArray[np.uint8], report: Report, *, patience: int
    ) -> None:
        super().__init__()
        self.task = task
        self.images = images
        self.report = report
        self.patience = patience
        self.own = measure_of(task.goal)
        self.history: list[EpochScore] = []
        self.best_epoch = 0
        self.best_weights: list[NDArray[Any]] = []
        rng = np.random.default_rng(task.seed)
        num_scored = min(max(len(task.train_rows) // 10, FEWEST_SCORED), MOST_SCORED)
        self.train_sample = np.sort(rng.permutation(task.train_rows)[:num_scored])
        self.started = 0.0
        self.predict: Callable[[Any], Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.started = time.perf_counter()
        _seed_layers(self.model, (*self.task.seed, epoch))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise self._diverged(f"the loss became {loss}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        has_val = len(self.task.val_rows) > 0
        self.history.append(
            EpochScore(
                epoch=epoch + 1,
                train_loss=float((logs or {})["loss"]),
                train=self._score(self.train_sample),
                val=self._score(self.task.val_rows) if has_val else Scores(),
                learning_rate=float(np.asarray(self.model.optimizer.learning_rate)),
                seconds=time.perf_counter() - self.started,
            )
        )
        best = self.task.goal.best_epoch(self.history) if has_val else self.history[-1]
        if best is None or best.epoch == epoch + 1:
            self.best_epoch = epoch + 1
            self.best_weights = self.model.get_weights()
        self._save()
        if self._should_stop():
            self.model.stop_training = True

    def _diverged(self, what: str) -> TrialDivergedError:
        epoch = self.task.first_epoch + len(self.history)
        return TrialDivergedError(f"diverged: {what} in epoch {epoch}")

    def replay(self, checkpoint: Checkpoint) -> bool:
        """Take over and report the epochs of a checkpoint; whether training ends there."""
        self.history = list(checkpoint.history)
        self.best_epoch = checkpoint.best_epoch
        self.best_weights = checkpoint.best_weights
        for earlier in self.history[:-1]:
            self.report(earlier)  # it went on after these
        return self._should_stop()

    def _should_stop(self) -> bool:
        latest = self.history[-1]
        is_stale = 0 < self.patience <= latest.epoch - self.best_epoch
        return self.report(latest) or is_stale

    def _save(self) -> None:
        optimizer = [variable.numpy() for variable in self.model.optimizer.variables]
        checkpoint = Checkpoint(
            tuple(self.history),
            self.best_epoch,
            self.model.get_weights(),
            optimizer,
            self.best_weights,
        )
        write_checkpoint(self.task.checkpoint_path, checkpoint)

    def _score(self, rows: NDArray[np.integer]) -> Scores:
        self.predict = self.predict or compile_prediction(self.model)
        predicted = predict_rows(self.predict, self.images, rows, half_batch=self.task.half_batch)
        if not np.isfinite(
            predicted
        ).all():  # by the epoch's last step, whose loss was taken before
            raise self._diverged("a probability became nan")
        return score(self.task.images.labels[rows], predicted, self.own)


def _fit_output(model: keras.Model, scorer: _Scorer, *, first: int) -> None:
    """One epoch, if it was not there before: each image seen once, and a classifier fitted."""
    from autocnn.training.networks.output_layer import (
        fit_output,
    )  # scikit-learn: not in all workers

    task = scorer.task
    for epoch in range(first, task.epochs):
        scorer.set_model(model)
        scorer.on_epoch_begin(epoch)
        loss = fit_output(
            model,
            scorer.images,
            task.images.labels,
            task.train_rows,
            weights=class_weights(
                task.images.labels[task.train_rows], task.images.num_classes, Settings(task.params)
            ),
            half_batch=task.half_batch,
        )
        scorer.on_epoch_end(epoch, {"loss": loss})


def _save_model(
    task: TrainingTask, shape: tuple[int, int, int], weights: list[NDArray[Any]]
) -> None:
    """Save a float32 model without optimiser: one that loads anywhere without autocnn."""
    keras.config.set_dtype_policy("float32")
    model = _build(task, shape, weights=None)
    model.set_weights(weights)
    save_model(model, task.model_path)


def _seed_layers(model: keras.Model, seed: tuple[int, ...]) -> None:
    """Give every random layer (dropout) the state that belongs to this epoch."""
    generators = [
        value
        for layer in layers_of(model)
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]
    for index, generator in enumerate(generators):
        generator.state.assign([number_from(*seed, index), 0])
