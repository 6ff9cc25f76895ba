"""Real processes, forked or warm, with functions of this file in place of training."""

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from autocnn.core.errors import ConfigError
from autocnn.core.records import EpochScore, Scores, TrialState
from autocnn.execution import local, processes
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.local import LocalExecutor
from autocnn.execution.tasks import PredictionTask, WeightsResult, WeightsTask

Report = Callable[[EpochScore], bool]

HERE = "tests.execution.test_local"


def epoch(number: int) -> EpochScore:
    return EpochScore(
        epoch=number, train_loss=1.0, val=Scores(accuracy=0.5), learning_rate=0.1, seconds=0.1
    )


def count_to_three(task: WeightsTask, report: Report) -> WeightsResult:
    for number in (1, 2, 3):
        if report(epoch(number)):
            return WeightsResult((f"stopped {number}",))
    return WeightsResult(("three",))


def print_and_raise(task: WeightsTask, report: Report) -> WeightsResult:
    print("some output", flush=True)
    raise ZeroDivisionError("a bug\nwith two lines")


def raise_user_error(task: WeightsTask, report: Report) -> WeightsResult:
    raise ConfigError("the rule, got x.", remedy="Do this.")


def run_out_of_memory(task: WeightsTask, report: Report) -> WeightsResult:
    raise MemoryError


def crash(task: WeightsTask, report: Report) -> WeightsResult:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def kill_itself(task: WeightsTask, report: Report) -> WeightsResult:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def exit_at_once(task: WeightsTask, report: Report) -> WeightsResult:
    os._exit(3)


def hang(task: WeightsTask, report: Report) -> WeightsResult:
    report(epoch(1))
    time.sleep(600)
    raise AssertionError


def take_memory(task: WeightsTask, report: Report) -> WeightsResult:
    ballast = b"x" * 400_000_000
    time.sleep(60)
    raise AssertionError(len(ballast))


def name_modules(task: WeightsTask, report: Report) -> WeightsResult:
    import sys

    return WeightsResult(tuple(sorted({"tensorflow", "keras"} & set(sys.modules))))


def tell_process(task: WeightsTask, report: Report) -> WeightsResult:
    print("here", flush=True)
    return WeightsResult((str(os.getpid()),))


def tell_gpu(task: WeightsTask, report: Report) -> WeightsResult:
    return WeightsResult((os.environ.get("CUDA_VISIBLE_DEVICES", ""),))


HELD: list[bytes] = []


def leak(task: WeightsTask, report: Report) -> WeightsResult:
    HELD.append(b"x" * 300_000_000)
    return tell_process(task, report)


def tell_environment(task: WeightsTask, report: Report) -> WeightsResult:
    return WeightsResult(tuple(f"{name}={os.environ.get(name)}" for name in processes._ENVIRONMENT))


def make_executor(start: str) -> LocalExecutor:
    """One of which warm workers import no TensorFlow."""
    return LocalExecutor() if start == "forkserver" else LocalExecutor(preload=[HERE])


@pytest.fixture(params=["forkserver", "spawn"])
def executor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalExecutor]:
    monkeypatch.setenv(processes.START_VARIABLE, request.param)
    executor = make_executor(request.param)
    yield executor
    executor.close()


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    monkeypatch.setenv(processes.START_VARIABLE, "spawn")
    executor = make_executor("spawn")
    yield executor
    executor.close()


def run(
    executor: LocalExecutor,
    function: str,
    tmp_path: Path,
    *,
    timeout_s: float | None = None,
    task: Any = None,
) -> tuple[list[int], Outcome]:
    """Epochs that were reported, and the end."""
    task = task or WeightsTask((), 32, "")
    log_path = tmp_path / "log.txt"
    executor.submit(5, f"{HERE}:{function}", task, log_path=log_path, timeout_s=timeout_s)
    epochs: list[int] = []
    while True:
        for event in executor.poll(0.2):
            assert event.key == 5
            if isinstance(event, EpochEvent):
                epochs.append(event.score.epoch)
                executor.answer(5, stop=False)
            else:
                assert executor.num_running == 0
                return epochs, event.outcome


@pytest.mark.slow
def test_epochs_are_reported_and_the_result_returned(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    epochs, outcome = run(executor, "count_to_three", tmp_path)
    assert epochs == [1, 2, 3]
    assert outcome.state == TrialState.COMPLETE
    assert outcome.result == WeightsResult(("three",))
    assert outcome.peak_memory_mb is not None and outcome.peak_memory_mb > 10


@pytest.mark.slow
def test_the_answer_stops_a_task(executor: LocalExecutor, tmp_path: Path) -> None:
    task = WeightsTask((), 32, "")
    log_path = tmp_path / "log.txt"
    executor.submit(0, f"{HERE}:count_to_three", task, log_path=log_path, timeout_s=None)
    ended: list[Event] = []
    while not ended:
        for event in executor.poll(5.0):
            if isinstance(event, EpochEvent):
                executor.answer(0, stop=event.score.epoch == 2)
            else:
                ended.append(event)
    assert isinstance(ended[0], EndEvent)
    assert ended[0].outcome.result == WeightsResult(("stopped 2",))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["forkserver", "spawn"])
def test_workers_have_keras_loaded_already(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(processes.START_VARIABLE, start)
    executor = LocalExecutor()
    _, outcome = run(executor, "name_modules", tmp_path)
    executor.close()
    assert outcome.result == WeightsResult(("keras", "tensorflow"))


@pytest.mark.slow
def test_a_bug_is_a_state_with_its_traceback(executor: LocalExecutor, tmp_path: Path) -> None:
    _, outcome = run(executor, "print_and_raise", tmp_path)
    assert outcome.state == TrialState.FAILED
    assert outcome.reason == "ZeroDivisionError: a bug"
    assert "print_and_raise" in outcome.traceback
    assert "some output" in (tmp_path / "log.txt").read_text()


@pytest.mark.slow
def test_a_user_error_comes_back_whole(executor: LocalExecutor, tmp_path: Path) -> None:
    _, outcome = run(executor, "raise_user_error", tmp_path)
    assert isinstance(outcome.error, ConfigError)
    assert (outcome.error.message, outcome.error.remedy) == ("the rule, got x.", "Do this.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "state", "reason"),
    [
        ("run_out_of_memory", TrialState.OUT_OF_MEMORY, "MemoryError"),
        ("crash", TrialState.FAILED, "its process was ended by SIGSEGV"),
        ("exit_at_once", TrialState.FAILED, "its process ended with exit code 3"),
        ("no_such_function", TrialState.FAILED, "AttributeError"),
    ],
)
def test_every_end_is_a_state(
    executor: LocalExecutor, tmp_path: Path, function: str, state: TrialState, reason: str
) -> None:
    _, outcome = run(executor, function, tmp_path)
    assert outcome.state == state
    assert outcome.reason.startswith(reason)
    assert outcome.result is None


@pytest.mark.slow
def test_a_hung_task_times_out_and_its_process_is_gone(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    epochs, outcome = run(executor, "hang", tmp_path, timeout_s=3.0)
    assert epochs == [1]
    assert outcome.state == TrialState.TIMED_OUT
    assert "3 s" in outcome.reason


@pytest.mark.slow
def test_the_peak_memory_is_the_task_s_own(executor: LocalExecutor, tmp_path: Path) -> None:
    ballast = b"x" * 1_000_000_000  # of this process, which starts the others
    peak = run(executor, "count_to_three", tmp_path)[1].peak_memory_mb
    assert peak is not None
    assert 10 < peak < len(ballast) / 1e6


@pytest.mark.slow
def test_a_task_over_its_memory_is_ended(executor: LocalExecutor, tmp_path: Path) -> None:
    base = run(executor, "count_to_three", tmp_path)[1].peak_memory_mb or 0.0
    executor.memory_limit_gb = base / 1e3 + 0.1
    _, outcome = run(executor, "take_memory", tmp_path)
    assert outcome.state == TrialState.OUT_OF_MEMORY
    assert outcome.reason == f"needed more than its {executor.memory_limit_gb:g} GB of memory"


@pytest.mark.slow
def test_a_kill_by_the_kernel_for_want_of_memory_is_told_from_others(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, outcome = run(executor, "kill_itself", tmp_path)
    assert (outcome.state, outcome.reason) == ("failed", "its process was ended by SIGKILL")
    kills = iter([7, 8])
    monkeypatch.setattr(local, "count_memory_kills", lambda: next(kills))
    _, outcome = run(executor, "kill_itself", tmp_path)
    assert outcome.state == TrialState.OUT_OF_MEMORY
    assert outcome.reason == "the kernel ended its process for want of memory"


@pytest.mark.slow
def test_a_process_that_cannot_start_is_a_failed_task(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: BaseProcess) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    executor._workers.close()  # none waits
    with monkeypatch.context() as patch:
        patch.setattr(BaseProcess, "start", refuse)
        _, outcome = run(executor, "count_to_three", tmp_path)
    assert outcome.state == TrialState.FAILED
    assert outcome.reason.startswith("its process could not start: [Errno 11]")
    assert run(executor, "count_to_three", tmp_path)[1].state == TrialState.COMPLETE


@pytest.mark.slow
def test_a_cancelled_task_is_gone_without_an_end(executor: LocalExecutor, tmp_path: Path) -> None:
    log_path = tmp_path / "log.txt"
    task = WeightsTask((), 32, "")
    executor.submit(0, f"{HERE}:hang", task, log_path=log_path, timeout_s=None)
    while not executor.poll(5.0):
        pass
    executor.cancel(0)
    assert executor.num_running == 0
    assert executor.poll(0.1) == []
    executor.cancel(0)


@pytest.mark.slow
def test_tasks_run_side_by_side_and_close_stops_them(
    executor: LocalExecutor, tmp_path: Path
) -> None:
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


@pytest.mark.slow
def test_the_callers_main_module_is_not_imported_again(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = tmp_path / "script.py"
    script.write_text(
        "print('started')\n"
        "from pathlib import Path\n"
        "from autocnn.execution.local import LocalExecutor\n"
        "from autocnn.execution.tasks import WeightsTask\n"
        "executor = LocalExecutor()\n"
        f"executor.submit(0, '{HERE}:name_modules', WeightsTask((), 1, ''),\n"
        f"                log_path=Path({str(tmp_path / 'log.txt')!r}), timeout_s=None)\n"
        "events = []\n"
        "while not events:\n"
        "    events = executor.poll(5.0)\n"
        "print(events[0].outcome.state)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, check=True
    )
    assert result.stdout.split() == ["started", "complete"]


@pytest.mark.slow
def test_the_environment_of_the_workers_is_not_left_to_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in processes._ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    before = dict(os.environ)
    with processes.worker_environment():
        inside = {name: os.environ[name] for name in processes._ENVIRONMENT}
    assert inside == processes._ENVIRONMENT | {"TF_CPP_MIN_LOG_LEVEL": "0"}, "the user's own stays"
    assert dict(os.environ) == before
    executor = LocalExecutor()
    outcome = run(executor, "tell_environment", tmp_path)[-1]
    executor.close()
    assert dict(os.environ) == before
    assert isinstance(outcome.result, WeightsResult)
    assert "OMP_NUM_THREADS=1" in outcome.result.backbones


# -- warm workers --------------------------------------------------------------------------


def process_of(
    executor: LocalExecutor, tmp_path: Path, function: str = "tell_process", threads: int = 1
) -> str:
    """The number of the process that ran a task."""
    task = PredictionTask(None, (), threads=threads)  # type: ignore[arg-type]
    outcome = run(executor, function, tmp_path, task=task)[1]
    assert isinstance(outcome.result, WeightsResult), outcome
    return outcome.result.backbones[0]


@pytest.mark.slow
def test_a_warm_worker_takes_task_after_task(warm: LocalExecutor, tmp_path: Path) -> None:
    first = process_of(warm, tmp_path)
    assert process_of(warm, tmp_path) == first
    _, outcome = run(warm, "print_and_raise", tmp_path)
    assert outcome.reason == "ZeroDivisionError: a bug"
    assert process_of(warm, tmp_path) == first, "an error of a task is none of its process"
    other = tmp_path / "other"
    other.mkdir()
    process_of(warm, other)
    assert (other / "log.txt").read_text() == "here\n", "each task has a log of its own"


@pytest.mark.slow
@pytest.mark.parametrize("function", ["crash", "exit_at_once", "hang"])
def test_a_warm_worker_that_was_lost_is_replaced(
    function: str, warm: LocalExecutor, tmp_path: Path
) -> None:
    first = process_of(warm, tmp_path)
    assert run(warm, function, tmp_path, timeout_s=3.0)[1].state != TrialState.COMPLETE
    assert process_of(warm, tmp_path) != first


@pytest.mark.slow
def test_a_worn_worker_is_replaced(
    warm: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = process_of(warm, tmp_path)
    assert process_of(warm, tmp_path, "leak") == first
    second = process_of(warm, tmp_path)
    assert second != first, "it held ever more memory"
    monkeypatch.setattr(processes, "MOST_TASKS", 2)
    assert process_of(warm, tmp_path) == second
    assert process_of(warm, tmp_path) != second, "it had its two tasks"


@pytest.mark.slow
def test_other_threads_take_another_process(warm: LocalExecutor, tmp_path: Path) -> None:
    first = process_of(warm, tmp_path)
    assert process_of(warm, tmp_path, threads=2) != first
    assert warm._workers._idle[0].setting == (2, False, None)  # type: ignore[attr-defined]
    assert len(warm._workers._idle) == 1, "no more processes than there is work for"  # type: ignore[attr-defined]


@pytest.mark.slow
def test_warm_workers_end_with_their_executor(warm: LocalExecutor, tmp_path: Path) -> None:
    process = psutil.Process(int(process_of(warm, tmp_path)))
    warm.close()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_way_that_processes_start_is_chosen_by_the_system_or_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(processes.START_VARIABLE, raising=False)
    assert processes.choose_start() == "forkserver"
    assert processes.choose_start(is_dear=True) == "spawn"
    monkeypatch.setenv(processes.START_VARIABLE, "spawn")
    assert processes.choose_start() == "spawn"
    monkeypatch.setenv(processes.START_VARIABLE, "fork")
    with pytest.raises(ConfigError, match="AUTOCNN_START must be forkserver or spawn, got 'fork'"):
        processes.choose_start()
    monkeypatch.delenv(processes.START_VARIABLE)
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    assert processes.choose_start() == "spawn"
