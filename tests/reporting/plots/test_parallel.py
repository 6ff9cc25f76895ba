"""Parallel coordinates, by their artists."""

from matplotlib.lines import Line2D

from autocnn.core.records import TrialRecord, TrialState
from autocnn.reporting.parallel_summary import NOT_USED
from autocnn.reporting.plots import draw_parallel
from tests.reporting.plots.figures import all_texts, cell_texts, draw, figure_legend_texts, points
from tests.samples import trial


def make_trials(number: int) -> list[TrialRecord]:
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
        make_trials(12),
        params=["$lr_1$", "family", "depth"],
        maximize=True,
        objective="accuracy",
        title="$t$",
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
    figure = draw_parallel(
        trials, params=list(params), maximize=False, objective="log_loss", title="t"
    )
    draw(figure)
    assert len(figure.axes[0].get_xticklabels()) == 9
    assert "log loss on val\n(nats)" in all_texts(figure)


def test_a_cut_axis_says_so() -> None:
    trials = [
        trial(index, objective=value) for index, value in enumerate([0.9, 0.91, 0.92, 0.93, 0.1])
    ]
    figure = draw_parallel(
        trials, params=["dropout"], maximize=True, objective="accuracy", title="t"
    )
    draw(figure)
    assert "≤ 0.9000" in cell_texts(figure.axes[0])


def test_one_trial_and_no_trial() -> None:
    one = draw_parallel(
        [trial(0)], params=["dropout"], maximize=True, objective="accuracy", title="t"
    )
    draw(one)
    assert figure_legend_texts(one) == ["the best, trial 0"]
    failed = [trial(0, state=TrialState.FAILED, objective=None)]
    none = draw_parallel(failed, params=["dropout"], maximize=True, objective="accuracy", title="t")
    draw(none)
    assert cell_texts(none.axes[0]) == ["No trial has an objective."]
