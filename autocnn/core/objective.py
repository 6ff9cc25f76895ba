"""The number that a search improves: read off scores, compared, its best epoch found."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from autocnn.core.objective_text import is_lower_better
from autocnn.core.own_model import OwnModel
from autocnn.core.records import EpochScore, Params, Scores, TrialRecord


@dataclass(frozen=True)
class Goal:
    """An objective, its direction, and the gap that it may cost.

    Attributes:
        objective: A field of `Scores`, or another text of `objective_text`.
        max_gap: Largest train - val gap of a feasible trial; None: any is.
        class_names: In label order; only measuring needs them.
        function: Where the objective is a function of the user's own; only measuring needs it.
    """

    objective: str
    max_gap: float | None = None
    class_names: tuple[str, ...] = ()
    function: OwnModel | None = None

    @property
    def maximize(self) -> bool:
        """Whether a larger value is better."""
        return not is_lower_better(self.objective)

    def value_of(self, scores: Scores) -> float | None:
        """The objective in `scores`, or None where it was not measured."""
        return scores.of(self.objective)

    def best_epoch(self, history: Sequence[EpochScore]) -> EpochScore | None:
        """The epoch with the best value on val; None without any.

        Of equals, which are the rule on a small val split, the one of lower log loss on val,
        then the earliest.
        """
        scored = [score for score in history if self.value_of(score.val) is not None]
        return min(scored, key=lambda score: self._key_of(score.val), default=None)

    def _key_of(self, val: Scores) -> tuple[float, float]:
        """What scores with a value are ranked by, the smallest first."""
        value = self.value_of(val) or 0.0
        log_loss = float("inf") if val.log_loss is None else val.log_loss
        return -value if self.maximize else value, log_loss

    def gap_of(self, score: EpochScore) -> float | None:
        """How much better the objective is on train than on val; None where not measured."""
        train, val = self.value_of(score.train), self.value_of(score.val)
        if train is None or val is None:
            return None
        return train - val if self.maximize else val - train

    def gap_excess(self, record: TrialRecord) -> float | None:
        """How far a trial's gap exceeds `max_gap`: above 0, it is not feasible.

        What counts is the larger of the gaps at its best epoch, whose model is kept, and at the
        epoch at which its refits end. None where there is no limit or no gap was measured.
        """
        kept = (record.best_epoch, record.refit_epochs)
        found = [self.gap_of(score) for score in record.history if score.epoch in kept]
        gaps = [gap for gap in found if gap is not None]
        return max(gaps) - self.max_gap if gaps and self.max_gap is not None else None

    def rank(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Trials that have an objective, best first: feasible ones before the others.

        Of equal objectives the one of lower log loss on val stands first, then that of the
        smaller number.
        """
        return sorted((r for r in records if r.objective is not None), key=self.place_of)

    def place_of(self, record: TrialRecord) -> tuple[bool, float, float, int]:
        """What a trial with an objective is ranked by, the smallest first."""
        objective = record.objective or 0.0
        best = record.best
        log_loss = self._key_of(best.val)[1] if best is not None else float("inf")
        is_beyond_gap = (self.gap_excess(record) or 0.0) > 0
        return is_beyond_gap, -objective if self.maximize else objective, log_loss, record.trial


def distinct_trials(ranked: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Of trials with the same params only the first: Hyperband trains them for longer.

    Args:
        ranked: Best first, as of `Goal.rank`.
    """
    distinct: dict[Hashable, TrialRecord] = {}
    for record in ranked:
        distinct.setdefault(params_key(record.params), record)
    return list(distinct.values())


def params_key(params: Params) -> Hashable:
    """The same for two points of a space if, and only if, they are equal.

    >>> params_key({"a": 1, "b": "x"}) == params_key({"b": "x", "a": 1})
    True
    """
    return frozenset(params.items())
