"""What was found once is opened again; a few new cases; and the oracle sees what it is to see."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import running
from tests.fuzz.running import CORPUS, GUARD, draw, find_fault, run, watch
from tests.fuzz.targets import TARGETS, Target

NUM_QUICK, NUM_SLOW = 8, 1000

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    watch()


@pytest.mark.parametrize("target", TARGETS)
def test_good_files_are_opened(target: str, tmp_path: Path) -> None:
    """And not refused, in which a case may end too."""
    for number, content in enumerate(TARGETS[target].seeds()):
        folder = tmp_path / str(number)
        folder.mkdir()
        TARGETS[target].open(content, folder)


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_is_opened_or_refused(path: Path) -> None:
    assert find_fault(path.name.rpartition("-")[0], path.read_bytes()) is None


@pytest.mark.parametrize("target", TARGETS)
def test_nearly_good_files_are_opened_or_refused(target: str) -> None:
    assert run(target, 0, NUM_QUICK) == {}


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_nearly_good_files_are_opened_or_refused(target: str) -> None:
    assert run(target, NUM_QUICK, NUM_SLOW) == {}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Atheris is for Linux")
def test_cases_that_reach_new_lines_are_opened_or_refused() -> None:
    command = [sys.executable, "-m", "tests.fuzz.guided", "--target", "config", "--cases", "300"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "config: 300 cases, 0 faults of 0 kinds" in found.stdout
    assert "NEW" in found.stderr, "it goes on from what reached new lines"


def test_a_case_is_the_same_each_time() -> None:
    assert draw("table", 3) == draw("table", 3) != draw("table", 4)


# -- the oracle ------------------------------------------------------------------------------


class Evil:
    """Runs a program when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


def write_outside(content: bytes, folder: Path) -> None:
    (folder.parent / "autocnn-fuzz-outside").write_bytes(content)


def start_something(content: bytes, folder: Path) -> None:
    subprocess.run(["true"], check=True)


def take_long(content: bytes, folder: Path) -> None:
    began = time.process_time()
    while time.process_time() - began < 60:
        pass


def unpickle(content: bytes, folder: Path) -> None:
    pickle.loads(pickle.dumps(Evil()))


def fail(content: bytes, folder: Path) -> None:
    raise ZeroDivisionError("a bug")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(running, "MOST_S", 0.2)
    for function in (write_outside, start_something, take_long, unpickle, fail):
        monkeypatch.setitem(TARGETS, function.__name__, Target(lambda: [b"x"], function))
    yield
    assert GUARD.folder is None


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("write_outside", "Forbidden: open"),
        ("start_something", "Forbidden: subprocess.Popen"),
        ("take_long", "TooSlow: took longer"),
        ("unpickle", "Forbidden: pickle.find_class"),
        ("fail", "ZeroDivisionError: a bug"),
    ],
)
def test_what_no_file_may_bring_about_is_seen(target: str, fault: str) -> None:
    found = find_fault(target, b"x")
    assert found is not None
    assert found.startswith(fault)
