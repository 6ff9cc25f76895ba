"""What the machine offers, and how many trials it should train at once.

The rules are checked against their alternatives by `make bench` (docs/performance.md).
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

MEMORY_PER_WORKER_GB = 1.5
"""Measured: a worker with a 0.7 M-weight CNN at 64 px holds 0.9 GB, most of it TensorFlow."""

MEMORY_FOR_TRIALS = 0.85
"""Share of the memory that all trials together may take."""

MAX_WORKERS = 8
"""More trials at once teach the sampler too little about each other."""


@dataclass(frozen=True)
class Machine:
    """Facts about this machine.

    Attributes:
        num_cpus: Processors that this process may use.
        memory_gb: Memory that this process may use in all, 10^9 bytes.
        num_gpus: NVIDIA GPUs.
        has_bfloat16: Whether the processor multiplies bfloat16 natively.
        cpu: Its name.
        platform: Operating system and architecture.
    """

    num_cpus: int
    memory_gb: float
    num_gpus: int
    has_bfloat16: bool
    cpu: str
    platform: str

    @classmethod
    def inspect(cls) -> "Machine":
        """Look at this machine, without TensorFlow."""
        cpuinfo = _read("/proc/cpuinfo")
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.splitlines()
            if line.startswith("model name")
        ]
        return cls(
            num_cpus=_usable_cpus(),
            memory_gb=round(_usable_memory() / 1e9, 1),
            num_gpus=_num_gpus(),
            has_bfloat16="avx512_bf16" in cpuinfo or "amx_bf16" in cpuinfo,
            cpu=names[0] if names else platform.processor() or platform.machine(),
            platform=f"{platform.system()} {platform.machine()}",
        )

    def to_json(self) -> dict[str, Any]:
        """For study.json."""
        return dict(vars(self))


@dataclass(frozen=True)
class Resources:
    """How trials share the machine.

    Attributes:
        workers: Trials at once.
        threads: Threads per trial.
        precision: Keras dtype policy of the models.
        memory_limit_gb: Memory above which a trial is ended, 10^9 bytes.
    """

    workers: int
    threads: int
    memory_limit_gb: float
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]

    def to_json(self) -> dict[str, Any]:
        """For study.json."""
        return dict(vars(self))


def share_machine(
    machine: Machine,
    *,
    trials: int | None,
    workers: int | None,
    threads: int | None,
    precision: str,
    memory_limit_gb: float | None = None,
) -> Resources:
    """Decide workers, threads and precision where they were left open.

    One single-threaded trial per processor beats one trial on all of them; bfloat16 pays
    where the processor has it and costs where it is emulated. With a GPU, one trial a GPU.

    Args:
        machine: What there is.
        trials: Trials in the study; there are never more workers. None: many.
        workers: As asked for, or None.
        threads: As asked for, or None.
        precision: As asked for, or `auto`.
        memory_limit_gb: As asked for, or None for an equal share of what may be used.
    """
    if workers is None:
        by_memory = int(machine.memory_gb / MEMORY_PER_WORKER_GB)
        workers = machine.num_gpus or min(machine.num_cpus, by_memory, MAX_WORKERS)
        workers = max(1, workers if trials is None else min(workers, trials))
    threads = threads or max(1, machine.num_cpus // workers)
    if precision == "auto":
        precision = "bfloat16" if machine.has_bfloat16 or machine.num_gpus else "float32"
    policy = "float32" if precision == "float32" else f"mixed_{precision}"
    if memory_limit_gb is None:
        memory_limit_gb = round(MEMORY_FOR_TRIALS * machine.memory_gb / workers, 2)
    return Resources(workers, threads, memory_limit_gb, policy)  # type: ignore[arg-type]


def count_memory_kills() -> int:
    """Processes that the kernel has ended for want of memory since it started; 0 if unknown."""
    for line in _read("/proc/vmstat").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def _usable_memory() -> float:
    """Bytes of the machine, or of the control group that holds this process."""
    total = float(psutil.virtual_memory().total)
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return min(total, float(limit)) if limit.isdigit() else total


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        usable = min(usable, max(1, round(int(quota[0]) / int(quota[1]))))
    return usable


def _num_gpus() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return ""
