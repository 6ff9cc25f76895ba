"""The study folder: made, locked, written, read and found again."""

import csv
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autocnn.errors import (
    StudyError,
    StudyExistsError,
    StudyLockedError,
    StudyNotFoundError,
)
from autocnn.records import (
    CandidateRecord,
    EpochScore,
    Scores,
    SplitName,
    SplitScores,
    TrialRecord,
    TrialState,
)
from autocnn.space_files import load_space
from autocnn.store import TRIAL_COLUMNS, StudyFolder, open_study


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder.create(tmp_path / "results", "mine")


def epoch(number: int = 1) -> EpochScore:
    return EpochScore(
        epoch=number,
        train_loss=0.5,
        train=Scores(accuracy=0.75, balanced_accuracy=0.7),
        val=Scores(accuracy=0.5),
        learning_rate=1e-3,
        seconds=1.23456,
    )


def trial(number: int, **changes: Any) -> TrialRecord:
    facts: dict[str, Any] = {
        "trial": number,
        "state": TrialState.COMPLETE,
        "params": {"family": "resnet", "dropout": 0.1, "weight_averaging": True},
        "objective": 0.5,
        "best_epoch": 1,
        "history": (epoch(),),
        "num_weights": 1000,
        "seconds": 2.00049,
        "peak_memory_mb": 800.5,
    }
    return TrialRecord(**(facts | changes))


def split(name: SplitName) -> SplitScores:
    return SplitScores(split=name, num_images=4, scores=Scores(), intervals={}, classes=())


def candidate(number: int) -> CandidateRecord:
    return CandidateRecord(
        candidate=number, rank=number, kind="refit", trial=0, params={}, objective=0.5,
        train=split("train"), val=split("val"), test=split("test"), num_weights=5, flops=None,
        latency_ms=None, size_mb=0.1, epochs=2, train_seconds=3.0, seed=0,
    )  # fmt: skip


def read_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


# -- the life of a folder ------------------------------------------------------------------


def test_a_new_study_is_a_folder_of_its_name(tmp_path: Path) -> None:
    folder = StudyFolder.create(tmp_path / "deep" / "results", "mine")
    assert folder.path == tmp_path / "deep" / "results" / "mine"
    assert folder.name == "mine"
    assert sorted(path.name for path in folder.path.iterdir()) == ["candidates", "trials"]


def test_an_existing_study_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "study.json").write_text("{}")
    with pytest.raises(StudyExistsError) as caught:
        StudyFolder.create(tmp_path, "mine")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine'}: a new study must not exist yet")
    assert message.endswith("or choose another --name.")
    assert caught.value.exit_code == 4
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["study.json"]


def test_an_empty_folder_may_become_a_study(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert StudyFolder.create(tmp_path, "mine").path.is_dir()


def test_a_file_in_the_place_of_the_study_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(StudyError, match="a study must be a folder, got a file"):
        StudyFolder.create(tmp_path, "mine")
    assert (tmp_path / "mine").read_text() == "mine"


def test_results_that_are_a_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(StudyError, match="must be writable, got: Not a directory") as caught:
        StudyFolder.create(tmp_path / "results", "mine")
    assert "--results" in caught.value.remedy


def test_read_only_results_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StudyError, match="must be writable, got: Read-only file system") as caught:
        StudyFolder.create(tmp_path, "mine")
    assert "--results" in caught.value.remedy
    assert not (tmp_path / "mine").exists()


HOLD_LOCK = """
import sys
from pathlib import Path
from autocnn.store import StudyFolder
folder = StudyFolder(Path(sys.argv[1]))
folder.lock()
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_study_that_another_process_writes_is_locked(folder: StudyFolder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(StudyLockedError) as caught:
            StudyFolder(folder.path).lock()
        other.kill()  # the kernel lets go of its lock, however it ends
    assert str(caught.value) == (
        f"{folder.path}: only one process may write a study, another one does. "
        "Wait for it, or stop it."
    )
    assert caught.value.exit_code == 4
    folder.lock()
    folder.unlock()


def test_unlock_lets_others_in_and_leaves_no_file(folder: StudyFolder) -> None:
    folder.lock()
    folder.unlock()
    assert not (folder.path / ".lock").exists()
    other = StudyFolder(folder.path)
    other.lock()
    other.unlock()


def test_unlock_without_lock_does_nothing(folder: StudyFolder) -> None:
    folder.unlock()
    assert folder.path.is_dir()


def test_remove_deletes_the_folder_even_when_locked(folder: StudyFolder) -> None:
    folder.lock()
    folder.remove()
    assert not folder.path.exists()
    assert folder.path.parent.exists()


# -- the study as a whole ------------------------------------------------------------------


def test_study_json_comes_back(folder: StudyFolder) -> None:
    facts = {"name": "mine", "config": {"data": "Fotos/Äpfel"}, "none": None}
    folder.write_study(facts)
    assert folder.read_study() == facts
    assert "Äpfel" in (folder.path / "study.json").read_text("utf-8")


@pytest.mark.parametrize("content", [b"", b'{"name": ', b"\xff"])
def test_a_broken_study_json_is_told(folder: StudyFolder, content: bytes) -> None:
    (folder.path / "study.json").write_bytes(content)
    with pytest.raises(StudyError, match=r"study\.json: must be a whole record, got: "):
        folder.read_study()


def test_a_study_without_study_json_is_told(folder: StudyFolder) -> None:
    with pytest.raises(StudyError, match=r"study\.json: must be a whole record, got: "):
        folder.read_study()


@pytest.mark.parametrize("name", ["default", "mri"])
def test_space_yaml_can_be_searched_again(folder: StudyFolder, name: str) -> None:
    space = load_space(name)
    folder.write_space(space)
    again = load_space(str(folder.path / "space.yaml"))
    assert again.fingerprint == space.fingerprint
    assert again.epochs == space.epochs


def test_split_csv_has_its_columns(folder: StudyFolder) -> None:
    folder.write_split([("a, b.png", "cat", "", "train", "00ff")])
    text = (folder.path / "split.csv").read_text("utf-8")
    assert text == 'path,label,group,split,sha256\n"a, b.png",cat,,train,00ff\n'


def test_audit_json_is_written_as_given(folder: StudyFolder) -> None:
    folder.write_audit('{"images": 3}')
    assert json.loads((folder.path / "audit.json").read_text()) == {"images": 3}


def test_the_database_has_an_absolute_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert StudyFolder(Path("mine")).optuna_url == f"sqlite:///{tmp_path}/mine/optuna.db"


# -- trials --------------------------------------------------------------------------------


def test_trials_come_back_by_number(folder: StudyFolder) -> None:
    records = [
        trial(2),
        trial(0, params={"width": 8, "squeeze_excitation": False}),
        trial(10, state=TrialState.FAILED, reason="“quoted”, with, commas\nand lines"),
    ]
    for record in records:
        folder.write_trial(record)
    assert folder.read_trials() == [records[1], records[0], records[2]]


def test_a_trial_written_again_replaces_the_first(folder: StudyFolder) -> None:
    folder.write_trial(trial(0))
    folder.write_trial(trial(0, objective=0.75))
    assert [record.objective for record in folder.read_trials()] == [0.75]


def test_a_half_trial_json_is_told(folder: StudyFolder) -> None:
    folder.write_trial(trial(0))
    path = folder.path / "trials" / "0000" / "trial.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(StudyError, match=r"trials/0000/trial\.json: must be a whole record"):
        folder.read_trials()


def test_a_running_trial_has_no_record_yet(folder: StudyFolder) -> None:
    folder.trial_log_path(0).write_text("hello")
    assert folder.read_trials() == []


def test_trials_csv_has_the_columns_in_order(folder: StudyFolder) -> None:
    folder.write_trials_table([trial(0)])
    header = (folder.path / "trials.csv").read_text().splitlines()[0]
    assert header == (
        "trial,state,reason,objective,epochs,best_epoch,seconds,num_weights,train_accuracy,"
        "val_accuracy,peak_memory_mb,param.family,param.dropout,param.weight_averaging"
    )
    assert header.startswith(",".join(TRIAL_COLUMNS))


def test_trials_csv_holds_the_values_of_every_trial(folder: StudyFolder) -> None:
    bare: dict[str, Any] = dict.fromkeys(
        ("objective", "best_epoch", "num_weights", "peak_memory_mb")
    )
    failed = trial(1, state=TrialState.FAILED, reason="no luck", params={"width": 8}, history=(),
                   **bare)  # fmt: skip
    folder.write_trials_table([trial(0), failed])
    first, second = read_rows(folder.path / "trials.csv")
    assert first == {
        "trial": "0", "state": "complete", "reason": "", "objective": "0.5", "epochs": "1",
        "best_epoch": "1", "seconds": "2.0", "num_weights": "1000", "train_accuracy": "0.75",
        "val_accuracy": "0.5", "peak_memory_mb": "800.5", "param.family": "resnet",
        "param.dropout": "0.1", "param.weight_averaging": "true", "param.width": "",
    }  # fmt: skip
    assert second == {
        "trial": "1", "state": "failed", "reason": "no luck", "objective": "", "epochs": "0",
        "best_epoch": "", "seconds": "2.0", "num_weights": "", "train_accuracy": "",
        "val_accuracy": "", "peak_memory_mb": "", "param.family": "", "param.dropout": "",
        "param.weight_averaging": "", "param.width": "8",
    }  # fmt: skip


def test_epochs_csv_has_a_row_per_epoch(folder: StudyFolder) -> None:
    folder.write_trial(trial(7, history=(epoch(1), epoch(2))))
    rows = read_rows(folder.path / "trials" / "0007" / "epochs.csv")
    assert rows[1] == {
        "phase": "search", "epoch": "2", "train_loss": "0.5", "learning_rate": "0.001",
        "seconds": "1.235", "train_accuracy": "0.75", "train_balanced_accuracy": "0.7",
        "train_macro_f1": "", "train_macro_auc": "", "train_log_loss": "", "val_accuracy": "0.5",
        "val_balanced_accuracy": "", "val_macro_f1": "", "val_macro_auc": "", "val_log_loss": "",
    }  # fmt: skip


def test_only_the_named_models_are_kept(folder: StudyFolder) -> None:
    for number in range(4):
        folder.trial_model_path(number).write_bytes(b"model")
        folder.trial_log_path(number).write_text("log")
    folder.keep_models([1, 3, 99])
    kept = [number for number in range(4) if folder.trial_model_path(number).exists()]
    assert kept == [1, 3]
    assert folder.trial_log_path(0).exists()


# -- candidates and the leaderboard --------------------------------------------------------


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


def test_raw_predictions_are_removed(folder: StudyFolder) -> None:
    (folder.predictions_dir() / "a.npy").write_bytes(b"x")
    folder.remove_predictions()
    assert list((folder.path / "candidates").iterdir()) == []


def test_the_leaderboard_comes_back(folder: StudyFolder) -> None:
    folder.write_leaderboard("rank\n1\n")
    assert folder.read_leaderboard() == folder.leaderboard_path.read_text() == "rank\n1\n"


def test_a_study_without_leaderboard_says_where_its_trials_are(folder: StudyFolder) -> None:
    with pytest.raises(StudyError) as caught:
        folder.read_leaderboard()
    assert str(caught.value) == (
        f"{folder.path}: has no leaderboard yet: it is not finished. "
        f"Its trials so far are in {folder.path / 'trials.csv'}."
    )


def test_a_full_disk_leaves_the_old_table(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder.write_trials_table([trial(0)])
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StudyError, match=r"trials\.csv: the disk must have room"):
        folder.write_trials_table([trial(0), trial(1)])
    assert len(read_rows(folder.path / "trials.csv")) == 1


# -- finding a study -----------------------------------------------------------------------


def make_studies(results: Path, *names: str) -> None:
    """Finished studies, the last one the newest."""
    for age, name in enumerate(names):
        folder = StudyFolder.create(results, name)
        folder.write_study({})
        os.utime(folder.path / "study.json", (1000 + age, 1000 + age))


def test_a_study_is_found_by_name(tmp_path: Path) -> None:
    make_studies(tmp_path, "a", "b")
    assert open_study("a", tmp_path).path == tmp_path / "a"


def test_a_study_is_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_studies(tmp_path / "here", "a")
    monkeypatch.chdir(tmp_path)
    assert open_study("here/a", Path("elsewhere")).path == Path("here/a")
    assert open_study(str(tmp_path / "here" / "a"), Path("elsewhere")).name == "a"


def test_the_newest_study_is_found_without_a_name(tmp_path: Path) -> None:
    make_studies(tmp_path, "z", "new", "a")
    os.utime(tmp_path / "new" / "study.json", (5000, 5000))
    assert open_study(None, tmp_path).name == "new"


def test_no_study_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyNotFoundError) as caught:
        open_study(None, tmp_path / "none")
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: must hold a study, got none. "
        "Start one with `autocnn search DATA`, or name the folder with --results."
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
