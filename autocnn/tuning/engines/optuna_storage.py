"""The trials of an Optuna study in memory, of which a sampler sees a bounded number."""

import copy
from bisect import insort
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

MOST_SEEN = 96
"""Ended trials that a sampler looks at. TPE takes longer by each, 0.07 ms at 1,000: with all of
10,000 a proposal took 0.8 s. It models good trials (at most 25 of them) and the rest; the density
of the rest is as well known from a sample."""

BEST_SHARE = 4
"""A quarter of those are the best."""


class BoundedStorage(InMemoryStorage):
    """Optuna's storage in memory; while `bounded`, the best trials and an even sample of the rest.

    It holds one study, so that the id of a trial is its number.

    Args:
        maximize: Whether larger values are better.
    """

    def __init__(self, *, maximize: bool) -> None:
        super().__init__()
        self._sign = -1.0 if maximize else 1.0
        self._running: set[int] = set()
        # Kept in order, since a sort of all would be the dearest part of a proposal.
        self._ended: list[int] = []
        self._complete: list[tuple[float, int]] = []
        self._sample: list[int] | None = None

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Show at most `MOST_SEEN` ended trials, and all that run."""
        if len(self._ended) > MOST_SEEN:
            self._sample = self._choose()
        try:
            yield
        finally:
            self._sample = None

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See `BaseStorage.create_new_trial`."""
        trial = super().create_new_trial(study_id, template_trial)
        self._file(trial)
        return trial

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """See `BaseStorage.set_trial_state_values`."""
        is_set = super().set_trial_state_values(trial_id, state, values)
        if is_set:
            self._file(trial_id)
        return is_set

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See `BaseStorage.get_all_trials`."""
        if self._sample is None or states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy=deepcopy, states=states)
        trials = [self.get_trial(trial) for trial in sorted({*self._sample, *self._running})]
        shown = [trial for trial in trials if states is None or trial.state in states]
        return copy.deepcopy(shown) if deepcopy else shown

    def _file(self, number: int) -> None:
        """Note what state a trial is in."""
        trial = self.get_trial(number)
        self._running.discard(number)
        if trial.state == TrialState.RUNNING:
            self._running.add(number)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            insort(self._ended, number)
        if trial.state == TrialState.COMPLETE:
            insort(self._complete, (self._sign * (trial.value or 0.0), number))

    def _choose(self) -> list[int]:
        """Their numbers; the same for the same trials, in whatever order they ended."""
        best = {number for _, number in self._complete[: MOST_SEEN // BEST_SHARE]}
        rest = [number for number in self._ended if number not in best]
        size = MOST_SEEN - len(best)
        return [*best, *(rest[index * len(rest) // size] for index in range(size))]
