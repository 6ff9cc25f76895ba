"""The numbers behind the pictures of a search."""

import doctest
import math

import numpy as np
import pytest

from autocnn.core.records import TrialRecord, TrialState
from autocnn.reporting import search_summary
from autocnn.reporting.search_summary import (
    axis_range,
    param_importances,
    scored_trials,
    search_history,
)
from tests.samples import trial


def make_trials(number: int, *, effect: float = 1.0, noise: float = 0.1) -> list[TrialRecord]:
    """The objective grows with `x`, is 1 better under `word` b, and ignores `idle`."""
    generator = np.random.default_rng(number)
    trials = []
    for index in range(number):
        x, word = float(generator.uniform()), "ab"[int(generator.integers(2))]
        objective = effect * (3 * x + (word == "b")) + noise * generator.normal()
        params = {"x": x, "word": word, "idle": float(generator.uniform()), "same": 3}
        trials.append(trial(index, objective=float(objective), params=params))
    return trials


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_summary, "NUM_TREES", 60)


def test_complete_and_pruned_trials_with_a_number_count() -> None:
    trials = [
        trial(3),
        trial(0, state=TrialState.PRUNED),
        trial(1, state=TrialState.TIMED_OUT),
        trial(2, objective=None),
        trial(4, objective=math.inf),
        trial(5, objective=math.nan),
    ]
    assert [one.trial for one in scored_trials(trials)] == [0, 3]


@pytest.mark.parametrize("maximize", [True, False])
def test_the_axis_keeps_the_best_and_leaves_outliers_out(maximize: bool) -> None:
    sign = 1 if maximize else -1
    values = [sign * value for value in (0.90, 0.91, 0.92, 0.93, 0.94, -50.0)]
    low, high = axis_range(values, maximize=maximize)
    assert (low, high) == ((0.90, 0.94) if maximize else (-0.94, -0.90))


def test_an_outlier_that_is_best_or_near_is_kept() -> None:
    assert axis_range([0.1, 0.11, 0.12, 0.13, 0.9], maximize=True) == (0.1, 0.9)
    assert axis_range([0.88, 0.91, 0.92, 0.93, 0.99], maximize=True) == (0.88, 0.99)
    assert axis_range([0.5], maximize=True) == (0.5, 0.5)
    assert axis_range([0.1, 0.9, 0.9, 0.9, 0.9], maximize=True) == (0.1, 0.9)


def test_history_by_numbers() -> None:
    trials = [
        trial(2, objective=0.95),
        trial(0, objective=0.90),
        trial(1, objective=None, state=TrialState.FAILED),
        trial(3, objective=0.99, state=TrialState.TIMED_OUT),
        trial(4, objective=0.93),
        trial(5, objective=-9.0),
        trial(6, objective=0.94),
    ]
    history = search_history(trials, maximize=True)
    assert [point.trial for point in history.points] == list(range(7))
    assert history.steps == ((0, 0.90), (2, 0.95))
    assert history.default == 0.90
    assert (history.low, history.high, history.num_cut) == (0.90, 0.99, 1)
    assert [point.is_cut for point in history.points] == [False] * 5 + [True, False]
    downwards = search_history(trials, maximize=False)
    assert downwards.steps == ((0, 0.90), (5, -9.0))


def test_history_without_objectives() -> None:
    history = search_history([trial(0, objective=None)], maximize=True)
    assert (history.steps, history.default, history.num_cut) == ((), None, 0)
    assert search_history([], maximize=True).points == ()


@pytest.mark.usefixtures("few_trees")
def test_what_matters_is_found_in_order() -> None:
    found = param_importances(make_trials(60))
    assert [param.name for param in found.params[:2]] == ["x", "word"]
    assert {param.name for param in found.params} == {"x", "word", "idle"}
    x, word, idle = found.params
    assert found.explained is not None
    assert 0.7 < found.explained < 1
    assert x.importance > word.importance > 2 * word.spread
    assert abs(idle.importance) < 0.05
    assert [param.matters for param in found.params] == [True, True, False]
    assert all(param.spread > 0 for param in found.params)
    assert found.num_trials == 60
    assert found.reason == ""


@pytest.mark.usefixtures("few_trees")
def test_importances_are_the_same_for_losses_and_monotone_scores_and_every_time() -> None:
    trials = make_trials(30)
    turned = [one.model_copy(update={"objective": math.exp(one.objective or 0)}) for one in trials]
    assert param_importances(trials) == param_importances(turned)


@pytest.mark.usefixtures("few_trees")
def test_whether_a_param_is_used_at_all_can_matter() -> None:
    generator = np.random.default_rng(0)
    trials = []
    for index in range(40):
        is_used = index % 2 == 0
        params = {"when": float(generator.uniform())} if is_used else {}
        objective = float(is_used + 0.1 * generator.normal())
        trials.append(trial(index, objective=objective, params=params))
    found = param_importances(trials)
    assert [param.name for param in found.params] == ["when"]
    assert found.params[0].importance > 0.5


@pytest.mark.usefixtures("few_trees")
def test_noise_gives_a_reason_instead_of_importances() -> None:
    found = param_importances(make_trials(40, effect=0.0))
    assert found.params == ()
    assert found.explained is not None
    assert found.explained <= 0
    assert "R² = -0." in found.reason
    assert "40 trials" in found.reason


def test_too_few_or_equal_trials_give_a_reason() -> None:
    found = param_importances(make_trials(9))
    assert (found.params, found.explained, found.num_trials) == ((), None, 9)
    assert "At least 10 trials" in found.reason
    assert "there is 1." in param_importances(make_trials(1)).reason
    same = [trial(index) for index in range(12)]
    assert param_importances(same).reason == "All trials have the same params."
    level = [one.model_copy(update={"objective": 0.5}) for one in make_trials(12)]
    assert param_importances(level).reason == "All trials have the same objectives."


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(search_summary)
    assert result.attempted > 0
    assert result.failed == 0
