"""What was found once is opened again; a few new cases; and the oracle sees what it is to see."""

import os
import pickle
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import running
from tests.fuzz.running import CORPUS, GUARD, draw, find_fault, run, watch
from tests.fuzz.targets import TARGETS, Target

NUM_QUICK, NUM_SLOW = 8, 1000


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    watch()


@pytest.mark.parametrize("target", TARGETS)
def test_good_files_are_opened(target: str) -> None:
    assert [find_fault(target, seed) for seed in TARGETS[target].seeds()[:3]] == [None] * min(
        3, len(TARGETS[target].seeds())
    )


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
