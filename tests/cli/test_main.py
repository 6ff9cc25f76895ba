"""The command line from outside: what it prints, and its exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from autocnn import __version__
from autocnn.api import display
from autocnn.cli.main import COMMANDS, run
from autocnn.core.errors import AutocnnError, SearchInterrupted
from autocnn.core.events import Interruption
from autocnn.reporting.leaderboard import COLUMNS, MORE_COLUMNS
from autocnn.spaces import files as space_files
from autocnn.storage import StudyFolder
from autocnn.study import run as study
from tests.cli.studies import Closing, make_study

Output = pytest.CaptureFixture[str]


# -- help and usage ------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands(capsys: Output, flag: str) -> None:
    assert run([flag]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name, meaning in COMMANDS.items():
        assert name in out
        assert meaning in out


def test_the_commands_are_the_contract() -> None:
    assert list(COMMANDS) == [
        "search",
        "resume",
        "audit",
        "leaderboard",
        "list",
        "compare",
        "remove",
        "report",
        "export",
        "predict",
        "evaluate",
        "view",
        "serve",
        "dashboard",
        "spaces",
        "doctor",
        "completion",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: Output, command: str) -> None:
    assert run([command, "--help"]) == 0
    assert f"Usage: autocnn {command}" in capsys.readouterr().out


def test_version(capsys: Output) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"autocnn, version {__version__}\n"


def test_no_command_shows_the_help(capsys: Output) -> None:
    assert run([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serach"], ["No such command 'serach'", "Did you mean 'search'?"]),
        (["zzz"], ["No such command 'zzz'.\n"]),
        (["x" * 300], ["No such command"]),
        (["export"], ["Missing option '--format'", "keras, savedmodel, onnx, litert"]),
        (["--colour"], ["No such option", "--colour"]),
        (["search", "--trails", "3"], ["No such option", "--trails", "--trials"]),
        (["search", "--trials", "0"], ["--trials", "0 is not in the range x>=1"]),
        (["search", "--trials", "many"], ["--trials", "'many' is not a valid integer"]),
        (["search", "--budget", "soon"], ["--budget", "like 90s, 30m or 2h, got 'soon'"]),
        (["search", "--budget", "3"], ["--budget", "needs a unit: 3s, 3m or 3h?"]),
        (["search", "--trial-timeout", "0"], ["--trial-timeout", "above 0", "got '0'"]),
        (["search", "x", "--objective", "f1"], ["--objective must be one of", "macro_f1", "'f1'"]),
        (["search", "--val-fraction", "0.5"], ["--val-fraction", "0<x<0.5"]),
        (["search", "--max-gap", "-1"], ["--max-gap", "x>=0"]),
        (["search", "--engine", "keras"], ["--engine", "'keras' is not one of", "keras-tuner"]),
        (["search", "--memory-limit", "lots"], ["--memory-limit", "like 500MB or 2GB"]),
        (["search", "--disk-limit", "0GB"], ["--disk-limit", "above 0", "got '0GB'"]),
        (["search", "a", "b"], ["unexpected extra argument"]),
        (["resume", "--trials", "0"], ["--trials", "0 is not in the range x>=1"]),
        (["resume", "--budget", "soon"], ["--budget", "like 90s, 30m or 2h, got 'soon'"]),
        (["resume", "--memory-limit", "1KB"], ["--memory-limit", "like 500MB or 2GB"]),
        (["resume", "--seed", "1"], ["No such option", "--seed"]),
        (["resume", "a", "b"], ["unexpected extra argument"]),
        (["audit", "digits", "--samples", "2"], ["--samples goes with --to or --json."]),
        (["leaderboard", "--csv", "--json"], ["--csv and --json cannot be given together."]),
    ],
)
def test_bad_usage_exits_with_2_and_names_the_place(
    capsys: Output, arguments: list[str], words: list[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [word for word in words if word not in err] == []
    assert "Traceback" not in err
    assert list(Path().iterdir()) == []


def test_data_in_the_place_of_a_command_are_told_how_to_be_searched(capsys: Output) -> None:
    Path("my images").mkdir()
    assert run(["my images"]) == 2
    assert "To search on it: `autocnn search 'my images'`." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["search", "--space", "defualt"],
            "Error: --space must be a shipped name or a .yaml file, got 'defualt'.\n"
            "Did you mean 'default'?\n",
        ),
        (
            ["search", "--space", "none.yaml"],
            "Error: none.yaml: the space file must be readable, got: No such file or directory.\n",
        ),
        (
            ["search", "--name", "a/b"],
            "Error: --name must be 1 to 100 of a-z, A-Z, 0-9, '.', '_', '-', a letter or digit "
            "first, got 'a/b'.\n",
        ),
        (
            ["search", "--folds", "0", "--fold-repeats", "3"],
            "Error: --fold-repeats must be 1 with --folds 0, got 3.\n",
        ),
        (["search", "--weights", "none.h5"], "Error: --weights must be a file, got 'none.h5'.\n"),
        (
            ["search", "--sampler", "hyperband"],
            "Error: --sampler must be one of tpe, random, qmc with --engine optuna, "
            "got 'hyperband'.\n",
        ),
        (
            ["search", "--deterministic", "--workers", "2"],
            "Error: --workers must be 1 with --deterministic, got 2.\n",
        ),
        (
            ["search", "--cluster", "127.0.0.2:9"],
            "Error: --cluster must be a Ray cluster that runs, got '127.0.0.2:9': Connection "
            "refused.\n"
            "Start one: ray start --head; `ray status` says whether it runs.\n",
        ),
        (
            ["search", "--config", "none.yaml"],
            "Error: none.yaml: must be readable, got: No such file or directory.\n",
        ),
        (
            ["spaces", "mir"],
            "Error: --space must be a shipped name or a .yaml file, got 'mir'.\n"
            "Did you mean 'mri'?\n",
        ),
    ],
)
def test_bad_settings_exit_with_2_and_write_nothing(
    capsys: Output, arguments: list[str], message: str
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr() == ("", message)
    assert list(Path().iterdir()) == []


def test_weights_that_no_network_of_the_space_would_load_are_refused(capsys: Output) -> None:
    Path("mine.h5").write_text("")
    assert run(["search", "--weights", "mine.h5"]) == 2
    assert capsys.readouterr().err == (
        "Error: --weights must go with a space of pretrained networks, got 'default'.\n"
        "Use --space transfer, or give your space `family: pretrained`.\n"
    )
    assert not Path("results").exists()


def test_a_mistake_in_a_space_is_told_with_place_and_remedy(capsys: Output) -> None:
    Path("mine.yaml").write_text(
        "parameters:\n  - {name: learning_rate, type: float, low: abc, high: 0.1}\n"
    )
    assert run(["search", "--space", "mine.yaml"]) == 2
    assert capsys.readouterr().err == (
        "Error: mine.yaml: parameters[0].low must be a number, got 'abc'.\nWrite 1e-4.\n"
    )
    assert not Path("results").exists()


# -- studies that cannot be made -----------------------------------------------------------


def test_an_existing_study_exits_with_4_and_stays_as_it_is(capsys: Output) -> None:
    folder = make_study()
    before = sorted(path.name for path in folder.path.iterdir())
    assert run(["search", "digits", "--name", "mine"]) == 4
    err = capsys.readouterr().err
    assert err.startswith("Error: results/mine: a new study must not exist yet")
    assert "choose another --name" in err
    assert sorted(path.name for path in folder.path.iterdir()) == before


def test_results_that_are_a_file_exit_with_4(capsys: Output) -> None:
    Path("results").write_text("")
    assert run(["search", "digits", "--name", "mine"]) == 4
    assert capsys.readouterr().err == (
        "Error: results/mine: must be writable, got: Not a directory.\n"
        "Choose a folder that you may write to with --results.\n"
    )


@pytest.mark.usefixtures("permissions_hold")
def test_a_read_only_results_folder_exits_with_4(capsys: Output) -> None:
    Path("results").mkdir(mode=0o555)
    assert run(["search", "digits", "--name", "mine"]) == 4
    assert "must be writable, got: Permission denied" in capsys.readouterr().err


def test_a_read_only_disk_exits_with_4(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert run(["search", "digits", "--name", "mine"]) == 4
    assert capsys.readouterr().err == (
        "Error: results/mine: must be writable, got: Read-only file system.\n"
        "Choose a folder that you may write to with --results.\n"
    )


def test_a_fork_of_a_study_that_is_not_there_exits_with_4(capsys: Output) -> None:
    make_study("old")
    assert run(["search", "digits", "--name", "mine", "--fork", "olf"]) == 4
    assert capsys.readouterr().err == (
        "Error: olf: must be a study under results or a path to one, got neither.\n"
        "There are: old.\n"
    )
    assert not Path("results/mine").exists()


@pytest.mark.parametrize("arguments", [["--name", "mine"], ["--space", "zzz"]])
def test_the_display_is_closed_when_the_search_cannot_begin(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    make_study()
    shown = Closing()
    monkeypatch.setattr(display, "show_progress", lambda *, is_quiet: shown)
    assert run(["search", "digits", *arguments]) in (2, 4)
    assert shown.num_closed == 1


# -- leaderboard ---------------------------------------------------------------------------


def test_the_leaderboard_is_a_table_on_stdout(capsys: Output) -> None:
    make_study()
    assert run(["leaderboard", "mine"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Leaderboard of mine (ranked on val)" in out
    assert "0.931 [0.911, 1.000]" in out
    assert out.index("refit 11") < out.index("refit 12"), "best first"


def test_the_leaderboard_as_csv_is_the_file(capsys: Output) -> None:
    folder = make_study()
    assert run(["leaderboard", "mine", "--csv"]) == 0
    out = capsys.readouterr().out
    assert out == folder.leaderboard_path.read_text()
    header, first, _ = csv.reader(io.StringIO(out))
    assert header == [*COLUMNS, "param.family", "param.width", *MORE_COLUMNS]
    assert first[header.index("test_accuracy")] == "0.9312"


def test_the_leaderboard_as_json(capsys: Output) -> None:
    make_study()
    assert run(["leaderboard", "mine", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["rank"] for row in rows] == [1, 2]
    assert rows[0]["flops"] is None
    assert rows[0]["param.width"] == 8


def test_the_newest_study_is_shown_without_a_name(capsys: Output) -> None:
    for age, name in enumerate(("b", "c", "a")):
        os.utime(make_study(name).path / "study.json", (1000 + age, 1000 + age))
    assert run(["leaderboard"]) == 0
    assert "Leaderboard of a " in capsys.readouterr().out


def test_a_study_is_shown_by_path_or_from_another_results_folder(capsys: Output) -> None:
    make_study()
    Path("results").rename("elsewhere")
    assert run(["leaderboard", "elsewhere/mine"]) == 0
    assert run(["leaderboard", "mine", "--results", "elsewhere"]) == 0
    assert capsys.readouterr().out.count("Leaderboard of mine") == 2


def test_no_study_exits_with_4(capsys: Output) -> None:
    assert run(["leaderboard"]) == 4
    assert capsys.readouterr() == (
        "",
        "Error: results: must hold a study, got none.\n"
        "Start one with `autocnn search DATA`, or name the folder with --results.\n",
    )


def test_an_unknown_study_exits_with_4_and_lists_the_others(capsys: Output) -> None:
    make_study()
    assert run(["leaderboard", "mime"]) == 4
    assert capsys.readouterr().err == (
        "Error: mime: must be a study under results or a path to one, got neither.\n"
        "There are: mine.\n"
    )


def test_an_unfinished_study_exits_with_4(capsys: Output) -> None:
    make_study().leaderboard_path.unlink()
    assert run(["leaderboard"]) == 4
    assert "has no leaderboard yet" in capsys.readouterr().err


def test_a_broken_leaderboard_exits_with_4(capsys: Output) -> None:
    make_study().leaderboard_path.write_bytes(b"rank\n\xff")
    assert run(["leaderboard"]) == 4
    assert "Traceback" not in capsys.readouterr().err


# -- spaces --------------------------------------------------------------------------------


def test_spaces_lists_the_shipped_ones(capsys: Output) -> None:
    assert run(["spaces"]) == 0
    out = capsys.readouterr().out
    for name in space_files.shipped_names():
        assert name in out
        assert space_files.load_space(name).description in out


@pytest.mark.parametrize("name", space_files.shipped_names())
def test_a_space_is_shown_with_all_its_parameters(capsys: Output, name: str) -> None:
    assert run(["spaces", name]) == 0
    out = capsys.readouterr().out
    space = space_files.load_space(name)
    assert out.startswith(f"{name}: {space.description}\n")
    assert [p.name for p in space.parameters if f" {p.name} " not in out] == []
    assert f"At most {space.epochs} epochs per trial." in out


def test_one_s_own_space_is_shown_by_path(capsys: Output) -> None:
    Path("own.yaml").write_text(
        "description: My [own] space\n"
        "parameters:\n"
        "  - {name: family, type: categorical, choices: [plain, resnet]}\n"
        "  - {name: kernel_size, type: int, low: 3, high: 7, step: 2, when: {family: plain}}\n"
    )
    assert run(["spaces", "own.yaml"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("own: My [own] space\n")
    assert "3 .. 7, step 2" in out
    assert "family: plain" in out


# -- the boundary --------------------------------------------------------------------------


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `autocnn spaces` raise."""

    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr(space_files, "shipped_names", fail)


class OwnError(AutocnnError):
    exit_code = 42


def test_an_error_of_the_user_shows_no_traceback(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, OwnError("a.png: must be an image, got text.", remedy="Remove it."))
    assert run(["spaces"]) == 42
    assert capsys.readouterr() == ("", "Error: a.png: must be an image, got text.\nRemove it.\n")


def test_debug_shows_the_traceback_of_an_error_of_the_user(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, OwnError("No.", remedy="Yes."))
    assert run(["--debug", "spaces"]) == 42
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("Error: No.\nYes.\n")


def test_a_bug_exits_with_1_and_says_that_it_is_one(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ZeroDivisionError("oops"))
    assert run(["spaces"]) == 1
    err = capsys.readouterr().err
    assert "Traceback (most recent call last):" in err
    assert "ZeroDivisionError: oops" in err
    assert err.endswith("This is a bug in autocnn. Please report it with the lines above.\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "Interrupted."),
        (SearchInterrupted("results/a: interrupted."), "results/a: interrupted."),
    ],
)
def test_an_interrupt_exits_with_130(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, error: BaseException, message: str
) -> None:
    fail_with(monkeypatch, error)
    assert run(["spaces"]) == 130
    assert capsys.readouterr().err.strip() == message


def test_flags_reach_the_search_as_a_config(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def take(config: Any, observer: Any, *, interruption: Interruption) -> StudyFolder:
        asked.append(config)
        assert not interruption.is_wished
        return make_study("made")

    monkeypatch.setattr(study, "search", take)
    Path("mine.yaml").write_text("seed: 4\nfinalists: 2\n")
    arguments = (
        "search images --trials 7 --budget 1h30m --seed 5 --config mine.yaml --quiet "
        "--engine keras-tuner --memory-limit 1500MB --fork old"
    )
    assert run(arguments.split()) == 0
    config = asked[0]
    assert (config.data, config.trials, config.budget_s) == ("images", 7, 5400.0)
    assert (config.engine, config.sampler, config.fork) == ("keras-tuner", "bayesian", "old")
    assert (config.memory_limit_gb, config.deterministic) == (1.5, False)
    assert (config.seed, config.finalists, config.space) == (5, 2, "default")
    out = capsys.readouterr().out
    assert "Leaderboard of made" in out
    assert "In results/made:" in out
    assert "confusion matrix  candidates/01/confusion_matrix.png" in out
    assert "all trials        trials.csv" in out
    assert "`autocnn predict results/made IMAGES`" in out


def test_python_m_autocnn_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "autocnn", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"autocnn, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"]])
def test_help_shows_its_examples_line_by_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("    autocnn search images/ --trials 50") for line in lines)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("arguments", [("spaces",), ("spaces", "default"), ("--help",)])
def test_output_to_a_full_device_is_told(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "autocnn", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stderr == (
        "Error: the output must be written to where it goes, got: No space left on device.\n"
        "Free some space there, or send it elsewhere.\n"
    )


@pytest.mark.parametrize("arguments", [("leaderboard",), ("leaderboard", "--csv"), ("--help",)])
def test_output_that_nobody_reads_ends_quietly(arguments: tuple[str, ...]) -> None:
    make_study()
    ours, theirs = os.pipe()
    os.close(ours)
    ended = subprocess.run(
        [sys.executable, "-m", "autocnn", *arguments],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_letters_that_the_output_lacks_are_replaced() -> None:
    make_study()
    ended = subprocess.run(
        [sys.executable, "-m", "autocnn", "list"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "?MB" in ended.stdout, "a space that does not break"


def test_a_study_is_removed_after_a_yes(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_study()
    place = Path("results/mine")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(["remove", "mine"]) == 0
    assert "Delete results/mine (0 trials, 2 candidates, " in capsys.readouterr().err
    assert place.exists()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["remove", "mine"]) == 130, "nobody answers"
    assert place.exists()
    torn = place / "trials" / "0000" / "trial.json"
    torn.parent.mkdir(parents=True)
    torn.write_text("{", "utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(["remove", "mine"]) == 0, "what is torn can be deleted too"
    assert "Delete results/mine (records that are torn, " in capsys.readouterr().err
    assert run(["remove", "mine", "--yes"]) == 0
    assert not place.exists()
    assert run(["remove", "mine", "--yes"]) == 4
    assert run(["remove"]) == 2, "the newest is not meant where none is named"


def test_studies_are_listed(capsys: Output) -> None:
    assert run(["list"]) == 0
    assert "no study yet" in capsys.readouterr().err
    make_study()
    assert run(["list"]) == 0
    assert "mine" in capsys.readouterr().out
    assert run(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["state"], row["path"]) == ("mine", "done", "results/mine")
