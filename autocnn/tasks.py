"""What a worker process is told to do, and what it answers: plain data that pickles."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.objective import Goal
from autocnn.records import EpochScore, ParamValue

IntArray = NDArray[np.integer]

TRAIN = "autocnn.training:train"
JUDGE = "autocnn.judging:judge"
FIND_WEIGHTS = "autocnn.judging:find_weights"
"""The functions that workers call; named, since the parent never imports them."""


@dataclass(frozen=True)
class Images:
    """Decoded images that every process maps into its memory.

    Attributes:
        path: An .npy file of uint8, shape (n, height, width, channels).
        labels: Class numbers, shape (n,).
        num_classes: At least 2.
    """

    path: Path
    labels: IntArray
    num_classes: int

    def open(self) -> NDArray[np.uint8]:
        """The images, mapped read-only."""
        images: NDArray[np.uint8] = np.load(self.path, mmap_mode="r")
        return images


@dataclass(frozen=True)
class TrainingTask:
    """Train one network.

    Attributes:
        images: All images of the study at the size of these params.
        train_rows: Rows to train on.
        val_rows: Rows to score after each epoch; empty in a refit.
        params: The trial's params.
        epochs: Epochs to train; the learning rate's schedule spans them.
        seed: (study seed, trial number, ...): all randomness derives from it.
        goal: Decides which epoch's weights are kept.
        model_path: Where the kept weights go as a model.
        threads: Threads of TensorFlow.
        precision: Keras dtype policy.
        weights: Pretrained weights, for that family.
        checkpoint_path: Where the last whole epoch is kept, and where training goes on from.
        start_path: Model whose weights the training begins with; None: it begins anew.
        first_epoch: The epoch it begins with; the schedule counts those before.
        half_batch: Whether batches are half as large as the params say.
        deterministic: Whether only operations with reproducible results may be used.
    """

    images: Images
    train_rows: IntArray
    val_rows: IntArray
    params: dict[str, ParamValue]
    epochs: int
    seed: tuple[int, ...]
    goal: Goal
    model_path: Path
    threads: int
    precision: str
    weights: str
    checkpoint_path: Path
    start_path: Path | None = None
    first_epoch: int = 1
    half_batch: bool = False
    deterministic: bool = False


@dataclass(frozen=True)
class TrainingResult:
    """What training left, beside the model file.

    Attributes:
        history: One score per epoch.
        best_epoch: Epoch whose weights were kept.
        num_weights: Weights of the model.
    """

    history: tuple[EpochScore, ...]
    best_epoch: int
    num_weights: int


@dataclass(frozen=True)
class JudgingTask:
    """Predict with one model.

    Attributes:
        model_path: A saved model.
        images: Images at its size.
        rows: Rows to predict.
        probabilities_path: Where the float32 .npy of shape (rows, classes) goes.
        threads: Threads of TensorFlow.
        is_measured: Whether latency and operations are measured too.
    """

    model_path: Path
    images: Images
    rows: IntArray
    probabilities_path: Path
    threads: int
    is_measured: bool


@dataclass(frozen=True)
class JudgingResult:
    """Cost of one model; None where it was not measured.

    Attributes:
        num_weights: Weights of the model.
        flops: Floating-point operations for one image.
        latency_ms: Median time for one image.
    """

    num_weights: int
    flops: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class WeightsTask:
    """Find out which backbones can be had with some pretrained weights.

    Attributes:
        backbones: Names in keras.applications.
        side: Side of the images in px.
        weights: `imagenet` or a file.
    """

    backbones: tuple[str, ...]
    side: int
    weights: str


@dataclass(frozen=True)
class WeightsResult:
    """The backbones that can be had."""

    backbones: tuple[str, ...] = field(default=())


Task = TrainingTask | JudgingTask | WeightsTask
Result = TrainingResult | JudgingResult | WeightsResult
