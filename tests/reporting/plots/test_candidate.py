"""The pictures of one candidate, and of several under disturbances."""

import math
from collections.abc import Sequence
from typing import Literal

import pytest

from autocnn.core.records import (
    Corruption,
    EpochScore,
    Gap,
    GapLoss,
    GapStep,
    Interval,
    Robustness,
    ScoredSet,
    Scores,
)
from autocnn.core.wording import MINUS
from autocnn.reporting.plots import draw_gap, draw_learning_curves, draw_robustness
from autocnn.reporting.plots.candidate import describe_loss
from autocnn.reporting.plots.score_values import largest_real_loss
from autocnn.reporting.plots.style import FAINT
from tests.reporting.plots.figures import (
    AWKWARD,
    all_texts,
    cell_texts,
    draw,
    figure_legend_texts,
    points,
)


def make_epochs(number: int, *, has_val: bool = True) -> list[EpochScore]:
    return [
        EpochScore(
            epoch=epoch,
            train_loss=9.0,
            train=Scores(accuracy=1 - 0.5 / epoch, log_loss=1 / epoch),
            val=Scores(accuracy=0.9 - 0.5 / epoch, log_loss=1.5 / epoch) if has_val else Scores(),
            learning_rate=0.1,
            seconds=1.0,
        )
        for epoch in range(1, number + 1)
    ]


@pytest.mark.parametrize("number", [1, 12, 100])
def test_learning_curves_show_train_val_refit_and_best(number: int) -> None:
    search, refit = make_epochs(number), make_epochs(number, has_val=False)
    figure = draw_learning_curves(search, refit, best_epoch=number, title="Trial 7")
    draw(figure)
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("log loss (nats)", "accuracy (fraction)")
    assert loss.get_xlabel() == accuracy.get_xlabel() == "epoch"
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["train", "val", "refit: train", f"best epoch: {number}"]
    train, val, again, line, best = accuracy.lines
    assert points(train)[1] == [score.train.accuracy for score in search]
    assert points(val)[1] == [score.val.accuracy for score in search]
    assert points(again)[0] == list(range(1, number + 1))
    assert again.get_linestyle() == "--"
    assert points(line)[0] == [number, number]
    assert points(best) == ([number], [search[-1].val.accuracy])
    low, high = loss.get_xlim()
    assert all(tick == round(tick) for tick in loss.get_xticks())
    assert low > 0
    assert high > number
    assert loss.get_ylim()[0] == 0


def test_the_loss_is_not_the_augmented_one() -> None:
    figure = draw_learning_curves(make_epochs(3), [], best_epoch=1, title="t")
    assert max(points(figure.axes[0].lines[0])[1]) == 1.0


def test_learning_curves_without_refit_or_measurements() -> None:
    figure = draw_learning_curves(make_epochs(5), [], best_epoch=2, title="t")
    draw(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "train",
        "val",
        "best epoch: 2",
    ]
    bare = [epoch.model_copy(update={"val": Scores()}) for epoch in make_epochs(5)]
    figure = draw_learning_curves(bare, [], best_epoch=2, title="t")
    draw(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["train", "best epoch: 2"]
    assert math.isfinite(figure.axes[0].get_ylim()[1])


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


def make_robustness(accuracy: float, drops: dict[str, Sequence[float]]) -> Robustness:
    corruptions = tuple(
        Corruption(
            name=name,
            strength=strength,
            setting=f"{name} {strength}",
            accuracy=accuracy - drop,
            drop=drop,
        )
        for name, row in drops.items()
        for strength, drop in enumerate(row, 1)
    )
    mean = sum(one.drop for one in corruptions) / max(1, len(corruptions))
    return Robustness(num_images=9, accuracy=accuracy, mean_drop=mean, corruptions=corruptions)


def test_a_panel_per_disturbance_the_worst_first() -> None:
    result = make_robustness(1.0, {"blur": (0.0, 0.0, 0.125), "$noise_1$": (0.25, 0.5, 0.75)})
    figure = draw_robustness([("refit", result)], title="Disturbed")
    draw(figure)
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["$noise_1$", "blur"]
    assert [points(line) for line in first.lines] == [([0, 1, 2, 3], [1.0, 0.75, 0.5, 0.25])]
    assert cell_texts(first) == ["strength 3: $noise_1$ 3"]
    assert [label.get_text() for label in first.get_xticklabels()] == ["none", "1", "2", "3"]
    assert first.get_xlabel() == "strength of the disturbance"
    assert figure.get_supylabel() == "accuracy (fraction)"
    assert first.get_ylim() == second.get_ylim()
    assert figure_legend_texts(figure) == ["refit  (mean drop 0.2708)"]


@pytest.mark.parametrize("number", [5, 8])
def test_five_candidates_are_named_and_told_apart_without_colour(number: int) -> None:
    candidates = [
        (f"candidate {index}", make_robustness(0.9, {"noise": (0.01, 0.02, 0.03 * index)}))
        for index in range(1, number + 1)
    ]
    figure = draw_robustness(candidates, title="t")
    draw(figure)
    lines = figure.axes[0].lines
    assert len(lines) == number
    texts = figure_legend_texts(figure)
    assert texts[5:] == (["other candidates (3)"] if number == 8 else [])
    assert texts[0].startswith("candidate 1  (mean drop")
    named = [line for line in lines if line.get_color() != FAINT]
    assert len(named) == 5
    assert len({str(line.get_marker()) for line in named}) == 5
    assert len({str(line.get_linestyle()) for line in named}) > 1


def test_candidates_need_not_have_the_same_disturbances() -> None:
    results = [
        make_robustness(1.0, {"noise": (0.1, 0.2)}),
        make_robustness(1.0, {"blur": (0.1, 0.1, 0.1)}),
    ]
    figure = draw_robustness(list(zip(AWKWARD, results, strict=False)), title="t")
    draw(figure)
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]
    assert figure_legend_texts(figure)[1].startswith("$x_1$ cost $  (")


@pytest.mark.slow
def test_perfect_candidates_and_no_disturbance_can_be_drawn() -> None:
    draw(draw_robustness([("a", make_robustness(1.0, {"noise": (0.0, 0.0, 0.0)}))], title="t"))
    draw(draw_robustness([("a", make_robustness(1.0, {}))], title="t"))
    many: dict[str, Sequence[float]] = {f"way {index}": (0.1, 0.2, 0.3) for index in range(10)}
    figure = draw_robustness([("a", make_robustness(1.0, many))], title="t")
    draw(figure)
    assert [axes.get_xlabel() != "" for axes in figure.axes if axes.axison] == [False] * 7 + [
        True
    ] * 3
