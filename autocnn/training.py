"""One training, start to end or from its last whole epoch on, inside a worker process.

The forkserver imports this module, and with it TensorFlow and Keras, once; a forked
worker then starts at once. Nothing here runs a TensorFlow operation at import.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autocnn.errors import AutocnnError
from autocnn.evaluation.metrics import score
from autocnn.knobs import Settings
from autocnn.models import build_model
from autocnn.models.augmentation import Augmenter
from autocnn.models.inference import compile_prediction, predict_rows
from autocnn.models.optimizer import build_loss, build_optimizer
from autocnn.models.saving import save_model
from autocnn.records import EpochScore, Scores
from autocnn.tasks import TrainingResult, TrainingTask

Report = Callable[[EpochScore], bool]
"""Takes an epoch's scores, answers whether to stop."""

FEWEST_SCORED, MOST_SCORED = 128, 512
"""A tenth of the train images is scored after each epoch, within these bounds."""

MOST_STEPS_PER_EXECUTION = 16

AVERAGED_EPOCHS = 0.5
"""Time constant of the averages of the weights and of batch normalisation's statistics.

They must be the same: averaged weights with statistics of the latest ones scored 0.03
lower after three epochs (docs/performance.md). Half an epoch leaves the initial weights
behind by the second.
"""


class TrialDivergedError(AutocnnError):
    """The loss is no longer a number."""


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
        TrialDivergedError: When the loss becomes NaN or infinite.
        DiskFullError: When there is no room for a checkpoint or the model.
    """
    configure_tensorflow(threads=task.threads, deterministic=task.deterministic)
    keras.config.set_dtype_policy(task.precision)
    keras.utils.set_random_seed(_number_from(*task.seed))
    settings = Settings(task.params)
    images = task.images.open()
    shape = images.shape[1], images.shape[2], images.shape[3]
    model = build_model(task.params, shape, task.images.num_classes, weights=task.weights)
    batch_size = settings.integer("batch_size") // (2 if task.half_batch else 1)
    batch_size = min(max(1, batch_size), len(task.train_rows))
    steps = max(1, len(task.train_rows) // batch_size)
    momentum = max(0.5, 1 - 1 / (AVERAGED_EPOCHS * steps))
    _set_batch_norm_momentum(model, momentum)
    model.compile(
        optimizer=build_optimizer(
            settings,
            steps=steps,
            epochs=task.epochs,
            steps_before=(task.first_epoch - 1) * steps,
            average_momentum=momentum,
        ),
        loss=build_loss(settings),
        steps_per_execution=_divisor_up_to(MOST_STEPS_PER_EXECUTION, steps),
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    if task.start_path is not None:
        model.set_weights(keras.models.load_model(task.start_path, compile=False).get_weights())
    scorer = _Scorer(task, images, report, patience=settings.integer("early_stopping_patience"))
    averaging = _Averaging() if settings.flag("weight_averaging") else None
    checkpoint = read_checkpoint(task.checkpoint_path)
    if checkpoint is not None:
        _restore(model, checkpoint)
        if averaging is not None:
            averaging.is_in_model = True
    if checkpoint is None or not scorer.replay(checkpoint):
        done = task.first_epoch - 1 + len(scorer.history)
        model.fit(
            _training_batches(
                task, images, settings, batch_size=batch_size, steps=steps, done=done
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


def configure_tensorflow(*, threads: int, deterministic: bool = False) -> None:
    """Set threads, and let GPUs grow their memory; before the first operation."""
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def _restore(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Put the weights and the optimiser back as they were at the end of an epoch."""
    model.set_weights(checkpoint.weights)
    variables = model.optimizer.variables
    for variable, value in zip(variables, checkpoint.optimizer, strict=True):
        variable.assign(value)


class _Averaging(keras.callbacks.SwapEMAWeights):  # type: ignore[misc]
    """Averaged weights at the end of each epoch, the trained ones again at the next start."""

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    @property
    def is_in_model(self) -> bool:
        """Whether the model holds the averages, and the optimiser the trained weights."""
        return bool(self._ema_weights_in_model)

    @is_in_model.setter
    def is_in_model(self, value: bool) -> None:
        self._ema_weights_in_model = value


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
            epoch = self.task.first_epoch + len(self.history)
            raise TrialDivergedError(f"diverged: the loss became {loss} in epoch {epoch}")

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
        return score(self.task.images.labels[rows], predict_rows(self.predict, self.images, rows))


def _training_batches(
    task: TrainingTask,
    images: NDArray[np.uint8],
    settings: Settings,
    *,
    batch_size: int,
    steps: int,
    done: int,
) -> tf.data.Dataset:
    """All batches of all epochs after those done, in one dataset: images, labels, weights.

    The order of an epoch and the augmentation of a batch derive from the seed and the
    step alone. One iterator serves the whole training and nothing is tuned at run time:
    TensorFlow's autotuner holds up the end of every iterator (docs/performance.md).
    """
    one_hot = np.eye(task.images.num_classes, dtype=np.float32)
    class_weights = _class_weights(task, settings)
    augment = Augmenter(settings, tuple(images.shape[1:]))
    seed = _number_from(*task.seed)
    order: dict[int, NDArray[np.integer]] = {}

    def gather(step: Any) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        epoch, position = divmod(int(step), steps)
        if epoch not in order:
            order.clear()
            order[epoch] = np.random.default_rng((*task.seed, epoch)).permutation(task.train_rows)
        rows = order[epoch][position * batch_size : (position + 1) * batch_size]
        return images[rows], one_hot[task.images.labels[rows]]

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def make_batch(step: Any) -> tuple[Any, Any, Any]:
        x, y = tf.numpy_function(gather, [step], [tf.uint8, tf.float32], stateful=False)
        x.set_shape((batch_size, *images.shape[1:]))
        y.set_shape((batch_size, task.images.num_classes))
        x, y = augment(x, y, tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)]))
        return x, y, tf.linalg.matvec(y, class_weights)

    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    batches = tf.data.Dataset.range(done * steps, task.epochs * steps)
    return batches.map(make_batch).prefetch(2).with_options(options)


def _class_weights(task: TrainingTask, settings: Settings) -> NDArray[np.float32]:
    """Weight of each class in the loss: its rarity, or 1; the mean over the images is 1."""
    counts = np.bincount(task.images.labels[task.train_rows], minlength=task.images.num_classes)
    if settings.text("imbalance") != "class_weights":
        return np.ones(len(counts), np.float32)
    weights = len(task.train_rows) / (len(counts) * np.maximum(counts, 1))
    return weights.astype(np.float32)


def _set_batch_norm_momentum(model: keras.Model, momentum: float) -> None:
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def _save_model(
    task: TrainingTask, shape: tuple[int, int, int], weights: list[NDArray[Any]]
) -> None:
    """Save a float32 model without optimiser: one that loads anywhere without autocnn."""
    keras.config.set_dtype_policy("float32")
    model = build_model(task.params, shape, task.images.num_classes, weights=None)
    model.set_weights(weights)
    save_model(model, task.model_path)


def _seed_layers(model: keras.Model, seed: tuple[int, ...]) -> None:
    """Give every random layer (dropout) the state that belongs to this epoch."""
    generators = [
        value
        for layer in model._flatten_layers()
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]
    for index, generator in enumerate(generators):
        generator.state.assign([_number_from(*seed, index), 0])


def _number_from(*seed: int) -> int:
    """One 31-bit number that a tuple of numbers always gives."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)


def _divisor_up_to(most: int, number: int) -> int:
    return next(d for d in range(min(most, number), 0, -1) if number % d == 0)
