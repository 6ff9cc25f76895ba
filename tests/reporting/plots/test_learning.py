"""Learning curves, by their artists."""

import math

import pytest

from autocnn.core.records import EpochScore, Scores
from autocnn.reporting.plots import draw_learning_curves
from tests.reporting.plots.figures import draw, points


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
