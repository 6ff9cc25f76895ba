"""What the end of a study works on: the finalists, the folds, and how they are trained."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Literal, TypeVar

import numpy as np

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.config import Prefer
from autocnn.core.errors import DataError
from autocnn.core.events import Interruption
from autocnn.core.objective import Goal
from autocnn.core.own_model import OwnModel
from autocnn.core.records import OWN, REFIT, Part, RetrainedRecord, TrialRecord, TrialState
from autocnn.data import Dataset
from autocnn.data.split import make_folds
from autocnn.execution.runner import Stop
from autocnn.execution.tasks import Images
from autocnn.metrics.robustness import choose_sample
from autocnn.spaces.knobs import image_size_of
from autocnn.tuning.budget import Budget

LATE = 2
"""A refit that is late by so many times what it was to take is ended."""

SeenSet = Literal["train", "val", "folds"]
"""What a finalist predicts before the test split is opened."""


K = TypeVar("K")
V = TypeVar("V")


class OnDemand(Mapping[K, V]):
    """Values that are made each time that they are asked for, and are not kept.

    The probabilities of 100,000 images in 1,000 classes are 400 MB: of several models, those of
    one are in memory at a time.

    Args:
        make: What makes each value.

    >>> squares = OnDemand({2: lambda: 4, 3: lambda: 9})
    >>> squares[3], 2 in squares, list(squares)
    (9, True, [2, 3])
    """

    def __init__(self, make: Mapping[K, Callable[[], V]]) -> None:
        self._make = make

    def __getitem__(self, key: K) -> V:
        return self._make[key]()

    def __contains__(self, key: object) -> bool:
        return key in self._make

    def __iter__(self) -> Iterator[K]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)


@dataclass(frozen=True, eq=False)
class Finalist:
    """A trial that is retrained.

    Attributes:
        trial: The trial.
        epochs: Epochs to retrain, those of the trial or up to a quarter fewer; None: there is no
            time for it, and the trial's own model stands in the place of the refit.
        is_default: Whether its params are the space's default configuration.
        records: Of its models: refits, which have seen all of train + val, those of the folds, and
            the trial's own, which has seen train alone, where it is averaged or stands in the
            place of a refit. Empty until `retrain` has made them.
        predictions: Probabilities, (images, classes): `train` and `val` by the trial's own
            model, which has seen train; `folds` by its fold models, each image by the one that
            has not seen it, fold after fold, and none without folds. Empty until `judge`.
    """

    trial: TrialRecord
    epochs: int | None
    is_default: bool = False
    records: Mapping[Part, RetrainedRecord] = field(default_factory=dict)
    predictions: Mapping[SeenSet, FloatArray] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Of its trial."""
        return self.trial.trial

    @property
    def is_retrained(self) -> bool:
        """Whether it has a refit."""
        return REFIT in self.records

    @property
    def refit(self) -> RetrainedRecord:
        """Record of the first refit, or of the trial's own model in its place."""
        return self.records[REFIT if self.is_retrained else OWN]

    @property
    def members(self) -> list[Part]:
        """What is averaged: its refits, each with another seed, and the trial's own model.

        In the order of their numbers, whichever ended first: an average sums in order.
        """
        return sorted(
            (part for part in self.records if part.fold is None), key=attrgetter("member")
        )

    @property
    def fold_models(self) -> list[Part]:
        """Its models of the folds."""
        return [part for part in self.records if part.fold is not None]

    @property
    def num_weights(self) -> int:
        """Weights of one of its models."""
        return self.refit.num_weights


@dataclass(frozen=True, eq=False)
class Fold:
    """A part of train that some models do not see.

    Attributes:
        number: 1 for the first, through all repeats.
        train: Rows of the decoded arrays to train on: the rest of train, and val.
        held_out: Rows of the part.
    """

    number: int
    train: IntArray
    held_out: IntArray


@dataclass(frozen=True, eq=False)
class Held:
    """What finalists are compared on.

    Attributes:
        val_labels: (val images,) true classes.
        labels: (m,) true classes of what the folds hold out, fold after fold; empty without.
        groups: (m,) images of one group are copies of each other, or of one patient.
        fold_sizes: Images held out by each fold; they add up to m.
    """

    val_labels: IntArray
    labels: IntArray
    groups: IntArray
    fold_sizes: tuple[int, ...]

    def parts(self) -> list[slice]:
        """What each fold holds out, as a part of `labels`."""
        ends = np.cumsum(self.fold_sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.fold_sizes, strict=True)]


@dataclass(frozen=True)
class FinalistsPlan:
    """How finalists are retrained and judged.

    Attributes:
        dataset: Images and splits.
        finalists: Best first.
        folds: On which they are compared; empty where there is no time for any.
        goal: Objective.
        seed: Study seed.
        workers: Models at once.
        threads: Threads per model.
        precision: Keras dtype policy of the training.
        weights: Pretrained weights, for that family.
        deterministic: Whether only operations with reproducible results may be used.
        budget: The time that there is; training is cut at its end.
        interruption: Looked at after every epoch.
        prefer: Which candidate is chosen.
        own_model: Of networks of the user's own; None: autocnn's.
        trial_timeout_s: Seconds that a trial could take; None: no limit.
        save_progress: Called often, to note how far the study is.
        check_disk: Called often, to stop before the disk is full.
    """

    dataset: Dataset
    finalists: tuple[Finalist, ...]
    folds: tuple[Fold, ...]
    goal: Goal
    seed: int
    workers: int
    threads: int
    precision: str
    weights: str
    deterministic: bool
    budget: Budget
    interruption: Interruption
    prefer: Prefer = "score"
    own_model: OwnModel | None = None
    trial_timeout_s: float | None = None
    save_progress: Callable[[], None] = lambda: None
    check_disk: Callable[[], None] = lambda: None

    def images_of(self, trial: TrialRecord) -> Images:
        """The images at the size of a trial's params."""
        return study_images(self.dataset, image_size_of(trial.params))

    def largest_images(self, finalists: Iterable[Finalist]) -> Images:
        """The images at the largest size that one of these takes."""
        every = [self.images_of(finalist.trial) for finalist in finalists]
        return max(every, key=lambda images: images.open().shape[1])

    @property
    def judged(self) -> IntArray:
        """Positions in the test split of the images that speak for a candidate.

        Those without a copy in train or val; all of test where none is left.
        """
        is_clean = self.dataset.is_clean_test[self.dataset.positions("test")]
        return np.flatnonzero(is_clean if is_clean.any() else ~is_clean)

    def sample(self, number: int) -> IntArray:
        """So many of the judged images, as positions in the test split, alike from each class."""
        dataset, judged = self.dataset, self.judged
        labels = dataset.labels[dataset.indices("test")][judged]
        return judged[choose_sample(labels, number, seed=self.seed)]

    @property
    def num_repeats(self) -> int:
        """Times that the folds hold each image of train out; 1 without folds."""
        number = sum(len(fold.held_out) for fold in self.folds)
        return max(1, number // len(self.dataset.indices("train")))

    def held(self) -> Held:
        """What the finalists are compared on: val, and what the folds hold out."""
        dataset = self.dataset
        rows = [fold.held_out for fold in self.folds]
        stacked = np.concatenate(rows) if rows else dataset.indices("val")[:0]
        return Held(
            val_labels=dataset.labels[dataset.indices("val")],
            labels=dataset.labels[stacked],
            groups=dataset.bundles[dataset.position_of[stacked]],
            fold_sizes=tuple(len(part) for part in rows),
        )

    def timeout_s(self, trial: TrialRecord, num_images: int) -> float | None:
        """Seconds that training a finalist again on so many images may take; None: no limit.

        A trial's limit, or what the trial took if that was more (it was resumed, then), for
        as many more images as there are. With a budget, what has not ended an epoch long after
        it is over hangs.
        """
        limits = []
        if self.trial_timeout_s is not None:
            more = max(1.0, num_images / len(self.dataset.indices("train")))
            limits.append(more * max(self.trial_timeout_s, trial.seconds))
        if self.budget.total_s is not None:
            limits.append(
                max(0.0, self.budget.left_s) + LATE * self.budget.refit_s(trial, trial.refit_epochs)
            )
        return min(limits, default=None)

    def compared_on(self, finalists: Sequence[Finalist]) -> "FinalistsPlan":
        """The plan without folds where one of these finalists has no models of them."""
        parts = {Part(fold.number) for fold in self.folds}
        is_whole = all(parts <= set(finalist.records) for finalist in finalists)
        return self if is_whole else replace(self, folds=())

    def find_stop(self) -> Stop | None:
        """Why the training must end now; None while there is time."""
        trials = [finalist.trial for finalist in self.finalists]
        if self.budget.is_time_to_judge(trials, len(self.folds)):
            return Stop(TrialState.CUT, "the time left is for the judging")
        return None


def study_images(dataset: Dataset, image_size: int | None) -> Images:
    """The decoded images of a size as workers open them; None: of the default size."""
    arrays = dataset.images(image_size)
    return Images(arrays.path, dataset.labels, dataset.num_classes)


def cut_folds(dataset: Dataset, num_folds: int, *, repeats: int, seed: int) -> tuple[Fold, ...]:
    """Cut train into stratified folds, copies and groups kept whole; val is always trained on.

    By val the finalists were chosen, so they look better on it than on new images: it is no
    evidence, and is not held out.

    Where a class has too few different images for so many folds, there are fewer; where it
    has one, there are none.

    Args:
        dataset: Images, labels, bundles.
        num_folds: 0 for none.
        repeats: Times that it is cut anew.
        seed: Study seed.
    """
    train = dataset.positions("train")
    for number in range(num_folds, 1, -1):
        try:
            cuts = [
                make_folds(
                    dataset.table.labels[train],
                    dataset.bundles[train],
                    num_folds=number,
                    seed=seed + repeat,
                )
                for repeat in range(repeats)
            ]
        except DataError:
            continue
        parts = [train[cut == part] for cut in cuts for part in range(number)]
        return tuple(make_fold(dataset, index, part) for index, part in enumerate(parts, start=1))
    return ()


def make_fold(dataset: Dataset, number: int, held_out: IntArray) -> Fold:
    """The fold that holds out some images of train, and learns from none of their bundles.

    Args:
        dataset: Images, bundles.
        number: Of the fold.
        held_out: Positions in the table.
    """
    others = np.union1d(dataset.positions("train"), dataset.positions("val"))
    others = others[~np.isin(dataset.bundles[others], dataset.bundles[held_out])]
    return Fold(number, train=dataset.rows[others], held_out=dataset.rows[held_out])
