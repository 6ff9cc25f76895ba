"""What a container, Slurm or systemd leaves of a machine."""

import os

import pytest

from autocnn.core import limits


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Path -> text of the files of the system; the machine has eight processors."""
    files: dict[str, str] = {}
    monkeypatch.setattr(limits, "read_text", lambda path: files.get(path, ""))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    return files


def test_without_control_groups_all_may_be_used(files: dict[str, str]) -> None:
    assert (limits.usable_cpus(), limits.memory_limit()) == (8, None)
    files["/proc/self/cgroup"] = "0::/\nodd\n"
    assert (limits.usable_cpus(), limits.memory_limit()) == (8, None)


def test_a_container_is_the_root_of_what_it_sees(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "0::/\n"
    files["/sys/fs/cgroup/memory.max"] = "4000000000\n"
    files["/sys/fs/cgroup/cpu.max"] = "200000 100000\n"
    assert (limits.usable_cpus(), limits.memory_limit()) == (2, 4_000_000_000)


def test_the_narrowest_of_the_groups_above_counts(files: dict[str, str]) -> None:
    """As Slurm and systemd make them: a step in a job in a slice."""
    files["/proc/self/cgroup"] = "0::/system.slice/job_7/step_0\n"
    group = "/sys/fs/cgroup/system.slice"
    files[f"{group}/job_7/step_0/memory.max"] = "max\n"
    files[f"{group}/job_7/memory.max"] = "8000000000\n"
    files[f"{group}/memory.max"] = "64000000000\n"
    files[f"{group}/job_7/cpu.max"] = "300000 100000\n"
    assert (limits.usable_cpus(), limits.memory_limit()) == (3, 8_000_000_000)


def test_version_1_of_control_groups_has_a_tree_for_each(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "9:memory:/docker/ab:c\n4:cpu,cpuacct:/docker/ab:c\n"
    files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "4000000000\n"
    files["/sys/fs/cgroup/memory/docker/ab:c/memory.limit_in_bytes"] = f"{2**63 - 4096}\n"
    files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "150000\n"
    files["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000\n"
    assert (limits.usable_cpus(), limits.memory_limit()) == (2, 4_000_000_000)
    files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1\n"
    assert limits.usable_cpus() == 8
