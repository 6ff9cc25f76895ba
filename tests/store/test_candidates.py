"""Candidates on disk: refits that outlast a crash, their places, records, tables, pictures."""

import json
from pathlib import Path
from typing import BinaryIO

import pytest

from autocnn.checkpoint import write_checkpoint
from autocnn.errors import StudyError
from autocnn.store import StudyFolder
from tests.samples import candidate, checkpoint, epoch, read_rows, refit


def make_refit(folder: StudyFolder, number: int, trial: int) -> None:
    """A whole refit, with a model that tells which trial it is of."""
    folder.candidate_model_path(number).write_text(f"model of {trial}")
    folder.write_refit(number, refit(trial))


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


# -- refits --------------------------------------------------------------------------------


def test_a_refit_comes_back_and_needs_no_checkpoint(folder: StudyFolder) -> None:
    write_checkpoint(folder.candidate_checkpoint_path(1), checkpoint())
    assert names(folder.candidate_dir(1)) == ["checkpoint"]
    make_refit(folder, 1, 7)
    assert folder.read_refit(1) == refit(7)
    assert names(folder.candidate_dir(1)) == ["model.keras", "refit.json"]


def test_a_refit_without_its_record_or_its_model_has_to_be_made(folder: StudyFolder) -> None:
    assert folder.read_refit(1) is None
    folder.candidate_model_path(1).write_bytes(b"half")
    assert folder.read_refit(1) is None
    make_refit(folder, 1, 7)
    folder.candidate_model_path(1).unlink()
    assert folder.read_refit(1) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"trial": 3}'])
def test_a_torn_refit_has_to_be_made(folder: StudyFolder, content: bytes) -> None:
    make_refit(folder, 1, 7)
    (folder.candidate_dir(1) / "refit.json").write_bytes(content)
    assert folder.read_refit(1) is None


def test_the_checkpoint_of_a_refit_has_its_folder(folder: StudyFolder) -> None:
    path = folder.candidate_checkpoint_path(2)
    assert path == folder.path / "candidates/02/checkpoint/epoch.npz"
    assert path.parent.is_dir()
    assert folder.candidate_log_path(2) == folder.path / "candidates/02/log.txt"


def test_torn_checkpoints_of_refits_are_set_aside(folder: StudyFolder) -> None:
    good, torn = folder.candidate_checkpoint_path(1), folder.candidate_checkpoint_path(2)
    write_checkpoint(good, checkpoint())
    torn.write_bytes(good.read_bytes()[:1000])
    sentences = folder.recover_candidates()
    assert len(sentences) == 1
    assert sentences[0].startswith(f"{torn}: must be a whole checkpoint, got: ")
    assert sentences[0].endswith(". Set aside; the training begins again.")
    assert (names(good.parent), names(torn.parent)) == (["epoch.npz"], ["epoch.npz.broken"])
    assert folder.recover_candidates() == []


def test_a_study_without_candidates_has_nothing_to_recover(folder: StudyFolder) -> None:
    assert folder.recover_candidates() == []
    (folder.path / "candidates").rmdir()
    assert folder.recover_candidates() == []


# -- places --------------------------------------------------------------------------------


def models(folder: StudyFolder) -> dict[str, str]:
    """Candidate -> content of its model."""
    paths = (folder.path / "candidates").glob("*/model.keras")
    return {path.parent.name: path.read_text() for path in paths}


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([4, 9], {"01": "model of 4", "02": "model of 9"}),
        ([9, 4], {"01": "model of 9", "02": "model of 4"}),
        ([5, 9, 4], {"02": "model of 9", "03": "model of 4"}),
        ([9], {"01": "model of 9"}),
        ([5], {}),
        ([], {}),
    ],
)
def test_a_refit_follows_its_trial_to_its_new_place(
    folder: StudyFolder, trials: list[int], expected: dict[str, str]
) -> None:
    make_refit(folder, 1, 4)
    make_refit(folder, 2, 9)
    folder.place_candidates(trials)
    assert models(folder) == expected
    assert names(folder.path / "candidates") == sorted(expected)
    for number in expected:
        assert folder.read_refit(int(number)) == refit(trials[int(number) - 1])


def test_placing_twice_is_placing_once(folder: StudyFolder) -> None:
    make_refit(folder, 1, 4)
    make_refit(folder, 2, 9)
    for _ in range(2):
        folder.place_candidates([9, 4])
        assert models(folder) == {"01": "model of 9", "02": "model of 4"}


def test_unfinished_refits_and_the_old_leaderboard_go(folder: StudyFolder) -> None:
    write_checkpoint(folder.candidate_checkpoint_path(1), checkpoint())
    folder.candidate_model_path(2).write_text("half")
    folder.write_leaderboard("rank\n")
    folder.place_candidates([0, 1])
    assert names(folder.path / "candidates") == []
    assert not folder.leaderboard_path.exists()


def test_a_refit_on_its_way_when_the_process_was_killed_finds_its_place(
    folder: StudyFolder,
) -> None:
    make_refit(folder, 1, 4)
    make_refit(folder, 2, 9)
    folder.candidate_dir(1).rename(folder.path / "candidates" / ".refit-4")
    folder.place_candidates([9, 4])
    assert models(folder) == {"01": "model of 9", "02": "model of 4"}


def test_raw_predictions_do_not_disturb_the_places(folder: StudyFolder) -> None:
    make_refit(folder, 1, 4)
    (folder.predictions_dir() / "1-trial.npy").write_bytes(b"x")
    folder.place_candidates([4])
    assert names(folder.path / "candidates") == [".predictions", "01"]


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
