"""Candidates on disk: records, tables, pictures, the leaderboard."""

import json
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from autocnn.core.errors import StudyError
from autocnn.storage import StudyFolder, find_candidate
from tests.samples import candidate, epoch, read_rows


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def test_candidates_and_their_leaderboard_are_cleared(folder: StudyFolder) -> None:
    folder.candidate_model_path(1).write_text("model")
    folder.write_leaderboard("rank\n")
    (folder.predictions_dir() / "candidate-1.npz").write_bytes(b"x")
    folder.clear_candidates()
    assert names(folder.path / "candidates") == []
    assert not folder.leaderboard_path.exists()
    folder.clear_candidates()


def test_the_leaderboard_goes_first_and_for_good(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one is, its candidates are: also after a power cut in the middle."""
    folder.candidate_model_path(1).write_text("model")
    folder.write_leaderboard("rank\n")
    done: list[str] = []

    def sync(path: Path) -> None:
        done.append("sync")
        assert path == folder.path
        assert not folder.leaderboard_path.exists()

    def remove(path: Path) -> None:
        done.append(path.name)
        if path.is_file():
            path.unlink()

    monkeypatch.setattr("autocnn.storage.candidates.sync_folder", sync)
    monkeypatch.setattr("autocnn.storage.candidates.remove", remove)
    folder.clear_candidates()
    assert done == ["leaderboard.csv", "sync", "subgroups.csv", "01"]


# -- records, tables, pictures -------------------------------------------------------------


def test_candidates_come_back_by_number(folder: StudyFolder) -> None:
    records = [candidate(number) for number in (2, 10, 1)]
    for record in records:
        folder.write_candidate(record)
    assert folder.read_candidates() == sorted(records, key=lambda record: record.candidate)


def test_metrics_json_has_the_scores_by_split(folder: StudyFolder) -> None:
    folder.write_candidate(candidate(1))
    metrics = json.loads((folder.path / "candidates" / "01" / "metrics.json").read_text())
    assert list(metrics) == ["train", "val", "test"]
    assert metrics["test"]["num_images"] == 4


def test_a_candidate_s_tables_and_pictures_stand_in_its_folder(folder: StudyFolder) -> None:
    folder.write_candidate_table(1, "roc", ("curve", "auc"), [("a", None), ("b", 0.5)])
    folder.write_candidate_picture(1, "roc", lambda file: None)
    folder.write_learning_curves(1, [epoch(1)], [epoch(1), epoch(2)])
    path = folder.path / "candidates" / "01"
    assert (path / "roc.csv").read_text() == "curve,auc\na,\nb,0.5\n"
    assert (path / "roc.png").exists()
    phases = [row["phase"] for row in read_rows(path / "learning_curves.csv")]
    assert phases == ["search", "refit", "refit"]


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(folder: StudyFolder) -> None:
    def draw(file: BinaryIO) -> None:
        file.write(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"ne")
        raise ZeroDivisionError

    folder.write_candidate_picture(1, "roc", draw)
    with pytest.raises(ZeroDivisionError):
        folder.write_candidate_picture(1, "roc", fail)
    assert (folder.candidate_dir(1) / "roc.png").read_bytes() == b"old"


def test_raw_predictions_are_removed(folder: StudyFolder) -> None:
    (folder.predictions_dir() / "a.npy").write_bytes(b"x")
    folder.remove_predictions()
    assert names(folder.path / "candidates") == []


# -- the leaderboard -----------------------------------------------------------------------


def test_the_leaderboard_comes_back(folder: StudyFolder) -> None:
    folder.write_leaderboard("rank\n1\n")
    assert folder.read_leaderboard() == folder.leaderboard_path.read_text() == "rank\n1\n"


def test_a_study_without_leaderboard_says_how_to_go_on(folder: StudyFolder) -> None:
    with pytest.raises(StudyError) as caught:
        folder.read_leaderboard()
    assert str(caught.value) == (
        f"{folder.path}: has no leaderboard yet: it is not finished. "
        f"Go on with it: `autocnn resume {folder.path}`. "
        f"Its trials so far are in {folder.path / 'trials.csv'}."
    )


def test_familiarity_stands_beside_the_model(folder: StudyFolder) -> None:
    folder.write_familiarity(
        1, {"reference": np.eye(2, dtype=np.float32), "neighbours": np.array(1)}
    )
    with np.load(folder.path / "candidates" / "01" / "familiarity.npz") as arrays:
        assert set(arrays) == {"reference", "neighbours"}
        np.testing.assert_array_equal(arrays["reference"], np.eye(2))


def test_a_table_comes_back_row_by_row(folder: StudyFolder) -> None:
    assert list(folder.read_candidate_table(1, "out_of_fold")) == []
    rows = [('a,\n"b".png', "кот", 0.5), ("c.png", "", None)]
    folder.write_candidate_table(1, "out_of_fold", ("path", "label", "p.кот"), rows)
    assert list(folder.read_candidate_table(1, "out_of_fold")) == [
        {"path": 'a,\n"b".png', "label": "кот", "p.кот": "0.5"},
        {"path": "c.png", "label": "", "p.кот": ""},
    ]


def test_a_candidate_s_folder_and_files_lead_to_its_study(folder: StudyFolder) -> None:
    folder.write_study({})
    model = folder.candidate_model_path(12)
    model.write_text("model")
    for path in (model, model.parent):
        found = find_candidate(path)
        assert found is not None
        assert (found[0].path.resolve(), found[1]) == (folder.path.resolve(), 12)
    assert find_candidate(folder.path) is None
    assert find_candidate(folder.path / "candidates") is None
    (folder.path / "study.json").unlink()
    assert find_candidate(model) is None
