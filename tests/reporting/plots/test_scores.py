"""The pictures of predictions on one set."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from matplotlib.axes import Axes
from sklearn.metrics import average_precision_score, precision_recall_curve

from autocnn.core.records import (
    Calibration,
    CalibrationScores,
    ConfusionMatrix,
    Interval,
    PrCurve,
    ReliabilityBin,
    RocCurve,
)
from autocnn.core.wording import SPACE
from autocnn.reporting.plots import draw_confusion_matrix, draw_pr, draw_reliability, draw_roc
from autocnn.reporting.plots.scores import describe_calibration
from autocnn.reporting.plots.style import DASHES, line_style
from tests.reporting.plots.figures import AWKWARD, all_texts, cell_texts, draw, legend_texts, points


def make_matrix(size: int, names: Sequence[str] | None = None) -> ConfusionMatrix:
    counts = np.random.default_rng(0).integers(0, 4, (size, size)) + 90 * np.eye(size, dtype=int)
    labels = tuple(names or (f"class_{index}" for index in range(size)))
    return ConfusionMatrix(labels=labels, counts=tuple(map(tuple, counts.tolist())))


def test_cells_hold_count_and_percent_of_the_row() -> None:
    matrix = ConfusionMatrix(labels=("cat", "dog"), counts=((2999, 1), (0, 80)))
    figure = draw_confusion_matrix(matrix, title="On test")
    draw(figure)
    (axes,) = figure.axes
    assert cell_texts(axes) == [
        f"2,999\n99.97{SPACE}%",
        f"1\n0.03{SPACE}%",
        "0",
        f"80\n100.0{SPACE}%",
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat  (3,000)", "dog  (80)"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class (images)")
    assert figure.get_suptitle() == "On test"
    shares = axes.images[0].get_array()
    assert shares is not None
    assert shares.tolist() == [[2999 / 3000, 1 / 3000], [0.0, 1.0]]


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


@pytest.mark.slow
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
    assert cell_texts(figure.axes[0]) == [f"3\n75.0{SPACE}%", f"1\n25.0{SPACE}%"]
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


def test_roc_legend_names_every_class_and_its_area() -> None:
    figure = draw_roc(make_curves([0.7, 0.8, 0.85]), title="ROC")
    draw(figure)
    (axes,) = figure.axes
    assert legend_texts(axes) == [
        "0.7000  class_0",
        "0.8000  class_1",
        "0.8500  class_2",
        "0.7833  macro average",
        "0.7833  micro average",
    ]
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
    assert len(inset.lines) == len(figure.axes[0].lines) - 1  # the diagonal is far away
    assert inset.get_xlim()[1] == pytest.approx(0.1)
    assert inset.get_ylim()[0] == pytest.approx(0.9)
    assert isinstance(inset, Axes)
    assert inset.get_title(loc="left") == "top-left corner, 10 times larger"
    for line in inset.lines:
        x, y = points(line)
        assert any(a < 0.1 and b > 0.9 for a, b in zip(x, y, strict=True))


def test_curves_that_fill_the_square_are_not_enlarged() -> None:
    assert draw_roc(make_curves([0.6, 0.99, 0.99]), title="ROC").axes[0].child_axes == []


@pytest.mark.slow
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


def make_pr(name: str, *, separation: float, num_right: int = 100, share: float = 0.25) -> PrCurve:
    """The curve of normal scores, as scikit-learn makes it."""
    generator = np.random.default_rng(num_right)
    num_images = round(num_right / share)
    truth = np.arange(num_images) < num_right
    scores = generator.normal(size=num_images) + separation * truth
    precision, recall, _ = precision_recall_curve(truth, scores)
    return PrCurve(
        name=name,
        recall=tuple(recall[::-1].tolist()),
        precision=tuple(precision[::-1].tolist()),
        average_precision=float(average_precision_score(truth, scores)),
        share=float(truth.mean()),
    )


def test_ten_roc_curves_have_dashes_of_their_own() -> None:
    figure = draw_roc(make_curves([0.7] * 10), title="ROC")
    draw(figure)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    drawn = [line.get_linestyle() for line in legend.get_lines()]
    assert len(drawn) == 12
    assert len({line_style(index)[1] for index in range(10)}) == 10
    assert len(DASHES) == 10


def test_perfect_roc_curves_are_not_enlarged() -> None:
    curve = RocCurve(
        name="a", kind="class", false_positive_rate=(0, 0, 1), true_positive_rate=(0, 1, 1), auc=1
    )
    figure = draw_roc([curve, curve.model_copy(update={"name": "b"})], title="ROC")
    draw(figure)
    assert figure.axes[0].child_axes == []


def test_pr_legend_has_average_precision_and_guessing() -> None:
    curves = [make_pr("cat", separation=1.0), make_pr("dog", separation=0.5, share=0.5)]
    figure = draw_pr(curves, title="PR")
    draw(figure)
    (axes,) = figure.axes
    assert legend_texts(axes) == [
        f"{curves[0].average_precision:.4f} (0.250)  cat",
        f"{curves[1].average_precision:.4f} (0.500)  dog",
    ]
    assert axes.get_xlabel() == "recall (fraction of the class that is found)"
    assert axes.get_ylabel() == "precision (fraction of the finds that are right)"
    *guesses, cat, dog = axes.lines
    assert [points(line)[1] for line in guesses] == [[0.25, 0.25], [0.5, 0.5]]
    assert [line.get_color() for line in guesses] == [cat.get_color(), dog.get_color()]
    assert points(cat) == (list(curves[0].recall), list(curves[0].precision))


def test_the_area_under_the_drawn_steps_is_the_average_precision() -> None:
    curve = make_pr("cat", separation=1.5)
    line = draw_pr([curve], title="PR").axes[0].lines[-1]
    assert line.get_drawstyle() == "steps-pre"
    x, y = points(line)
    area = sum((x[i] - x[i - 1]) * y[i] for i in range(1, len(x)))
    assert area == pytest.approx(curve.average_precision, abs=1e-12)


def test_pr_curves_near_1_are_enlarged_and_lie_in_the_corner() -> None:
    curves = [make_pr(name, separation=4.0, num_right=400) for name in ("a", "b")]
    assert all(curve.average_precision < 1 for curve in curves)
    figure = draw_pr(curves, title="PR")
    draw(figure)
    (inset,) = figure.axes[0].child_axes
    assert isinstance(inset, Axes)
    low, high = inset.get_xlim()
    assert inset.get_ylim() == (low, high)
    assert high > 1
    for line in inset.lines:
        x, y = points(line)
        assert any(a > low and b > low for a, b in zip(x, y, strict=True))


def test_pr_curves_that_fill_the_square_or_are_perfect_are_not_enlarged() -> None:
    poor = [make_pr("a", separation=0.5), make_pr("b", separation=6.0)]
    assert draw_pr(poor, title="PR").axes[0].child_axes == []
    perfect = PrCurve(
        name="a", recall=(0.0, 1.0, 1.0), precision=(1.0, 1.0, 0.5), average_precision=1, share=0.5
    )
    figure = draw_pr([perfect], title="PR")
    draw(figure)
    assert figure.axes[0].child_axes == []
    assert legend_texts(figure.axes[0]) == ["1.0000 (0.500)  a"]


def test_thirty_pr_classes_name_the_five_lowest() -> None:
    curves = [
        make_pr(f"class_{index}", separation=1 + 0.1 * ((7 * index) % 30)) for index in range(30)
    ]
    figure = draw_pr(curves, title="PR")
    draw(figure)
    head, *named = legend_texts(figure.axes[0])
    assert head == "all 30 classes, the lowest 5 named:"
    lowest = sorted(curves, key=lambda curve: curve.average_precision)[:5]
    assert [text.split()[-1] for text in named] == [curve.name for curve in lowest]


def test_awkward_names_stand_in_the_pr_legend() -> None:
    curves = [make_pr(name, separation=1.0) for name in AWKWARD]
    figure = draw_pr(curves, title="$PR$ of 很")
    draw(figure)
    texts = legend_texts(figure.axes[0])
    assert texts[1].endswith("  $x_1$ cost $")
    assert len(set(texts)) == 7
    assert "$PR$" in all_texts(figure)


def make_bin(low: float, high: float, num_images: int, accuracy: float = 0.75) -> ReliabilityBin:
    if not num_images:
        return ReliabilityBin(low=low, high=high, num_images=0, confidence=None, accuracy=None)
    interval = Interval(value=accuracy, low=accuracy - 0.2, high=min(1.0, accuracy + 0.1))
    return ReliabilityBin(
        low=low, high=high, num_images=num_images, confidence=(low + high) / 2, accuracy=interval
    )


def make_calibration(temperature: float, *bins: ReliabilityBin) -> Calibration:
    return Calibration(
        temperature=temperature,
        fitted_on="folds",
        num_images=5712,
        fitted_before=CalibrationScores(ece=0.04, log_loss=0.2),
        fitted_after=CalibrationScores(ece=0.01, log_loss=0.1),
        test_before=CalibrationScores(ece=0.05, log_loss=0.3),
        test_after=CalibrationScores(ece=0.02, log_loss=0.25),
        bins=bins,
    )


def test_bins_are_dots_with_intervals_over_their_counts() -> None:
    bins = (make_bin(0.0, 0.5, 0), make_bin(0.5, 0.75, 7, 0.5), make_bin(0.75, 1.0, 1234, 0.9))
    figure = draw_reliability(make_calibration(1.3, *bins), title="Reliability")
    draw(figure)
    above, below = figure.axes
    diagonal, *drawn = above.lines
    assert points(diagonal) == ([0, 1], [0, 1])
    intervals, dots = drawn[0::2], drawn[1::2]
    assert [points(dot) for dot in dots] == [([0.625], [0.5]), ([0.875], [0.9])]
    assert [points(line)[1] for line in intervals] == [[0.3, 0.6], [0.7, 1.0]]
    assert [bar.get_height() for bar in below.patches] == [0, 7, 1234]  # type: ignore[attr-defined]
    assert cell_texts(below) == ["7", "1,234"]
    assert below.get_ylabel() == "images"
    assert below.get_xlabel() == "top probability (how sure the model is)"
    assert above.get_ylabel() == "accuracy (fraction that is right)"
    assert above.get_xlim() == below.get_xlim()


def test_words_say_what_the_temperature_did() -> None:
    words = describe_calibration(make_calibration(1.3))
    assert words.splitlines()[:2] == ["temperature 1.300", "Before it the model was too sure."]
    assert "0.0500 → 0.0200  judged" in words
    assert "0.0400 → 0.0100  fitted" in words
    assert "0.3000 → 0.2500  judged" in words
    assert "0.2000 → 0.1000  fitted" in words
    assert words.endswith("fitted: out-of-fold predictions,\n5,712 images")
    assert "was not sure enough." in describe_calibration(make_calibration(0.8))
    assert "It changed nothing." in describe_calibration(make_calibration(1.0))


def test_a_perfect_model_and_one_without_images_can_be_drawn() -> None:
    perfect = draw_reliability(make_calibration(1.0, make_bin(0.9, 1.0, 20_000, 1.0)), title="$a$")
    draw(perfect)
    assert "20.0k" in all_texts(perfect)
    draw(draw_reliability(make_calibration(1.0, make_bin(0.0, 1.0, 0)), title="t"))
