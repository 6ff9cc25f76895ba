"""Which images show what the study of a model has seen: near copies, beside equal files."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.core.config import Reading, StudyConfig
from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.core.records import Channels, Fit
from autocnn.data import DecodedImages, ImageTable, decode_images, find_copies, read_source
from autocnn.data.decode import Levels

MOST_IMAGES = 20_000
"""Of both sides together: the time grows with the square, and these take 3 s of one core."""


@dataclass(frozen=True)
class StudyData:
    """The images of a study, to be found again.

    Attributes:
        data: As the study was given it.
        side: Of the decoded squares, px.
        channels: As the study was asked for.
        sha256: Of the images that count: those that the model was trained or chosen on.
        reading: How the study read its data.
        levels: Values that became 0 and 255 in its images of more than 8 bits.
        fit: How its images that are not square became squares.
    """

    data: str
    side: int
    channels: Channels
    sha256: frozenset[str]
    reading: Reading = field(default_factory=Reading)
    levels: Levels | None = None
    fit: Fit = "stretch"


def find_near_seen(
    table: ImageTable,
    decoded: DecodedImages,
    study: StudyData,
    *,
    rows: NDArray[np.int64],
    cache_dir: Path | None,
    observer: Observer,
) -> NDArray[np.bool_] | None:
    """Whether each image shows what one of the study does, turned, scaled or compressed again too.

    Args:
        table: Of n readable images.
        decoded: Holds these, decoded as the study decoded its own.
        study: Where its images are.
        rows: (n,) Row of each in there.
        cache_dir: Of decoded images.
        observer: Hears of the stages `read`, `decode` and `compare`.

    Returns:
        (n,); None where the study's images are gone, or there are too many of both.
    """
    if len(table) + len(study.sha256) > MOST_IMAGES:
        return None
    try:
        found = read_source(study.data, reading=study.reading, observer=observer, fewest_classes=1)
        if len(found) > MOST_IMAGES:  # most of it test, or another set by now
            return None
        theirs = decode_images(
            found,
            image_size=study.side,
            channels=study.channels,
            cache_dir=cache_dir,
            cache_limit_gb=StudyConfig().cache_limit_gb,
            observer=observer,
            levels=study.levels,
            fit=study.fit,
        )
    except DataError:
        return None
    is_theirs = np.array([sha256 in study.sha256 for sha256 in found.sha256])
    seen = np.flatnonzero(is_theirs & (theirs.rows >= 0))
    if not len(seen):
        return None
    parts = (decoded.open()[rows], theirs.open()[theirs.rows[seen]])
    channels = max(part.shape[3] for part in parts)
    both = np.concatenate([_of_channels(part, channels) for part in parts])
    hashes = (*table.sha256, *(found.sha256[i] for i in seen.tolist()))
    joined = replace(table, paths=hashes, sha256=hashes)  # nothing else of it is looked at
    is_near = np.zeros(len(table), dtype=bool)
    for copies in find_copies(joined, both, rows=np.arange(len(both)), observer=observer):
        ours = [member for member in copies.members if member < len(table)]
        if len(ours) < len(copies.members):
            is_near[ours] = True
    return is_near


def _of_channels(pixels: Pixels, number: int) -> Pixels:
    """(n, side, side, number) Grey images as often as it takes."""
    return np.repeat(pixels, number, axis=3) if pixels.shape[3] < number else pixels
