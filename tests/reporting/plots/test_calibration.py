"""The reliability diagram, by its artists."""

from autocnn.core.records import Calibration, CalibrationScores, Interval, ReliabilityBin
from autocnn.reporting.plots import draw_reliability
from autocnn.reporting.plots.calibration import describe_calibration
from tests.reporting.plots.figures import all_texts, cell_texts, draw, points


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
    assert "0.0500 → 0.0200  test" in words
    assert "0.0400 → 0.0100  fitted" in words
    assert "0.3000 → 0.2500  test" in words
    assert "0.2000 → 0.1000  fitted" in words
    assert words.endswith("fitted: out-of-fold predictions,\n5,712 images")
    assert "was not sure enough." in describe_calibration(make_calibration(0.8))
    assert "It changed nothing." in describe_calibration(make_calibration(1.0))


def test_a_perfect_model_and_one_without_images_can_be_drawn() -> None:
    perfect = draw_reliability(make_calibration(1.0, make_bin(0.9, 1.0, 20_000, 1.0)), title="$a$")
    draw(perfect)
    assert "20.0k" in all_texts(perfect)
    draw(draw_reliability(make_calibration(1.0, make_bin(0.0, 1.0, 0)), title="t"))
