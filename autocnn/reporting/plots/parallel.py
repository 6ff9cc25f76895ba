"""Parallel coordinates: every trial as a line across its params."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from autocnn.core.records import TrialRecord
from autocnn.reporting.parallel_summary import (
    NOT_USED,
    ParallelAxis,
    ParallelLine,
    ParallelLines,
    parallel_lines,
)
from autocnn.reporting.plots.style import (
    BEST_MARKER,
    COLOURS,
    FAINT,
    INK,
    MUTED,
    SHARE_COLOURS,
    display_names,
    house_style,
    new_figure,
    objective_label,
    set_title,
    write_note,
)
from autocnn.reporting.search_summary import scored_trials

MOST_AXES = 8
AXIS_NAME_LENGTH = 18
TICK_NAME_LENGTH = 15
BEST_LOOK: dict[str, Any] = BEST_MARKER | {
    "color": INK,
    "linewidth": 2.8,
    "markersize": 13,
    "markerfacecolor": COLOURS[5],
}


def draw_parallel(
    trials: Sequence[TrialRecord],
    *,
    params: Sequence[str],
    maximize: bool,
    objective: str,
    title: str,
) -> Figure:
    """Trials as lines across their params to their objective: dark and thick ones are good.

    Numbers that spread over orders of magnitude have a logarithmic axis, words are ticks,
    and a line dips under the axis of a param that its trial does not have. The objective's
    axis has the best on top, and ends where outliers begin. The best trial stands out.

    Args:
        trials: All trials of the search; complete and pruned ones with an objective are drawn.
        params: The most important first; at most 8 are drawn.
        maximize: Whether a larger objective is better.
        objective: Its name, a field of `Scores`.
        title: Whose search it is.
    """
    with house_style():
        if not scored_trials(trials):
            figure = new_figure(8.0, 1.6)
            write_note(figure, "No trial has an objective.")
            set_title(figure, title)
            return figure
        picture = parallel_lines(trials, params=params[:MOST_AXES], maximize=maximize)
        figure = new_figure(max(5.5, 1.45 * (len(picture.axes) + 1)), 4.6)
        axes = figure.add_subplot()
        for line in picture.lines:
            _draw_line(axes, line)
        for place, axis in enumerate(picture.axes):
            _draw_ticks(axes, place, axis.ticks)
        _draw_ticks(axes, len(picture.axes), _objective_ticks(picture, maximize=maximize))
        names = display_names([axis.name for axis in picture.axes], max_length=AXIS_NAME_LENGTH)
        marks = [_axis_text(name, axis) for name, axis in zip(names, picture.axes, strict=True)]
        label = objective_label(objective).replace(" (", "\n(")
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


def _look(strength: float) -> dict[str, Any]:
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
            **_look(line.strength),
        )


def _objective_ticks(picture: ParallelLines, *, maximize: bool) -> tuple[tuple[float, str], ...]:
    """Five values from the worst to the best; a mark at the foot where trials were cut."""
    span = picture.best - picture.worst
    shares = (0.0, 0.25, 0.5, 0.75, 1.0) if span else (1.0,)
    ticks = [(share, f"{picture.worst + share * span:.4f}") for share in shares]
    if picture.num_cut:
        ticks[0] = (0.0, f"{'≤' if maximize else '≥'} {ticks[0][1]}")
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
        handles.append(Line2D([], [], label="good trials", **_look(0.95)))
        handles.append(Line2D([], [], label="bad trials", **_look(0.05)))
    return handles
