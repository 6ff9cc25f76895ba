"""How well a model does on the images of each value of a column."""

from typing import Literal

from autocnn.core.records.base import Record
from autocnn.core.records.scores import Interval

SHOWN = ("accuracy", "balanced_accuracy", "macro_auc")
"""Scores of each subgroup."""


class Subgroup(Record):
    """The images that have one value in a column of the table.

    Attributes:
        column, value: Which; `missing` where the cell says nothing.
        num_images: Scored images.
        scores: Accuracy, balanced accuracy and macro AUC, each with its 95 % interval; those that
            are not defined are absent.
        others: Accuracy of the other images, if their classes were mixed as in this subgroup, with
            its interval; None where there are none of these classes.
        difference: Accuracy of the subgroup less that; None likewise.
        p_value: Of the difference, corrected for the number of values that are compared (Holm);
            None where the subgroup is too small.
        verdict: What the corrected p-value shows at 0.05.
    """

    column: str
    value: str
    num_images: int
    scores: dict[str, Interval]
    others: Interval | None = None
    difference: Interval | None = None
    p_value: float | None = None
    verdict: Literal["worse", "better", "no difference shown", "too few images"]
