"""What a long piece of work tells whoever watches it.

The library calls an `Observer`; what it looks like is the observer's business
(`cli.display` draws it, tests record it).
"""

from autocnn.records import EpochScore, Params, TrialRecord


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

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """A trial was handed to a worker and will train at most `epochs`."""

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """A trial finished an epoch."""

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        """A trial ended in any state; `best` is the best one so far."""

    def time_left(self, seconds: float | None) -> None:
        """A new estimate of the time until the study is done; None when unknown."""

    def close(self) -> None:
        """The work is over, well or not; put the terminal back as it was."""
