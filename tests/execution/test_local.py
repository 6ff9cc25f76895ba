"""Real processes, forked or warm: what no other executor has; see also test_contract.py."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from autocnn.core.errors import ConfigError
from autocnn.core.records import TrialState
from autocnn.execution import local, processes
from autocnn.execution.executor import EndEvent, EpochEvent
from autocnn.execution.local import LocalExecutor
from autocnn.execution.tasks import PredictionTask, WeightsResult, WeightsTask
from tests.execution.functions import HERE, epoch, make_executor, run


@pytest.fixture(params=["forkserver", "spawn"])
def executor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalExecutor]:
    monkeypatch.setenv(processes.START_VARIABLE, request.param)
    executor = make_executor(request.param)
    yield executor
    executor.close()


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    monkeypatch.setenv(processes.START_VARIABLE, "spawn")
    executor = LocalExecutor(preload=[HERE], devices=["0"])
    yield executor
    executor.close()


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    monkeypatch.setenv(processes.START_VARIABLE, "spawn")
    executor = make_executor("spawn")
    yield executor
    executor.close()


SERVER = """
from multiprocessing import forkserver
from autocnn.execution import processes

processes._run_server()
print(forkserver._forkserver._forkserver_pid, flush=True)
input()
"""


def hears_ctrl_c(process: int) -> bool:
    """Whether it neither ignores SIGINT nor has it wait."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk", "SigIgn"))]
    return not any(mask >> (signal.SIGINT - 1) & 1 for mask in masks)


def test_a_server_that_still_imports_does_not_hear_ctrl_c() -> None:
    """A terminal sends it to all processes: the trial that waits for the server would fail."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        server = int(program.stdout.readline())
        assert not hears_ctrl_c(server)
        assert hears_ctrl_c(program.pid)
        program.communicate("\n")


def test_a_worker_that_still_imports_does_not_hear_ctrl_c() -> None:
    workers = processes.WarmWorkers([])
    (worker,) = workers._idle
    assert worker.process.pid is not None
    assert not hears_ctrl_c(worker.process.pid)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    workers.close()


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
def test_a_task_that_never_started_can_be_cancelled(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> processes.Worker:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(executor._workers, "start", refuse)
    task = WeightsTask((), 32, "")
    for key in (1, 2):
        log_path = tmp_path / "log.txt"
        executor.submit(key, f"{HERE}:count_to_three", task, log_path=log_path, timeout_s=None)
    executor.cancel(1)
    assert executor.num_running == 1
    assert [event.key for event in executor.poll(0.0)] == [2]
    executor.submit(3, f"{HERE}:count_to_three", task, log_path=log_path, timeout_s=None)
    executor.close()
    assert executor.num_running == 0
    assert executor.poll(0.0) == []


class Fakes:
    """Workers that are no processes: each has told of an epoch, and takes 3 GB."""

    def __init__(self) -> None:
        self.ends: list[Connection] = []
        self.killed: list[int] = []

    def start(self, function: str, task: Any, log_path: Path, device: str | None) -> Any:
        if function == "none":
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        ours, theirs = Pipe()
        sentinel, other = Pipe()
        self.ends += [ours, theirs, sentinel, other]
        theirs.send(("epoch", epoch(1)))
        number = len(self.ends)
        return SimpleNamespace(
            connection=ours,
            process=SimpleNamespace(sentinel=sentinel, is_alive=lambda: True),
            memory=lambda: 3e9,
            kill=lambda: self.killed.append(number),
            device=None,
        )

    def release(self, worker: Any, *, is_sound: bool) -> None:
        worker.connection.close()

    def close(self) -> None:
        for end in self.ends:
            end.close()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    monkeypatch.setattr(local, "make_workers", lambda preload, is_dear: Fakes())
    executor = LocalExecutor()
    yield executor
    executor.close()


def begin(executor: LocalExecutor, key: int, function: str = "some") -> None:
    task = WeightsTask((), 32, "")
    executor.submit(key, function, task, log_path=Path("log.txt"), timeout_s=None)


def test_a_task_over_its_memory_is_ended_also_where_its_epochs_are_short(
    fake: LocalExecutor,
) -> None:
    """One worker always has something to tell then."""
    fake.memory_limit_gb = 2.0
    begin(fake, 1)
    (event,) = fake.poll(0.0)
    assert isinstance(event, EndEvent)
    assert event.outcome.state == TrialState.OUT_OF_MEMORY
    assert fake.num_running == 0
    fake.memory_limit_gb = 4.0
    begin(fake, 2)
    assert fake.poll(0.0) == [EpochEvent(2, epoch(1))]


def test_running_tasks_are_heard_where_others_cannot_start(fake: LocalExecutor) -> None:
    begin(fake, 1)
    begin(fake, 2, "none")
    ended, told = fake.poll(60.0)
    assert (ended.key, told) == (2, EpochEvent(1, epoch(1)))
    assert fake.num_running == 1


def test_a_file_that_ends_too_soon_is_an_error_of_its_task(
    warm: LocalExecutor, tmp_path: Path
) -> None:
    _, outcome = run(warm, "read_too_far", tmp_path)
    assert outcome.state == TrialState.FAILED
    assert outcome.reason.startswith("EOFError: Compressed file ended before")
    assert "read_too_far" in outcome.traceback


def test_a_process_that_a_kill_has_not_ended_yet_is_let_go() -> None:
    class Stuck:
        def close(self) -> None:
            raise ValueError("Cannot close a process while it is still running.")

    ours, theirs = Pipe()
    processes.Worker(Stuck(), ours).close()  # type: ignore[arg-type]
    assert ours.closed
    theirs.close()


@pytest.mark.slow
def test_want_of_a_gpu_s_memory_is_want_of_memory(executor: LocalExecutor, tmp_path: Path) -> None:
    _, outcome = run(executor, "run_out_of_gpu_memory", tmp_path)
    assert outcome.state == TrialState.OUT_OF_MEMORY
    assert outcome.reason.startswith("InternalError: Failed copying input tensor")


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
def test_a_large_task_is_handed_over_while_its_worker_still_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(processes.START_VARIABLE, "spawn")
    monkeypatch.syspath_prepend(tmp_path)
    imported = tmp_path / "imported"
    (tmp_path / "slow_to_import.py").write_text(
        f"import time\nfrom pathlib import Path\ntime.sleep(5)\nPath({str(imported)!r}).touch()\n"
    )
    executor = LocalExecutor(preload=["slow_to_import"])
    log_path = tmp_path / "log.txt"
    large = WeightsTask(("x" * 5_000_000,), 32, "")
    try:
        executor.submit(0, f"{HERE}:tell_process", large, log_path=log_path, timeout_s=None)
        assert not imported.exists()
        while not (events := executor.poll(1.0)):
            pass
    finally:
        executor.close()
    assert imported.exists()
    (end,) = events
    assert isinstance(end, EndEvent) and end.outcome.state == TrialState.COMPLETE


@pytest.mark.slow
def test_an_idle_worker_holds_no_file_of_its_last_task(warm: LocalExecutor, tmp_path: Path) -> None:
    process = psutil.Process(int(process_of(warm, tmp_path)))
    held = [Path(file.path) for file in process.open_files()]
    assert not [path for path in held if path.is_relative_to(tmp_path.resolve())]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "is_kept"),
    [
        ("count_to_three", True),
        ("raise_user_error", True),
        ("print_and_raise", False),
        ("run_out_of_gpu_memory", False),
    ],
)
def test_on_a_gpu_an_error_that_nobody_foresaw_ends_the_worker(
    on_gpu: LocalExecutor, tmp_path: Path, function: str, is_kept: bool
) -> None:
    first = process_of(on_gpu, tmp_path)
    run(on_gpu, function, tmp_path)
    assert (process_of(on_gpu, tmp_path) == first) is is_kept


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
