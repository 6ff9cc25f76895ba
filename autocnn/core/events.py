"""What a long piece of work tells whoever watches it, and how it is asked to stop.

The library calls an `Observer`; what it looks like is the observer's business
(`cli.display` draws it, tests record it). An `Interruption` goes the other way.
"""

import contextlib
from collections.abc import Iterator, Sequence

from autocnn.core.records import EpochScore, Params, TrialRecord


class Observer:
    """Hears of a study's progress. Every method does nothing here; override what you show."""

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """A stage begins, e.g. `decode`, of `total` steps counted in `unit`."""

    def advance(self, steps: int = 1) -> None:
        """`steps` more of the current stage are done."""

    def note(self, text: str) -> None:
        """Something worth a line: a choice made, a file ignored."""

    def warn(self, text: str) -> None:
        """Something that may spoil the result."""

    def trials_found(self, records: Sequence[TrialRecord]) -> None:
        """The search begins, or goes on after these trials; open ones have their kept epochs."""

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """A trial was handed to a worker and will train at most `epochs`."""

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """A trial finished an epoch."""

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        """A trial ended in any state; `best` is the best one so far."""

    def time_left(self, seconds: float | None, *, finalists_s: float = 0.0) -> None:
        """A new estimate of the time until the study is done; None when unknown.

        `finalists_s` of it are kept for the finalists.
        """

    def close(self) -> None:
        """The work is over, well or not; put the terminal back as it was."""


class Warnings(Observer):
    """Keeps what is warned of, for who tells it later.

    Attributes:
        said: Each warning.
    """

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        """Kept."""
        self.said.append(text)


class Interruption:
    """Ctrl-C: once to stop after the running epochs, twice to stop at once.

    Work that can stop softly does so inside `graceful`; anywhere else, the first press
    stops at once.
    """

    def __init__(self) -> None:
        self.is_wished = False
        self._is_graceful = False

    def press(self) -> None:
        """Ask to stop; call it from a signal handler.

        Raises:
            KeyboardInterrupt: When it has to be at once.
        """
        if self.is_wished or not self._is_graceful:
            raise KeyboardInterrupt
        self.is_wished = True

    @contextlib.contextmanager
    def graceful(self) -> Iterator[None]:
        """Inside, `is_wished` is looked at often; nothing is raised at the first press."""
        before, self._is_graceful = self._is_graceful, True
        try:
            yield
        finally:
            self._is_graceful = before
