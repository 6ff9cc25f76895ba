"""What can go wrong, done on purpose, in real processes: each fault ends in a state.

docs/reliability.md is the table of these tests in words.
"""

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from autocnn.core.errors import DiskFullError
from autocnn.core.objective import Goal
from autocnn.execution.processes import START_VARIABLE
from autocnn.spaces.files import parse_space
from autocnn.storage import StudyFolder
from autocnn.tuning.engines.base import Proposal
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.faults.studies import SPACE, Place, has_trained, read_record, read_table, trained_epochs

pytestmark = pytest.mark.slow


@pytest.fixture(params=["forkserver", pytest.param("spawn", marks=pytest.mark.full)])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return Place(tmp_path, {START_VARIABLE: request.param})


@pytest.fixture
def warm_place(tmp_path: Path) -> Place:
    """Where workers take task after task."""
    return Place(tmp_path, {START_VARIABLE: "spawn"})


def states(study: Path) -> list[str]:
    return [row["state"] for row in read_table(study / "trials.csv")]


def children_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


# -- faults of a trial ---------------------------------------------------------------------


def test_every_fault_of_a_trial_becomes_a_state_and_the_study_goes_on(place: Place) -> None:
    place.env["FAULTS"] = json.dumps(
        {1: "kill", 2: "memory", 3: "hang", 4: "nan", 5: "segfault", 6: "error", 7: "always-memory"}
    )
    code, stderr = place.search(
        trials=9, pruner="none", trial_timeout_s=10, memory_limit_gb=0.35, workers=2
    ).wait()
    assert code == 0, stderr
    study = place.study()
    ends = {row["trial"]: (row["state"], row["reason"]) for row in read_table(study / "trials.csv")}
    assert ends == {
        "0": ("complete", ""),
        "1": ("failed", "its process was ended by SIGKILL"),
        "2": ("complete", "with half the batch: it ran out of memory with the whole one"),
        "3": ("timed-out", "ran longer than its 10 s"),
        "4": ("failed", "diverged: the loss became nan in epoch 2"),
        "5": ("failed", "its process was ended by SIGSEGV"),
        "6": ("failed", "ZeroDivisionError: a bug"),
        "7": (
            "out-of-memory",
            "MemoryError: ; with half the batch: it ran out of memory with the whole one",
        ),
        "8": ("complete", ""),
    }
    diverged = [r.trial for r in StudyFolder(study).read_trials() if r.is_diverged]
    assert diverged == [4], "the error comes back from its process"
    rows = read_table(study / "leaderboard.csv")
    kinds = [(row["trial"], row["kind"]) for row in rows if row["kind"] != "ensemble"]
    assert sorted(kinds) == [("0", "refit"), ("8", "refit")]
    assert "a bug" in read_record(study, 6)["traceback"]


def test_a_warm_worker_that_is_killed_costs_its_trial_alone(warm_place: Place) -> None:
    warm_place.env["FAULTS"] = json.dumps({1: "kill", 2: "hang", 3: "error"})
    code, stderr = warm_place.search(trials=6, pruner="none", trial_timeout_s=10).wait()
    assert code == 0, stderr
    assert states(warm_place.study()) == [
        "complete",
        "failed",
        "timed-out",
        "failed",
        "complete",
        "complete",
    ]
    epochs = trained_epochs(warm_place.study())
    assert [epochs[f"trials/{trial:04d}"] for trial in (0, 4, 5)] == [[1, 2, 3, 4]] * 3


def test_first_trials_that_all_fail_alike_end_the_study_with_the_cause(place: Place) -> None:
    place.env["FAULTS"] = json.dumps(dict.fromkeys(range(9), "nan"))
    code, stderr = place.search(trials=9, pruner="none").wait()
    assert code == 5
    assert "none of 3 trials did; the last was failed: diverged: the loss became nan" in stderr
    assert states(place.study()) == ["failed"] * 3


def test_the_server_of_the_processes_may_be_killed(tmp_path: Path) -> None:
    place = Place(tmp_path, {START_VARIABLE: "forkserver"})
    place.env |= {"FAULTS": '{"1": "wait"}', "GO_ON": str(place.path / "go")}
    session = place.search(trials=4, pruner="none")
    assert session.wait_until(lambda: has_trained(place.study(), 1))
    server = next(
        p
        for p in children_of(session.process.pid)
        if "multiprocessing.forkserver" in " ".join(p.cmdline()) and p.ppid() == session.process.pid
    )
    server.kill()
    time.sleep(1)
    (place.path / "go").touch()
    code, stderr = session.wait()
    assert code == 0, stderr
    assert states(place.study()) == ["complete", "failed", "complete", "complete"]
    assert "server" in read_record(place.study(), 1)["reason"]


def test_workers_end_with_their_parent(place: Place) -> None:
    place.env |= {"FAULTS": '{"0": "hang"}'}
    session = place.search(trials=2)
    assert session.wait_until(lambda: has_trained(place.study(), 0))
    children = children_of(session.process.pid)
    session.process.kill()
    session.process.communicate()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


# -- faults of the folder ------------------------------------------------------------------


def stop_in_trial_2(place: Place, **changes: object) -> None:
    """A study of six trials that was killed in the second epoch of trial 2."""
    place.env |= {"FAULTS": '{"2": "wait"}', "GO_ON": str(place.path / "go")}
    session = place.search(pruner="none", **changes)
    assert session.wait_until(lambda: has_trained(place.study(), 2))
    session.kill_all()
    (place.path / "go").touch()


@pytest.mark.full
def test_a_torn_checkpoint_is_set_aside_and_the_trial_repeated(place: Place) -> None:
    stop_in_trial_2(place)
    path = place.study() / "trials/0002/checkpoint/epoch.npz"
    path.write_bytes(path.read_bytes()[:-100])
    code, stderr = place.resume().wait()
    assert code == 0, stderr
    assert "epoch.npz: must be a whole checkpoint" in stderr
    assert "Set aside; the training begins again." in stderr
    assert states(place.study()) == ["complete"] * 6
    trained = trained_epochs(place.study())
    assert trained["trials/0002"] == [1, 1, 2, 3, 4]
    assert trained["trials/0001"] == [1, 2, 3, 4], "nothing else was repeated"


@pytest.mark.parametrize("name", ["0001", "0002"], ids=["of an ended trial", "of an open trial"])
@pytest.mark.full
def test_a_torn_record_is_set_aside_and_the_trial_repeated(place: Place, name: str) -> None:
    stop_in_trial_2(place)
    before = read_record(place.study(), 1)["params"]
    path = place.study() / "trials" / name / "trial.json"
    path.write_text(path.read_text()[:-30])
    code, stderr = place.resume().wait()
    assert code == 0, stderr
    assert f"{name}/trial.json: must be a whole record" in stderr
    assert states(place.study()) == ["complete"] * 6
    assert read_record(place.study(), 1)["params"] == before
    assert (path.parent / "trial.json.broken").exists()


@pytest.mark.full
def test_a_torn_record_of_a_finalist_takes_the_study_back_to_its_search(place: Place) -> None:
    place.env["EPOCH_S"] = "0.1"
    session = place.search(pruner="none")
    assert session.wait_until(lambda: [*place.study().glob("finalists/*/refit/retrained.json")])
    session.kill_all()
    chosen = json.loads((place.study() / "study.json").read_text())["finalists"]
    first, finalist = chosen[0]["trial"], chosen[1]["trial"]
    path = place.study() / f"trials/{finalist:04d}/trial.json"
    before = json.loads(path.read_text())["objective"]
    path.write_text("{")
    code, stderr = place.resume().wait()
    assert code == 0, stderr
    assert states(place.study()) == ["complete"] * 6
    assert read_record(place.study(), finalist)["objective"] == before
    trials = {row["trial"] for row in read_table(place.study() / "leaderboard.csv")}
    assert trials == {str(facts["trial"]) for facts in chosen}
    kept = trained_epochs(place.study())[f"finalists/{first:04d}/refit"]
    assert kept.count(1) == 1, "its refit was kept"


@pytest.mark.full
def test_more_trials_after_the_end_are_a_second_look_at_test(place: Place) -> None:
    code, stderr = place.search().wait()
    assert (code, "opened before" in stderr) == (0, False), stderr
    code, stderr = place.resume(trials=9).wait()
    assert code == 0, stderr
    assert "The test split has been opened before (2 times now)" in stderr
    status = json.loads((place.study() / "study.json").read_text())
    assert [look["is_over"] for look in status["test_looks"]] == [True, True]
    chosen = {facts["trial"] for facts in status["finalists"]}
    assert 0 in chosen, "the default configuration is always a finalist"
    kept = {int(path.name) for path in (place.study() / "finalists").iterdir()}
    assert kept == chosen


def test_two_resumes_at_once(place: Place) -> None:
    stop_in_trial_2(place)
    (place.path / "go").unlink()
    first = place.resume()
    assert first.wait_until(
        lambda: (
            (place.study() / "trials.csv").exists()
            and len(read_table(place.study() / "trials.csv")) >= 2
            and (place.study() / ".owner.json").exists()
            and json.loads((place.study() / ".owner.json").read_text())["process"]
            == first.process.pid
        )
    )
    code, stderr = place.resume().wait()
    assert code == 4
    assert f"process {first.process.pid} on" in stderr
    assert f"kill {first.process.pid}" in stderr
    (place.path / "go").touch()
    code, stderr = first.wait()
    assert code == 0, stderr
    assert "Taken over from process" in stderr
    assert states(place.study()) == ["complete"] * 6


@pytest.mark.full
def test_an_owner_on_another_host_is_believed_to_live(place: Place) -> None:
    stop_in_trial_2(place)
    owner = {"host": "elsewhere", "process": 1, "started": 1.0}
    (place.study() / ".owner.json").write_text(json.dumps(owner))
    code, stderr = place.resume().wait()
    assert code == 4
    assert "process 1 on elsewhere" in stderr
    assert "force_unlock=True" in stderr
    code, stderr = place.resume(force_unlock=True).wait()
    assert code == 0, stderr


@pytest.mark.full
def test_search_never_overwrites_a_study(place: Place) -> None:
    stop_in_trial_2(place)
    record = (place.study() / "trials/0001/trial.json").read_bytes()
    code, stderr = place.search().wait()
    assert code == 4
    assert "autocnn resume" in stderr
    assert (place.study() / "trials/0001/trial.json").read_bytes() == record


def test_changed_images_stop_the_resume_with_the_difference(place: Place) -> None:
    stop_in_trial_2(place)
    with np.load(place.path / "data.npz") as file:
        x, y = file["x"], file["y"]
    x[7] = 0
    np.savez(place.path / "data.npz", x=x, y=y)
    code, stderr = place.resume().wait()
    assert code == 4
    assert "1 image has another content: " in stderr
    assert "--fork" in stderr
    assert (place.study() / "trials/0002/checkpoint/epoch.npz").exists(), "nothing was lost"


def test_a_changed_space_stops_the_resume_and_a_fork_takes_over_what_holds(place: Place) -> None:
    stop_in_trial_2(place)
    narrow = SPACE.replace("high: 64", "high: 32")
    (place.path / "space.yaml").write_text(narrow)
    code, stderr = place.resume().wait()
    assert code == 4
    assert "Space: width was 4 .. 64, step 4, is 4 .. 32, step 4." in stderr
    code, stderr = place.search(name="fork", fork=str(place.study()), pruner="none").wait()
    assert code == 0, stderr
    valid = [n for n in (0, 1) if read_record(place.study(), n)["params"]["width"] <= 32]
    assert f"Took over {len(valid)} of 2 ended trials" in stderr
    assert states(place.study("fork")) == ["complete"] * 6
    assert read_record(place.study("fork"), 0)["params"] == read_record(place.study(), 0)["params"]
    assert "trials/0000" not in trained_epochs(place.study("fork"))


def defaults(study: Path) -> list[bool]:
    """Of each candidate, whether it is said to be the default configuration."""
    return [record.is_default for record in StudyFolder(study).read_candidates()]


@pytest.mark.full
def test_number_0_of_a_fork_is_not_the_default_configuration_of_another_start(place: Place) -> None:
    assert place.search(trials=2).wait()[0] == 0
    assert defaults(place.study()).count(True) == 1
    space = place.path / "space.yaml"
    space.write_text(SPACE.replace("{width: 8, ", "{width: 16, "))
    code, stderr = place.search(name="fork", fork=str(place.study()), trials=2).wait()
    assert code == 0, stderr
    assert "Took over 2 of 2 ended trials" in stderr
    assert read_record(place.study("fork"), 0)["params"]["width"] == 8
    assert defaults(place.study("fork")) == [False]


# -- a full disk ---------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 260 MB: the guard wants 200 MB of free space."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_fills_up_stops_the_study_before_it_breaks(
    tmp_path: Path, small_disk: Path
) -> None:
    place = Place(
        tmp_path, {"EPOCH_S": "0.5", "FAULTS": '{"2": "wait"}', "GO_ON": str(tmp_path / "go")}
    )
    results = str(small_disk / "results")
    session = place.search(results=results, pruner="none")
    study = small_disk / "results/s"
    assert session.wait_until(lambda: has_trained(study, 2))
    (small_disk / "ballast").write_bytes(bytes(120_000_000))
    code, stderr = session.wait()
    assert code == 4
    assert "must have 200 MB of free space" in stderr
    assert states(study) == ["complete", "complete", "interrupted"]
    (small_disk / "ballast").unlink()
    (tmp_path / "go").touch()
    code, stderr = place.start("resume", str(study)).wait()
    assert code == 0, stderr
    assert states(study) == ["complete"] * 6
    assert trained_epochs(study)["trials/0002"] == [1, 2, 3, 4]


def test_a_disk_that_is_full_at_once_loses_no_finished_trial(
    tmp_path: Path, small_disk: Path
) -> None:
    place = Place(
        tmp_path, {"FAULTS": '{"2": "wait"}', "GO_ON": str(tmp_path / "go"), "CHECKPOINT_MB": "5"}
    )
    study = small_disk / "results/s"
    session = place.search(results=str(small_disk / "results"), pruner="none")
    assert session.wait_until(lambda: has_trained(study, 2))
    with (small_disk / "ballast").open("wb") as ballast, pytest.raises(OSError, match="No space"):
        while True:
            ballast.write(bytes(1_000_000))
            ballast.flush()
    (tmp_path / "go").touch()
    code, stderr = session.wait()
    assert code == 4, stderr
    assert "disk" in stderr
    (small_disk / "ballast").unlink()
    code, stderr = place.start("resume", str(study)).wait()
    assert code == 0, stderr
    assert states(study) == ["complete"] * 6
    assert trained_epochs(study)["trials/0000"] == [1, 2, 3, 4]


@pytest.mark.full
def test_other_versions_and_another_machine_are_told_and_the_study_goes_on(place: Place) -> None:
    stop_in_trial_2(place)
    path = place.study() / "study.json"
    status = json.loads(path.read_text())
    status["versions"]["keras"] = "3.0.0"
    status["machine"]["num_cpus"] = 99
    path.write_text(json.dumps(status))
    code, stderr = place.resume().wait()
    assert code == 0, stderr
    assert "Warning: Since this study began: keras was 3.0.0, is " in stderr
    assert "Another machine: num_cpus was 99, is " in stderr


def test_a_full_disk_under_the_engine_s_database_is_told(small_disk: Path) -> None:
    space = parse_space(SPACE, source="space.yaml", name="space")
    engine = OptunaEngine(space, Goal("accuracy"), storage=f"sqlite:///{small_disk}/optuna.db")
    assert isinstance(engine.ask(0), Proposal)
    with (small_disk / "ballast").open("wb") as ballast, pytest.raises(OSError, match="No space"):
        while True:
            ballast.write(bytes(1_000_000))
            ballast.flush()
    with pytest.raises(DiskFullError, match=r"optuna\.db: must be writable, got: .*full"):
        for trial in range(1, 100):
            engine.ask(trial)
    engine.close()


def test_a_read_only_folder_is_told_and_left_alone(tmp_path: Path, small_disk: Path) -> None:
    place = Place(tmp_path, {"FAULTS": '{"2": "wait"}', "GO_ON": str(tmp_path / "go")})
    study = small_disk / "results/s"
    session = place.search(results=str(small_disk / "results"), pruner="none")
    assert session.wait_until(lambda: has_trained(study, 2))
    session.kill_all()
    (tmp_path / "go").touch()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, stderr = place.start("resume", str(study)).wait()
    assert code == 4
    assert "Read-only file system" in stderr
    code, stderr = place.search(results=str(small_disk / "results"), name="other").wait()
    assert code == 4
    assert "Choose a folder that you may write to" in stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    code, stderr = place.start("resume", str(study)).wait()
    assert code == 0, stderr
    assert states(study) == ["complete"] * 6


@pytest.mark.full
def test_a_study_over_its_disk_limit_stops_and_goes_on_with_more(place: Place) -> None:
    place.env["CHECKPOINT_MB"] = "3"
    code, stderr = place.search(disk_limit_gb=1e-6).wait()
    assert code == 4
    assert "--disk-limit" in stderr
    code, stderr = place.resume(disk_limit_gb=1.0).wait()
    assert code == 0, stderr
    assert len(states(place.study())) == 6


# -- stopping on purpose -------------------------------------------------------------------


def test_ctrl_c_once_ends_after_the_epoch_and_says_how_to_go_on(place: Place) -> None:
    place.env["EPOCH_S"] = "0.5"
    session = place.search(pruner="none")
    assert session.wait_until(lambda: has_trained(place.study(), 1))
    session.process.send_signal(signal.SIGINT)
    code, stderr = session.wait()
    assert code == 130
    assert "Ctrl-C again stops at once" in stderr
    assert f"Go on with `autocnn resume {place.study()}`" in stderr
    before = trained_epochs(place.study())["trials/0001"]
    assert states(place.study())[-1] == "interrupted"
    place.env["EPOCH_S"] = "0.01"
    code, stderr = place.resume().wait()
    assert code == 0, stderr
    assert f"trial 1 goes on after epoch {before[-1]}" in stderr
    assert trained_epochs(place.study())["trials/0001"] == [1, 2, 3, 4]


def test_ctrl_c_twice_ends_at_once(place: Place) -> None:
    place.env["FAULTS"] = '{"1": "hang"}'
    session = place.search(pruner="none")
    assert session.wait_until(lambda: has_trained(place.study(), 1))
    time.sleep(0.5)
    session.process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    assert session.process.poll() is None, "it waits for the epoch"
    session.process.send_signal(signal.SIGINT)
    code, stderr = session.wait(100)
    assert code == 130, stderr
    assert states(place.study()) == ["complete", "interrupted"]


def test_more_trials_are_a_total(place: Place) -> None:
    code, stderr = place.search(trials=3, pruner="none").wait()
    assert code == 0, stderr
    code, stderr = place.resume(trials=5).wait()
    assert code == 0, stderr
    assert states(place.study()) == ["complete"] * 5
    before = (place.study() / "leaderboard.csv").read_bytes()
    code, stderr = place.resume(trials=5).wait()
    assert code == 0
    assert "is finished" in stderr
    assert (place.study() / "leaderboard.csv").read_bytes() == before


@pytest.mark.full
def test_a_budget_counts_all_sessions_and_is_kept(place: Place) -> None:
    place.env["EPOCH_S"] = "0.4"
    session = place.search(trials=200, budget_s=40, pruner="none")
    status_path = place.study() / "study.json"

    def is_half_over() -> bool:
        if (place.study() / "trials/0010/trial.json").exists():
            return True  # else the machine is slow, and the search ended before
        return status_path.exists() and json.loads(status_path.read_text())["status"] == "finalists"

    assert session.wait_until(is_half_over)
    assert "of it for the finalists" in session.kill_all()
    code, stderr = place.resume().wait()
    assert code == 0, stderr
    # Without a budget: 200 trials of 4 epochs of 0.4 s. How long judging takes is the machine's.
    assert json.loads((place.study() / "study.json").read_text())["seconds"] < 160
    # If it began again at the resume, a worker would train for 17 s and 32 more.
    trials = sorted(place.study().glob("trials/*/trial.json"))
    assert trials
    assert sum(json.loads(trial.read_text())["seconds"] for trial in trials) <= 40


def test_study_json_repeats_the_study(place: Place) -> None:
    code, stderr = place.search(deterministic=True).wait()
    assert code == 0, stderr
    (place.path / "space.yaml").unlink()  # the study has its own copy
    study = place.study()
    asked = json.dumps({"name": "again", "results": str(study.parent)})  # no place is repeated
    code, stderr = place.start("search", asked, str(study / "study.json")).wait()
    assert code == 0, stderr
    again = place.study("again")
    assert read_table(again / "trials.csv") == read_table(study / "trials.csv")
    assert read_table(again / "leaderboard.csv") == read_table(study / "leaderboard.csv")


@pytest.mark.full
def test_a_killed_study_whose_space_file_is_gone_goes_on_with_its_copy(place: Place) -> None:
    stop_in_trial_2(place)
    (place.path / "space.yaml").unlink()
    code, stderr = place.resume().wait()
    assert code == 0, stderr
    assert "space.yaml is gone; the study's own copy of the space is used." in stderr
    assert states(place.study()) == ["complete"] * 6


@pytest.mark.full
def test_a_study_may_be_moved_and_resumed(place: Place) -> None:
    stop_in_trial_2(place)
    (place.path / "elsewhere").mkdir()
    place.study().rename(place.path / "elsewhere/renamed")
    code, stderr = place.start("resume", str(place.path / "elsewhere/renamed")).wait()
    assert code == 0, stderr
    assert states(place.path / "elsewhere/renamed") == ["complete"] * 6
    assert not place.study().exists()


# -- long studies --------------------------------------------------------------------------


def test_200_trials_with_kills_leave_the_parent_as_it_was(place: Place) -> None:
    killed = random.Random(0).sample(range(3, 200), 30)
    faults = {str(number): "kill" for number in killed}
    place.env |= {"FAULTS": json.dumps(faults), "EPOCH_S": "0"}
    session = place.search(trials=200, epochs=2, pruner="none", sampler="random", workers=2)
    parent = psutil.Process(session.process.pid)
    sizes: dict[int, tuple[float, int]] = {}

    def look(number: int) -> None:
        done = place.study() / f"trials/{number:04d}/epochs.csv"
        assert session.wait_until(done.exists, timeout_s=240)
        sizes[number] = parent.memory_info().rss / 1e6, parent.num_fds()

    for number in (40, 195):
        look(number)
    code, stderr = session.wait(240)
    assert code == 0, stderr
    assert states(place.study()).count("failed") == len(faults)
    assert sizes[195][0] - sizes[40][0] < 10, sizes
    assert sizes[195][1] - sizes[40][1] <= 4, sizes
    print(sizes)
