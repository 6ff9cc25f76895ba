"""Which file a cell of a table means, however its path is written."""

import difflib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from autocnn.data.image_files import IMAGE_SUFFIXES

MOST_COMPARED = 20_000
"""Names among which the nearest to a missing one is looked for: 20,000 take 0.1 s."""

MOST_KEPT = 10_000
"""Names of which it is known in which folders their files are."""

CLOSE = 0.75
"""Likeness from which another name may be what was meant, 0..1."""

How = Literal["as it is", "suffix", "name"]


@dataclass(frozen=True)
class Match:
    """What a cell was found to mean.

    Attributes:
        files: The file; more than one where it may be any of them; none where there is none.
        how: As it is, with a suffix added, or by its name somewhere below the folder.
        suffix: What was added.
    """

    files: tuple[str, ...] = ()
    how: How = "as it is"
    suffix: str = ""

    @property
    def file(self) -> str | None:
        """The file, where it is certain."""
        return self.files[0] if len(self.files) == 1 else None


class FileLookup:
    """The files below a folder, by path and by name.

    Paths are plain text here: with `pathlib`, a table of 100,000 rows takes four times as long.
    Names match in either form of Unicode, composed or decomposed. Folders are listed only when
    a path is not there as it is written.

    Args:
        folder: Where relative paths begin, and below which names are looked for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(absolute(folder))
        self._last_suffix = ""
        # A thousand folders may hold a 1.png each, and as many rows ask for it.
        self._ends = lru_cache(MOST_KEPT)(self._list_ends)
        self._in_case = lru_cache(MOST_KEPT)(self._choose_case)

    def find_all(self, cells: Sequence[str]) -> list[Match]:
        """What each cell means.

        A file that is missing must not be taken for one of the same name elsewhere. So a path with
        folders in it is found by its name only when all that stand in its folder are found in one
        other folder, and none is there as it is written; a bare name, when most are.
        """
        homes: dict[str, Counter[str | None]] = defaultdict(Counter)
        matches, folders = [], []
        for cell in cells:
            match = self.find(cell)
            matches.append(match)
            folders.append("/".join(_parts(cell)[:-1]))
            if match.file is not None or (match.files and not folders[-1]):
                is_moved = match.how == "name"
                homes[folders[-1]][match.files[0].rpartition(os.sep)[0] if is_moved else None] += 1
        return [
            Match() if match.how == "name" and _is_elsewhere(folder, homes[folder]) else match
            for match, folder in zip(matches, folders, strict=True)
        ]

    def find(self, cell: str) -> Match:
        """What one cell means, by itself."""
        if not cell or "\0" in cell:
            return Match()
        for text in (cell, cell.replace("\\", "/")) if "\\" in cell else (cell,):
            found = self._direct(text)
            if found is not None:
                return Match((found,))
            if self._last_suffix:  # that of the cell before: it saves listing the folders
                found = self._direct(f"{text}{self._last_suffix}")
                if found is not None:
                    return Match((found,), "suffix", self._last_suffix)
        return self._find_by_name(_parts(cell))

    def nearest(self, cell: str) -> str | None:
        """The file whose name is most like it, relative to the folder; None without one."""
        name = key_of(_parts(cell)[-1]) if _parts(cell) else ""
        for names in (self._by_name, self._by_stem):
            known = list(names)[:MOST_COMPARED]
            close = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE)
            if close:
                return self.shown(names[close[0]][0])
        return None

    def shown(self, file: str) -> str:
        """A file, relative to the folder where it is below it."""
        return file.removeprefix(f"{self.folder.rstrip(os.sep)}{os.sep}")

    def _direct(self, text: str) -> str | None:
        try:
            path = os.path.normpath(os.path.join(self.folder, text))
            return path if os.path.isfile(path) else None
        except (OSError, ValueError):  # a name that is too long
            return None

    def _find_by_name(self, parts: tuple[str, ...]) -> Match:
        if not parts:
            return Match()
        folders = tuple(map(key_of, parts[:-1]))
        for has_suffix in (True, False):
            ends = self._ends(key_of(parts[-1]), has_suffix)
            if not ends:
                continue
            depth = 0
            while depth < len(folders) and folders[-depth - 1 :] in ends:
                depth += 1
            chosen = self._in_case(parts[-1], folders[len(folders) - depth :], has_suffix)
            suffix = "" if has_suffix else os.path.splitext(chosen[0])[1]
            num_folders = self.shown(chosen[0]).count(os.sep)
            if len(chosen) == 1 and depth == len(folders) == num_folders:
                # The path as it is, in the other form of Unicode, or without its suffix.
                self._last_suffix = suffix
                return Match(chosen, "suffix" if suffix else "as it is", suffix)
            return Match(chosen, "name", suffix)
        return Match()

    def _list_ends(self, name: str, has_suffix: bool) -> Mapping[tuple[str, ...], list[str]]:
        """The last folders, none to all of them -> the files of that name in them."""
        ends: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for file in (self._by_name if has_suffix else self._by_stem).get(name, ()):
            folders = tuple(map(key_of, self.shown(file).split(os.sep)[:-1]))
            for start in range(len(folders) + 1):
                ends[folders[start:]].append(file)
        return ends

    def _choose_case(
        self, name: str, folders: tuple[str, ...], has_suffix: bool
    ) -> tuple[str, ...]:
        """The files of that name at the end of those folders; the one written alike, if one is."""
        files = self._ends(key_of(name), has_suffix)[folders]
        same_case = [file for file in files if name in os.path.basename(file)]
        return tuple(same_case if len(same_case) == 1 else files)

    @cached_property
    def _by_name(self) -> Mapping[str, list[str]]:
        """Name of a file -> the files of that name."""
        names: dict[str, list[str]] = defaultdict(list)
        for file in self._files:
            names[key_of(os.path.basename(file))].append(file)
        return names

    @cached_property
    def _by_stem(self) -> Mapping[str, list[str]]:
        """Name of an image file without its suffix -> the files of that name."""
        names: dict[str, list[str]] = defaultdict(list)
        for file in self._files:
            stem, suffix = os.path.splitext(os.path.basename(file))
            if suffix.lower() in IMAGE_SUFFIXES:
                names[key_of(stem)].append(file)
        return names

    @cached_property
    def _files(self) -> list[str]:
        """All files below the folder but hidden ones, in a fixed order."""
        files: list[str] = []
        seen: set[str] = set()
        for top, folders, names in os.walk(self.folder, followlinks=True):
            real = os.path.realpath(top)
            if real in seen:  # a link to a folder above it, or to one that was listed
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if _is_shown(name))
            files += (os.path.join(top, name) for name in sorted(names) if _is_shown(name))
        return files


def absolute(path: Path) -> Path:
    """A path from the root, without `..`; links stay as they are."""
    return Path(os.path.normpath(path.absolute()))


def _is_elsewhere(folder: str, homes: Counter[str | None]) -> bool:
    """Whether what was found by name is another file than the one that is meant.

    Args:
        folder: In which it is said to be; empty of a bare name.
        homes: Folders in which all that are said to be there were found; None: as they are.
    """
    return len(homes) > 1 if folder else 2 * homes[None] >= homes.total()


def _is_shown(name: str) -> bool:
    """Whether a file or folder counts: none that is hidden, or whose name is no UTF-8."""
    if name.startswith(".") or name == "__MACOSX":
        return False
    return name.isascii() or not any("\udc80" <= sign <= "\udcff" for sign in name)


def _parts(cell: str) -> tuple[str, ...]:
    r"""The folders and the name in a path of any system.

    >>> _parts(r"C:\data\pics\1.png"), _parts("/data/1.png"), _parts("./a//1.png")
    (('data', 'pics', '1.png'), ('data', '1.png'), ('a', '1.png'))
    """
    parts = cell.replace("\\", "/").split("/")
    if len(parts[0]) == 2 and parts[0][1] == ":":  # a drive
        parts = parts[1:]
    return tuple(part for part in parts if part not in ("", ".", ".."))


def key_of(name: str) -> str:
    """A name in one form of Unicode, in one case."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
