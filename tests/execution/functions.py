"""What processes run in place of training, in the tests of executors."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autocnn.core.errors import ConfigError
from autocnn.core.records import EpochScore, Scores
from autocnn.execution import processes
from autocnn.execution.executor import EpochEvent, Executor, Outcome
from autocnn.execution.local import LocalExecutor
from autocnn.execution.tasks import WeightsResult, WeightsTask

Report = Callable[[EpochScore], bool]

HERE = "tests.execution.functions"


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


def read_too_far(task: WeightsTask, report: Report) -> WeightsResult:
    raise EOFError("Compressed file ended before the end-of-stream marker was reached")


def raise_user_error(task: WeightsTask, report: Report) -> WeightsResult:
    raise ConfigError("the rule, got x.", remedy="Do this.")


class InternalError(Exception):
    """As TensorFlow raises it."""

    __module__ = "tensorflow.python.framework.errors_impl"


def run_out_of_gpu_memory(task: WeightsTask, report: Report) -> WeightsResult:
    raise InternalError("Failed copying input tensor: Dst tensor is not initialized.")


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


def run(
    executor: Executor,
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


def make_executor(start: str) -> LocalExecutor:
    """One of which warm workers import no TensorFlow."""
    return LocalExecutor() if start == "forkserver" else LocalExecutor(preload=[HERE])
