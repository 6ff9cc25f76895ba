"""The search leaves time for the finalists."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import replace

import pytest

from autocnn.core.records import EpochScore, TrialRecord
from autocnn.tuning.budget import (
    FINALISTS_SHARE,
    JUDGING_S,
    MEMBERS_SHARE,
    Pace,
    Shortlist,
    epoch_seconds,
    is_too_slow,
)
from tests.tuning.budgets import (
    INFINITY,
    REFIT_S,
    Clock,
    budget,
    failed,
    numbered,
    numbers,
    pace,
    trial,
)


def test_time_counts_from_the_start_of_the_study() -> None:
    assert budget(60.0, now=7.5).elapsed_s == 7.5


def test_without_a_budget_there_is_time_for_everything() -> None:
    free = budget(None, now=1e9)
    assert free.search_left_s([trial()] * 3) == INFINITY
    assert numbers(free.shortlist_now(numbered(5))) == ([0, 1, 2], 0, 3)
    assert free.epochs_for_next(30, pace(trial()), [trial()]) == 30


def test_the_search_ends_in_time_for_the_finalists() -> None:
    best = [trial()] * 3
    assert budget(300.0, now=100.0).search_left_s(best) == pytest.approx(
        300 - 100 - (3 * REFIT_S + 4 * JUDGING_S)
    )
    assert budget(300.0, now=100.0).search_left_s([]) == 200


def test_the_search_leaves_a_sixth_more_for_further_refits() -> None:
    long = trial(epochs=40, best=40, start_s=0.0)  # to retrain it takes 48 s
    one, three = budget(180.0), budget(180.0, members=3)
    assert one.planned_s([long]) == pytest.approx(48.0 + JUDGING_S)  # of 60
    assert three.planned_s([long]) == pytest.approx(48.0 + 2 * JUDGING_S), "a second takes 48 more"
    assert budget(360.0, members=3).planned_s([long]) == pytest.approx(3 * 48.0 + 2 * JUDGING_S)
    assert budget(None, members=3).planned_s([long]) == pytest.approx(3 * 48.0 + 2 * JUDGING_S)


def test_the_finalists_take_no_more_than_their_share_which_is_fixed() -> None:
    rng = random.Random(0)
    for _ in range(200):
        total_s = rng.uniform(60, 4000)
        plan = budget(total_s, now=rng.uniform(0, total_s), num_folds=rng.choice([0, 3]), members=3)
        ranked = [trial(n, epoch_s=rng.uniform(0.1, 9), best=rng.randint(1, 10)) for n in range(5)]
        least = plan.shortlist_s(Shortlist(tuple(ranked[:1])))
        assert plan.planned_s(ranked) <= max((FINALISTS_SHARE + MEMBERS_SHARE) * total_s, least)


def test_the_first_trial_leaves_time_for_its_refit_where_that_takes_few_epochs() -> None:
    record = trial(epochs=2, epoch_s=10.0, start_s=0.0)
    for total_s, epochs, refit_epochs in (
        (750.0, 30, 30),
        (650.0, 30, 28),
        (600.0, 28, 25),
        (550.0, 26, 23),
        (500.0, 24, 20),
        (450.0, 30, None),  # to leave time for a refit would cost it more than a quarter
        (250.0, 24, None),
    ):
        plan = budget(total_s, now=20.0)
        assert plan.epochs_that_fit(record.model_copy(update={"epochs": 30}), []) == epochs
        then = trial(epochs=epochs, epoch_s=10.0, best=epochs, start_s=0.0)
        found = replace(plan, clock=Clock(100.0 + 10.0 * epochs)).shortlist_now([then])
        assert (found.epochs_of(then) if found.retrained else None) == refit_epochs


def test_a_search_with_time_for_few_trials_is_known() -> None:
    own = trial(epochs=10, epoch_s=10.0, best=10, start_s=0.0)
    planned_s = budget(1000.0).planned_s([own])
    assert budget(599.0 + planned_s).has_few_trials(10, 10.0, [own])
    assert not budget(601.0 + planned_s).has_few_trials(10, 10.0, [own])
    assert not budget(601.0, workers=2).has_few_trials(10, 10.0, [own])
    assert not budget(None).has_few_trials(10, 10.0, [own])


def test_no_trial_starts_for_a_glimpse_where_there_is_time_for_few() -> None:
    """Its time gives longer refits, but where they have all that they can use."""
    own = trial(epochs=10, epoch_s=40.0, best=10, start_s=0.0)  # its refit takes 488 s
    for left_s, expected in ((110.0, 0), (159.0, 0), (161.0, 4)):
        plan = budget(1000.0, now=1000.0 - budget(1000.0).planned_s([own]) - left_s)
        assert plan.epochs_for_next(10, pace(own), [own]) == expected
    settled = replace(budget(1000.0, now=890.0), most_for_finalists_s=8.0)
    assert settled.epochs_for_next(10, pace(own), [own]) == 2


@pytest.mark.parametrize(
    ("left_s", "epochs"),
    [(100.0, 30), (32.5, 30), (31.5, 29), (12.5, 10), (11.5, 0), (0.0, 0), (-5.0, 0)],
)
def test_a_trial_near_the_end_gets_the_epochs_that_fit(left_s: float, epochs: int) -> None:
    """Its start takes 2 s, an epoch one."""
    planned = REFIT_S + JUDGING_S
    now = 1000.0 - planned - left_s
    assert budget(1000.0, now).epochs_for_next(30, pace(trial()), [trial()]) == epochs


def test_rather_a_few_epochs_than_a_twentieth_of_the_budget_idle() -> None:
    slow = trial(epoch_s=20.0, best=1)
    for left_s, epochs in ((70.0, 3), (51.0, 2), (49.0, 0)):
        plan = budget(1000.0, now=1000.0 - left_s - budget(1000.0).planned_s([slow]))
        assert plan.epochs_for_next(8, pace(slow), [slow]) == epochs


def test_the_typical_epoch_decides_not_the_slowest() -> None:
    records = [trial(epoch_s=1.0), trial(epoch_s=1.0), trial(epoch_s=60.0), failed()]
    assert budget(1000.0, now=978.0).epochs_for_next(40, pace(*records), []) == 20


def test_before_any_epoch_a_trial_starts_whole() -> None:
    assert budget(60.0, now=1.0).epochs_for_next(30, pace(failed()), []) == 30
    assert budget(60.0, now=59.5).epochs_for_next(30, pace(), []) == 30
    assert budget(60.0, now=60.0).epochs_for_next(30, pace(), []) == 0


@pytest.mark.parametrize(
    ("left_s", "expected"), [(100.0, False), (18.5, False), (18.0, True), (0.0, True)]
)
def test_a_trial_is_too_slow_when_its_epochs_do_not_fit(left_s: float, expected: bool) -> None:
    history = trial(epochs=10, epoch_s=2.0).history  # 20 s more for epochs 11 to 20
    assert is_too_slow(history, 20, left_s) is expected


def test_no_trial_is_too_slow_without_a_budget() -> None:
    left_s = budget(None).search_left_s([])
    assert not is_too_slow(trial(epoch_s=1e6).history, 1000, left_s)


@pytest.mark.parametrize(
    ("total_s", "records", "expected"),
    [
        (None, [], None),
        (100.0, [], 90.0),
        (None, [trial()], 4 * 12.0 + REFIT_S + JUDGING_S),
        (50.0, [trial()], 40.0),  # never more than the budget
        (5.0, [trial()], 0.0),  # never below zero
    ],
)
def test_time_left(
    total_s: float | None, records: Sequence[TrialRecord], expected: float | None
) -> None:
    plan = budget(total_s, now=10.0)
    left = plan.time_left_s(4, pace(*records), plan.planned_s(records))
    assert left == (None if expected is None else pytest.approx(expected))


def test_failed_trials_do_not_spoil_the_time_left() -> None:
    with_failure = budget(None).time_left_s(4, pace(trial(), failed()), 10.0)
    assert with_failure == budget(None).time_left_s(4, pace(trial()), 10.0)


def test_the_pace_is_the_median_of_the_epochs_and_the_mean_of_the_trials() -> None:
    rng = random.Random(0)
    found, records = Pace(), []
    for number in range(30):
        records.append(trial(number, epochs=rng.randint(1, 9), epoch_s=rng.random(), start_s=1.0))
        found.add(records[-1])
        found.add(failed())
        per_epoch = [epoch_seconds(record.history) for record in records]
        assert found.epoch_s == statistics.median(per_epoch)
        assert found.trial_s == pytest.approx(statistics.mean(r.seconds for r in records))
        assert found.start_s == pytest.approx(1.0)
    assert (Pace().epoch_s, Pace().trial_s, Pace().start_s) == (None, None, 0.0)


def test_the_first_epoch_which_also_compiles_tells_only_when_it_is_alone() -> None:
    history = trial(epochs=3, epoch_s=2.0).history
    compiling = (history[0].model_copy(update={"seconds": 60.0}), *history[1:])
    assert epoch_seconds(compiling[:1]) == 60.0
    assert epoch_seconds(compiling) == 2.0
    record = trial(epochs=3, start_s=5.0).model_copy(update={"history": compiling, "seconds": 69.0})
    assert pace(record).start_s == pytest.approx(69.0 - 6.0)
    assert not is_too_slow(compiling[:1], 30, left_s=60.0), "the second epoch tells"
    assert is_too_slow(compiling[:1], 30, left_s=59.0)
    assert not is_too_slow(compiling[:2], 30, left_s=60.0)


@pytest.mark.parametrize(
    ("epoch_s", "done", "expected"),
    [
        (10.0, 1, 30),  # all of them
        (60.0, 1, None),  # the first also compiled: the second tells
        (60.0, 2, 16),  # its refit would take too long: its own model is judged
        (300.0, 1, None),
        (300.0, 2, 3),
        (497.0, 1, 1),  # another one, and the judging, would not fit
        (900.0, 1, 1),  # not one more
    ],
)
def test_the_first_trial_is_fitted_into_what_there_is(
    epoch_s: float, done: int, expected: int | None
) -> None:
    record = trial(epochs=done, epoch_s=epoch_s, best=1, start_s=0.0)
    record = record.model_copy(update={"epochs": 30, "seconds": 0.0})
    plan = budget(1000.0, now=epoch_s * done)
    epochs = plan.epochs_that_fit(record, [])
    assert epochs == expected
    if epochs is not None and epochs > done:
        then = trial(epochs=epochs, epoch_s=epoch_s, best=epochs, start_s=0.0)
        assert epoch_s * epochs + plan.planned_s([then]) <= 1000.0


@pytest.mark.parametrize(
    ("left_s", "expected"),
    [
        (400.0, None),  # it fits whole
        (150.0, 17),
        (80.0, 10),
        (70.0, None),  # not a third of it
        (5.0, None),
    ],
)
def test_a_trial_too_slow_has_a_shorter_schedule_or_none(
    left_s: float, expected: int | None
) -> None:
    best = [trial(epochs=3, epoch_s=1.0)]
    slow = trial(epochs=2, epoch_s=10.0, start_s=0.0).model_copy(update={"epochs": 30})
    plan = budget(1000.0, now=1000.0 - budget(1000.0).planned_s(best) - left_s)
    assert plan.search_left_s(best) == pytest.approx(left_s)
    assert plan.epochs_if_slow(slow, best) == expected


def test_a_schedule_is_shortened_only_where_the_new_process_pays() -> None:
    """It compiles again; without that time, the trial goes on as it is, and is cut."""
    history = trial(epochs=2, epoch_s=10.0).history
    compiling = (history[0].model_copy(update={"seconds": 110.0}), history[1])
    record = trial().model_copy(
        update={"history": compiling, "best_epoch": 2, "epochs": 90, "seconds": 0.0}
    )
    for left_s, expected in (
        (990.0, 90),  # all of them
        (300.0, 5),  # 100 s for the new process, three epochs, and a refit of four
        (160.0, 90),  # no time to compile again
        (15.0, 2),  # not one epoch more
    ):
        found = budget(1000.0, now=1000.0 - left_s).epochs_that_fit(record, [])
        assert found == expected


def test_the_search_has_again_what_the_finalists_can_no_longer_be() -> None:
    dear = trial(epoch_s=30.0, best=9, start_s=0.0)  # to retrain it takes 324 s
    plan = budget(1000.0, now=800.0)
    assert plan.planned_s([dear]) == pytest.approx(324.0 + JUDGING_S)
    assert plan.search_left_s([dear]) < 0
    settled = plan.settled([dear])
    assert settled is not None
    assert numbers(settled.shortlist_now([dear])) == ([0], 0, False)
    assert settled.search_left_s([dear]) == pytest.approx(200.0 - JUDGING_S)
    assert settled.settled([dear]) is not None, "with as much to spend again"
    assert budget(1000.0, now=945.0).settled([dear]) is None, "a twentieth may be idle"
    assert budget(1000.0, now=940.0).settled([dear]) is not None
    assert budget(None).settled([dear]) is None


def test_the_processes_of_a_trial_that_was_resumed_are_not_those_of_its_refit() -> None:
    history = trial(epochs=6, epoch_s=1.0).history
    slow = {1: 20.0, 3: 20.0, 5: 20.0}  # the first epoch of each of three processes
    resumed = tuple(s.model_copy(update={"seconds": slow.get(s.epoch, 1.0)}) for s in history)
    record = trial().model_copy(update={"history": resumed, "seconds": 63.0 + 3 * 2.0})
    assert epoch_seconds(resumed) == 1.0
    assert pace(record).start_s == pytest.approx(19.0 + 3 * 2.0)


@pytest.mark.parametrize("start_s", [2.0, 200.0])
def test_where_not_one_epoch_fits_no_trial_starts(start_s: float) -> None:
    slow = trial(epoch_s=100.0, best=1, start_s=start_s)
    plan = budget(1000.0, now=940.0 - budget(1000.0).planned_s([slow]))
    assert plan.epochs_for_next(30, pace(slow), [slow]) == 0


def test_epochs_that_take_no_time_all_fit() -> None:
    assert budget(1000.0).epochs_for_next(30, pace(trial(epoch_s=0.0)), []) == 30


def test_a_schedule_may_be_shorter_by_a_single_epoch() -> None:
    best = [trial(epochs=3, epoch_s=1.0)]
    slow = trial(epochs=2, epoch_s=10.0, start_s=0.0).model_copy(update={"epochs": 10})
    plan = budget(1000.0, now=925.0 - budget(1000.0).planned_s(best))
    assert plan.epochs_if_slow(slow, best) == 9


def test_workers_share_the_trials_that_are_left() -> None:
    plan = budget(None, workers=2)
    left = plan.time_left_s(4, pace(trial()), plan.planned_s([trial()]))
    assert left == pytest.approx(4 * 12.0 / 2 + REFIT_S + JUDGING_S)


def test_a_sixth_of_the_budget_is_for_further_refits() -> None:
    long = trial(epochs=40, best=40, start_s=0.0)  # three refits and their judging: 160 s
    assert budget(321.0, members=3).planned_s([long]) == pytest.approx(3 * 48.0 + 2 * JUDGING_S)
    assert budget(319.0, members=3).planned_s([long]) == pytest.approx(2 * 48.0 + 2 * JUDGING_S)


@pytest.mark.parametrize(
    ("seconds", "typical"), [((60, 4, 1, 2, 3, 5), 3), ((60, 1, 2), 1), ((60,), 60)]
)
def test_a_typical_epoch_is_the_median_without_the_first(
    seconds: tuple[int, ...], typical: int
) -> None:
    history = [
        EpochScore(epoch=n, train_loss=1.0, learning_rate=0.1, seconds=s)
        for n, s in enumerate(seconds, start=1)
    ]
    assert epoch_seconds(history) == typical


def test_before_any_trial_nothing_is_left_to_finalists() -> None:
    assert budget(60.0, members=3).planned_s([]) == 0.0


@pytest.mark.parametrize(
    ("left_s", "first_s", "expected"),
    [
        (80.5, 10.0, 10),  # the eight that it has not trained yet
        (79.5, 10.0, 9),
        (10.5, 110.0, 10),  # no time to compile again, but for an epoch: it goes on until it is cut
        (9.5, 110.0, 2),
    ],
)
def test_what_fits_goes_by_the_epochs_that_are_left(
    left_s: float, first_s: float, expected: int
) -> None:
    best = [trial(epochs=3)]
    history = trial(epochs=2, epoch_s=10.0).history
    history = (history[0].model_copy(update={"seconds": first_s}), history[1])
    record = trial().model_copy(update={"history": history, "epochs": 10})
    plan = budget(1000.0, now=1000.0 - budget(1000.0).planned_s(best) - left_s)
    assert plan.epochs_that_fit(record, best) == expected


def test_a_schedule_is_shortened_for_its_refit_and_never_made_longer() -> None:
    """27 epochs do not fit beside their refit of 324 s; 28, whose refit is too long, would."""
    record = trial(epochs=2, epoch_s=10.0, start_s=0.0).model_copy(update={"epochs": 27})
    assert budget(1000.0, now=500.0).epochs_that_fit(record, []) == 23


def test_a_trial_too_slow_for_one_epoch_more_is_not_worth_the_time() -> None:
    slow = trial(epochs=5, epoch_s=10.0, start_s=0.0).model_copy(update={"epochs": 10})
    plan = budget(1000.0, now=995.0 - budget(1000.0).planned_s([trial()]))
    assert plan.epochs_if_slow(slow, [trial()]) is None
