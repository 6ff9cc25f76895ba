"""How much a set of images can show: what its scores rest on, and whether they beat guessing.

Nothing here is slow to import: no SciPy.
"""

import numpy as np

from autocnn.core.arrays import DoubleArray
from autocnn.core.records import ClassScores, SplitScores

MIN_IMAGES = 30
"""Images below which a set cannot carry a verdict (`equivalent_images`)."""

MIN_CLASS_IMAGES = 10
"""Images below which a class cannot be spoken of alone."""


def equivalent_images(part: SplitScores, whole: SplitScores, metric: str) -> float:
    """How many images a score of a part of a set rests on: where classes count alike, the rarest.

    Images of one group count as one, as in the intervals.

    k^2 / sum(1 / n_c) of k classes with n_c images for a mean over classes, which is 0 where the
    part has none of a class that the whole set has; all images for the others.

    Args:
        part: Of the set.
        whole: The set. A class that it lacks is not spoken of.
        metric: A field of `Scores`.
    """
    if metric not in ("balanced_accuracy", "macro_f1", "macro_auc"):
        return independent_images(part)
    pairs = zip(part.classes, whole.classes, strict=True)
    counts = np.array([independent_images(one) for one, all_of in pairs if all_of.num_images])
    return equally_informative(counts) if counts.size and counts.all() else 0.0


def independent_images(scored: SplitScores | ClassScores) -> float:
    """How many independent images a set, or a class of it, is worth; older records know no groups.

    Args:
        scored: The set, or the class.
    """
    number = scored.num_independent
    return float(scored.num_images) if number is None else number


def guessing(scored: SplitScores) -> float:
    """The balanced accuracy of guessing: 1 / the number of classes that have images.

    Args:
        scored: The set.
    """
    return 1 / max(1, sum(one.num_images > 0 for one in scored.classes))


def is_at_chance(scored: SplitScores) -> bool:
    """Whether a set does not show that anything was learned.

    Neither the interval of the balanced accuracy nor that of the macro AUC is above guessing:
    a model that always names the largest class may still rank the images. Images of a single
    class cannot tell.

    Args:
        scored: With intervals.
    """
    if guessing(scored) == 1:
        return False
    balanced, area = (scored.intervals.get(name) for name in ("balanced_accuracy", "macro_auc"))
    is_low = balanced is not None and balanced.low <= guessing(scored)
    return is_low and (area is None or area.low <= 0.5)


def equally_informative(numbers: DoubleArray) -> float:
    """Images that tell as much of a mean over classes as these numbers of each do."""
    return float(len(numbers) ** 2 / (1 / numbers).sum())
