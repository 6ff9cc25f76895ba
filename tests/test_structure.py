"""The rules of the house: floors, heavy imports, the front door, dead knobs, docs, the wheel."""

import ast
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import autocnn
from autocnn.cli.main import COMMANDS, cli
from autocnn.reporting.leaderboard import COLUMNS
from autocnn.spaces.files import load_space, shipped_names
from autocnn.spaces.knobs import KNOBS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "autocnn"

FLOORS = {
    "errors": 0,
    "records": 1,
    "atomic": 1,
    "machine": 1,
    "quantities": 1,
    "drift": 1,
    "quiet": 1,
    "builders": 1,
    "knobs": 2,
    "events": 2,
    "config": 2,
    "tables": 2,
    "lock": 2,
    "checkpoint": 2,
    "space": 3,
    "objective": 3,
    "status": 3,
    "space_files": 4,
    "tasks": 4,
    "store": 4,
    "data": 5,
    "models": 5,
    "engines": 5,
    "executors": 5,
    "evaluation": 5,
    "leaderboard": 5,
    "report": 5,
    "budget": 5,
    "disk": 5,
    "fork": 5,
    "dashboard": 5,
    "trackers": 5,
    "training": 6,
    "loop": 6,
    "finalists": 6,
    "prediction": 6,
    "judging": 7,
    "assessment": 7,
    "export": 7,
    "neighbours": 7,
    "stages": 8,
    "study": 9,
    "cli": 10,
    "api": 11,
    "classifier": 12,
    "__main__": 13,
}
"""A module imports only from lower floors; a folder's modules share one."""

HEAVY = {"keras", "tensorflow", "optuna", "matplotlib", "pandas", "sklearn", "scipy"}

READING_WING = ("leaderboard", "report", "store", "records", "atomic", "events")


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        unit = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if unit != "__init__":
            yield unit, path


def imports_of(path: Path) -> set[str]:
    """All absolute modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_has_a_floor() -> None:
    assert {unit for unit, _ in modules()} == set(FLOORS)


def test_modules_import_only_from_lower_floors() -> None:
    upward = []
    for unit, path in modules():
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] != "autocnn" or len(parts) < 2 or parts[1] not in FLOORS:
                continue
            if parts[1] != unit and FLOORS[parts[1]] >= FLOORS[unit]:
                upward.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not upward


def test_the_reading_wing_never_imports_keras() -> None:
    for unit, path in modules():
        if unit in READING_WING:
            heavy = {name.split(".")[0] for name in imports_of(path)}
            assert not heavy & {"keras", "tensorflow", "optuna"}, path


def test_no_module_is_longer_than_400_lines() -> None:
    long = [str(path) for _, path in modules() if len(path.read_text().splitlines()) > 400]
    assert not long


def test_the_forkserver_preloads_modules_that_exist() -> None:
    from autocnn.execution.local import PRELOAD

    for name in PRELOAD:
        assert (ROOT / (name.replace(".", "/") + ".py")).is_file()


@pytest.mark.parametrize("arguments", [["--help"], ["leaderboard", "--json"], ["search", "--help"]])
def test_start_up_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    study = tmp_path / "results" / "mine"
    study.mkdir(parents=True)
    (study / "study.json").write_text("{}")
    (study / "leaderboard.csv").write_text(f"{','.join(COLUMNS)}\n")
    program = (
        "import json, sys; from autocnn.cli.main import run; "
        f"code = run({arguments!r}); "
        "print(json.dumps([code, sorted(m.split('.')[0] for m in sys.modules)]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    code, loaded = json.loads(result.stdout.splitlines()[-1])
    assert code == 0
    assert not set(loaded) & HEAVY


def test_the_front_door_does_not_grow_by_accident() -> None:
    assert autocnn.__all__ == [
        "AutoCNNClassifier",
        "AutocnnError",
        "Candidate",
        "Evaluation",
        "Study",
        "StudyConfig",
        "__version__",
        "evaluate",
        "load",
        "load_space",
        "open_study",
        "search",
    ]
    for name in autocnn.__all__:
        assert getattr(autocnn, name)
    with pytest.raises(AttributeError, match="nothing"):
        _ = autocnn.nothing


def test_every_knob_is_read_by_the_code_and_nothing_else_is() -> None:
    read = {"image_size"}  # by `study` and `finalists`, which choose the arrays
    for _, path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="settings")),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    read.add(name)
    assert read == set(KNOBS)


def test_every_knob_is_searched_by_a_shipped_space() -> None:
    spaces = [load_space(name) for name in shipped_names()]
    assert {p.name for space in spaces for p in space.parameters} == set(KNOBS)


def test_every_command_and_option_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    context = click.Context(cli)
    for name in COMMANDS:
        assert f"autocnn {name}" in text
        command = cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"`{parameter.opts[0]}" in text, f"{name} {parameter.opts[0]}"


def test_every_shipped_space_is_in_the_docs() -> None:
    text = (ROOT / "search_spaces" / "README.md").read_text("utf-8")
    for name in [*shipped_names(), *KNOBS]:
        assert f"`{name}`" in text, name


def test_nothing_is_left_open() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error")
    for _, path in modules():
        assert not [word for word in words if word in path.read_text("utf-8")], path


def test_the_wheel_holds_every_space_and_module(tmp_path: Path) -> None:
    source = tmp_path / "source"
    keep_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("autocnn", "search_spaces"):
        shutil.copytree(ROOT / folder, source / folder, ignore=keep_out)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "-w", str(tmp_path), str(source)], check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    held = set(zipfile.ZipFile(wheel).namelist())
    spaces = {
        f"autocnn/search_spaces/{path.name}"
        for path in (ROOT / "search_spaces").iterdir()
        if path.suffix in (".yaml", ".py")
    }
    sources = {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py")}
    templates = {
        f"autocnn/report/templates/{path.name}"
        for path in (PACKAGE / "report" / "templates").iterdir()
    }
    assert spaces | sources | templates | {"autocnn/py.typed"} <= held
