"""Facts about each image: what its file is, and plain measures of its pixels.

Whatever they predict, they predict without a look at the content: see `shortcuts`. Files
are asked for their headers only; the pixels are those that were decoded for training.
"""

import io
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from autocnn.core.arrays import DoubleArray, Pixels
from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.core.limits import usable_cpus
from autocnn.core.records import ClassPixels, OddImage
from autocnn.core.wording import first_few
from autocnn.data.decode import pillow_quiet
from autocnn.data.dicom import File
from autocnn.data.image_files import BROKEN, Header, read_header
from autocnn.data.table import ImageTable

ARRAY = "array"
"""File type of an image that lies in memory."""

CHUNK_BYTES = 2**21
"""Pixels measured at once; their floats take some ten times as much."""

BLACK = 8
"""Grey values below it count as black, of 255."""

BLANK_CONTRAST = 0.5
"""A contrast below it is one colour: rounding in JPEG gives single levels of difference."""

BORDER_PARTS = 16
"""The border is a sixteenth of the side wide, at least 1 px."""

FRAME_PARTS = 6
"""A frame is at most a sixth of the side wide: beyond that it is the background of an object."""

FRAME_SPREAD = 8.0
"""Standard deviation up to which a line of pixels is of one colour: JPEG rings at edges."""

FRAME_STEP = 16.0
"""Difference of grey values from which a pixel is not of the frame's colour."""

FRAME_SHARE = 0.75
"""Share of the pixels that must not be of the frame's colour where the frame ends. A round
object that just touches a line takes a third of it; the picture takes all."""

NEARLY_ALL, FEW = 0.95, 0.01
"""Above the first share a value is the rule; below the second, another one is odd."""

MOST_SIZES = 8
OTHER = "other"

TextColumn = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Facts:
    """One column per fact, one entry per image: all are (n,).

    Attributes:
        mode: Pillow's mode of the file: `L`, `RGB`, `P`, ...; of an array `L`, `RGB`, `RGBA`.
        file_type: `JPEG`, `PNG`, ...; `array` for pixels in memory.
        width, height: px, int64, as the network sees it: upright by EXIF.
        num_frames: int64, frames or pages in the file; the first one counts.
        has_transparency: Whether pixels may be transparent.
        num_bytes: int64, of the file or the array.
        jpeg_quality: 1 to 100, that of the libjpeg setting whose quantisation table is
            nearest; NaN where the file is no JPEG.
        frame_width: px of the decoded image; 0 without a frame. A frame is of one colour,
            on all four sides, as wide left as right and above as below, and ends abruptly
            along each side, as no background around an object does.
        frame_brightness: 0..255; NaN without a frame.
        brightness: Mean grey value, 0..255; grey is the mean of the channels.
        contrast: Standard deviation of the pixels, root mean square of the channels, 0..128.
        border_brightness, border_contrast: The same of the outermost pixels.
        sharpness: Standard deviation of the Laplacian of the grey values.
        black_share: Fraction of pixels darker than 8 of 255.
        colourfulness: Mean difference between the largest and the smallest channel, 0..255.
    """

    mode: TextColumn
    file_type: TextColumn
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    num_frames: NDArray[np.int64]
    has_transparency: NDArray[np.bool_]
    num_bytes: NDArray[np.int64]
    jpeg_quality: DoubleArray
    frame_width: DoubleArray
    frame_brightness: DoubleArray
    brightness: DoubleArray
    contrast: DoubleArray
    border_brightness: DoubleArray
    border_contrast: DoubleArray
    sharpness: DoubleArray
    black_share: DoubleArray
    colourfulness: DoubleArray

    def __len__(self) -> int:
        return len(self.mode)

    def select(self, indices: NDArray[np.int64]) -> "Facts":
        """The facts about the images at `indices`, in that order."""
        return Facts(**{field.name: getattr(self, field.name)[indices] for field in fields(self)})


@dataclass(frozen=True)
class ClassCounts:
    """Class -> value -> images, as `AuditReport` has them, frequent values first."""

    modes: dict[str, dict[str, int]]
    sizes: dict[str, dict[str, int]]
    file_types: dict[str, dict[str, int]]


def read_facts(
    table: ImageTable, pixels: Pixels, rows: NDArray[np.int64], *, observer: Observer
) -> Facts:
    """Read the header of every file and measure the decoded pixels.

    Memory is flat in the number of images but for the columns themselves.

    Args:
        table: n readable images, with their pixels when they lie in memory.
        pixels: uint8 (rows, side, side, 1 | 3), the decoded array.
        rows: (n,) Row of each image of the table.
        observer: Hears of the stage `facts`, in images.

    Raises:
        DataError: When a file that could be decoded cannot be opened any more.
    """
    total = len(table)
    observer.stage("facts", total=total, unit="images")
    quality_sums = _quality_sums()
    chunk = max(1, CHUNK_BYTES // int(np.prod(pixels.shape[1:])))
    headers: list[_Header] = []
    measures: list[dict[str, DoubleArray]] = []

    def read(index: int) -> _Header:
        return _read_header(table.open(index), quality_sums, table.paths[index])

    with pillow_quiet(), ThreadPoolExecutor(usable_cpus()) as pool:
        for start in range(0, total, chunk):
            stop = min(start + chunk, total)
            headers.extend(pool.map(read, range(start, stop)))
            measures.append(_measure(pixels[rows[start:stop]]))
            observer.advance(stop - start)
    return Facts(
        mode=np.array([one.header.mode for one in headers], dtype=np.str_),
        file_type=np.array([one.header.file_type for one in headers], dtype=np.str_),
        width=np.array([one.header.width for one in headers], dtype=np.int64),
        height=np.array([one.header.height for one in headers], dtype=np.int64),
        num_frames=np.array([one.header.num_frames for one in headers], dtype=np.int64),
        has_transparency=np.array([one.header.has_transparency for one in headers], dtype=bool),
        num_bytes=np.array([header.num_bytes for header in headers], dtype=np.int64),
        jpeg_quality=np.array([header.jpeg_quality for header in headers], dtype=np.float64),
        **{name: np.concatenate([part[name] for part in measures]) for name in measures[0]},
    )


def blank_images(facts: Facts) -> NDArray[np.bool_]:
    """(n,) Whether an image is of one colour all over."""
    return facts.contrast < BLANK_CONTRAST


def odd_images(facts: Facts, table: ImageTable) -> tuple[OddImage, ...]:
    """Images whose size or mode is almost the only one of its kind.

    Odd is a value that less than 1 % of the images have, or a single one, where more than
    95 % share one value. An image that is odd in both is listed once, with both reasons.

    Args:
        facts: About the n images of the table.
        table: Gives the paths; the result is in its order.
    """
    reasons: dict[int, list[str]] = {}
    for what, values in (("size", _sizes(facts)), ("mode", facts.mode.tolist())):
        (usual, most), *others = Counter(values).most_common()
        if most <= NEARLY_ALL * len(values):
            continue
        odd = {value for value, count in others if count < max(FEW * len(values), 2)}
        for index, value in enumerate(values):
            if value in odd:
                share = 1000 * most // len(values) / 10
                reason = f"{what} {value}, where {share:g} % have {usual}"
                reasons.setdefault(index, []).append(reason)
    return tuple(
        OddImage(path=table.paths[index], reason="; ".join(reasons[index]))
        for index in sorted(reasons)
    )


def describe_frames(facts: Facts, table: ImageTable) -> tuple[str, ...]:
    """A sentence on files of several frames or pages, of which the first counts; none without.

    Args:
        facts: About the n images of the table.
        table: Gives the paths.
    """
    paths = [table.paths[index] for index in np.flatnonzero(facts.num_frames > 1)]
    if not paths:
        return ()
    have = "file has" if len(paths) == 1 else "files have"
    return (
        f"{len(paths):,} {have} several frames or pages, of which the first is read: "
        f"{first_few(paths)}.",
    )


def count_by_class(
    facts: Facts, labels: NDArray[np.int32], class_names: Sequence[str]
) -> ClassCounts:
    """Count modes, sizes and file types in each class.

    Of the sizes, the eight most frequent of the whole set are named, the rest is `other`.

    Args:
        facts: About n images.
        labels: (n,) Class of each, an index into `class_names`.
        class_names: In label order.
    """
    sizes = _sizes(facts)
    named = {size for size, _ in Counter(sizes).most_common(MOST_SIZES)}

    def count(values: Sequence[str]) -> dict[str, dict[str, int]]:
        pairs = Counter(zip(labels.tolist(), values, strict=True)).most_common()
        return {
            name: {value: number for (label, value), number in pairs if label == c}
            for c, name in enumerate(class_names)
        }

    return ClassCounts(
        modes=count(facts.mode.tolist()),
        sizes=count([size if size in named else OTHER for size in sizes]),
        file_types=count(facts.file_type.tolist()),
    )


def measure_classes(
    facts: Facts, labels: NDArray[np.int32], class_names: Sequence[str]
) -> tuple[ClassPixels, ...]:
    """Brightness, contrast, colour and size of the images of each class that has some.

    Args:
        facts: About n images.
        labels: (n,) Class of each, an index into `class_names`.
        class_names: In label order.
    """
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    return tuple(
        ClassPixels(
            label=class_names[label],
            num_images=len(members),
            brightness=float(facts.brightness[members].mean()),
            brightness_sd=float(facts.brightness[members].std()),
            contrast=float(facts.contrast[members].mean()),
            colourfulness=float(facts.colourfulness[members].mean()),
            width=float(np.median(facts.width[members])),
            height=float(np.median(facts.height[members])),
        )
        for label, members in zip(present.tolist(), np.split(order, starts[1:]), strict=True)
    )


def _sizes(facts: Facts) -> list[str]:
    pairs = zip(facts.width.tolist(), facts.height.tolist(), strict=True)
    return [f"{width} x {height}" for width, height in pairs]


class _Header(NamedTuple):
    header: Header
    num_bytes: int
    jpeg_quality: float


def _read_header(image: File | Pixels, quality_sums: DoubleArray, path: str) -> _Header:
    if not isinstance(image, Path | bytes):
        channels = image.shape[2] if image.ndim == 3 else 1
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        height, width = image.shape[:2]
        has_alpha = channels == 4
        return _Header(
            Header(ARRAY, mode, width, height, has_transparency=has_alpha), image.nbytes, np.nan
        )
    try:
        found = read_header(image)
        num_bytes = len(image) if isinstance(image, bytes) else image.stat().st_size
    except (DataError, *BROKEN) as error:
        raise DataError(
            f"{path}: must stay as it is while the data are read, got it changed: {error}"
        ) from error
    quality = np.nan
    if found.coarseness is not None:
        quality = 1.0 + int(np.abs(quality_sums - found.coarseness).argmin())
    return _Header(found, num_bytes, quality)


def _quality_sums() -> DoubleArray:
    """(100,) Sum of libjpeg's quantisation table of brightness at quality 1, 2, ... 100.

    Pillow writes them; no two are equal.
    """
    sums = []
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as opened:
            assert isinstance(opened, JpegImagePlugin.JpegImageFile)
            sums.append(sum(opened.quantization[0]))
    return np.array(sums, dtype=np.float64)


def _measure(pixels: Pixels) -> dict[str, DoubleArray]:
    """The columns that come from pixels (m, side, side, channels)."""
    # By channels: reducing over a last axis of 3 takes 5 times as long.
    channels = [np.ascontiguousarray(pixels[..., c]) for c in range(pixels.shape[3])]
    largest, smallest = np.maximum.reduce(channels), np.minimum.reduce(channels)
    is_grey = np.array_equal(largest, smallest)
    values = [channel.astype(np.float32) for channel in (channels[:1] if is_grey else channels)]
    grey = values[0] if is_grey else sum(values[1:], start=values[0]) / np.float32(len(values))
    variance = np.mean([channel.var(axis=(1, 2)) for channel in values], axis=0)
    side = grey.shape[1]
    border = np.ones((side, side), dtype=bool)
    width = max(1, side // BORDER_PARTS)
    border[width:-width, width:-width] = False
    edge = grey[:, border]
    frame_width, frame_brightness = _find_frames(grey)
    measures = {
        "frame_width": frame_width,
        "frame_brightness": frame_brightness,
        "brightness": grey.mean(axis=(1, 2)),
        "contrast": np.sqrt(variance),
        "border_brightness": edge.mean(axis=1),
        "border_contrast": edge.std(axis=1),
        "sharpness": _laplacian(grey).std(axis=(1, 2)),
        "black_share": (grey < BLACK).mean(axis=(1, 2)),
        "colourfulness": (largest - smallest).mean(axis=(1, 2)),
    }
    return {name: column.astype(np.float64) for name, column in measures.items()}


def _laplacian(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m, side - 2, side - 2) Four times each inner pixel less its four neighbours."""
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return 4 * grey[:, 1:-1, 1:-1] - around


def _find_frames(grey: NDArray[np.float32]) -> tuple[DoubleArray, DoubleArray]:
    """Width and brightness of the frame of each of (m, side, side) images; see `Facts`."""
    num_images, side, _ = grey.shape
    most = side // FRAME_PARTS
    colour = np.median(grey[:, 0], axis=1)
    turned = grey.transpose(0, 2, 1)
    # (m, lines from the outside in, pixels along the line)
    sides = (grey, grey[:, ::-1], turned, turned[:, ::-1])
    depths = [_uniform_depth(lines[:, : most + 1], colour) for lines in sides]
    top, bottom, left, right = depths
    is_frame = (np.abs(top - bottom) <= 1) & (np.abs(left - right) <= 1)
    for lines, depth, (first, last) in zip(
        sides, depths, ((left, right), (left, right), (top, bottom), (top, bottom)), strict=True
    ):
        is_frame &= (depth >= 1) & (depth <= most)
        place = np.arange(side)
        is_inside = (place >= first[:, np.newaxis]) & (place < side - last[:, np.newaxis])
        # A frame that ends inside a decoded pixel makes that pixel a mixture: look at two.
        ends = lines[np.arange(num_images)[:, np.newaxis], depth[:, np.newaxis] + [0, 1]]
        is_other = (np.abs(ends - colour[:, np.newaxis, np.newaxis]) > FRAME_STEP).any(axis=1)
        is_frame &= (is_other & is_inside).sum(axis=1) >= FRAME_SHARE * is_inside.sum(axis=1)
    width = np.where(is_frame, np.mean(depths, axis=0), 0.0)
    return width, np.where(is_frame, colour, np.nan)


def _uniform_depth(lines: NDArray[np.float32], colour: NDArray[np.float32]) -> NDArray[np.int64]:
    """(m,) How many lines of (m, lines, pixels) in a row, from the first on, have one colour."""
    is_close = np.abs(lines.mean(axis=2) - colour[:, np.newaxis]) <= FRAME_SPREAD
    is_uniform = is_close & (lines.std(axis=2) <= FRAME_SPREAD)
    depth: NDArray[np.int64] = np.cumprod(is_uniform, axis=1).sum(axis=1)
    return depth
