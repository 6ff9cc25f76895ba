"""What every executor promises the runner: one suite, run on each of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.events import Observer
from autocnn.core.objective import Goal
from autocnn.core.records import TrialState
from autocnn.execution import processes
from autocnn.execution.cluster.agent import AgentOptions
from autocnn.execution.cluster.ray_executor import RayExecutor
from autocnn.execution.cluster.remote import RemoteExecutor
from autocnn.execution.executor import EndEvent, EpochEvent, Executor
from autocnn.execution.tasks import Images, Prediction, PredictionTask, TrainingTask, WeightsTask
from autocnn.storage.checkpoint import read_checkpoint, write_checkpoint
from autocnn.testing.executors import HERE as CONTRACT
from autocnn.testing.executors import ExecutorContract
from tests.cluster import LoopbackCluster, loopback_cluster
from tests.execution.cluster.agents import InProcess
from tests.execution.functions import HERE, make_executor, run

TRAINER = "tests.faults.trainer"

OPTIONS = AgentOptions(num_cpus=2, preload=[HERE, TRAINER, CONTRACT])


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackCluster]:
    with loopback_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["forkserver", "spawn", "agent", "agent with storage", "ray"])
def executor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Executor]:
    executor: Executor
    if request.param in ("forkserver", "spawn"):
        monkeypatch.setenv(processes.START_VARIABLE, request.param)
        executor = make_executor(request.param)
    else:
        remote: RemoteExecutor
        if request.param == "ray":
            address = request.getfixturevalue("cluster").address
            remote = RayExecutor(address, tmp_path, Observer(), options=OPTIONS)
        else:
            storage = tmp_path / "storage" if request.param == "agent with storage" else None
            remote = RemoteExecutor(
                InProcess(1), tmp_path, Observer(), options=OPTIONS, storage=storage
            )
        remote.begin()
        executor = remote
    yield executor
    executor.close()


@pytest.mark.slow
class TestEveryExecutor(ExecutorContract):
    """What anybody's own executor is put to, too."""

    @pytest.fixture(autouse=True)
    def take(self, executor: Executor) -> None:
        self.executor = executor

    def make_executor(self) -> Executor:
        return self.executor


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "state", "reason"),
    [
        ("crash", TrialState.FAILED, "its process was ended by SIGSEGV"),
        ("exit_at_once", TrialState.FAILED, "its process ended with exit code 3"),
        ("no_such_function", TrialState.FAILED, "AttributeError"),
    ],
)
def test_every_end_is_a_state(
    executor: Executor, tmp_path: Path, function: str, state: TrialState, reason: str
) -> None:
    _, outcome = run(executor, function, tmp_path)
    assert outcome.state == state
    assert outcome.reason.startswith(reason)
    assert outcome.result is None


@pytest.mark.slow
def test_the_peak_memory_is_the_task_s_own(executor: Executor, tmp_path: Path) -> None:
    ballast = b"x" * 1_000_000_000  # of this process, which starts the others
    peak = run(executor, "count_to_three", tmp_path)[1].peak_memory_mb
    assert peak is not None
    assert 10 < peak < len(ballast) / 1e6


@pytest.mark.slow
def test_tasks_run_side_by_side_and_close_stops_them(executor: Executor, tmp_path: Path) -> None:
    task: Any = WeightsTask((), 32, "")
    for key in (1, 2):
        log_path = tmp_path / f"{key}.txt"
        executor.submit(key, f"{HERE}:hang", task, log_path=log_path, timeout_s=None)
    started: set[int] = set()
    while len(started) < 2:
        started |= {event.key for event in executor.poll(5.0) if isinstance(event, EpochEvent)}
    assert executor.num_running == 2
    executor.close()
    assert executor.num_running == 0
    assert executor.poll(0.0) == []


# -- files ---------------------------------------------------------------------------------


def training(study: Path, epochs: int = 4) -> TrainingTask:
    """A training of which all files stand in a study."""
    np.save(study / "images.npy", np.zeros((6, 8, 8, 1), np.uint8))
    rows = np.arange(6)
    folder = study / "trials/0001"
    (folder / "checkpoint").mkdir(parents=True, exist_ok=True)
    return TrainingTask(
        images=Images(study / "images.npy", rows % 2, 2),
        train_rows=rows[:4],
        val_rows=rows[4:],
        params={},
        epochs=epochs,
        seed=(0, 1),
        goal=Goal("accuracy"),
        model_path=folder / "model.keras",
        threads=1,
        precision="float32",
        weights="",
        checkpoint_path=folder / "checkpoint/epoch.npz",
    )


def train(
    executor: Executor, task: TrainingTask, log_path: Path, *, until: int
) -> tuple[list[int], list[EndEvent]]:
    """Epochs that were reported, and the end; it is cancelled when `until` was."""
    executor.submit(0, f"{TRAINER}:train", task, log_path=log_path, timeout_s=None)
    epochs: list[int] = []
    while True:
        for event in executor.poll(1.0):
            if isinstance(event, EndEvent):
                return epochs, [event]
            epochs.append(event.score.epoch)
            if event.score.epoch == until:
                executor.cancel(0)
                return epochs, []
            executor.answer(0, stop=False)


@pytest.mark.slow
def test_what_a_task_leaves_stands_when_its_end_is_told(executor: Executor, tmp_path: Path) -> None:
    task = training(tmp_path)
    epochs, ends = train(executor, task, tmp_path / "log.txt", until=99)
    assert epochs == [1, 2, 3, 4]
    assert ends[0].outcome.state == TrialState.COMPLETE
    weights = np.load(task.model_path)
    path = tmp_path / "probabilities.npy"
    prediction = PredictionTask(
        task.images, (Prediction(task.model_path, task.val_rows, path),), threads=1
    )
    log_path = tmp_path / "log.txt"
    executor.submit(0, f"{TRAINER}:predict", prediction, log_path=log_path, timeout_s=None)
    while not executor.poll(1.0):
        pass
    assert np.load(path).shape == (2, 2)
    assert weights.shape == (4,)


@pytest.mark.slow
def test_after_a_cancel_a_training_goes_on_from_the_epoch_before(
    executor: Executor, tmp_path: Path
) -> None:
    models = {}
    for name in ("whole", "cancelled", "marked"):
        folder = tmp_path / name
        folder.mkdir()
        task = training(folder)
        if name != "whole":
            assert train(executor, task, folder / "log.txt", until=2) == ([1, 2], [])
            kept = read_checkpoint(task.checkpoint_path)
            assert kept is not None, "as the runner counts on"
            assert not task.model_path.exists()
            if name == "marked":
                weights = [kept.weights[0] + 1, *kept.weights[1:]]
                write_checkpoint(task.checkpoint_path, replace(kept, weights=weights))
        epochs, ends = train(executor, task, folder / "log.txt", until=99)
        assert epochs == [1, 2, 3, 4], "those of the checkpoint are reported again"
        assert ends[0].outcome.state == TrialState.COMPLETE
        models[name] = np.load(task.model_path)
    np.testing.assert_array_equal(models["cancelled"], models["whole"])
    assert not np.allclose(models["marked"], models["whole"]), "it began with what stood there"
