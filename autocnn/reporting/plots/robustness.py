"""Robustness: how accuracy falls as the images are disturbed."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from autocnn.core.records import Robustness
from autocnn.reporting.plots.style import (
    FAINT,
    MARKERS,
    MUTED,
    NAME_LENGTH,
    display_names,
    display_title,
    house_style,
    line_style,
    new_figure,
    set_legend_texts,
    set_title,
)
from autocnn.reporting.plots.summary import Disturbance, disturbances

MOST_NAMED_CANDIDATES = 5
NUM_COLUMNS = 3
SETTING_LENGTH = 40


def draw_robustness(candidates: Sequence[tuple[str, Robustness]], *, title: str) -> Figure:
    """Accuracy against the strength of each disturbance, a panel each, the worst one first.

    The first five candidates have a line of their own, the others are thin and grey.
    Under a panel's name stands what was done at the greatest strength.

    Args:
        candidates: Names and results, best rank first; at least one.
        title: What was judged on what.
    """
    panels = disturbances([result for _, result in candidates])
    num_columns = max(1, min(NUM_COLUMNS, len(panels)))
    num_rows = max(1, math.ceil(len(panels) / num_columns))
    with house_style():
        figure = new_figure(max(2.9 * num_columns, 5.0), 1.3 + 2.1 * num_rows)
        grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(panels):
                axes.set_axis_off()
                continue
            _draw_panel(axes, panels[place])
            if place + num_columns >= len(panels):
                axes.tick_params(labelbottom=True)
                axes.set_xlabel("strength of the disturbance")
        figure.supylabel("accuracy (fraction)", fontsize=9.0)
        _add_legend(figure, candidates)
        set_title(figure, title)
    return figure


def _draw_panel(axes: Axes, panel: Disturbance) -> None:
    for row in reversed(range(len(panel.accuracies))):
        measured = [
            (strength, accuracy)
            for strength, accuracy in zip(panel.strengths, panel.accuracies[row], strict=True)
            if accuracy is not None
        ]
        if measured:
            axes.plot(*zip(*measured, strict=True), **_look(row))
    axes.set_title(display_title(panel.name), pad=17.0, fontsize=10.0, parse_math=False)
    (setting,) = display_names([panel.setting], max_length=SETTING_LENGTH)
    axes.annotate(
        f"strength {panel.strengths[-1]}: {setting}",
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        color=MUTED,
        fontsize=8.0,
        parse_math=False,
    )
    axes.set_xticks(panel.strengths, ["none", *map(str, panel.strengths[1:])])
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(visible=True)


def _look(row: int) -> dict[str, Any]:
    """How the line of the candidate `row` looks."""
    if row >= MOST_NAMED_CANDIDATES:
        return {"color": FAINT, "linewidth": 0.8, "zorder": 1.5}
    colour, dashes = line_style(row)
    look = {"color": colour, "linestyle": dashes, "marker": MARKERS[row], "markersize": 5.5}
    return look | {"markeredgecolor": "white", "markeredgewidth": 0.6, "zorder": 4.0 - row / 10}


def _add_legend(figure: Figure, candidates: Sequence[tuple[str, Robustness]]) -> None:
    names = display_names([name for name, _ in candidates], max_length=NAME_LENGTH)
    texts = [
        f"{name}  (mean drop {result.mean_drop:.4f})"
        for name, (_, result) in zip(names, candidates, strict=True)
    ]
    num_others = len(candidates) - MOST_NAMED_CANDIDATES
    if num_others > 0:
        texts[MOST_NAMED_CANDIDATES:] = [f"other candidates ({num_others})"]
    handles = [Line2D([], [], **_look(row)) for row in range(len(texts))]
    legend = figure.legend(
        handles,
        [str(row) for row in range(len(texts))],
        loc="outside lower left",
        ncols=1 if len(texts) == 1 else 2,
    )
    set_legend_texts(legend, texts)
