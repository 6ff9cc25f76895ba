"""The pictures of a candidate: confusion matrix, ROC curves, learning curves.

Records in, a matplotlib figure out; no score is computed here, and nothing global is
touched. `style.save_png` writes a figure.
"""

import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from autocnn.records import ConfusionMatrix, EpochScore, RocCurve, Scores
from autocnn.report.style import (
    COLOURS,
    FAINT,
    INK,
    MUTED,
    SHARE_COLOURS,
    display_names,
    house_style,
    line_style,
    new_figure,
    set_title,
)
from autocnn.report.summary import are_mirrored, lowest_curves, row_shares

MOST_CLASSES_WITH_PERCENT = 12
MOST_CLASSES_WITH_NUMBERS = 30
MOST_NAMED_CURVES = 10
NUM_LOWEST_CURVES = 5
NUM_TICK_NAMES = 50
NAME_LENGTH = 26
INCHES_PER_LETTER = 0.068
UNEVEN_TICKS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1)
ZOOM_SPANS = (0.02, 0.05, 0.1, 0.2)


def draw_confusion_matrix(matrix: ConfusionMatrix, *, title: str) -> Figure:
    """Who was taken for whom: colour is the fraction of the true class's images.

    Up to 12 classes every cell holds count and percent of its row, up to 30 the count
    (empty: none); beyond that the colours speak, small fractions stretched, and at most
    50 names stand on each axis.

    Args:
        matrix: Counts of k classes; a class without images has an empty row.
        title: What was judged on what.
    """
    size = len(matrix.labels)
    shares = row_shares(matrix)
    has_numbers = size <= MOST_CLASSES_WITH_NUMBERS
    cell, name_length = _cell_inches(size), NAME_LENGTH if size > 2 else NAME_LENGTH - 6
    names = display_names(matrix.labels, max_length=name_length)
    rows = [f"{name}  ({sum(row):,})" for name, row in zip(names, matrix.counts, strict=True)]
    is_upright = max(map(len, names)) * INCHES_PER_LETTER < cell
    with house_style():
        side = size * cell
        left = max(map(len, rows)) * INCHES_PER_LETTER + 0.6
        below = 0.7 if is_upright else max(map(len, names)) * INCHES_PER_LETTER * 0.8 + 0.6
        has_bar = size > MOST_CLASSES_WITH_PERCENT
        width = max(side + left + (1.2 if has_bar else 0.3), 5.0)
        figure = new_figure(width, side + below + 0.6)
        axes = figure.add_subplot()
        norm = Normalize(0, 1) if has_numbers else PowerNorm(0.5, 0, 1)
        colours = mpl.colormaps[SHARE_COLOURS].with_extremes(bad="#f2f2f2")
        filled = [[math.nan if share is None else share for share in row] for row in shares]
        image = axes.imshow(filled, cmap=colours, norm=norm, aspect="equal")
        step = math.ceil(size / NUM_TICK_NAMES)
        ticks = range(0, size, step)
        font = 8.5 if size <= MOST_CLASSES_WITH_NUMBERS else 6.5
        axes.set_yticks(ticks, rows[::step], parse_math=False, fontsize=font)
        axes.set_xticks(ticks, names[::step], parse_math=False, fontsize=font)
        if not is_upright:
            angle = 45 if size <= MOST_CLASSES_WITH_PERCENT else 90
            for label in axes.get_xticklabels():
                label.set(rotation=angle, rotation_mode="anchor", horizontalalignment="right")
                label.set_verticalalignment("center" if angle == 90 else "top")
        axes.set_ylabel("true class (images)")
        axes.set_xlabel("predicted class")
        axes.tick_params(length=0 if has_numbers else 2)
        for spine in axes.spines.values():
            spine.set_visible(True)
        if has_numbers:
            axes.set_xticks([edge - 0.5 for edge in range(1, size)], minor=True)
            axes.set_yticks([edge - 0.5 for edge in range(1, size)], minor=True)
            axes.grid(which="minor", color="#e6e6e6", linewidth=0.6)
            axes.tick_params(which="minor", length=0)
            _write_cells(axes, matrix, shares, colours)
        if has_bar:
            bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
            bar.set_label("fraction of the true class's images")
            bar.set_ticks([0, 0.25, 0.5, 0.75, 1] if has_numbers else UNEVEN_TICKS)
            bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
            bar.outline.set_visible(False)
        set_title(figure, title)
    return figure


def draw_roc(curves: Sequence[RocCurve], *, title: str) -> Figure:
    """ROC curves, one against the rest, with the areas under them in the legend.

    Up to 10 classes each has its own line; beyond that all are thin and grey, and the
    five with the smallest areas have colours and names. Two classes whose curves are
    mirror images are one line, that of the second. Where all curves hug the top-left
    corner, an inset enlarges it.

    Args:
        curves: One per class (in label order), then the macro and the micro average.
        title: What was judged on what.
    """
    classes = [curve for curve in curves if curve.kind == "class"]
    averages = [curve for curve in curves if curve.kind != "class"]
    named: Sequence[RocCurve] = classes
    if len(classes) > MOST_NAMED_CURVES:
        named = lowest_curves(classes, NUM_LOWEST_CURVES)
    note = ""
    names = display_names([curve.name for curve in classes], max_length=NAME_LENGTH)
    shown = {curve.name: name for curve, name in zip(classes, names, strict=True)}
    if len(classes) == 2 and are_mirrored(*classes):
        named, averages = classes[1:], []
        note = f"With two classes, the curve of\n{names[0]}\nis this one mirrored."
    with house_style():
        figure = new_figure(7.6, 5.2)
        axes = figure.add_subplot()
        lines, texts = _plot_curves(axes, classes, named, averages, shown)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set_xlabel("false-positive rate (fraction of the other images)")
        axes.set_ylabel("true-positive rate (fraction of the class)")
        axes.grid(visible=True)
        legend = axes.legend(
            lines, [str(index) for index in range(len(lines))],
            title="area under the curve", alignment="left",
            loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0,
        )  # fmt: skip
        _set_legend_texts(legend, texts)
        span = _zoom_span([*named, *averages])
        if span is not None:
            # Without it the diagonal and the grid run through the inset's numbers.
            axes.add_patch(
                Rectangle((0.28, 0.03), 0.69, 0.72, transform=axes.transAxes, color="white")
            )
            inset = axes.inset_axes((0.4, 0.12, 0.55, 0.55))
            _plot_curves(inset, classes, named, averages, shown)
            inset.set(xlim=(-span / 50, span), ylim=(1 - span, 1 + span / 50), aspect="equal")
            scale = f"top-left corner, {1 / span:.0f} times larger"
            inset.set_title(scale, fontsize=8.5, weight="normal")
            inset.tick_params(labelsize=7.5)
            inset.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            inset.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            inset.grid(visible=True)
        if note:
            axes.annotate(
                note, (1.02, 0.0), xycoords="axes fraction", xytext=(4, 0),
                textcoords="offset points", color=MUTED, fontsize=8.5, parse_math=False,
                verticalalignment="bottom",
            )  # fmt: skip
        set_title(figure, title)
    return figure


def draw_learning_curves(
    search: Sequence[EpochScore],
    refit: Sequence[EpochScore],
    *,
    best_epoch: int,
    title: str,
) -> Figure:
    """Log loss and accuracy over the epochs: of the trial, and of the refit on train + val.

    Args:
        search: Epochs of the trial, with scores on train and val.
        refit: Epochs of the refit, with scores on train; may be empty.
        best_epoch: The trial's epoch with the best objective, marked.
        title: Whose epochs these are.
    """
    with house_style():
        figure = new_figure(9.0, 3.9)
        panels = figure.subplots(1, 2)
        for axes, metric, label in (
            (panels[0], "log_loss", "log loss (nats)"),
            (panels[1], "accuracy", "accuracy (fraction)"),
        ):
            size = 4.0 if max(len(search), len(refit)) <= 30 else 0.0
            for epochs, split, style, name in (
                (search, "train", {"color": COLOURS[0], "marker": "o"}, "train"),
                (search, "val", {"color": COLOURS[1], "marker": "s"}, "val"),
                (
                    refit,
                    "train",
                    {"color": MUTED, "marker": "^", "linestyle": "--"},
                    "refit: train",
                ),
            ):
                points = _points(epochs, split, metric)
                if points:
                    axes.plot(*zip(*points, strict=True), label=name, markersize=size, **style)
            marked = axes.axvline(best_epoch, color=INK, linewidth=1.0, linestyle=":", zorder=1)
            best = dict(_points(search, "val", metric)).get(best_epoch)
            if best is not None:
                (marked,) = axes.plot(
                    [best_epoch], [best], linestyle="none", marker="o", markersize=9,
                    markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.4,
                )  # fmt: skip
            marked.set_label(f"best epoch: {best_epoch}")
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(visible=True)
            last = max([score.epoch for score in (*search, *refit)] + [best_epoch])
            axes.set_xlim(1 - min(0.5 + 0.01 * last, 0.9), last + max(0.5, 0.02 * last))
        panels[0].set_ylim(0, 1.05 * panels[0].get_ylim()[1])
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=4)
        set_title(figure, title)
    return figure


def _cell_inches(size: int) -> float:
    if size <= MOST_CLASSES_WITH_PERCENT:
        return 1.0 if size <= 4 else 0.62
    return 0.36 if size <= MOST_CLASSES_WITH_NUMBERS else 8.0 / size


def _write_cells(
    axes: Axes,
    matrix: ConfusionMatrix,
    shares: tuple[tuple[float | None, ...], ...],
    colours: Colormap,
) -> None:
    size = len(matrix.labels)
    has_percent = size <= MOST_CLASSES_WITH_PERCENT
    font = 12.0 if size <= 4 else 8.5 if has_percent else 7.5
    for row, (counts, fractions) in enumerate(zip(matrix.counts, shares, strict=True)):
        for column, (count, share) in enumerate(zip(counts, fractions, strict=True)):
            if share is None or (count == 0 and not has_percent):
                continue
            text = f"{count:,}" if has_percent else str(count)
            if has_percent and count:
                text += f"\n{100 * share:.1f} %"
            colour = MUTED if count == 0 else _readable_on(colours(share))
            axes.text(
                column, row, text, color=colour, fontsize=font, linespacing=1.25,
                horizontalalignment="center", verticalalignment="center",
                weight="bold" if row == column and has_percent else "normal",
            )  # fmt: skip


def _readable_on(background: Sequence[float]) -> str:
    """The text colour with the higher contrast. Source: WCAG 2.1, relative luminance."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in background[:3]
    )
    # 0.213 contrasts alike with white and with INK.
    return INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.213 else "white"


def _plot_curves(
    axes: Axes,
    classes: Sequence[RocCurve],
    named: Sequence[RocCurve],
    averages: Sequence[RocCurve],
    shown: dict[str, str],
) -> tuple[list[Line2D], list[str]]:
    """Draw the curves; the lines for a legend, and their texts."""
    lines, texts = [], []
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":", zorder=1)
    if len(classes) > len(named) > 1:
        for curve in classes:
            rates = curve.false_positive_rate, curve.true_positive_rate
            (grey,) = axes.plot(*rates, color=FAINT, linewidth=0.6, zorder=1.5)
        lines.append(grey)
        texts.append(f"all {len(classes)} classes, the lowest {len(named)} named:")
    for index, curve in enumerate(named):
        colour, dashes = line_style(index)
        rates = curve.false_positive_rate, curve.true_positive_rate
        lines += axes.plot(*rates, color=colour, linestyle=dashes)
        texts.append(f"{curve.auc:.4f}  {shown[curve.name]}")
    for curve in averages:
        dashes = "-" if curve.kind == "macro" else (0, (1, 1))
        rates = curve.false_positive_rate, curve.true_positive_rate
        lines += axes.plot(*rates, color=INK, linestyle=dashes, linewidth=2.3, zorder=3)
        texts.append(f"{curve.auc:.4f}  {curve.name}")
    return lines, texts


def _set_legend_texts(legend: Legend, texts: Sequence[str]) -> None:
    """Write names as they are: given to a legend they would be read as mathematics."""
    for text, name in zip(legend.get_texts(), texts, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def _zoom_span(curves: Sequence[RocCurve]) -> float | None:
    """Side of the corner in which curves can be told apart; None when they fill the square."""
    lowest = min((curve.auc for curve in curves), default=0.0)
    return next((span for span in ZOOM_SPANS if span >= 3 * (1 - lowest)), None)


def _points(epochs: Sequence[EpochScore], split: str, metric: str) -> list[tuple[int, float]]:
    """(epoch, value) of the epochs in which a metric was measured."""
    points = []
    for epoch in epochs:
        scores: Scores = epoch.train if split == "train" else epoch.val
        value: float | None = getattr(scores, metric)
        if value is not None:
            points.append((epoch.epoch, value))
    return points
