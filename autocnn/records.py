"""What a study remembers: plain frozen data, one JSON object each.

Records hold no behaviour beyond reading and writing themselves. What was not
measured is None (an empty cell in CSV), never 0. Scores are fractions (0.9312),
times are seconds, sizes are MB (10^6 bytes).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1

ParamValue = bool | int | float | str
Params = Mapping[str, ParamValue]
"""One point of a search space: parameter name -> value, active parameters only."""

Channels = Literal["auto", "grey", "rgb"]
"""How images are read; auto: grey if all are grey in content."""

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


class Record(BaseModel):
    """Base of all records: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialState(StrEnum):
    """How a trial stands or ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"
    INTERRUPTED = "interrupted"
    RUNNING = "running"


class Scores(Record):
    """How well predicted probabilities fit the labels of one split.

    Every field is None where it was not measured; `macro_auc` is also None when
    a class has no image in the split.
    """

    accuracy: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    macro_auc: float | None = None
    log_loss: float | None = None
    ece: float | None = None


class EpochScore(Record):
    """One trained epoch of a trial.

    Attributes:
        epoch: 1 for the first.
        train_loss: Mean loss over the epoch's augmented batches, as optimised.
        train: Scores on a fixed sample of train images, not augmented, with the
            weights of the end of the epoch.
        val: Scores on the whole val split with the same weights; all None in a
            refit, which has no val split.
        val_loss: Mean cross-entropy on val (no label smoothing), equal to `val.log_loss`.
        learning_rate: Learning rate of the last step.
        seconds: Wall time of the epoch, scoring included.
    """

    epoch: int = Field(ge=1)
    train_loss: float
    train: Scores = Scores()
    val: Scores = Scores()
    learning_rate: float
    seconds: float


class TrialRecord(Record):
    """One trial, whatever its end.

    Attributes:
        trial: Number of the trial, 0 for the first.
        state: How it ended.
        reason: Why, in words; empty for a complete trial.
        params: The active parameters.
        objective: Best value of the study's objective over the epochs on val.
        best_epoch: Epoch of that value, 1 for the first.
        history: One score per trained epoch.
        num_weights: Trainable and other weights of the model.
        seconds: Wall time from start to end of its process.
        peak_memory_mb: Largest resident memory of its process.
        from_start: True when the params are a start point of the space.
        traceback: Of the error, for failed trials.
        epochs: Epochs that its schedule spans; the trial may end before.
        parent: Trial whose weights it began with, or None.
        first_epoch: The epoch that it began with; above 1 only with a parent.
        half_batch: True when it ran out of memory and was repeated with half its batch.
        num_ended_before: Trials that had ended when it started.
        end_order: Its place among the trials in the order of their ends, 0 for the first;
            None before its end. With `num_ended_before` the order of all events is known,
            which an engine needs to be rebuilt.
    """

    schema_version: int = SCHEMA_VERSION
    trial: int = Field(ge=0)
    state: TrialState
    reason: str = ""
    params: dict[str, ParamValue]
    objective: float | None = None
    best_epoch: int | None = None
    history: tuple[EpochScore, ...] = ()
    num_weights: int | None = None
    seconds: float = 0.0
    peak_memory_mb: float | None = None
    from_start: bool = False
    traceback: str = ""
    epochs: int | None = None
    parent: int | None = None
    first_epoch: int = 1
    half_batch: bool = False
    num_ended_before: int = 0
    end_order: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether a resumed study goes on with it."""
        return self.state in (TrialState.RUNNING, TrialState.INTERRUPTED)

    @property
    def best(self) -> EpochScore | None:
        """The epoch with the best objective, or None when no epoch ended."""
        return next((score for score in self.history if score.epoch == self.best_epoch), None)


class RefitRecord(Record):
    """A finalist that was retrained, and waits to be judged.

    Attributes:
        trial: Number of the trial whose params it has.
        num_weights: Weights of the model.
        seconds: Time that the training took, all sessions together.
        history: One score per epoch.
    """

    schema_version: int = SCHEMA_VERSION
    trial: int
    num_weights: int
    seconds: float
    history: tuple[EpochScore, ...]


class Interval(Record):
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float


class ClassScores(Record):
    """Scores of one class against the rest; None where they are not defined."""

    label: str
    num_images: int
    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None


class SplitScores(Record):
    """Everything measured on one split.

    Attributes:
        split: The split that was predicted.
        num_images: Images in it.
        scores: Point values.
        intervals: Metric name -> value with its 95 % interval.
        classes: One entry per class, in label order.
    """

    split: SplitName
    num_images: int
    scores: Scores
    intervals: dict[str, Interval]
    classes: tuple[ClassScores, ...]


class ConfusionMatrix(Record):
    """Counts of (true label, predicted label): `counts[true][predicted]`."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class RocCurve(Record):
    """One ROC curve, for one class against the rest or averaged.

    Attributes:
        name: A label, or `macro average`, `micro average`.
        kind: `class`, `macro` or `micro`.
        false_positive_rate: Ascending, from 0 to 1.
        true_positive_rate: Same length.
        auc: Area under the curve.
    """

    name: str
    kind: Literal["class", "macro", "micro"]
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    auc: float


class CandidateRecord(Record):
    """A model that was judged at the end.

    Attributes:
        candidate: Its number, 1 for the first; `candidates/01`.
        rank: Place on the leaderboard; by `objective`, never by test.
        kind: `refit`, `folds` or `ensemble`.
        trial: Number of the trial whose params it has.
        objective: The trial's best objective on val.
        train, val: Scores of the trial's model on its train and val splits.
        test: Scores of the candidate's own model on test.
        flops: Floating-point operations of one forward pass of one image.
        latency_ms: Median time to predict one image.
        size_mb: Size of model.keras.
        epochs: Epochs that the refit trained.
        train_seconds: Time that the refit took.
        history: Epochs of the refit.
    """

    schema_version: int = SCHEMA_VERSION
    candidate: int = Field(ge=1)
    rank: int = Field(ge=1)
    kind: Literal["refit", "folds", "ensemble"]
    trial: int
    params: dict[str, ParamValue]
    objective: float
    cv_mean: float | None = None
    cv_sd: float | None = None
    train: SplitScores
    val: SplitScores
    test: SplitScores
    num_weights: int
    flops: int | None
    latency_ms: float | None
    size_mb: float
    epochs: int
    train_seconds: float
    seed: int
    history: tuple[EpochScore, ...] = ()
