"""What a tracker is told; the numbers of an epoch; a tracker in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal, Protocol

from autocnn.core.records import EpochScore, Params, Scores, TrialRecord
from autocnn.storage import StudyFolder

PATIENCE_S = 30.0
"""The end of a study waits so long for a tracker that has not written everything yet."""


class Tracker(Protocol):
    """Hears of trials and epochs, and keeps them elsewhere.

    Any method may raise anything: the caller warns once and tells this tracker no more.
    """

    name: str

    def begin(self, earlier: Sequence[TrialRecord]) -> None:
        """The search begins or goes on.

        Args:
            earlier: Trials of earlier sessions: what is kept of them already is left as it
                is, what is missing is added. Open ones have the epochs that they go on from.
        """

    def start(self, trial: int, params: Params) -> None:
        """A trial begins, goes on, or begins anew (its second start in one session)."""

    def add(self, trial: int, score: EpochScore) -> None:
        """A started trial finished an epoch."""

    def end(self, record: TrialRecord) -> None:
        """A trial ended, or was left open."""

    def finish(self, folder: StudyFolder) -> None:
        """The study is done: its candidates and its leaderboard stand in the folder."""

    def close(self) -> None:
        """Nothing more will come, whether or not the study is done."""


@dataclass(frozen=True)
class Point:
    """One number of one epoch.

    Attributes:
        split: What it was measured on.
        name: `loss`, `accuracy`, ..., `learning_rate`, `epoch_seconds`.
        value: The number, possibly NaN.
    """

    split: Literal["train", "val"]
    name: str
    value: float


def points_of(score: EpochScore) -> Iterator[Point]:
    """The numbers of an epoch that were measured; `loss` of val is its log loss."""
    yield Point("train", "loss", score.train_loss)
    if score.val.log_loss is not None:
        yield Point("val", "loss", score.val.log_loss)
    yield Point("train", "learning_rate", score.learning_rate)
    yield Point("train", "epoch_seconds", score.seconds)
    yield from _scores("train", score.train)
    yield from _scores("val", score.val)


def _scores(split: Literal["train", "val"], scores: Scores) -> Iterator[Point]:
    for name in Scores.model_fields:
        value = getattr(scores, name)
        if value is not None:
            yield Point(split, name, value)


class Background:
    """A tracker in a thread of its own: whatever it waits for, the study does not.

    What it raises there comes out of the next call here.

    Args:
        name: Of the tracker.
        make: Makes the tracker, in the thread: its imports take seconds too.
        patience_s: Longest wait of `close` for what is not written yet.
    """

    def __init__(
        self, name: str, make: Callable[[], Tracker], *, patience_s: float = PATIENCE_S
    ) -> None:
        self.name = name
        self._patience_s = patience_s
        self._calls: SimpleQueue[Callable[[Tracker], None] | None] = SimpleQueue()
        self._error: Exception | None = None
        # A daemon: a server that never answers must not keep the process alive.
        self._thread = threading.Thread(target=self._work, args=(make,), name=name, daemon=True)
        self._thread.start()

    def begin(self, earlier: Sequence[TrialRecord]) -> None:
        """See `Tracker`."""
        self._tell(lambda tracker: tracker.begin(earlier))

    def start(self, trial: int, params: Params) -> None:
        """See `Tracker`."""
        self._tell(lambda tracker: tracker.start(trial, params))

    def add(self, trial: int, score: EpochScore) -> None:
        """See `Tracker`."""
        self._tell(lambda tracker: tracker.add(trial, score))

    def end(self, record: TrialRecord) -> None:
        """See `Tracker`."""
        self._tell(lambda tracker: tracker.end(record))

    def finish(self, folder: StudyFolder) -> None:
        """See `Tracker`."""
        self._tell(lambda tracker: tracker.finish(folder))

    def close(self) -> None:
        """Wait until everything is written.

        Raises:
            TimeoutError: When it takes too long; the rest is lost with the process.
        """
        self._calls.put(lambda tracker: tracker.close())
        self._calls.put(None)
        self._thread.join(self._patience_s)
        if self._error is not None:
            raise self._error
        if self._thread.is_alive():
            raise TimeoutError(f"no answer in {self._patience_s:g} s")

    def _tell(self, call: Callable[[Tracker], None]) -> None:
        if self._error is not None:
            raise self._error
        self._calls.put(call)

    def _work(self, make: Callable[[], Tracker]) -> None:
        try:
            tracker = make()
            while (call := self._calls.get()) is not None:
                call(tracker)
        except Exception as error:  # noqa: BLE001 - raised again by the next call
            self._error = error
