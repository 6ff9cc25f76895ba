"""Calibration: whether probabilities can be taken at their word."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autocnn.core.records import Calibration, ReliabilityBin
from autocnn.reporting.plots.style import COLOURS, INK, MUTED, house_style, new_figure, set_title

FITTED_WORDS = {"folds": "out-of-fold predictions", "val": "the val split"}


def draw_reliability(calibration: Calibration, *, title: str) -> Figure:
    """How often the model is right against how sure it is, on test, after its temperature.

    Above, a dot per bin of the top probability with its 95 % interval: on the diagonal
    the probabilities are what they say. Below, how many images each bin holds. Beside,
    the temperature and what it did.

    Args:
        calibration: Bins of test after the temperature, and the scores before and after.
        title: What was judged on what.
    """
    return draw_reliability_bins(
        calibration.bins, title=title, words=describe_calibration(calibration)
    )


def draw_reliability_bins(bins: Sequence[ReliabilityBin], *, title: str, words: str) -> Figure:
    """As `draw_reliability`, with any words beside it.

    Args:
        bins: Of the top probability.
        title: What was judged on what.
        words: Lines as narrow as a legend.
    """
    with house_style():
        figure = new_figure(7.9, 5.6)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
        _draw_bins(above, bins)
        _draw_counts(below, bins)
        below.set_xlim(-0.02, 1.02)
        below.set_xlabel("top probability (how sure the model is)")
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
    effect = "It changed nothing."
    if temperature != 1:
        judged = "too sure" if temperature > 1 else "not sure enough"
        effect = f"Before it the model was {judged}."
    lines = [f"temperature {temperature:.3f}", effect, ""]
    for name, key in (("calibration error (ECE)", "ece"), ("log loss (nats)", "log_loss")):
        lines.append(f"{name}, before → after")
        for words, before, after in (
            ("test", calibration.test_before, calibration.test_after),
            ("fitted", calibration.fitted_before, calibration.fitted_after),
        ):
            lines.append(f"{getattr(before, key):.4f} → {getattr(after, key):.4f}  {words}")
        lines.append("")
    lines.append(f"fitted: {FITTED_WORDS[calibration.fitted_on]},")
    lines.append(f"{calibration.num_images:,} images")
    return "\n".join(lines)


def _draw_bins(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
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
    axes.set_ylim(-0.02, 1.04)
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
