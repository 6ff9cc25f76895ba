"""What an observer hears beside trackers, and what becomes of their errors."""

import inspect
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.config import StudyConfig, resolve_config
from autocnn.core.errors import ConfigError, MissingExtraError
from autocnn.core.events import Observer
from autocnn.core.records import EpochScore, Params, TrialRecord
from autocnn.integrations.trackers import check_extras, tracked
from autocnn.integrations.trackers.base import Background, points_of
from autocnn.integrations.trackers.tracked import TrackedObserver
from autocnn.storage import StudyFolder
from tests.samples import epoch, trial


class Notebook:
    """A tracker that writes down what it is told, and fails at one thing."""

    name = "Notebook"

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.told: list[str] = []

    def begin(self, earlier: Sequence[TrialRecord]) -> None:
        self.write("begin")

    def start(self, trial: int, params: Params) -> None:
        self.write("start")

    def add(self, trial: int, score: EpochScore) -> None:
        self.write("add")

    def end(self, record: TrialRecord) -> None:
        self.write("end")

    def finish(self, folder: StudyFolder) -> None:
        self.write("finish")

    def close(self) -> None:
        self.write("close")

    def write(self, what: str) -> None:
        self.told.append(what)
        if what == self.fails_at:
            raise OSError("the server is gone\nwith a long story")


class Listener(Observer):
    """Keeps the warnings, and the names of all that it hears."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.heard: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def __getattribute__(self, name: str) -> Any:
        if hasattr(Observer, name) and not name.startswith("_"):
            self.heard.append(name)
        return super().__getattribute__(name)


def go_through(observer: TrackedObserver, folder: StudyFolder) -> None:
    observer.trials_found([])
    observer.trial_started(0, {}, epochs=1)
    observer.trial_epoch(0, epoch())
    observer.trial_ended(trial(0), best=None)
    observer.finish(folder)
    observer.release()


ALL = ["begin", "start", "add", "end", "finish", "close"]


def test_a_tracker_hears_of_the_whole_study(tmp_path: Path) -> None:
    notebook, listener = Notebook(), Listener()
    go_through(TrackedObserver(listener, [lambda: notebook]), StudyFolder(tmp_path))
    assert notebook.told == ALL
    assert listener.warnings == []


@pytest.mark.parametrize("fails_at", ALL)
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_failing_tracker_is_one_warning(
    fails_at: str, is_elsewhere: bool, tmp_path: Path
) -> None:
    failing, sound, listener = Notebook(fails_at), Notebook(), Listener()

    def make() -> Any:
        return Background("Notebook", lambda: failing) if is_elsewhere else failing

    go_through(TrackedObserver(listener, [make, lambda: sound]), StudyFolder(tmp_path))
    assert failing.told == ALL[: ALL.index(fails_at) + 1]
    assert sound.told == ALL
    assert [line.split(". ")[0] for line in listener.warnings] == [
        "Notebook must take the numbers of the trials, got: the server is gone"
    ]


def test_a_tracker_that_cannot_be_made_is_one_warning(tmp_path: Path) -> None:
    def make() -> Any:
        raise ModuleNotFoundError("No module named 'tracker'")

    listener = Listener()
    go_through(TrackedObserver(listener, [make]), StudyFolder(tmp_path))
    assert len(listener.warnings) == 1
    assert "No module named 'tracker'" in listener.warnings[0]


def test_the_study_does_not_wait_for_a_slow_tracker(tmp_path: Path) -> None:
    may_go_on = threading.Event()

    class Slow(Notebook):
        def begin(self, earlier: Sequence[TrialRecord]) -> None:
            may_go_on.wait(30)

    listener = Listener()
    slow = Background("Slow", Slow, patience_s=0.05)
    begun = time.monotonic()
    go_through(TrackedObserver(listener, [lambda: slow]), StudyFolder(tmp_path))
    assert time.monotonic() - begun < 10
    may_go_on.set()
    assert len(listener.warnings) == 1
    assert "no answer in 0.05 s" in listener.warnings[0]


def test_everything_is_passed_on() -> None:
    listener = Listener()
    observer = TrackedObserver(listener, [])
    arguments: dict[str, Callable[[], object]] = {
        "stage": lambda: observer.stage("decode", total=3, unit="images"),
        "advance": lambda: observer.advance(2),
        "note": lambda: observer.note("text"),
        "warn": lambda: observer.warn("text"),
        "trials_found": lambda: observer.trials_found([]),
        "trial_started": lambda: observer.trial_started(0, {}, epochs=3),
        "trial_epoch": lambda: observer.trial_epoch(0, epoch()),
        "trial_ended": lambda: observer.trial_ended(trial(0), best=None),
        "time_left": lambda: observer.time_left(60.0, finalists_s=10.0),
        "close": lambda: observer.close(),
    }
    for name, tell in arguments.items():
        listener.heard.clear()
        tell()
        assert listener.heard == [name]
    assert set(arguments) == {name for name, _ in inspect.getmembers(Observer, inspect.isfunction)}


def test_without_trackers_the_observer_is_the_same(tmp_path: Path) -> None:
    listener = Listener()
    with tracked(StudyConfig(), StudyFolder(tmp_path), listener) as observer:
        assert observer is listener


def test_a_study_that_fails_is_not_finished(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = StudyFolder(tmp_path)
    with (
        pytest.raises(ZeroDivisionError),
        tracked(StudyConfig(tensorboard=True), folder, Observer()) as observer,
    ):
        observer.trials_found([trial(0)])
        raise ZeroDivisionError
    assert len(list(folder.tensorboard_dir.glob("trial-0000/**/*tfevents*"))) == 3


def test_numbers_of_an_epoch_are_those_that_were_measured() -> None:
    points = {(point.split, point.name): point.value for point in points_of(epoch())}
    assert points == {
        ("train", "loss"): 0.5,
        ("train", "learning_rate"): 1e-3,
        ("train", "epoch_seconds"): 1.23456,
        ("train", "accuracy"): 0.75,
        ("train", "balanced_accuracy"): 0.7,
        ("val", "accuracy"): 0.5,
    }


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_extras(StudyConfig())
    asked = (
        StudyConfig(tensorboard=True) if package == "tensorboard" else StudyConfig(mlflow="default")
    )
    with pytest.raises(MissingExtraError, match=f"pip install '{package}>="):
        check_extras(asked)


def test_the_address_of_mlflow_holds_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert StudyConfig(mlflow="sqlite:///runs.db").mlflow == f"sqlite:///{tmp_path}/runs.db"
    for address in ("default", "http://127.0.0.1:5000", f"sqlite:///{tmp_path}/runs.db"):
        assert StudyConfig(mlflow=address).mlflow == address


@pytest.mark.parametrize(
    "address", ["images/", "localhost:5000", "http://me:secret@host", "http://", "sqlite://", ""]
)
def test_what_is_no_address_of_mlflow(address: str) -> None:
    with pytest.raises(ConfigError, match="mlflow must be http://HOST:PORT"):
        resolve_config({"mlflow": address})
