"""Only one process writes a study, and the next one learns how the last one ended."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from autocnn.core.errors import DiskFullError, StudyLockedError
from autocnn.storage.lock import Owner, StudyLock
from tests.samples import fail_disk_full

HOST = socket.gethostname()


def write_owner(folder: Path, owner: Owner | dict[str, Any] | bytes) -> None:
    """Leave .owner.json behind, as a process does that was killed."""
    facts = asdict(owner) if isinstance(owner, Owner) else owner
    content = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    (folder / ".owner.json").write_bytes(content)


def read_owner(folder: Path) -> Owner:
    return Owner(**json.loads((folder / ".owner.json").read_text()))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def take_and_release(folder: Path, *, force: bool = False) -> Owner | None:
    lock = StudyLock(folder)
    owner = lock.acquire(force=force)
    lock.release()
    return owner


@pytest.fixture
def living() -> Iterator[Owner]:
    """Another process of this host that lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield Owner(HOST, process.pid, psutil.Process(process.pid).create_time())
        process.kill()


@pytest.fixture
def dead() -> Owner:
    """A process of this host that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time()
        process.kill()
    return Owner(HOST, process.pid, started)


# -- owners --------------------------------------------------------------------------------


def test_this_process_is_alive_and_known_by_its_number_and_start() -> None:
    me = Owner.this()
    assert (me.host, me.process) == (HOST, os.getpid())
    assert me.is_alive
    assert me == Owner.this()


def test_a_process_that_ended_is_dead(living: Owner, dead: Owner) -> None:
    assert living.is_alive
    assert not dead.is_alive


def test_another_process_with_the_number_of_a_dead_one_is_not_it(living: Owner) -> None:
    assert not replace(living, started=living.started - 60).is_alive
    assert replace(living, started=living.started + 0.5).is_alive


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says it")
def test_a_clock_that_is_set_makes_no_living_process_dead() -> None:
    me = Owner.this()
    assert replace(me, started=me.started - 3600).is_alive
    assert not replace(me, ticks=me.ticks - 1).is_alive
    assert not replace(me, boot="another").is_alive


def test_an_owner_is_named_with_host_and_start() -> None:
    named = str(Owner("here", 17, 1_700_000_000.0))
    assert re.fullmatch(r"process 17 on here, started 2023-11-1\d \d\d:\d\d:20", named)


# -- acquire and release -------------------------------------------------------------------


def test_the_first_process_takes_the_lock_and_says_who_it_is(tmp_path: Path) -> None:
    lock = StudyLock(tmp_path)
    assert lock.acquire() is None
    assert read_owner(tmp_path) == Owner.this()
    lock.release()


def test_release_removes_both_files_and_lets_others_in(tmp_path: Path) -> None:
    for _ in range(2):
        lock = StudyLock(tmp_path)
        assert lock.acquire() is None
        assert names(tmp_path) == [".lock", ".owner.json"]
        lock.release()
        assert names(tmp_path) == []


def test_release_lets_others_in_where_an_open_file_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == ".lock":
            raise PermissionError(13, "The process cannot access the file")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    for _ in range(2):
        assert take_and_release(tmp_path) is None


def test_the_lock_is_held_against_this_process_too(tmp_path: Path) -> None:
    first = StudyLock(tmp_path)
    first.acquire()
    with pytest.raises(StudyLockedError) as caught:
        StudyLock(tmp_path).acquire()
    assert str(caught.value) == (
        f"{tmp_path}: only one process may write a study; {Owner.this()} does. Wait for it."
    )
    first.release()


HOLD_LOCK = """
import sys
from pathlib import Path
from autocnn.storage.lock import StudyLock
lock = StudyLock(Path(sys.argv[1]))
lock.acquire()
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_living_process_is_named_and_its_death_is_told(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        owner = read_owner(tmp_path)
        started = psutil.Process(other.pid).create_time()
        assert (owner.host, owner.process, owner.started) == (HOST, other.pid, started)
        with pytest.raises(StudyLockedError) as caught:
            StudyLock(tmp_path).acquire(force=True)
        assert read_owner(tmp_path) == owner, "who is refused changes nothing"
        other.kill()
    assert str(caught.value) == (
        f"{tmp_path}: only one process may write a study; process {other.pid} on {HOST}, "
        f"started {str(owner).rpartition('started ')[2]} does. "
        f"Wait for it, or stop it: kill {other.pid}."
    )
    assert caught.value.exit_code == 4
    assert take_and_release(tmp_path) == owner


def test_who_holds_it_on_another_host_is_not_killed_on_this_one(tmp_path: Path) -> None:
    """Some file systems carry locks between hosts."""
    lock = StudyLock(tmp_path)
    lock.acquire()
    write_owner(tmp_path, Owner("far", 4711, 1_700_000_000.0))
    with pytest.raises(
        StudyLockedError, match=r"on far, .* does\. Wait for it, or stop it there\."
    ):
        StudyLock(tmp_path).acquire()
    lock.release()


def test_a_lock_whose_owner_is_not_known_is_refused(tmp_path: Path) -> None:
    lock = StudyLock(tmp_path)
    lock.acquire()
    (tmp_path / ".owner.json").unlink()
    with pytest.raises(StudyLockedError, match=r"study; another process does\. Wait for it\."):
        StudyLock(tmp_path).acquire()
    lock.release()


def test_a_living_owner_is_respected_where_the_system_lock_is_not(
    tmp_path: Path, living: Owner
) -> None:
    write_owner(tmp_path, living)
    for force in (False, True):
        with pytest.raises(
            StudyLockedError, match=f"Wait for it, or stop it: kill {living.process}"
        ):
            StudyLock(tmp_path).acquire(force=force)
    assert read_owner(tmp_path) == living


def test_a_dead_owner_is_returned_and_the_lock_taken(tmp_path: Path, dead: Owner) -> None:
    write_owner(tmp_path, dead)
    lock = StudyLock(tmp_path)
    assert lock.acquire() == dead
    assert read_owner(tmp_path) == Owner.this()
    lock.release()
    assert take_and_release(tmp_path) is None


def test_a_number_that_another_process_has_by_now_is_a_dead_owner(
    tmp_path: Path, living: Owner
) -> None:
    before = replace(living, started=living.started - 3600)
    write_owner(tmp_path, before)
    assert take_and_release(tmp_path) == before


def test_an_owner_on_another_host_may_live_and_is_refused(tmp_path: Path) -> None:
    far = Owner("far", 4711, 1_700_000_000.0)
    write_owner(tmp_path, far)
    for _ in range(2):
        with pytest.raises(StudyLockedError) as caught:
            StudyLock(tmp_path).acquire()
    assert str(caught.value) == (
        f"{tmp_path}: only one process may write a study; {far} last did and did not say that "
        "it ended. If that process is gone, ask again with force_unlock=True."
    )
    assert read_owner(tmp_path) == far


def test_an_owner_on_another_host_yields_to_force(tmp_path: Path) -> None:
    far = Owner("far", 4711, 1_700_000_000.0)
    write_owner(tmp_path, far)
    lock = StudyLock(tmp_path)
    assert lock.acquire(force=True) == far
    assert read_owner(tmp_path) == Owner.this()
    lock.release()
    assert names(tmp_path) == []


# -- files that are not what they should be ------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xff", b"null", b"[]", b"3", b"{}", b'{"host": "far"}']
)
def test_an_owner_file_that_is_garbage_is_ignored(tmp_path: Path, content: bytes) -> None:
    write_owner(tmp_path, content)
    lock = StudyLock(tmp_path)
    assert lock.acquire() is None
    assert read_owner(tmp_path) == Owner.this()
    lock.release()


@pytest.mark.parametrize(
    "facts",
    [
        {"host": HOST, "process": "1", "started": 1.0},
        {"host": HOST, "process": -5, "started": 1.0},
        {"host": HOST, "process": 1, "started": None},
        {"host": "far", "process": 1, "started": "x"},
    ],
)
def test_an_owner_file_with_impossible_values_is_ignored(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    write_owner(tmp_path, facts)
    assert take_and_release(tmp_path) is None


def test_a_full_disk_is_told_and_leaves_the_lock_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to this process, which may try again as soon as there is free space."""
    lock = StudyLock(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_disk_full)
        with pytest.raises(DiskFullError):
            lock.acquire()
    assert not (tmp_path / ".owner.json").exists()
    assert take_and_release(tmp_path) is None
