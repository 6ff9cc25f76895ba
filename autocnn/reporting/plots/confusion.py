"""The confusion matrix: who was taken for whom."""

import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from autocnn.core.records import ConfusionMatrix
from autocnn.reporting.plots.style import (
    INCHES_PER_LETTER,
    INK,
    MUTED,
    NAME_LENGTH,
    SHARE_COLOURS,
    display_names,
    house_style,
    new_figure,
    set_title,
)
from autocnn.reporting.plots.summary import row_shares

MOST_CLASSES_WITH_PERCENT = 12
MOST_CLASSES_WITH_NUMBERS = 30
NUM_TICK_NAMES = 50
UNEVEN_TICKS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1)


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
                column,
                row,
                text,
                color=colour,
                fontsize=font,
                linespacing=1.25,
                horizontalalignment="center",
                verticalalignment="center",
                weight="bold" if row == column and has_percent else "normal",
            )


def _readable_on(background: Sequence[float]) -> str:
    """The text colour with the higher contrast. Source: WCAG 2.1, relative luminance."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in background[:3]
    )
    # 0.213 contrasts alike with white and with INK.
    return INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.213 else "white"
