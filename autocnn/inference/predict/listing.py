"""Which image files are meant by paths, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from autocnn.core.errors import DataError, Text, UsageError
from autocnn.core.paths import to_path
from autocnn.data.image_files import is_image_file
from autocnn.data.table import natural_key


def list_images(arguments: Iterable[str], *, but: Path | None = None) -> Iterator[Path]:
    """The files that some arguments mean, in their order.

    - A file is itself, whatever its suffix; so is what is not there.
    - A folder is all images below it, sorted as people sort; hidden ones are left out.
    - A pattern (`*`, `?`, `[...]`, `**` for any folders) is the images that it matches; other
      files only where it names their suffix: `scans/*.ima`.

    The names of one folder, or of one pattern, are in memory at a time.

    Args:
        arguments: As a shell hands them over, or with its patterns still in them.
        but: Folder for pictures of these images: what is in there is none of them, unless it is
            named as a file.

    Raises:
        DataError: When a folder or a pattern has no image, or a folder cannot be read.
        UsageError: When `but` is one of the folders itself.
    """
    left_out = frozenset() if but is None else frozenset((os.path.realpath(but),))
    for argument in arguments:
        if not argument:
            raise DataError("'': an image must be a file, a folder or a pattern, got no name.")
        path = to_path(argument)
        if path.is_dir():
            if os.path.realpath(path) in left_out:
                raise UsageError(
                    Text("{explain} {0}: must be another folder than that of the images.", but)
                )
            yield from _some(
                _below(path, left_out),
                f"{argument}: must hold an image",
                "Images are known by their suffixes, as .png and .jpg.",
            )
        elif glob.has_magic(argument) and not os.path.lexists(path):
            yield from _some(
                _matches(argument, left_out),
                f"{argument}: must match an image",
                "Is it relative to the right folder?",
            )
        else:
            yield path


def count_images(arguments: Iterable[str], *, but: Path | None = None) -> int:
    """How many files `list_images` gives.

    Raises:
        DataError, UsageError: As there.
    """
    return sum(1 for _ in list_images(arguments, but=but))


def _some(paths: Iterator[Path], rule: str, remedy: str) -> Iterator[Path]:
    first = next(paths, None)
    if first is None:
        raise DataError(f"{rule}, got none.", remedy=remedy)
    yield first
    yield from paths


def _below(folder: Path, left_out: frozenset[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in left_out:
        return
    images, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file() and is_image_file(entry.path):
                    images.append(entry.name)
    except OSError as error:
        raise DataError(f"{folder}: must be readable, got: {error.strerror}.") from error
    for name in sorted(images, key=natural_key):
        yield folder / name
    for name in sorted(folders, key=natural_key):
        yield from _below(folder / name, left_out | {real})  # links may lead back to it


def _matches(pattern: str, left_out: frozenset[str]) -> Iterator[Path]:
    suffix = os.path.splitext(pattern)[1]  # noqa: PTH122 - a pattern is no path
    is_named = suffix not in ("", ".") and not glob.has_magic(suffix)
    found = (
        path
        for path in glob.iglob(os.path.expanduser(pattern), recursive=True)  # noqa: PTH207, PTH111
        if os.path.isfile(path) and (is_named or is_image_file(path))  # noqa: PTH113 - many
        if not left_out or os.path.realpath(os.path.dirname(path)) not in left_out  # noqa: PTH120
    )
    yield from map(Path, sorted(found, key=natural_key))
