"""Images of any kind, read as the study read its own, some batches ahead of the model."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError, MissingExtraError
from autocnn.core.records import ModelInput
from autocnn.data.decode import decode_image, pillow_quiet
from autocnn.execution.machine import batch_size_for

UNIT = 16
"""Images that a thread decodes in one go: handing over each alone costs more than a small PNG."""

BATCHES_AHEAD = 2
"""Decoded while the model works on the batch before: what bounds the memory."""

Readable = Path | bytes | Pixels | Image.Image
T = TypeVar("T")
Given = TypeVar("Given")
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class NamedImage:
    """An image, and what it is called in the answer."""

    name: str
    image: Readable


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images in a row, decoded.

    Attributes:
        names: (n,).
        errors: (n,) Why an image could not be read, None where it could.
        pixels: (images that could, height, width, channels) uint8, as the model takes them.
    """

    names: tuple[str, ...]
    errors: tuple[str | None, ...]
    pixels: Pixels

    @property
    def is_readable(self) -> NDArray[np.bool_]:
        """(n,) Whether each has a row in `pixels`."""
        return np.array([error is None for error in self.errors], bool)


def read_image(image: Readable, taken: ModelInput) -> Pixels:
    """One image as a model takes it, decoded as its study decoded its own.

    Args:
        image: A file or its content, uint8 pixels, or an image of Pillow's. Of a large JPEG, a
            file is decoded at a fraction of its size, as in a study; an open image is not.
        taken: What the model takes.

    Returns:
        uint8 (height, width, channels).

    Raises:
        DataError: When it cannot be decoded; the message is the reason alone.
    """
    pixels = decode_image(
        image, side=taken.height, channels=taken.read_as, levels=taken.levels, fit=taken.fit
    )
    if taken.is_grey and pixels.shape[2] == 3:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    channels = taken.shape[-1]
    return np.repeat(pixels, channels, axis=2) if pixels.shape[2] < channels else pixels


def read_batches(
    images: Iterable[NamedImage], taken: ModelInput, *, threads: int
) -> Iterator[Batch]:
    """Read images a batch at a time; a few threads are some batches ahead.

    Args:
        images: Taken one by one, only as far ahead as is decoded.
        taken: What the model takes.
        threads: That decode.
    """
    size = batch_size(taken)
    unit = min(UNIT, size)
    units_per_batch = size // unit
    ahead = BATCHES_AHEAD * units_per_batch + threads

    def read(some: Sequence[NamedImage]) -> list[tuple[str, Pixels | str]]:
        return [(named.name, _read_or_reason(named.image, taken)) for named in some]

    with pillow_quiet():
        units = _in_order(read, _pieces(images, unit), threads=threads, ahead=ahead)
        for some in _pieces(units, units_per_batch):
            yield _batch([pair for one in some for pair in one], taken)


def batch_size(taken: ModelInput) -> int:
    """Images in a batch: what the model takes at once, in multiples of what a thread reads."""
    fitting = batch_size_for(taken.height, taken.width)
    return fitting if fitting < UNIT else fitting // UNIT * UNIT


def name_images(images: Any) -> Iterator[NamedImage]:
    """What a caller may hand over, image by image.

    Args:
        images: A path, the content of a file, an image of Pillow's, a uint8 array, or an
            iterable of these, an array of paths too. An array of pixels is one image, (h, w) or
            (h, w, 1 | 3 | 4); or many, (n, h, w) or (n, h, w, 1 | 3 | 4). Three axes of which the
            last is 1, 3 or 4 are one image.

    Raises:
        DataError: When something is none of these; an array of floats or a folder, above all.
    """
    if isinstance(images, np.ndarray) and images.dtype.kind not in "OSTU":
        _check_pixels(images, "images")
        is_one = images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4))
        every = images[None] if is_one else images
        yield from (NamedImage(f"images[{i}]", pixels) for i, pixels in enumerate(every))
        return
    if isinstance(images, str | os.PathLike) and Path(images).is_dir():
        raise DataError(
            f"{images}: must be an image, got a folder.",
            remedy="Give a list of its files; or use autocnn.predict, which takes folders.",
        )
    if isinstance(images, str | bytes | os.PathLike | Image.Image):
        images = [images]
    for place, image in enumerate(images):
        yield _named(image, place)


def _named(image: Any, place: int) -> NamedImage:
    name = f"images[{place}]"
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        return NamedImage(str(path), path)
    if isinstance(image, Image.Image | bytes):
        return NamedImage(name, image)
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"{name}: must be a path, a file's content, a uint8 array or a PIL image, "
            f"got {type(image).__name__}."
        )
    _check_pixels(image, name)
    if image.ndim == 4 or (image.ndim == 3 and image.shape[-1] not in (1, 3, 4)):
        raise DataError(
            f"{name}: must be one image, (h, w) or (h, w, 1 | 3 | 4), got {image.shape}."
        )
    return NamedImage(name, image)


def _check_pixels(array: NDArray[Any], name: str) -> None:
    if array.dtype != np.uint8:
        raise DataError(
            f"{name}: pixels must be uint8 from 0 to 255, got {array.dtype}.",
            remedy="The model scales by itself. Of whole numbers in 0..255: "
            "images.astype('uint8'); of values in 0..1: (255 * images).round().astype('uint8').",
        )
    has_channels = array.ndim == 4
    is_image = array.ndim in (2, 3, 4) and 0 not in array.shape[-3 if has_channels else -2 :]
    if not is_image or (has_channels and array.shape[-1] not in (1, 3, 4)):
        raise DataError(
            f"{name}: must be (h, w), (h, w, 1 | 3 | 4), (n, h, w) or (n, h, w, 1 | 3 | 4), "
            f"got {array.shape}."
        )


def _read_or_reason(image: Readable, taken: ModelInput) -> Pixels | str:
    try:
        return read_image(image, taken)
    except (DataError, MissingExtraError) as error:
        return error.message


def _batch(read: Sequence[tuple[str, Pixels | str]], taken: ModelInput) -> Batch:
    pixels = [found for _, found in read if not isinstance(found, str)]
    shape = (0, taken.height, taken.width, taken.shape[-1])
    return Batch(
        names=tuple(name for name, _ in read),
        errors=tuple(found if isinstance(found, str) else None for _, found in read),
        pixels=np.stack(pixels) if pixels else np.zeros(shape, np.uint8),
    )


def _pieces(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece


def _in_order(
    work: Callable[[Given], Found], items: Iterable[Given], *, threads: int, ahead: int
) -> Iterator[Found]:
    """What threads make of the items, in their order; `ahead` of them are under way at most."""
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
