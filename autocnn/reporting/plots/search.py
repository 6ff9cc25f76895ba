"""A search: its history, which params matter, and every trial as a line across its params."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from autocnn.core.objective import Goal
from autocnn.core.records import TrialRecord, TrialState
from autocnn.core.wording import count, signed
from autocnn.reporting.plots.search_values import (
    NOT_USED,
    HistoryPoint,
    ParallelAxis,
    ParallelLine,
    ParallelLines,
    ParamImportances,
    SearchHistory,
    parallel_lines,
    round_ticks,
    scored_trials,
    search_history,
)
from autocnn.reporting.plots.style import (
    BEST_MARKER,
    COLOURS,
    FAINT,
    INK,
    MUTED,
    NAME_LENGTH,
    SHARE_COLOURS,
    display_names,
    new_figure,
    objective_label,
    plot_style,
    set_title,
    write_note,
)

STATE_LOOKS: dict[TrialState, dict[str, Any]] = {
    TrialState.COMPLETE: {"marker": "o", "color": COLOURS[0]},
    TrialState.PRUNED: {"marker": "v", "color": COLOURS[0], "markerfacecolor": "white"},
    TrialState.CUT: {"marker": "^", "color": COLOURS[0], "markerfacecolor": "white"},
    TrialState.FAILED: {"marker": "X", "color": COLOURS[1]},
    TrialState.OUT_OF_MEMORY: {"marker": "s", "color": COLOURS[1]},
    TrialState.TIMED_OUT: {"marker": "D", "color": COLOURS[1], "markerfacecolor": "white"},
    TrialState.INTERRUPTED: {"marker": "P", "color": MUTED},
    TrialState.RUNNING: {"marker": ">", "color": MUTED, "markerfacecolor": "white"},
}
DEFAULT_LOOK: dict[str, Any] = {
    "color": INK,
    "linestyle": (0.0, (1.1, 2.2)),
    "linewidth": 1.2,
    "marker": "o",
    "markersize": 12,
    "markerfacecolor": "none",
}
MOST_BARS = 12
MOST_AXES = 8
AXIS_NAME_LENGTH = 18
OBJECTIVE_LENGTH = 38
"""Letters that fit beside the axis of a history."""

FOOT = 0.08
"""Part of the axis of the objective that the mark at its foot takes."""

TICK_NAME_LENGTH = 15
BEST_LOOK: dict[str, Any] = BEST_MARKER | {
    "color": INK,
    "linewidth": 2.8,
    "markersize": 13,
    "markerfacecolor": COLOURS[5],
}


def draw_history(
    trials: Sequence[TrialRecord],
    *,
    goal: Goal,
    title: str,
    default: int | None = None,
    figure: Figure | None = None,
) -> Figure:
    """The objective of each trial in order, with the best so far as a line.

    Markers tell how trials ended. Trials without an objective, and those so bad that on one
    axis with them the others could not be distinguished, stand on shelves below.

    Args:
        trials: All trials of the search, in any order.
        goal: What ranks them.
        title: Whose search it is.
        default: Number of the trial that has the default configuration; its objective is a line.
        figure: As for `new_figure`.
    """
    history = search_history(trials, goal=goal, default=default)
    shelves = _shelves(history, maximize=goal.maximize)
    with plot_style():
        figure = new_figure(9.2, 3.8 + 0.35 * len(shelves), figure)
        if shelves:
            axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(10, len(shelves)))
            _draw_shelves(below, shelves, len(history.points))
            axes.tick_params(axis="x", length=0)
        else:
            axes = below = figure.add_subplot()
        plot_history(axes, history, objective=goal.objective)
        below.set_xlabel(axes.get_xlabel())
        if shelves:
            axes.set_xlabel("")
        figure.legend(handles=history_handles(history), loc="outside right center")
        set_title(figure, title)
    return figure


def plot_history(axes: Axes, history: SearchHistory, *, objective: str) -> None:
    """The objectives of `draw_history`, into axes that are there, without a legend.

    Args:
        axes: Empty ones.
        history: Of the search.
        objective: Its name, a field of `Scores`.
    """
    _draw_objectives(axes, history)
    axes.set_ylabel(objective_label(objective, letters=OBJECTIVE_LENGTH), parse_math=False)
    axes.set_xlabel("trial (in the order in which they were proposed)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    last = max((point.trial for point in history.points), default=0)
    axes.set_xlim(-0.6 - 0.01 * last, last + 0.6 + 0.01 * last)


def draw_importances(importances: ParamImportances, *, title: str) -> Figure:
    """How much each param explains, most important first, with its standard error.

    At most 12 have a bar. A bar whose spread reaches 0 is pale. Where
    nothing can be said, the picture is the reason.

    Args:
        importances: As `param_importances` gives them.
        title: Whose search it is.
    """
    shown = importances.params[:MOST_BARS]
    if not shown:
        with plot_style():
            figure = new_figure(8.0, 1.6)
            write_note(figure, importances.reason)
            set_title(figure, title)
        return figure
    names = display_names([param.name for param in shown], max_length=NAME_LENGTH)
    with plot_style():
        figure = new_figure(8.0, 1.9 + 0.3 * len(shown))
        axes = figure.add_subplot()
        for row, param in enumerate(shown):
            axes.barh(
                row,
                max(0.0, param.importance),
                height=0.62,
                color=COLOURS[0] if param.matters else FAINT,
            )
            ends = [max(0.0, param.importance + sign * param.spread) for sign in (-1, 1)]
            axes.plot(ends, [row, row], color=INK, linewidth=1.3, marker="|", markersize=6)
            axes.annotate(
                f"{signed(param.importance, places=3, plus='')} ± {param.spread:.3f}",
                (max(ends[1], param.importance), row),
                xytext=(8, 0),
                textcoords="offset points",
                verticalalignment="center",
                fontsize=8.0,
            )
        axes.set_yticks(range(len(shown)), names, parse_math=False)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlim(0, 1.25 * axes.get_xlim()[1])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=True, axis="x")
        axes.set_xlabel(
            "what the forest no longer explains when the param is shuffled (fall of R²)"
        )
        left_out = len(importances.params) - len(shown)
        lines = [
            f"A random forest explains {importances.explained or 0.0:.2f} of the differences in "
            f"rank between {importances.num_trials} trials (R², out of bag; 1: all of them)."
        ]
        if left_out:
            are = "is" if left_out == 1 else "are"
            lines.append(f"{count(left_out, 'param')} of less importance {are} not shown.")
        axes.set_title("\n".join(lines), fontsize=8.5, weight="normal", color=MUTED)
        axes.legend(
            handles=[
                Patch(facecolor=COLOURS[0], label="matters"),
                Patch(facecolor=FAINT, label="may be chance"),
                Line2D([], [], color=INK, linewidth=1.3, marker="|", label="± standard error"),
            ],
            loc="lower right",
        )
        set_title(figure, title)
    return figure


def _shelves(
    history: SearchHistory, *, maximize: bool
) -> list[tuple[str, tuple[HistoryPoint, ...]]]:
    """Names and trials of the rows below the axis; those without trials are left out."""
    edge = f"below {history.low:.4g}" if maximize else f"above {history.high:.4g}"
    shelves = [
        (edge, tuple(point for point in history.points if point.is_cut)),
        ("no objective", tuple(point for point in history.points if point.objective is None)),
    ]
    return [(name, points) for name, points in shelves if points]


def _draw_shelves(
    axes: Axes, shelves: Sequence[tuple[str, tuple[HistoryPoint, ...]]], num_trials: int
) -> None:
    for row, (_, points) in enumerate(shelves):
        for point in points:
            axes.plot([point.trial], [row], linestyle="none", **_look(point.state, num_trials))
    axes.set_yticks(range(len(shelves)), [name for name, _ in shelves])
    axes.set_ylim(len(shelves) - 0.4, -0.6)
    axes.set_facecolor("#f4f4f4")
    axes.tick_params(axis="y", length=0)


def _draw_objectives(axes: Axes, history: SearchHistory) -> None:
    axes.grid(visible=True)
    inside = [point for point in history.points if point.objective is not None]
    if not inside:
        axes.text(
            0.5,
            0.5,
            "No trial has an objective.",
            transform=axes.transAxes,
            horizontalalignment="center",
        )
        axes.set_yticks([])
        return
    for point in inside:
        if not point.is_cut:
            look = _look(point.state, len(history.points))
            axes.plot([point.trial], [point.objective or 0.0], linestyle="none", zorder=3, **look)
    margin = 0.06 * (history.high - history.low) or 0.01
    axes.set_ylim(history.low - margin, history.high + margin)
    if history.default is not None:
        first, last = history.default.trial, history.points[-1].trial
        level = [history.default.objective or 0.0] * 2
        axes.plot([first, max(last, first + 1)], level, zorder=1, markevery=[0], **DEFAULT_LOOK)
    if history.steps:
        trials, values = zip(*history.steps, strict=True)
        last = history.points[-1].trial
        axes.step(
            [*trials, last], [*values, values[-1]], where="post", color=INK, linewidth=1.4, zorder=2
        )
        axes.plot([trials[-1]], [values[-1]], linestyle="none", zorder=4, **BEST_MARKER)


def _look(state: TrialState, num_trials: int) -> dict[str, Any]:
    size = 7.0 if num_trials <= 80 else 4.5
    return {"markersize": size, "markeredgewidth": 1.1} | STATE_LOOKS[state]


def history_handles(history: SearchHistory) -> list[Line2D]:
    """The legend of a history: how its trials ended, the default, the best."""
    handles = []
    for state in STATE_LOOKS:
        number = sum(point.state == state for point in history.points)
        if number:
            look = _look(state, len(history.points))
            handles.append(Line2D([], [], linestyle="none", label=f"{state}: {number}", **look))
    if history.default is not None:
        label = f"trial {history.default.trial}, the default: {history.default.objective:.4f}"
        handles.append(Line2D([], [], label=label, **DEFAULT_LOOK))
    if history.steps:
        trial, value = history.steps[-1]
        handles.append(Line2D([], [], color=INK, linewidth=1.4, label="best so far"))
        label = f"best, trial {trial}: {value:.4f}"
        handles.append(Line2D([], [], linestyle="none", label=label, **BEST_MARKER))
    return handles


def draw_parallel(
    trials: Sequence[TrialRecord], *, params: Sequence[str], goal: Goal, title: str
) -> Figure:
    """Trials as lines across their params to their objective: dark and thick ones are good.

    Numbers that spread over orders of magnitude have a logarithmic axis, words are ticks,
    and a line dips under the axis of a param that its trial does not have. The objective's
    axis has the best on top, and ends where outliers begin. The best trial stands out.

    Args:
        trials: All trials of the search; complete and pruned ones with an objective are drawn.
        params: The most important first; at most 8 are drawn.
        goal: What ranks the trials.
        title: Whose search it is.
    """
    with plot_style():
        if not scored_trials(trials):
            figure = new_figure(8.0, 1.6)
            write_note(figure, "No trial has an objective.")
            set_title(figure, title)
            return figure
        picture = parallel_lines(trials, params=params[:MOST_AXES], goal=goal)
        figure = new_figure(max(5.5, 1.45 * (len(picture.axes) + 1)), 4.6)
        axes = figure.add_subplot()
        for line in picture.lines:
            _draw_line(axes, line)
        for place, axis in enumerate(picture.axes):
            _draw_ticks(axes, place, axis.ticks)
        _draw_ticks(axes, len(picture.axes), _objective_ticks(picture, maximize=goal.maximize))
        names = display_names([axis.name for axis in picture.axes], max_length=AXIS_NAME_LENGTH)
        marks = [_axis_text(name, axis) for name, axis in zip(names, picture.axes, strict=True)]
        label = objective_label(goal.objective, letters=AXIS_NAME_LENGTH + 6)
        axes.set_xticks(range(len(marks) + 1), [*marks, label], parse_math=False)
        axes.xaxis.set_ticks_position("top")
        axes.tick_params(axis="x", length=0, pad=8)
        axes.get_xticklabels()[-1].set_fontweight("bold")
        has_unused = any(axis.has_unused for axis in picture.axes)
        axes.set_yticks([NOT_USED] if has_unused else [], ["not used"] if has_unused else [])
        if has_unused:
            axes.axhline(NOT_USED, color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(-0.15, len(marks) + 0.45)
        axes.set_ylim(NOT_USED - 0.1 if has_unused else -0.08, 1.08)
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.legend(handles=_handles(picture), loc="outside lower center", ncols=3)
        set_title(figure, title)
    return figure


def _axis_text(name: str, axis: ParallelAxis) -> str:
    return f"{name}\n(log)" if axis.is_log else name


def _line_look(strength: float) -> dict[str, Any]:
    """Light and thin for the worst, dark and thick for the best."""
    return {
        "color": mpl.colormaps[SHARE_COLOURS](0.2 + 0.6 * strength**1.5),
        "linewidth": 0.7 + 1.1 * strength**2,
    }


def _draw_line(axes: Axes, line: ParallelLine) -> None:
    places = range(len(line.heights))
    if line.strength == 1.0:
        axes.plot(
            places,
            line.heights,
            zorder=4,
            label=f"trial {line.trial}",
            **BEST_LOOK,
            path_effects=[withStroke(linewidth=4.6, foreground="white")],
        )
    else:
        axes.plot(
            places,
            line.heights,
            zorder=2 + line.strength,
            label=f"trial {line.trial}",
            **_line_look(line.strength),
        )


def _objective_ticks(picture: ParallelLines, *, maximize: bool) -> tuple[tuple[float, str], ...]:
    """Round values between the worst and the best; a mark at the foot where trials were cut."""
    span = picture.best - picture.worst
    if not span:
        return ((1.0, f"{picture.best:.4f}"),)
    low, high = sorted((picture.worst, picture.best))
    ticks = [((one - picture.worst) / span, f"{one:g}") for one in round_ticks(low, high)]
    if picture.num_cut:
        foot = f"{'≤' if maximize else '≥'} {picture.worst:.4g}"
        ticks = [(0.0, foot), *((place, text) for place, text in ticks if place > FOOT)]
    return tuple(ticks)


def _draw_ticks(axes: Axes, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    axes.plot([place, place], [0, 1], color=MUTED, linewidth=1.0, zorder=3.2)
    names = display_names([text for _, text in ticks], max_length=TICK_NAME_LENGTH)
    for (height, _), name in zip(ticks, names, strict=True):
        axes.plot([place], [height], color=MUTED, marker="_", markersize=6, zorder=3.2)
        axes.annotate(
            name,
            (place, height),
            xytext=(5, 0),
            textcoords="offset points",
            fontsize=8.0,
            verticalalignment="center",
            parse_math=False,
            zorder=5,
            color=INK,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _handles(picture: ParallelLines) -> list[Line2D]:
    best = picture.lines[-1]
    handles = [Line2D([], [], label=f"the best, trial {best.trial}", **BEST_LOOK)]
    if len(picture.lines) > 1:
        handles.append(Line2D([], [], label="good trials", **_line_look(0.95)))
        handles.append(Line2D([], [], label="bad trials", **_line_look(0.05)))
    return handles
