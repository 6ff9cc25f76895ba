"""The trials of an Optuna study in memory, of which a sampler sees a bounded number."""

from collections.abc import Container, Iterator
from contextlib import contextmanager

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

MOST_SEEN = 128
"""Ended trials that a sampler looks at. TPE takes longer by each, 0.07 ms at 1,000: with all of
10,000 a proposal took 0.8 s. It models good trials (at most 25 of them) and the rest; the density
of the rest is as well known from a sample."""

BEST_SHARE = 4
"""A quarter of those are the best."""


class BoundedStorage(InMemoryStorage):
    """Optuna's storage in memory; while `bounded`, the best trials and an even sample of the rest.

    Args:
        maximize: Whether larger values are better.
    """

    def __init__(self, *, maximize: bool) -> None:
        super().__init__()
        self._sign = -1.0 if maximize else 1.0
        self._is_bounded = False

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Show at most `MOST_SEEN` ended trials, and all that run."""
        self._is_bounded = True
        try:
            yield
        finally:
            self._is_bounded = False

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See `BaseStorage.get_all_trials`."""
        trials = super().get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return self._choose(trials) if self._is_bounded else trials

    def _choose(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """In the order of their numbers, and the same for the same trials."""
        ended = [
            trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        ]
        if len(ended) <= MOST_SEEN:
            return trials
        complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        complete.sort(key=lambda trial: (self._sign * (trial.value or 0.0), trial.number))
        kept = {trial.number for trial in complete[: MOST_SEEN // BEST_SHARE]}
        rest = [trial.number for trial in ended if trial.number not in kept]
        number = MOST_SEEN - len(kept)
        kept.update(rest[index * len(rest) // number] for index in range(number))
        kept.update(trial.number for trial in trials if trial.state == TrialState.RUNNING)
        return [trial for trial in trials if trial.number in kept]
