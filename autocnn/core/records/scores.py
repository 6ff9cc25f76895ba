"""How good predictions are: scores, intervals, curves, calibration."""

from typing import Literal

from pydantic import Field

from autocnn.core.records.base import Record


class Scores(Record):
    """How well predicted probabilities fit the labels of one split.

    Every field is None where it was not measured; `macro_auc` is also None when
    a class has no image in the split, `mcc` when all images are of one class, `kappa` when they
    are taken for it, too. Older records have neither `kappa` nor `mcc`. `own` is the study's
    objective where that is none of the others: a rate at another rate, or a function.
    """

    accuracy: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    macro_auc: float | None = None
    kappa: float | None = None
    mcc: float | None = None
    log_loss: float | None = None
    ece: float | None = None
    own: float | None = None

    def of(self, objective: str) -> float | None:
        """The value of an objective, however it is written.

        >>> Scores(mcc=0.5, own=0.25).of("costs.py:cost")
        0.25
        """
        value: float | None = getattr(self, field_of(objective))
        return value


def field_of(objective: str) -> str:
    """The field of `Scores` that holds an objective, and the name of its interval."""
    return objective if objective in Scores.model_fields else "own"


class Interval(Record):
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float


ScoredSet = Literal["train", "val", "folds", "test", "test_clean"]
"""What predictions are scored on: a split; `folds`, all images of train, each
predicted by the fold model that has not seen it; `test_clean`, test without copies."""


class ClassScores(Record):
    """Scores of one class against the rest; None where they are not defined.

    `recall` is the sensitivity. `intervals` holds the 95 % interval of each score by name.
    `num_independent` is how many independent images its groups are worth; None in older records.
    """

    label: str
    num_images: int
    num_independent: float | None = None
    precision: float | None
    recall: float | None
    specificity: float | None = None
    f1: float | None
    auc: float | None
    intervals: dict[str, Interval] = Field(default_factory=dict)


class SplitScores(Record):
    """Everything measured on one split.

    Attributes:
        split: What was predicted.
        num_images: Images in it.
        num_independent: How many independent ones their groups are worth; None in older records.
        scores: Point values.
        intervals: Metric name -> value with its 95 % interval.
        classes: One entry per class, in label order.
    """

    split: ScoredSet
    num_images: int
    num_independent: float | None = None
    scores: Scores
    intervals: dict[str, Interval]
    classes: tuple[ClassScores, ...]

    def interval_of(self, objective: str) -> Interval | None:
        """The interval of an objective, however it is written."""
        return self.intervals.get(field_of(objective))


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


class PrCurve(Record):
    """The precision-recall curve of one class against the rest.

    Attributes:
        name: A label.
        recall: Ascending, from 0 to 1.
        precision: Same length.
        average_precision: Area under the steps of the curve.
        share: Fraction of the images that are of the class: the precision of guessing.
    """

    name: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    average_precision: float
    share: float


class ReliabilityBin(Record):
    """Images whose top probability is in (low, high]; None where there are none.

    Attributes:
        confidence: Mean top probability.
        accuracy: Fraction that is right, with its 95 % interval.
    """

    low: float
    high: float
    num_images: int
    confidence: float | None
    accuracy: Interval | None


class CalibrationScores(Record):
    """How far probabilities can be taken at their word: calibration error and log loss."""

    ece: float
    log_loss: float


class Calibration(Record):
    """The temperature of a model, and what it did.

    Attributes:
        temperature: Logits are divided by it; above 1 the model was too sure. It is in the
            model: its probabilities are those after.
        fitted_on: `folds`: out-of-fold predictions; `val`: the trial's, in a study without
            folds.
        num_images: Images that it was fitted on.
        sharpening: What it is multiplied by in a mean of several models, which is right more often
            than it says, where fewer have predicted each of those images; 1 of a single one.
        fitted_before, fitted_after: Scores on those images.
        test_before, test_after: Scores on test.
        bins: Reliability on test, after.
    """

    temperature: float = Field(gt=0)
    fitted_on: Literal["folds", "val"]
    num_images: int
    sharpening: float = 1.0
    fitted_before: CalibrationScores
    fitted_after: CalibrationScores
    test_before: CalibrationScores
    test_after: CalibrationScores
    bins: tuple[ReliabilityBin, ...]
