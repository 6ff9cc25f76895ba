"""Shell completion: what is offered, the scripts, and that nothing heavy is imported for it."""

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from autocnn.cli.completion import COMPLETION_VARIABLE, INSTALL
from autocnn.cli.main import COMMANDS, cli, run
from autocnn.cli.options import option_name
from autocnn.cli.search import SECTIONS
from autocnn.core.config import SAMPLERS
from autocnn.spaces.files import shipped_names
from tests.cli.studies import make_study

PATHS = ("dir", "file")


def complete(line: str) -> tuple[list[str], list[str]]:
    """What is offered for the last word of a command line: words, and kinds of paths."""
    *words, incomplete = line.split(" ")[1:]
    items = ShellComplete(cli, {}, "autocnn", COMPLETION_VARIABLE).get_completions(
        words, incomplete
    )
    plain = [item.value for item in items if item.type == "plain"]
    kinds = [item.type for item in items if item.type in PATHS]
    assert all(item.type in PATHS for item in items[: len(kinds)]), "Bash forgets words before"
    return plain, kinds


def test_commands_are_completed_with_what_they_do() -> None:
    assert complete("autocnn ")[0] == list(COMMANDS)
    assert complete("autocnn re")[0] == ["resume", "remove", "report"]
    items = ShellComplete(cli, {}, "autocnn", COMPLETION_VARIABLE).get_completions([], "sea")
    assert [(item.value, item.help) for item in items] == [("search", COMMANDS["search"])]
    assert "--debug" in complete("autocnn --")[0]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_options_of_every_command_are_completed(command: str) -> None:
    parameters = cli.get_command(click.Context(cli), command)
    assert parameters is not None
    options = [p.opts[0] for p in parameters.params if isinstance(p, click.Option)]
    assert set(options) - {"-q"} <= set(complete(f"autocnn {command} --")[0])


STUDY_LINES = [
    "autocnn resume ",
    "autocnn leaderboard ",
    "autocnn compare ",
    "autocnn remove ",
    "autocnn report --format md ",
    "autocnn export ",
    "autocnn dashboard ",
    "autocnn predict ",
    "autocnn serve ",
    "autocnn view ",
    "autocnn evaluate ",
    "autocnn search --fork ",
]


@pytest.mark.parametrize("line", STUDY_LINES)
def test_studies_are_completed_newest_first_and_so_are_paths(line: str) -> None:
    for age, name in ((20, "old"), (10, "mine"), (0, "mine-2")):
        path = make_study(name).path / "study.json"
        os.utime(path, (time.time() - age, time.time() - age))
    Path("results/no-study").mkdir()
    names, kinds = complete(line)
    assert names == ["mine-2", "mine", "old"]
    assert len(kinds) == 1
    assert complete(f"{line}mi")[0] == ["mine-2", "mine"]


def test_studies_are_looked_for_under_results() -> None:
    make_study("mine")
    Path("results").rename("others")
    assert complete("autocnn resume ")[0] == []
    assert complete("autocnn resume --results others ")[0] == ["mine"]


def test_values_are_completed() -> None:
    assert complete("autocnn search --space ")[0] == shipped_names()
    assert complete("autocnn search --space m")[0] == ["mri"]
    assert complete("autocnn spaces re")[0] == ["resnet"]
    assert complete("autocnn export mine --format ")[0] == ["keras", "savedmodel", "onnx", "litert"]
    assert complete("autocnn search --objective macro")[0] == ["macro_f1", "macro_auc"]
    assert complete("autocnn completion ")[0] == list(INSTALL)
    assert complete("autocnn search d") == (["digits"], ["file"])
    assert complete("autocnn search --model my") == ([], ["file"])
    assert complete("autocnn predict mine scans/") == ([], ["file"])


def test_samplers_are_those_of_the_engine() -> None:
    both = list(dict.fromkeys(name for names in SAMPLERS.values() for name in names))
    assert complete("autocnn search --sampler ")[0] == both
    for engine, names in SAMPLERS.items():
        assert complete(f"autocnn search --engine {engine} --sampler ")[0] == list(names)
    assert run(["search", "--sampler", "best"]) == 2


@pytest.mark.parametrize("shell", list(INSTALL))
def test_the_script_says_how_it_is_installed(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    lines = script.splitlines()
    assert COMPLETION_VARIABLE in script
    assert f"{shell}_complete" in script
    assert [line for line in lines if line.startswith("# ")] == [f"# {s}" for s in INSTALL[shell]]
    assert f"autocnn completion {shell}" in script
    assert lines[0].startswith("#compdef autocnn" if shell == "zsh" else "# ")


def test_another_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.parametrize("shell", list(INSTALL))
def test_the_shell_itself_accepts_the_script(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    run(["completion", shell])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    subprocess.run([shell, "-n", "script"], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_study("mine")
    make_study("other")
    run(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    program = tmp_path / "autocnn"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m autocnn "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    # What readline does on Tab; compopt, which it alone allows, is left out.
    lines = (
        "source script; compopt() { :; }; COMP_WORDS=(autocnn resume mi); COMP_CWORD=2; "
        '_autocnn_completion autocnn; echo "${COMPREPLY[@]}"; complete -p autocnn'
    )
    result = subprocess.run(
        ["bash", "-c", lines],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    words, registered = result.stdout.splitlines()
    assert words == "mine"
    assert "_autocnn_completion" in registered
    assert result.stderr == ""


# -- the help texts, which completion shows parts of -----------------------------------------


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_has_examples_and_fits_a_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "  Examples:\n" in text
    assert f"autocnn {command}" in text[text.index("  Examples:") :]
    assert "INTEGER RANGE" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_options_of_search_stand_in_one_section_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "--help"]) == 0
    text = capsys.readouterr().out
    places = [text.index(f"\n{heading}:\n") for heading in (*SECTIONS, "Other")]
    assert places == sorted(places)
    listed = [option_name(field) for fields in SECTIONS.values() for field in fields]
    assert len(listed) == len(set(listed))
    command = cli.get_command(click.Context(cli), "search")
    assert command is not None
    options = {max(p.opts, key=len) for p in command.params if isinstance(p, click.Option)}
    assert options - set(listed) == {"--config", "--quiet"}
    for option in options:
        assert text.count(f"\n  {option} ") + text.count(f"-q, {option} ") == 1, option
    assert "[DATA]" not in text[places[0] :]
