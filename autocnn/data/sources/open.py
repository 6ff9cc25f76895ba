"""Finds the images behind DATA: a folder, a table, an .npz or a built-in set."""

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from autocnn.core.arrays import Pixels
from autocnn.core.config import BUILT_IN, Reading
from autocnn.core.errors import DataError, Text, did_you_mean
from autocnn.core.events import Observer
from autocnn.core.limits import usable_cpus
from autocnn.core.paths import to_path
from autocnn.core.wording import shortened
from autocnn.data.decode import Levels
from autocnn.data.sources.folder import LAYOUT, read_folder
from autocnn.data.sources.groups import group_by_headers, group_by_name
from autocnn.data.sources.lookup import MOST_COMPARED
from autocnn.data.sources.npz import read_digits, read_npz
from autocnn.data.sources.phantoms import read_phantoms
from autocnn.data.sources.shards import find_shards
from autocnn.data.sources.table_files import TABLE_SUFFIXES
from autocnn.data.sources.tables import read_table
from autocnn.data.table import FoundImages, ImageTable, natural_key

_BUILT_IN_READERS: Mapping[str, Callable[[], FoundImages]] = {
    "digits": read_digits,
    "phantoms": read_phantoms,
}
_OF_TABLES = ("images", "path_column", "label_column", "split_column", "group_column")
MOST_TABLES = 5
"""That an error names."""

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


def read_source(
    data: str,
    *,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    observer: Observer | None = None,
    fewest_classes: int = 2,
    array_levels: Levels | None = None,
) -> ImageTable:
    """Find the images behind DATA and hash their content.

    Args:
        data: Path to a folder of class folders, a table (CSV, Excel, Parquet, also in parts) or
            an .npz; or a built-in set, `digits` or `phantoms` (a folder of such a name is
            `./digits`).
        reading: What DATA does not say of itself.
        observer: Hears of the stage `read`, in images.
        fewest_classes: 1 where nothing has to be learned from the images.
        array_levels: Values that became 0 and 255 in the .npz of a study, by which another one is
            read too; None: by itself.

    Raises:
        DataError: When there is nothing there, it breaks a rule, or it has too few classes.
    """
    observer = observer or Observer()
    found = find_images(data, reading=reading, array_levels=array_levels)
    # Names of classes and groups in one form of Unicode: folders of one class may differ in it.
    class_of = [unicodedata.normalize("NFC", name) for name in found.class_of]
    class_names = tuple(sorted(set(class_of), key=natural_key))
    if len(class_names) < fewest_classes:
        path = to_path(data)
        raise DataError(
            f"{data}: must have at least two classes, got only {shortened(class_names[0])!r}.",
            remedy=(_tables_there(path) or LAYOUT)
            if path.is_dir()
            else "Add images of another class.",
        )
    hashes = tuple(_hash_all(found, observer))
    if reading.group_from_name is not None:
        found = group_by_name(found, reading.group_from_name)
    found = group_by_headers(found, hashes, usable_cpus())
    index_of = {name: index for index, name in enumerate(class_names)}
    return ImageTable(
        source=data,
        paths=found.paths,
        labels=np.array([index_of[name] for name in class_of], dtype=np.int32),
        class_names=class_names,
        splits=found.splits,
        groups=tuple(group and unicodedata.normalize("NFC", group) for group in found.groups),
        sha256=hashes,
        images=found.images,
        ignored=found.ignored,
        notes=found.notes,
        others=found.others,
        array_levels=found.array_levels,
    )


def _near_name(path: Path) -> str:
    """What the first part of a path that is not there may have been meant to be."""
    for part in (*reversed(path.parents), path):
        if not part.exists():
            try:
                names = [entry.name for entry in islice(os.scandir(part.parent), MOST_COMPARED)]
            except OSError:
                names = []
            return did_you_mean(part.name, [*names, *BUILT_IN])
    return ""


def find_images(
    data: str,
    *,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    array_levels: Levels | None = None,
) -> FoundImages:
    """The images behind DATA, of which none is opened.

    Args:
        data: As in `read_source`.
        reading: As in `read_source`.
        array_levels: As in `read_source`.

    Raises:
        DataError: When there is nothing there, or it breaks a rule.
    """
    path = to_path(data)
    suffix = path.suffix.lower()
    is_folder = data not in BUILT_IN and path.is_dir()
    is_table = data not in BUILT_IN and suffix in TABLE_SUFFIXES and not is_folder
    given = next((name for name in _OF_TABLES if getattr(reading, name) is not None), None)
    if given is not None and not is_table and not (is_folder and find_shards(path)):
        raise DataError(
            Text(f"{{0}}: {{{given}}} says how a table is read, got no table.", data),
            remedy="Leave it out.",
        )
    if reading.label_from_name is not None and (data in BUILT_IN or path.is_file()):
        raise DataError(
            Text("{0}: {label_from_name} is for folders, got no folder.", data),
            remedy="Leave it out: DATA says the labels.",
        )
    if data in BUILT_IN:
        return _BUILT_IN_READERS[data]()
    if not data or not path.exists():
        rule = f"DATA must be a folder, a table, an .npz or built in ({', '.join(BUILT_IN)})"
        remedy = _near_name(path) if data else ""
        raise DataError(f"{data or repr(data)}: {rule}, got no such path.", remedy=remedy)
    if is_folder and given is None:
        return _read_folder(path, reading)
    if is_table or is_folder:  # of which a column was named
        return read_table(path, reading)
    if suffix == ".npz":
        return read_npz(path, array_levels)
    remedy = "Unpack it and give the folder." if suffix in _ARCHIVES else ""
    raise DataError(
        f"{data}: DATA must be a folder of class folders, a table ({', '.join(TABLE_SUFFIXES)}) or "
        "an .npz, got another file.",
        remedy=remedy,
    )


def _read_folder(path: Path, reading: Reading) -> FoundImages:
    """A folder of images, else of Parquet files; of a table and its images, the error says so."""
    try:
        return read_folder(path, label_from_name=reading.label_from_name)
    except DataError as error:
        if find_shards(path):
            return read_table(path, reading)
        remedy = _tables_there(path)
        if not remedy:
            raise
        raise DataError(error.message_text, remedy=remedy) from error


def _tables_there(folder: Path) -> str:
    """What to do with a folder in which tables lie beside the images; empty where none does."""
    places = sorted([*folder.iterdir(), *folder.glob("*/*")])
    tables = [place for place in places if place.suffix.lower() in TABLE_SUFFIXES]
    some = ", ".join(str(table) for table in tables[:MOST_TABLES])
    return f"Tables are there: give the one of the labels, not the folder ({some})." if some else ""


def _hash_all(found: FoundImages, observer: Observer) -> Iterator[str]:
    total = len(found.paths)
    threads = usable_cpus()
    batch = 32 * threads
    observer.stage("read", total=total, unit="images")

    def hash_one(index: int) -> str:
        return _sha256(found.images.open(found.paths[index], index))

    # Batches keep the queue of waiting futures short, whatever the number of images.
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, total, batch):
            stop = min(start + batch, total)
            yield from pool.map(hash_one, range(start, stop))
            observer.advance(stop - start)


def _sha256(image: Path | bytes | Pixels) -> str:
    """Hex digest of a file's or an array's content; empty when the file cannot be read.

    The shape of an array counts where its bytes do not tell it: not of squares, grey or RGB.
    """
    if isinstance(image, bytes):
        return hashlib.sha256(image).hexdigest() if image else ""
    if not isinstance(image, Path):
        height, width = image.shape[:2]
        digest = (
            hashlib.sha256() if height == width else hashlib.sha256(f"{width}x{height} ".encode())
        )
        digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()
    try:
        with image.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
