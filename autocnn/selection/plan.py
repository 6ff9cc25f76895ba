"""What the end of a study works on: the finalists, the folds, and how they are trained."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autocnn.core.arrays import IntArray
from autocnn.core.errors import DataError
from autocnn.core.events import Interruption
from autocnn.core.objective import Goal
from autocnn.core.own_model import OwnModel
from autocnn.core.records import TrialRecord
from autocnn.data import Dataset
from autocnn.data.split import make_folds
from autocnn.execution.tasks import Images
from autocnn.tuning.budget import Budget


@dataclass(frozen=True)
class Finalist:
    """A trial that is retrained.

    Attributes:
        trial: The trial.
        epochs: Epochs to retrain; its best epoch, or fewer when time is short.
    """

    trial: TrialRecord
    epochs: int


@dataclass(frozen=True, eq=False)
class Fold:
    """A part of train + val that some models do not see.

    Attributes:
        number: 1 for the first, through all repeats.
        train: Rows of the decoded arrays to train on.
        held_out: The other rows of train + val.
    """

    number: int
    train: IntArray
    held_out: IntArray


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
        own_model: Of networks of the user's own; None: autocnn's.
        save_progress: Called often, to note how far the study is.
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
    own_model: OwnModel | None = None
    save_progress: Callable[[], None] = lambda: None

    def images_of(self, trial: TrialRecord) -> Images:
        """The images at the size of a trial's params."""
        return study_images(self.dataset, int(trial.params.get("image_size", 0)))

    def is_time_to_judge(self) -> bool:
        """Whether the training must end now."""
        trials = [finalist.trial for finalist in self.finalists]
        return self.budget.is_time_to_judge(trials, len(self.folds))


def study_images(dataset: Dataset, image_size: int) -> Images:
    """The decoded images of a size as workers open them."""
    arrays = dataset.images(image_size)
    return Images(arrays.path, dataset.labels, dataset.num_classes)


def cut_folds(dataset: Dataset, num_folds: int, *, repeats: int, seed: int) -> tuple[Fold, ...]:
    """Cut train + val into stratified folds, copies and groups kept whole.

    Where a class has too few different images for so many folds, there are fewer; where it
    has one, there are none.

    Args:
        dataset: Images, labels, bundles.
        num_folds: 0 for none.
        repeats: Times that it is cut anew.
        seed: Study seed.
    """
    positions = np.sort(np.concatenate([dataset.positions("train"), dataset.positions("val")]))
    labels, bundles = dataset.table.labels[positions], dataset.bundles[positions]
    for number in range(num_folds, 1, -1):
        try:
            cuts = [
                make_folds(labels, bundles, num_folds=number, seed=seed + repeat)
                for repeat in range(repeats)
            ]
        except DataError:
            continue
        rows = dataset.rows[positions]
        parts = [(cut, part) for cut in cuts for part in range(number)]
        return tuple(
            Fold(index, train=rows[cut != part], held_out=rows[cut == part])
            for index, (cut, part) in enumerate(parts, start=1)
        )
    return ()
