"""What holds for the whole package: its layers, public API, knobs, docs, and the wheel."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import autocnn
from autocnn.cli.main import COMMANDS
from autocnn.spaces.files import load_space, shipped_names
from autocnn.spaces.knobs import KNOBS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "autocnn"


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        unit = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if unit != "__init__":
            yield unit, path


def packages() -> list[str]:
    """Every package of autocnn by its full name, autocnn itself first."""
    found = [path.parent.relative_to(ROOT) for path in PACKAGE.rglob("__init__.py")]
    return sorted(".".join(path.parts) for path in found)


def test_imports_go_down_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contracts are in setup.cfg; what breaks one is in the output of a failure."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="setup.cfg", no_cache=True, no_logo=True) == 0


def test_an_import_upwards_or_sideways_is_found(tmp_path: Path) -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    for name in ("layers", "exhaustive"):
        assert name in config["importlinter:contract:layers"]
    config["importlinter:contract:layers"]["layers"] = "core\nspaces | data | metrics"
    config["importlinter:contract:layers"]["exhaustive"] = "false"
    with (tmp_path / "wrong.cfg").open("w") as file:
        config.write(file)
    wrong = str(tmp_path / "wrong.cfg")
    assert lint_imports(config_filename=wrong, no_cache=True, no_logo=True) == 1


def test_the_top_of_the_package_can_be_seen_at_once() -> None:
    names = {unit for unit, _ in modules()}
    assert len(names) <= 20, names


@pytest.mark.parametrize("package", packages())
def test_every_package_says_its_job_in_a_sentence(package: str) -> None:
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    sentence = " ".join(docstring.partition("\n\n")[0].split())
    assert sentence.endswith(".")
    assert len(sentence.split()) >= 7


def test_setup_cfg_lists_every_package() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    assert listed == sorted(listed)
    assert set(listed) == {*packages(), "autocnn.search_spaces"}


def test_no_module_is_longer_than_600_lines() -> None:
    long = [str(path) for _, path in modules() if len(path.read_text().splitlines()) > 600]
    assert not long


def test_the_forkserver_preloads_modules_that_exist() -> None:
    from autocnn.execution.local import PRELOAD

    for name in PRELOAD:
        assert (ROOT / (name.replace(".", "/") + ".py")).is_file()


def test_the_public_api_does_not_grow_by_accident() -> None:
    assert autocnn.__all__ == [
        "Audit",
        "AutoCNNClassifier",
        "AutocnnError",
        "Candidate",
        "Comparison",
        "Evaluation",
        "Study",
        "StudyConfig",
        "StudySummary",
        "__version__",
        "audit",
        "compare",
        "evaluate",
        "list_spaces",
        "list_studies",
        "load",
        "load_space",
        "open_study",
        "predict",
        "search",
        "serve",
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
    # A schedule that ends early never falls: for spaces of one's own, with a constant rate.
    alone = {"early_stopping_patience"}
    assert {p.name for space in spaces for p in space.parameters} == set(KNOBS) - alone


def test_every_command_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"autocnn {name}" not in text] == []


def test_every_shipped_space_is_in_the_docs() -> None:
    text = (ROOT / "search_spaces" / "README.md").read_text("utf-8")
    for name in [*shipped_names(), *KNOBS]:
        assert f"`{name}`" in text, name


def test_nothing_is_left_open() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error")
    for _, path in modules():
        assert not [word for word in words if word in path.read_text("utf-8")], path


@pytest.mark.slow
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
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (scripts,) = (name for name in held if name.endswith(".dist-info/entry_points.txt"))
        assert "autocnn = autocnn.cli.main:main" in archive.read(scripts).decode().splitlines()
    spaces = {
        f"autocnn/search_spaces/{path.name}"
        for path in (ROOT / "search_spaces").iterdir()
        if path.suffix in (".yaml", ".py")
    }
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    sources = {path.relative_to(ROOT).as_posix() for path in files}
    some = {"py.typed", "reporting/templates/report.js", "web/static/view.js"}
    assert {f"autocnn/{name}" for name in some} <= sources, "it looks at more than Python"
    assert spaces | sources <= held


def test_words_are_those_of_the_field() -> None:
    """Layers, packages, free space. The page in results/ stays as an earlier version wrote it."""
    private = re.compile(r"\b(hou" r"se|floo" r"rs?|win" r"gs?|roo" r"ms?)\b")
    folders = ("autocnn", "benchmarks", "docs", "examples", "search_spaces", "tests", ".ci")
    files = [*ROOT.glob("*.*"), ROOT / "Makefile"]
    files += [path for folder in folders for path in (ROOT / folder).rglob("*")]
    suffixes = {".py", ".md", ".yaml", ".html", ".css", ".js", ".cfg", ".toml", ""}
    found = [
        f"{path}: {line}"
        for path in files
        if path.suffix in suffixes and path.is_file() and "__pycache__" not in path.parts
        for line in path.read_text("utf-8").splitlines()
        if private.search(line)
    ]
    assert not found


def test_an_extra_brings_all_others_that_users_may_want() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = dict(config["options.extras_require"])
    (everything,) = extras["all"].split()
    assert everything == f"autocnn[{','.join(sorted({*extras} - {'all', 'docs', 'test'}))}]"


def test_constraints_are_exact_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", pin) for pin in pins)
    named = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    needed = config["options"]["install_requires"].split()
    assert {re.split(r"[<>=]", name)[0] for name in needed} <= named
