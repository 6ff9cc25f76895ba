"""What the machine offers, and how many trials it should train at once.

The rules are checked against their alternatives by `make bench` (docs/performance.md).
"""

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from autocnn.core.limits import memory_limit, read_text, usable_cpus

MEMORY_PER_WORKER_GB = 1.5
"""Measured: a worker with a 0.7 M-weight CNN at 64 px holds 0.9 GB, most of it TensorFlow."""

MEMORY_FOR_TRIALS = 0.85
"""Share of the memory that all trials together may take."""

HAS_BFLOAT16, HAS_FLOAT16 = (8, 0), (7, 0)
"""Compute capability from which a GPU has units that multiply them."""

DRIVER = Path("/proc/driver/nvidia/gpus")

MAX_WORKERS = 8
"""More trials at once teach the sampler too little about each other."""

MOST_AT_ONCE = 256
"""Images that go through a network at once, unless they are large."""

LARGE_SIDE = 96
"""From this side in px on, a batch has as many pixels as one of this side. Measured with 256 images
of 224 px: 4.8 GB, at 9 % more time for each than with 32, which take 1.3."""

WANT_OF_MEMORY = ("dst tensor is not initialized", "out of memory", "alloc_failed")
"""Words of TensorFlow's errors of any kind. The first are about a batch that found no place on a
GPU, the last about a library of CUDA that found none."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that TensorFlow sees.

    Attributes:
        name: As its driver calls it.
        capability: NVIDIA's compute capability, (9, 0); None where it has none.
        number: By which CUDA knows it among those that the process may see.
    """

    name: str
    capability: tuple[int, int] | None = None
    number: int = 0

    def __str__(self) -> str:
        known = f" ({self.capability[0]}.{self.capability[1]})" if self.capability else ""
        return f"{self.name}{known}"


@dataclass(frozen=True)
class Machine:
    """Facts about this machine.

    Attributes:
        num_cpus: Processors that this process may use.
        memory_gb: Memory that this process may use in all, 10^9 bytes.
        gpus: GPUs that TensorFlow sees; none until it was asked.
        has_bfloat16: Whether the processor multiplies bfloat16 natively.
        cpu: Its name.
        platform: Operating system and architecture.
    """

    num_cpus: int
    memory_gb: float
    has_bfloat16: bool
    cpu: str
    platform: str
    gpus: tuple[Gpu, ...] = ()

    @classmethod
    def inspect(cls) -> "Machine":
        """Look at this machine, without TensorFlow, and so without its GPUs."""
        cpuinfo = read_text("/proc/cpuinfo")
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.splitlines()
            if line.startswith("model name")
        ]
        return cls(
            num_cpus=usable_cpus(),
            memory_gb=round(_usable_memory() / 1e9, 1),
            has_bfloat16="avx512_bf16" in cpuinfo or "amx_bf16" in cpuinfo,
            cpu=names[0] if names else platform.processor() or platform.machine(),
            platform=f"{platform.system()} {platform.machine()}",
        )

    def to_json(self) -> dict[str, Any]:
        """For study.json."""
        return {**vars(self), "gpus": [str(gpu) for gpu in self.gpus]}


@dataclass(frozen=True)
class Resources:
    """How trials share the machine.

    Attributes:
        workers: Trials at once.
        threads: Threads per trial.
        precision: Keras dtype policy of the models.
        memory_limit_gb: Memory above which a trial is ended, 10^9 bytes.
        devices: Of each GPU, the number by which CUDA_VISIBLE_DEVICES knows it; none: no GPU.
    """

    workers: int
    threads: int
    memory_limit_gb: float
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    devices: tuple[str, ...] = ()

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
    most_workers: int = MAX_WORKERS,
) -> Resources:
    """Decide workers, threads and precision where they were left open.

    One single-threaded trial per processor beats one trial on all of them; bfloat16 pays
    where the processor has it and costs where it is emulated. With GPUs, one trial a GPU, in what
    all of them multiply fast.

    Args:
        machine: What there is.
        trials: Trials in the study; there are never more workers. None: many.
        workers: As asked for, or None.
        threads: As asked for, or None.
        precision: As asked for, or `auto`.
        memory_limit_gb: As asked for, or None for an equal share of what may be used.
        most_workers: Where they are left open.
    """
    if workers is None:
        by_memory = int(machine.memory_gb / MEMORY_PER_WORKER_GB)
        workers = len(machine.gpus) or min(machine.num_cpus, by_memory, most_workers)
        workers = max(1, workers if trials is None else min(workers, trials))
    threads = threads or max(1, machine.num_cpus // workers)
    if precision == "auto":
        precision = _gpu_precision(machine.gpus) if machine.gpus else _cpu_precision(machine)
    policy = "float32" if precision == "float32" else f"mixed_{precision}"
    if memory_limit_gb is None:
        memory_limit_gb = round(MEMORY_FOR_TRIALS * machine.memory_gb / workers, 2)
    devices = _devices(machine.gpus)
    return Resources(workers, threads, memory_limit_gb, policy, devices)  # type: ignore[arg-type]


def _cpu_precision(machine: Machine) -> str:
    return "bfloat16" if machine.has_bfloat16 else "float32"


def _gpu_precision(gpus: Sequence[Gpu]) -> str:
    """What all of them multiply fast."""
    least = min(gpu.capability or (0, 0) for gpu in gpus)
    if least >= HAS_BFLOAT16:
        return "bfloat16"
    return "float16" if least >= HAS_FLOAT16 else "float32"


def _devices(gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES calls each GPU: as the user does who has set it."""
    visible = _visible_devices()
    if visible is None:
        return tuple(str(gpu.number) for gpu in gpus)
    return tuple(visible[gpu.number] for gpu in gpus if gpu.number < len(visible))


def count_memory_kills() -> int:
    """Processes that the kernel has ended for want of memory since it started; 0 if unknown."""
    for line in read_text("/proc/vmstat").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def batch_size_for(height: int, width: int, *, most: int = MOST_AT_ONCE) -> int:
    """Images that go through a network at once: fewer when they are large, at least one.

    Args:
        height: Of the images, px.
        width: The same.
        most: Of small ones.

    >>> [batch_size_for(side, side) for side in (28, 96, 224, 512)]
    [256, 256, 47, 9]
    """
    return max(1, min(most, most * LARGE_SIDE**2 // (height * width)))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was too little memory, of the machine or of its GPU.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("out of memory"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    is_of_tensorflow = any(kind.__module__.startswith("tensorflow") for kind in type(error).__mro__)
    text = str(error).lower()
    return is_of_tensorflow and any(words in text for words in WANT_OF_MEMORY)


def _usable_memory() -> float:
    """Bytes of the machine, or of the control groups that hold this process."""
    total, limit = float(psutil.virtual_memory().total), memory_limit()
    return total if limit is None else min(total, float(limit))


def has_gpu_driver() -> bool:
    """Whether TensorFlow is worth asking for GPUs: a driver of NVIDIA, and nobody who hid them."""
    if _visible_devices() == []:
        return False
    return bool(list(DRIVER.glob("*"))) or shutil.which("nvidia-smi") is not None


def _visible_devices() -> list[str] | None:
    """What CUDA_VISIBLE_DEVICES names; None where it is not set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return None
    names = [part.strip() for part in visible.split(",")]
    return names[: names.index("-1")] if "-1" in names else [name for name in names if name]
