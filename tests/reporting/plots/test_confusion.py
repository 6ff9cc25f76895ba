"""The confusion matrix, by its artists. Warnings are errors: no glyph missing."""

from collections.abc import Sequence

import numpy as np
import pytest

from autocnn.core.records import ConfusionMatrix
from autocnn.reporting.plots import draw_confusion_matrix
from tests.reporting.plots.figures import AWKWARD, cell_texts, draw


def make_matrix(size: int, names: Sequence[str] | None = None) -> ConfusionMatrix:
    counts = np.random.default_rng(0).integers(0, 4, (size, size)) + 90 * np.eye(size, dtype=int)
    labels = tuple(names or (f"class_{index}" for index in range(size)))
    return ConfusionMatrix(labels=labels, counts=tuple(map(tuple, counts.tolist())))


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
