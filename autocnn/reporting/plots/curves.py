"""ROC and precision-recall curves, one class against the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from autocnn.core.records import PrCurve, RocCurve
from autocnn.reporting.plots.style import (
    FAINT,
    INK,
    MUTED,
    NAME_LENGTH,
    display_names,
    house_style,
    line_style,
    new_figure,
    set_legend_texts,
    set_title,
)
from autocnn.reporting.plots.summary import (
    are_mirrored,
    corner_distance,
    lowest_curves,
    lowest_pr_curves,
)

MOST_NAMED_CURVES = 10
NUM_LOWEST_CURVES = 5
ZOOM_SPANS = (0.02, 0.05, 0.1, 0.2)

Corner = Literal["top-left", "top-right"]

CORNERS: dict[Corner, tuple[int, int]] = {"top-left": (0, 1), "top-right": (1, 1)}


@dataclass(frozen=True)
class _Line:
    """A curve, and how it is drawn: `index` counts the named classes, None: an average."""

    x: Sequence[float]
    y: Sequence[float]
    text: str
    index: int | None
    dashes: str | tuple[float, tuple[float, ...]] = "-"


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
        )
        for index, curve in enumerate(named)
    ] + [
        _Line(
            curve.false_positive_rate,
            curve.true_positive_rate,
            f"{curve.auc:.4f}  {curve.name}",
            None,
            "-" if curve.kind == "macro" else (0.0, (1.0, 1.0)),
        )
        for curve in averages
    ]
    crowd = [(curve.false_positive_rate, curve.true_positive_rate) for curve in classes]
    with house_style():
        figure = new_figure(7.9, 5.2)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":", zorder=1)
        axes.set_xlabel("false-positive rate (fraction of the other images)")
        axes.set_ylabel("true-positive rate (fraction of the class)")
        _plot(axes, lines, crowd if is_crowded else (), legend="area under the curve")
        span = _zoom_span(lines, "top-left")
        if span is not None:
            inset = _add_inset(axes, "top-left", span)
            _plot(inset, lines, crowd if is_crowded else ())
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
        set_title(figure, title)
    return figure


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
        )
        for index, curve in enumerate(named)
    ]
    crowd = [(curve.recall, curve.precision) for curve in curves] if is_crowded else []
    with house_style():
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
    crowd: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    legend: str = "",
    is_stepped: bool = False,
) -> None:
    """Draw the curves, and beside them a legend where one is asked for."""
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
        texts.append(line.text)
    axes.set_aspect("equal")
    axes.grid(visible=True)
    if legend:
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        box = axes.legend(
            handles,
            [str(index) for index in range(len(handles))],
            title=legend,
            alignment="left",
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
            borderaxespad=0.0,
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
    """Side of the corner in which curves can be told apart.

    None when they fill the square, and when all are perfect.
    """
    gaps = [corner_distance(line.x, line.y, corner=CORNERS[corner]) for line in lines]
    if not any(gaps):
        return None
    return next((span for span in ZOOM_SPANS if span >= 2.5 * max(gaps)), None)
