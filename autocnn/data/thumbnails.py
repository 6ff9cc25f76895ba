"""Small pictures of the most telling copies in a data set, for the report."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.core.records import AuditReport, CopyGroup
from autocnn.data.dataset import Dataset

MOST_GROUPS, MOST_IMAGES = 12, 4
"""Groups that are shown, and images of each: enough to see what the audit means."""

SIDE = 96


def draw_thumbnail(pixels: Pixels, *, side: int = SIDE) -> bytes:
    """A JPEG of an image.

    Args:
        pixels: uint8 (height, width, 1 | 3).
        side: Of the JPEG, px; smaller images are enlarged without smoothing.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    is_smaller = image.width < side
    resampling = Image.Resampling.NEAREST if is_smaller else Image.Resampling.LANCZOS
    file = io.BytesIO()
    image.resize((side, side), resampling).save(file, format="JPEG", quality=80)
    return file.getvalue()


def picture_copies(dataset: Dataset) -> tuple[AuditReport, dict[str, bytes]]:
    """The audit with the thumbnails of a few groups of copies, and those.

    Label conflicts come first, then copies across splits, near ones before exact ones:
    those are the ones that a person wants to judge.

    Args:
        dataset: With its audit and its decoded images.

    Returns:
        The audit, and file name -> JPEG.
    """
    report, images = dataset.audit, dataset.images().open()
    row_of = dict(zip(dataset.table.paths, dataset.rows.tolist(), strict=True))
    chosen = sorted(range(len(report.copies)), key=lambda i: (_rank(report.copies[i]), i))
    pictures: dict[str, bytes] = {}
    copies = list(report.copies)
    for index in chosen[:MOST_GROUPS]:
        names = []
        for position, path in enumerate(copies[index].paths[:MOST_IMAGES], start=1):
            names.append(f"copy-{index + 1}-{position}.jpg")
            pictures[names[-1]] = draw_thumbnail(np.asarray(images[row_of[path]]))
        copies[index] = copies[index].model_copy(update={"thumbnails": tuple(names)})
    return report.model_copy(update={"copies": tuple(copies)}), pictures


def _rank(group: CopyGroup) -> Sequence[bool]:
    is_conflict = len(set(group.labels)) > 1
    is_across = len({split == "test" for split in group.splits}) > 1
    return not is_conflict, not is_across, group.kind != "near"
