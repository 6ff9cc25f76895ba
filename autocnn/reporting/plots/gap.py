"""The gap between train and test accuracy, taken apart."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autocnn.core.records import Gap, GapLoss, GapStep, ScoredSet
from autocnn.core.wording import signed
from autocnn.reporting.plots.style import COLOURS, INK, MUTED, house_style, new_figure, set_title
from autocnn.reporting.plots.summary import largest_real_loss

SET_WORDS: dict[ScoredSet, tuple[str, str]] = {
    "train": ("train", "seen in training"),
    "val": ("val", "used to choose, not to train"),
    "folds": ("folds", "train + val, each image judged\nby a model that has not seen it"),
    "test": ("test", "new images"),
    "test_clean": ("clean test", "new images, no copies of seen ones"),
}
"""Each set, and what it is to the model."""

CAUSE_WORDS = {
    "overfitting": "overfitting",
    "luck": "a lucky pick on val",
    "leakage or shift": "leakage, or images of another kind",
    "class mix": "classes in another mix",
}

EMPHASIS = "#A84300"
"""The vermilion of `COLOURS`, dark enough for words: 6 : 1 on white."""


def draw_gap(gap: Gap, *, title: str) -> Figure:
    """Accuracy from train to test, top to bottom, and what changes from one to the next.

    The largest loss that is beyond chance is emphasised.

    Args:
        gap: The steps and the losses between them.
        title: Whose gap it is.
    """
    worst = largest_real_loss(gap)
    rows = {step.scored: row for row, step in enumerate(gap.steps)}
    values = {step.scored: step.accuracy.value for step in gap.steps}
    with house_style():
        figure = new_figure(8.6, 1.2 + 0.9 * len(gap.steps))
        axes = figure.add_subplot()
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
            middle = (rows[loss.start] + rows[loss.end]) / 2
            axes.text(
                1.03,
                middle,
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
        set_title(figure, title)
    return figure


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
