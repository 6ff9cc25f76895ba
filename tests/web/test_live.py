"""A study as the page sees it, while it runs and after."""

from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import StudyError
from autocnn.core.records import TrialRecord, TrialState
from autocnn.storage import StudyFolder
from autocnn.storage.checkpoint import Checkpoint, write_checkpoint
from autocnn.web.live import LiveStudy
from tests.reporting.studies import make_history, make_status, make_trials
from tests.reporting.test_comparison import make_study


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    folder = StudyFolder.create(tmp_path, "mine", make_status("mine").to_json())
    facts = folder.read_study()
    folder.write_study({**facts, "status": "searching", "choice": None})
    for trial in make_trials(4):
        folder.write_trial(trial)
    return folder


def test_the_state_says_what_runs_and_what_is_best(folder: StudyFolder) -> None:
    live = LiveStudy(folder)
    state = live.state()
    assert not state["is_running"]
    goes_on = f"`autocnn resume {folder.argument}` goes on."
    assert state["sentence"] == f"Stopped: 4 of 24 trials ended. {goes_on}"
    folder.lock()
    state = live.state()
    assert state["is_running"]
    assert state["sentence"] == "It searches: 4 of 24 trials ended."
    may_win = [trial for trial in make_trials(4) if trial.may_win]
    best = max(may_win, key=lambda trial: trial.objective or 0)
    assert state["best"] == best.trial
    assert [row["trial"] for row in state["trials"]] == [0, 1, 2, 3]
    assert len(state["trials"][0]["curve"]) == len(make_trials(4)[0].history)
    assert state["leaderboard"] is None


def test_a_trial_that_was_stopped_behind_others_is_not_the_best(folder: StudyFolder) -> None:
    before = LiveStudy(folder).state()
    assert before["leaders"][-1] == before["best"]
    facts = {"state": TrialState.PRUNED, "objective": 0.9999}
    folder.write_trial(make_trials(5)[4].model_copy(update=facts))
    after = LiveStudy(folder).state()
    assert (after["best"], after["leaders"]) == (before["best"], before["leaders"])


def test_an_interrupted_trial_has_not_ended(folder: StudyFolder) -> None:
    open_one = make_trials(5)[4].model_copy(update={"state": TrialState.INTERRUPTED})
    folder.write_trial(open_one)
    assert LiveStudy(folder).state()["sentence"].startswith("Stopped: 4 of 24 trials ended.")


def test_a_trial_that_runs_has_the_epochs_of_its_checkpoint(folder: StudyFolder) -> None:
    running = make_trials(5)[4].model_copy(
        update={"state": TrialState.RUNNING, "history": (), "objective": None, "end_order": None}
    )
    folder.write_trial(running)
    live = LiveStudy(folder)
    assert live.state()["trials"][4]["epoch"] == 0
    arrays = [np.zeros(3, np.float32)]
    path = folder.trial_checkpoint_path(4)
    for number in (1, 2):
        history = make_history(number, 0.9)
        write_checkpoint(path, Checkpoint(history, number, arrays, arrays, arrays))
        assert live.state()["trials"][4]["epoch"] == number
    path.write_bytes(path.read_bytes()[:100])
    assert live.state()["trials"][4]["epoch"] == 0, "torn: read again at the next look"
    assert path.exists(), "who looks on renames nothing"


def test_a_record_is_read_once_for_each_time_that_it_was_written(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, original = LiveStudy(folder), StudyFolder.read_trial
    read: list[int] = []

    def note(self: StudyFolder, number: int) -> TrialRecord:
        read.append(number)
        return original(self, number)

    monkeypatch.setattr(StudyFolder, "read_trial", note)
    live.state()
    live.state()
    assert read == [0, 1, 2, 3]
    folder.write_trial(make_trials(5)[4])
    live.state()
    assert read == [0, 1, 2, 3, 4]


def test_a_trial_has_params_curve_and_the_end_of_its_log(folder: StudyFolder) -> None:
    folder.trial_log_path(1).write_text("x" * 30_000 + "\nlast line <b>")
    trial = LiveStudy(folder).trial(1)
    assert len(trial["log"]) == 20_000
    assert trial["log"].endswith("last line <b>")
    assert trial["epochs"][0]["epoch"] == 1
    assert trial["params"]
    with pytest.raises(StudyError, match="must be readable"):
        LiveStudy(folder).trial(99)
    assert not (folder.path / "trials/0099").exists(), "looking makes no folder"


def test_a_finished_study_says_so(tmp_path: Path) -> None:
    state = LiveStudy(make_study(tmp_path, "done")).state()
    assert state["sentence"].startswith("Done, "), "no trials were copied with it"
