"""Trials: how they were trained and how they ended."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from autocnn.core.records.base import SCHEMA_VERSION, Fold, ParamValue, Record
from autocnn.core.records.scores import Scores

_REASON_OF_A_CUT = "stopped early: the time left is for the finalists"
"""How the records of 0.1 told a trial that the budget ended from one that was pruned."""

_REASON_OF_DIVERGENCE = "diverged: "
"""How they told that a loss was no number."""


class TrialState(StrEnum):
    """How a trial stands or ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    """Ended after an epoch, since it was behind the others."""

    CUT = "cut"
    """Ended after an epoch, since the time of the search was over, or not enough for it."""

    FAILED = "failed"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"
    INTERRUPTED = "interrupted"
    RUNNING = "running"

    @property
    def is_fault(self) -> bool:
        """Whether a trial ended without having been told to, and before its last epoch."""
        return self in (TrialState.FAILED, TrialState.OUT_OF_MEMORY, TrialState.TIMED_OUT)

    @property
    def is_scored(self) -> bool:
        """Whether the scores of a trial that ended so are as good as any: no fault ended it."""
        return self in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.CUT)


class EpochScore(Record):
    """One trained epoch of a trial.

    Attributes:
        epoch: 1 for the first.
        train_loss: Mean loss over the epoch's augmented batches, as optimised.
        train: Scores on a fixed sample of train images, not augmented, with the
            weights of the end of the epoch.
        val: Scores on the whole val split with the same weights; all None in a
            refit, which has no val split.
        learning_rate: Learning rate after its last step: 0 at the end of a schedule that falls.
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
        is_diverged: Whether it failed since its loss was no longer a number.
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
    is_diverged: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read_reason(cls, data: Any) -> Any:
        """Older records said in their reason alone what is a state or a field now."""
        if not isinstance(data, dict):
            return data
        state, reason = data.get("state"), str(data.get("reason", ""))
        if state == TrialState.PRUNED and reason.startswith(_REASON_OF_A_CUT):
            return data | {"state": TrialState.CUT}
        if state == TrialState.FAILED and reason.startswith(_REASON_OF_DIVERGENCE):
            return {"is_diverged": True} | data
        return data

    @property
    def may_win(self) -> bool:
        """Whether it may become a finalist: only its last epoch or the budget ended it."""
        return self.state in (TrialState.COMPLETE, TrialState.CUT)

    @property
    def is_fault_of_params(self) -> bool:
        """Whether it ended in a fault that other params can be spared: the sampler learns it.

        A process that was killed, or a bug, says nothing about the params.
        """
        return self.is_diverged or self.state in (TrialState.OUT_OF_MEMORY, TrialState.TIMED_OUT)

    @property
    def is_open(self) -> bool:
        """Whether a resumed study goes on with it."""
        return self.state in (TrialState.RUNNING, TrialState.INTERRUPTED)

    @property
    def best(self) -> EpochScore | None:
        """The epoch with the best objective, or None when no epoch ended."""
        return next((score for score in self.history if score.epoch == self.best_epoch), None)

    @property
    def refit_epochs(self) -> int:
        """Epochs that a training with its params spans, 1 at least: docs/decisions/0037.

        Those of its schedule. Of a trial that ended before, no more is known than its best epoch.
        """
        is_whole = bool(self.history) and self.history[-1].epoch == self.epochs
        return (self.epochs if is_whole else self.best_epoch) or 1


@dataclass(frozen=True)
class Part:
    """Which of a finalist's models: what it learns from, and with which seed.

    Attributes:
        fold: The fold that it has not seen, 1 for the first; None: it is no model of a fold.
        member: Number of a refit, which has seen all, among those that are averaged, each with
            another seed; 0: the trial's own model, which has seen train alone.

    >>> [part.name for part in (Part(), Part(member=2), Part(member=0), Part(fold=1))]
    ['refit', 'refit-2', 'own', 'fold-1']
    """

    fold: int | None = None
    member: int = 1

    @property
    def name(self) -> str:
        """Of its folder."""
        if self.fold is not None:
            return f"fold-{self.fold}"
        return {0: "own", 1: "refit"}.get(self.member, f"refit-{self.member}")

    @property
    def is_refit(self) -> bool:
        """Whether it learns from all of train + val."""
        return self.fold is None and self.member > 0


REFIT = Part()
"""The first refit of a finalist."""

OWN = Part(member=0)
"""The model of the trial itself."""


class RetrainedRecord(Record):
    """A finalist that was retrained, on train + val or without one fold, and waits to be judged.

    Attributes:
        trial: Number of the trial whose params it has.
        fold, member: As of `Part`.
        epochs: Epochs that it was to train; fewer were when the budget ended.
        num_weights: Weights of the model.
        seconds: Time that the training took, all sessions together.
        history: One score per epoch.
        half_batch: True when it was trained with half the batch that the params say.
        rows_digest: Of the images that it learned from; empty in older studies.
    """

    schema_version: int = SCHEMA_VERSION
    trial: int
    fold: Fold = None
    member: int = 1
    epochs: int
    num_weights: int
    seconds: float
    history: tuple[EpochScore, ...]
    half_batch: bool = False
    rows_digest: str = ""

    @property
    def part(self) -> Part:
        """Which of the finalist's models it is."""
        return Part(self.fold, self.member)
