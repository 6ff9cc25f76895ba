"""Predictions on one set: confusion matrix, ROC and precision-recall curves, reliability."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from autocnn.core.records import Calibration, ConfusionMatrix, PrCurve, ReliabilityBin, RocCurve
from autocnn.core.wording import capital, percent, temperature_effect
from autocnn.reporting.plots.curves import mark_curve
from autocnn.reporting.plots.score_values import (
    are_mirrored,
    corner_distance,
    lowest_curves,
    lowest_pr_curves,
    row_shares,
)
from autocnn.reporting.plots.style import (
    COLOURS,
    FAINT,
    INCHES_PER_LETTER,
    INK,
    MUTED,
    NAME_LENGTH,
    SHARE_COLOURS,
    display_names,
    line_style,
    new_figure,
    plot_style,
    set_legend_texts,
    set_title,
)

MOST_CLASSES_WITH_PERCENT = 12
MOST_CLASSES_WITH_NUMBERS = 30
NUM_TICK_NAMES = 50
UNEVEN_TICKS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1)
MOST_NAMED_CURVES = 10
NUM_LOWEST_CURVES = 5
ZOOM_SPANS = (0.02, 0.05, 0.1, 0.2)
Corner = Literal["top-left", "top-right"]
Crowd = Sequence[tuple[Sequence[float], Sequence[float]]]
"""x and y of curves without a name."""

CORNERS: dict[Corner, tuple[int, int]] = {"top-left": (0, 1), "top-right": (1, 1)}
FITTED_WORDS = {"folds": "out-of-fold predictions", "val": "the val split"}


def draw_confusion_matrix(
    matrix: ConfusionMatrix, *, title: str, figure: Figure | None = None
) -> Figure:
    """Who was taken for whom: colour is the fraction of the true class's images.

    Up to 12 classes every cell holds count and percent of its row, up to 30 the count
    (empty: none); beyond that the colours speak, small fractions stretched, and at most
    50 names stand on each axis.

    Args:
        matrix: Counts of k classes; a class without images has an empty row.
        title: What was judged on what.
        figure: As for `new_figure`.
    """
    size = len(matrix.labels)
    names, rows = _class_names(matrix)
    side = size * _cell_inches(size)
    left = max(map(len, rows)) * INCHES_PER_LETTER + 0.6
    below = 0.6 + max(map(len, names)) * INCHES_PER_LETTER * 0.8
    below = 0.7 if _is_upright(names) else below
    bar = 1.2 if size > MOST_CLASSES_WITH_PERCENT else 0.3
    with plot_style():
        figure = new_figure(max(side + left + bar, 5.0), side + below + 0.6, figure)
        plot_confusion_matrix(figure.add_subplot(), matrix)
        set_title(figure, title)
    return figure


def _class_names(matrix: ConfusionMatrix) -> tuple[list[str], list[str]]:
    """The names of the columns, and those of the rows with their images."""
    max_length = NAME_LENGTH if len(matrix.labels) > 2 else NAME_LENGTH - 6
    names = display_names(matrix.labels, max_length=max_length)
    rows = [f"{name}  ({sum(row):,})" for name, row in zip(names, matrix.counts, strict=True)]
    return names, rows


def _is_upright(names: Sequence[str]) -> bool:
    """Whether the names of columns stand under them without being turned."""
    return max(map(len, names)) * INCHES_PER_LETTER < _cell_inches(len(names))


def plot_confusion_matrix(axes: Axes, matrix: ConfusionMatrix) -> None:
    """As `draw_confusion_matrix`, into axes that are there.

    Args:
        axes: Empty ones; many classes take some of their place for a bar of the colours.
        matrix: Counts of k classes.
    """
    size = len(matrix.labels)
    shares = row_shares(matrix)
    has_numbers = size <= MOST_CLASSES_WITH_NUMBERS
    names, rows = _class_names(matrix)
    norm = Normalize(0, 1) if has_numbers else PowerNorm(0.5, 0, 1)
    colours = mpl.colormaps[SHARE_COLOURS].with_extremes(bad="#f2f2f2")
    filled = [[math.nan if share is None else share for share in row] for row in shares]
    image = axes.imshow(filled, cmap=colours, norm=norm, aspect="equal")
    step = math.ceil(size / NUM_TICK_NAMES)
    ticks = range(0, size, step)
    font = 8.5 if size <= MOST_CLASSES_WITH_NUMBERS else 6.5
    axes.set_yticks(ticks, rows[::step], parse_math=False, fontsize=font)
    axes.set_xticks(ticks, names[::step], parse_math=False, fontsize=font)
    if not _is_upright(names):
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
    if size > MOST_CLASSES_WITH_PERCENT:
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
        bar.set_label("fraction of the true class's images")
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1] if has_numbers else UNEVEN_TICKS)
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        bar.outline.set_visible(False)


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
                text += f"\n{percent(share)}"
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


@dataclass(frozen=True)
class _Line:
    """A curve, and how it is drawn: `index` counts the named classes, None: an average."""

    x: Sequence[float]
    y: Sequence[float]
    text: str
    index: int | None
    name: str
    dashes: str | tuple[float, tuple[float, ...]] = "-"


def draw_roc(curves: Sequence[RocCurve], *, title: str, figure: Figure | None = None) -> Figure:
    """ROC curves, one against the rest, with the areas under them in the legend.

    Up to 10 classes each has its own line; beyond that all are thin and grey, and the
    five with the smallest areas have colours and names. Two classes whose curves are
    mirror images are one line, that of the second. Where all curves hug the top-left
    corner, an inset enlarges it.

    Args:
        curves: One per class (in label order), then the macro and the micro average.
        title: What was judged on what.
        figure: As for `new_figure`.
    """
    with plot_style():
        figure = new_figure(7.9, 5.2, figure)
        axes = figure.add_subplot()
        plot_roc(axes, curves, has_place_beside=True)
        set_title(figure, title)
    return figure


def plot_roc(axes: Axes, curves: Sequence[RocCurve], *, has_place_beside: bool = False) -> None:
    """As `draw_roc`, into axes that are there.

    Args:
        axes: Empty ones.
        curves: One per class (in label order), then the macro and the micro average.
        has_place_beside: Whether the legend stands beside the axes, which leaves place in them
            for the enlarged corner.
    """
    lines, crowd, note = _roc_lines(curves)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_xlabel("false-positive rate (fraction of the other images)")
    axes.set_ylabel("true-positive rate (fraction of the class)")
    legend, place = "area under the curve", "beside" if has_place_beside else "lower right"
    _plot(axes, lines, crowd, legend=legend, place=place)
    if not has_place_beside:
        return
    span = _zoom_span(lines, "top-left")
    if span is not None:
        _plot(_add_inset(axes, "top-left", span), lines, crowd)
    if note:
        axes.annotate(
            note,
            (1.02, 0.0),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            color=MUTED,
            fontsize=8.5,
            parse_math=False,
            verticalalignment="bottom",
        )


def _roc_lines(curves: Sequence[RocCurve]) -> tuple[list[_Line], Crowd, str]:
    """The named lines, all of them where they are too many to name, and a note."""
    classes = [curve for curve in curves if curve.kind == "class"]
    averages = [curve for curve in curves if curve.kind != "class"]
    is_crowded = len(classes) > MOST_NAMED_CURVES
    named = lowest_curves(classes, NUM_LOWEST_CURVES) if is_crowded else classes
    note = ""
    names = display_names([curve.name for curve in classes], max_length=NAME_LENGTH)
    shown = {curve.name: name for curve, name in zip(classes, names, strict=True)}
    if len(classes) == 2 and are_mirrored(*classes):
        named, averages = classes[1:], []
        note = f"With two classes, the curve of\n{names[0]}\nis this one mirrored."
    lines = [
        _Line(
            curve.false_positive_rate,
            curve.true_positive_rate,
            f"{curve.auc:.4f}  {shown[curve.name]}",
            index,
            curve.name,
        )
        for index, curve in enumerate(named)
    ] + [
        _Line(
            curve.false_positive_rate,
            curve.true_positive_rate,
            f"{curve.auc:.4f}  {curve.name}",
            None,
            curve.name,
            "-" if curve.kind == "macro" else (0.0, (1.0, 1.0)),
        )
        for curve in averages
    ]
    crowd = [(curve.false_positive_rate, curve.true_positive_rate) for curve in classes]
    return lines, crowd if is_crowded else [], note


def draw_pr(curves: Sequence[PrCurve], *, title: str) -> Figure:
    """Precision-recall curves, one against the rest, with average precisions in the legend.

    The curves are steps, as between two thresholds there is no model. A dotted line in
    the colour of a class is the precision that guessing gets, the share of its images.
    Crowds of classes and curves near the top-right corner are drawn as in `draw_roc`.

    Args:
        curves: One per class, in label order.
        title: What was judged on what.

    Source: Davis & Goadrich 2006, "The relationship between precision-recall and ROC
        curves", on interpolation.
    """
    is_crowded = len(curves) > MOST_NAMED_CURVES
    named = lowest_pr_curves(curves, NUM_LOWEST_CURVES) if is_crowded else curves
    names = display_names([curve.name for curve in curves], max_length=NAME_LENGTH)
    shown = {curve.name: name for curve, name in zip(curves, names, strict=True)}
    lines = [
        _Line(
            curve.recall,
            curve.precision,
            f"{curve.average_precision:.4f} ({curve.share:.3f})  {shown[curve.name]}",
            index,
            curve.name,
        )
        for index, curve in enumerate(named)
    ]
    crowd = [(curve.recall, curve.precision) for curve in curves] if is_crowded else []
    with plot_style():
        figure = new_figure(7.9, 5.2)
        axes = figure.add_subplot()
        for index, curve in enumerate(named):
            colour, _ = line_style(index)
            axes.axhline(curve.share, color=colour, linewidth=1.0, linestyle=":", zorder=1)
        axes.set_xlabel("recall (fraction of the class that is found)")
        axes.set_ylabel("precision (fraction of the finds that are right)")
        legend = "average precision, and in brackets\nthat of guessing (dotted)"
        _plot(axes, lines, crowd, legend=legend, is_stepped=True)
        span = _zoom_span(lines, "top-right")
        if span is not None:
            inset = _add_inset(axes, "top-right", span)
            _plot(inset, lines, crowd, is_stepped=True)
        set_title(figure, title)
    return figure


def _plot(
    axes: Axes,
    lines: Sequence[_Line],
    crowd: Crowd,
    *,
    legend: str = "",
    place: str = "beside",
    is_stepped: bool = False,
) -> None:
    """Draw the curves, and a legend where one is asked for, beside them or in a corner."""
    style = "steps-pre" if is_stepped else "default"
    handles: list[Line2D] = []
    texts = []
    for x, y in crowd:
        (grey,) = axes.plot(x, y, color=FAINT, linewidth=0.6, zorder=1.5, drawstyle=style)
        if not handles:
            handles.append(grey)
            num_named = sum(line.index is not None for line in lines)
            texts.append(f"all {len(crowd)} classes, the lowest {num_named} named:")
    for line in lines:
        colour, dashes = (INK, line.dashes) if line.index is None else line_style(line.index)
        width = 2.3 if line.index is None else 1.6
        handles += axes.plot(
            line.x,
            line.y,
            color=colour,
            linestyle=dashes,
            linewidth=width,
            drawstyle=style,
            zorder=3 if line.index is None else 2,
        )
        mark_curve(handles[-1], line.name, "steps" if is_stepped else "line")
        texts.append(line.text)
    axes.set_aspect("equal")
    axes.grid(visible=True)
    if legend:
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        beside = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0), "borderaxespad": 0.0}
        box = axes.legend(
            handles,
            [str(index) for index in range(len(handles))],
            title=legend,
            alignment="left",
            **(beside if place == "beside" else {"loc": place}),
        )
        set_legend_texts(box, texts)


def _add_inset(axes: Axes, corner: Corner, span: float) -> Axes:
    """An empty enlargement of a corner in the free half of the square."""
    left = 0.28 if corner == "top-left" else 0.03
    # Without it what lies behind runs through the inset's numbers.
    patch = Rectangle(
        (left, 0.03),
        0.69,
        0.72,
        transform=axes.transAxes,
        facecolor="white",
        edgecolor="#e6e6e6",
        zorder=1.7,
    )
    axes.add_patch(patch)
    inset = axes.inset_axes((left + 0.12, 0.12, 0.55, 0.55))
    near, far = (1 - span, 1 + span / 50), (-span / 50, span)
    inset.set(xlim=far if corner == "top-left" else near, ylim=near)
    inset.set_title(f"{corner} corner, {1 / span:.0f} times larger", fontsize=8.5, weight="normal")
    inset.tick_params(labelsize=7.5)
    inset.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    inset.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    return inset


def _zoom_span(lines: Sequence[_Line], corner: Corner) -> float | None:
    """Side of the corner in which curves can be distinguished.

    None when they fill the square, and when all are perfect.
    """
    gaps = [corner_distance(line.x, line.y, corner=CORNERS[corner]) for line in lines]
    if not any(gaps):
        return None
    return next((span for span in ZOOM_SPANS if span >= 2.5 * max(gaps)), None)


def draw_reliability(
    calibration: Calibration, *, title: str, figure: Figure | None = None
) -> Figure:
    """How often the model is right against how sure it is, on test, after its temperature.

    Above, a dot per bin of the top probability with its 95 % interval: on the diagonal
    the probabilities are what they say. Below, how many images each bin holds. Beside,
    the temperature and what it did.

    Args:
        calibration: Bins of test after the temperature, and the scores before and after.
        title: What was judged on what.
        figure: As for `new_figure`.
    """
    words = describe_calibration(calibration)
    return draw_reliability_bins(calibration.bins, title=title, words=words, figure=figure)


def draw_reliability_bins(
    bins: Sequence[ReliabilityBin], *, title: str, words: str, figure: Figure | None = None
) -> Figure:
    """As `draw_reliability`, with any words beside it.

    Args:
        bins: Of the top probability.
        title: What was judged on what.
        words: Lines as narrow as a legend.
        figure: As for `new_figure`.
    """
    with plot_style():
        figure = new_figure(7.9, 5.6, figure)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
        plot_reliability(above, bins)
        _draw_counts(below, bins)
        below.set_xlabel(above.get_xlabel())
        above.set_xlabel("")
        above.annotate(
            words,
            (1.0, 1.0),
            xycoords="axes fraction",
            xytext=(14, 0),
            textcoords="offset points",
            verticalalignment="top",
            linespacing=1.5,
            annotation_clip=False,
        )
        set_title(figure, title)
    return figure


def describe_calibration(calibration: Calibration) -> str:
    """The temperature and what it did, in lines as narrow as a legend."""
    temperature = calibration.temperature
    effect = capital(temperature_effect(temperature))
    lines = [f"temperature {temperature:.3f}", f"{effect}.", ""]
    for name, key in (("calibration error (ECE)", "ece"), ("log loss (nats)", "log_loss")):
        lines.append(f"{name}, before → after")
        for words, before, after in (
            ("judged", calibration.test_before, calibration.test_after),
            ("fitted", calibration.fitted_before, calibration.fitted_after),
        ):
            lines.append(f"{getattr(before, key):.4f} → {getattr(after, key):.4f}  {words}")
        lines.append("")
    lines.append("judged: as in the title;")
    lines.append(f"fitted: {FITTED_WORDS[calibration.fitted_on]},")
    lines.append(f"{calibration.num_images:,} images")
    return "\n".join(lines)


def plot_reliability(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    """The upper part of `draw_reliability_bins`, into axes that are there.

    Args:
        axes: Empty ones.
        bins: Of the top probability.
    """
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle="--", zorder=1)
    for filled in bins:
        if filled.confidence is None or filled.accuracy is None:
            continue
        x, accuracy = filled.confidence, filled.accuracy
        axes.plot(
            [x, x],
            [accuracy.low, accuracy.high],
            color=COLOURS[0],
            linewidth=1.4,
            marker="_",
            markersize=7,
        )
        axes.plot([x], [accuracy.value], color=COLOURS[0], marker="o", markersize=6)
    for x, y, words, side in (
        (0.03, 0.96, "above the line:\nnot sure enough", "left"),
        (0.97, 0.04, "below the line:\ntoo sure", "right"),
    ):
        axes.text(
            x,
            y,
            words,
            color=MUTED,
            transform=axes.transAxes,
            horizontalalignment=side,
            verticalalignment="top" if side == "left" else "bottom",
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    axes.set_xlabel("top probability (how sure the model is)")
    axes.set_ylabel("accuracy (fraction that is right)")
    axes.grid(visible=True)


def _draw_counts(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    most = max((one.num_images for one in bins), default=0)
    for one in bins:
        middle = (one.low + one.high) / 2
        axes.bar(middle, one.num_images, width=(one.high - one.low) * 0.9, color=COLOURS[0])
        if one.num_images:
            text = f"{one.num_images:,}" if most < 10_000 else f"{one.num_images / 1000:.1f}k"
            axes.annotate(
                text,
                (middle, one.num_images),
                xytext=(0, 2),
                textcoords="offset points",
                horizontalalignment="center",
                fontsize=7.0,
                color=INK,
            )
    axes.set_ylim(0, 1.25 * max(most, 1))
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_ylabel("images")
