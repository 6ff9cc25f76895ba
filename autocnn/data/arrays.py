"""Decodes all images once into a uint8 array on disk, memory-mapped by whoever needs it."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.core.limits import usable_cpus
from autocnn.core.records import Channels, Fit
from autocnn.data.cache import ENTRY_FILE, ArrayCache, InUse
from autocnn.data.decode import (
    Levels,
    ValueRange,
    choose_levels,
    decode_image,
    follow_windows,
    pillow_quiet,
    read_size,
)
from autocnn.data.table import ImageTable

FORMAT = 5
"""Raised when decoding changes what comes out, so that old entries are not reused."""

SMALL_SIDE, LARGEST_SIDE, SIDE_STEP, SAMPLE = 32, 96, 8, 500
ARRAY_FILE = "images.npy"


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """All images of a table at one size.

    Attributes:
        path: The .npy, uint8 (n, side, side, channels).
        image_shape: (side, side, channels).
        unreadable: Index in the table -> why it could not be decoded; its row is black.
        rows: (n,) int64, index in the table -> row of the array, -1 when unreadable.
        coloured: Indices in the table of images with colour, where `auto` looked for them.
        levels: Values that became 0 and 255 in images of more than 8 bits; None: there are none.
        has_windows: Whether these are the middle of what the files ask viewers to show so.
        in_use: Keeps the file from being deleted by other studies.
    """

    path: Path
    image_shape: tuple[int, int, int]
    unreadable: Mapping[int, str]
    rows: NDArray[np.int64]
    coloured: tuple[int, ...]
    levels: Levels | None
    has_windows: bool
    in_use: InUse = field(repr=False)

    @property
    def channels(self) -> Channels:
        """`grey` or `rgb`."""
        return "grey" if self.image_shape[2] == 1 else "rgb"

    def open(self) -> Pixels:
        """The array, mapped read-only: pages are shared by all processes."""
        pixels: Pixels = np.load(self.path, mmap_mode="r")
        return pixels


def decode_images(
    table: ImageTable,
    *,
    image_size: int,
    channels: Channels,
    cache_dir: Path | None,
    cache_limit_gb: float,
    observer: Observer,
    levels: Levels | None = None,
    fit: Fit = "stretch",
) -> DecodedImages:
    """Decode the images of a table to squares, or find them decoded.

    Memory stays flat in the number of images. Two processes that ask for the same at once
    decode once: the second waits. Where images could not be read before and some can by now (a
    decoder was installed, a disk is back), all are decoded anew, beside the arrays that others use.

    Args:
        table: From `read_source`; images that cannot be decoded are reported, not raised.
        image_size: Side of the squares, px.
        channels: auto: grey if every readable image is grey in content, else rgb.
        cache_dir: Folder to keep the array in; None: the platform's cache folder.
        cache_limit_gb: Size in GB above which the least recently used arrays are deleted.
        observer: Hears of the stage `decode`, in images; of none when it is reused.
        levels: Values that become 0 and 255 in images of more than 8 bits; None: by all of them.
        fit: How images that are not square become squares.

    Raises:
        DataError: When the cache folder cannot be written or is full.
    """
    folder = Path(user_cache_dir("autocnn")) if cache_dir is None else cache_dir
    cache = ArrayCache(folder, limit_gb=cache_limit_gb)
    decoder = _Decoder(table, image_size, channels, observer, levels, fit)
    key = _key(table.sha256, image_size, channels, levels, fit)
    number = _newest(folder, key)
    found, in_use, is_new = _find_or_build(decoder, cache, _numbered(key, number))
    unreadable = found.unreadable if is_new else decoder.try_again(found.unreadable)
    if len(unreadable) < len(found.unreadable):
        number += 1  # whoever uses the other array keeps it
        found, in_use, _ = _find_or_build(decoder, cache, _numbered(key, number))
        unreadable = found.unreadable
    cache.evict()
    rows = np.arange(len(table), dtype=np.int64)
    rows[list(unreadable)] = -1
    path = cache.entry_dir(_numbered(key, number)) / ARRAY_FILE
    return DecodedImages(
        path=path,
        image_shape=found.shape[1:],
        unreadable=unreadable,
        rows=rows,
        coloured=found.coloured,
        levels=found.levels,
        has_windows=found.has_windows,
        in_use=in_use,
    )


def find_decoded(
    sha256: Sequence[str],
    *,
    image_size: int,
    channels: Channels,
    cache_dir: Path | None,
    levels: Levels | None = None,
    fit: Fit = "stretch",
) -> Pixels | None:
    """Images that were decoded before, mapped read-only; None where they are not kept any more.

    Args:
        sha256: (n,) Of the contents, in the order of the table that was decoded.
        image_size: As they were decoded, like all that follows.
        channels: As it was asked for.
        cache_dir: Folder of the arrays; None: the platform's cache folder.
        levels: As they were asked for.
        fit: As it was asked for.

    Returns:
        (n, side, side, channels) uint8.
    """
    folder = Path(user_cache_dir("autocnn")) if cache_dir is None else cache_dir
    key = _key(sha256, image_size, channels, levels, fit)
    entry = folder / _numbered(key, _newest(folder, key))
    if _read_entry(entry) is None:
        return None
    pixels: Pixels = np.load(entry / ARRAY_FILE, mmap_mode="r")
    return pixels


def choose_image_size(table: ImageTable) -> int:
    """A side in px that suits the images, from their headers alone.

    The median of the shorter sides over up to 500 images, evenly spread: kept when it is at
    most 32, else at most 96 and rounded down to a multiple of 8. At least 8.
    """
    sample = np.unique(np.linspace(0, len(table) - 1, SAMPLE).astype(np.int64)).tolist()

    def shorter_side(index: int) -> int | None:
        try:
            return min(read_size(table.open(index)))
        except DataError:
            return None

    with pillow_quiet(), ThreadPoolExecutor(usable_cpus()) as pool:
        sides = [side for side in pool.map(shorter_side, sample) if side is not None]
    if not sides:
        return SMALL_SIDE
    median = max(int(np.median(sides)), SIDE_STEP)
    return median if median <= SMALL_SIDE else min(median, LARGEST_SIDE) // SIDE_STEP * SIDE_STEP


class _Entry(NamedTuple):
    shape: tuple[int, int, int, int]
    unreadable: Mapping[int, str]
    coloured: tuple[int, ...]
    levels: Levels | None
    has_windows: bool


def _key(
    sha256: Sequence[str], image_size: int, channels: Channels, levels: Levels | None, fit: Fit
) -> str:
    asked = f" {levels[0]!r} {levels[1]!r}" if levels else ""
    asked += "" if fit == "stretch" else f" {fit}"
    digest = hashlib.sha256(f"{FORMAT} {image_size} {channels}{asked}".encode())
    for content in sha256:
        digest.update(f"\n{content}".encode())
    return digest.hexdigest()[:40]


def _numbered(key: str, number: int) -> str:
    return f"{key}-{number}" if number else key


def _newest(folder: Path, key: str) -> int:
    """Number of the newest entry of a key: one more each time that more images could be read."""
    tails = (place.name.removeprefix(f"{key}-") for place in folder.glob(f"{key}-*"))
    return max((int(tail) for tail in tails if tail.isdecimal()), default=0)


def _find_or_build(decoder: "_Decoder", cache: ArrayCache, key: str) -> tuple[_Entry, InUse, bool]:
    """The entry of a key, what keeps it, and whether it was built now."""
    with cache.locked(key, decoder.observer):
        found = _read_entry(cache.entry_dir(key))
        is_new = found is None
        if found is None:
            with cache.building(key) as partial:
                _build(decoder, partial, cache)
            found = _read_entry(cache.entry_dir(key))
        if found is None:
            raise DataError(f"{cache.folder}: a decoded array must stay, got it changed meanwhile.")
        return found, cache.use(key), is_new


def _read_entry(folder: Path) -> _Entry | None:
    """What an entry says of itself, or None when there is no whole one."""
    try:
        data = json.loads((folder / ENTRY_FILE).read_text("utf-8"))
        array = np.load(folder / ARRAY_FILE, mmap_mode="r")
        unreadable = {int(index): str(reason) for index, reason in data["unreadable"].items()}
        coloured = tuple(int(index) for index in data["coloured"])
        levels = None if data["levels"] is None else (data["levels"][0], data["levels"][1])
        if array.shape != tuple(data["shape"]) or array.dtype != np.uint8:
            return None
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return None
    num_images, height, width, num_channels = array.shape
    shape = (num_images, height, width, num_channels)
    return _Entry(shape, unreadable, coloured, levels, bool(data["has_windows"]))


def _build(decoder: "_Decoder", folder: Path, cache: ArrayCache) -> None:
    """Decode everything into `folder`."""
    ranges: list[ValueRange] = []
    entry = _write_array(decoder, folder, cache, note=ranges.append)
    levels = choose_levels(ranges)
    if decoder.levels is not None:
        levels = decoder.levels if ranges else None
    elif any(choose_levels([one]) != levels for one in ranges):  # else that is what was written
        entry = _write_array(replace(decoder, levels=levels), folder, cache)
    has_windows = decoder.levels is None and follow_windows(ranges)
    with cache.errors_explained():
        facts = {**entry, "levels": levels, "has_windows": has_windows}
        (folder / ENTRY_FILE).write_text(json.dumps(facts), "utf-8")


@dataclass(frozen=True)
class _Decoder:
    """How the images of a table are decoded.

    Attributes:
        levels: For those of more than 8 bits; None: each by itself.
        fit: Of those that are not square.
    """

    table: ImageTable
    image_size: int
    channels: Channels
    observer: Observer
    levels: Levels | None = None
    fit: Fit = "stretch"

    def decode(self, index: int, note: Callable[[ValueRange], None] | None = None) -> Pixels | str:
        """One image, or the reason why it is unreadable."""
        try:
            return decode_image(
                self.table.open(index),
                side=self.image_size,
                channels=self.channels,
                levels=self.levels,
                fit=self.fit,
                note=note,
            )
        except DataError as error:
            return error.message

    def try_again(self, indices: Collection[int]) -> dict[int, str]:
        """Those of some images that are unreadable still, and why."""
        with pillow_quiet(), ThreadPoolExecutor(usable_cpus()) as pool:
            found = zip(indices, pool.map(self.decode, indices), strict=True)
            return {index: decoded for index, decoded in found if isinstance(decoded, str)}

    def decode_all(self, note: Callable[[ValueRange], None] | None) -> Iterator[Pixels | str]:
        """The images in order; a string is the reason why one is unreadable."""
        total = len(self.table)
        threads = usable_cpus()
        batch = 32 * threads  # decoded at once and then written: what bounds the memory
        self.observer.stage("decode", total=total, unit="images")
        with pillow_quiet(), ThreadPoolExecutor(threads) as pool:
            for start in range(0, total, batch):
                stop = min(start + batch, total)
                yield from pool.map(lambda index: self.decode(index, note), range(start, stop))
                self.observer.advance(stop - start)


def _write_array(
    decoder: _Decoder,
    folder: Path,
    cache: ArrayCache,
    note: Callable[[ValueRange], None] | None = None,
) -> dict[str, object]:
    """Write the array, and return what is known of it."""
    unreadable: dict[int, str] = {}
    coloured: list[int] = []
    size, channels = decoder.image_size, decoder.channels
    with _ArrayWriter(folder, len(decoder.table), size, channels, cache) as writer:
        for index, decoded in enumerate(decoder.decode_all(note)):
            if isinstance(decoded, str):
                unreadable[index] = decoded
            elif channels == "auto" and decoded.shape[2] > 1:
                coloured.append(index)
            writer.append(None if isinstance(decoded, str) else decoded)
        shape = writer.shape
    return {"shape": shape, "unreadable": unreadable, "coloured": coloured}


class _ArrayWriter:
    """Appends rows to a .npy; goes from grey to RGB at the first coloured row.

    Plain writes, not a mapping: on a full disk a mapping ends the process with SIGBUS,
    a write raises.
    """

    def __init__(
        self, folder: Path, num_images: int, side: int, channels: Channels, cache: ArrayCache
    ) -> None:
        self.path = folder / ARRAY_FILE
        self.cache = cache
        self.num_written = 0
        self.shape = (num_images, side, side, 3 if channels == "rgb" else 1)
        self.file: BinaryIO

    def __enter__(self) -> "_ArrayWriter":
        with self.cache.errors_explained():
            self.file = _start_array(self.path, self.shape)
        return self

    def __exit__(self, *error: object) -> None:
        with self.cache.errors_explained():
            self.file.close()

    def append(self, pixels: Pixels | None) -> None:
        """Write the next row; None is a black one."""
        row = np.zeros(self.shape[1:], np.uint8) if pixels is None else pixels
        with self.cache.errors_explained():
            if row.shape[2] > self.shape[3]:
                self._widen()
            if row.shape[2] < self.shape[3]:
                row = np.repeat(row, self.shape[3], axis=2)
            self.file.write(np.ascontiguousarray(row).data)
        self.num_written += 1

    def _widen(self) -> None:
        """Go on in RGB: what was grey so far is repeated in three channels."""
        self.file.close()
        narrow = self.path.rename(self.path.with_suffix(".grey"))
        header = narrow.stat().st_size - self.num_written * self.shape[1] * self.shape[2]
        self.shape = (*self.shape[:3], 3)
        self.file = _start_array(self.path, self.shape)
        with narrow.open("rb") as file:
            file.seek(header)
            for _ in range(self.num_written):
                row = np.frombuffer(file.read(self.shape[1] * self.shape[2]), np.uint8)
                self.file.write(np.repeat(row, 3).data)
        narrow.unlink()


def _start_array(path: Path, shape: tuple[int, int, int, int]) -> BinaryIO:
    file = path.open("wb")
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file
