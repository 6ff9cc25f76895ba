"""`autocnn report`: what it writes where, and what it says."""

import errno
import os
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from autocnn.cli.main import cli, run
from autocnn.core.config import StudyConfig
from autocnn.reporting.answer import command_line
from tests.cli.studies import make_study


def test_report_writes_the_page_and_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    make_study()
    assert run(["report", "mine"]) == 0
    assert capsys.readouterr().out == "results/mine/report.html\n"
    assert "93.1\xa0%" in Path("results/mine/report.html").read_text("utf-8")


def test_the_newest_study_is_the_default_and_a_card_may_go_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_study()
    assert run(["report", "--format", "md", "--to", "card.md"]) == 0
    assert capsys.readouterr().out == "card.md\n"
    assert Path("card.md").read_text("utf-8").startswith("# Model card: mine\n")
    assert not Path("results/mine/model_card.md").exists()


def test_report_of_an_unfinished_study(capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_study()
    folder.leaderboard_path.unlink()
    folder.write_study({**folder.read_study(), "status": "interrupted"})
    assert run(["report"]) == 0
    assert "not finished" in Path("results/mine/report.html").read_text("utf-8")
    assert run(["report", "--format", "md"]) == 4
    assert "autocnn resume mine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing"], 4, "got neither"),
        (["--to", "no/such/folder.html"], 2, "its folder must be there"),
        (["--format", "pdf"], 2, "'html', 'md'"),
    ],
)
def test_report_explains_errors(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study()
    assert run(["report", *arguments]) == code
    assert words in capsys.readouterr().err


def test_the_command_that_the_report_names_is_the_study_again() -> None:
    asked = StudyConfig(
        data="a folder",
        trials=7,
        budget_s=5400.0,
        engine="keras-tuner",
        max_gap=0.02,
        memory_limit_gb=1.5,
        deterministic=True,
        space="mri",
        folds=0,
        label_from_name="^(.+?) [0-9]",
        window=(-550.0, 1800.0),
        seed=3,
    )
    program, name, *arguments = shlex.split(command_line(asked, "mine"))
    assert (program, name) == ("autocnn", "search")
    command = cli.get_command(click.Context(cli), "search")
    assert command is not None
    parsed = command.make_context("search", arguments).params
    given = {k: v for k, v in parsed.items() if v is not None and v is not False}
    assert given == {
        "data": "a folder",
        "name": "mine",
        "trials": 7,
        "budget_s": 5400.0,
        "engine": "keras-tuner",
        "max_gap": 0.02,
        "memory_limit_gb": 1.5,
        "deterministic": True,
        "space": "mri",
        "folds": 0,
        "label_from_name": "^(.+?) [0-9]",
        "window": "-550,1800",
        "seed": 3,
    }


@pytest.mark.parametrize("kind", ["html", "md"])
def test_a_study_in_a_read_only_folder_is_reported_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make_study()
    really_open = Path.open

    def refuse(path: Path, mode: str = "r", *options: Any, **more: Any) -> Any:
        if "mine" in path.parts and "x" in mode:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return really_open(path, mode, *options, **more)

    monkeypatch.setattr(Path, "open", refuse)
    assert run(["report", "mine", "--format", kind]) == 4
    assert capsys.readouterr().err.endswith(
        "must be writable, got: Read-only file system.\n"
        "Choose a folder that you may write to with --to.\n"
    )
    assert run(["report", "mine", "--format", kind, "--to", f"page.{kind}"]) == 0
