"""What augmentation makes of some training images with the params of the chosen candidate."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autocnn.core.arrays import IntArray
from autocnn.core.records import AugmentedImage
from autocnn.data.thumbnails import draw_thumbnail
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.score import Candidate

NUM_IMAGES = 3
"""Training images that are shown augmented."""


def choose_augmented(plan: FinalistsPlan) -> IntArray:
    """Positions in train of the images that are shown, each of another class while there are some.

    One more than are shown: MixUp and CutMix take the batch in reverse order, and of an odd
    number the middle one would be mixed with itself.

    Args:
        plan: Images and the seed.
    """
    labels = plan.dataset.labels[plan.dataset.indices("train")]
    order = np.random.default_rng(plan.seed).permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)
    others = np.setdiff1d(np.arange(len(order)), first)
    chosen: IntArray = order[np.concatenate([np.sort(first), others])[: NUM_IMAGES + 1]]
    return chosen


def picture_augmented(
    plan: FinalistsPlan, candidate: Candidate
) -> tuple[Candidate, Mapping[str, bytes]]:
    """Add these images to the record of a candidate, and draw them.

    Args:
        plan: Images.
        candidate: With what its process measured; without versions it stays as it is.

    Returns:
        The candidate, and file name -> JPEG.
    """
    augmented = candidate.measured.augmented
    if augmented is None:
        return candidate, {}
    dataset, side = plan.dataset, augmented.shape[2]
    sizes = (images for images in dataset.arrays.values() if images.image_shape[0] == side)
    images = next(sizes).open()
    pictures: dict[str, bytes] = {}
    records = []
    shown = dataset.positions("train")[choose_augmented(plan)][:NUM_IMAGES].tolist()
    for number, (position, versions) in enumerate(zip(shown, augmented, strict=False), start=1):
        as_it_is = np.asarray(images[dataset.rows[position]])
        names = [f"augmented-{number}-{version}.jpg" for version in range(len(versions) + 1)]
        for name, pixels in zip(names, [as_it_is, *versions], strict=True):
            pictures[name] = draw_thumbnail(pixels)
        records.append(
            AugmentedImage(
                path=dataset.table.paths[position],
                label=dataset.class_names[dataset.table.labels[position]],
                picture=names[0],
                versions=tuple(names[1:]),
            )
        )
    record = candidate.record.model_copy(update={"augmented": tuple(records)})
    return replace(candidate, record=record), pictures
