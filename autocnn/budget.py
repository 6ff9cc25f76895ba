"""How long the rest of a study will take: the search must leave time for the finalists."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from autocnn.records import EpochScore, TrialRecord

JUDGING_S = 8.0
"""Measured time to load, predict with and draw one finalist."""

MOST_FOR_FINALISTS = 0.4
"""Largest share of the budget that finalists take; fewer are refitted beyond it."""

FEWEST_EPOCHS_SHARE = 3
"""Near the end of the budget a trial starts only if it can train a third of its epochs."""

SLOWNESS_ALLOWED = 1.1
"""Epochs vary: a trial may seem to need a tenth more than the time left."""


@dataclass(frozen=True)
class Budget:
    """The time of a study.

    Attributes:
        total_s: Seconds for all of it; None: no limit.
        workers: Trials at once.
        finalists: Refits wanted at the end.
        refit_factor: Images of a refit over images of a trial: (train + val) / train.
        clock: Seconds now; from the start of the study on.
        started: The clock at the start.
    """

    total_s: float | None
    workers: int
    finalists: int
    refit_factor: float
    clock: Callable[[], float] = time.monotonic
    started: float = field(default=0.0)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the study began."""
        return self.clock() - self.started

    def num_finalists(self, best: Sequence[TrialRecord]) -> int:
        """How many of the best trials there is time to refit now; always at least one.

        Args:
            best: Trials, best first.
        """
        if self.total_s is None:
            return min(self.finalists, len(best))
        left = self.total_s - self.elapsed_s
        return self._num_affordable(best, max(MOST_FOR_FINALISTS * self.total_s, left))

    def planned_s(self, best: Sequence[TrialRecord]) -> float:
        """Seconds that the search must leave for the finalists, never more than their share.

        A slow second-best would else take the time in which a better trial could be found.

        Args:
            best: Trials, best first.
        """
        if self.total_s is None or not best:
            return self.finalists_s(best[: self.finalists]) if best else 0.0
        num_planned = self._num_affordable(best, MOST_FOR_FINALISTS * self.total_s)
        return self.finalists_s(best[:num_planned])

    def _num_affordable(self, best: Sequence[TrialRecord], limit_s: float) -> int:
        number = min(self.finalists, len(best))
        while number > 1 and self.finalists_s(best[:number]) > limit_s:
            number -= 1
        return number

    def refit_epochs(self, best: Sequence[TrialRecord]) -> list[int]:
        """Epochs for which to refit these trials now: their best ones, or fewer if time is short.

        A shorter schedule that ends beats a longer one that is cut.

        Args:
            best: Trials, best first.
        """
        wanted = [record.best_epoch or 1 for record in best]
        if self.total_s is None:
            return wanted
        left = self.total_s - self.elapsed_s
        share = min(1.0, max(0.0, left / self.finalists_s(best)))
        return [max(1, int(epochs * share)) for epochs in wanted]

    def is_time_to_judge(self, num_finalists: int) -> bool:
        """Whether refits must end now for the judging to fit."""
        if self.total_s is None:
            return False
        return self.elapsed_s + JUDGING_S * num_finalists >= self.total_s

    def finalists_s(self, best: Sequence[TrialRecord]) -> float:
        """Seconds that refitting and judging these trials will take."""
        loads = [0.0] * self.workers
        for seconds in sorted((self._refit_s(record) for record in best), reverse=True):
            loads[loads.index(min(loads))] += seconds
        return max(loads) + JUDGING_S * len(best)

    def search_left_s(self, best: Sequence[TrialRecord]) -> float:
        """Seconds until the finalists must begin; infinite without a budget."""
        if self.total_s is None:
            return float("inf")
        return self.total_s - self.elapsed_s - self.planned_s(best)

    def epochs_for_next(
        self, epochs: int, records: Sequence[TrialRecord], best: Sequence[TrialRecord]
    ) -> int:
        """Epochs of a trial that starts now; fewer than `epochs` near the end, then 0.

        A trial whose schedule fits the time left is worth more than one cut off half-way.

        Args:
            epochs: Epochs of a trial with time enough.
            records: Ended trials, which tell how long an epoch takes.
            best: The best of them, best first.
        """
        left = self.search_left_s(best)
        if left == float("inf"):
            return epochs
        if left <= 0:
            return 0
        per_epoch = [_mean_epoch_s(record.history) for record in records if record.history]
        if not per_epoch:
            return epochs
        affordable = int(left / median(per_epoch))
        return min(epochs, affordable) if affordable * FEWEST_EPOCHS_SHARE >= epochs else 0

    def is_too_slow(
        self, history: Sequence[EpochScore], epochs: int, best: Sequence[TrialRecord]
    ) -> bool:
        """Whether a running trial cannot train all its epochs before the finalists begin.

        Args:
            history: Its epochs so far.
            epochs: Epochs that its schedule spans.
            best: Ended trials, best first.
        """
        needed = _mean_epoch_s(history) * (epochs - len(history))
        return needed > SLOWNESS_ALLOWED * self.search_left_s(best)

    def left_s(
        self,
        num_left: int,
        records: Sequence[TrialRecord],
        best: Sequence[TrialRecord],
    ) -> float | None:
        """Seconds until the study is done; None before the first trial has ended.

        Args:
            num_left: Trials still to run, running ones included.
            records: Ended trials.
            best: The best of them, best first.
        """
        finished = [record.seconds for record in records if record.history]
        if not finished:
            return None if self.total_s is None else self.total_s - self.elapsed_s
        mean = sum(finished) / len(finished)
        estimate = mean * num_left / self.workers + self.planned_s(best)
        if self.total_s is None:
            return estimate
        return max(0.0, min(estimate, self.total_s - self.elapsed_s))

    def _refit_s(self, record: TrialRecord) -> float:
        start_up = max(0.0, record.seconds - sum(score.seconds for score in record.history))
        return (
            start_up + _mean_epoch_s(record.history) * (record.best_epoch or 1) * self.refit_factor
        )


def _mean_epoch_s(history: Sequence[EpochScore]) -> float:
    return sum(score.seconds for score in history) / len(history)
