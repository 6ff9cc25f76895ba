"""A file is the old one or the new one, never half of one."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest

from autocnn.core.atomic import (
    append_to_file,
    make_folder,
    remove,
    replace_file,
    replacing,
    writing_error,
)
from autocnn.core.errors import DiskFullError, StudyError


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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_others_may_read_the_file_as_any_other(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        replace_file(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_the_content_is_on_disk_before_the_name_points_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    seen: list[tuple[bool, bytes]] = []

    def look(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(facts.st_mode)
        assert is_folder or facts.st_size == 100, "no byte waits in this process"
        seen.append((is_folder, path.read_bytes()[:3]))

    monkeypatch.setattr(os, "fsync", look)
    replace_file(path, b"new".ljust(100))
    assert seen == [(False, b"old"), (True, b"new")], "the file, then its name"


def test_a_folder_that_cannot_be_synchronised_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            fail_with(errno.EINVAL)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


# -- written piece by piece ----------------------------------------------------------------


def test_a_file_takes_its_place_at_the_end_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new ")
        file.flush()
        assert path.read_bytes() == b"old"
        hidden = [name for name in names(tmp_path) if name != "a.npz"]
        assert len(hidden) == 1
        assert hidden[0].startswith(".a.npz.")
        file.write(b"content")
    assert path.read_bytes() == b"new content"
    assert names(tmp_path) == ["a.npz"]


def test_the_file_can_be_sought_in_as_a_zip_does(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as file:
        file.write(b"....content")
        file.seek(0)
        file.write(b"head")
    assert (tmp_path / "a").read_bytes() == b"headcontent"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_the_old_file_and_passes(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(error), replacing(path) as file:
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_disk_that_fills_up_in_the_block_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(DiskFullError, match="a: the disk must have free space"), replacing(path):
        fail_with(errno.ENOSPC)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


# -- what goes wrong -----------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: fail_with(errno.ENOSPC))
    with pytest.raises(DiskFullError) as caught:
        replace_file(path, b"new")
    assert str(caught.value) == (
        f"{path}: the disk must have free space, got: it is full. "
        "Free some space, or choose another folder with results."
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
    ("number", "kind", "message"),
    [
        (
            errno.ENOSPC,
            DiskFullError,
            "the disk must have free space, got: it is full. Free some space",
        ),
        (
            errno.EDQUOT,
            DiskFullError,
            "the disk must have free space, got: it is full. Free some space",
        ),
        (errno.EROFS, StudyError, "must be writable, got: Read-only file system. Choose a folder"),
        (errno.EACCES, StudyError, "must be writable, got: Permission denied. Choose a folder"),
    ],
)
def test_every_reason_has_its_remedy(number: int, kind: type[StudyError], message: str) -> None:
    error = writing_error(OSError(number, os.strerror(number)), Path("results/a"))
    assert type(error) is kind
    assert str(error).startswith(f"results/a: {message}")
    assert "with results" in error.remedy


def test_an_error_without_a_number_is_told_in_its_words() -> None:
    error = writing_error(OSError("the moon is full"), Path("results/a"))
    assert error.message == "results/a: must be writable, got: the moon is full."


def test_what_is_appended_stands_behind(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for line in (b"1\n", b"2\n"):
        append_to_file(path, line)
    assert path.read_bytes() == b"1\n2\n"


def test_appending_to_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="lines: must be writable"):
        append_to_file(tmp_path / "no" / "lines", b"1")


def test_the_name_of_a_folder_is_synced_before_anything_stands_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, list[str]]] = []

    def look(folder: Path) -> None:
        synced.append((folder.name, names(folder)))

    monkeypatch.setattr("autocnn.core.atomic.sync_folder", look)
    make_folder(tmp_path / "a" / "b")
    assert synced == [(tmp_path.name, ["a"]), ("a", ["b"])]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2, "it was there"


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(StudyError, match="must be writable, got: Not a directory"):
            make_folder(path)


def test_a_full_disk_is_told_where_a_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "mkdir", lambda *_: fail_with(errno.ENOSPC))
    with pytest.raises(DiskFullError, match="a: the disk must have free space"):
        make_folder(tmp_path / "a")


def test_files_and_folders_are_removed_and_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").write_text("")
    for name in "acd":
        remove(tmp_path / name)
    assert names(tmp_path) == []


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("")
    monkeypatch.setattr(os, "unlink", lambda *_, **__: fail_with(errno.EACCES))
    with pytest.raises(StudyError, match="a: must be writable, got: Permission denied"):
        remove(tmp_path / "a")


def test_a_temporary_file_that_cannot_be_deleted_hides_no_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: fail_with(errno.EIO))
    monkeypatch.setattr(os, "unlink", lambda *_, **__: fail_with(errno.EIO))
    with pytest.raises(StudyError, match="a: must be writable, got: Input/output error"):
        replace_file(tmp_path / "a", b"")


def test_what_is_appended_is_whole_or_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is nearly full takes a part of it first."""

    class Nearly(io.BytesIO):
        def write(self, content: Any) -> int:
            return super().write(bytes(content)[:3])

        def close(self) -> None:
            pass

    file = Nearly()
    monkeypatch.setattr(Path, "open", lambda *arguments, **options: file)
    append_to_file(tmp_path / "x", b"ten or so.")
    assert file.getvalue() == b"ten or so."
