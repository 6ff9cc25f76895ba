"""The disk in memory does what the system's does, and loses what a power cut may take."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autocnn.core.atomic import append_to_file, make_folder, replace_file
from autocnn.core.errors import StudyError
from tests.simulation.disk import ROOT, Died, Disk, Fault, Folder

NAMES = ("a", "b", "a/c", "a/d", "a/c/e", "b/f")


def act(place: Path, rng: random.Random) -> object:
    """One thing that may be done to files, and what it answers."""
    path, other = place / rng.choice(NAMES), place / rng.choice(NAMES)
    content = bytes(rng.randrange(256) for _ in range(rng.randrange(5)))

    def open_and_seek() -> bytes:
        with path.open("r+b") as file:
            file.seek(2)
            file.write(content)
            file.seek(0)
            return file.read()

    actions: list[Callable[[], object]] = [
        lambda: path.mkdir(),
        lambda: path.mkdir(parents=True, exist_ok=True),
        lambda: path.rmdir(),
        lambda: path.unlink(),
        lambda: path.write_bytes(content),
        lambda: path.read_bytes(),
        lambda: path.open("xb").close(),
        lambda: append_to_file(path, content),
        lambda: replace_file(path, content),
        lambda: make_folder(path),
        lambda: path.rename(other).name,
        lambda: path.replace(other).name,
        lambda: shutil.rmtree(path),
        lambda: sorted(child.name for child in path.iterdir()),
        lambda: (path.exists(), path.is_dir(), path.is_file()),
        lambda: path.stat().st_size if path.is_file() else None,
        lambda: sorted(str(found.relative_to(place)) for found in place.glob("*/*")),
        open_and_seek,
    ]
    try:
        return rng.choice(actions)()
    except (OSError, StudyError):
        return "refused"


def test_it_answers_as_the_disk_of_the_system_does(tmp_path: Path) -> None:
    disk = Disk()
    with disk.mounted():
        ours = Path(ROOT) / "here"
        ours.mkdir()
        for seed in range(40):
            theirs = tmp_path / str(seed)
            theirs.mkdir()
            expected = [act(theirs, random.Random(f"{seed} {step}")) for step in range(40)]
            found = [act(ours, random.Random(f"{seed} {step}")) for step in range(40)]
            assert found == expected, seed
            shutil.rmtree(ours)
            ours.mkdir()


def test_what_is_not_on_it_is_left_to_the_system(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("theirs")
    with Disk().mounted():
        assert (tmp_path / "a").read_text() == "theirs"
        assert not (Path(ROOT) / "a").exists()
    assert not Path(ROOT).exists()


def cut(disk: Disk, do: Callable[[Path], None], *, at: int = 10**6) -> Path:
    """Do something, cut the power then or at that write, and boot."""
    with disk.mounted():
        disk.num_writes, disk.fault = 0, Fault(at, "power")
        try:
            do(Path(ROOT))
            disk.die(power=True)
        except Died:
            pass
        disk.boot()
    return Path(ROOT)


@pytest.mark.parametrize("is_strict", [True, False])
def test_what_was_written_whole_outlasts_every_power_cut(is_strict: bool) -> None:
    """A replaced file is the old one or the new one, at whatever write the power goes."""

    def make(root: Path) -> None:
        make_folder(root / "a" / "b")
        replace_file(root / "a" / "b" / "c", b"old")

    for seed in range(20):
        for at in range(1, 8):
            disk = Disk(random.Random(seed), is_strict=is_strict)
            cut(disk, make)
            path = cut(disk, lambda root: replace_file(root / "a/b/c", b"new"), at=at) / "a/b/c"
            with disk.mounted():
                assert path.read_bytes() in (b"old", b"new")
    with disk.mounted():
        assert path.read_bytes() == b"new", "there are but five writes"


def test_what_was_not_synced_is_lost_in_part() -> None:
    found = set()
    for seed in range(50):
        disk = Disk(random.Random(seed))
        cut(disk, lambda root: replace_file(root / "a", b"12"))
        cut(disk, lambda root: append_to_file(root / "a", b"34"))
        with disk.mounted():
            found.add((Path(ROOT) / "a").read_bytes())
    assert {b"12", b"1234", b"123"} <= found


def test_a_strict_disk_loses_a_folder_whose_name_was_not_synced() -> None:
    def make(root: Path) -> None:
        (root / "a").mkdir()
        replace_file(root / "a" / "b", b"1")

    found = {True: set[bool](), False: set[bool]()}
    for is_strict, seen in found.items():
        for seed in range(30):
            disk = Disk(random.Random(seed), is_strict=is_strict)
            cut(disk, make)
            with disk.mounted():
                seen.add((Path(ROOT) / "a" / "b").exists())
    assert found == {True: {True, False}, False: {True}}


def test_changes_of_names_are_lost_from_the_last_on() -> None:
    def make(root: Path) -> None:
        for name in "abc":
            (root / name).mkdir()

    for seed in range(30):
        disk = Disk(random.Random(seed), is_strict=seed % 2 == 0)
        cut(disk, make)
        with disk.mounted():
            assert "".join(sorted(os.listdir(ROOT))) in ("", "a", "ab", "abc")  # noqa: PTH208


def test_nothing_is_written_by_a_process_that_died() -> None:
    disk = Disk(fault=Fault(2, "kill"))
    with disk.mounted():
        file = (Path(ROOT) / "a").open("wb")
        file.write(b"1")
        with pytest.raises(Died):
            file.flush()
        with pytest.raises(Died):
            (Path(ROOT) / "b").mkdir()
        disk.boot()
        file.close()
        assert (Path(ROOT) / "a").read_bytes() == b""


def test_a_full_disk_refuses_what_needs_space() -> None:
    disk = Disk(fault=Fault(1, "error", is_lasting=True))
    with disk.mounted():
        with pytest.raises(OSError, match="No space left"):
            (Path(ROOT) / "a").mkdir()
        disk.fault = None
        (Path(ROOT) / "a").mkdir()
        disk.fault = Fault(1, "error", is_lasting=True)
        (Path(ROOT) / "a").rmdir()
    assert isinstance(disk.root, Folder)
    assert disk.root.names == {}
