"""The state of a training at the end of an epoch, as one file that is whole or absent.

The file is a zip of arrays with a checksum each, so a torn one is noticed before it is used.
"""

import errno
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autocnn.core.archives import BROKEN_ARCHIVE
from autocnn.core.atomic import reading_error, replacing
from autocnn.core.records import EpochScore

Arrays = list[NDArray[Any]]

_FACTS = "facts"


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on after an epoch as if it had never stopped.

    Shuffling, augmentation and dropout derive from the seed and the epoch, so they need
    no state here.

    Attributes:
        history: Scores of the epochs so far.
        best_epoch: Epoch with the best objective.
        weights: Of the model as they stand: one array per variable, in its shape and dtype,
            in the order of `model.get_weights()`.
        optimizer: One array per variable of the optimiser, in the order of
            `optimizer.variables`: its step, moments and averages.
        best_weights: Weights of `best_epoch`, like `weights`.
    """

    history: tuple[EpochScore, ...]
    best_epoch: int
    weights: Arrays
    optimizer: Arrays
    best_weights: Arrays


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in the place of the one before.

    Raises:
        DiskFullError: When the disk is full; the old file stands.
        StudyError: When the folder cannot be written; the old file stands.
    """
    is_best = checkpoint.best_epoch == checkpoint.history[-1].epoch
    groups = {
        "weights": checkpoint.weights,
        "optimizer": checkpoint.optimizer,
        "best_weights": [] if is_best else checkpoint.best_weights,  # else the same as `weights`
    }
    facts = {
        "history": [score.model_dump(mode="json") for score in checkpoint.history],
        "best_epoch": checkpoint.best_epoch,
        "num_arrays": {name: len(values) for name, values in groups.items()},
    }
    arrays: dict[str, NDArray[Any]] = {_FACTS: np.array(json.dumps(facts))}
    for name, values in groups.items():
        arrays |= {f"{name}.{index}": value for index, value in enumerate(values)}
    with replacing(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`, or None when there is none.

    Raises:
        ValueError: When it is torn or no checkpoint.
        StudyError: When it cannot be read, which says nothing about what is in it.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        # A torn file may name a place before its start; of broken bzip2 there is no number.
        if error.errno in (None, errno.EINVAL, errno.EISDIR):
            raise ValueError(f"{path}: must be a whole checkpoint, got: {error}") from error
        raise reading_error(error, path) from error
    except (
        LookupError,
        TypeError,
        ValueError,
        MemoryError,  # a torn header may name an array of any size
        *BROKEN_ARCHIVE,
    ) as error:
        raise ValueError(f"{path}: must be a whole checkpoint, got: {error}") from error


def read_history(path: Path) -> tuple[EpochScore, ...]:
    """The epochs of a checkpoint alone, for who looks on; none where it cannot be read now."""
    try:
        with zipfile.ZipFile(path) as file:
            facts = json.loads(str(_take(file, _FACTS)))
        return tuple(EpochScore.model_validate(score) for score in facts["history"])
    except (OSError, LookupError, TypeError, ValueError, *BROKEN_ARCHIVE):
        return ()


def _take(file: zipfile.ZipFile, name: str) -> NDArray[Any]:
    entry = io.BytesIO(file.read(f"{name}.npy"))  # checks the sum of all of it
    array: NDArray[Any] = np.lib.format.read_array(entry, allow_pickle=False)
    return array


def _read(content: BinaryIO) -> Checkpoint:
    with zipfile.ZipFile(content) as file:
        facts = json.loads(str(_take(file, _FACTS)))
        groups = {
            name: [_take(file, f"{name}.{index}") for index in range(number)]
            for name, number in facts["num_arrays"].items()
        }
    return Checkpoint(
        history=tuple(EpochScore.model_validate(score) for score in facts["history"]),
        best_epoch=facts["best_epoch"],
        weights=groups["weights"],
        optimizer=groups["optimizer"],
        best_weights=groups["best_weights"] or groups["weights"],
    )
