"""The search: its history, and which params matter."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from autocnn.core.records import TrialRecord, TrialState
from autocnn.core.wording import signed
from autocnn.reporting.plots.style import (
    BEST_MARKER,
    COLOURS,
    FAINT,
    INK,
    MUTED,
    NAME_LENGTH,
    display_names,
    house_style,
    new_figure,
    objective_label,
    set_title,
    write_note,
)
from autocnn.reporting.search_summary import (
    HistoryPoint,
    ParamImportances,
    SearchHistory,
    search_history,
)

STATE_LOOKS: dict[TrialState, dict[str, Any]] = {
    TrialState.COMPLETE: {"marker": "o", "color": COLOURS[0]},
    TrialState.PRUNED: {"marker": "v", "color": COLOURS[0], "markerfacecolor": "white"},
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


def draw_history(
    trials: Sequence[TrialRecord], *, maximize: bool, objective: str, title: str
) -> Figure:
    """The objective of each trial in order, with the best so far as a line.

    Markers tell how trials ended. Trials without an objective, and those so bad that on one
    axis with them the others could not be told apart, stand on shelves below.

    Args:
        trials: All trials of the search, in any order.
        maximize: Whether a larger objective is better.
        objective: Its name, a field of `Scores`.
        title: Whose search it is.
    """
    history = search_history(trials, maximize=maximize)
    shelves = _shelves(history, maximize=maximize)
    with house_style():
        figure = new_figure(9.2, 3.8 + 0.35 * len(shelves))
        if shelves:
            axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(10, len(shelves)))
            _draw_shelves(below, shelves, len(history.points))
            axes.tick_params(axis="x", length=0)
        else:
            axes = below = figure.add_subplot()
        _draw_objectives(axes, history)
        axes.set_ylabel(objective_label(objective))
        below.set_xlabel("trial (in the order in which they were proposed)")
        below.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        last = max((point.trial for point in history.points), default=0)
        below.set_xlim(-0.6 - 0.01 * last, last + 0.6 + 0.01 * last)
        figure.legend(handles=_history_handles(history), loc="outside right upper")
        set_title(figure, title)
    return figure


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
        with house_style():
            figure = new_figure(8.0, 1.6)
            write_note(figure, importances.reason)
            set_title(figure, title)
        return figure
    names = display_names([param.name for param in shown], max_length=NAME_LENGTH)
    with house_style():
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
            lines.append(f"{left_out} params of less importance are not shown.")
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
        last = history.points[-1].trial
        axes.plot([0, last or 1], [history.default] * 2, zorder=1, markevery=[0], **DEFAULT_LOOK)
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


def _history_handles(history: SearchHistory) -> list[Line2D]:
    handles = []
    for state in STATE_LOOKS:
        number = sum(point.state == state for point in history.points)
        if number:
            look = _look(state, len(history.points))
            handles.append(Line2D([], [], linestyle="none", label=f"{state}: {number}", **look))
    if history.default is not None:
        label = f"trial 0, the default: {history.default:.4f}"
        handles.append(Line2D([], [], label=label, **DEFAULT_LOOK))
    if history.steps:
        trial, value = history.steps[-1]
        handles.append(Line2D([], [], color=INK, linewidth=1.4, label="best so far"))
        label = f"best, trial {trial}: {value:.4f}"
        handles.append(Line2D([], [], linestyle="none", label=label, **BEST_MARKER))
    return handles
