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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.atomic import replace_file, writing_error
from autocnn.core.csv_tables import to_csv
from autocnn.core.errors import ConfigError, DataError

KINDS = (
    "(images, labels), a list of (path, label), a DataFrame, or a data set with features of the "
    "Hugging Face hub"
)

TABLE_FILE = "list.csv"
"""Beside the images that were written, one by one."""

ROWS_AT_ONCE = 256
"""Of data sets that are joined: what bounds the memory."""

_PNG_MODES = frozenset(("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"))


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
        images, labels = data[0], _labels_of(data[1])
        if len(images) != len(labels):
            raise DataError(
                f"labels must be as many as the images ({len(images):,}), got {len(labels):,}."
            )
        pixels = _as_array(images)
        if pixels is not None:
            return Written(write_images(folder, pixels, labels), what="(images, labels)")
        columns = {"path": list(images), "label": labels.tolist()}
        if not _holds_images(images):
            wrong = next((one for one in images if not isinstance(one, str | os.PathLike)), None)
            if wrong is not None:
                raise DataError(
                    "images must be arrays, images of Pillow's, contents of files or paths, got "
                    f"{type(wrong).__name__}."
                )
        return _write_columns(columns, folder, what="(images, labels)")
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
    digest = hashlib.sha256(f"{images.shape}{images.dtype}".encode())
    for array in (images, labels):
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    path = folder / f"images-{digest.hexdigest()[:16]}.npz"
    if not path.exists():
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, x=images, y=labels)
        replace_file(path, buffer.getvalue())
    return path


# -- arrays ----------------------------------------------------------------------------------


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
    array = np.asarray(labels)
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
        if not np.isfinite(array).all() or (array != np.rint(array)).any():
            example = array[~(array == np.rint(array))][0]
            raise DataError(
                f"labels must be classes, got numbers like {example}.",
                remedy="Measurements are not learned: cut them into classes.",
            )
        array = array.astype(np.int64)
    if array.dtype.kind in "iu" and (not len(array) or array.min() >= 0):
        return array.astype(np.int64)
    texts = [_cell(value) for value in array.tolist()]
    if "" in texts:
        raise DataError(f"every image must have a label, got none at place {texts.index('')}.")
    return np.array(texts, dtype=np.str_)


# -- tables ----------------------------------------------------------------------------------


def _write_columns(columns: Mapping[str, Sequence[Any]], folder: Path, *, what: str) -> Written:
    """A CSV of paths from the current folder; or one with the images beside it."""
    name = next((name for name, cells in columns.items() if _holds_images(cells)), None)
    if name is not None:
        return Written(_write_files(columns, name, folder), what=what)
    rows = zip(*([_cell(cell) for cell in cells] for cells in columns.values()), strict=True)
    content = to_csv(list(columns), rows).encode()
    path = folder / f"table-{hashlib.sha256(content).hexdigest()[:16]}.csv"
    replace_file(path, content)
    return Written(path, images=Path.cwd(), what=what)


def _holds_images(cells: Sequence[Any]) -> bool:
    first = next((cell for cell in cells if cell is not None), None)
    is_hub_image = isinstance(first, Mapping) and first.get("bytes") is not None
    return is_hub_image or isinstance(first, bytes | np.ndarray | Image.Image)


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
    if value is None or value != value or str(value) in ("<NA>", "NaT"):  # NaN
        return ""
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
