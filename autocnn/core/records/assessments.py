"""A model on other images than those of its study: what it scores there, and how that compares."""

from typing import Literal

from pydantic import Field

from autocnn.core.records.audit import UnreadableImage
from autocnn.core.records.base import SCHEMA_VERSION, Record
from autocnn.core.records.scores import ConfusionMatrix, Interval, ReliabilityBin, SplitScores
from autocnn.core.records.subgroups import Subgroup


class FigureComparison(Record):
    """A figure on these images beside that of the study's test split.

    Attributes:
        metric: `accuracy`, ...
        study, here: The two, each with its 95 % interval.
        difference: Here minus study; the two sets of images are independent.
        is_told_apart: Whether the interval leaves 0 out.
    """

    metric: str
    study: Interval
    here: Interval
    difference: Interval
    is_told_apart: bool


class CheckedCondition(Record):
    """A condition that somebody set, and what was found.

    Attributes:
        condition: As it was written: `clean accuracy low >= 0.93`.
        found: What was compared; None where it was not measured.
        interval: The figure that it belongs to, with its 95 % interval.
        holds: Whether the condition does; not where nothing was measured.
        reason: Why nothing was measured; else empty.
    """

    condition: str
    found: float | None
    interval: Interval | None = None
    holds: bool
    reason: str = ""


class Assessment(Record):
    """metrics.json of `autocnn evaluate`.

    Attributes:
        model: MODEL as it was given.
        study, candidate: Where the model comes from.
        data: DATA as it was given.
        split: Whether all of it was scored, or its test split alone.
        missing_classes: Classes of the model without an image here.
        unreadable: Images that were left out.
        num_unlike: Scored images that are unlike the training images; None where the model
            cannot say.
        num_seen: Scored images that are copies of the study's train or val images, or of a group
            with one; None for an exported model, which does not know them.
        num_near: How many of them are near copies, and no byte copies; None where only byte copies
            were looked for.
        num_kin: How many of them are no copies, but of such a group; None in older records.
        num_own_test: Scored images that are byte copies of its test images.
        scores: On all scored images, under the name `test`.
        unseen: The same without `num_seen`, as `test_clean`; None where none or all are seen.
        confusion: Of all scored images.
        bins: Of their top probability.
        compared_with: What of the study is compared: test without copies where it has one.
        comparisons: Of `unseen`, or else `scores`; empty where all images were seen.
        subgroups: Scores of each value of the columns that were asked for, of `unseen`, or else
            `scores`.
        conditions: Those that were asked for.
        sentences: What all this means, in words.
    """

    schema_version: int = SCHEMA_VERSION
    model: str
    study: str
    candidate: int = Field(ge=1)
    data: str
    split: Literal["all", "test"]
    missing_classes: tuple[str, ...] = ()
    unreadable: tuple[UnreadableImage, ...] = ()
    num_unlike: int | None = None
    num_seen: int | None = None
    num_near: int | None = None
    num_kin: int | None = None
    num_own_test: int | None = None
    scores: SplitScores
    unseen: SplitScores | None = None
    confusion: ConfusionMatrix
    bins: tuple[ReliabilityBin, ...]
    compared_with: Literal["test", "test_clean"] | None = None
    comparisons: tuple[FigureComparison, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    conditions: tuple[CheckedCondition, ...] = ()
    sentences: tuple[str, ...] = ()
