"""Rungs are shares of a trial's own schedule; the better half goes on."""

import pytest

from autocnn.tuning.engines.halving import LAST_SHARE, Halving, rung_epochs


@pytest.mark.parametrize("warmup_epochs", [0, 1, 3, 10, 100])
def test_no_rung_is_in_the_warm_up_or_in_the_last_third(warmup_epochs: int) -> None:
    for epochs in range(1, 101):
        rungs = [epoch for epoch in rung_epochs(epochs, warmup_epochs=warmup_epochs) if epoch]
        assert rungs == sorted(set(rungs))
        for epoch in rungs:
            assert min(warmup_epochs, epochs // 2) < epoch <= LAST_SHARE * epochs
        if warmup_epochs <= 1 < epochs - 1:
            assert rungs, "a trial of three epochs or more is looked at"


def test_of_fewer_than_four_the_best_goes_on_then_the_better_half() -> None:
    halving = Halving(18, maximize=True)
    values = [0.5, 0.4, 0.6, 0.55, 0.5, 0.45, 0.55]
    behind = [halving.is_behind(3, value, epochs=18, warmup_epochs=1) for value in values]
    assert behind == [False, True, False, False, True, True, False], "the last is third of seven"


def test_equals_go_on_together() -> None:
    halving = Halving(18, maximize=False)
    assert not any(halving.is_behind(3, 0.5, epochs=18, warmup_epochs=1) for _ in range(9))


def test_a_lower_log_loss_goes_on() -> None:
    halving = Halving(18, maximize=False)
    behind = [halving.is_behind(3, loss, epochs=18, warmup_epochs=1) for loss in (0.5, 0.6, 0.4)]
    assert behind == [False, True, False]


def test_a_shortened_trial_is_compared_with_all_after_as_many_epochs() -> None:
    halving = Halving(18, maximize=True)
    for at_first, at_third in ((0.3, 0.9), (0.4, 0.8), (0.2, 0.7), (0.1, 0.6)):
        for epoch, value in ((1, at_first / 2), (2, at_first), (3, at_third)):
            halving.is_behind(epoch, value, epochs=18, warmup_epochs=1)
    # A sixth of six epochs is one, which is warm-up: its rung is after the second.
    assert not halving.is_behind(1, 0.0, epochs=6, warmup_epochs=1)
    assert not halving.is_behind(2, 0.35, epochs=6, warmup_epochs=1), "second of five by then"
    assert halving.is_behind(2, 0.15, epochs=6, warmup_epochs=1), "fifth of six"


def test_a_shortened_trial_sets_no_bar_for_whole_ones() -> None:
    halving = Halving(18, maximize=True)
    assert not halving.is_behind(3, 0.5, epochs=18, warmup_epochs=1)
    for value in (0.1, 0.9, 0.95):  # they are at their end, where the rate is low
        halving.is_behind(3, value, epochs=6, warmup_epochs=1)
    assert not halving.is_behind(3, 0.6, epochs=18, warmup_epochs=1)
    assert halving.is_behind(3, 0.4, epochs=18, warmup_epochs=1)


def test_trials_are_stopped_where_all_were_shortened() -> None:
    halving = Halving(18, maximize=True)
    behind = [halving.is_behind(2, v, epochs=9, warmup_epochs=1) for v in (0.5, 0.4, 0.6)]
    assert behind == [False, True, False]
