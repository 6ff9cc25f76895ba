"""The machine with its GPUs: those that TensorFlow sees, whatever the driver says."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from autocnn.core.events import Observer
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.local import LocalExecutor
from autocnn.execution.machine import Machine, has_gpu_driver
from autocnn.execution.runner import run_one
from autocnn.execution.tasks import FIND_GPUS, GpusResult, GpusTask

LONGEST_S = 120.0
"""A driver that answers nothing for so long is no help."""


def inspect_machine(
    observer: Observer, *, make_executor: Callable[[], Executor] = LocalExecutor
) -> Machine:
    """Look at this machine; where it has a driver, ask TensorFlow for the GPUs.

    It is asked in a process of its own, since who has looked at them holds memory on each.

    Args:
        observer: Hears of a driver without a GPU that can be used.
        make_executor: Of that process.
    """
    machine = Machine.inspect()
    if not has_gpu_driver():
        return machine
    outcome = _ask(make_executor())
    gpus = outcome.result.gpus if isinstance(outcome.result, GpusResult) else ()
    if not gpus:
        because = f" ({outcome.reason})" if outcome.reason else ""
        observer.warn(
            f"There is a driver of NVIDIA, but TensorFlow sees no GPU{because}: trials run on the "
            f"processors. {_remedy(machine)}"
        )
    return replace(machine, gpus=gpus)


def _remedy(machine: Machine) -> str:
    if machine.platform.startswith("Windows"):
        return "On Windows TensorFlow uses GPUs in WSL2 alone."
    return 'The CUDA libraries come with `pip install "tensorflow[and-cuda]"`.'


def _ask(executor: Executor) -> Outcome:
    try:
        with tempfile.TemporaryDirectory(prefix="autocnn-gpus-") as folder:
            log_path = Path(folder) / "log.txt"
            return run_one(executor, FIND_GPUS, GpusTask(), log_path=log_path, timeout_s=LONGEST_S)
    finally:
        executor.close()
