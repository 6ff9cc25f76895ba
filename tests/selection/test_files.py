"""The files of a candidate: tables that add up, and a picture beside each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autocnn.metrics.familiarity import read_reference
from autocnn.selection.files import write_candidate_files
from autocnn.selection.judge import judge
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.retrain import retrain
from autocnn.selection.score import Candidate, score_candidates
from tests.samples import read_rows
from tests.selection.studies import EPOCHS, Selection, make_finalists

ALWAYS = {
    "candidate.json",
    "classes.csv",
    "confusion_matrix.csv",
    "confusion_matrix.png",
    "confusion_matrix_all_of_test.csv",
    "gap.csv",
    "gap.png",
    "learning_curves.csv",
    "learning_curves.png",
    "metrics.json",
    "model.keras",
    "pr.csv",
    "pr.png",
    "predictions.csv",
    "reliability.csv",
    "reliability.png",
    "robustness.csv",
    "robustness.png",
    "roc.csv",
    "roc.png",
}


def judge_all(selection: Selection, plan: FinalistsPlan) -> list[Candidate]:
    parts = (selection.executor, selection.folder, selection.observer)
    finalists = retrain(plan, *parts)
    judged = judge(plan, finalists, *parts, open_test=lambda choice: None)
    return score_candidates(plan, judged, selection.folder, selection.observer)


def write(
    selection: Selection, plan: FinalistsPlan, candidate: Candidate, **explained: bytes
) -> Path:
    """The folder of a candidate, its files written."""
    write_candidate_files(candidate, explained, plan.dataset, plan.folds, selection.folder)
    return selection.folder.candidate_dir(candidate.record.candidate)


@pytest.fixture
def without_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tables: drawing is what takes time."""
    monkeypatch.setattr("autocnn.selection.files._pictures", lambda *given: iter(()))


@pytest.mark.slow
def test_every_table_has_its_picture(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7), num_folds=2)
    candidate = judge_all(selection, plan)[0]
    path = write(selection, plan, candidate, **{"explained-01.jpg": b"a JPEG"})
    names = {file.name for file in path.iterdir()}
    assert names == ALWAYS | {"out_of_fold.csv", "familiarity.npz", "explained-01.jpg"}
    assert (path / "explained-01.jpg").read_bytes() == b"a JPEG"
    for picture in path.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    (record,) = selection.folder.read_candidates()
    assert record == candidate.record


@pytest.mark.usefixtures("without_drawing")
def test_predictions_name_every_image_once_with_probabilities_that_add_up(
    selection: Selection,
) -> None:
    plan = selection.plan(make_finalists(7), num_folds=0)
    (candidate,) = judge_all(selection, plan)
    rows = read_rows(write(selection, plan, candidate) / "predictions.csv")
    dataset = plan.dataset
    assert sorted(row["path"] for row in rows) == sorted(dataset.table.paths)
    assert [row["split"] for row in rows] == ["train"] * 36 + ["val"] * 12 + ["test"] * 12
    splits = dict(zip(dataset.table.paths, dataset.split_names, strict=True))
    names = dict(zip(dataset.table.paths, dataset.table.labels.tolist(), strict=True))
    found = {}
    for row in rows:
        assert row["split"] == splits[row["path"]]
        assert row["label"] == dataset.class_names[names[row["path"]]]
        shares = [float(row[f"p.{name}"]) for name in dataset.class_names]
        assert sum(shares) == pytest.approx(1.0, abs=1e-5)
        found[row["path"]] = shares
        is_first = names[row["path"]] == 0  # so the executor says
        assert row["unlike"] == (str(is_first).lower() if row["split"] == "test" else "")
    test = [found[dataset.table.paths[position]] for position in dataset.positions("test")]
    np.testing.assert_allclose(test, candidate.predictions["test"].probabilities, atol=1e-6)


@pytest.mark.usefixtures("without_drawing")
def test_probabilities_are_written_to_six_decimals(
    selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = selection.plan(make_finalists(7), num_folds=0)
    (candidate,) = judge_all(selection, plan)
    odd = [0.0, 1.0, 1.001, 5e-7, 6e-7, 1.234e-5, 0.1234565, 0.9999996, 0.3, 1e-30, 0.5, 2 / 3]
    test = np.stack([odd, np.subtract(1, odd).clip(min=0)], axis=1).astype(np.float32)
    predictions = {**candidate.predictions}
    predictions["test"] = replace(predictions["test"], probabilities=test)
    candidate = replace(candidate, predictions=predictions)
    monkeypatch.setattr("autocnn.metrics.weighted.CHUNK_ELEMENTS", 10)  # 5 images of 2 classes
    rows = read_rows(write(selection, plan, candidate) / "predictions.csv")[-12:]
    for row, values in zip(rows, test.astype(np.float64).round(6).tolist(), strict=True):
        assert [row[f"p.{name}"] for name in plan.dataset.class_names] == [str(v) for v in values]


@pytest.mark.usefixtures("without_drawing")
def test_out_of_fold_predictions_name_the_fold_that_held_the_image_out(
    selection: Selection,
) -> None:
    plan = selection.plan(make_finalists(7), num_folds=2)
    candidate = judge_all(selection, plan)[0]
    rows = read_rows(write(selection, plan, candidate) / "out_of_fold.csv")
    dataset = plan.dataset
    position_of = {row: position for position, row in enumerate(dataset.rows.tolist())}
    expected = [
        (str(fold.number), dataset.table.paths[position_of[row]])
        for fold in plan.folds
        for row in fold.held_out.tolist()
    ]
    assert [(row["fold"], row["path"]) for row in rows] == expected
    shares = [[float(row[f"p.{name}"]) for name in dataset.class_names] for row in rows]
    np.testing.assert_allclose(shares, candidate.predictions["folds"].probabilities, atol=1e-6)


@pytest.mark.usefixtures("without_drawing")
def test_the_tables_say_what_the_record_says(selection: Selection) -> None:
    selection.executor.skill = {7: 0.75}
    plan = selection.plan(make_finalists(7), num_folds=2)
    candidate = judge_all(selection, plan)[0]
    path, record = write(selection, plan, candidate), candidate.record
    assert record.robustness is not None and record.gap is not None
    robustness = read_rows(path / "robustness.csv")
    assert [(row["disturbance"], row["strength"]) for row in robustness] == [
        (one.name, str(one.strength)) for one in record.robustness.corruptions
    ]
    gap = read_rows(path / "gap.csv")
    assert [(row["from"], row["to"]) for row in gap] == [
        ("train", "val"),
        ("val", "folds"),
        ("folds", "test_clean"),
    ]
    pairs = read_rows(path / "confusion_matrix.csv")
    right = [int(row["count"]) for row in pairs if row["label"] == row["predicted"]]
    clean, test = record.test_clean, record.test
    assert clean is not None and clean.scores.accuracy is not None
    assert sum(int(row["count"]) for row in pairs) == clean.num_images == 10
    assert sum(right) == round(10 * clean.scores.accuracy)
    every = read_rows(path / "confusion_matrix_all_of_test.csv")
    assert sum(int(row["count"]) for row in every) == test.num_images == 12
    curves = read_rows(path / "learning_curves.csv")
    phases = [next(iter(row.values())) for row in curves]
    assert phases == ["search"] + ["refit"] * EPOCHS


@pytest.mark.usefixtures("without_drawing")
def test_what_was_not_measured_has_no_file(selection: Selection) -> None:
    selection.executor.has_maps = False
    plan = selection.plan(make_finalists(7), num_folds=0)
    (candidate,) = judge_all(selection, plan)
    names = {file.name for file in write(selection, plan, candidate).iterdir()}
    assert names == {name for name in ALWAYS if not name.endswith(".png")}


@pytest.mark.usefixtures("without_drawing")
def test_familiarity_goes_with_the_model(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7), num_folds=0)
    (candidate,) = judge_all(selection, plan)
    write(selection, plan, candidate)
    found = read_reference(selection.folder.candidate_familiarity_path(1))
    assert candidate.measured.familiarity is not None
    assert found.facts == candidate.measured.familiarity.facts
    np.testing.assert_array_equal(found.features, np.eye(4))


@pytest.mark.usefixtures("without_drawing")
def test_the_record_is_written_last(selection: Selection, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a candidate with a record has all of its files."""
    plan = selection.plan(make_finalists(7), num_folds=0)
    (candidate,) = judge_all(selection, plan)

    def fail(*arguments: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(type(selection.folder), "write_familiarity", fail)
    with pytest.raises(OSError, match="no"):
        write(selection, plan, candidate)
    assert selection.folder.read_candidates() == []
