"""Small records that many tests need, and what reads and breaks files."""

import csv
import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

from autocnn.core.records import (
    REFIT,
    CandidateRecord,
    EpochScore,
    Part,
    RetrainedRecord,
    Scores,
    SplitName,
    SplitScores,
    TrialRecord,
    TrialState,
)
from autocnn.storage.checkpoint import Checkpoint


def epoch(number: int = 1) -> EpochScore:
    """An epoch with some of its scores measured."""
    return EpochScore(
        epoch=number,
        train_loss=0.5,
        train=Scores(accuracy=0.75, balanced_accuracy=0.7),
        val=Scores(accuracy=0.5),
        learning_rate=1e-3,
        seconds=1.23456,
    )


def trial(number: int, **changes: Any) -> TrialRecord:
    """A complete trial, or another one with `changes`."""
    facts: dict[str, Any] = {
        "trial": number,
        "state": TrialState.COMPLETE,
        "params": {"family": "resnet", "dropout": 0.1, "weight_averaging": True},
        "objective": 0.5,
        "best_epoch": 1,
        "history": (epoch(),),
        "num_weights": 1000,
        "seconds": 2.00049,
        "peak_memory_mb": 800.5,
    }
    return TrialRecord(**(facts | changes))


def open_trial(number: int, state: TrialState = TrialState.RUNNING) -> TrialRecord:
    """A trial that has begun and not ended."""
    return TrialRecord(trial=number, state=state, params={"family": "plain"}, epochs=4)


def checkpoint(num_epochs: int = 2, *, best_epoch: int = 1, start: float = 0.0) -> Checkpoint:
    """The state after some epochs: arrays of several kinds and shapes, values from `start`."""
    kernel = np.linspace(start, start + 1, 12, dtype=np.float32).reshape(3, 4)
    best = kernel if best_epoch == num_epochs else kernel - 1
    return Checkpoint(
        history=tuple(epoch(number) for number in range(1, num_epochs + 1)),
        best_epoch=best_epoch,
        weights=[kernel, np.arange(3, dtype=np.int64)],
        optimizer=[np.array(17, np.int64), np.array(1 / 3, np.float32), kernel**2],
        best_weights=[best, np.arange(3, dtype=np.int64)],
    )


def split(name: SplitName) -> SplitScores:
    """A split of four images, nothing measured."""
    return SplitScores(split=name, num_images=4, scores=Scores(), intervals={}, classes=())


def candidate(number: int) -> CandidateRecord:
    """A refit of trial 0."""
    return CandidateRecord(
        candidate=number,
        rank=number,
        kind="refit",
        trial=0,
        params={},
        objective=0.5,
        train=split("train"),
        val=split("val"),
        test=split("test"),
        num_weights=5,
        flops=None,
        latency_ms=None,
        size_mb=0.1,
        epochs=2,
        train_seconds=3.0,
        seed=0,
    )


def retrained(trial: int, part: Part = REFIT) -> RetrainedRecord:
    """A trial that was retrained for two epochs."""
    return RetrainedRecord(
        trial=trial,
        fold=part.fold,
        member=part.member,
        epochs=2,
        num_weights=5,
        seconds=3.5,
        history=(epoch(1), epoch(2)),
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


def fail_disk_full(*arguments: object) -> NoReturn:
    """In the place of os.fsync: the disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_optuna_trials(path: Path, name: str) -> "list[FrozenTrial]":
    """The trials in a database, read with Optuna's own functions."""
    import optuna

    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    try:
        return optuna.load_study(study_name=name, storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()
