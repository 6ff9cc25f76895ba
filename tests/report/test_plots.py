"""Pictures, by their artists. Warnings are errors: no glyph missing, no label dropped."""

import io
import math
from collections.abc import Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from autocnn.records import ConfusionMatrix, EpochScore, RocCurve, Scores
from autocnn.report.plots import draw_confusion_matrix, draw_learning_curves, draw_roc
from autocnn.report.style import save_png

AWKWARD = ["_private", "$x_1$ cost $", "很长的名字", "a" * 40, "опухоль", "100 %", "^_^ \\frac"]


def make_matrix(size: int, names: Sequence[str] | None = None) -> ConfusionMatrix:
    counts = np.random.default_rng(0).integers(0, 4, (size, size)) + 90 * np.eye(size, dtype=int)
    labels = tuple(names or (f"class_{index}" for index in range(size)))
    return ConfusionMatrix(labels=labels, counts=tuple(map(tuple, counts.tolist())))


def make_curve(
    name: str, auc: float, kind: Literal["class", "macro", "micro"] = "class"
) -> RocCurve:
    """A curve x -> x^a with that area."""
    rates = np.linspace(0, 1, 101)
    heights = rates ** (1 / auc - 1)
    return RocCurve(
        name=name,
        kind=kind,
        false_positive_rate=tuple(rates.tolist()),
        true_positive_rate=tuple(heights.tolist()),
        auc=auc,
    )


def make_curves(aucs: Sequence[float], names: Sequence[str] | None = None) -> list[RocCurve]:
    names = names or [f"class_{index}" for index in range(len(aucs))]
    curves = [make_curve(name, auc) for name, auc in zip(names, aucs, strict=True)]
    averages = [
        make_curve("macro average", float(np.mean(aucs)), "macro"),
        make_curve("micro average", float(np.mean(aucs)), "micro"),
    ]
    return curves + averages


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


def draw(figure: Figure) -> tuple[int, int]:
    """Save a figure, as a study does; the picture's width and height in px."""
    before = dict(mpl.rcParams)
    buffer = io.BytesIO()
    save_png(figure, buffer)
    assert dict(mpl.rcParams) == before
    with Image.open(buffer) as image:
        assert image.format == "PNG"
        return image.size


def points(line: Line2D) -> tuple[list[float], list[float]]:
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def cell_texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend_texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_cells_hold_count_and_percent_of_the_row() -> None:
    matrix = ConfusionMatrix(labels=("cat", "dog"), counts=((1500, 500), (0, 80)))
    figure = draw_confusion_matrix(matrix, title="On test")
    draw(figure)
    (axes,) = figure.axes
    assert cell_texts(axes) == ["1,500\n75.0 %", "500\n25.0 %", "0", "80\n100.0 %"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat  (2,000)", "dog  (80)"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class (images)")
    assert figure.get_suptitle() == "On test"
    shares = axes.images[0].get_array()
    assert shares is not None
    assert shares.tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_cell_text_contrasts_with_its_cell() -> None:
    figure = draw_confusion_matrix(make_matrix(4), title="")
    by_cell = {text.get_position(): text.get_color() for text in figure.axes[0].texts}
    assert by_cell[(0, 0)] == "white"
    assert by_cell[(1, 0)] != "white"


@pytest.mark.parametrize(
    ("size", "num_bars", "has_numbers"),
    [(4, 0, True), (12, 0, True), (25, 1, True), (31, 1, False)],
)
def test_numbers_as_long_as_they_can_be_read(size: int, num_bars: int, has_numbers: bool) -> None:
    matrix = make_matrix(size)
    figure = draw_confusion_matrix(matrix, title="title")
    axes, *bars = figure.axes
    num_counts = sum(count > 0 for row in matrix.counts for count in row)
    num_texts = {4: 16, 12: 144, 25: num_counts, 31: 0}[size]
    assert len(axes.texts) == num_texts
    assert bool(axes.texts) == has_numbers
    assert len(bars) == num_bars
    assert all(bar.get_ylabel() == "fraction of the true class's images" for bar in bars)


def test_hundred_classes_have_thinned_names_and_a_bounded_page() -> None:
    figure = draw_confusion_matrix(make_matrix(100), title="title")
    width, height = draw(figure)
    assert max(width, height) < 2200
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == [f"class_{index}" for index in range(0, 100, 2)]


def test_class_without_images_is_neither_0_nor_a_number() -> None:
    matrix = ConfusionMatrix(labels=("a", "b"), counts=((3, 1), (0, 0)))
    figure = draw_confusion_matrix(matrix, title="title")
    draw(figure)
    assert cell_texts(figure.axes[0]) == ["3\n75.0 %", "1\n25.0 %"]
    shares = figure.axes[0].images[0].get_array()
    assert shares is not None
    assert np.ma.getmaskarray(shares).tolist() == [[False, False], [True, True]]


def test_awkward_names_are_drawn_as_they_are() -> None:
    figure = draw_confusion_matrix(make_matrix(7, AWKWARD), title="$title_1$ of 很")
    width, height = draw(figure)
    assert max(width, height) < 2000
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names[:2] == ["_private", "$x_1$ cost $"]
    assert len(names[3]) < 30
    assert len(set(names)) == 7


def test_roc_legend_names_every_class_and_its_area() -> None:
    figure = draw_roc(make_curves([0.7, 0.8, 0.85]), title="ROC")
    draw(figure)
    (axes,) = figure.axes
    assert legend_texts(axes) == [
        "0.7000  class_0", "0.8000  class_1", "0.8500  class_2",
        "0.7833  macro average", "0.7833  micro average",
    ]  # fmt: skip
    assert axes.get_aspect() == 1.0
    assert axes.get_xlabel() == "false-positive rate (fraction of the other images)"
    assert axes.get_ylabel() == "true-positive rate (fraction of the class)"
    diagonal, *lines = axes.lines
    assert np.array(diagonal.get_data()).tolist() == [[0, 1], [0, 1]]
    assert len(lines) == 5
    assert points(lines[0])[1][50] == pytest.approx(0.5 ** (1 / 0.7 - 1))


def test_curves_near_1_are_enlarged() -> None:
    figure = draw_roc(make_curves([0.99, 0.995, 0.998]), title="ROC")
    draw(figure)
    (inset,) = figure.axes[0].child_axes
    assert len(inset.lines) == len(figure.axes[0].lines)
    assert inset.get_xlim()[1] == pytest.approx(0.05)
    assert inset.get_ylim()[0] == pytest.approx(0.95)
    assert isinstance(inset, Axes)
    assert inset.get_title(loc="left") == "top-left corner, 20 times larger"


def test_curves_that_fill_the_square_are_not_enlarged() -> None:
    assert draw_roc(make_curves([0.6, 0.99, 0.99]), title="ROC").axes[0].child_axes == []


def test_many_classes_name_the_five_lowest() -> None:
    aucs = [0.7 + 0.002 * ((37 * index) % 100) for index in range(100)]
    figure = draw_roc(make_curves(aucs), title="ROC")
    draw(figure)
    axes = figure.axes[0]
    head, *named, macro, micro = legend_texts(axes)
    assert head == "all 100 classes, the lowest 5 named:"
    order = sorted(range(100), key=lambda index: aucs[index])
    assert named == [f"{aucs[index]:.4f}  class_{index}" for index in order[:5]]
    assert (macro[8:], micro[8:]) == ("macro average", "micro average")
    assert len(axes.lines) == 1 + 100 + 5 + 2


def test_two_mirrored_classes_are_one_curve() -> None:
    rates = np.linspace(0, 1, 101)
    first = make_curve("malignant", 0.8)
    mirrored = first.model_copy(
        update={
            "name": "benign",
            "false_positive_rate": tuple((1 - np.array(first.true_positive_rate)[::-1]).tolist()),
            "true_positive_rate": tuple((1 - rates[::-1]).tolist()),
        }
    )
    averages = make_curves([0.8, 0.8])[2:]
    figure = draw_roc([first, mirrored, *averages], title="ROC")
    draw(figure)
    (axes,) = figure.axes
    assert legend_texts(axes) == ["0.8000  benign"]
    (note,) = cell_texts(axes)
    assert "malignant" in note


def test_two_curves_of_more_classes_are_both_drawn() -> None:
    curves = make_curves([0.6, 0.9])
    assert len(legend_texts(draw_roc(curves, title="ROC").axes[0])) == 4


def test_roc_with_only_the_micro_average() -> None:
    figure = draw_roc([make_curve("micro average", 0.8, "micro")], title="ROC")
    draw(figure)
    assert legend_texts(figure.axes[0]) == ["0.8000  micro average"]


def test_awkward_names_stand_in_the_legend() -> None:
    figure = draw_roc(make_curves([0.8] * 7, AWKWARD), title="$ROC$")
    draw(figure)
    texts = legend_texts(figure.axes[0])
    assert texts[:2] == ["0.8000  _private", "0.8000  $x_1$ cost $"]
    assert len(texts) == 9


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
        "train", "val", "best epoch: 2",
    ]  # fmt: skip
    bare = [epoch.model_copy(update={"val": Scores()}) for epoch in make_epochs(5)]
    figure = draw_learning_curves(bare, [], best_epoch=2, title="t")
    draw(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "train", "best epoch: 2",
    ]  # fmt: skip
    assert math.isfinite(figure.axes[0].get_ylim()[1])
