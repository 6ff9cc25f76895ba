"""What systems without a forkserver lack is not asked for, and a study there is the same study."""

import ast
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

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

STUDY = """
search digits --space quick --trials 2 --epochs 1 --finalists 1 --folds 0 --members 1 --name s
--deterministic
"""


def search(folder: Path, **environment: str) -> list[dict[str, str]]:
    """Run a small study; its leaderboard without what depends on the machine."""
    command = [sys.executable, "-m", "autocnn", *STUDY.split(), "--results", str(folder)]
    found = subprocess.run(
        [*command, "--cache-dir", str(folder / "cache")],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    with (folder / "s/leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    times = {"train_seconds", "latency_ms"}
    return [{name: row[name] for name in row if name not in times} for row in rows]


@pytest.mark.slow
def test_a_study_without_a_forkserver_is_the_same_study(tmp_path: Path) -> None:
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding/sitecustomize.py").write_text(HIDING)
    path = os.pathsep.join([str(tmp_path / "hiding"), str(ROOT)])
    spawned = search(tmp_path / "spawned", PYTHONPATH=path)
    assert spawned == search(tmp_path / "forked")


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
