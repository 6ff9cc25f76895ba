"""A study stops cleanly before the disk is full."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from autocnn.core.errors import DiskFullError
from autocnn.core.quantities import parse_size
from autocnn.storage import StudyFolder
from autocnn.storage.disk import LOOK_EVERY_S, SMALLEST_FREE_GB, DiskGuard


class Disk:
    """A disk and a study whose sizes a test sets.

    Attributes:
        free_gb: Room on the disk.
        size_gb: Size of the study.
        now: Seconds on the clock.
        num_looks: How often it was asked for the free space.
    """

    def __init__(self) -> None:
        self.free_gb = 100.0
        self.size_gb = 1.0
        self.now = 0.0
        self.num_looks = 0

    def usage(self, path: Path) -> SimpleNamespace:
        assert path.is_dir()
        self.num_looks += 1
        return SimpleNamespace(free=self.free_gb * 1e9)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder.create(tmp_path, "mine", {})


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(shutil, "disk_usage", disk.usage)
    sizes_gb = StudyFolder.sizes_gb
    monkeypatch.setattr(StudyFolder, "sizes_gb", lambda self: (disk.size_gb, sizes_gb(self)[1]))
    return disk


def guard(folder: StudyFolder, disk: Disk, *, limit_gb: float = 50.0) -> DiskGuard:
    return DiskGuard(folder, limit_gb, clock=lambda: disk.now)


def problem(check: Callable[[], None]) -> DiskFullError:
    with pytest.raises(DiskFullError) as caught:
        check()
    assert caught.value.exit_code == 4
    return caught.value


def test_nothing_is_said_while_there_is_free_space(folder: StudyFolder, disk: Disk) -> None:
    disk.free_gb, disk.size_gb = SMALLEST_FREE_GB, 50.0
    guard(folder, disk).check()
    assert disk.num_looks == 1


def test_a_nearly_full_disk_stops_the_study(folder: StudyFolder, disk: Disk) -> None:
    disk.free_gb = 0.1234
    error = problem(guard(folder, disk).check)
    assert error.message == (
        f"{folder.path}: the disk must have 200 MB of free space, got 123 MB. "
        "The study was stopped, and nothing is lost."
    )
    assert error.remedy == f"Free some space, then go on with `autocnn resume {folder.path}`."


@pytest.mark.parametrize(
    "place", ["trials/0007/checkpoint/epoch.npz", "finalists/0007/fold-1/checkpoint/epoch.npz"]
)
def test_large_checkpoints_need_more_free_space_for_each_worker(
    folder: StudyFolder, disk: Disk, place: str
) -> None:
    """As of a ResNet50V2: the next one is written beside it."""
    path = folder.path / place
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(500_000_000)  # a hole: it takes no space
    watching = guard(folder, disk)
    watching.workers = 2
    disk.free_gb = 2.0
    watching.check()
    disk.free_gb, disk.now = 1.9, LOOK_EVERY_S
    message = problem(watching.check).message
    assert "the disk must have 2000 MB of free space, got 1900 MB." in message


def test_a_study_over_its_limit_is_stopped(folder: StudyFolder, disk: Disk) -> None:
    disk.size_gb = 2.5
    error = problem(guard(folder, disk, limit_gb=2.0).check)
    assert error.message == (
        f"{folder.path}: the study may take 2 GB (disk_limit), got 2.5 GB. "
        "It was stopped, and nothing is lost."
    )
    assert error.remedy == f"Go on with `autocnn resume {folder.path} --disk-limit 5GB`."


@pytest.mark.parametrize("size_gb", [pytest.param(1e-5), 0.0123, 2.5, 123.4, pytest.param(512.0)])
def test_the_limit_of_the_remedy_can_be_typed_and_is_enough(
    folder: StudyFolder, disk: Disk, size_gb: float
) -> None:
    disk.size_gb = size_gb
    remedy = problem(guard(folder, disk, limit_gb=size_gb / 2).check).remedy
    limit = re.search(r"--disk-limit (\S+)`", remedy)
    assert limit is not None
    assert parse_size(limit[1]) > size_gb


def test_the_size_is_that_of_the_folder(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.trial_model_path(0).write_bytes(bytes(2000))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1e12))
    DiskGuard(folder, limit_gb=1e-4).check()
    with pytest.raises(DiskFullError, match="may take 1e-06 GB"):
        DiskGuard(folder, limit_gb=1e-6).check()


def test_it_looks_now_and_then_only(folder: StudyFolder, disk: Disk) -> None:
    watching = guard(folder, disk)
    looks = []
    for step in range(5):
        disk.now = step * LOOK_EVERY_S / 2
        watching.check()
        looks.append(disk.num_looks)
    assert looks == [1, 1, 2, 2, 3]


def test_a_study_of_many_files_is_walked_through_rarely_and_its_disk_is_looked_at(
    folder: StudyFolder, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: list[float] = []

    def walk(folder: StudyFolder) -> tuple[float, float]:
        walks.append(disk.now)
        disk.now += 4.0
        return disk.size_gb, 0.0

    monkeypatch.setattr(StudyFolder, "sizes_gb", walk)
    watching = guard(folder, disk)
    for step in range(42):
        disk.now = max(disk.now, step * LOOK_EVERY_S)
        watching.check()
    assert walks == [0.0, 210.0]
    assert disk.num_looks == 42
    disk.free_gb, disk.now = 0.0, 500.0
    assert "got 0 MB" in problem(watching.check).message


def test_a_disk_that_fills_up_is_seen_at_the_next_look(folder: StudyFolder, disk: Disk) -> None:
    watching = guard(folder, disk)
    watching.check()
    disk.free_gb = 0.0
    disk.now = LOOK_EVERY_S - 0.1
    watching.check()
    disk.now = LOOK_EVERY_S
    assert "got 0 MB" in problem(watching.check).message


def test_the_real_disk_is_looked_at(folder: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autocnn.storage.disk.SMALLEST_FREE_GB", 0.0)
    watching = DiskGuard(folder, limit_gb=1.0)
    watching.check()
    monkeypatch.setattr("autocnn.storage.disk.SMALLEST_FREE_GB", 1e12)
    watching.looked = float("-inf")
    assert "the disk must have" in problem(watching.check).message
