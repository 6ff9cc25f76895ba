"""Retrained models on disk: they outlast a crash, or are made again."""

from pathlib import Path

import pytest

from autocnn.core.records import REFIT, Part
from autocnn.storage import StudyFolder
from autocnn.storage.checkpoint import write_checkpoint
from tests.samples import checkpoint, retrained


def make(folder: StudyFolder, trial: int, part: Part = REFIT) -> None:
    """A whole retrained model."""
    folder.retrained_model_path(trial, part).write_text(f"model of {trial}")
    folder.write_retrained(retrained(trial, part))


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize("part", [REFIT, Part(2), Part(member=2)], ids=lambda part: part.name)
def test_a_retrained_model_comes_back_and_needs_no_checkpoint(
    folder: StudyFolder, part: Part
) -> None:
    write_checkpoint(folder.retrained_checkpoint_path(7, part), checkpoint())
    assert names(folder.retrained_dir(7, part)) == ["checkpoint"]
    make(folder, 7, part)
    assert folder.read_retrained(7, part) == retrained(7, part)
    assert names(folder.retrained_dir(7, part)) == ["model.keras", "retrained.json"]


def test_each_refit_and_each_fold_have_a_folder(folder: StudyFolder) -> None:
    more = folder.path / "finalists/0007/refit-2/model.keras"
    assert folder.retrained_model_path(7, Part(member=2)) == more
    assert folder.retrained_model_path(7, REFIT) == folder.path / "finalists/0007/refit/model.keras"
    assert folder.retrained_log_path(7, Part(2)) == folder.path / "finalists/0007/fold-2/log.txt"


def test_without_its_record_or_its_model_it_has_to_be_made(folder: StudyFolder) -> None:
    assert folder.read_retrained(7, REFIT) is None
    folder.retrained_model_path(7, REFIT).write_bytes(b"half")
    assert folder.read_retrained(7, REFIT) is None
    make(folder, 7)
    folder.retrained_model_path(7, REFIT).unlink()
    assert folder.read_retrained(7, REFIT) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"trial": 3}'])
def test_a_torn_record_has_to_be_made(folder: StudyFolder, content: bytes) -> None:
    make(folder, 7)
    (folder.retrained_dir(7, REFIT) / "retrained.json").write_bytes(content)
    assert folder.read_retrained(7, REFIT) is None


def test_a_checkpoint_that_a_kill_left_is_deleted_and_the_model_stays(folder: StudyFolder) -> None:
    make(folder, 7)
    write_checkpoint(folder.retrained_checkpoint_path(7, REFIT), checkpoint())
    for _ in range(2):  # without one it is no error
        folder.remove_retrained_checkpoint(7, REFIT)
        assert names(folder.retrained_dir(7, REFIT)) == ["model.keras", "retrained.json"]


def test_torn_checkpoints_are_set_aside(folder: StudyFolder) -> None:
    good, torn = (
        folder.retrained_checkpoint_path(1, REFIT),
        folder.retrained_checkpoint_path(1, Part(1)),
    )
    write_checkpoint(good, checkpoint())
    torn.write_bytes(good.read_bytes()[:1000])
    sentences = folder.recover_finalists()
    assert len(sentences) == 1
    assert sentences[0].startswith(f"{torn}: must be a whole checkpoint, got: ")
    assert (names(good.parent), names(torn.parent)) == (["epoch.npz"], ["epoch.npz.broken"])
    assert folder.recover_finalists() == []


def test_finalists_that_are_none_any_more_go(folder: StudyFolder) -> None:
    for trial in (3, 7, 12):
        make(folder, trial)
    folder.keep_finalists([7, 20])
    assert names(folder.path / "finalists") == ["0007"]
    folder.keep_finalists([])
    assert names(folder.path / "finalists") == []


def test_a_study_without_finalists_has_nothing_to_recover_or_delete(folder: StudyFolder) -> None:
    folder.keep_finalists([])
    assert folder.recover_finalists() == []
    assert not (folder.path / "finalists").exists()
