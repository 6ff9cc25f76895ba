"""A candidate: how it was trained, where it loses accuracy, how it stands disturbed images."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from autocnn.core.records import EpochScore, Gap, GapLoss, GapStep, Robustness, ScoredSet, Scores
from autocnn.core.wording import signed
from autocnn.reporting.plots.curves import mark_curve
from autocnn.reporting.plots.score_values import Disturbance, disturbances, largest_real_loss
from autocnn.reporting.plots.style import (
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    MUTED,
    NAME_LENGTH,
    display_names,
    display_title,
    line_style,
    new_figure,
    plot_style,
    set_legend_texts,
    set_title,
)

SET_WORDS: dict[ScoredSet, tuple[str, str]] = {
    "train": ("train", "seen in training"),
    "val": ("val", "used to choose, not to train"),
    "folds": ("folds", "train, each image judged\nby a model that has not seen it"),
    "test": ("test", "new images"),
    "test_clean": ("clean test", "new images, no copies of seen ones"),
}
"""Each set, and what it is to the model."""

CAUSE_WORDS = {
    "overfitting": "overfitting",
    "luck": "a lucky pick on val",
    "luck or less training": "a lucky pick on val, or less training",
    "luck or shift": "a lucky pick on val, or other images",
    "shift": "images of another kind",
    "leakage or shift": "leakage, or images of another kind",
    "class mix": "classes in another mix",
}
EpochMetric = Literal["log_loss", "accuracy"]
EPOCH_METRICS: dict[EpochMetric, str] = {
    "log_loss": "log loss (nats)",
    "accuracy": "accuracy (fraction)",
}
"""What is measured after each epoch, and its axis."""

EMPHASIS = "#A84300"
"""The vermilion of `COLOURS`, dark enough for words: 6 : 1 on white."""

MOST_NAMED_CANDIDATES = 5
NUM_COLUMNS = 3
SETTING_LENGTH = 40


def draw_learning_curves(
    search: Sequence[EpochScore],
    refit: Sequence[EpochScore],
    *,
    best_epoch: int,
    title: str,
    figure: Figure | None = None,
) -> Figure:
    """Log loss and accuracy over the epochs: of the trial, and of the refit on train + val.

    Args:
        search: Epochs of the trial, with scores on train and val.
        refit: Epochs of the refit, with scores on train; may be empty.
        best_epoch: The trial's epoch with the best objective, marked.
        title: Whose epochs these are.
        figure: As for `new_figure`.
    """
    with plot_style():
        figure = new_figure(9.0, 3.9, figure)
        panels = figure.subplots(1, 2)
        for axes, metric in zip(panels, EPOCH_METRICS, strict=True):
            plot_learning_curve(axes, search, refit, best_epoch=best_epoch, metric=metric)
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=4)
        set_title(figure, title)
    return figure


def plot_learning_curve(
    axes: Axes,
    search: Sequence[EpochScore],
    refit: Sequence[EpochScore],
    *,
    best_epoch: int,
    metric: EpochMetric,
) -> None:
    """One panel of `draw_learning_curves`, into axes that are there, without a legend.

    Args:
        axes: Empty ones.
        search: As for `draw_learning_curves`.
        refit: As there.
        best_epoch: As there.
        metric: What is drawn.
    """
    size = 4.0 if max(len(search), len(refit)) <= 30 else 0.0
    for epochs, split, name, colour, marker, dashes in (
        (search, "train", "train", COLOURS[0], "o", "-"),
        (search, "val", "val", COLOURS[1], "s", "-"),
        (refit, "train", "refit: train", MUTED, "^", "--"),
    ):
        points = _points(epochs, split, metric)
        if points:
            (line,) = axes.plot(
                *zip(*points, strict=True),
                label=name,
                color=colour,
                marker=marker,
                markersize=size,
                linestyle=dashes,
            )
            mark_curve(line, name, "points")
    marked = axes.axvline(best_epoch, color=INK, linewidth=1.0, linestyle=":", zorder=1)
    best = dict(_points(search, "val", metric)).get(best_epoch)
    if best is not None:
        (marked,) = axes.plot(
            [best_epoch],
            [best],
            linestyle="none",
            marker="o",
            markersize=9,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.4,
        )
    marked.set_label(f"best epoch: {best_epoch}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(EPOCH_METRICS[metric])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True)
    last = max([score.epoch for score in (*search, *refit)] + [best_epoch])
    axes.set_xlim(1 - min(0.5 + 0.01 * last, 0.9), last + max(0.5, 0.02 * last))
    if metric == "log_loss":
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def _points(epochs: Sequence[EpochScore], split: str, metric: str) -> list[tuple[int, float]]:
    """(epoch, value) of the epochs in which a metric was measured."""
    points = []
    for epoch in epochs:
        scores: Scores = epoch.train if split == "train" else epoch.val
        value: float | None = getattr(scores, metric)
        if value is not None:
            points.append((epoch.epoch, value))
    return points


def draw_gap(gap: Gap, *, title: str, figure: Figure | None = None) -> Figure:
    """Accuracy from train to test, top to bottom, and what changes from one to the next.

    The largest loss that is beyond chance is emphasised.

    Args:
        gap: The steps and the losses between them.
        title: Whose gap it is.
        figure: As for `new_figure`.
    """
    with plot_style():
        figure = new_figure(8.6, 1.2 + 0.9 * len(gap.steps), figure)
        plot_gap(figure.add_subplot(), gap)
        set_title(figure, title)
    return figure


def plot_gap(axes: Axes, gap: Gap) -> None:
    """As `draw_gap`, into axes that are there, with words on both sides of them.

    Args:
        axes: Empty ones.
        gap: The steps and the losses between them.
    """
    worst = largest_real_loss(gap)
    rows = {step.scored: row for row, step in enumerate(gap.steps)}
    values = {step.scored: step.accuracy.value for step in gap.steps}
    for loss in gap.losses:
        is_worst = loss is worst
        axes.plot(
            [values[loss.start], values[loss.end]],
            [rows[loss.start], rows[loss.end]],
            color=EMPHASIS if is_worst else MUTED,
            linewidth=2.4 if is_worst else 1.0,
            linestyle="-" if loss.is_real else ":",
            zorder=2,
        )
        axes.text(
            1.03,
            (rows[loss.start] + rows[loss.end]) / 2,
            describe_loss(loss),
            transform=axes.get_yaxis_transform(),
            verticalalignment="center",
            linespacing=1.4,
            color=EMPHASIS if is_worst else INK,
            weight="bold" if is_worst else "normal",
        )
    for step in gap.steps:
        _draw_step(axes, step, rows[step.scored])
    axes.set_ylim(len(gap.steps) - 0.5, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("accuracy (fraction of the images that are right), with its 95 % interval")


def describe_loss(loss: GapLoss) -> str:
    """What changes from one set to the next, and whether that may be chance.

    A fall has a minus sign, as it is read from the first set to the second.
    """
    change, low, high = (signed(-end) for end in (loss.loss.value, loss.loss.high, loss.loss.low))
    if loss.is_real:
        words = CAUSE_WORDS[loss.cause]
    elif loss.loss.high < 0:
        words = "a gain"
    elif loss.loss.low == loss.loss.high == 0:
        words = "nothing lost"
    else:
        words = "may be chance"
    return f"{change}  [{low}, {high}]\n{words}"


def _draw_step(axes: Axes, step: GapStep, row: int) -> None:
    """One set: its name and words at the left, a dot, an interval and the value."""
    accuracy = step.accuracy
    axes.plot(
        [accuracy.low, accuracy.high],
        [row, row],
        color=COLOURS[0],
        linewidth=1.6,
        marker="|",
        markersize=9,
        markeredgewidth=1.6,
        zorder=3,
    )
    axes.plot([accuracy.value], [row], marker="o", markersize=7, color=COLOURS[0], zorder=4)
    name, words = SET_WORDS[step.scored]
    axes.annotate(
        f"{accuracy.value:.4f}",
        (accuracy.high, row),
        xytext=(9, 0),
        zorder=5,
        textcoords="offset points",
        verticalalignment="center",
        weight="bold",
        annotation_clip=False,
    )
    axes.annotate(
        name,
        (0.0, row),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-12, 1),
        textcoords="offset points",
        horizontalalignment="right",
        verticalalignment="bottom",
        weight="bold",
        fontsize=10.0,
        annotation_clip=False,
    )
    axes.annotate(
        f"{words}\n{step.num_images:,} images",
        (0.0, row),
        xytext=(-12, -1),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        fontsize=8.5,
        horizontalalignment="right",
        verticalalignment="top",
        color=MUTED,
        annotation_clip=False,
    )


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
    with plot_style():
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
