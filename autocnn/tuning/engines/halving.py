"""Asynchronous successive halving: a trial goes on past a rung while it is in the better half.

Optuna's pruner has its rungs at the same epochs for all trials, whatever their schedules: of ten
epochs at 1, 3 and 9, so in the warm-up of one trial and just before the end of another. Here a
rung is a share of each trial's own schedule.

A trial that was shortened, as the time left asked for, comes to its rungs sooner than the others
came to theirs: it is compared with what all had after as many epochs.
"""

import bisect
import math
from collections import defaultdict

FACTOR = 2
"""The better half goes on past each rung (Li et al. 2020, arXiv:1810.05934, have three or four).

With a third, too few trials are trained whole: docs/search.md."""

RUNGS = (1 / 6, 1 / 2)
"""Shares of a trial's epochs. None is in the last third: most of its cost has been paid by then,
and the learning rate is about to fall to 0, which is what raises the score most."""

LAST_SHARE = 2 / 3


def rung_epochs(epochs: int, *, warmup_epochs: int) -> tuple[int | None, ...]:
    """The epoch after which a trial stands at each rung; None where it has no such rung.

    Args:
        epochs: Epochs of its schedule.
        warmup_epochs: Those in which its learning rate rises; at most half of all count, as in
            the schedule. Before they have ended they decide more than the params do.

    >>> rung_epochs(18, warmup_epochs=1), rung_epochs(10, warmup_epochs=1)
    ((3, 9), (2, 5))
    >>> rung_epochs(18, warmup_epochs=3), rung_epochs(9, warmup_epochs=100)
    ((4, 9), (5, 6))
    >>> rung_epochs(1, warmup_epochs=0)
    (None, None)
    """
    found: list[int | None] = []
    previous = min(warmup_epochs, epochs // 2)
    for share in RUNGS:
        epoch = max(math.ceil(share * epochs), previous + 1)
        if epoch > LAST_SHARE * epochs:
            found.append(None)
        else:
            found.append(epoch)
            previous = epoch
    return tuple(found)


class Halving:
    """The values that trials had at the rungs.

    Args:
        epochs: Of a trial that was not shortened.
        maximize: Whether a larger value is better.
    """

    def __init__(self, epochs: int, *, maximize: bool) -> None:
        self._epochs = epochs
        self._sign = -1.0 if maximize else 1.0
        self._at_rung: tuple[list[float], ...] = tuple([] for _ in RUNGS)
        self._after_epoch: defaultdict[int, list[float]] = defaultdict(list)

    def is_behind(self, epoch: int, value: float, *, epochs: int, warmup_epochs: int) -> bool:
        """Count a trial in; whether it stands at a rung and is not in the better half there.

        Of fewer than four trials, the best is. What is equal to the last of the half is in it.

        Args:
            epoch: That has just ended.
            value: Its objective.
            epochs: Of the trial's schedule.
            warmup_epochs: Of the trial.
        """
        signed = self._sign * value
        values = self._after_epoch[epoch]
        bisect.insort(values, signed)
        rungs = rung_epochs(epochs, warmup_epochs=warmup_epochs)
        if epoch not in rungs:
            return False
        if epochs >= self._epochs:
            values = self._at_rung[rungs.index(epoch)]
            bisect.insort(values, signed)
        return signed > values[max(1, len(values) // FACTOR) - 1]
