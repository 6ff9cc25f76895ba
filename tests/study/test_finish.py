"""What a finished study is made of again, and when it stays as it is."""

import pytest

from autocnn.storage.status import FinalistFacts
from autocnn.study.finish import _is_less, _why_no_folds
from tests.tuning.budgets import budget, trial


def retrained(trial: int, epochs: int) -> FinalistFacts:
    return FinalistFacts(trial=trial, epochs=epochs)


def own(trial: int, epochs: int) -> FinalistFacts:
    """One whose trial's own model is judged."""
    return FinalistFacts(trial=trial, epochs=None, own_epochs=epochs)


BEFORE = (retrained(3, 20), own(0, 12))


@pytest.mark.parametrize(
    ("chosen", "more_folds", "expected"),
    [
        (BEFORE, 0, False),
        (BEFORE, 1, False),
        (BEFORE, -1, True),
        (BEFORE[:1], 0, True),
        ((retrained(3, 16), own(0, 12)), 0, True),
        ((retrained(3, 24), own(0, 12)), 0, False),
        ((retrained(3, 16), own(0, 14)), 0, False),
        ((retrained(3, 16), retrained(0, 9)), 0, False),
        ((own(3, 20), own(0, 12)), 0, True),
        ((retrained(3, 16), own(5, 12)), 0, False),
    ],
    ids=[
        "the same",
        "more folds",
        "fewer folds",
        "fewer finalists",
        "a shorter refit",
        "a longer refit",
        "a trial went on",
        "one more refit",
        "no refit",
        "another trial",
    ],
)
def test_what_is_less_than_a_finished_study_has(
    chosen: tuple[FinalistFacts, ...], more_folds: int, expected: bool
) -> None:
    assert _is_less(chosen, BEFORE, more_folds=more_folds) is expected


def test_the_same_models_of_trials_are_not_judged_again() -> None:
    finalists = own(3, 20), own(0, 12)
    assert _is_less(finalists, finalists, more_folds=0)


def test_a_budget_that_is_too_short_for_folds_hears_how_long_is_enough() -> None:
    """Of one that is not, later epochs took longer than those of before."""
    # A refit takes 50 s, on three folds 102 s more; with three quarters of the epochs 114 in all.
    ranked = [trial(0, epochs=40, best=40)]
    short, long = (budget(total_s, now=290.0, num_folds=3) for total_s in (300.0, 600.0))
    said = "There is no time for folds: the finalists are compared on val."
    more = "A budget of about 7 min in all has time for them."
    assert _why_no_folds(short, ranked) == f"{said} {more}"
    assert _why_no_folds(long, ranked) == said
