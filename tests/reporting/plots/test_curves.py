"""Curves in their picture: where they run, and that they survive the file."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.records import RocCurve
from autocnn.reporting.elements import load_picture
from autocnn.reporting.plots import draw_gap, draw_learning_curves, draw_roc
from autocnn.reporting.plots.curves import MOST_LETTERS, MOST_POINTS, read_curves, with_curves
from autocnn.reporting.plots.style import save_png
from tests.reporting.studies import make_candidate, make_history


def roc(name: str, number: int = 3) -> RocCurve:
    rates = np.linspace(0, 1, number)
    return RocCurve(
        name=name,
        kind="class",
        false_positive_rate=tuple(rates**2),
        true_positive_rate=tuple(rates),
        auc=0.75,
    )


def save(figure: Any) -> bytes:
    buffer = io.BytesIO()
    save_png(figure, buffer)
    return buffer.getvalue()


def curves_in(png: bytes) -> Any:
    picture = load_picture(png)
    assert picture is not None
    return json.loads(picture.curves)["panels"]


def test_a_picture_tells_where_its_curves_run() -> None:
    png = save(draw_roc([roc("cat"), roc("<b>"), roc("dog")], title="A title " * 20))
    (panel,) = curves_in(png)
    assert (panel["x_name"], panel["y_name"]) == ("false-positive rate", "true-positive rate")
    assert [curve["name"] for curve in panel["curves"]] == ["cat", "<b>", "dog"]
    assert panel["curves"][0]["x"] == [0, 0.25, 1]
    assert panel["curves"][0]["course"] == "line"
    # The curve of the last class lies above the others: its colour is where it should be.
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    left, top, right, bottom = panel["box"]
    share_x, share_y = (
        (value - low) / (high - low)
        for value, (low, high) in ((0.25, panel["x_range"]), (0.5, panel["y_range"]))
    )
    column = round((left + share_x * (right - left)) * width)
    row = round((bottom - share_y * (bottom - top)) * height)
    colour = [int(panel["curves"][-1]["colour"][at : at + 2], 16) for at in (1, 3, 5)]
    near = pixels[row - 4 : row + 5, column - 4 : column + 5]
    assert (np.abs(near - colour).sum(axis=2) < 60).any()


def test_each_panel_has_its_own() -> None:
    history = make_history(12, 0.9)
    figure = draw_learning_curves(history, history[:3], best_epoch=3, title="t")
    loss, accuracy = curves_in(save(figure))
    assert (loss["y_name"], accuracy["y_name"]) == ("log loss", "accuracy")
    names = [curve["name"] for curve in accuracy["curves"]]
    assert names == ["train", "val", "refit: train"]
    assert accuracy["curves"][1]["course"] == "points"
    assert accuracy["curves"][1]["y"][2] == pytest.approx(history[2].val.accuracy, rel=1e-4)


def test_long_curves_keep_their_ends() -> None:
    (panel,) = curves_in(save(draw_roc([roc("a", 5000), roc("b"), roc("c")], title="t")))
    x = panel["curves"][0]["x"]
    assert len(x) == MOST_POINTS
    assert (x[0], x[-1]) == (0, 1)
    assert x == sorted(x)


def test_the_same_figure_gives_the_same_bytes() -> None:
    one, other = (save(draw_roc([roc("a"), roc("b"), roc("c")], title="t")) for _ in range(2))
    assert one == other


def test_other_pictures_have_none() -> None:
    gap = make_candidate(1).gap
    assert gap is not None
    picture = load_picture(save(draw_gap(gap, title="t")))
    assert picture is not None
    assert picture.curves == ""


@pytest.mark.parametrize("text", ["{", "x" * (MOST_LETTERS + 1), "[" * 10])
def test_junk_in_its_place_is_left_alone(text: str) -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    with Image.open(io.BytesIO(with_curves(buffer.getvalue(), text))) as image:
        image.load()
        assert read_curves(image) == ""
