"""`autocnn resume` from outside: what reaches the study, what is told, and its exit codes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from autocnn.api import display
from autocnn.cli.main import run
from autocnn.core.events import Interruption
from autocnn.storage import StudyFolder
from autocnn.study import run as study
from tests.cli import studies
from tests.cli.studies import Closing
from tests.samples import trial

Output = pytest.CaptureFixture[str]


def make_study(name: str = "mine", **asked: Any) -> StudyFolder:
    """A finished one that lacks nothing."""
    folder = studies.make_study(name, **asked)
    folder.write_report("<html>")
    return folder


def test_flags_reach_the_resumed_study_as_changes(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def take(folder: StudyFolder, observer: Any, **options: Any) -> StudyFolder:
        assert isinstance(options.pop("interruption"), Interruption)
        asked.append((folder.path, type(observer), options))
        return folder

    monkeypatch.setattr(study, "resume", take)
    make_study()
    arguments = (
        "resume mine --trials 80 --budget 3h --workers 2 --threads 1 --trial-timeout 90s "
        "--memory-limit 2GB --disk-limit 1TB --cache-dir cache --force-unlock --quiet "
        "--cluster auto --storage shared "
        "--tensorboard --mlflow http://127.0.0.1:5000"
    )
    assert run(arguments.split()) == 0
    changes = {
        "trials": 80,
        "budget_s": 10800.0,
        "workers": 2,
        "threads": 1,
        "trial_timeout_s": 90.0,
        "memory_limit_gb": 2.0,
        "disk_limit_gb": 1000.0,
        "cache_dir": "cache",
        "cluster": "auto",
        "storage": "shared",
        "tensorboard": True,
        "mlflow": "http://127.0.0.1:5000",
    }
    assert asked == [
        (
            Path("results/mine"),
            display.QuietDisplay,
            {"changes": changes, "force_unlock": True, "trust_code": False},
        )
    ]
    out = capsys.readouterr().out
    assert "Leaderboard of mine" in out
    assert "In results/mine:" in out
    assert "all trials        trials.csv" in out


def test_without_flags_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def take(folder: StudyFolder, observer: Any, **options: Any) -> StudyFolder:
        asked.append((folder.name, options["force_unlock"], set(options["changes"].values())))
        return folder

    monkeypatch.setattr(study, "resume", take)
    for age, name in enumerate(("b", "c", "a")):
        os.utime(make_study(name).path / "study.json", (1000 + age, 1000 + age))
    assert run(["resume"]) == 0
    assert asked == [("a", False, {None})], "the newest"


def test_a_finished_study_says_how_to_get_more_trials(capsys: Output) -> None:
    folder = make_study(trials=2)
    for number in range(2):
        folder.write_trial(trial(number))
    assert run(["resume", "mine"]) == 0
    out, err = capsys.readouterr()
    assert err == (
        "results/mine: is finished, with 2 trials. For more, say how many in all: "
        "autocnn resume results/mine --trials 4\n"
    )
    assert "Leaderboard of mine" in out
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "with 31 trials"),
        ("--budget 30m", "with 31 trials"),
        ("--trials 62", "and has no time for more: it took 2 h 01 min of 2 h 00 min"),
        ("--trials 62 --budget 1h", "and has no time for more: it took 2 h 01 min of 60 min"),
    ],
)
def test_a_finished_study_without_time_says_what_it_needs(
    capsys: Output, asked: str, said: str
) -> None:
    folder = make_study(trials=50, budget_s=7200.0)
    for number in range(31):
        folder.write_trial(trial(number))
    folder.write_study(folder.read_study() | {"seconds": 7260.0})
    folder.write_report("<html>")
    before = folder.read_study()
    assert run(["resume", "mine", *asked.split()]) == 0
    assert capsys.readouterr().err == (
        f"results/mine: is finished, {said}. For more, say how much in all sessions together: "
        "autocnn resume results/mine --trials 62 --budget 242m\n"
    )
    assert folder.read_study() == before


def test_a_budget_below_what_was_taken_is_no_more_time(capsys: Output) -> None:
    folder = make_study(trials=2)
    for number in range(2):
        folder.write_trial(trial(number))
    folder.write_study(folder.read_study() | {"seconds": 4 * 3600.0})
    folder.write_report("<html>")
    before = folder.read_study()
    assert run(["resume", "mine", "--budget", "3h"]) == 0
    assert capsys.readouterr().err == (
        "results/mine: is finished, with 2 trials. For more, say how much in all sessions "
        "together: autocnn resume results/mine --trials 4 --budget 480m\n"
    )
    assert folder.read_study() == before


def test_a_study_that_is_not_there_cannot_be_resumed(capsys: Output) -> None:
    assert run(["resume"]) == 4
    assert "results: must hold a study, got none." in capsys.readouterr().err
    make_study()
    assert run(["resume", "mime"]) == 4
    assert capsys.readouterr().err == (
        "Error: mime: must be a study under results or a path to one, got neither.\n"
        "There are: mine.\n"
    )


def test_a_study_that_another_host_writes_needs_force(capsys: Output) -> None:
    folder = make_study()
    owner = {"host": "far", "process": 4, "started": 0.0}
    (folder.path / ".owner.json").write_text(json.dumps(owner))
    assert run(["resume", "mine"]) == 4
    err = capsys.readouterr().err
    assert "process 4 on far" in err
    assert err.endswith("If that process is gone, ask again with --force-unlock.\n")
    assert run(["resume", "mine", "--force-unlock"]) == 0
    assert capsys.readouterr().err.startswith("Taken over from process 4 on far, started ")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "mine"}', '{"surprise": 1}'])
def test_a_broken_study_json_exits_with_4(capsys: Output, content: str) -> None:
    (make_study().path / "study.json").write_text(content)
    assert run(["resume", "mine"]) == 4
    err = capsys.readouterr().err
    assert err.startswith("Error: results/mine/study.json: ")
    assert "Traceback" not in err


def test_a_change_that_a_study_does_not_allow_exits_with_2(capsys: Output) -> None:
    make_study(deterministic=True)
    assert run(["resume", "mine", "--workers", "2"]) == 2
    assert "must be 1 with --deterministic" in capsys.readouterr().err


def test_a_study_that_cannot_go_on_is_let_go(capsys: Output) -> None:
    folder = make_study(trials=2, space="gone")
    folder.write_study(folder.read_study() | {"status": "interrupted"})
    assert run(["resume", "mine"]) == 2
    assert "--space must be a shipped name" in capsys.readouterr().err
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


def test_resume_closes_the_display_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Closing()
    monkeypatch.setattr(display, "show_progress", lambda *, is_quiet: shown)
    make_study()
    assert run(["resume", "mine"]) == 0
    assert shown.num_closed == 1
    (Path("results") / "mine" / "study.json").write_text("{")
    assert run(["resume", "mine"]) == 4
    assert shown.num_closed == 2


def test_the_code_of_a_study_runs_only_when_it_is_trusted(capsys: Output) -> None:
    """However it came here; nobody asks for a process, which `own_folder` forbids."""
    folder = make_study(trials=2, space="gone.yaml", model="evil.py:build")
    folder.write_study(folder.read_study() | {"status": "interrupted"})
    before = sorted(folder.path.iterdir())
    assert run(["resume", "mine"]) == 2
    err = capsys.readouterr().err
    assert "must be trusted before it runs, got evil.py:build without that" in err
    assert "give --trust-code." in err
    assert sorted(folder.path.iterdir()) == before
    assert run(["resume", "mine", "--trust-code"]) == 2
    assert "gone.yaml: the space file must be readable" in capsys.readouterr().err
