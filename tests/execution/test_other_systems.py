"""What systems without a forkserver lack is not asked for, and a study there is the same study."""

import ast
import os
from pathlib import Path

import pytest

from tests.digits import reference_study, run_search
from tests.faults.studies import read_table

ROOT = Path(__file__).parents[2]

LACKING = ("fcntl", "grp", "multiprocessing.forkserver", "pwd", "resource", "termios")
"""Modules that Windows lacks."""

NAMES = {"SIGKILL", "SIGHUP", "SIGUSR1", "fork", "killpg", "setsid", "getuid", "statvfs"}
"""Of `os` and `signal`, likewise."""

HIDING = f"""
import builtins
import multiprocessing

LACKING = {LACKING!r}
usual = builtins.__import__


def lack(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {{}}).get("__name__", "")
    names = {{name, *(f"{{name}}.{{part}}" for part in fromlist or ())}}
    if importer.startswith("autocnn") and names & set(LACKING):
        raise ImportError(f"{{importer}} imports {{sorted(names & set(LACKING))}}")
    return usual(name, globals, locals, fromlist, level)


builtins.__import__ = lack
multiprocessing.get_all_start_methods = lambda: ["spawn"]
"""


@pytest.mark.slow
def test_a_study_without_a_forkserver_is_the_same_study(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding/sitecustomize.py").write_text(HIDING)
    path = os.pathsep.join([str(tmp_path / "hiding"), str(ROOT)])
    run_search(tmp_path, "--deterministic", "--name", "s", env={"PYTHONPATH": path})
    for table in ("trials.csv", "leaderboard.csv"):
        ours, theirs = tmp_path / "results/s" / table, reference_study(tmp_path_factory) / table
        assert read_table(ours) == read_table(theirs)


def test_no_name_is_used_that_other_systems_lack() -> None:
    found = []
    for path in sorted((ROOT / "autocnn").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in ("os", "signal")
                and node.attr in NAMES
            ):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.attr}")
    assert not found
