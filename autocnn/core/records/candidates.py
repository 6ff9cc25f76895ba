"""Candidates: everything that was measured on a model at the end."""

from typing import Literal, Self

from pydantic import Field, model_validator

from autocnn.core.records.base import SCHEMA_VERSION, Fold, ParamValue, Record
from autocnn.core.records.scores import Calibration, Interval, ScoredSet, SplitScores
from autocnn.core.records.subgroups import Subgroup
from autocnn.core.records.trials import EpochScore

CandidateKind = Literal["refit", "refits", "trial", "folds", "ensemble"]
"""The params of a trial trained on train + val; the mean of such refits, each with another seed,
and of the trial's own model where they are few; that alone, where there was no time for a refit;
the mean of its fold models; the weighted mean of such models of several trials."""


class Member(Record):
    """A model inside a candidate that averages several.

    Attributes:
        trial: The trial whose params it has.
        fold: The fold that it has not seen; None: it is no model of a fold.
        member: Number of a refit among those of its trial; 0: the trial's own model.
        weight: Its share of the average; those of all members add up to 1.
    """

    trial: int
    fold: Fold
    member: int = 1
    weight: float


GapCause = Literal[
    "overfitting",
    "luck",
    "luck or less training",
    "luck or shift",
    "shift",
    "leakage or shift",
    "class mix",
]


class GapStep(Record):
    """Accuracy on one set, on the way from train to clean test."""

    scored: ScoredSet
    num_images: int
    accuracy: Interval


class GapLoss(Record):
    """What is lost from one set to the next: positive when the second is the harder one.

    Attributes:
        start, end: The sets.
        loss: Difference of the accuracies, with its 95 % interval.
        cause: What such a loss means: `overfitting` (train to val), `luck` or `luck or less
            training` (val to folds), `luck or shift` (val to test, without folds), `shift` (folds
            to test; `leakage or shift` in older studies), `class mix`: the end holds other
            shares of the classes, and that explains it.
        mix: What that mix alone would lose: how much worse the start would be if its images
            were mixed as those of the end, class by class as often right as they are.
        is_real: Whether the interval leaves 0 out on the losing side.
    """

    start: ScoredSet
    end: ScoredSet
    loss: Interval
    cause: GapCause
    mix: float = 0.0
    is_real: bool


class Gap(Record):
    """The gap between train and test, taken apart.

    Attributes:
        steps: train, val, folds (where there are any), test_clean (test, where it is clean).
        losses: One per pair of neighbours.
        sentence: Which step loses most, and what that means.
    """

    steps: tuple[GapStep, ...]
    losses: tuple[GapLoss, ...]
    sentence: str


class Comparison(Record):
    """A candidate against another one, on the same test images.

    Attributes:
        other: Number of the other candidate.
        metric: What is compared: a field of `Scores`.
        difference: The metric of this one minus the other's, with the interval of the paired
            bootstrap by group, such that those of all comparisons hold together with 95 %.
        p_value: The larger one of a permutation test by group and of the interval, times the
            number of comparisons (in studies before 0.2 McNemar's, of one).
        is_told_apart: Whether the interval leaves 0 out.
    """

    other: int
    metric: str = "accuracy"
    difference: Interval
    p_value: float
    is_told_apart: bool


class Corruption(Record):
    """Accuracy under one disturbance of the images.

    Attributes:
        name: `noise`, `blur`, `jpeg`, ...
        strength: 1, 2 or 3.
        setting: What was done, in words: `sigma 13 of 255`.
        accuracy: On the disturbed images.
        drop: Accuracy on the same images undisturbed, minus this one.
    """

    name: str
    strength: int
    setting: str
    accuracy: float
    drop: float


class Robustness(Record):
    """How a candidate stands disturbed images.

    Attributes:
        num_images: Test images that were disturbed.
        accuracy: On them, undisturbed.
        mean_drop: Mean of the drops over all disturbances and strengths.
        corruptions: One per disturbance and strength.
    """

    num_images: int
    accuracy: float
    mean_drop: float
    corruptions: tuple[Corruption, ...]


class ExplainedImage(Record):
    """A test image with the map of what the model looked at.

    Attributes:
        path: Of the image.
        label, predicted: True and predicted class.
        probability: Of the predicted class.
        is_right: Whether they agree.
        border_share: Share of the attention on the border.
        picture: File beside candidate.json: the image, and the map over it.
    """

    path: str
    label: str
    predicted: str
    probability: float
    is_right: bool
    border_share: float
    picture: str


class AugmentedImage(Record):
    """A training image, and what augmentation makes of it.

    Attributes:
        path, label: Of the image.
        picture: File beside candidate.json: the image as it is.
        versions: Further files: what the network may see in its place.
    """

    path: str
    label: str
    picture: str
    versions: tuple[str, ...]


class Explanation(Record):
    """Where a candidate looks: Grad-CAM as a check.

    Attributes:
        num_images: Test images, right and wrong ones of each class.
        border_share: Mean share of the attention on the border.
        border_area: Share of the image that the border is: what no preference would give.
        outside_share: Mean share of the attention outside the object; None where no object
            stands out from its background.
        outside_area: Share of the images that is outside the object.
        randomized_similarity: Mean rank correlation of the maps with those of the same network
            with random weights; near 1 the maps do not depend on what was learned.
        agreement: Mean rank correlation with the maps of the other candidates; None for one.
        warnings: What looks wrong, one sentence each.
        images: The right and the worst wrong images, with their pictures.
    """

    num_images: int
    border_share: float
    border_area: float
    outside_share: float | None
    outside_area: float | None
    randomized_similarity: float
    agreement: float | None
    warnings: tuple[str, ...]
    images: tuple[ExplainedImage, ...]


class CandidateRecord(Record):
    """A model that was judged at the end.

    Attributes:
        candidate: Its number, 1 for the first; `candidates/01`.
        rank: Place on the leaderboard; by folds or val, never by test.
        kind: `refit`, `refits`, `trial`, `folds` or `ensemble`; see `CandidateKind`.
        trial: Number of the trial whose params it has; of the member that weighs most.
        members: The models that it averages; empty for a single one.
        params: Of that trial.
        builder: Short name of the user's own model; None: autocnn's networks.
        is_default: Whether that trial is the space's default configuration.
        objective: The trial's best objective on val.
        cv_mean, cv_sd: Mean and standard deviation of the objective over the folds.
        fold_scores: The objective on each fold.
        train, val: Scores of the trial's model on its train and val splits.
        folds: Scores on all images of train, out of fold; None without folds.
        test: Scores of the candidate's own model on test.
        test_clean: The same without images that have a copy in train or val; None where none
            has, and `test` is all clean, or where all have.
        checked_on: What its pictures, calibration, comparisons, disturbances and maps are of: the
            same as `judged`; in older studies all of test.
        num_test_clean: Test images without such a copy; None in older studies.
        gap: Where accuracy is lost between train and test.
        calibration: Temperature, and what it did; None where it could not be fitted.
        comparisons: With the candidates of better rank.
        tied_with: The best candidate that test cannot distinguish from it; None for that one.
        robustness, explanation: None where they were not asked for; explanation also where a
            model of the user's own has layers that Grad-CAM cannot open.
        augmented: Some training images under the augmentation of its params; none in older
            studies, and where the params ask for none.
        subgroups: Scores of each value of the columns that were asked for, on the same images as
            `judged`; of the chosen candidate only.
        image_size: Side of the square images that the model takes, px; None: of the data's.
        num_weights: Of the whole model.
        flops: Floating-point operations of one forward pass of one image.
        latency_ms: Median time to predict one image, while other candidates may be judged on the
            other processors.
        size_mb: Size of model.keras.
        epochs: Epochs that its models trained, each.
        train_seconds: Time that they took, together.
        history: Epochs of the refit; empty where there are several, or none.
    """

    schema_version: int = SCHEMA_VERSION
    candidate: int = Field(ge=1)
    rank: int = Field(ge=1)
    kind: CandidateKind
    trial: int
    members: tuple[Member, ...] = ()
    params: dict[str, ParamValue]
    builder: str | None = None
    is_default: bool = False
    objective: float
    cv_mean: float | None = None
    cv_sd: float | None = None
    fold_scores: tuple[float, ...] = ()
    train: SplitScores
    val: SplitScores
    folds: SplitScores | None = None
    test: SplitScores
    test_clean: SplitScores | None = None
    checked_on: Literal["test", "test_clean"] = "test"
    num_test_clean: int | None = None
    gap: Gap | None = None
    calibration: Calibration | None = None
    comparisons: tuple[Comparison, ...] = ()
    tied_with: int | None = None
    robustness: Robustness | None = None
    explanation: Explanation | None = None
    augmented: tuple[AugmentedImage, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    image_size: int | None = None
    num_weights: int
    flops: int | None
    latency_ms: float | None
    size_mb: float
    epochs: int
    train_seconds: float
    seed: int
    history: tuple[EpochScore, ...] = ()

    @model_validator(mode="after")
    def _has_one_test_figure(self) -> Self:
        """Older studies gave the scores of a test split without copies twice."""
        if self.num_test_clean is None:
            clean = self.test_clean.num_images if self.test_clean else 0
            object.__setattr__(self, "num_test_clean", clean)
            if clean == self.test.num_images:
                object.__setattr__(self, "test_clean", None)
        return self

    @property
    def judged(self) -> SplitScores:
        """Its scores on clean test, or on test where that is the same or empty."""
        return self.test_clean or self.test

    @property
    def checked(self) -> SplitScores:
        """Its scores on what its pictures and checks are of."""
        clean = self.test_clean if self.checked_on == "test_clean" else None
        return clean or self.test
