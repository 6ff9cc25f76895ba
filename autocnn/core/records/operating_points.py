"""An operating point: the threshold at which a model decides, and what holds there."""

from typing import Literal

from pydantic import Field

from autocnn.core.records.base import Record
from autocnn.core.records.scores import Interval

TargetMetric = Literal["sensitivity", "specificity", "precision", "answered"]


class OperatingPoint(Record):
    """A threshold that was chosen for a target, and what it is worth.

    With a class, an image is taken for that class where its probability is at least the
    threshold, else for the most probable of the others. Without one (`answered`), an answer
    counts where the largest probability is at least the threshold.

    Attributes:
        target: What was asked for, as `sensitivity of malignant >= 0.95`.
        metric, label, least: The same in parts; label is None for `answered`.
        threshold: Chosen on predictions of images that the model had not seen, never of test.
        candidate: Number of the candidate.
        chosen_on: `folds` or `val`: where these predictions come from.
        chosen: Name -> value on them.
        judged_on: What it was then measured on.
        num_judged: Images of that.
        judged: Name -> value with its 95 % interval, by group. With a class: sensitivity,
            specificity, and where they are defined ppv and npv; without: answered, and accuracy
            of the answers.
        counts: Of `judged_on`: true_positives, false_negatives, false_positives, true_negatives;
            or answered, right.
        prevalence: Share of the class that ppv and npv hold for; None without a class.
        is_prevalence_stated: Whether somebody stated it; else it is the share in `judged_on`.
    """

    target: str
    metric: TargetMetric
    label: str | None = None
    least: float
    threshold: float
    candidate: int = Field(ge=1)
    chosen_on: Literal["folds", "val"]
    chosen: dict[str, Interval]
    judged_on: Literal["test", "test_clean"]
    num_judged: int
    judged: dict[str, Interval]
    counts: dict[str, int]
    prevalence: float | None = None
    is_prevalence_stated: bool = False
