"""The interface that every engine offers to the loop: ask, report, tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autocnn.records import EpochScore, ParamValue, TrialRecord


@dataclass(frozen=True)
class Proposal:
    """What to try next.

    Attributes:
        params: A full point of the space.
        from_start: Whether it is one of the space's start points.
    """

    params: dict[str, ParamValue]
    from_start: bool


class Engine(Protocol):
    """Proposes params and learns from how they did. It never trains anything."""

    def restore(self, records: Sequence[TrialRecord]) -> None:
        """Learn from the ended trials 0, 1, 2, ... of an earlier session, before any `ask`."""
        ...

    def ask(self, trial: int) -> Proposal:
        """The params of trial number `trial`; numbers come in order, from 0."""
        ...

    def report(self, trial: int, score: EpochScore) -> bool:
        """Take an epoch's scores; True when the trial is not worth going on with."""
        ...

    def tell(self, record: TrialRecord) -> None:
        """Take the end of a trial, in whatever state."""
        ...
