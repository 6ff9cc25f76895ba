"""Small pictures for the page: samples of each class, and the most telling copies."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from autocnn.core.arrays import IntArray, Pixels
from autocnn.core.records import SPLITS, AuditReport, CopyGroup, SampleImage
from autocnn.data.dataset import Dataset

MOST_GROUPS, MOST_IMAGES = 12, 4
"""Groups that are shown, and images of each: enough to see what the audit means."""

SIDE = 96

MOST_SAMPLES = 240
"""Samples of all classes together: about 1 MB of photographs on the page."""

SAMPLES_OF_CLASS = 8
"""Samples of a class, where there are few classes."""


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


def picture_data(
    dataset: Dataset, *, samples: int | None = None, seed: int = 0
) -> tuple[AuditReport, dict[str, bytes]]:
    """The audit with the names of its thumbnails, and those.

    Args:
        dataset: With its audit and its decoded images.
        samples: Images of each class; 0: no thumbnail at all; None: as many as fit.
        seed: Of their choice.

    Returns:
        The audit, and file name -> JPEG.
    """
    if samples == 0:
        return dataset.audit, {}
    chosen, pictures = _picture_samples(dataset, samples, seed)
    copies, of_copies = _picture_copies(dataset)
    report = dataset.audit.model_copy(update={"copies": copies, "samples": chosen})
    return report, pictures | of_copies


def sample_sizes(num_classes: int, samples: int | None) -> tuple[int, int]:
    """How many classes are shown, and how many images of each.

    >>> [sample_sizes(number, None) for number in (2, 100, 300)]
    [(2, 8), (100, 2), (240, 1)]
    >>> [sample_sizes(number, 10) for number in (2, 100)]
    [(2, 10), (24, 10)]
    """
    per_class = samples or max(1, min(SAMPLES_OF_CLASS, MOST_SAMPLES // num_classes))
    return min(num_classes, max(1, MOST_SAMPLES // per_class)), per_class


def _picture_samples(
    dataset: Dataset, samples: int | None, seed: int
) -> tuple[tuple[SampleImage, ...], dict[str, bytes]]:
    """Some images of each class, of the largest where there are too many; of train if it has any.

    Test stays unseen where it can.
    """
    table, images = dataset.table, dataset.images().open()
    num_classes, per_class = sample_sizes(dataset.num_classes, samples)
    sizes = np.bincount(table.labels, minlength=dataset.num_classes)
    shown = np.sort(np.argsort(-sizes, kind="stable")[:num_classes])
    places = np.array([SPLITS.index(split) for split in dataset.split_names])
    order = np.lexsort((np.random.default_rng(seed).random(len(table)), places, table.labels))
    starts = np.searchsorted(table.labels[order], np.arange(dataset.num_classes + 1))
    records, pictures = [], {}
    for label in shown.tolist():
        members: IntArray = order[starts[label] : starts[label + 1]]
        for number, position in enumerate(members[:per_class].tolist(), start=1):
            name = f"sample-{label + 1}-{number}.jpg"
            pictures[name] = draw_thumbnail(np.asarray(images[dataset.rows[position]]))
            records.append(
                SampleImage(
                    path=table.paths[position],
                    label=table.class_names[label],
                    split=dataset.split_names[position],
                    picture=name,
                )
            )
    return tuple(records), pictures


def _picture_copies(dataset: Dataset) -> tuple[tuple[CopyGroup, ...], dict[str, bytes]]:
    """The groups of copies, a few with thumbnails.

    Label conflicts come first, then copies across splits, near ones before exact ones:
    those are the ones that a person wants to judge.
    """
    report, images = dataset.audit, dataset.images().open()
    chosen = sorted(range(len(report.copies)), key=lambda i: (_rank(report.copies[i]), i))
    wanted = {path for i in chosen[:MOST_GROUPS] for path in report.copies[i].paths[:MOST_IMAGES]}
    row_of = {
        path: int(row)
        for path, row in zip(dataset.table.paths, dataset.rows, strict=True)
        if path in wanted
    }
    pictures: dict[str, bytes] = {}
    copies = list(report.copies)
    for index in chosen[:MOST_GROUPS]:
        names = []
        for position, path in enumerate(copies[index].paths[:MOST_IMAGES], start=1):
            names.append(f"copy-{index + 1}-{position}.jpg")
            pictures[names[-1]] = draw_thumbnail(np.asarray(images[row_of[path]]))
        copies[index] = copies[index].model_copy(update={"thumbnails": tuple(names)})
    return tuple(copies), pictures


def _rank(group: CopyGroup) -> Sequence[bool]:
    is_conflict = len(set(group.labels)) > 1
    is_across = len({split == "test" for split in group.splits}) > 1
    return not is_conflict, not is_across, group.kind != "near"
