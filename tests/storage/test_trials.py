"""Trials on disk: records, logs, checkpoints, models; torn ones, and those of another study."""

import csv
import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.errors import StudyError
from autocnn.core.records import REFIT, TrialState
from autocnn.storage import StudyFolder
from autocnn.storage.checkpoint import read_checkpoint, write_checkpoint
from autocnn.storage.trials import TrialsTable
from tests.samples import checkpoint, epoch, open_trial, read_rows, trial


def trial_files(folder: StudyFolder, number: int) -> list[str]:
    path = folder.path / "trials" / f"{number:04d}"
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


# -- records and tables --------------------------------------------------------------------


def test_trials_come_back_by_number(folder: StudyFolder) -> None:
    records = [
        trial(2),
        trial(0, params={"width": 8, "squeeze_excitation": False}),
        trial(10, state=TrialState.FAILED, reason="“quoted”, with, commas\nand lines"),
    ]
    for record in records:
        folder.write_trial(record)
    assert folder.read_trials() == [records[1], records[0], records[2]]


def test_the_ten_thousandth_trial_comes_last(folder: StudyFolder) -> None:
    for number in (10000, 9999, 100000, 2):
        folder.write_trial(trial(number))
    assert [record.trial for record in folder.read_trials()] == [2, 9999, 10000, 100000]


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


def test_a_trial_without_a_record_has_not_begun(folder: StudyFolder) -> None:
    folder.trial_log_path(0).write_text("hello")
    assert folder.read_trials() == []
    assert folder.recover_trials() == ([], [])


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.INTERRUPTED])
def test_an_open_trial_has_a_record_and_no_table_of_epochs(
    folder: StudyFolder, state: TrialState
) -> None:
    folder.write_trial(open_trial(0, state))
    assert trial_files(folder, 0) == ["trial.json"]
    folder.write_trial(trial(0))
    assert trial_files(folder, 0) == ["epochs.csv", "trial.json"]


def test_epochs_csv_is_there_before_the_record_says_that_the_trial_ended(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = StudyFolder._write_text

    def note(self: StudyFolder, name: str, text: str) -> None:
        written.append(Path(name).name)
        write(self, name, text)

    monkeypatch.setattr(StudyFolder, "_write_text", note)
    folder.write_trial(trial(0))
    assert written == ["epochs.csv", "trial.json"]


def test_trials_csv_has_a_row_per_trial(folder: StudyFolder) -> None:
    failed = trial(1, state=TrialState.FAILED, reason="no luck, none")
    folder.write_trials_table([trial(0), failed])
    rows = read_rows(folder.path / "trials.csv")
    assert [(row["trial"], row["state"], row["reason"]) for row in rows] == [
        ("0", "complete", ""),
        ("1", "failed", "no luck, none"),
    ]


def test_epochs_csv_has_a_row_per_epoch(folder: StudyFolder) -> None:
    folder.write_trial(trial(7, history=(epoch(1), epoch(2))))
    rows = read_rows(folder.path / "trials" / "0007" / "epochs.csv")
    assert [(row["phase"], row["epoch"]) for row in rows] == [("search", "1"), ("search", "2")]


def test_only_the_named_models_are_kept(folder: StudyFolder) -> None:
    for number in range(4):
        folder.trial_model_path(number).write_bytes(b"model")
        folder.trial_log_path(number).write_text("log")
    folder.keep_models([1, 3, 99])
    kept = [number for number in range(4) if folder.trial_model_path(number).exists()]
    assert kept == [1, 3]
    assert folder.trial_log_path(0).exists()


# -- checkpoints ---------------------------------------------------------------------------


def test_a_checkpoint_can_be_written_at_once_and_is_removed_with_its_folder(
    folder: StudyFolder,
) -> None:
    path = folder.trial_checkpoint_path(3)
    assert path == folder.path / "trials/0003/checkpoint/epoch.npz"
    write_checkpoint(path, checkpoint())
    folder.trial_log_path(3).write_text("log")
    assert folder.trial_checkpoint_path(3) == path
    folder.remove_checkpoint(3)
    assert not path.parent.exists()
    assert trial_files(folder, 3) == ["log.txt"]


def test_removing_a_checkpoint_that_is_not_there_is_harmless(folder: StudyFolder) -> None:
    folder.remove_checkpoint(0)
    assert trial_files(folder, 0) == []


# -- after a crash -------------------------------------------------------------------------


def test_open_trials_go_on_with_the_epochs_of_their_checkpoints(folder: StudyFolder) -> None:
    folder.write_trial(trial(0))
    for number, state in ((1, TrialState.RUNNING), (2, TrialState.INTERRUPTED)):
        folder.write_trial(open_trial(number, state))
    write_checkpoint(folder.trial_checkpoint_path(1), checkpoint(3, best_epoch=2))
    records, sentences = folder.recover_trials()
    assert sentences == []
    assert records[0] == trial(0)
    assert records[1] == open_trial(1).model_copy(
        update={"history": (epoch(1), epoch(2), epoch(3))}
    )
    assert records[2] == open_trial(2, TrialState.INTERRUPTED)
    assert read_checkpoint(folder.trial_checkpoint_path(1)) is not None


def test_a_trial_that_the_budget_cut_keeps_its_checkpoint_and_can_be_opened_again(
    folder: StudyFolder,
) -> None:
    history = (epoch(1), epoch(2))
    cut = trial(0, state=TrialState.CUT, reason="no time", history=history, end_order=0)
    folder.write_trial(cut)
    write_checkpoint(folder.trial_checkpoint_path(0), checkpoint(2))
    records, _ = folder.recover_trials()
    assert records == [cut], "until then it counts as ended"
    opened = folder.reopen_trial(cut)
    assert opened is not None
    assert (opened.state, opened.reason, opened.end_order) == (TrialState.INTERRUPTED, "", None)
    assert opened.history == history
    assert folder.read_trials() == [cut], "nothing is written"


@pytest.mark.parametrize("content", [None, b"torn"])
def test_a_trial_that_was_cut_stays_so_without_its_checkpoint(
    folder: StudyFolder, content: bytes | None
) -> None:
    """As one of an older study."""
    cut = trial(0, state=TrialState.CUT)
    folder.write_trial(cut)
    if content is not None:
        folder.trial_checkpoint_path(0).write_bytes(content)
    assert folder.reopen_trial(cut) is None


def test_what_an_open_record_says_of_its_epochs_yields_to_the_checkpoint(
    folder: StudyFolder,
) -> None:
    folder.write_trial(open_trial(0).model_copy(update={"history": (epoch(1), epoch(2))}))
    write_checkpoint(folder.trial_checkpoint_path(0), checkpoint(1))
    assert folder.recover_trials()[0][0].history == (epoch(1),)
    folder.remove_checkpoint(0)
    assert folder.recover_trials()[0][0].history == ()


def test_the_checkpoint_of_a_trial_that_ended_is_removed(folder: StudyFolder) -> None:
    write_checkpoint(folder.trial_checkpoint_path(0), checkpoint())
    folder.write_trial(trial(0))  # killed before it could remove the checkpoint
    records, sentences = folder.recover_trials()
    assert (records, sentences) == ([trial(0)], [])
    assert trial_files(folder, 0) == ["epochs.csv", "trial.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xff", b'{"trial": 1}'])
def test_a_torn_record_is_set_aside_and_its_trial_repeated(
    folder: StudyFolder, content: bytes
) -> None:
    for number in range(3):
        folder.write_trial(trial(number))
    write_checkpoint(folder.trial_checkpoint_path(1), checkpoint())
    for number in (0, 1):
        folder.retrained_dir(number, REFIT)
    torn = folder.path / "trials/0001/trial.json"
    torn.write_bytes(content)
    records, sentences = folder.recover_trials()
    assert records == [trial(0), trial(2)]
    assert len(sentences) == 1
    assert sentences[0].startswith(f"{torn}: must be a whole record, got: ")
    assert sentences[0].endswith(". Set aside; the trial is repeated.")
    assert trial_files(folder, 1) == ["epochs.csv", "trial.json.broken"]
    assert torn.with_name("trial.json.broken").read_bytes() == content
    finalists = [path.name for path in (folder.path / "finalists").iterdir()]
    assert finalists == ["0000"], "what was retrained of a trial with other params is not its own"
    assert folder.recover_trials() == (records, [])


def test_a_torn_checkpoint_is_set_aside_and_its_training_begins_again(folder: StudyFolder) -> None:
    folder.write_trial(open_trial(0))
    path = folder.trial_checkpoint_path(0)
    write_checkpoint(path, checkpoint())
    torn = path.read_bytes()[:-50]
    path.write_bytes(torn)
    records, sentences = folder.recover_trials()
    assert records == [open_trial(0)]
    assert len(sentences) == 1
    assert sentences[0].startswith(f"{path}: must be a whole checkpoint, got: ")
    assert sentences[0].endswith(". Set aside; the training begins again.")
    assert not path.exists()
    assert path.with_name("epoch.npz.broken").read_bytes() == torn
    assert folder.recover_trials() == (records, [])


@pytest.mark.parametrize("name", ["trial.json", "checkpoint/epoch.npz"])
def test_what_cannot_be_read_now_is_not_taken_for_torn(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder.write_trial(open_trial(0))
    write_checkpoint(folder.trial_checkpoint_path(0), checkpoint())
    path = folder.path / "trials/0000" / name
    really_open = io.open

    def refuse(file: Any, *args: Any, **options: Any) -> Any:
        if str(file) == str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return really_open(file, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", refuse)
        with pytest.raises(StudyError, match=f"{name}: must be readable, got: Input/output error"):
            folder.recover_trials()
    (record,) = folder.recover_trials()[0]
    assert len(record.history) == len(checkpoint().history)


def test_a_second_torn_file_takes_the_place_of_the_first(folder: StudyFolder) -> None:
    folder.write_trial(open_trial(0))
    for content in (b"first", b"second"):
        folder.trial_checkpoint_path(0).write_bytes(content)
        assert len(folder.recover_trials()[1]) == 1
    assert trial_files(folder, 0) == ["checkpoint/epoch.npz.broken", "trial.json"]
    broken = folder.path / "trials/0000/checkpoint/epoch.npz.broken"
    assert broken.read_bytes() == b"second"


# -- trials of another study ---------------------------------------------------------------


def test_an_adopted_trial_brings_its_log_and_its_model(tmp_path: Path, folder: StudyFolder) -> None:
    other = StudyFolder.create(tmp_path / "results", "other", {})
    other.write_trial(trial(5))
    other.trial_log_path(5).write_text("its log")
    other.trial_model_path(5).write_bytes(b"its model")
    folder.adopt_trial(other, 5, trial(0))
    assert folder.read_trials() == [trial(0)]
    assert trial_files(folder, 0) == ["epochs.csv", "log.txt", "model.keras", "trial.json"]
    assert folder.trial_log_path(0).read_text() == "its log"
    assert folder.trial_model_path(0).read_bytes() == b"its model"
    assert other.read_trials() == [trial(5)]


def test_a_trial_without_model_and_log_is_adopted_too(tmp_path: Path, folder: StudyFolder) -> None:
    other = StudyFolder.create(tmp_path / "results", "other", {})
    other.write_trial(trial(5))
    folder.adopt_trial(other, 5, trial(0))
    assert trial_files(folder, 0) == ["epochs.csv", "trial.json"]
    assert trial_files(other, 5) == ["epochs.csv", "trial.json"]


def test_the_record_of_an_adopted_trial_is_written_last(
    tmp_path: Path, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = StudyFolder.create(tmp_path / "results", "other", {})
    other.write_trial(trial(0))
    other.trial_model_path(0).write_bytes(b"its model")
    seen: list[Any] = []
    write = StudyFolder.write_trial

    def look(self: StudyFolder, record: Any) -> None:
        seen.append(trial_files(self, 0))
        write(self, record)

    monkeypatch.setattr(StudyFolder, "write_trial", look)
    folder.adopt_trial(other, 0, trial(0))
    assert seen == [["model.keras"]]


def test_the_columns_of_trials_csv_are_one_header(folder: StudyFolder) -> None:
    folder.write_trials_table([])
    rows = list(csv.reader((folder.path / "trials.csv").read_text().splitlines()))
    assert len(rows) == 1
    assert rows[0][:3] == ["trial", "state", "reason"]


# -- trials.csv while a search runs --------------------------------------------------------


def read_text(folder: StudyFolder) -> str:
    return (folder.path / "trials.csv").read_text("utf-8")


def test_the_table_gets_a_line_per_end_and_is_whole_in_the_end(folder: StudyFolder) -> None:
    records = [trial(number) for number in (2, 0, 1)]
    table = TrialsTable(folder, records[:1])
    for record in records[1:]:
        table.add(record)
    lines = read_text(folder).splitlines()
    assert [line.split(",")[0] for line in lines] == ["trial", "2", "0", "1"]
    table.rewrite()
    in_session = read_text(folder)
    folder.write_trials_table(sorted(records, key=lambda record: record.trial))
    assert in_session == read_text(folder)
    assert sorted(lines) == sorted(in_session.splitlines()), "a line is the same, however written"


def test_a_new_param_rewrites_the_table(folder: StudyFolder) -> None:
    table = TrialsTable(folder, [trial(0, params={"b": 1})])
    table.add(trial(1, params={"a": 2, "b": 3}))
    table.add(trial(2, params={"a": 4}))
    rows = read_rows(folder.path / "trials.csv")
    assert [(row["param.b"], row["param.a"]) for row in rows] == [("1", ""), ("3", "2"), ("", "4")]


def test_trials_left_open_have_a_line_too(folder: StudyFolder) -> None:
    table = TrialsTable(folder, [])
    table.add(trial(1))
    table.open.append(trial(0, state=TrialState.INTERRUPTED))
    table.rewrite()
    rows = read_rows(folder.path / "trials.csv")
    assert [(row["trial"], row["state"]) for row in rows] == [
        ("0", "interrupted"),
        ("1", "complete"),
    ]


def test_a_torn_last_line_is_gone_in_the_next_session(folder: StudyFolder) -> None:
    table = TrialsTable(folder, [trial(0)])
    table.add(trial(1))
    path = folder.path / "trials.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    TrialsTable(folder, [trial(0), trial(1)])
    assert path.read_bytes() == whole


def test_models_are_known_by_their_numbers(folder: StudyFolder) -> None:
    assert folder.kept_models() == set()
    for number in (0, 2, 10000):
        folder.trial_model_path(number).write_bytes(b"model")
    folder.write_trial(trial(1))
    assert folder.kept_models() == {0, 2, 10000}


def test_models_are_deleted_by_their_numbers(folder: StudyFolder) -> None:
    for number in range(3):
        folder.trial_model_path(number).write_bytes(b"model")
    folder.remove_models([0, 2, 7])
    assert [folder.trial_model_path(number).exists() for number in range(3)] == [False, True, False]
