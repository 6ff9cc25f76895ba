"""Parallel coordinates, by their numbers."""

import doctest
import math

import pytest

from autocnn.core.records import ParamValue, TrialRecord, TrialState
from autocnn.reporting import parallel_summary
from autocnn.reporting.parallel_summary import FAN, NOT_USED, parallel_lines
from tests.samples import trial


def make_trials(values: list[ParamValue | None]) -> list[TrialRecord]:
    """Trials of a param `x`, each better than the one before."""
    return [
        trial(index, objective=0.5 + index / 100, params={} if value is None else {"x": value})
        for index, value in enumerate(values)
    ]


def heights(values: list[ParamValue | None]) -> list[float]:
    lines = parallel_lines(make_trials(values), params=["x"], maximize=True).lines
    return [line.heights[0] for line in lines]


def test_many_numbers_keep_their_places() -> None:
    assert heights([0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 10.0]) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.7, 1.0]


def test_numbers_that_spread_over_their_logarithm_have_a_logarithmic_axis() -> None:
    values: list[ParamValue | None] = [10.0**-power for power in range(8)]
    picture = parallel_lines(make_trials(values), params=["x"], maximize=True)
    (axis,) = picture.axes
    assert axis.is_log
    assert heights(values) == pytest.approx([1 - power / 7 for power in range(8)])
    even: list[ParamValue | None] = [float(number) for number in range(1, 101)]
    assert not parallel_lines(make_trials(even), params=["x"], maximize=True).axes[0].is_log
    assert math.isclose(axis.ticks[0][0], 0.0, abs_tol=1e-12)
    assert (axis.ticks[0][1], axis.ticks[-1][1]) == ("1e-07", "1")


def test_linear_ticks_are_rounded_to_the_span() -> None:
    values: list[ParamValue | None] = [4.4e-5, 0.03, 0.05, 0.1, 0.13, 0.17, 0.2]
    (axis,) = parallel_lines(make_trials(values), params=["x"], maximize=True).axes
    assert [text for _, text in axis.ticks] == ["0", "0.05", "0.1", "0.15", "0.2"]


def test_lines_through_one_word_are_fanned_the_best_uppermost() -> None:
    values: list[ParamValue | None] = ["adamw", "sgd", "adamw"]
    assert heights(values) == pytest.approx([1 - FAN, 0.0, 1 + FAN])
    (axis,) = parallel_lines(make_trials(values), params=["x"], maximize=True).axes
    assert axis.ticks == ((0.0, "sgd"), (1.0, "adamw"))


def test_true_and_false_are_words_and_mix_with_others() -> None:
    (axis,) = parallel_lines(make_trials([True, False, 1]), params=["x"], maximize=True).axes
    assert [text for _, text in axis.ticks] == ["true", "false", "1"]
    assert not axis.is_log


def test_params_that_are_not_used_lie_under_the_axis() -> None:
    picture = parallel_lines(make_trials([None, 3, 5]), params=["x"], maximize=True)
    assert picture.axes[0].has_unused
    assert picture.lines[0].heights[0] == pytest.approx(NOT_USED - FAN)
    assert picture.lines[0].heights[0] < -FAN


def test_the_best_is_on_top_whatever_the_direction() -> None:
    trials = [trial(0, objective=0.2), trial(1, objective=0.1), trial(2, objective=0.3)]
    picture = parallel_lines(trials, params=["dropout"], maximize=False)
    assert (picture.best, picture.worst) == (0.1, 0.3)
    assert [line.trial for line in picture.lines] == [2, 0, 1]
    assert [line.strength for line in picture.lines] == [0.0, 0.5, 1.0]
    assert [line.heights[-1] for line in picture.lines] == pytest.approx([0.0, 0.5, 1.0])
    upwards = parallel_lines(trials, params=["dropout"], maximize=True)
    assert [line.trial for line in upwards.lines] == [1, 0, 2]


def test_outliers_stand_at_the_foot_and_are_counted() -> None:
    values = [0.9, 0.91, 0.92, 0.93, 0.1]
    trials = [trial(index, objective=value) for index, value in enumerate(values)]
    picture = parallel_lines(trials, params=[], maximize=True)
    assert (picture.worst, picture.best, picture.num_cut) == (0.9, 0.93, 1)
    assert picture.lines[0].heights == (0.0,)


def test_equals_and_a_single_trial_are_at_the_top() -> None:
    equal = parallel_lines([trial(0), trial(1)], params=["dropout"], maximize=True)
    assert [line.heights[-1] for line in equal.lines] == [1.0, 1.0]
    assert equal.lines[-1].trial == 0
    (one,) = parallel_lines([trial(3)], params=["dropout", "absent"], maximize=True).lines
    assert one.strength == 1.0
    assert len(one.heights) == 2


def test_without_objectives_there_are_no_lines() -> None:
    failed = trial(0, state=TrialState.FAILED, objective=None)
    with pytest.raises(ValueError, match="must get a trial with an objective"):
        parallel_lines([failed], params=["x"], maximize=True)


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(parallel_summary)
    assert result.attempted > 0
    assert result.failed == 0
