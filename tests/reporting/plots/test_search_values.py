"""The numbers in the pictures of a search."""

import math

import numpy as np
import pytest

from autocnn.core.objective import Goal
from autocnn.core.records import ParamValue, Scores, TrialRecord, TrialState
from autocnn.reporting.plots import search_values
from autocnn.reporting.plots.search_values import (
    FAN,
    NOT_USED,
    axis_range,
    parallel_lines,
    param_importances,
    round_ticks,
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
    monkeypatch.setattr(search_values, "NUM_TREES", 60)


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
    history = search_history(trials, goal=Goal("accuracy"), default=2)
    assert [point.trial for point in history.points] == list(range(7))
    assert history.steps == ((0, 0.90), (2, 0.95))
    assert history.default == history.points[2]
    assert (history.low, history.high, history.num_cut) == (0.90, 0.99, 1)
    assert [point.is_cut for point in history.points] == [False] * 5 + [True, False]
    downwards = search_history(trials, goal=Goal("log_loss"))
    assert downwards.steps == ((0, 0.90), (5, -9.0))


def with_val(number: int, val: float, *, train: float = 1.0, log_loss: float = 0.5) -> TrialRecord:
    """A trial of one epoch with these scores."""
    (scored,) = trial(number).history
    scores = {"train": Scores(accuracy=train), "val": Scores(accuracy=val, log_loss=log_loss)}
    return trial(number, objective=val, history=(scored.model_copy(update=scores),))


def test_the_best_is_the_one_of_the_ranking() -> None:
    """Behind stand a gap that is too large, and of equals those of higher log loss."""
    equals = [with_val(0, 0.9), with_val(1, 0.9, log_loss=0.2), with_val(2, 0.9, log_loss=0.3)]
    goal = Goal("accuracy", max_gap=0.15)
    assert search_history(equals, goal=goal).steps == ((0, 0.9), (1, 0.9))
    assert parallel_lines(equals, params=[], goal=goal).lines[-1].trial == 1
    near = (with_val(number, 0.8 + number / 1000) for number in range(2, 9))
    gaps = [with_val(0, 0.1), with_val(1, 0.5, train=0.6), *near]
    history = search_history(gaps, goal=goal)
    assert history.steps == ((0, 0.1), (1, 0.5))
    assert history.low == 0.5, "it has a place on the axis"
    assert [point.trial for point in history.points if point.is_cut] == [0]
    assert parallel_lines(gaps, params=[], goal=goal).lines[-1].trial == 1


def test_a_trial_that_was_stopped_behind_others_is_never_the_best() -> None:
    trials = [trial(0, objective=0.9), trial(1, objective=0.95, state=TrialState.PRUNED)]
    assert search_history(trials, goal=Goal("accuracy")).steps == ((0, 0.9),)
    assert parallel_lines(trials, params=["x"], goal=Goal("accuracy")).lines[-1].trial == 0


def test_history_without_objectives() -> None:
    history = search_history([trial(0, objective=None)], goal=Goal("accuracy"))
    assert (history.steps, history.default, history.num_cut) == ((), None, 0)
    assert (
        search_history([trial(0, objective=None)], goal=Goal("accuracy"), default=0).default is None
    )
    assert search_history([], goal=Goal("accuracy")).points == ()


@pytest.mark.slow
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


@pytest.mark.slow
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


def trials_with(values: list[ParamValue | None]) -> list[TrialRecord]:
    """Trials of a param `x`, each better than the one before."""
    return [
        trial(index, objective=0.5 + index / 100, params={} if value is None else {"x": value})
        for index, value in enumerate(values)
    ]


def heights(values: list[ParamValue | None]) -> list[float]:
    lines = parallel_lines(trials_with(values), params=["x"], goal=Goal("accuracy")).lines
    return [line.heights[0] for line in lines]


def test_many_numbers_keep_their_places() -> None:
    assert heights([0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 10.0]) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.7, 1.0]


def test_numbers_that_spread_over_their_logarithm_have_a_logarithmic_axis() -> None:
    values: list[ParamValue | None] = [10.0**-power for power in range(8)]
    picture = parallel_lines(trials_with(values), params=["x"], goal=Goal("accuracy"))
    (axis,) = picture.axes
    assert axis.is_log
    assert heights(values) == pytest.approx([1 - power / 7 for power in range(8)])
    even: list[ParamValue | None] = [float(number) for number in range(1, 101)]
    assert not parallel_lines(trials_with(even), params=["x"], goal=Goal("accuracy")).axes[0].is_log
    assert math.isclose(axis.ticks[0][0], 0.0, abs_tol=1e-12)
    assert (axis.ticks[0][1], axis.ticks[-1][1]) == ("1e-07", "0.1")


def test_linear_ticks_are_rounded_to_the_span() -> None:
    values: list[ParamValue | None] = [4.4e-5, 0.03, 0.05, 0.1, 0.13, 0.17, 0.2]
    (axis,) = parallel_lines(trials_with(values), params=["x"], goal=Goal("accuracy")).axes
    assert [text for _, text in axis.ticks] == ["0", "0.05", "0.1", "0.15", "0.2"]


@pytest.mark.parametrize("is_log", [False, True])
def test_ticks_are_few_round_and_inside(is_log: bool) -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        low, high = sorted(10.0 ** generator.uniform(-6, 6, 2))
        if is_log and high < 10 * low:
            continue
        ticks = round_ticks(low, high, is_log=is_log)
        assert 2 <= len(ticks) <= 10
        assert list(ticks) == sorted(set(ticks))
        assert low - 0.02 * (high - low) <= ticks[0] and ticks[-1] <= high + 0.02 * (high - low)
        assert all(len(f"{tick:.10g}".replace(".", "").strip("0")) <= 8 for tick in ticks)
    assert round_ticks(-0.5, 0.5) == (-0.5, -0.25, 0.0, 0.25, 0.5)


def test_lines_through_one_word_are_fanned_the_best_uppermost() -> None:
    values: list[ParamValue | None] = ["adamw", "sgd", "adamw"]
    assert heights(values) == pytest.approx([1 - FAN, 0.0, 1 + FAN])
    (axis,) = parallel_lines(trials_with(values), params=["x"], goal=Goal("accuracy")).axes
    assert axis.ticks == ((0.0, "sgd"), (1.0, "adamw"))


def test_true_and_false_are_words_and_mix_with_others() -> None:
    (axis,) = parallel_lines(
        trials_with([True, False, 1]), params=["x"], goal=Goal("accuracy")
    ).axes
    assert [text for _, text in axis.ticks] == ["true", "false", "1"]
    assert not axis.is_log


def test_params_that_are_not_used_lie_under_the_axis() -> None:
    picture = parallel_lines(trials_with([None, 3, 5]), params=["x"], goal=Goal("accuracy"))
    assert picture.axes[0].has_unused
    assert picture.lines[0].heights[0] == pytest.approx(NOT_USED - FAN)
    assert picture.lines[0].heights[0] < -FAN


def test_the_best_is_on_top_whatever_the_direction() -> None:
    trials = [trial(0, objective=0.2), trial(1, objective=0.1), trial(2, objective=0.3)]
    picture = parallel_lines(trials, params=["dropout"], goal=Goal("log_loss"))
    assert (picture.best, picture.worst) == (0.1, 0.3)
    assert [line.trial for line in picture.lines] == [2, 0, 1]
    assert [line.strength for line in picture.lines] == [0.0, 0.5, 1.0]
    assert [line.heights[-1] for line in picture.lines] == pytest.approx([0.0, 0.5, 1.0])
    upwards = parallel_lines(trials, params=["dropout"], goal=Goal("accuracy"))
    assert [line.trial for line in upwards.lines] == [1, 0, 2]


def test_outliers_stand_at_the_foot_and_are_counted() -> None:
    values = [0.9, 0.91, 0.92, 0.93, 0.1]
    trials = [trial(index, objective=value) for index, value in enumerate(values)]
    picture = parallel_lines(trials, params=[], goal=Goal("accuracy"))
    assert (picture.worst, picture.best, picture.num_cut) == (0.9, 0.93, 1)
    assert picture.lines[0].heights == (0.0,)


def test_equals_and_a_single_trial_are_at_the_top() -> None:
    equal = parallel_lines([trial(0), trial(1)], params=["dropout"], goal=Goal("accuracy"))
    assert [line.heights[-1] for line in equal.lines] == [1.0, 1.0]
    assert equal.lines[-1].trial == 0
    (one,) = parallel_lines([trial(3)], params=["dropout", "absent"], goal=Goal("accuracy")).lines
    assert one.strength == 1.0
    assert len(one.heights) == 2


def test_without_objectives_there_are_no_lines() -> None:
    failed = trial(0, state=TrialState.FAILED, objective=None)
    with pytest.raises(ValueError, match="must get a trial with an objective"):
        parallel_lines([failed], params=["x"], goal=Goal("accuracy"))
