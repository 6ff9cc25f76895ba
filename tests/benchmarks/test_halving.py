"""Rules that stop trials: what they spend, and what comes to its end."""

import numpy as np
import pytest

from benchmarks.halving import RULES, Curve, halve, keep_best, train_whole


def curve(best: float, *, epochs: int = 12, epoch_s: float = 1.0) -> Curve:
    """One that rises evenly, so that a glimpse tells all."""
    return Curve(
        values=tuple(best * (epoch + 1) / epochs for epoch in range(epochs)),
        seconds=tuple(epoch_s * (epoch + 1) for epoch in range(epochs)),
        epochs=epochs,
        warmup_epochs=0,
        predicted=np.zeros((1, 2), np.float32),
    )


CURVES = [curve(best) for best in (0.5, 0.4, 0.3, 0.9, 0.8)]


def test_without_a_rule_as_many_come_to_their_end_as_there_is_time_for() -> None:
    assert train_whole(CURVES, 36.0) == CURVES[:3]


def test_after_a_glimpse_of_all_the_best_go_on() -> None:
    assert keep_best(CURVES, 12.0 + 4 * 2.0, number=1) == [CURVES[3]]
    assert keep_best(CURVES, 12.0 + 2 * 2.0, number=1) == [CURVES[0]], "of three there is time"
    assert keep_best(CURVES, 24.0 + 3 * 2.0, number=2) == [CURVES[3], CURVES[4]]


def test_halving_stops_those_behind_at_a_rung_but_not_the_first() -> None:
    """1 is compared with none, 2 with 1; 4 is better than 1, but behind 3."""
    assert halve(CURVES, 1000.0, factor=3) == [CURVES[0], CURVES[1], CURVES[3]]
    assert halve(CURVES, 1000.0, factor=3, counts_first=True) == [CURVES[0], CURVES[3]]
    assert halve(CURVES, 12.0 + 12.0 + 2.0 + 11.0, factor=3) == CURVES[:2], "time is up before"


@pytest.mark.parametrize("name", RULES)
def test_every_rule_trains_the_default_or_a_better_one_in_its_own_time(name: str) -> None:
    (*_, best) = sorted(RULES[name](CURVES, 12.0), key=lambda one: one.best)
    assert best.best >= 0.5
