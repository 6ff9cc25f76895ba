"""Writes labelled images that a program holds into files, which a study reads and finds again.

Each is named by its content, so that equal data share it, and are the same data at resume.
"""

import hashlib
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.atomic import replace_file, writing_error
from autocnn.core.csv_tables import to_csv
from autocnn.core.errors import ConfigError, DataError
from autocnn.core.records import SplitName
from autocnn.core.wording import shortened
from autocnn.data.image_files import put_upright
from autocnn.data.sources.columns import PATH_NAMES, named_like

KINDS = (
    "(images, labels), two such pairs (of train and of test), a list of (path, label), a "
    "DataFrame, or a data set with features of the Hugging Face hub"
)

TABLE_FILE = "list.csv"
"""Beside the images that were written, one by one."""

ROWS_AT_ONCE = 256
"""Of data sets that are joined: what bounds the memory."""

_PNG_MODES = frozenset(("1", "L", "LA", "I;16", "P", "RGB", "RGBA"))


@dataclass(frozen=True)
class Written:
    """Where data were written to.

    Attributes:
        data: DATA.
        images: Where paths in it begin; None: at DATA itself.
        what: What it was, for messages.
    """

    data: Path
    images: Path | None = None
    what: str = ""


def write_data(data: Any, folder: Path) -> Written:
    """Write labelled images to files.

    Args:
        data: A pair (images, labels): images are an array (n, h, w) or (n, h, w, 1 | 3 | 4), or
            n arrays, images of Pillow's, contents of image files, or paths from the current
            folder. Or a list of pairs (path, label). Or a DataFrame of any columns, of which
            one has paths or images. Or a `datasets.Dataset`, or a `DatasetDict` of splits.
        folder: For the files; made when it is not there.

    Raises:
        ConfigError: When it is none of these.
        DataError: When it breaks a rule.
        StudyError: When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write(data, folder)
    except OSError as error:
        raise writing_error(error, folder) from error


def _write(data: Any, folder: Path) -> Written:
    what = type(data).__name__
    if _is_hub_dataset(data):
        return Written(_write_parquet({"": data}, folder), what=what)
    if isinstance(data, Mapping) and data and all(map(_is_hub_dataset, data.values())):
        return Written(_write_parquet(data, folder), what=what)
    if hasattr(data, "to_pandas"):  # of polars and of pyarrow
        data = data.to_pandas()
    if hasattr(data, "columns") and hasattr(data, "itertuples"):
        columns = {str(name): data[name].tolist() for name in data.columns}
        return _write_columns(columns, folder, what=what)
    if isinstance(data, tuple) and len(data) == 2:
        if all(map(_is_loaded, data)):
            train, test = (_paired(np.asarray(images), labels) for images, labels in data)
            path = _write_npz(folder, {"train": train, "test": test})
            return Written(path, what="(images, labels) of train and of test")
        return _write_pair(*_paired(*data), folder)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes) and len(data):
        pairs = [pair for pair in data if isinstance(pair, Sequence) and len(pair) == 2]
        if len(pairs) == len(data):
            columns = {"path": [p for p, _ in pairs], "label": [one for _, one in pairs]}
            return _write_columns(columns, folder, what=f"{what} of pairs")
    splits = ", ".join(map(str, data)) if isinstance(data, Mapping) else ""
    raise ConfigError(
        f"data must be a path, the name of a built-in set, {KINDS}, got {what}.",
        remedy=f"Give one of its parts: {splits}." if splits else "",
    )


def write_images(
    folder: Path, images: NDArray[Any], labels: NDArray[np.int64] | NDArray[np.str_]
) -> Path:
    """Write an .npz named by its content, so that equal ones share it.

    Args:
        folder: For the file.
        images: (n, height, width) or (n, height, width, channels).
        labels: (n,) class numbers or names.
    """
    return _write_npz(folder, {None: (images, labels)})


def _write_npz(
    folder: Path, parts: Mapping[SplitName | None, tuple[NDArray[Any], NDArray[Any]]]
) -> Path:
    """An .npz of images and labels of each split, or of all."""
    shapes = "".join(f"{images.shape}{images.dtype}" for images, _ in parts.values())
    digest = hashlib.sha256(shapes.encode())
    arrays = {}
    for split, pair in parts.items():
        names = ("x", "y") if split is None else (f"{split}_images", f"{split}_labels")
        for name, array in zip(names, pair, strict=True):
            digest.update(np.ascontiguousarray(array).data.cast("B"))
            arrays[name] = array
    path = folder / f"images-{digest.hexdigest()[:16]}.npz"
    if not path.exists():
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        replace_file(path, buffer.getvalue())
    return path


# -- arrays ----------------------------------------------------------------------------------


def _is_loaded(part: Any) -> bool:
    """Whether it is a pair of arrays, of which the first has images."""
    is_pair = isinstance(part, tuple | list) and len(part) == 2
    return is_pair and hasattr(part[0], "__array__") and np.ndim(part[0]) >= 3


def _paired(images: Any, labels: Any) -> tuple[Any, NDArray[np.int64] | NDArray[np.str_]]:
    """Images as they are, and a label for each."""
    checked = _labels_of(labels)
    if len(images) != len(checked):
        raise DataError(
            f"labels must be as many as the images ({len(images):,}), got {len(checked):,}."
        )
    return images, checked


def _write_pair(images: Any, labels: NDArray[np.int64] | NDArray[np.str_], folder: Path) -> Written:
    pixels = _as_array(images)
    if pixels is not None:
        return Written(write_images(folder, pixels, labels), what="(images, labels)")
    wrong = next((one for one in images if not isinstance(one, str | os.PathLike)), None)
    if wrong is not None and not _holds_images(images):
        is_array = isinstance(wrong, np.ndarray)
        got = f"one of the shape {wrong.shape}" if is_array else type(wrong).__name__
        raise DataError(
            f"images must be arrays, images of Pillow's, contents of files or paths, got {got}."
        )
    columns = {"path": list(images), "label": labels.tolist()}
    return _write_columns(columns, folder, what="(images, labels)")


def _as_array(images: Any) -> NDArray[Any] | None:
    """Images as one array, where they are of one shape; None of anything else."""
    if isinstance(images, list | tuple):
        shapes = {getattr(image, "shape", None) for image in images}
        if len(shapes) != 1 or None in shapes:
            return None
    elif not hasattr(images, "__array__"):
        return None
    array = np.asarray(images)
    return None if array.dtype.kind in "OUST" else array


def _labels_of(labels: Any) -> NDArray[np.int64] | NDArray[np.str_]:
    """One label per image: numbers from 0, or text.

    Raises:
        DataError: When they are none, or several per image.
    """
    try:
        array = np.asarray(labels)
    except ValueError as error:  # lists of several lengths
        raise _several(labels) from error
    if array.dtype.kind == "O" and array.ndim == 1 and any(map(_is_list, array)):
        return _labels_of(array.tolist())  # of which NumPy makes rows, or none
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "biuf" and np.isin(array, (0, 1)).all():
        if (array.sum(axis=1) == 1).all():
            places: NDArray[np.int64] = array.argmax(axis=1).astype(np.int64)
            return places
        raise DataError("every image must have one class, got rows of labels with several or none.")
    if array.ndim != 1:
        raise DataError(f"labels must be one per image, (n,), got the shape {array.shape}.")
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            raise _unlabelled(int(np.isnan(array).argmax()))
        is_whole = np.isfinite(array) & (array == np.rint(array))
        if not is_whole.all():
            raise DataError(
                f"labels must be classes, got numbers like {array[~is_whole][0]}.",
                remedy="Measurements are not learned: cut them into classes.",
            )
        array = array.astype(np.int64)
    if array.dtype.kind in "iu" and (not len(array) or array.min() >= 0):
        return array.astype(np.int64)
    texts = [_cell(value) for value in array.tolist()]
    if isinstance(labels, list | tuple):  # NumPy makes the text "nan" of NaN among text
        given = zip(labels, texts, strict=True)
        texts = ["" if _is_missing(label) else text for label, text in given]
    if "" in texts:
        raise _unlabelled(texts.index(""))
    return np.array(texts, dtype=np.str_)


def _unlabelled(place: int) -> DataError:
    return DataError(f"every image must have a label, got none at place {place}.")


def _several(labels: Sequence[Any]) -> DataError:
    """Where lists of labels are not all of one."""
    wrong = ((i, one) for i, one in enumerate(labels) if _is_list(one) and len(one) != 1)
    place, got = next(wrong, (0, labels))
    return DataError(
        f"every image must have one label, got at place {place}: {shortened(str(got))}.",
        remedy="Several labels for an image are not learned: keep one for each.",
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


# -- tables ----------------------------------------------------------------------------------


def _write_columns(columns: Mapping[str, Sequence[Any]], folder: Path, *, what: str) -> Written:
    """A CSV of paths from the current folder; or one with the images beside it."""
    held = [name for name, cells in columns.items() if _holds_images(cells)]
    name = next(iter((*named_like(held, PATH_NAMES), *held)), None)
    columns = {key: cells for key, cells in columns.items() if key == name or _is_text(cells)}
    if name is not None:
        return Written(_write_files(columns, name, folder), what=what)
    rows = zip(*([_cell(cell) for cell in cells] for cells in columns.values()), strict=True)
    content = to_csv(list(columns), rows).encode()
    path = folder / f"table-{hashlib.sha256(content).hexdigest()[:16]}.csv"
    replace_file(path, content)
    return Written(path, images=Path.cwd(), what=what)


def _holds_images(cells: Sequence[Any]) -> bool:
    first = next((cell for cell in cells if not _is_missing(cell)), None)
    if isinstance(first, np.ndarray):
        return first.ndim > 1  # else it is what a network says of an image
    is_hub_image = isinstance(first, Mapping) and first.get("bytes") is not None
    return is_hub_image or isinstance(first, bytes | Image.Image)


def _is_text(cells: Sequence[Any]) -> bool:
    """Whether the cells of a column can be written into a table."""
    first = next((cell for cell in cells if not _is_missing(cell)), None)
    return not isinstance(first, bytes | np.ndarray | Image.Image | Mapping)


def _write_files(columns: Mapping[str, Sequence[Any]], name: str, folder: Path) -> Path:
    """A file for each image of a column, and the table of them; returns the table."""
    with _building(folder) as (partial, digest):
        names = []
        for place, image in enumerate(columns[name]):
            content, suffix = _encode(image, place)
            names.append(f"{place}{suffix}")
            (partial / names[-1]).write_bytes(content)
            digest.update(hashlib.sha256(content).digest())
        cells = {
            key: names if key == name else [_cell(cell) for cell in values]
            for key, values in columns.items()
        }
        content = to_csv(list(cells), zip(*cells.values(), strict=True)).encode()
        (partial / TABLE_FILE).write_bytes(content)
        digest.update(content)
    return folder / f"images-{digest.hexdigest()[:16]}" / TABLE_FILE


def _encode(image: Any, place: int) -> tuple[bytes, str]:
    """The content of an image's file, and its suffix."""
    if isinstance(image, Mapping):
        image = image.get("bytes")
    if isinstance(image, bytes):
        return image, ".img"  # what it is, is judged by its content
    if isinstance(image, np.ndarray):
        is_image = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3, 4))
        if image.dtype != np.uint8 or not is_image or 0 in image.shape:
            raise DataError(
                f"images[{place}]: must be uint8, (height, width) or (height, width, 1, 3 or 4), "
                f"got {image.dtype} {image.shape}.",
                remedy="Of values in 0..1: (255 * image).round().astype('uint8').",
            )
        image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    if not isinstance(image, Image.Image):
        raise DataError(
            f"images[{place}]: must be an array, an image of Pillow's or the content of a file, "
            f"got {type(image).__name__}."
        )
    image = put_upright(image)  # neither kind is written with the orientation of the photo
    kind = "PNG" if image.mode in _PNG_MODES else "TIFF"
    file = io.BytesIO()
    image.save(file, kind, compress_level=1) if kind == "PNG" else image.save(file, kind)
    return file.getvalue(), f".{kind.lower()}"


def _is_hub_dataset(data: Any) -> bool:
    return hasattr(data, "features") and hasattr(data, "to_parquet")


def _write_parquet(parts: Mapping[Any, Any], folder: Path) -> Path:
    """The Parquet file of data sets that can write one each, with their images in it.

    Args:
        parts: Split -> its data set; one of no name is written as it is.
        folder: For the file.
    """
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as place:
        files = {}
        for number, (name, part) in enumerate(parts.items()):
            files[str(name)] = Path(place, f"{number}.parquet")
            part.to_parquet(str(files[str(name)]))
        whole = files.get("") or _join_parquet(files, Path(place, "whole.parquet"))
        with whole.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return whole.replace(folder / f"images-{digest[:16]}.parquet")


def _join_parquet(files: Mapping[str, Path], target: Path) -> Path:
    """One file of several, a few rows at a time, with the column `split`."""
    import pyarrow as pa  # who has such data sets has it
    import pyarrow.parquet as pq

    writer = None
    try:
        for name, file in files.items():
            with pq.ParquetFile(file, pre_buffer=False) as part:
                for batch in part.iter_batches(ROWS_AT_ONCE):
                    table = pa.Table.from_batches([batch])
                    if "split" in table.column_names:
                        table = table.drop_columns(["split"])
                    table = table.append_column("split", pa.array([name] * len(table)))
                    schema = table.schema.with_metadata(part.schema_arrow.metadata)
                    writer = writer or pq.ParquetWriter(target, schema)
                    writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
    return target


@contextmanager
def _building(folder: Path) -> Iterator[tuple[Path, Any]]:
    """A folder to fill, and a digest to feed, which names the folder at the end."""
    partial = folder / f".partial-{secrets.token_hex(4)}"
    digest = hashlib.sha256()
    try:
        partial.mkdir()
        yield partial, digest
        whole = folder / f"images-{digest.hexdigest()[:16]}"
        if not whole.exists():  # else the same images are there
            partial.rename(whole)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _cell(value: Any) -> str:
    """A value as the cell of a table; empty where it is missing."""
    if _is_missing(value):
        return ""
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _is_missing(value: Any) -> bool:
    """Whether it is None, NaN, or what pandas has in the place of them."""
    if isinstance(value, Number):
        return bool(value != value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")
