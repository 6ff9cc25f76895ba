"""How long the rest of a study will take: the search must leave time for the finalists."""

import bisect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autocnn.core.records import EpochScore, Params, TrialRecord

JUDGING_S = 8.0
"""Measured time to load, predict with and draw one candidate."""

FORWARD_SHARE = 0.5
"""Time to predict an image over the time to train on it: a third of the operations, but in
float32 and without the averaging of a large batch."""

MOST_FOR_FINALISTS = 0.5
"""Largest share of the budget that finalists take; fewer are retrained beyond it."""

FEWEST_EPOCHS_SHARE = 3
"""Near the end of the budget a trial starts only if it can train a third of its epochs."""

SLOWNESS_ALLOWED = 1.1
"""Epochs vary: a trial may seem to need a tenth more than the time left."""


class Pace:
    """How long the ended trials took, with no more work for the next one than for the first."""

    def __init__(self) -> None:
        self._epochs_s: list[float] = []
        self._num_trials = 0
        self._trials_s = 0.0

    def add(self, record: TrialRecord) -> None:
        """Take an ended trial; one without an epoch tells nothing."""
        if record.history:
            bisect.insort(self._epochs_s, _mean_epoch_s(record.history))
            self._num_trials += 1
            self._trials_s += record.seconds

    @property
    def epoch_s(self) -> float | None:
        """Median over the trials of their mean seconds per epoch; None before the first."""
        number = len(self._epochs_s)
        if not number:
            return None
        return (self._epochs_s[(number - 1) // 2] + self._epochs_s[number // 2]) / 2

    @property
    def trial_s(self) -> float | None:
        """Mean seconds of a trial; None before the first."""
        return self._trials_s / self._num_trials if self._num_trials else None


@dataclass(frozen=True)
class Budget:
    """The time of a study.

    Attributes:
        total_s: Seconds for all of it; None: no limit.
        workers: Trials at once.
        finalists: Trials wanted at the end, beside the default configuration.
        num_folds: Models that a finalist is compared on, all repeats together; 0: none.
        fold_size: Fraction of train + val that a fold model trains on.
        is_default: Whether params are the space's default configuration.
        refit_factor: Images of a refit over images of a trial: (train + val) / train.
        num_train: Images of a trial.
        num_judged: Images that a finalist's models predict at the end, each.
        clock: Seconds now; from the start of the study on.
        started: The clock at the start.
    """

    total_s: float | None
    workers: int
    finalists: int
    refit_factor: float
    is_default: Callable[[Params], bool]
    num_folds: int = 0
    fold_size: float = 0.0
    num_train: int = 1
    num_judged: int = 0
    clock: Callable[[], float] = time.monotonic
    started: float = field(default=0.0)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the study began."""
        return self.clock() - self.started

    def finalists_now(self, ranked: Sequence[TrialRecord]) -> tuple[list[TrialRecord], int]:
        """Which trials there is time to retrain now, and on how many folds.

        The best and the default configuration on folds are worth more than many without:
        first there are fewer finalists, then no folds, then one finalist.

        Args:
            ranked: Trials, best first; at least one. Behind as many as there are finalists,
                only the default configuration is looked for.
        """
        if self.total_s is None:
            return self._wanted(ranked, self.finalists), self.num_folds
        left = self.total_s - self.elapsed_s
        return self._affordable(ranked, max(MOST_FOR_FINALISTS * self.total_s, left))

    def planned_s(self, ranked: Sequence[TrialRecord]) -> float:
        """Seconds that the search must leave for the finalists, never more than their share.

        A slow second-best would else take the time in which a better trial could be found.

        Args:
            ranked: As of `finalists_now`.
        """
        if not ranked:
            return 0.0
        if self.total_s is None:
            return self.finalists_s(self._wanted(ranked, self.finalists), self.num_folds)
        return self.finalists_s(*self._affordable(ranked, MOST_FOR_FINALISTS * self.total_s))

    def _wanted(self, ranked: Sequence[TrialRecord], number: int) -> list[TrialRecord]:
        """The best trials, and the default configuration if it is none of them."""
        default = next((i for i, r in enumerate(ranked) if self.is_default(r.params)), 0)
        return [*ranked[:number], *([ranked[default]] if default >= number else [])]

    def _affordable(
        self, ranked: Sequence[TrialRecord], limit_s: float
    ) -> tuple[list[TrialRecord], int]:
        plans = [
            (self._wanted(ranked, number), self.num_folds)
            for number in range(min(self.finalists, len(ranked)), 0, -1)
        ]
        plans += [(self._wanted(ranked, 1), 0), (list(ranked[:1]), 0)]
        return next((p for p in plans if self.finalists_s(*p) <= limit_s), plans[-1])

    def refit_epochs(self, best: Sequence[TrialRecord], num_folds: int) -> list[int]:
        """Epochs for which to refit these trials now: their best ones, or fewer if time is short.

        A shorter schedule that ends beats a longer one that is cut.

        Args:
            best: Trials, best first.
            num_folds: Folds on which they are compared.
        """
        wanted = [record.best_epoch or 1 for record in best]
        if self.total_s is None:
            return wanted
        left = self.total_s - self.elapsed_s
        share = min(1.0, max(0.0, left / self.finalists_s(best, num_folds)))
        return [max(1, int(epochs * share)) for epochs in wanted]

    def is_time_to_judge(self, best: Sequence[TrialRecord], num_folds: int) -> bool:
        """Whether retraining must end now for the judging to fit."""
        if self.total_s is None:
            return False
        return self.elapsed_s + self._judging_s(best, num_folds) >= self.total_s

    def finalists_s(self, best: Sequence[TrialRecord], num_folds: int) -> float:
        """Seconds that retraining these trials, also on folds, and judging them will take."""
        trainings = [self._refit_s(record, 1.0) for record in best]
        trainings += [self._refit_s(record, self.fold_size) for record in best] * num_folds
        loads = [0.0] * self.workers
        for seconds in sorted(trainings, reverse=True):
            loads[loads.index(min(loads))] += seconds
        return max(loads) + self._judging_s(best, num_folds)

    def _judging_s(self, best: Sequence[TrialRecord], num_folds: int) -> float:
        """Each finalist gives a refit and the mean of its folds; one ensemble more."""
        num_models = 2 + num_folds  # the refit in the ensemble too
        per_image = [_mean_epoch_s(record.history) / self.num_train for record in best]
        predicting = FORWARD_SHARE * self.num_judged * num_models * sum(per_image)
        num_candidates = len(best) * (2 if num_folds else 1) + bool(num_folds)
        return predicting / self.workers + JUDGING_S * num_candidates

    def search_left_s(self, ranked: Sequence[TrialRecord]) -> float:
        """Seconds until the finalists must begin; infinite without a budget.

        Args:
            ranked: As of `finalists_now`.
        """
        if self.total_s is None:
            return float("inf")
        return self.total_s - self.elapsed_s - self.planned_s(ranked)

    def epochs_for_next(self, epochs: int, pace: Pace, ranked: Sequence[TrialRecord]) -> int:
        """Epochs of a trial that starts now; fewer than `epochs` near the end, then 0.

        A trial whose schedule fits the time left is worth more than one cut off half-way.

        Args:
            epochs: Epochs of a trial with time enough.
            pace: Of the ended trials.
            ranked: As of `finalists_now`.
        """
        left = self.search_left_s(ranked)
        if left == float("inf"):
            return epochs
        if left <= 0:
            return 0
        if pace.epoch_s is None:
            return epochs
        affordable = int(left / pace.epoch_s)
        return min(epochs, affordable) if affordable * FEWEST_EPOCHS_SHARE >= epochs else 0

    def left_s(self, num_left: int, pace: Pace, ranked: Sequence[TrialRecord]) -> float | None:
        """Seconds until the study is done; None before the first trial has ended.

        Args:
            num_left: Trials still to run, running ones included.
            pace: Of the ended trials.
            ranked: As of `finalists_now`.
        """
        if pace.trial_s is None:
            return None if self.total_s is None else self.total_s - self.elapsed_s
        estimate = pace.trial_s * num_left / self.workers + self.planned_s(ranked)
        if self.total_s is None:
            return estimate
        return max(0.0, min(estimate, self.total_s - self.elapsed_s))

    def _refit_s(self, record: TrialRecord, share: float) -> float:
        """Seconds to train a trial's params again on a share of train + val."""
        start_up = max(0.0, record.seconds - sum(score.seconds for score in record.history))
        epochs_s = _mean_epoch_s(record.history) * (record.best_epoch or 1)
        return start_up + epochs_s * self.refit_factor * share


def is_too_slow(history: Sequence[EpochScore], epochs: int, left_s: float) -> bool:
    """Whether a running trial cannot train all its epochs in the time left.

    Args:
        history: Its epochs so far.
        epochs: Epochs that its schedule spans.
        left_s: Seconds until the finalists must begin.
    """
    return _mean_epoch_s(history) * (epochs - len(history)) > SLOWNESS_ALLOWED * left_s


def _mean_epoch_s(history: Sequence[EpochScore]) -> float:
    return sum(score.seconds for score in history) / len(history)
