"""Rows that parse back, whatever the names are."""

import csv
import io
import json
import os

import numpy as np
import pytest

from autocnn.inference.predict.predictions import Predictions
from autocnn.inference.predict.rows import (
    COLUMNS,
    NUM_SHOWN,
    Summary,
    csv_header,
    csv_rows,
    json_rows,
)

NAMES = ('a,"b"\nc.png', "картинка/猫.png", os.fsdecode(b"\xff.png"), "gone.png")

CLASSES = ('co,m"ma', "two\nlines", "кот")


def predictions(*, has_distances: bool = True) -> Predictions:
    shares = np.array([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9], [0.4, 0.35, 0.25], [np.nan] * 3])
    distances = np.array([0.1, 0.9, 0.2, np.nan], np.float32)
    return Predictions(
        names=NAMES,
        class_names=CLASSES,
        probabilities=shares.astype(np.float32),
        is_unsure=np.array([False, False, True, False]),
        distances=distances if has_distances else None,
        is_unlike=distances > 0.5 if has_distances else None,
        errors=(None, None, None, "is truncated"),
    )


def read_csv(text: str) -> list[dict[str, str]]:
    raw = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return list(csv.DictReader(io.StringIO(raw, newline="")))


def test_csv_parses_back() -> None:
    rows = read_csv(csv_header(CLASSES) + csv_rows(predictions()))
    assert tuple(rows[0]) == (*COLUMNS, *(f"p.{name}" for name in CLASSES))
    assert [row["path"] for row in rows] == list(NAMES)
    assert [row["predicted"] for row in rows] == ['co,m"ma', "кот", 'co,m"ma', ""]
    assert [row["unsure"] for row in rows] == ["false", "false", "true", ""]
    assert [row["probability"] for row in rows] == ["0.7", "0.9", "0.4", ""]
    assert [row["unlike"] for row in rows] == ["false", "true", "false", ""]
    assert [row["error"] for row in rows] == ["", "", "", "is truncated"]
    assert [rows[0][f"p.{name}"] for name in CLASSES] == ["0.7", "0.2", "0.1"]
    assert [rows[3][f"p.{name}"] for name in CLASSES] == ["", "", ""]


def test_a_summary_is_short() -> None:
    summary = Summary()
    summary.add(predictions())
    assert repr(summary) == 'Summary(4 images: co,m"ma 1, кот 1; 1 error; 1 unsure)'


def test_json_parses_back_line_by_line() -> None:
    text = json_rows(predictions())
    assert text.count("\n") == len(NAMES)
    text.encode("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["path"] for row in rows] == list(NAMES)
    assert rows[1]["predicted"] == "кот"
    assert rows[1]["probabilities"] == {'co,m"ma': 0.05, "two\nlines": 0.05, "кот": 0.9}
    assert (rows[1]["unlike"], rows[1]["error"]) == (True, None)
    assert (rows[2]["unsure"], rows[2]["predicted"]) == (True, 'co,m"ma')
    assert rows[3] == {
        "path": "gone.png",
        "predicted": None,
        "probability": None,
        "unsure": None,
        "unlike": None,
        "error": "is truncated",
        "probabilities": None,
    }


def test_a_model_that_cannot_say_leaves_unlike_empty() -> None:
    found = predictions(has_distances=False)
    rows = read_csv(csv_header(CLASSES) + csv_rows(found))
    assert {row["unlike"] for row in rows} == {""}
    assert {json.loads(line)["unlike"] for line in json_rows(found).splitlines()} == {None}


def test_the_summary_counts_all_and_keeps_the_first() -> None:
    summary = Summary()
    for _ in range(10):
        summary.add(predictions())
    assert (summary.num_images, summary.num_errors, summary.num_unlike) == (40, 10, 10)
    assert summary.counts == {'co,m"ma': 10, "кот": 10}
    assert summary.num_unsure == 10
    assert len(summary.first) == NUM_SHOWN
    assert [row.path for row in summary.first[:4]] == list(NAMES)
    without = Summary()
    without.add(predictions(has_distances=False))
    assert without.num_unlike is None


def test_a_frame_has_a_row_per_image() -> None:
    frame = predictions().to_frame()
    assert frame["path"].tolist() == list(NAMES)
    assert frame["predicted"].tolist()[:3] == ['co,m"ma', "кот", 'co,m"ma']
    assert frame["unsure"].tolist()[:3] == [False, False, True]
    for name in ("predicted", "unsure", "unlike", "probability", "distance"):
        assert frame[name].isna().tolist() == [False, False, False, True], f"{name} of no image"
    assert frame["unsure"].mean() == pytest.approx(1 / 3)
    assert "label" not in frame
    assert frame["error"].isna().tolist() == [True, True, True, False]
    assert frame["p.кот"].tolist()[:2] == pytest.approx([0.1, 0.9])
    assert frame["unlike"].tolist()[:3] == [False, True, False]
    assert predictions(has_distances=False).to_frame()["unlike"].isna().all()


def test_parts_are_joined_in_order() -> None:
    joined = Predictions.joined([predictions(), predictions()])
    assert joined.names == NAMES + NAMES
    assert joined.probabilities.shape == (8, 3)
    assert joined.is_unlike is not None
    assert joined.is_unlike.sum() == 2
    mixed = Predictions.joined([predictions(), predictions(has_distances=False)])
    assert (mixed.distances, mixed.is_unlike) == (None, None), "of a model that cannot say"
    assert len(mixed.to_frame()) == 8
