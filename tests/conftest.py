"""Settings that all tests share."""

import ctypes
import os
import sys
from collections.abc import Iterator

# Before TensorFlow is imported anywhere; the forkserver's workers inherit them.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="all of what is a sample else: kills, situations, variants marked `full`",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --full none that is marked so; long tests come first in each of two processes, so
    that none is left alone at the end."""
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    half = len(others) // 2
    items[:] = [*long[::2], *others[:half], *long[1::2], *others[half:]]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where collected tests have imported TensorFlow, it has the threads of a worker from the
    first operation on: later they can't be set."""
    if "tensorflow" in sys.modules:
        from autocnn.training.train import configure_tensorflow

        configure_tensorflow(threads=1)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Whichever test begins TensorFlow in this process, it has the threads of a worker."""
    from autocnn.inference.predict import runtimes

    begin = runtimes._tensorflow
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtimes, "_tensorflow", lambda threads: begin(1))
        yield


@pytest.fixture
def dots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is a dot: for whole studies whose pictures the test does not look at."""
    from tests.pictures import save_dot

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save_dot)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, dots: None) -> None:
    """The studies of this process train by a formula: for tests of all that is around trainings."""
    from tests.simulation.executor import SimulatedExecutor

    monkeypatch.setattr("autocnn.study.run._local_executor", lambda resources: SimulatedExecutor())


@pytest.fixture
def permissions_hold() -> Iterator[None]:
    """For root too, who may read and write everything else: as everywhere for everybody."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "capset"):
        pytest.skip("root may read and write everything")
    # From linux/capability.h: the third version, of this thread; then effective, permitted and
    # inheritable capabilities, twice. To override permissions are the second and the third.
    header, found = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, found) == 0
    before, found[0] = found[0], found[0] & ~0b110
    assert libc.capset(header, found) == 0
    yield
    found[0] = before
    assert libc.capset(header, found) == 0


@pytest.fixture(autouse=True)
def impatient_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a process that may just be dying."""
    monkeypatch.setattr("autocnn.storage.lock.DYING_S", 0.0)
