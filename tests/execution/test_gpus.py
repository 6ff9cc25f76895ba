"""What TensorFlow sees decides, and each worker sees one GPU."""

from pathlib import Path

import pytest

from autocnn.core.events import Observer
from autocnn.core.records import TrialState
from autocnn.execution import gpus
from autocnn.execution.executor import EndEvent, Event, Outcome
from autocnn.execution.gpus import inspect_machine
from autocnn.execution.local import PRELOAD, LocalExecutor
from autocnn.execution.machine import Gpu
from autocnn.execution.processes import START_VARIABLE
from autocnn.execution.tasks import FIND_GPUS, GpusResult, Task, WeightsResult, WeightsTask
from tests.execution.functions import HERE as FUNCTIONS


class Answers:
    """An executor whose process answers at once."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome, self.asked, self.is_closed = outcome, "", False
        self.num_running = 0

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        self.asked, self.num_running = function, 1

    def poll(self, timeout_s: float) -> list[Event]:
        self.num_running = 0
        return [EndEvent(0, self.outcome)]

    def answer(self, key: int, *, stop: bool) -> None:
        raise AssertionError

    def cancel(self, key: int) -> None:
        raise AssertionError

    def close(self) -> None:
        self.is_closed = True


class Hears(Observer):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)


def refuse() -> LocalExecutor:
    raise AssertionError("nobody is to be asked")


def test_without_a_driver_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "has_gpu_driver", lambda: False)
    assert inspect_machine(Hears(), make_executor=refuse).gpus == ()


def test_tensorflow_says_which_gpus_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "has_gpu_driver", lambda: True)
    found = (Gpu("A100", (8, 0)), Gpu("A100", (8, 0)))
    executor, hears = Answers(Outcome(TrialState.COMPLETE, 1.0, result=GpusResult(found))), Hears()
    machine = inspect_machine(hears, make_executor=lambda: executor)
    assert machine.gpus == found
    assert machine.to_json()["gpus"] == ["A100 (8.0)", "A100 (8.0)"]
    assert executor.asked == FIND_GPUS
    assert executor.is_closed
    assert not hears.warnings


@pytest.mark.parametrize(
    ("outcome", "because"),
    [
        (Outcome(TrialState.COMPLETE, 1.0, result=GpusResult()), "no GPU: trials"),
        (Outcome(TrialState.TIMED_OUT, 120.0, "ran longer than its 120 s"), "no GPU (ran longer"),
    ],
)
def test_a_driver_without_cuda_libraries_is_told_with_its_remedy(
    outcome: Outcome, because: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "has_gpu_driver", lambda: True)
    hears = Hears()
    assert inspect_machine(hears, make_executor=lambda: Answers(outcome)).gpus == ()
    (warning,) = hears.warnings
    assert because in warning
    assert 'pip install "tensorflow[and-cuda]"' in warning


def test_on_windows_the_remedy_is_another_than_cuda_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpus, "has_gpu_driver", lambda: True)
    monkeypatch.setattr("platform.system", lambda: "Windows")
    hears = Hears()
    outcome = Outcome(TrialState.COMPLETE, 1.0, result=GpusResult())
    inspect_machine(hears, make_executor=lambda: Answers(outcome))
    (warning,) = hears.warnings
    assert warning.endswith("On Windows TensorFlow uses GPUs in WSL2 alone.")
    assert "pip install" not in warning


@pytest.mark.slow
@pytest.mark.parametrize("start", ["forkserver", "spawn"])
def test_each_task_sees_one_gpu(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(START_VARIABLE, start)
    # The forkserver is one for the whole process: what it has imported is there for later tests.
    preload = PRELOAD if start == "forkserver" else [FUNCTIONS]
    executor = LocalExecutor(preload=preload, devices=["3", "5"])
    try:
        seen = [_visible(executor, tmp_path, keys) for keys in ([0, 1], [2], [3, 4])]
    finally:
        executor.close()
    assert seen == [{"3", "5"}, {"3"}, {"3", "5"}]


def _visible(executor: LocalExecutor, tmp_path: Path, keys: list[int]) -> set[str]:
    """What the processes of some tasks, begun together, see."""
    for key in keys:
        executor.submit(
            key,
            f"{FUNCTIONS}:tell_gpu",
            WeightsTask((), 1, ""),
            log_path=tmp_path / f"{key}.txt",
            timeout_s=None,
        )
    found: set[str] = set()
    while executor.num_running:
        for event in executor.poll(5.0):
            assert isinstance(event, EndEvent)
            assert isinstance(event.outcome.result, WeightsResult), event.outcome
            found |= set(event.outcome.result.backbones)
    return found


@pytest.mark.slow
def test_the_real_question_is_answered() -> None:
    outcome = gpus._ask(LocalExecutor())
    assert isinstance(outcome.result, GpusResult), outcome
