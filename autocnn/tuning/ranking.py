"""The ended trials in the order of their merit, kept up to date as they end."""

import bisect
from collections.abc import Callable, Hashable

from autocnn.core.objective import Goal, params_key
from autocnn.core.records import Params, TrialRecord


class Ranking:
    """Trials that may become finalists, best first.

    To take one more, or to look at the best few, costs the same however many there are (but
    for moving the pointers of a list, some microseconds at ten thousand).

    Args:
        goal: Ranks them.
        is_default: Whether params are those of the default configuration.
    """

    def __init__(self, goal: Goal, is_default: Callable[[Params], bool]) -> None:
        self._goal = goal
        self._is_default = is_default
        self._all: list[TrialRecord] = []
        self._distinct: list[TrialRecord] = []
        self._best_with: dict[Hashable, TrialRecord] = {}
        self._default: TrialRecord | None = None

    def __len__(self) -> int:
        return len(self._all)

    def add(self, record: TrialRecord) -> None:
        """Take an ended trial; one that may not win, or has no objective, is passed over."""
        if not record.may_win or record.objective is None:
            return
        place = self._goal.place_of
        bisect.insort(self._all, record, key=place)
        key = params_key(record.params)
        before = self._best_with.get(key)
        if before is not None:
            if place(before) < place(record):
                return
            del self._distinct[bisect.bisect_left(self._distinct, place(before), key=place)]
        self._best_with[key] = record
        bisect.insort(self._distinct, record, key=place)
        if self._is_default(record.params):
            self._default = record

    @property
    def best(self) -> TrialRecord | None:
        """The best trial; None without any."""
        return self._all[0] if self._all else None

    @property
    def default(self) -> TrialRecord | None:
        """The best trial of the default configuration; None without any."""
        return self._default

    def shortlist(self, number: int) -> list[TrialRecord]:
        """The best trials, and behind them the default configuration if it is none of them."""
        return self._with_default(self._all[:number])

    def distinct(self, number: int) -> list[TrialRecord]:
        """As `shortlist`, but of trials with the same params only the best one."""
        return self._with_default(self._distinct[:number])

    def _with_default(self, best: list[TrialRecord]) -> list[TrialRecord]:
        is_missing = all(record is not self._default for record in best)
        return [*best, self._default] if self._default is not None and is_missing else best
