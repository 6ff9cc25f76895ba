"""Images to compare models on: a study's val images, found again where its data are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.data import decode_image, read_source
from autocnn.data.decode import pillow_quiet
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus

MOST_IMAGES = 1000
"""Val images that are compared, evenly spread; more would tell no more."""

NUM_DRAWN = 100


@dataclass(frozen=True, eq=False)
class CheckImages:
    """Images as a network takes them.

    Attributes:
        pixels: uint8 (n, side, side, channels).
        source: `val` of the study, or `drawn`.
    """

    pixels: NDArray[np.uint8]
    source: Literal["val", "drawn"]


def find_check_images(
    folder: StudyFolder, status: StudyStatus, *, side: int, channels: int, observer: Observer
) -> CheckImages:
    """The val images of a study; without its data, drawn ones, with a warning.

    An image counts as one of val as long as its content is what it was.

    Args:
        folder: The study.
        status: Its study.json.
        side: Of the square, px.
        channels: 1 or 3.
        observer: Hears of the reading, and of what is missing.
    """
    rows = [row for row in folder.read_split() if row[3] == "val"]
    wanted = {row[0]: row[4] for row in rows}
    try:
        found = _read_val(status, wanted, side, channels, observer)
        reason = "none of its val images is as it was"
    except DataError as error:
        found, reason = [], error.message
    if found:
        return CheckImages(np.stack(found), "val")
    observer.warn(
        f"The data of the study cannot be found ({reason.rstrip('.')}): the export is compared "
        f"with the study's model on {NUM_DRAWN} drawn images, not on val."
    )
    return CheckImages(draw_images(NUM_DRAWN, side, channels), "drawn")


def draw_images(number: int, side: int, channels: int) -> NDArray[np.uint8]:
    """Coloured clouds, always the same: uint8 (number, side, side, channels)."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(number):
        small = rng.integers(0, 256, (4, 4, channels)).astype(np.uint8)
        image = Image.fromarray(small[..., 0] if channels == 1 else small)
        pixels = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
        drawn.append(pixels.reshape(side, side, channels))
    return np.stack(drawn)


def _read_val(
    status: StudyStatus, wanted: dict[str, str], side: int, channels: int, observer: Observer
) -> list[NDArray[np.uint8]]:
    config = status.config
    table = read_source(config.data, reading=config.reading, observer=observer, fewest_classes=1)
    same = [
        index for index, path in enumerate(table.paths) if wanted.get(path) == table.sha256[index]
    ]
    if 0 < len(same) < len(wanted):
        observer.warn(
            f"{len(wanted) - len(same):,} of {len(wanted):,} val images are gone or "
            "changed; the others are compared."
        )
    places = np.unique(np.linspace(0, len(same) - 1, MOST_IMAGES).astype(int))
    images = []
    with pillow_quiet():
        for place in places.tolist() if same else ():
            image = table.open(same[place])
            decoded = decode_image(
                image,
                side=side,
                channels="grey" if channels == 1 else "rgb",
                levels=status.data.levels if status.data is not None else None,
                fit=config.fit,
            )
            images.append(decoded)
    return images
