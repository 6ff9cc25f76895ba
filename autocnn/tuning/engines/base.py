"""The interface that every engine offers to the loop: ask, report, tell."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import numpy as np

from autocnn.core.objective import params_key
from autocnn.core.records import EpochScore, Params, ParamValue, TrialRecord
from autocnn.spaces.space import SearchSpace

MOST_POINTS = 10_000
"""A space with no more points is known to be exhausted when all were tried."""


@dataclass(frozen=True)
class Proposal:
    """What to try next.

    Attributes:
        params: A full point of the space.
        from_start: Whether it is one of the space's start points.
        epochs: Epochs that it is given; None: as many as the study gives any trial.
        parent: Trial whose weights it begins with.
        first_epoch: The epoch it begins with; above 1 only with a parent.
    """

    params: dict[str, ParamValue]
    from_start: bool
    epochs: int | None = None
    parent: int | None = None
    first_epoch: int = 1


class NoProposal(Enum):
    """Why there is nothing to try."""

    WAIT = auto()
    """Not before a running trial has ended."""

    EXHAUSTED = auto()
    """Never again: everything was tried."""


class TriedPoints:
    """Which points of a space were tried; to ask costs the same however many they are.

    Args:
        space: The space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._tried: set[Hashable] = set()
        points = space.points(MOST_POINTS)
        self._left = None if points is None else {params_key(p): p for p in points}
        self._start = {params_key(point): dict(point) for point in space.start}

    def __contains__(self, params: Params) -> bool:
        return params_key(params) in self._tried

    def add(self, params: Params) -> None:
        """Take a point as tried."""
        key = params_key(params)
        self._tried.add(key)
        self._start.pop(key, None)
        if self._left is not None:
            self._left.pop(key, None)

    @property
    def next_start(self) -> dict[str, ParamValue] | None:
        """The first start point that was not tried; None when all were."""
        return next(iter(self._start.values()), None)

    @property
    def is_half_tried(self) -> bool:
        """Whether at most half of a space that can be counted is left."""
        return self._left is not None and len(self._left) <= len(self._tried)

    @property
    def is_exhausted(self) -> bool:
        """Whether all points of a space that can be counted were tried."""
        return self._left is not None and not self._left

    def choose_untried(self, seed: tuple[int, int]) -> dict[str, ParamValue] | None:
        """A point that was not tried, by chance; None in a space without end, or at its end."""
        if not self._left:
            return None
        left = list(self._left.values())
        return left[np.random.default_rng(seed).integers(len(left))]


class Engine(Protocol):
    """Proposes params and learns from how they did. It never trains anything.

    Each of its methods raises StudyError when the engine's own files cannot be written,
    DiskFullError when the disk is full.
    """

    def ask(self, trial: int) -> Proposal | NoProposal:
        """The params of trial number `trial`; a number is asked for once."""
        ...

    def reopen(self, record: TrialRecord) -> None:
        """Take a trial of an earlier session as asked for, with the params it has."""
        ...

    def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
        """Take an epoch's scores; True when the trial is not worth going on with.

        Args:
            trial: Its number.
            score: Of the epoch.
            epochs: Epochs of the trial's schedule; None: as many as the study gives any trial.
        """
        ...

    def tell(self, record: TrialRecord) -> None:
        """Take the end of a trial, in whatever state."""
        ...

    def needed_models(self) -> set[int]:
        """Ended trials whose weights later trials may begin with."""
        ...

    def close(self) -> None:
        """Let go of its files; nothing is asked of it any more."""
        ...


def restore(engine: Engine, records: Sequence[TrialRecord]) -> None:
    """Bring a new engine to where it was: the same events in the same order.

    Args:
        engine: Nothing was asked of it yet.
        records: All trials that have begun; open ones stay open, and report anew.
    """
    for record, is_end in _events_of(records):
        if not is_end:
            engine.reopen(record)
            continue
        for score in record.history:
            engine.report(record.trial, score, epochs=record.epochs)
        engine.tell(record)


def _events_of(records: Sequence[TrialRecord]) -> Iterator[tuple[TrialRecord, bool]]:
    """Starts (False) and ends (True) in the order in which they happened."""
    ended = [record for record in records if not record.is_open]
    ended.sort(key=lambda r: r.trial if r.end_order is None else r.end_order)
    begun = set()
    num_told = 0
    for record in sorted(records, key=lambda r: (r.num_ended_before, r.trial)):
        while num_told < len(ended) and num_told < record.num_ended_before:
            if ended[num_told].trial not in begun:
                break  # its start was lost with a torn record: it ends later
            yield ended[num_told], True
            num_told += 1
        begun.add(record.trial)
        yield record, False
    yield from ((record, True) for record in ended[num_told:])
