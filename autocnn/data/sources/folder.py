"""Reads a folder of class folders, with or without split folders above them."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autocnn.core.errors import DataError
from autocnn.core.records import SplitName
from autocnn.data.table import FileImages, FoundImages, natural_key, split_word

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp")
)
LAYOUT = "Put the images of each class into a folder with its name: DATA/cat/1.png, DATA/dog/1.png."
_HIDDEN_NAMES = frozenset(("__MACOSX",))


@dataclass(frozen=True)
class _Listing:
    """What is directly in one folder: visible folders and image files, in order."""

    folders: tuple[Path, ...]
    images: tuple[Path, ...]


def read_folder(root: Path) -> FoundImages:
    """Find the images below `root`.

    A folder named train or training makes its neighbours val, validation, test, ... split
    folders; without one, every folder is a class. All images below a class folder belong
    to the class. Hidden files and folders, and files that are no images by their suffix,
    are left out and counted. A single folder above the class folders is stepped through.

    Args:
        root: An existing folder; links are followed.

    Raises:
        DataError: When there are no images, or images without class folders.
    """
    return _FolderReader(root).read()


class _FolderReader:
    """One walk through a folder; counts what it leaves out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ignored: Counter[str] = Counter()
        self.notes: list[str] = []
        self.found: list[tuple[Path, str, SplitName | None]] = []
        # Listed once each, so that what is ignored is counted once.
        self.listing = cache(self._list)

    def read(self) -> FoundImages:
        top = self._step_down(self.root)
        listing = self.listing(top)
        splits = {folder: split_word(folder.name) for folder in listing.folders}
        if "train" in splits.values():
            self._read_splits(splits)
        else:
            self._read_classes(top, None)
        if self.found and listing.images:
            self.ignored["image outside the class folders"] += len(listing.images)
        if not self.found:
            other = f" ({sum(self.ignored.values()):,} other files)" if self.ignored else ""
            raise DataError(
                f"{self.root}: must be a folder of class folders with images, got no image{other}.",
                remedy=LAYOUT,
            )
        return FoundImages(
            paths=tuple(path.relative_to(self.root).as_posix() for path, _, _ in self.found),
            class_of=tuple(name for _, name, _ in self.found),
            splits=tuple(split for _, _, split in self.found),
            groups=(None,) * len(self.found),
            images=FileImages(self.root),
            ignored=dict(sorted(self.ignored.items())),
            notes=tuple(self.notes),
        )

    def _step_down(self, folder: Path) -> Path:
        """Through folders that hold nothing but one folder of folders: archive/brain/Training."""
        while True:
            listing = self.listing(folder)
            if listing.images or len(listing.folders) != 1:
                break
            (only,) = listing.folders
            below = self.listing(only)
            if split_word(only.name) == "train" or below.images or not below.folders:
                break
            folder = only
        if folder != self.root:
            self.notes.append(f"The class folders are in {folder.relative_to(self.root)}.")
        return folder

    def _read_splits(self, splits: dict[Path, SplitName | None]) -> None:
        for folder, split in splits.items():
            if split is None:
                outside = sum(1 for _ in self._images_below(folder))
                if outside:
                    self.ignored["image outside the split folders"] += outside
                    self.notes.append(f"{folder.name} is no split folder: not read.")
                continue
            below = self.listing(folder)
            is_double = len(below.folders) == 1 and split_word(below.folders[0].name) == split
            before = len(self.found)
            self._read_classes(below.folders[0] if is_double else folder, split)
            if len(self.found) == before:
                self.notes.append(f"{folder.name} holds no image: not read.")

    def _read_classes(self, folder: Path, split: SplitName | None) -> None:
        listing = self.listing(folder)
        before = len(self.found)
        for class_folder in listing.folders:
            images = [(path, class_folder.name, split) for path in self._images_below(class_folder)]
            if not images:
                self.notes.append(f"{class_folder.relative_to(self.root)} holds no image.")
            self.found.extend(images)
        if len(self.found) > before or not listing.images:
            if split is not None and listing.images:
                self.ignored["image outside the class folders"] += len(listing.images)
            return
        raise DataError(
            f"{folder}: must hold one folder per class, "
            f"got {len(listing.images):,} images directly in it.",
            remedy=LAYOUT,
        )

    def _images_below(self, folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
        real = os.path.realpath(folder)
        if real in above:
            self.ignored["link to a folder above it"] += 1
            return
        listing = self.listing(folder)
        yield from listing.images
        for below in listing.folders:
            yield from self._images_below(below, above | {real})

    def _list(self, folder: Path) -> _Listing:
        folders, images = [], []
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: natural_key(entry.name))
        except OSError as error:
            raise DataError(f"{folder}: must be readable, got: {error.strerror}.") from error
        for entry in entries:
            kind = _kind_of(entry)
            if kind == "folder":
                folders.append(Path(entry.path))
            elif kind == "image":
                images.append(Path(entry.path))
            else:
                self.ignored[kind] += 1
        return _Listing(tuple(folders), tuple(images))


def _kind_of(entry: os.DirEntry[str]) -> str:
    """`folder`, `image`, or the kind under which the entry is ignored."""
    is_dir = entry.is_dir()
    if entry.name.startswith(".") or entry.name in _HIDDEN_NAMES:
        return "hidden folder" if is_dir else "hidden file"
    try:
        entry.name.encode("utf-8")
    except UnicodeEncodeError:
        return "name that is no UTF-8"
    if is_dir:
        return "folder"
    if not entry.is_file():
        return "broken link or special file"
    suffix = Path(entry.name).suffix.lower()
    return "image" if suffix in IMAGE_SUFFIXES else suffix or "no suffix"
