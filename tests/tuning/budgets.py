"""Trials of known seconds, and budgets with a clock that a test sets."""

from collections.abc import Sequence

from autocnn.core.records import EpochScore, TrialRecord, TrialState
from autocnn.tuning.budget import Budget, Pace, Shortlist

INFINITY = float("inf")


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def trial(
    number: int = 0, *, epochs: int = 10, epoch_s: float = 1.0, best: int = 5, start_s: float = 2.0
) -> TrialRecord:
    history = tuple(
        EpochScore(epoch=i + 1, train_loss=1.0, learning_rate=0.1, seconds=epoch_s)
        for i in range(epochs)
    )
    return TrialRecord(
        trial=number,
        state=TrialState.COMPLETE,
        params={"width": number, "flip": "none"},
        objective=0.5,
        best_epoch=best,
        history=history,
        seconds=start_s + epochs * epoch_s,
    )


DEFAULT = {"width": 0, "flip": "none"}
"""The default configuration: that of trial 0, unless a test says otherwise."""


def numbered(count: int, *, start: int = 0) -> list[TrialRecord]:
    return [trial(start + number) for number in range(count)]


def failed() -> TrialRecord:
    return TrialRecord(trial=9, state=TrialState.FAILED, params={}, seconds=500.0)


def pace(*records: TrialRecord) -> Pace:
    found = Pace()
    for record in records:
        found.add(record)
    return found


def budget(
    total_s: float | None,
    now: float = 0.0,
    *,
    workers: int = 1,
    finalists: int = 3,
    num_folds: int = 0,
    num_judged: int = 0,
    members: int = 1,
) -> Budget:
    return Budget(
        total_s,
        workers,
        finalists,
        refit_factor=1.2,
        is_default=lambda params: params == DEFAULT,
        num_folds=num_folds,
        members=members,
        fold_size=2 / 3,
        num_train=100,
        num_judged=num_judged,
        clock=Clock(100.0 + now),
        started=100.0,
    )


def cost(plan: Budget, records: Sequence[TrialRecord], num_folds: int = 0) -> float:
    """Seconds to retrain and judge these."""
    return plan.shortlist_s(Shortlist(tuple(records), tuple(records), num_folds))


def numbers(shortlist: Shortlist) -> tuple[list[int], int, int]:
    """What there is time for, in short: trials, folds, how many are retrained."""
    trials = [record.trial for record in shortlist.trials]
    return trials, shortlist.num_folds, len(shortlist.retrained)


REFIT_S = 2.0 + 5 * 1.2
"""A trial above, retrained: its start and five epochs of 1.2 times the images."""
