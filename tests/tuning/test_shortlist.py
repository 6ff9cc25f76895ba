"""What there is time to make of the best trials."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from autocnn.tuning.budget import FORWARD_SHARE, JUDGING_S, Shortlist, further_epochs
from tests.tuning.budgets import DEFAULT, REFIT_S, budget, cost, numbered, numbers, trial


def test_finalists_cost_their_refit_and_their_judging() -> None:
    assert cost(budget(None), []) == 0
    assert cost(budget(None), [trial()]) == pytest.approx(REFIT_S + JUDGING_S)
    assert cost(budget(None), [trial()] * 3) == pytest.approx(3 * REFIT_S + 4 * JUDGING_S)


def test_folds_cost_their_share_of_the_images_and_more_candidates() -> None:
    fold_s = 2.0 + 5 * 1.2 * 2 / 3
    one = cost(budget(None), [trial()], 3)
    assert one == pytest.approx(REFIT_S + 3 * fold_s + 3 * JUDGING_S)  # refit, folds, ensemble


def test_predicting_costs_half_of_what_training_on_as_many_images_does() -> None:
    """Twice where the models are asked for mirror images too."""
    free, busy = budget(None), budget(None, num_judged=1000)
    for flip, times in (("none", 1), ("horizontal", 2)):
        one = trial().model_copy(update={"params": {"flip": flip}})
        assert cost(busy, [one]) - cost(free, [one]) == pytest.approx(
            times * FORWARD_SHARE * 1000 * 1.0 / 100
        )


def test_workers_share_the_refits() -> None:
    long = trial(best=10)
    two = budget(None, workers=2)
    assert cost(two, [trial()] * 4) == pytest.approx(2 * REFIT_S + 5 * JUDGING_S)
    assert cost(two, [trial(), long]) == pytest.approx(2 + 10 * 1.2 + 3 * JUDGING_S)


@pytest.mark.parametrize(
    ("left_s", "expected"),
    [
        (1000.0, ([0, 1, 2], 3)),
        (56.0, ([0, 1, 2], 3)),
        (55.0, ([0, 1, 2], 3)),  # with an epoch less
        (52.0, ([0, 1, 2], 2)),
        (47.0, ([0, 1, 2], 2)),
        (44.0, ([0, 1], 2)),
        (36.0, ([0, 1], 1)),
        (28.0, ([0], 1)),
        (15.0, ([0], 1)),
        (14.0, ([0], 0)),  # no refit fits: the trial's own model is judged
        (-5.0, ([0], 0)),
    ],
)
def test_fewer_refits_when_time_is_short(left_s: float, expected: tuple[list[int], int]) -> None:
    trials, _, retrained = numbers(budget(1000.0, 1000.0 - left_s).shortlist_now(numbered(5)))
    assert (trials, retrained) == expected


def test_there_are_no_more_finalists_than_trials() -> None:
    assert len(budget(1000.0).shortlist_now([trial()]).trials) == 1
    assert len(budget(None, finalists=1).shortlist_now(numbered(4)).trials) == 1


def test_the_default_configuration_is_always_a_finalist() -> None:
    ranked = [*numbered(5, start=1), trial(0)]
    assert numbers(budget(None).shortlist_now(ranked)) == ([1, 2, 3, 0], 0, 4)


def test_the_default_configuration_is_known_by_its_params() -> None:
    """As after `--fork`, which numbers anew: number 0 may be any point of the space."""
    ranked = numbered(6, start=1)
    first = trial(0).model_copy(update={"params": {"width": 9}})
    assert budget(None).shortlist_now([*ranked, first]).trials == tuple(ranked[:3])
    default = trial(7).model_copy(update={"params": DEFAULT})
    assert budget(None).shortlist_now([*ranked, default]).trials == (*ranked[:3], default)


@pytest.mark.parametrize(
    ("left_s", "expected"),
    [
        (1e6, ([1, 2, 3, 0], 3, 4)),
        (165.0, ([1, 2, 0], 3, 3)),
        (100.0, ([1, 0], 3, 2)),
        (91.0, ([1, 0], 3, 2)),  # with an epoch less
        (84.0, ([1, 2, 3, 0], 0, 2)),  # no folds before no default
        (56.0, ([1, 2, 3, 0], 0, 2)),
        (48.0, ([1, 2, 0], 0, 2)),
        (40.0, ([1, 0], 0, 2)),
        (32.0, ([1, 0], 0, 1)),
        (18.0, ([1], 0, 1)),
        (15.9, ([1], 0, 1)),
        (14.0, ([1], 0, 0)),
        (1.0, ([1], 0, 0)),
    ],
)
def test_first_finalists_go_then_folds_then_refits(
    left_s: float, expected: tuple[list[int], int, int]
) -> None:
    ranked = [*numbered(5, start=1), trial(0)]
    found = budget(1e7, now=1e7 - left_s, num_folds=3).shortlist_now(ranked)
    assert numbers(found) == expected


@pytest.mark.parametrize(
    ("left_s", "expected"),
    [
        (1e6, ([1, 2, 3, 0], 3, 3)),
        (185.0, ([1, 2, 3, 0], 3, 1)),
        (165.0, ([1, 2, 0], 3, 3)),
        (148.0, ([1, 2, 0], 3, 1)),
        (125.0, ([1, 0], 3, 3)),
        (110.0, ([1, 0], 3, 2)),
        (100.0, ([1, 0], 3, 1)),
        (88.0, ([1, 2, 3, 0], 0, 3)),
        (64.0, ([1, 2, 3, 0], 0, 1)),
        (40.0, ([1, 0], 0, 1)),
        (18.0, ([1], 0, 1)),
        (15.0, ([1], 0, 1)),
    ],
)
def test_further_refits_of_the_best_take_what_is_left(
    left_s: float, expected: tuple[list[int], int, int]
) -> None:
    ranked = [*numbered(5, start=1), trial(0)]
    found = budget(1e7, now=1e7 - left_s, num_folds=3, members=3).shortlist_now(ranked)
    assert ([r.trial for r in found.trials], found.num_folds, found.num_members) == expected


def test_more_refits_cost_their_training() -> None:
    """The mean is a candidate more, also that of a single refit and the trial's own model."""
    one = Shortlist((trial(),), (trial(),))
    three = replace(one, num_members=3)
    for workers, more_s in ((1, 2 * REFIT_S), (2, REFIT_S)):
        found = budget(None, workers=workers, members=3)
        assert found.shortlist_s(three) - found.shortlist_s(one) == pytest.approx(more_s)
        alone = replace(found, members=1)
        assert found.shortlist_s(one) - alone.shortlist_s(one) == pytest.approx(JUDGING_S)


@pytest.mark.parametrize(
    ("refits_s", "expected"),
    [
        (1e6, (3, 1.0)),
        (2 * REFIT_S - 0.1, (3, 0.9)),  # 5 epochs: the next fewer are 4, from nine tenths on
        (REFIT_S + 0.1, (2, 1.0)),
        (REFIT_S - 0.1, (2, 0.9)),
        (REFIT_S / 2, (1, 1.0)),
    ],
)
def test_as_many_refits_of_the_chosen_as_there_is_time_for(
    refits_s: float, expected: tuple[int, float]
) -> None:
    """More of them over up to a quarter fewer epochs, before fewer."""
    found = budget(1e7, now=1e7 - 2 * JUDGING_S - refits_s, members=3)
    chosen = [(trial(), 5)]
    assert found.members_now(chosen, [trial()], 0) == expected
    assert budget(None, members=3).members_now(chosen, [trial()], 0) == (3, 1.0)


def test_a_further_refit_never_has_more_epochs_than_the_first_nor_less_than_three_quarters() -> (
    None
):
    long = trial(epochs=40, best=40)
    assert [further_epochs(long, 40, share) for share in (1.0, 0.9, 0.75)] == [40, 36, 30]
    assert [further_epochs(long, 32, share) for share in (1.0, 0.75)] == [32, 30]
    assert further_epochs(long, 30) == 30


def test_refits_that_are_to_come_first_take_their_time_too() -> None:
    """Of 32 s, after the judging, 8 s for each refit."""
    for workers, expected in ((1, 2), (2, 3)):
        found = budget(1e7, now=1e7 - 2 * JUDGING_S - 24.5, members=3, workers=workers)
        refit = trial(), 5
        most, _ = found.members_now([refit], [trial()], 0, first=[refit] * 2)
        assert most == expected


def test_folds_have_a_third_and_refits_without_folds_a_half() -> None:
    long = trial(epochs=40, best=40, start_s=0.0)  # a refit takes 48 s, on three folds 96 s more
    for total_s, num_folds in ((530.0, 3), (425.0, 3), (415.0, 0)):
        plan = budget(total_s, now=total_s / 2, num_folds=3, members=3)
        found = plan.shortlist_now([long])
        assert (found.num_folds, len(found.retrained)) == (num_folds, 1)
        assert plan.shortlist_s(found) <= plan.planned_s([long]) <= total_s / 2
    plan = budget(415.0, now=150.0, num_folds=3, members=3)  # the trials came to their end earlier
    assert plan.shortlist_now([long]).num_folds == 3
    plan = budget(310.0, now=160.0, num_folds=3, members=3)
    assert numbers(plan.shortlist_now([long])) == ([0], 0, 1)


def test_what_is_said_to_be_enough_for_folds_is_and_no_more() -> None:
    ranked = [*(trial(n, epochs=40, best=40) for n in (1, 2)), trial(0)]
    short = budget(300.0, now=150.0, num_folds=3, members=3)
    assert short.shortlist_now(ranked).num_folds == 0
    enough_s = short.enough_for_folds_s(ranked)
    for total_s, num_folds in ((enough_s + 0.1, 3), (enough_s - 0.1, 0)):
        plan = budget(total_s, now=0.5 * total_s, num_folds=3, members=3)
        assert plan.shortlist_now(ranked).num_folds == num_folds


def test_a_refit_without_folds_may_have_a_shorter_schedule() -> None:
    """What fits whole is whole, and nothing is shortened by more than a quarter."""
    long = trial(epochs=40, best=40, start_s=0.0)
    for left_s, epochs in ((57.0, 40), (55.0, 38), (50.0, 34), (45.0, 30), (43.0, None)):
        plan = budget(1000.0, now=1000.0 - left_s)
        found = plan.shortlist_now([long])
        assert (found.epochs_of(long) if found.retrained else None) == epochs
        if epochs:
            assert plan.shortlist_s(found) == pytest.approx(1.2 * epochs + JUDGING_S)


def test_the_best_and_the_default_on_folds_may_have_a_shorter_schedule() -> None:
    """Only where they do not fit whole; each fold model's schedule is as short as the refit's."""
    best, default = trial(1, epochs=40, best=40, start_s=0.0), trial(0, start_s=0.0)
    ranked = [best, trial(2, epochs=40, best=40, start_s=0.0), default]
    for left_s, epochs in ((203.0, 40), (201.0, 38), (170.0, 32), (163.0, 30), (162.0, None)):
        plan = budget(1000.0, now=1000.0 - left_s, num_folds=3)
        found = plan.shortlist_now(ranked)
        assert (found.epochs_of(best) if found.num_folds else None) == epochs
        if epochs:
            assert found.trials == (best, default)
            assert found.epochs_of(default) == round(5 * found.schedule)
            num_epochs = epochs + found.epochs_of(default)
            assert plan.shortlist_s(found) == pytest.approx(3 * 1.2 * num_epochs + 5 * JUDGING_S)


def test_two_refits_on_two_workers_may_have_a_shorter_schedule_each() -> None:
    """The second one takes no time, but for its judging."""
    long = trial(epochs=40, best=40, start_s=0.0)  # a refit takes 48 s
    for left_s, members, epochs in ((64.5, 2, 40), (62.0, 2, 38), (55.0, 2, 32), (53.0, 2, 30)):
        found = budget(1000.0, now=1000.0 - left_s, workers=2, members=3).shortlist_now([long])
        assert (found.num_members, found.epochs_of(long)) == (members, epochs)


def test_where_the_refit_of_the_best_takes_too_long_that_of_another_is_made() -> None:
    slow, default = trial(1, epoch_s=100.0), trial(0)
    found = budget(1000.0, now=900.0, members=3).shortlist_now([slow, default])
    assert found.trials == (slow, default)
    assert found.retrained == (default,)
    assert found.num_members == 3


def test_without_folds_further_refits_are_made_beside_the_first_ones() -> None:
    one = Shortlist((trial(),), (trial(),))
    two, three = (replace(one, num_members=number) for number in (2, 3))
    plan = budget(None, workers=2)
    assert plan.shortlist_s(two) == plan.shortlist_s(one)
    assert plan.shortlist_s(three) == pytest.approx(plan.shortlist_s(two) + REFIT_S)
    folds = budget(None, workers=2, num_folds=1)
    on_folds = [replace(shortlist, num_folds=1) for shortlist in (one, two)]
    once, twice = map(folds.shortlist_s, on_folds)
    assert twice == pytest.approx(once + REFIT_S)


def test_behind_the_finalists_only_the_default_is_looked_for() -> None:
    ranked = [*numbered(9, start=1), trial(0)]
    short = [*ranked[:3], trial(0)]
    for total_s in (None, 330.0, 200.0, 80.0, 1.0):
        plan = budget(total_s, now=50.0, num_folds=3)
        assert plan.planned_s(short) == plan.planned_s(ranked)
        assert plan.shortlist_now(short) == plan.shortlist_now(ranked)


def test_a_slow_second_best_does_not_starve_the_search() -> None:
    plan = budget(1000.0, now=100.0, finalists=2)
    best = [*numbered(1), trial(1, epoch_s=100.0)]
    assert plan.planned_s(best) == plan.shortlist_s(Shortlist(tuple(best), tuple(best[:1])))
    # When the trials are all done, there is time for both.
    assert numbers(plan.shortlist_now(best)) == ([0, 1], 0, 2)
    late = budget(1000.0, now=700.0, finalists=2)
    assert numbers(late.shortlist_now(best)) == ([0, 1], 0, 1)


def test_every_model_predicts_once_and_in_each_candidate_and_workers_share_that() -> None:
    def predicting(
        what: str,
        workers: int = 1,
        num_folds: int = 0,
        num_refits: int = 1,
        members: int = 1,
        num_chosen: int = 1,
    ) -> float:
        free = budget(None, workers=workers, members=members)
        facts: dict[str, Any] = {what: 1000}
        busy = replace(free, **facts)
        arguments = [trial()] * 2, num_folds, num_refits
        return busy.judging_s(*arguments, num_chosen=num_chosen) - free.judging_s(
            *arguments, num_chosen=num_chosen
        )

    one = 0.5 * 1000 * 1.0 / 100  # a model of one finalist
    for what, first_of_mean, in_ensemble in (("num_judged", 0, 0), ("num_measured", 1, 1)):
        two = 2 * (1 + in_ensemble)
        asked = partial(predicting, what)
        assert asked() == pytest.approx(two * one)
        assert asked(num_folds=3) == pytest.approx((two + 2 * 3) * one)
        assert asked(num_refits=3, members=3) == pytest.approx((two + 2 + first_of_mean) * one)
        assert asked(num_refits=1, members=3) == pytest.approx((two + 1 + first_of_mean) * one)
        assert asked(num_refits=0, members=3) == pytest.approx(two * one)
        # Of an ensemble that is chosen, both have further refits: six models, each in two
        # candidates but for the first refits, which are in three.
        both = asked(num_refits=3, members=3, num_chosen=2)
        assert both == pytest.approx((6 if what == "num_judged" else 14) * one)
        assert asked(workers=2) == pytest.approx(two / 2 * one)


def test_without_the_default_configuration_none_takes_its_place() -> None:
    found = budget(None, finalists=1).shortlist_now(numbered(3, start=1))
    assert found.trials == (trial(1),)


def test_the_own_models_of_the_best_and_the_default_are_judged_before_the_best_alone() -> None:
    ranked = [*(trial(n, epochs=40, best=40) for n in (1, 2)), trial(0)]  # to retrain takes 50 s
    for left_s, expected in ((30.0, [1, 0]), (15.5, [1])):
        found = budget(1000.0, now=1000.0 - left_s, members=3).shortlist_now(ranked)
        assert numbers(found) == (expected, 0, False)
        assert found.num_members == 1, "of a model that is not made again there is one"


def test_retraining_ends_when_the_rest_is_for_the_judging() -> None:
    """Of the refit, the mean of the folds and an ensemble, whose four models predict for 20 s."""
    for left_s, is_time in ((3 * JUDGING_S + 20.5, False), (3 * JUDGING_S + 20.0, True)):
        plan = budget(1000.0, now=1000.0 - left_s, num_judged=1000)
        assert plan.is_time_to_judge([trial()], 3) is is_time


def test_a_trial_whose_objective_no_epoch_has_is_retrained_for_one() -> None:
    record = trial().model_copy(update={"best_epoch": None})
    plan = budget(1000.0)
    assert plan.planned_s([record]) == pytest.approx(2.0 + 1.2 + JUDGING_S)


def test_networks_of_one_s_own_are_asked_once() -> None:
    free, busy = budget(None), budget(None, num_judged=1000)
    one = trial().model_copy(update={"params": {"flip": "horizontal"}})
    once = replace(busy, is_mirrored=lambda params: False)
    assert 2 * (cost(once, [one]) - cost(free, [one])) == pytest.approx(
        cost(busy, [one]) - cost(free, [one])
    )
