"""What the machine offers, read from files that a test writes."""

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from autocnn.core import limits
from autocnn.execution import machine
from autocnn.execution.machine import (
    Gpu,
    Machine,
    Resources,
    count_memory_kills,
    has_gpu_driver,
    is_out_of_memory,
    share_machine,
)

CPUINFO = """processor\t: 0
model name\t: Fast CPU @ 2.00GHz
flags\t\t: fpu avx512f {flags}
processor\t: 1
model name\t: Fast CPU @ 2.00GHz
"""


AMPERE, TURING, PASCAL = (
    Gpu(name, capability)
    for name, capability in (("A100", (8, 0)), ("T4", (7, 5)), ("P100", (6, 0)))
)


def have_files(monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Let these texts be read: cpuinfo, cpu_max, memory_max and vmstat."""
    paths = {
        "/proc/cpuinfo": "cpuinfo",
        "/sys/fs/cgroup/cpu.max": "cpu_max",
        "/sys/fs/cgroup/memory.max": "memory_max",
        "/proc/vmstat": "vmstat",
    }
    for module in (machine, limits):
        monkeypatch.setattr(module, "read_text", lambda path: files.get(paths.get(path, ""), ""))


def of(
    num_cpus: int = 4, *, gb: float = 64.0, gpus: int = 0, has_bfloat16: bool = False
) -> Machine:
    return Machine(num_cpus, gb, has_bfloat16, "CPU", "Linux x86_64", _numbered(gpus))


def _numbered(number: int) -> tuple[Gpu, ...]:
    return tuple(replace(AMPERE, number=index) for index in range(number))


def share(
    there: Machine,
    *,
    trials: int = 50,
    workers: int | None = None,
    threads: int | None = None,
    precision: str = "auto",
    memory_limit_gb: float | None = None,
) -> Resources:
    return share_machine(
        there,
        trials=trials,
        workers=workers,
        threads=threads,
        precision=precision,
        memory_limit_gb=memory_limit_gb,
    )


@pytest.mark.parametrize(
    ("flags", "expected"), [("avx512_bf16", True), ("amx_bf16 x", True), ("avx512_vnni", False)]
)
def test_bfloat16_is_read_off_the_processor_flags(
    monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool
) -> None:
    have_files(monkeypatch, cpuinfo=CPUINFO.format(flags=flags))
    assert Machine.inspect().has_bfloat16 is expected
    assert Machine.inspect().cpu == "Fast CPU @ 2.00GHz"


def test_a_machine_without_proc_is_still_described(monkeypatch: pytest.MonkeyPatch) -> None:
    have_files(monkeypatch)
    there = Machine.inspect()
    assert there.num_cpus >= 1
    assert there.memory_gb > 0
    assert there.cpu
    assert not there.has_bfloat16


@pytest.mark.parametrize(
    ("cpu_max", "expected"),
    [("200000 100000", 2), ("max 100000", 6), ("", 6), ("50000 100000", 1), ("1600000 100000", 6)],
)
def test_a_container_s_quota_counts(
    monkeypatch: pytest.MonkeyPatch, cpu_max: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    have_files(monkeypatch, cpu_max=cpu_max)
    assert Machine.inspect().num_cpus == expected


def test_processors_that_the_process_may_not_use_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    have_files(monkeypatch)
    assert Machine.inspect().num_cpus == 1


@pytest.mark.parametrize(
    ("memory_max", "expected"),
    [
        ("4000000000\n", 4.0),
        ("512345678", 0.5),
        ("max\n", 16.0),
        ("", 16.0),
        ("64000000000\n", 16.0),
    ],
)
def test_the_memory_of_a_control_group_counts(
    monkeypatch: pytest.MonkeyPatch, memory_max: str, expected: float
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=16_000_000_000))
    have_files(monkeypatch, memory_max=memory_max)
    assert Machine.inspect().memory_gb == expected


@pytest.mark.parametrize(
    ("vmstat", "expected"),
    [
        ("nr_free_pages 12\noom_kill 7\npgpgin 3\n", 7),
        ("oom_kill 0\n", 0),
        ("oom_kill_other 3\nnr_free_pages 12\n", 0),
        ("", 0),
    ],
)
def test_processes_ended_for_want_of_memory_are_counted(
    monkeypatch: pytest.MonkeyPatch, vmstat: str, expected: int
) -> None:
    have_files(monkeypatch, vmstat=vmstat)
    assert count_memory_kills() == expected


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, True), ("", False), ("-1", False), ("-1,0", False), ("0", True), ("0,2", True)],
)
def test_gpus_that_were_hidden_are_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str | None, expected: bool
) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.setattr(machine, "DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert has_gpu_driver() is expected


def test_without_a_driver_nobody_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "DRIVER", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert not has_gpu_driver()


@pytest.mark.parametrize(
    ("gpus", "precision"),
    [
        ((AMPERE, AMPERE), "mixed_bfloat16"),
        ((AMPERE, TURING), "mixed_float16"),
        ((TURING, PASCAL), "float32"),
        ((Gpu("unknown"),), "float32"),
    ],
)
def test_gpus_train_in_what_all_of_them_multiply_fast(
    gpus: tuple[Gpu, ...], precision: str
) -> None:
    shared = share(replace(of(16), gpus=gpus))
    assert (shared.workers, shared.precision) == (len(gpus), precision)


@pytest.mark.parametrize(
    ("visible", "devices"),
    [(None, ("0", "1")), ("3,5", ("3", "5")), ("GPU-a,GPU-b", ("GPU-a", "GPU-b"))],
)
def test_each_worker_has_a_gpu_by_the_number_that_the_user_knows(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, devices: tuple[str, ...]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert share(of(16, gpus=2)).devices == devices


@pytest.mark.parametrize(
    ("visible", "devices"), [(None, ("1", "2")), ("4,3,5", ("3", "5")), ("a,b,c,d", ("b", "c"))]
)
def test_a_gpu_that_tensorflow_leaves_out_renames_no_other(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, devices: tuple[str, ...]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    _, *newer = _numbered(3)
    assert share(replace(of(16), gpus=tuple(newer))).devices == devices


class InternalError(Exception):
    """One of TensorFlow's, by its module."""

    __module__ = "tensorflow.python.framework.errors_impl"


class ResourceExhaustedError(InternalError):
    """The one that says it by its name."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (ResourceExhaustedError("OOM when allocating tensor"), True),
        (InternalError("Failed copying input tensor: Dst tensor is not initialized."), True),
        (InternalError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"), True),
        (InternalError("Out of memory while trying to allocate 8 bytes"), True),
        (InternalError("CUBLAS_STATUS_ALLOC_FAILED"), True),
        (InternalError("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access"), False),
        (RuntimeError("out of memory"), False),
    ],
    ids=str,
)
def test_want_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_file_that_is_not_there_reads_as_empty(tmp_path: Path) -> None:
    assert limits.read_text(str(tmp_path / "none")) == ""
    (tmp_path / "some").write_bytes(b"a\xff")
    assert limits.read_text(str(tmp_path / "some")) == "a�"


@pytest.mark.parametrize(
    ("there", "trials", "expected"),
    [
        (of(2), 50, (2, 1)),
        (of(1), 50, (1, 1)),
        (of(64), 50, (8, 8)),
        (of(4), 1, (1, 4)),
        (of(8, gb=4.0), 50, (2, 4)),
        (of(8, gb=0.5), 50, (1, 8)),
        (of(8, gpus=1), 50, (1, 8)),
        (of(8, gpus=2), 50, (2, 4)),
        (of(8, gpus=2), 1, (1, 8)),
    ],
)
def test_trials_at_once_fit_the_machine(
    there: Machine, trials: int, expected: tuple[int, int]
) -> None:
    resources = share(there, trials=trials)
    assert (resources.workers, resources.threads) == expected


def test_what_was_asked_for_is_taken() -> None:
    assert share(of(4), workers=3, threads=2, memory_limit_gb=1.5) == Resources(
        workers=3, threads=2, memory_limit_gb=1.5, precision="float32"
    )
    resources = share(of(4), workers=2)
    assert (resources.workers, resources.threads) == (2, 2)
    assert share(of(2), workers=8).threads == 1


@pytest.mark.parametrize(
    ("gb", "workers", "limit_gb"), [(64.0, 1, 54.4), (64.0, 4, 13.6), (7.5, 2, 3.19)]
)
def test_trials_share_the_memory_equally_and_leave_some(
    gb: float, workers: int, limit_gb: float
) -> None:
    assert share(of(4, gb=gb), workers=workers).memory_limit_gb == limit_gb


def test_a_memory_limit_that_was_asked_for_is_taken() -> None:
    assert share(of(4, gb=8.0), workers=4, memory_limit_gb=6.0).memory_limit_gb == 6.0


@pytest.mark.parametrize(
    ("there", "asked", "policy"),
    [
        (of(), "auto", "float32"),
        (of(has_bfloat16=True), "auto", "mixed_bfloat16"),
        (of(gpus=1), "auto", "mixed_bfloat16"),
        (of(has_bfloat16=True), "float32", "float32"),
        (of(), "bfloat16", "mixed_bfloat16"),
        (of(), "float16", "mixed_float16"),
    ],
)
def test_precision(there: Machine, asked: str, policy: str) -> None:
    assert share(there, precision=asked).precision == policy


def test_both_are_written_to_study_json() -> None:
    facts = json.loads(json.dumps([of(2).to_json(), share(of(2)).to_json()]))
    assert facts[0]["num_cpus"] == 2
    assert facts[1] == {
        "workers": 2,
        "threads": 1,
        "precision": "float32",
        "memory_limit_gb": 27.2,
        "devices": [],
    }
