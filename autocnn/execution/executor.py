"""The interface that every executor offers to the runner."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from autocnn.core.errors import AutocnnError
from autocnn.core.records import EpochScore, TrialState
from autocnn.execution.tasks import Result, Task


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        state: complete, failed, out-of-memory or timed-out.
        reason: Why, in words; empty when complete.
        result: What the task's function returned, when complete.
        error: The error, when the task's function raised one meant for the user.
        traceback: Of any other error.
        seconds: Wall time of the process, its start included.
        peak_memory_mb: Largest resident memory; None when the process could not say.
        is_lost: Whether the machine that ran it was lost, which is no fault of the task: the
            runner submits it again. No task of this machine alone ends so.
    """

    state: TrialState
    seconds: float
    reason: str = ""
    result: Result | None = None
    error: AutocnnError | None = None
    traceback: str = ""
    peak_memory_mb: float | None = None
    is_lost: bool = False


@dataclass(frozen=True)
class EpochEvent:
    """A task finished an epoch and waits for `answer`."""

    key: int
    score: EpochScore


@dataclass(frozen=True)
class EndEvent:
    """A task's process is gone, and its worker free."""

    key: int
    outcome: Outcome


Event = EpochEvent | EndEvent


class Executor(Protocol):
    """Runs tasks apart from this process.

    Every task gets exactly one EndEvent, unless it is cancelled.
    """

    @property
    def num_running(self) -> int:
        """Tasks submitted and not ended."""
        ...

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """Start a task.

        Args:
            key: Names the task in events; unique among the running ones.
            function: `module:name` of a function of (task, report).
            task: Its first argument.
            log_path: File for all that the process prints.
            timeout_s: Seconds after which it is stopped as timed-out.
        """
        ...

    def poll(self, timeout_s: float) -> list[Event]:
        """What happened; waits at most `timeout_s` for something to."""
        ...

    def answer(self, key: int, *, stop: bool) -> None:
        """Reply to an EpochEvent: go on, or end after this epoch."""
        ...

    def cancel(self, key: int) -> None:
        """Stop one task at once; it gets no EndEvent."""
        ...

    def close(self) -> None:
        """Stop all tasks at once."""
        ...


@runtime_checkable
class Elastic(Protocol):
    """An executor whose machines come and go."""

    @property
    def num_slots(self) -> int:
        """Tasks that it can run at once now; at least 1."""
        ...
