"""The pictures of a search."""

from collections.abc import Callable

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autocnn.core.objective import Goal
from autocnn.core.records import TrialRecord, TrialState
from autocnn.reporting.plots import draw_history, draw_importances, draw_parallel
from autocnn.reporting.plots.search import STATE_LOOKS
from autocnn.reporting.plots.search_values import NOT_USED, ParamImportance, ParamImportances
from tests.reporting.plots.figures import all_texts, cell_texts, draw, figure_legend_texts, points
from tests.samples import trial


def make_trials(*objectives: float | None) -> list[TrialRecord]:
    return [
        trial(index, objective=value)
        if value is not None
        else trial(index, objective=None, state=TrialState.FAILED)
        for index, value in enumerate(objectives)
    ]


def test_best_so_far_is_a_step_line_and_the_default_a_level() -> None:
    figure = draw_history(
        make_trials(0.5, 0.4, 0.7, 0.6), goal=Goal("macro_f1"), title="$s$", default=1
    )
    draw(figure)
    (axes,) = figure.axes
    dots = [points(line) for line in axes.lines[:4]]
    assert dots == [([0], [0.5]), ([1], [0.4]), ([2], [0.7]), ([3], [0.6])]
    default, steps, best = axes.lines[4:]
    assert points(default) == ([1, 3], [0.4, 0.4])
    assert points(steps) == ([0, 2, 3], [0.5, 0.7, 0.7])
    assert steps.get_drawstyle() == "steps-post"
    assert points(best) == ([2], [0.7])
    assert axes.get_ylabel() == "macro F1 on val (fraction)"
    assert figure_legend_texts(figure) == [
        "complete: 4",
        "trial 1, the default: 0.4000",
        "best so far",
        "best, trial 2: 0.7000",
    ]


def test_outliers_and_trials_without_objective_stand_on_shelves() -> None:
    losses = [0.5, 0.4, None, 0.45, 80.0, 0.42, 0.41]
    figure = draw_history(make_trials(*losses), goal=Goal("log_loss"), title="t")
    draw(figure)
    axes, shelf = figure.axes
    assert axes.get_ylim()[1] < 1
    assert axes.get_ylabel() == "log loss on val (nats)"
    assert [label.get_text() for label in shelf.get_yticklabels()] == ["above 0.5", "no objective"]
    assert [points(line) for line in shelf.lines] == [([4], [0]), ([2], [1])]
    assert axes.get_xlim() == shelf.get_xlim()
    assert "best, trial 1: 0.4000" in figure_legend_texts(figure)


@pytest.mark.parametrize("state", list(TrialState))
def test_every_state_has_a_marker_of_its_own(state: TrialState) -> None:
    trials = [trial(0), trial(1, state=state, objective=0.25)]
    figure = draw_history(trials, goal=Goal("accuracy"), title="t")
    draw(figure)
    assert any(text.startswith(f"{state}: ") for text in figure_legend_texts(figure))
    assert len({look["marker"] for look in STATE_LOOKS.values()}) == len(TrialState)


def test_a_search_of_one_trial_or_of_failures_only() -> None:
    one = draw_history(make_trials(1.0), goal=Goal("accuracy"), title="t")
    draw(one)
    assert "best, trial 0: 1.0000" in figure_legend_texts(one)
    failed = draw_history(make_trials(None, None), goal=Goal("accuracy"), title="t")
    draw(failed)
    assert cell_texts(failed.axes[0]) == ["No trial has an objective."]
    assert figure_legend_texts(failed) == ["failed: 2"]
    draw(draw_history([], goal=Goal("accuracy"), title="t"))


@pytest.mark.parametrize("drawing", [draw_history, draw_parallel])
@pytest.mark.parametrize(
    "label", ["$5_$ \\frac coin", "very long name of a class, left side " * 2, "很长"]
)
def test_an_objective_with_a_class_of_any_name_fits(
    drawing: Callable[..., Figure], label: str
) -> None:
    asked = {"params": ["family"]} if drawing is draw_parallel else {}
    objective = f"sensitivity of {label} at specificity >= 0.95"
    trials = make_lines(12)
    figure = drawing(trials, goal=Goal(objective), title="t", **asked)
    draw(figure)
    axes = figure.axes[0]
    if drawing is draw_history:
        assert axes.yaxis.label.get_window_extent().height < axes.get_window_extent().height
    else:
        first, last = (one.get_window_extent() for one in axes.get_xticklabels())
        assert first.x1 < last.x0


def test_a_long_title_leaves_the_legend_alone() -> None:
    title = "Search of " + "a-name-of-many-words-" * 6
    figure = draw_history(make_trials(0.5, 0.4), goal=Goal("accuracy"), title=title)
    draw(figure)
    (legend,) = figure.legends
    assert figure.texts[0].get_window_extent().y0 > legend.get_window_extent().y1


def test_importances_are_bars_with_spread_pale_where_they_may_be_chance() -> None:
    params = (
        ParamImportance("learning_rate", 0.5, 0.1),
        ParamImportance("$width_1$", 0.1, 0.1),
        ParamImportance("noise", -0.0001, 0.01),
    )
    figure = draw_importances(ParamImportances(params, 0.62, 60), title="What mattered")
    draw(figure)
    (axes,) = figure.axes
    bars = [patch for patch in axes.patches if isinstance(patch, mpl.patches.Rectangle)]
    assert [bar.get_width() for bar in bars] == [0.5, 0.1, 0.0]
    assert len({bar.get_facecolor() for bar in bars[1:]}) == 1
    assert bars[0].get_facecolor() != bars[1].get_facecolor()
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["learning_rate", "$width_1$", "noise"]
    assert points(axes.lines[0]) == ([0.4, 0.6], [0, 0])
    assert cell_texts(axes) == ["0.500 ± 0.100", "0.100 ± 0.100", "0.000 ± 0.010"]
    assert "explains 0.62 of the differences in rank between 60 trials" in all_texts(figure)
    assert axes.get_xlabel().endswith("(fall of R²)")


def test_at_most_twelve_bars_and_the_rest_is_said() -> None:
    params = tuple(ParamImportance(f"p{index}", 0.1, 0.01) for index in range(15))
    figure = draw_importances(ParamImportances(params, 0.5, 60), title="t")
    draw(figure)
    assert len(figure.axes[0].get_yticklabels()) == 12
    assert "3 params of less importance are not shown." in all_texts(figure)
    figure = draw_importances(ParamImportances(params[:13], 0.5, 60), title="t")
    assert "1 param of less importance is not shown." in all_texts(figure)


def test_without_importances_the_picture_is_the_reason() -> None:
    figure = draw_importances(ParamImportances((), None, 3, "There are $3$ trials."), title="t")
    draw(figure)
    assert cell_texts(figure.axes[0]) == ["There are $3$ trials."]


def make_lines(number: int) -> list[TrialRecord]:
    return [
        trial(
            index,
            objective=0.5 + index / 100,
            params={"$lr_1$": 10.0 ** -(1 + index % 4), "family": ("resnet", "很长")[index % 2]}
            | ({"depth": index} if index % 2 else {}),
        )
        for index in range(number)
    ]


def trial_lines(lines: list[Line2D]) -> list[Line2D]:
    return [line for line in lines if str(line.get_label()).startswith("trial ")]


def test_trials_are_lines_and_the_best_is_uppermost() -> None:
    figure = draw_parallel(
        make_lines(12), params=["$lr_1$", "family", "depth"], goal=Goal("accuracy"), title="$t$"
    )
    draw(figure)
    (axes,) = figure.axes
    lines = trial_lines(list(axes.lines))
    assert len(lines) == 12
    best = lines[-1]
    assert best.get_label() == "trial 11"
    assert points(best)[0] == [0, 1, 2, 3]
    assert points(best)[1][-1] == 1.0
    assert all(best.get_linewidth() > line.get_linewidth() for line in lines[:-1])
    assert all(best.get_zorder() > line.get_zorder() for line in lines[:-1])
    widths = [line.get_linewidth() for line in lines]
    assert widths == sorted(widths)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["$lr_1$\n(log)", "family", "depth", "accuracy on val\n(fraction)"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["not used"]
    assert axes.get_ylim()[0] < NOT_USED
    assert figure_legend_texts(figure) == ["the best, trial 11", "good trials", "bad trials"]
    assert "$t$" in all_texts(figure)


def test_at_most_eight_params_are_drawn() -> None:
    params = {f"p{index}": index for index in range(12)}
    trials = [trial(0, params=params), trial(1, params=params)]
    figure = draw_parallel(trials, params=list(params), goal=Goal("log_loss"), title="t")
    draw(figure)
    assert len(figure.axes[0].get_xticklabels()) == 9
    assert "log loss on val (nats)" in all_texts(figure)


def test_a_cut_axis_says_so() -> None:
    trials = [
        trial(index, objective=value) for index, value in enumerate([0.9, 0.91, 0.92, 0.93, 0.1])
    ]
    figure = draw_parallel(trials, params=["dropout"], goal=Goal("accuracy"), title="t")
    draw(figure)
    assert "≤ 0.9" in cell_texts(figure.axes[0])


def test_one_trial_and_no_trial() -> None:
    one = draw_parallel([trial(0)], params=["dropout"], goal=Goal("accuracy"), title="t")
    draw(one)
    assert figure_legend_texts(one) == ["the best, trial 0"]
    failed = [trial(0, state=TrialState.FAILED, objective=None)]
    none = draw_parallel(failed, params=["dropout"], goal=Goal("accuracy"), title="t")
    draw(none)
    assert cell_texts(none.axes[0]) == ["No trial has an objective."]
