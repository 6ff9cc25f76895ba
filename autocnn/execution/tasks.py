"""What a worker process is told to do, and what it answers: plain data that pickles."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import IntArray
from autocnn.core.objective import Goal
from autocnn.core.own_model import OwnModel
from autocnn.core.records import EpochScore, ExportFormat, Fit, ParamValue, Precision
from autocnn.execution.machine import Gpu

TRAIN = "autocnn.training.train:train"
PREDICT = "autocnn.training.candidate:predict"
MAKE_CANDIDATE = "autocnn.training.candidate:make_candidate"
FIND_WEIGHTS = "autocnn.training.probe:find_weights"
FIND_GPUS = "autocnn.training.probe:find_gpus"
TRY_OWN_MODEL = "autocnn.training.probe:try_own_model"
EXPORT = "autocnn.inference.export.conversion:convert"
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
        half_batch: Whether batches are half as large as the params say, and those of the
            scoring half as large as they were.
        deterministic: Whether only operations with reproducible results may be used.
        own_model: Of a network of the user's own; None: `build_model`.
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
    own_model: OwnModel | None = None


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
class Prediction:
    """One model and what it predicts.

    Attributes:
        model_path: A saved model.
        rows: Rows of the images.
        probabilities_path: Where the float32 .npy of shape (rows + 27 * disturbed, classes) goes.
        mirrored: Whether it is the mean of each image as it is and mirrored left and right.
        disturbed: Positions in `rows` of images that are predicted under every disturbance of
            `metrics.robustness` too: so many rows more for each of the 27, in their order.
    """

    model_path: Path
    rows: IntArray
    probabilities_path: Path
    mirrored: bool = False
    disturbed: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class PredictionTask:
    """Predict with some models of one image size.

    Attributes:
        images: Images at that size.
        predictions: Models and rows.
        threads: Threads of TensorFlow.
        own_model: Of the models, where they are the user's own: it holds their layers.
        half_batch: Whether they predict half as many images at once as they did.
        seed: Of the disturbances.
    """

    images: Images
    predictions: tuple[Prediction, ...]
    threads: int
    own_model: OwnModel | None = None
    half_batch: bool = False
    seed: int = 0


@dataclass(frozen=True)
class PredictionResult:
    """All probabilities were written."""


@dataclass(frozen=True)
class MemberModel:
    """A model that goes into a candidate.

    Attributes:
        path: A saved model.
        predicted_path: What it gives for test, also disturbed: of a `Prediction`.
        weight: Its share of the average.
        temperature: Its logits are divided by it.
        mirrored: Whether it predicts the mean of each image as it is and mirrored.
    """

    path: Path
    predicted_path: Path
    weight: float
    temperature: float
    mirrored: bool = False


@dataclass(frozen=True)
class CandidateTask:
    """Make a candidate's model, and measure all that needs the model.

    Attributes:
        members: One model, or several that are averaged.
        temperature: Of the average; 1 where the members have theirs alone.
        has_temperature: Whether the average has one of its own, beside its members'.
        model_path: Where the candidate's model goes.
        images: Images at the size of the largest member.
        test_rows: Rows of the test split.
        val_rows: Rows of the val split, by which it is said what is familiar.
        reference_rows: Rows of train that familiarity is measured to.
        judged: Positions in `test_rows` of the images that speak for the candidate.
        num_independent: How many of these count: copies and images of one group are alike.
        disturbed: Positions in `test_rows` of the images that its members predict disturbed.
        explained: Positions in `test_rows` of the images whose maps all candidates share.
        per_class: Most wrong and most right images of each class that get a map besides.
        results_path: Where the .npz of `training.measurements` goes.
        threads: Threads of TensorFlow.
        seed: Of random weights, the images that are explained, and augmented versions.
        own_model: Of the members, where they are the user's own: it holds their layers.
        half_batch: Whether it predicts half as many images at once as it did.
        params: Of the trial that weighs most, which say how training images are augmented.
        augmented_rows: Rows of train that are shown augmented; more may be given, to be mixed
            with these.
    """

    members: tuple[MemberModel, ...]
    temperature: float
    has_temperature: bool
    model_path: Path
    images: Images
    test_rows: IntArray
    val_rows: IntArray
    reference_rows: IntArray
    judged: IntArray
    num_independent: float
    disturbed: IntArray
    explained: IntArray
    per_class: int
    results_path: Path
    threads: int
    seed: int
    own_model: OwnModel | None = None
    half_batch: bool = False
    params: dict[str, ParamValue] = field(default_factory=dict)
    augmented_rows: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def recipe(self) -> str:
        """What the candidate is made of: the same for two tasks if their models are the same.

        Members by the end of their paths, since a study may be moved; numbers exactly.
        """
        members = [
            ["/".join(one.path.parts[-3:]), one.weight, one.temperature, one.mirrored]
            for one in self.members
        ]
        return json.dumps([members, self.temperature, self.has_temperature])


@dataclass(frozen=True)
class CandidateResult:
    """The model and its measurements were written."""


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


@dataclass(frozen=True)
class GpusTask:
    """Find out which GPUs TensorFlow sees.

    Attributes:
        threads: Of the process that takes it: tasks with as many can follow in that process.
    """

    threads: int = 1


@dataclass(frozen=True)
class GpusResult:
    """The GPUs, in TensorFlow's order."""

    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True)
class OwnModelTask:
    """Try the user's own model.

    Attributes:
        own_model: Where it stands.
        params: Of trial 0.
        image_shape: Height, width, channels.
        num_classes: At least 2.
        precision: Keras dtype policy of the training.
    """

    own_model: OwnModel
    params: dict[str, ParamValue]
    image_shape: tuple[int, int, int]
    num_classes: int
    precision: str


@dataclass(frozen=True)
class OwnModelResult:
    """What was found out about an own model that keeps all rules.

    Attributes:
        files: What it is made of: path relative to its root -> SHA-256.
        read: Params that it looked at.
        no_maps: Why Grad-CAM cannot open its model; empty when it can.
    """

    files: dict[str, str]
    read: frozenset[str]
    no_maps: str = ""


@dataclass(frozen=True)
class ExportTask:
    """Write a candidate's model in another format, and predict what it is compared with.

    Attributes:
        format, precision: What to write.
        activations: What it computes in between; int8 only in an int8 file.
        model_path: The candidate's model.
        familiarity_path: Reference features of train images, an .npz; None without them.
        images_path: A .npy, uint8 (n, height, width, channels), as the network takes them: to
            compare, and to set the ranges of int8 by.
        target_path: File or folder to write.
        reference_path: Where the .npy with the candidate's own probabilities goes.
        threads: Threads of TensorFlow.
        own_model: Of the model, when it is the user's own.
        fit: How images that are not square become squares, where the model does that by itself.
    """

    format: ExportFormat
    precision: Precision
    activations: Precision
    model_path: Path
    familiarity_path: Path | None
    images_path: Path
    target_path: Path
    reference_path: Path
    threads: int
    own_model: OwnModel | None = None
    fit: Fit = "stretch"


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        outputs: Names of what the written model gives.
        has_own_layers: Whether it loads only after the own model's files were imported.
    """

    outputs: tuple[str, ...]
    has_own_layers: bool = False


BatchedTask = TrainingTask | PredictionTask | CandidateTask
"""Tasks that need less memory with half their batch."""

Task = (
    TrainingTask
    | PredictionTask
    | CandidateTask
    | WeightsTask
    | GpusTask
    | OwnModelTask
    | ExportTask
)
Result = (
    TrainingResult
    | PredictionResult
    | CandidateResult
    | WeightsResult
    | GpusResult
    | OwnModelResult
    | ExportResult
)
