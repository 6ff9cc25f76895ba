"""The gap, by its artists."""

from typing import Literal

import pytest

from autocnn.core.records import Gap, GapLoss, GapStep, Interval, ScoredSet
from autocnn.core.wording import MINUS
from autocnn.reporting.plots import draw_gap
from autocnn.reporting.plots.gap import describe_loss
from autocnn.reporting.plots.summary import largest_real_loss
from tests.reporting.plots.figures import all_texts, draw, points

Cause = Literal["overfitting", "luck", "leakage or shift"]
SETS: tuple[ScoredSet, ...] = ("train", "val", "folds", "test_clean")
CAUSES: tuple[Cause, ...] = ("overfitting", "luck", "leakage or shift")


def make_gap(*accuracies: float, width: float = 0.01) -> Gap:
    """Steps with intervals of +- width; losses that are real beyond it."""
    steps = [
        GapStep(
            scored=name,
            num_images=1000 * (index + 1),
            accuracy=Interval(value=value, low=value - width, high=min(1.0, value + width)),
        )
        for index, (name, value) in enumerate(zip(SETS, accuracies, strict=False))
    ]
    losses = []
    for first, second, cause in zip(steps, steps[1:], CAUSES, strict=False):
        loss = first.accuracy.value - second.accuracy.value
        interval = Interval(value=loss, low=loss - width, high=loss + width)
        losses.append(
            GapLoss(
                start=first.scored,
                end=second.scored,
                loss=interval,
                cause=cause,
                is_real=interval.low > 0,
            )
        )
    return Gap(steps=tuple(steps), losses=tuple(losses), sentence="")


def test_steps_stand_from_train_at_the_top_to_test() -> None:
    figure = draw_gap(make_gap(0.99, 0.97, 0.965, 0.92), title="Gap of $c$")
    draw(figure)
    (axes,) = figure.axes
    dots = [points(line) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [([0.99], [0]), ([0.97], [1]), ([0.965], [2]), ([0.92], [3])]
    bottom, top = axes.get_ylim()
    assert bottom > 3 > 0 > top
    intervals = [points(line)[0] for line in axes.lines if line.get_marker() == "|"]
    assert intervals[1] == [0.96, 0.98]
    texts = all_texts(figure)
    for words in ("seen in training\n1,000 images", "clean test", "0.9200", "Gap of $c$"):
        assert words in texts
    assert axes.get_xlabel().startswith("accuracy (fraction")


def test_only_the_largest_real_loss_is_emphasised() -> None:
    gap = make_gap(0.99, 0.97, 0.965, 0.92)
    assert largest_real_loss(gap) is gap.losses[2]
    figure = draw_gap(gap, title="t")
    bold = [
        text.get_text().replace(MINUS, "-")
        for text in figure.axes[0].texts
        if text.get_fontweight() == "bold"
    ]
    assert "-0.0450  [-0.0550, -0.0350]\nleakage, or images of another kind" in bold
    assert not [text for text in bold if "overfitting" in text or "chance" in text]
    styles = [line.get_linestyle() for line in figure.axes[0].lines[:3]]
    assert styles == ["-", ":", "-"]


def test_without_a_real_loss_nothing_is_emphasised() -> None:
    gap = make_gap(0.97, 0.968, 0.971)
    assert largest_real_loss(gap) is None
    figure = draw_gap(gap, title="t")
    draw(figure)
    assert len({line.get_linewidth() for line in figure.axes[0].lines[:2]}) == 1


@pytest.mark.parametrize(
    ("accuracies", "width", "words"),
    [
        ((0.99, 0.95), 0.01, "-0.0400  [-0.0500, -0.0300]\noverfitting"),
        ((0.95, 0.95), 0.01, "0.0000  [-0.0100, +0.0100]\nmay be chance"),
        ((0.90, 0.95), 0.01, "+0.0500  [+0.0400, +0.0600]\na gain"),
        ((1.0, 1.0), 0.0, "0.0000  [0.0000, 0.0000]\nnothing lost"),
    ],
)
def test_a_loss_in_words(accuracies: tuple[float, ...], width: float, words: str) -> None:
    (loss,) = make_gap(*accuracies, width=width).losses
    assert describe_loss(loss).replace(MINUS, "-") == words


def test_a_perfect_model_can_be_drawn() -> None:
    figure = draw_gap(make_gap(1.0, 1.0, 1.0, 1.0, width=0.0), title="t")
    draw(figure)
    assert all_texts(figure).count("1.0000") >= 4
