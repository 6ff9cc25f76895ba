"""Studies as a set: what is there, two compared, one removed."""

import json
import os
import shutil
from pathlib import Path

import psutil
import pytest

import autocnn
from autocnn.core.errors import StudyError, StudyLockedError, UsageError
from autocnn.core.records import TrialState
from autocnn.storage import StudyFolder
from tests.reporting.studies import make_status, make_trials
from tests.reporting.test_comparison import make_study
from tests.samples import fail_disk_full


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_studies_are_listed_with_state_best_and_size(tmp_path: Path) -> None:
    make_study(tmp_path, "finished")
    going = StudyFolder.create(tmp_path, "going", make_status("going").to_json())
    facts = going.read_study()
    going.write_study({**facts, "status": "searching", "choice": None})
    for trial in make_trials(3):
        going.write_trial(trial)
    behind = {"state": TrialState.PRUNED, "objective": 0.9999}  # it cannot win
    going.write_trial(make_trials(4)[3].model_copy(update=behind))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/study.json").write_text("{")
    (tmp_path / "no study").mkdir()
    found = {one.name: one for one in autocnn.list_studies(results=tmp_path)}
    assert set(found) == {"finished", "going", "broken"}
    assert found["finished"].state == "done"
    assert found["finished"].best == pytest.approx(0.964), "on folds"
    assert (found["going"].state, found["going"].trials) == ("stopped", 4)
    assert found["going"].best == max(trial.objective or 0 for trial in make_trials(3))
    assert (found["broken"].state, found["broken"].best) == ("unreadable", None)
    assert found["going"].size_gb > 0
    going.lock()
    states = {one.name: one.state for one in autocnn.list_studies(results=tmp_path)}
    assert states["going"] == "running"


def test_two_studies_are_compared_by_name_path_or_candidate(tmp_path: Path) -> None:
    make_study(tmp_path, "one", wrong=range(10))
    two = make_study(tmp_path, "two", wrong=range(60))
    found = autocnn.compare("one", two.path / "candidates/01", results=tmp_path)
    assert list(found.differences.columns)[:2] == ["metric", "difference"]
    assert found.differences["difference"][0] == pytest.approx(0.25)
    assert "one is better than two" in repr(found)
    page = found.to_html(tmp_path / "page.html")
    assert "one and two" in page.read_text("utf-8")
    with pytest.raises(UsageError, match="its folder must be there"):
        found.to_html(tmp_path / "none/page.html")
    same = autocnn.compare(autocnn.open_study("one", results=tmp_path), "one", results=tmp_path)
    assert not same.differences["is_told_apart"].any()


def test_a_study_is_removed_and_nothing_else(tmp_path: Path) -> None:
    make_study(tmp_path, "mine")
    make_study(tmp_path, "other")
    autocnn.open_study("mine", results=tmp_path).remove()
    assert names(tmp_path) == ["other"]


def test_a_study_is_removed_from_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(tmp_path, "mine")
    monkeypatch.setattr("autocnn.storage.lock.replace_file", fail_disk_full)
    autocnn.open_study("mine", results=tmp_path).remove()
    assert names(tmp_path) == []


def test_a_study_of_a_host_that_is_gone_is_removed_on_demand(tmp_path: Path) -> None:
    """As a container has another name each time."""
    study = make_study(tmp_path, "mine")
    owner = {"host": "far", "process": 4711, "started": 1.7e9}
    (study.path / ".owner.json").write_text(json.dumps(owner))
    found = autocnn.open_study("mine", results=tmp_path)
    for refused in (found.check_removable, found.remove):
        with pytest.raises(StudyLockedError, match=r"with force_unlock=True\.$"):
            refused()
    found.remove(force_unlock=True)
    assert names(tmp_path) == []


def test_what_a_file_manager_left_is_removed_with_its_study(tmp_path: Path) -> None:
    study = make_study(tmp_path, "mine")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (study.path / name).write_bytes(b"x")
    autocnn.open_study("mine", results=tmp_path).remove()
    assert names(tmp_path) == []


def test_what_is_no_study_is_left_alone(tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "cats").mkdir(parents=True)
    study = make_study(tmp_path, "mine")
    shutil.copy(study.path / "study.json", images)
    with pytest.raises(StudyError, match="nothing but the study to be removed, got cats"):
        autocnn.open_study(images).remove()
    (study.path / "notes.txt").write_text("mine")
    with pytest.raises(StudyError, match=r"got notes\.txt"):
        autocnn.open_study(study.path).remove()
    (study.path / "notes.txt").unlink()
    (tmp_path / "link").symlink_to(study.path)
    with pytest.raises(StudyError, match="must be the study itself, got a link"):
        autocnn.Study.find(tmp_path / "link").remove()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/study.json").write_text("{")
    with pytest.raises(StudyError, match="whole record"):
        autocnn.Study.find(tmp_path / "torn").remove()
    assert names(tmp_path) == ["images", "link", "mine", "torn"]


def test_a_study_that_is_written_is_not_removed(tmp_path: Path) -> None:
    study = make_study(tmp_path, "mine")
    parent = psutil.Process().parent()
    assert parent is not None
    owner = {"host": os.uname().nodename, "process": parent.pid, "started": parent.create_time()}
    (study.path / ".owner.json").write_text(json.dumps(owner))
    with pytest.raises((StudyError, StudyLockedError), match="must not be written to be removed"):
        autocnn.open_study(study.path).remove()
    assert study.leaderboard_path.exists()
