"""Processors and memory that this process may use: of the machine, or of its control groups."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = "/sys/fs/cgroup"

UNLIMITED = 2**60
"""Bytes from which on version 1 of control groups means no limit."""


def usable_cpus() -> int:
    """Processors, at least one: those that the process may run on, or a container's share of them.

    Source: Linux kernel documentation, Control Group v2 (cpu.max) and CPU bandwidth control.
    """
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    for folder in _group_folders("cpu"):
        quota, period = _quota(folder)
        if quota.isdigit() and period.isdigit():
            usable = min(usable, max(1, round(int(quota) / int(period))))
    return usable


def memory_limit() -> int | None:
    """Bytes that the control groups of this process may use; None: no limit is set."""
    texts = [
        read_text(f"{folder}/{name}").strip()
        for folder in _group_folders("memory")
        for name in ("memory.max", "memory.limit_in_bytes")
    ]
    limits = [int(text) for text in texts if text.isdigit()]
    return min((limit for limit in limits if limit < UNLIMITED), default=None)


def read_text(path: str) -> str:
    """The text of a file of the system; empty where it cannot be read."""
    try:
        return Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _quota(folder: str) -> tuple[str, str]:
    """Microseconds of processors in a period, and the period; empty where there is none."""
    both = read_text(f"{folder}/cpu.max").split()
    if len(both) == 2:
        return both[0], both[1]
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    quota, period = (read_text(f"{folder}/{name}").strip() for name in names)
    return quota, period


def _group_folders(controller: str) -> Iterator[str]:
    """Where the limits of this process may stand: its group, and those above, in both versions.

    A container sees its own group as the root, Slurm and systemd set limits below it.
    """
    for line in read_text("/proc/self/cgroup").splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if number == "0":
            root = CGROUPS
        elif controller in controllers.split(","):
            root = f"{CGROUPS}/{controller}"
        else:
            continue
        for place in (PurePosixPath(path), *PurePosixPath(path).parents):
            yield f"{root}{place}".rstrip("/")
    yield CGROUPS
