"""Every file of a study is whole, or told."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from autocnn.core.errors import DiskFullError, StudyError
from autocnn.storage import StudyFolder
from tests.samples import fail_disk_full, read_rows, trial


@pytest.mark.parametrize("content", [b"", b'{"name": ', b"\xff"])
def test_a_broken_record_is_told_with_its_path(folder: StudyFolder, content: bytes) -> None:
    (folder.path / "study.json").write_bytes(content)
    with pytest.raises(StudyError) as caught:
        folder.read_study()
    path = folder.path / "study.json"
    assert caught.value.message.startswith(f"{path}: must be a whole record, got: ")
    assert "\n" not in caught.value.message


def test_a_missing_record_is_told_with_its_path(folder: StudyFolder) -> None:
    (folder.path / "study.json").unlink()
    with pytest.raises(StudyError, match=r"study\.json: must be readable, got: No such"):
        folder.read_study()


def test_a_text_that_cannot_be_read_is_told(folder: StudyFolder) -> None:
    folder.leaderboard_path.mkdir()
    with pytest.raises(StudyError, match=r"leaderboard\.csv: must be readable, got: .*directory"):
        folder.read_leaderboard()


def test_a_full_disk_leaves_the_old_file(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_trials_table([trial(0)])
    monkeypatch.setattr(os, "fsync", fail_disk_full)
    with pytest.raises(DiskFullError, match=r"trials\.csv: the disk must have free space"):
        folder.write_trials_table([trial(0), trial(1)])
    assert len(read_rows(folder.path / "trials.csv")) == 1


def test_json_is_written_as_people_read_it(folder: StudyFolder) -> None:
    folder.write_study({"data": "Fotos/Äpfel"})
    text = (folder.path / "study.json").read_text("utf-8")
    assert text == '{\n "data": "Fotos/Äpfel"\n}\n'


def test_names_that_are_no_text_are_written_as_they_were(folder: StudyFolder) -> None:
    name = os.fsdecode(b"photo-\xff.png")
    folder.write_leaderboard(name)
    assert folder.leaderboard_path.read_bytes() == b"photo-\xff.png"
    assert folder.read_leaderboard() == name


def test_nothing_but_the_file_is_left(tmp_path: Path, folder: StudyFolder) -> None:
    before = {path.name for path in folder.path.iterdir()}
    folder.write_leaderboard("rank\n")
    folder.write_audit("{}", {})
    assert {path.name for path in folder.path.iterdir()} - before == {
        "leaderboard.csv",
        "audit.json",
    }


@pytest.mark.parametrize(
    "look",
    [
        StudyFolder.read_trials,
        StudyFolder.recover_trials,
        StudyFolder.recover_finalists,
        StudyFolder.read_candidates,
        StudyFolder.clear_candidates,
        lambda folder: folder.keep_finalists([0]),
        lambda folder: folder.keep_models([0]),
    ],
)
def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch, look: Callable[[StudyFolder], object]
) -> None:
    """Else a study whose trials cannot be seen at the moment begins again."""
    for name in ("trials", "finalists", "candidates"):
        (folder.path / name).mkdir(exist_ok=True)

    def refuse(path: object = ".") -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(StudyError, match="must be readable, got: Permission denied"):
        look(folder)
