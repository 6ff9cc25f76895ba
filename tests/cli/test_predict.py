"""`autocnn predict`: rows, thresholds, errors and exit codes. The network is a formula."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from autocnn.api import display
from autocnn.api import predictions as api_predictions
from autocnn.api.display import LiveDisplay
from autocnn.cli.main import run
from autocnn.core.errors import ExportError
from autocnn.core.events import Observer
from autocnn.core.records import Familiarity
from autocnn.inference.predict.predictions import Predictions
from autocnn.inference.predict.rows import NUM_SHOWN
from tests.inference.predict.models import CLASSES, CURVE, grey, model


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The model that is predicted with, and how it was asked for."""
    found: dict[str, Any] = {"model": model()}

    def load(path: str, **options: Any) -> Any:
        found["asked"] = {"path": path, **options}
        return found["model"]

    monkeypatch.setattr("autocnn.inference.predict.model.load", load)
    return found


@pytest.fixture
def images(own_folder: Path) -> Path:
    """Dark, grey, bright, and one that is no image."""
    folder = own_folder / "images"
    folder.mkdir()
    for name, value in (("1", 51), ("2", 128), ("10", 255)):
        Image.fromarray(grey(value)).save(folder / f"{name}.png")
    return folder


def read_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.usefixtures("images")
def test_csv_has_a_row_per_image_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "mine", "images/2.png", "images", "--csv"]) == 0
    out, err = capsys.readouterr()
    rows = read_rows(out)
    assert [row["path"] for row in rows] == [
        "images/2.png",
        "images/1.png",
        "images/2.png",
        "images/10.png",
    ]
    assert [row["predicted"] for row in rows] == [CLASSES[1], CLASSES[0], CLASSES[1], CLASSES[1]]
    assert "label" not in rows[0]
    assert float(rows[1][f"p.{CLASSES[1]}"]) == pytest.approx(0.2)
    assert "predict: 4 images" in err


@pytest.mark.usefixtures("images")
def test_json_is_an_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "mine", "images/*.png", "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["path"] for row in rows] == ["images/1.png", "images/2.png", "images/10.png"]
    assert rows[0]["probabilities"] == {CLASSES[0]: 0.8, CLASSES[1]: 0.2}
    assert err == ""


def test_unreadable_files_are_rows_and_the_exit_code(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "0.png").write_text("text")
    assert run(["predict", "mine", "images", "gone.png", "--csv"]) == 3
    out, err = capsys.readouterr()
    rows = read_rows(out)
    assert [row["error"] for row in rows] == [
        "is no image that autocnn reads",
        "",
        "",
        "",
        "cannot be read: No such file or directory",
    ]
    assert (rows[0]["predicted"], rows[0]["probability"]) == ("", "")
    assert rows[3]["predicted"] == CLASSES[1]
    assert "Warning: 2 of 5 images could not be read" in err


@pytest.mark.usefixtures("images")
def test_the_table_shows_the_first_and_counts_all(capsys: pytest.CaptureFixture[str]) -> None:
    many = ["images/1.png"] * (NUM_SHOWN + 5) + ["images/2.png", "gone.png"]
    assert run(["predict", "mine", *many]) == 3
    out = capsys.readouterr().out
    assert out.count("images/1.png") == NUM_SHOWN
    assert "images/2.png" not in out
    assert "... and 7 more: --csv and --json have all of them." in out
    assert f"27 images: {CLASSES[0]} 25, {CLASSES[1]} 1, unreadable 1." in out


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "[red]a\x1b[2Jb\nc.png"
    Path(name).write_text("no image")
    assert run(["predict", "mine", name]) == 3
    out = capsys.readouterr().out
    assert "[red]a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c.png" in out
    assert "is no image" in out


@pytest.mark.usefixtures("images")
def test_unsure_by_a_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "mine", "images", "--unsure", "0.7", "--csv"]) == 0
    out, err = capsys.readouterr()
    rows = read_rows(out)
    assert [row["predicted"] for row in rows] == [CLASSES[0], CLASSES[1], CLASSES[1]]
    assert [row["unsure"] for row in rows] == ["false", "true", "false"]
    assert "Unsure below a probability of 0.7: out of fold this answered 80.0%" in err


@pytest.mark.usefixtures("images")
def test_unsure_by_a_target_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "mine", "images", "--max-error", "0.03", "--csv"]) == 0
    out, err = capsys.readouterr()
    assert [row["unsure"] for row in read_rows(out)] == ["true", "true", "false"]
    assert f"probability of {CURVE[2].threshold}: out of fold this answered 50.0%" in err
    assert "at most 2.32%, with 95 % confidence" in err
    assert run(["predict", "mine", "images", "--max-error", "0.015", "--csv"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "fewest errors out of fold are 0.01" in err


def test_what_is_unlike_is_marked_and_counted(
    images: Path, opened: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(grey(0)).save(images / "0.png")
    assert run(["predict", "mine", "images", "--csv"]) == 0
    out, err = capsys.readouterr()
    assert [row["unlike"] for row in read_rows(out)] == ["true", "false", "false", "false"]
    assert "Warning: 1 of 4 images is unlike the training images" in err
    opened["model"] = model(familiarity=None)
    assert run(["predict", "mine", "images", "--csv"]) == 0
    out, err = capsys.readouterr()
    assert {row["unlike"] for row in read_rows(out)} == {""}
    assert "unlike" not in err


@pytest.mark.usefixtures("images")
def test_rows_may_go_to_a_file_whole(
    opened: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["predict", "mine", "images", "--to", "rows.csv"]) == 0
    assert capsys.readouterr().out == "rows.csv\n"
    assert len(read_rows(Path("rows.csv").read_text("utf-8"))) == 3
    assert run(["predict", "mine", "images", "--json", "--to", "rows.jsonl"]) == 0
    assert (
        json.loads(Path("rows.jsonl").read_text("utf-8").splitlines()[2])["predicted"] == CLASSES[1]
    )

    def stop(predictions: Predictions) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(api_predictions, "csv_rows", stop)
    assert run(["predict", "mine", "images", "--to", "rows.csv"]) == 130
    assert len(read_rows(Path("rows.csv").read_text("utf-8"))) == 3
    assert sorted(path.name for path in Path().iterdir()) == ["images", "rows.csv", "rows.jsonl"]


@pytest.mark.usefixtures("images")
def test_rows_stay_on_stdout_while_a_bar_is_drawn_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()

    def show(*, is_quiet: bool) -> LiveDisplay:
        return LiveDisplay(Console(file=terminal, force_terminal=True, width=100))

    monkeypatch.setattr(display, "show_progress", show)
    assert run(["predict", "mine", "images", "--csv"]) == 0
    assert len(read_rows(capsys.readouterr().out)) == 3
    assert "3/3" in terminal.getvalue()
    assert "images/1.png" not in terminal.getvalue()


@pytest.mark.usefixtures("images")
def test_rows_are_written_batch_by_batch(
    opened: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[int] = []
    runtime = opened["model"].runtime
    predict = runtime.predict

    def watch(pixels: np.ndarray) -> Any:
        written.append(len(capsys.readouterr().out.splitlines()))
        return predict(pixels)

    runtime.predict = watch
    assert run(["predict", "mine", *["images/1.png"] * 600, "--csv", "-q"]) == 0
    assert written == [1, 256, 256]  # the header; then each time the batch before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nothing/*.png"], "nothing/*.png: must match an image"), (["."], ".: must hold an image")],
)
def test_nothing_to_predict_is_an_error_before_the_model_is_loaded(
    arguments: list[str], message: str, opened: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", "mine", *arguments]) == 3
    assert message in capsys.readouterr().err
    assert "asked" not in opened


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mine"], "Missing argument 'IMAGE"),
        (["mine", "a.png", "--csv", "--json"], "--csv"),
        (["mine", "a.png", "--unsure", "0.9", "--max-error", "0.1"], "--max-error"),
        (["mine", "a.png", "--unsure", "1.5"], "1.5 is not in the range 0<=x<=1"),
        (["mine", "a.png", "--to", "no/where.csv"], "no/where.csv"),
        (["mine", "a.png", "--candidate", "0"], "0 is not in the range x>=1"),
    ],
)
def test_usage_errors_come_before_the_model_is_loaded(
    arguments: list[str], words: str, opened: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert "asked" not in opened


@pytest.mark.usefixtures("images")
def test_a_threshold_out_of_range_is_named_as_the_option_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["predict", "mine", "images", "--max-error", "nan"]) == 2
    assert "Error: --max-error must be a number from 0 to 1, got nan." in capsys.readouterr().err


@pytest.mark.usefixtures("images")
def test_the_model_is_asked_for_as_given(opened: dict[str, Any]) -> None:
    arguments = ["images", "--candidate", "3", "--results", "else", "-q"]
    assert run(["predict", "mine", *arguments]) == 0
    assert opened["asked"] == {
        "path": "mine",
        "results": Path("else"),
        "candidate": 3,
        "trust_code": False,
        "target": None,
        "prevalence": None,
    }


@pytest.mark.usefixtures("images")
def test_explain_writes_its_pictures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Path] = []

    class Explainer:
        def __init__(self, model: Any, folder: Path) -> None:
            asked.append(folder)

        def write(self, batch: Any, predictions: Predictions) -> None:
            asked.extend(Path(name) for name in predictions.names)

    monkeypatch.setattr(api_predictions, "Explainer", Explainer)
    assert run(["predict", "mine", "images", "--explain", "maps"]) == 0
    assert asked == [Path("maps"), *(Path("images") / f"{n}.png" for n in (1, 2, 10))]


@pytest.mark.usefixtures("images")
def test_a_model_that_cannot_be_explained_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "mine", "images", "--explain", "maps"]) == ExportError.exit_code
    assert "--explain needs the layers" in capsys.readouterr().err


def test_the_display_is_closed_after_an_error(
    opened: dict[str, Any], images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    class Display(Observer):
        def close(self) -> None:
            closed.append(True)

    def fail(images: Iterator[Any]) -> Any:
        raise ExportError("broken")

    monkeypatch.setattr(display, "show_progress", lambda *, is_quiet: Display())
    monkeypatch.setattr(type(opened["model"]), "read", lambda self, images: fail(images))
    assert run(["predict", "mine", str(images)]) == 6
    assert closed == [True]


def drifting_model() -> Any:
    """A model of a study whose images were taken for both classes alike, and lay near."""
    quantiles = tuple(np.linspace(0.0, 0.1, 50).tolist())
    known = Familiarity(
        neighbours=5,
        num_reference=9,
        threshold=0.99,
        val_share=0.01,
        test_share=0.0,
        unseen_share=0.0,
        unseen_quantiles=quantiles,
        num_unseen=200,
    )
    return model(familiarity=known, predicted=dict.fromkeys(CLASSES, 0.5), num_predicted=500)


def test_compare_says_whether_the_images_are_like_those_of_the_study(
    own_folder: Path, opened: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    opened["model"] = drifting_model()
    for number in range(40):
        Image.fromarray(grey(100)).save(own_folder / f"{number}.png")
    assert run(["predict", "mine", "*.png", "--compare", "-q"]) == 0
    out, err = capsys.readouterr()
    words = " ".join(out.split())
    assert "Features: a new image lies farther from the training images" in words
    assert "they lie farther out." in words
    assert "Predicted classes: spread otherwise than in the study" in words
    assert "The images are not like those of the study" in words
    assert err == ""
    assert run(["predict", "mine", "*.png", "--compare", "-q", "--csv"]) == 0
    out, err = capsys.readouterr()
    assert len(read_rows(out)) == 40
    assert "The images are not like those of the study" in err
    assert run(["predict", "mine", "*.png", "-q"]) == 0
    assert "Features" not in capsys.readouterr().out


def test_compare_in_python_is_a_value(own_folder: Path, opened: dict[str, Any]) -> None:
    opened["model"] = drifting_model()
    Image.fromarray(grey(250)).save(own_folder / "a.png")
    (own_folder / "b.png").write_text("no image")
    drift = api_predictions.predict("mine", own_folder, compare=True).drift
    assert drift is not None
    assert (drift.num_images, drift.is_shifted) == (1, False)
    assert api_predictions.predict("mine", own_folder).drift is None
