"""Learning curves: how loss and accuracy went over the epochs."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autocnn.core.records import EpochScore, Scores
from autocnn.reporting.plots.style import COLOURS, INK, MUTED, house_style, new_figure, set_title


def draw_learning_curves(
    search: Sequence[EpochScore], refit: Sequence[EpochScore], *, best_epoch: int, title: str
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


def _points(epochs: Sequence[EpochScore], split: str, metric: str) -> list[tuple[int, float]]:
    """(epoch, value) of the epochs in which a metric was measured."""
    points = []
    for epoch in epochs:
        scores: Scores = epoch.train if split == "train" else epoch.val
        value: float | None = getattr(scores, metric)
        if value is not None:
            points.append((epoch.epoch, value))
    return points
