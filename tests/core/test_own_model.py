"""A user's own model: found without an import, imported without surprises."""

import hashlib
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autocnn.core.errors import ConfigError, StudyChangedError
from autocnn.core.own_model import (
    OwnModel,
    kept_name,
    kept_own_model,
    locate_own_model,
    module_name,
    new_files,
    short_name,
)

NETS = """
from .blocks import block

def build(params, image_shape, num_classes):
    from . import late
    return block(params), image_shape, num_classes, late.NAME
"""


@pytest.fixture(autouse=True)
def restored_modules() -> Iterator[None]:
    """What a test imports is not there for the next one."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `pkg.nets`, which imports `pkg.blocks` at once and `pkg.late` late."""
    folder = tmp_path / "pkg"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text(NETS)
    (folder / "blocks.py").write_text("def block(params):\n    return dict(params)\n")
    (folder / "late.py").write_text("NAME = 'late'\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problem(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        locate_own_model(text).load()
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("text", ["pkg/nets.py:build", "pkg.nets:build"])
def test_a_file_and_a_module_name_the_same_own_model(package: Path, text: str) -> None:
    own_model = locate_own_model(text)
    assert own_model == OwnModel(package / "pkg" / "nets.py", "build")
    assert (own_model.root, own_model.module, own_model.name) == (package, "pkg.nets", "nets:build")
    assert locate_own_model(str(own_model)) == own_model
    assert "pkg" not in sys.modules
    assert pickle.loads(pickle.dumps(own_model)) == own_model


def test_an_own_model_imports_its_own_package(package: Path) -> None:
    build = locate_own_model("pkg.nets:build").load()
    assert build({"a": 1}, (8, 8, 1), 3) == ({"a": 1}, (8, 8, 1), 3, "late")


def test_all_files_that_were_imported_on_the_way_are_known(package: Path) -> None:
    own_model, before = locate_own_model("pkg.nets:build"), list(sys.modules)
    own_model.load()({}, (8, 8, 1), 3)
    files = new_files(own_model, before)
    assert list(files) == ["pkg/__init__.py", "pkg/blocks.py", "pkg/late.py", "pkg/nets.py"]
    known = replace(own_model, files=files)
    assert known.changes() == []
    assert known.read_files()["pkg/late.py"] == b"NAME = 'late'\n"
    (package / "pkg" / "late.py").write_text("NAME = 'other'\n")
    (package / "pkg" / "blocks.py").unlink()
    assert known.changes() == ["pkg/blocks.py is gone.", "pkg/late.py has another content."]
    with pytest.raises(StudyChangedError, match=r"nets\.py: a model must stay as it was .* gone"):
        known.load()


def test_installed_packages_are_no_part_of_a_model(tmp_path: Path) -> None:
    library = tmp_path / ".venv" / "site-packages"
    library.mkdir(parents=True)
    (library / "a_library.py").write_text("")
    path = write(
        tmp_path,
        "import sys\nsys.path.insert(0, 'LIB')\nimport a_library\ndef build(*args): ...\n".replace(
            "LIB", str(library)
        ),
    )
    own_model, before = locate_own_model(f"{path}:build"), list(sys.modules)
    own_model.load()
    assert "a_library" in sys.modules
    assert list(new_files(own_model, before)) == ["mine.py"]


def test_registering_imports_what_is_imported_late(package: Path) -> None:
    own_model = replace(
        locate_own_model("pkg.nets:build"), files={"pkg/nets.py": "", "pkg/late.py": ""}
    )
    files = {name: _digest(package / name) for name in own_model.files}
    replace(own_model, files=files).register()
    assert "pkg.late" in sys.modules


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("mine.py", "must be FILE:FUNCTION or MODULE:FUNCTION, got 'mine.py'", "my_model.py:build"),
        ("mine.py:", "must be FILE:FUNCTION", ""),
        ("mine.py:a b", "must be FILE:FUNCTION", ""),
        (":build", "must be FILE:FUNCTION", ""),
        ("gone.py:build", "must name a Python file, got none at gone.py", ""),
        ("./pkg:build", "must name a Python file, got a folder", ""),
        ("notes.txt/:build", "must name a Python file, got another file", ""),
        ("1st.py:build", "a file that Python can import, got '1st.py'", "Rename it"),
        ("no_such_module:build", "got 'no_such_module', which is neither", "path/to/no_such_mod"),
        ("pkg.no:build", "got 'pkg.no', which is neither", "Give its file"),
        ("sys:exit", "got 'sys', which is neither", "Give its file"),
        ("bare.nets:build", "every folder of a package must hold an __init__.py", "Add an empty"),
    ],
)
def test_what_cannot_be_found_is_told(package: Path, text: str, message: str, remedy: str) -> None:
    write(package, "", "1st.py")
    write(package, "", "notes.txt")
    (package / "bare").mkdir()
    write(package / "bare", "", "nets.py")
    error = problem(text)
    assert message in error.message
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("source", "message", "remedy"),
    [
        ("def build(:\n", "mine.py:1: must be importable, got: SyntaxError", "import mine"),
        ("x = 1\nimport no_such_thing\n", "mine.py:2: must be importable, got: ModuleNotFound", ""),
        (
            "def f():\n  raise ValueError('bad')\nf()",
            "mine.py:2: must be importable, got: ValueError: bad.",
            "",
        ),
        ("import sys\nsys.exit(3)", "mine.py:2: must be importable, got: SystemExit: 3", ""),
        ("def biuld(p, s, n): ...", "mine.py must define 'build', got no such", "mean 'biuld'?"),
        ("", "mine.py must define 'build', got no such name", "after the colon"),
        ("build = 3", "must be a function, got int", "(params, image_shape, num_classes)"),
    ],
)
def test_what_cannot_be_imported_is_told(
    tmp_path: Path, source: str, message: str, remedy: str
) -> None:
    error = problem(f"{write(tmp_path, source)}:build")
    assert message in error.message
    assert remedy in error.remedy


def test_a_module_of_that_name_is_not_replaced(tmp_path: Path) -> None:
    error = problem(f"{write(tmp_path, 'def build(): ...', 'json.py')}:build")
    assert "must have a name of its own, got 'json'" in error.message
    assert error.remedy == "Rename the file, or begin in a new Python."


def test_a_copy_of_a_module_that_is_there_is_that_module(tmp_path: Path) -> None:
    build = locate_own_model(f"{write(tmp_path, 'def build(): ...')}:build").load()
    (tmp_path / "copy").mkdir()
    copy = write(tmp_path / "copy", "def build(): ...")
    assert locate_own_model(f"{copy}:build").load() is build


def test_the_copy_of_a_study_is_an_own_model(tmp_path: Path) -> None:
    copies = tmp_path / "builder"
    (copies / "pkg").mkdir(parents=True)
    write(copies / "pkg", "")
    files = {"pkg/mine.py": "00", "mine.py": "11"}
    kept = kept_own_model("/gone/pkg/mine.py:build", files, copies)
    assert kept == OwnModel(copies / "pkg" / "mine.py", "build", files)
    assert kept_own_model(None, None, copies) is None
    assert kept_own_model("/gone/other.py:build", files, copies) is None


def test_names() -> None:
    assert short_name("/home/me/my_model.py:build") == "my_model:build"
    assert kept_name("/me/pkg/nets.py:build", {"pkg/__init__.py": "", "pkg/nets.py": ""}) == (
        "pkg/nets.py"
    )
    assert kept_name(None, None) is None
    assert [module_name(path) for path in ("a.py", "a/b.py", "a/__init__.py")] == ["a", "a.b", "a"]
