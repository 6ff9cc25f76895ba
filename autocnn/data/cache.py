"""The folder that keeps decoded images from one study to the next.

    <cache>/<key>/images.npy, entry.json     an entry, complete: it was renamed into place
    <cache>/<key>-1/                         one of more readable images, see `arrays`; -2, -3, ...
    <cache>/<key>/use-<pid>-<word>.lock      locked by a living process that uses the entry
    <cache>/<key>.partial-<word>/            an entry that is being built
    <cache>/locks/<key>.lock                 held while an entry is looked up, built or deleted

Locks are the operating system's, so they end with their process, however it ends.
"""

import os
import secrets
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from autocnn.core.errors import DataError, Text
from autocnn.core.events import Observer

ENTRY_FILE = "entry.json"


class InUse:
    """Keeps an entry from being deleted while this object, or its process, lives.

    A pickled copy holds nothing: in another process the first one still does.

    Args:
        marker: File to create and lock; None: nothing is held.
    """

    def __init__(self, marker: Path | None = None) -> None:
        if marker is not None:
            lock = FileLock(marker, thread_local=False)  # may be let go in another thread
            lock.acquire(timeout=0)
            weakref.finalize(self, _release, lock, marker, os.getpid())

    def __reduce__(self) -> tuple[type["InUse"], tuple[()]]:
        return InUse, ()


def _release(lock: FileLock, marker: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child must not end its parent's lock
        lock.release()
        marker.unlink(missing_ok=True)


class ArrayCache:
    """Entries under keys, limited in size, shared by studies that run at once.

    Args:
        folder: Created when needed.
        limit_gb: Size of all entries in GB (10^9 bytes) above which `evict` deletes.
    """

    def __init__(self, folder: Path, *, limit_gb: float) -> None:
        self.folder = folder
        self.limit_bytes = limit_gb * 1e9

    def entry_dir(self, key: str) -> Path:
        """Where the entry of that key is, or would be."""
        return self.folder / key

    @contextmanager
    def locked(self, key: str, observer: Observer) -> Iterator[None]:
        """Hold the key: nobody else looks it up, builds or deletes it meanwhile.

        Raises:
            DataError: When the cache folder cannot be written.
        """
        with self.errors_explained():
            lock = self._lock(key)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                observer.note("Another study decodes the same images: waiting for it.")
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def building(self, key: str) -> Iterator[Path]:
        """An empty folder that becomes the entry at the end, or vanishes on an error.

        Call it with the key locked.
        """
        with self.errors_explained():
            for stale in self.folder.glob(f"{key}.partial-*"):  # of a process that was killed
                shutil.rmtree(stale, ignore_errors=True)
            partial = self.folder / f"{key}.partial-{secrets.token_hex(4)}"
            partial.mkdir()
        try:
            yield partial
            with self.errors_explained():
                for file in partial.iterdir():
                    _sync(file)
                shutil.rmtree(self.entry_dir(key), ignore_errors=True)  # broken, or of no use
                partial.rename(self.entry_dir(key))
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def use(self, key: str) -> InUse:
        """Mark the entry as the most recently used, and as used by this process.

        Call it with the key locked.
        """
        entry = self.entry_dir(key)
        with self.errors_explained():
            os.utime(entry / ENTRY_FILE)
            return InUse(entry / f"use-{os.getpid()}-{secrets.token_hex(4)}.lock")

    def evict(self) -> int:
        """Delete the least recently used entries until the rest fits the limit.

        Entries that a living process uses or builds are left alone.

        Returns:
            Number of entries that were deleted.
        """
        entries = []
        for file in self.folder.glob(f"*/{ENTRY_FILE}"):
            with suppress(OSError):  # deleted by another study meanwhile
                size = sum(f.stat().st_size for f in file.parent.iterdir())
                entries.append((file.stat().st_mtime_ns, size, file.parent))
        total, num_deleted = sum(size for _, size, _ in entries), 0
        for _, size, entry in sorted(entries):
            if total <= self.limit_bytes:
                break
            if self._delete(entry):
                total -= size
                num_deleted += 1
        return num_deleted

    @contextmanager
    def errors_explained(self) -> Iterator[None]:
        """Turn an OSError of the cache folder into a DataError with the remedy."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise DataError(
                f"{self.folder}: the cache of decoded images must be a writable folder "
                f"with free space, got: {reason}.",
                remedy=Text("Give another one with {cache_dir}."),
            ) from error

    def _lock(self, key: str) -> FileLock:
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / f"{key}.lock")

    def _delete(self, entry: Path) -> bool:
        key = entry.name.partition(".partial-")[0]  # one that is being built is locked too
        with suppress(Timeout, OSError), self._lock(key).acquire(timeout=0):
            if any(_is_locked(marker) for marker in entry.glob("use-*.lock")):
                return False
            doomed = self.folder / f"{entry.name}.partial-{secrets.token_hex(4)}"
            entry.rename(doomed)  # never half an entry under its own name
            shutil.rmtree(doomed, ignore_errors=True)
            return True
        return False


def _is_locked(marker: Path) -> bool:
    lock = FileLock(marker)
    try:
        lock.acquire(timeout=0)
    except (Timeout, RuntimeError):
        return True
    lock.release()
    return False


def _sync(file: Path) -> None:
    """Write the file out: a rename must not outlive its content in a power cut."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
