"""`autocnn evaluate`: what it prints where, what it leaves, and its exit codes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import autocnn
from autocnn.api import display
from autocnn.cli.main import run
from autocnn.inference.predict import model as prediction
from autocnn.storage import StudyFolder
from tests.cli.studies import Closing, make_study
from tests.inference.evaluate.models import (
    BrightThird,
    draw,
    know_classes,
    no_pictures,
    write_folder,
)
from tests.inference.evaluate.test_assess import write_table

__all__ = ["no_pictures"]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> BrightThird:
    """The model of every study."""
    know_classes(make_study("mine"))
    model = BrightThird()
    monkeypatch.setattr(prediction, "load", lambda path, **options: model)
    return model


@pytest.fixture
def data() -> str:
    pixels, labels = draw(60, wrong=18)
    np.savez("new.npz", x=pixels, y=labels)
    return "new.npz"


def evaluate(*arguments: str) -> int:
    return run(["evaluate", "mine", *arguments, "--cache-dir", "cache"])


@pytest.mark.slow
def test_evaluate_prints_scores_and_the_comparison(
    model: BrightThird, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(data) == 0
    output = capsys.readouterr()
    assert "mine, candidate 1, on new.npz" in output.out
    rows = re.findall(r"accuracy +│ +(0\.931 \[\S+ \S+\]) +│ +(-0\.231 \[\S+ \S+\])", output.out)
    assert len(rows) == 1
    assert "0.700 [" in output.out
    assert "sensitivity" in output.out
    words = " ".join(output.out.split())
    assert "Accuracy: test in the study 0.9312 [0.9112, 1.0000], here 0.7000 [" in words
    assert "lower by 0.2312 [" in words
    assert ", more than chance explains." in words
    assert output.out.splitlines()[-1] == "evaluation: evaluation-mine-new"
    assert "== predict: 60 images" in output.err
    assert Path("evaluation-mine-new/roc.png").is_file()


def test_json_is_metrics_json(
    model: BrightThird, data: str, no_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(data, "--json", "--quiet", "--to", "there") == 0
    output = capsys.readouterr()
    assert json.loads(output.out) == json.loads(Path("there/metrics.json").read_text("utf-8"))
    assert json.loads(output.out)["comparisons"][0]["is_told_apart"] is True
    assert output.err == "evaluation: there\n"


def test_unreadable_images_are_a_warning(
    model: BrightThird, no_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(Path("images"), 30, names=("0", "1", "2"))
    Path("images/0/000.png").write_bytes(b"no image")
    assert evaluate("images", "-q") == 0
    output = capsys.readouterr()
    assert output.err == "Warning: 1 unreadable image of images left out.\n"
    assert "1 unreadable image left out: 0/000.png" in " ".join(output.out.split())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["no/data"], 3, "got no such path"),
        (["new.npz", "--split", "test"], 3, "must have a test split"),
        (["new.npz", "--candidate", "9"], 4, "must have the candidate 9, got 1, 2"),
        (["new.npz", "--to", "full"], 2, "got one that holds 'notes.txt'"),
        (["new.npz", "--split", "val"], 2, "'all', 'test'"),
        (["new.npz", "--results", "elsewhere"], 4, "got none of them"),
    ],
)
def test_errors_have_their_exit_codes(
    arguments: list[str],
    code: int,
    words: str,
    model: BrightThird,
    data: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("full").mkdir()
    Path("full/notes.txt").touch()
    assert evaluate(*arguments) == code
    assert words in capsys.readouterr().err
    assert not Path("evaluation-mine-new").exists()


def test_an_unknown_class_is_named_with_the_nearest(
    model: BrightThird, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closing = Closing()
    monkeypatch.setattr(display, "show_progress", lambda **options: closing)
    know_classes(StudyFolder(Path("results/mine")), ("glioma", "notumor", "pituitary"))
    write_folder(Path("images"), 30, names=("glioma", "no tumor", "pituitary"))
    assert evaluate("images") == 3
    assert "Did you mean 'notumor' by 'no tumor'?" in capsys.readouterr().err
    assert closing.num_closed == 1


@pytest.mark.usefixtures("no_pictures")
def test_evaluate_by_a_column_prints_and_writes_subgroups(
    model: BrightThird, capsys: pytest.CaptureFixture[str]
) -> None:
    know_classes(StudyFolder(Path("results/mine")), ("left", "middle", "right"))
    table = write_table(Path.cwd(), 60, wrong=12)
    assert evaluate(str(table), "--by", "site", "--to", "there") == 0
    printed = capsys.readouterr().out
    assert "By the values of columns [95 %]" in printed
    assert "By site, the worst is north: accuracy 0.5000 [" in printed
    assert Path("there/subgroups.csv").read_text().startswith("column,value,images,accuracy,")
    assert evaluate(str(table), "--to", "there") == 0
    assert not Path("there/subgroups.csv").exists()
    assert evaluate(str(table), "--by", "sex", "--to", "there") == 3
    assert "--by must name other columns of the table (site), got 'sex'" in capsys.readouterr().err


@pytest.mark.usefixtures("no_pictures", "model")
def test_conditions_are_printed_and_decide_the_exit_code(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    holding = ("--require", "clean accuracy >= 0.7", "--require", "all sensitivity of 1 low > 0.1")
    assert evaluate(data, *holding) == 5
    assert "which images were in training is known by" in capsys.readouterr().out
    StudyFolder(Path("results/mine")).write_split([("old.png", "0", "", "train", "f1")])
    assert evaluate(data, *holding) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith("holds: clean accuracy >= 0.7: found 0.7000 [0.")
    assert lines[-2].startswith("holds: all sensitivity of 1 low > 0.1: found 0.")
    assert evaluate(data, *holding, "--require", "clean accuracy low >= 0.7", "--json") == 5
    output = capsys.readouterr()
    assert "does not hold: clean accuracy low >= 0.7: found 0.7000 [0." in output.err
    conditions = json.loads(output.out)["conditions"]
    assert [one["holds"] for one in conditions] == [True, True, False]
    written = json.loads(Path("evaluation-mine-new/metrics.json").read_text("utf-8"))
    assert written["conditions"] == conditions


def test_a_condition_that_is_none_is_said_before_anything_is_predicted(
    model: BrightThird, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(data, "--require", "clean accuracy of 7 >= 0.9") == 2
    assert "--require: METRIC must be one of sensitivity of CLASS" in capsys.readouterr().err
    assert not model.calls


def test_python_checks_conditions_afterwards(model: BrightThird, data: str) -> None:
    found = autocnn.evaluate("mine", data, cache_dir="cache", require=["all accuracy >= 0.5"])
    assert found.record.conditions[0].holds
    wrong, right = found.check(["all accuracy > 0.7", "all accuracy <= 0.7"])
    assert (wrong.holds, right.holds, right.found) == (False, True, 0.7)
