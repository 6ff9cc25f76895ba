"""What is wrong with the input of a benchmark is said in a sentence."""

import importlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

COMMANDS = {
    "accuracy": ["run", "out", "--data", "nowhere"],
    "first_trials": ["nowhere"],
    "folds": ["nowhere", "--arm", "now"],
    "halving": ["nowhere"],
    "label_issues": ["nowhere"],
    "members": ["nowhere"],
    "near_copies": ["nowhere"],
    "small_first": ["nowhere"],
    "trial_models": ["nowhere"],
    "warm_refits": ["nowhere"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_not_there_is_named_without_a_traceback(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"benchmarks.{name}")
    command: click.Command = module.cli if name == "accuracy" else module.main
    found = CliRunner().invoke(command, COMMANDS[name])
    assert found.exit_code == 1
    assert isinstance(found.exception, SystemExit)
    assert "Error: nowhere: " in found.output
