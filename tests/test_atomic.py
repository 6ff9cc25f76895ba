"""A file is the old one or the new one, never half of one."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from autocnn.atomic import replace_file, writing_error
from autocnn.errors import StudyError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_with(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


def test_a_file_is_written_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_file(path, b"long old content")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.json"]


def test_the_file_can_be_read_by_others(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_the_content_is_on_disk_before_the_name_points_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    seen: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(path.read_bytes()))
    replace_file(path, b"new")
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: fail_with(errno.ENOSPC))
    with pytest.raises(StudyError) as caught:
        replace_file(path, b"new")
    assert str(caught.value) == (
        f"{path}: the disk must have room, got: it is full. "
        "Free some space, or choose another folder with --results."
    )
    assert caught.value.exit_code == 4
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="must be writable, got: No such file or directory"):
        replace_file(tmp_path / "gone" / "a", b"new")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk must have room, got: it is full. Free some space"),
        (errno.EDQUOT, "the disk must have room, got: it is full. Free some space"),
        (errno.EROFS, "must be writable, got: Read-only file system. Choose a folder"),
        (errno.EACCES, "must be writable, got: Permission denied. Choose a folder"),
    ],
)
def test_every_reason_has_its_remedy(number: int, message: str) -> None:
    error = writing_error(OSError(number, os.strerror(number)), Path("results/a"))
    assert str(error).startswith(f"results/a: {message}")
    assert "--results" in error.remedy
