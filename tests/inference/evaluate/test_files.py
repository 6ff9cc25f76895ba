"""The folder of an assessment: whole or not there, and never over something else."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autocnn.core.errors import DiskFullError, StudyError, UsageError
from autocnn.core.records import Assessment, UnreadableImage
from autocnn.inference.evaluate import Assessed, Reference, assess, check_target, write_assessment
from autocnn.inference.evaluate.files import FILES, default_target
from tests.inference.evaluate.models import CLASSES, BrightThird, write_folder
from tests.samples import fail_disk_full


@pytest.fixture(scope="module")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> Assessed:
    root = tmp_path_factory.mktemp("assessed")
    data = write_folder(root / "images", 30, wrong=3)
    study = Reference("mine", 2, CLASSES, seen=frozenset(), tested=frozenset())
    found = assess(BrightThird, study, str(data), name="mine", cache_dir=root / "cache")
    record = found.record.model_copy(
        update={"unreadable": (UnreadableImage(path="left/x, y.png", reason="is empty"),)}
    )
    return replace(found, record=record)


@pytest.mark.slow
def test_every_table_and_picture_is_there(assessed: Assessed, tmp_path: Path) -> None:
    target = write_assessment(assessed, tmp_path / "deep" / "down")
    assert {path.name for path in target.iterdir()} == FILES
    assert [path.name for path in target.parent.iterdir()] == ["down"]
    record = Assessment.model_validate_json((target / "metrics.json").read_text("utf-8"))
    assert record == assessed.record
    for path in target.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.width > 400
    rows = pd.read_csv(target / "predictions.csv")
    assert list(rows) == [
        "path",
        "label",
        "predicted",
        "unlike",
        "seen",
        "error",
        "p.left",
        "p.middle",
        "p.right",
    ]
    assert len(rows) == 31
    assert (rows["label"] == rows["predicted"])[:30].mean() == 0.9
    assert rows["path"].iloc[30] == "left/x, y.png"
    assert rows["error"].iloc[30] == "is empty"
    np.testing.assert_allclose(rows.filter(like="p.")[:30].sum(axis=1), 1, atol=1e-5)
    matrix = pd.read_csv(target / "confusion_matrix.csv")
    assert matrix.query("label == predicted")["count"].sum() == 27
    classes = pd.read_csv(target / "classes.csv")
    assert set(classes["score"]) == {"precision", "recall", "specificity", "f1", "auc"}


def test_an_earlier_assessment_is_replaced_and_nothing_else_is(
    assessed: Assessed, tmp_path: Path, no_pictures: None
) -> None:
    target = write_assessment(assessed, tmp_path / "mine")
    (target / "roc.csv").write_text("old")
    write_assessment(assessed, target)
    assert (target / "roc.csv").read_text() != "old"
    (target / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"got one that holds 'notes\.txt'"):
        write_assessment(assessed, target)
    assert (target / "notes.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="must be a folder, got a file"):
        check_target(target / "notes.txt")


def test_tables_of_other_programs_are_not_replaced(
    assessed: Assessed, tmp_path: Path, no_pictures: None
) -> None:
    (tmp_path / "predictions.csv").write_text("of autocnn predict")
    with pytest.raises(UsageError, match=r"got one that holds 'predictions\.csv'"):
        check_target(tmp_path)
    (tmp_path / "metrics.json").write_text('{"accuracy": 0.9}')
    with pytest.raises(UsageError, match=r"got one that holds 'metrics\.json'"):
        write_assessment(assessed, tmp_path)
    assert (tmp_path / "predictions.csv").read_text() == "of autocnn predict"


def test_what_a_file_manager_left_there_holds_up_nothing(
    assessed: Assessed, tmp_path: Path, no_pictures: None
) -> None:
    for _ in range(2):  # into an empty folder, and in the place of an assessment
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / ".DS_Store").write_bytes(b"x")
        target = write_assessment(assessed, tmp_path / "mine")
        assert not (target / ".DS_Store").exists()


def test_a_folder_that_nobody_named_is_replaced_for_the_same_data_alone(
    assessed: Assessed, tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = assessed.record.model_copy(update={"data": "a/images"})
    target = write_assessment(replace(assessed, record=here), tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    for same in (None, "a/images", "./a/images/", str(tmp_path / "a" / "images")):
        check_target(target, data=same)
    with pytest.raises(UsageError, match="must be of the same data, got an evaluation of a/images"):
        check_target(target, data="b/images")
    check_target(target, data="a/images", model=here.model)
    with pytest.raises(UsageError, match="must be of the same model, got an evaluation of"):
        check_target(target, data="a/images", model="exports/litert-int8")


def test_a_link_leads_to_the_folder(assessed: Assessed, tmp_path: Path, no_pictures: None) -> None:
    target = write_assessment(assessed, tmp_path / "mine")
    (tmp_path / "link").symlink_to(target)
    (target / "roc.csv").write_text("old")
    write_assessment(assessed, tmp_path / "link")
    assert (target / "roc.csv").read_text() != "old"
    assert (tmp_path / "link").is_symlink()


def test_a_folder_that_cannot_be_made_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(StudyError, match="must be writable, got: Not a directory") as raised:
        check_target(tmp_path / "notes.txt" / "deep" / "down")
    assert "with to" in raised.value.remedy
    check_target(tmp_path / "new" / "deep")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_leaves_the_earlier_assessment(
    assessed: Assessed, tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = write_assessment(assessed, tmp_path / "mine")
    before = json.loads((target / "metrics.json").read_text("utf-8"))
    monkeypatch.setattr("os.fsync", fail_disk_full)
    with pytest.raises(DiskFullError) as raised:
        write_assessment(assessed, target)
    assert "another folder with to" in raised.value.remedy
    assert json.loads((target / "metrics.json").read_text("utf-8")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("candidate", "data", "expected"),
    [
        (1, "/data/new images.csv", "evaluation-mine-new-images"),
        (2, "digits", "evaluation-mine-2-digits"),
        (1, "опухоль", "evaluation-mine-опухоль"),
        (1, "/", "evaluation-mine-data"),
    ],
)
def test_the_folder_is_named_after_model_and_data(candidate: int, data: str, expected: str) -> None:
    assert default_target(Reference("mine", candidate, CLASSES), data) == Path(expected)


@pytest.mark.parametrize("study", ["../../etc", "/etc/x", "..", "a/../../b", "x\x00y"])
def test_the_default_folder_is_in_this_one_whatever_an_export_calls_its_study(study: str) -> None:
    target = default_target(Reference(study, 1, CLASSES), "digits")
    assert target.parent == Path()
    assert re.fullmatch(r"evaluation-[\w.-]+", target.name)
