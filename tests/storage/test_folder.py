"""The study folder: made, locked, described and found again."""

import errno
import json
import os
import shutil
import socket
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import optuna
import pytest

from autocnn.core.errors import (
    DiskFullError,
    StudyError,
    StudyExistsError,
    StudyLockedError,
    StudyNotFoundError,
)
from autocnn.spaces.files import load_space
from autocnn.storage import StudyFolder, open_study
from autocnn.storage.lock import Owner
from tests.reporting.studies import make_status
from tests.samples import fail_disk_full


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


# -- made ----------------------------------------------------------------------------------


def test_a_new_study_is_a_folder_of_its_name_that_describes_itself(tmp_path: Path) -> None:
    folder = StudyFolder.create(tmp_path / "deep" / "results", "mine", {"name": "mine"})
    assert folder.path == tmp_path / "deep" / "results" / "mine"
    assert folder.name == "mine"
    assert names(folder.path) == ["candidates", "study.json", "trials"]
    assert folder.read_study() == {"name": "mine"}
    assert names(folder.path.parent) == ["mine"]


def test_the_folder_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    rename = Path.rename

    def look(self: Path, target: Path) -> Path:
        seen.append(names(self))
        assert not target.exists()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", look)
    StudyFolder.create(tmp_path, "mine", {})
    assert seen == [["candidates", "study.json", "trials"]]


def test_an_existing_study_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "study.json").write_text("{}")
    with pytest.raises(StudyExistsError) as caught:
        StudyFolder.create(tmp_path, "mine", {"name": "mine"})
    path = tmp_path / "mine"
    assert str(caught.value) == (
        f"{path}: a new study must not exist yet, got one that does. "
        f"Go on with it: `autocnn resume {path}`; or choose another name."
    )
    assert caught.value.exit_code == 4
    assert names(path) == ["study.json"]
    assert (path / "study.json").read_text() == "{}"
    assert names(tmp_path) == ["mine"]


def test_an_empty_folder_may_become_a_study(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert StudyFolder.create(tmp_path, "mine", {"a": 1}).read_study() == {"a": 1}


def test_a_file_in_the_place_of_the_study_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(StudyError, match="a study must be a folder, got a file"):
        StudyFolder.create(tmp_path, "mine", {})
    assert (tmp_path / "mine").read_text() == "mine"


def test_results_that_are_a_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(StudyError, match="must be writable, got: Not a directory") as caught:
        StudyFolder.create(tmp_path / "results", "mine", {})
    assert "with results" in caught.value.remedy


def test_read_only_results_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StudyError, match="must be writable, got: Read-only file system") as caught:
        StudyFolder.create(tmp_path, "mine", {})
    assert "with results" in caught.value.remedy
    assert names(tmp_path) == []


def test_a_full_disk_leaves_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail_disk_full)
    with pytest.raises(DiskFullError, match="the disk must have free space"):
        StudyFolder.create(tmp_path, "mine", {})
    assert names(tmp_path) == []


def test_what_a_killed_process_began_is_removed_when_the_study_is_made(tmp_path: Path) -> None:
    for name in (".mine.0a1b2c3d", ".other.0a1b2c3d", ".mine.txt"):
        (tmp_path / name / "trials").mkdir(parents=True)
        os.utime(tmp_path / name, (0.0, 0.0))
    (tmp_path / ".mine.00000000").mkdir()  # of one that makes it at this instant
    StudyFolder.create(tmp_path, "mine", {})
    assert names(tmp_path) == [".mine.00000000", ".mine.txt", ".other.0a1b2c3d", "mine"]


def test_the_place_is_taken_by_the_first_of_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def come_second(self: Path, target: Path) -> Path:
        (target / "trials").mkdir(parents=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", come_second)
    with pytest.raises(StudyError, match="mine: "):
        StudyFolder.create(tmp_path, "mine", {})
    assert names(tmp_path) == ["mine"]
    assert names(tmp_path / "mine") == ["trials"]


# -- locked --------------------------------------------------------------------------------


def test_a_study_that_is_written_is_locked(folder: StudyFolder) -> None:
    folder.lock()
    for force in (False, True):
        with pytest.raises(StudyLockedError, match="mine: only one process may write a study; "):
            StudyFolder(folder.path).lock(force=force)
    folder.unlock()


def test_the_owner_that_died_without_letting_go_is_returned(folder: StudyFolder) -> None:
    dead = Owner(socket.gethostname(), os.getpid(), 0.0)  # its number is another's by now
    (folder.path / ".owner.json").write_text(json.dumps(asdict(dead)))
    assert folder.lock() == dead
    folder.unlock()


def test_unlock_lets_others_in_and_leaves_no_file(folder: StudyFolder) -> None:
    assert folder.lock() is None
    folder.unlock()
    assert names(folder.path) == ["candidates", "study.json", "trials"]
    other = StudyFolder(folder.path)
    assert other.lock() is None
    other.unlock()


def test_unlock_without_lock_does_nothing(folder: StudyFolder) -> None:
    folder.unlock()
    assert folder.path.is_dir()


def test_a_refused_lock_is_not_let_go_by_unlock(folder: StudyFolder) -> None:
    folder.lock()
    other = StudyFolder(folder.path)
    with pytest.raises(StudyLockedError):
        other.lock()
    other.unlock()
    with pytest.raises(StudyLockedError):
        other.lock()
    folder.unlock()


def test_a_folder_that_cannot_be_locked_is_told(folder: StudyFolder) -> None:
    shutil.rmtree(folder.path)
    folder.path.write_text("")
    with pytest.raises(StudyError, match="mine: must be writable, got: "):
        folder.lock()
    folder.unlock()
    assert folder.path.is_file()


def test_the_command_that_goes_on_is_one_that_a_shell_takes(tmp_path: Path) -> None:
    folder = StudyFolder.create(tmp_path / "My Studies", "mine", make_status("mine").to_json())
    assert folder.resume_command() == f"autocnn resume '{folder.path}'"
    facts = folder.read_study()
    config = {**facts["config"], "objective": "costs.py:cost"}
    folder.write_study({**facts, "config": config})
    expected = f"autocnn resume '{folder.path}' --trials 9 --trust-code"
    assert folder.resume_command("--trials 9") == expected


def test_a_study_is_taken_by_force_from_another_host(folder: StudyFolder) -> None:
    far = Owner("far", 4, 0.0)
    (folder.path / ".owner.json").write_text(json.dumps(asdict(far)))
    with pytest.raises(StudyLockedError, match="force_unlock=True"):
        folder.lock()
    assert folder.lock(force=True) == far
    folder.unlock()


def test_remove_deletes_the_folder_even_when_locked(folder: StudyFolder) -> None:
    folder.lock()
    folder.remove()
    assert not folder.path.exists()
    assert folder.path.parent.exists()


# -- its size ------------------------------------------------------------------------------


def test_the_size_is_that_of_all_files(folder: StudyFolder) -> None:
    before = folder.size_gb()
    folder.trial_model_path(0).write_bytes(bytes(3000))
    (folder.candidate_dir(1) / ".hidden").write_bytes(bytes(500))
    assert folder.size_gb() - before == pytest.approx(3500 / 1e9)


def test_a_link_counts_as_itself(tmp_path: Path, folder: StudyFolder) -> None:
    (tmp_path / "big").write_bytes(bytes(100_000))
    before = folder.size_gb()
    (folder.path / "link").symlink_to(tmp_path / "big")
    (folder.path / "gone").symlink_to(tmp_path / "gone")
    assert folder.size_gb() - before < 1000 / 1e9


def test_a_file_that_goes_while_sizes_are_added_counts_as_nothing(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker's temporary checkpoint does, which is renamed."""
    before = folder.size_gb()
    going = folder.path / "trials" / ".epoch.npz.x"
    going.write_bytes(bytes(1000))
    look = os.lstat

    def go_before(path: str | Path) -> os.stat_result:
        if Path(path) == going:
            going.unlink()
        return look(path)

    monkeypatch.setattr(os, "lstat", go_before)
    assert folder.size_gb() == before
    monkeypatch.undo()
    assert not going.exists(), "it was there when the folder was read"


# -- its report ----------------------------------------------------------------------------


def test_a_report_is_due_where_it_is_older_than_what_it_tells_of(folder: StudyFolder) -> None:
    assert not folder.is_report_due, "there is nothing to tell of"
    folder.write_leaderboard("rank\n")
    assert folder.is_report_due, "it was stopped before its first report"
    folder.write_report("<html>")
    times = {folder.leaderboard_path: 100, folder.path / "study.json": 101, folder.report_path: 101}
    for path, seconds in times.items():
        os.utime(path, (seconds, seconds))
    assert not folder.is_report_due
    for path in (folder.leaderboard_path, folder.path / "study.json"):
        os.utime(path, (102, 102))
        assert folder.is_report_due
        os.utime(folder.report_path, (103, 103))
        assert not folder.is_report_due
        os.utime(folder.report_path, (101, 101))
        os.utime(path, (100, 100))


# -- the study as a whole ------------------------------------------------------------------


def test_study_json_comes_back(folder: StudyFolder) -> None:
    facts = {"name": "mine", "config": {"data": "Fotos/Äpfel"}, "none": None}
    folder.write_study(facts)
    assert folder.read_study() == facts


@pytest.mark.parametrize("name", ["default", "mri"])
def test_space_yaml_can_be_searched_again(folder: StudyFolder, name: str) -> None:
    space = load_space(name)
    folder.write_space(space)
    again = load_space(str(folder.space_path))
    assert again.fingerprint == space.fingerprint
    assert again.epochs == space.epochs
    assert folder.space_path == folder.path / "space.yaml"


def test_split_csv_has_its_columns(folder: StudyFolder) -> None:
    folder.write_split([("a, b.png", "cat", "", "train", "00ff")])
    text = (folder.path / "split.csv").read_text("utf-8")
    assert text == 'path,label,group,split,fold,sha256\n"a, b.png",cat,,train,,00ff\n'
    assert folder.read_folds() == []


def test_each_repeat_of_the_folds_has_a_column(folder: StudyFolder) -> None:
    rows = [
        ("a, b.png", "cat", "", "train", "00ff"),
        ("c.png", "dog", "g", "val", "01"),
        ("d.png", "dog", "", "test", "02"),
    ]
    folds = [{"a, b.png": 1, "c.png": 2}, {"a, b.png": 2, "c.png": 1}]
    folder.write_split(rows, folds)
    assert (folder.path / "split.csv").read_text("utf-8").splitlines() == [
        "path,label,group,split,fold,sha256,fold_2",
        '"a, b.png",cat,,train,1,00ff,2',
        "c.png,dog,g,val,2,01,1",
        "d.png,dog,,test,,02,",
    ]
    assert folder.read_split() == rows
    assert folder.read_folds() == folds


def test_what_else_a_table_says_of_its_images_stands_at_the_end(folder: StudyFolder) -> None:
    rows = [("a.png", "cat", "", "train", "00"), ("b.png", "dog", "", "test", "01")]
    folds = [{"a.png": 1}, {"a.png": 2}]
    folder.write_split(rows, folds, {"sex": ("f", "m"), "the, site": ("", "=1")})
    assert (folder.path / "split.csv").read_text("utf-8").splitlines() == [
        'path,label,group,split,fold,sha256,fold_2,sex,"the, site"',
        "a.png,cat,,train,1,00,2,f,",
        "b.png,dog,,test,,01,,m,'=1",
    ]
    assert folder.read_split() == rows
    assert folder.read_folds() == folds


def test_a_split_of_an_older_study_has_no_folds(folder: StudyFolder) -> None:
    (folder.path / "split.csv").write_text("path,label,group,split,sha256\na.png,cat,,train,00\n")
    assert folder.read_split() == [("a.png", "cat", "", "train", "00")]
    assert folder.read_folds() == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "no column 'path'"),
        ("path,label,group,split,fold\n", "no column 'sha256'"),
        ("path,label,group,split,fold,sha256\na.png,cat\n", "a row of another length"),
    ],
)
def test_a_split_that_was_changed_by_hand_is_told(
    folder: StudyFolder, text: str, wrong: str
) -> None:
    (folder.path / "split.csv").write_text(text)
    for read in (folder.read_split, folder.read_folds):
        with pytest.raises(StudyError, match=f"split.csv: must have the columns .*, got {wrong}"):
            read()


def test_a_fold_is_a_number(folder: StudyFolder) -> None:
    (folder.path / "split.csv").write_text(
        "path,label,group,split,fold,sha256\na.png,cat,,train,first,00\n"
    )
    with pytest.raises(StudyError, match=r"a fold must be a number, got: .*'first'"):
        folder.read_folds()


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        'with, comma and "quote".png',
        "Äpfel/漢字.png",
        "two\nlines.png",
        os.fsdecode(b"caf\xe9/\xff.png"),
        pytest.param("Icon\r.png"),
    ],
)
def test_the_split_comes_back_whatever_the_files_are_called(folder: StudyFolder, name: str) -> None:
    rows = [(name, "cat", "g,1", "train", "00ff"), ("z.png", "dog", "", "test", "")]
    folder.write_split(rows)
    assert folder.read_split() == rows


def test_a_study_that_is_not_prepared_has_no_split(folder: StudyFolder) -> None:
    assert folder.read_split() == []


def test_audit_json_is_written_as_given(folder: StudyFolder) -> None:
    folder.write_audit('{"images": 3}', {"copy-1-1.jpg": b"x"})
    assert json.loads((folder.path / "audit.json").read_text()) == {"images": 3}
    assert (folder.path / "audit" / "copy-1-1.jpg").read_bytes() == b"x"


def test_the_database_has_an_absolute_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert StudyFolder(Path("mine")).optuna_url == f"sqlite:///{tmp_path}/mine/optuna.db"


def test_the_database_may_stand_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "really? #1 50%" / "mine")
    folder.path.mkdir(parents=True)
    storage = optuna.storages.RDBStorage(folder.optuna_url)
    storage.engine.dispose()
    assert folder.optuna_path.is_file()


def test_the_files_of_the_engines_are_removed_and_no_others(folder: StudyFolder) -> None:
    before = names(folder.path)
    for name in ("optuna.db", "optuna.db-journal", "optuna.db-wal"):
        (folder.path / name).write_bytes(b"x")
    folder.keras_tuner_dir.mkdir()
    (folder.keras_tuner_dir / "oracle.json").write_text("{}")
    folder.remove_engine_files()
    assert names(folder.path) == before
    folder.remove_engine_files()
    assert names(folder.path) == before


# -- found again ---------------------------------------------------------------------------


def make_studies(results: Path, *studies: str) -> None:
    """Finished studies, the last one the newest."""
    for age, name in enumerate(studies):
        folder = StudyFolder.create(results, name, {})
        os.utime(folder.path / "study.json", (1000 + age, 1000 + age))


def test_a_study_is_found_by_name(tmp_path: Path) -> None:
    make_studies(tmp_path, "a", "b")
    assert open_study("a", tmp_path).path == tmp_path / "a"


def test_a_study_is_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_studies(tmp_path / "here", "a")
    monkeypatch.chdir(tmp_path)
    assert open_study("here/a", Path("elsewhere")).path == Path("here/a")
    assert open_study(str(tmp_path / "here" / "a"), Path("elsewhere")).name == "a"


def test_a_study_is_found_from_within_and_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_studies(tmp_path, "mine")
    monkeypatch.chdir(tmp_path / "mine" / "trials")
    assert open_study("..", Path("results")).name == "mine"
    monkeypatch.chdir(tmp_path / "mine")
    found = open_study(".", Path("results"))
    assert found.name == "mine"
    with pytest.raises(StudyNotFoundError, match="'': must be a study under results"):
        open_study("", Path("results"))
    found.remove()
    assert not (tmp_path / "mine").exists()


def test_a_study_is_found_below_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_studies(tmp_path / "here", "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_study("~/here/mine", Path("results")).path == tmp_path / "here" / "mine"


def test_the_newest_study_is_found_without_a_name(tmp_path: Path) -> None:
    make_studies(tmp_path, "z", "new", "a")
    os.utime(tmp_path / "new" / "study.json", (5000, 5000))
    assert open_study(None, tmp_path).name == "new"


def test_commands_in_errors_can_be_typed_where_a_path_has_a_space(tmp_path: Path) -> None:
    results = tmp_path / "my studies"
    folder = StudyFolder.create(results, "mine", {})
    with pytest.raises(StudyExistsError) as existing:
        StudyFolder.create(results, "mine", {})
    with pytest.raises(StudyError) as unfinished:
        folder.read_leaderboard()
    for caught in (existing, unfinished):
        assert f"`autocnn resume '{folder.path}'`" in caught.value.remedy


def test_no_study_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyNotFoundError) as caught:
        open_study(None, tmp_path / "none")
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: must hold a study, got none. "
        "Start one with `autocnn search DATA`, or name the folder with results."
    )
    assert caught.value.exit_code == 4


def test_an_unknown_study_is_told_with_those_there_are(tmp_path: Path) -> None:
    make_studies(tmp_path, "old", "new")
    (tmp_path / "no-study").mkdir()
    with pytest.raises(StudyNotFoundError) as caught:
        open_study("mine", tmp_path)
    assert str(caught.value) == (
        f"mine: must be a study under {tmp_path} or a path to one, got neither. "
        "There are: new, old."
    )


def test_an_unknown_study_among_none_is_told_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(StudyNotFoundError, match="Start one with `autocnn search`"):
        open_study("mine", tmp_path)


def test_what_a_killed_process_began_is_no_study(tmp_path: Path) -> None:
    make_studies(tmp_path, "mine", ".next.0a1b2c3d")
    assert open_study(None, tmp_path).name == "mine"
    with pytest.raises(StudyNotFoundError, match=r"There are: mine\."):
        open_study("other", tmp_path)
