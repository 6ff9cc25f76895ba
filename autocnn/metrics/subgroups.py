"""Scores of parts of the images: is a model worse for one sex, one site, one machine?

Each value of a column is held against the images with any other value, mixed by class as the
images of that value are: a site with more hard cases is not worse for that alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.records import Interval, Subgroup
from autocnn.core.records.subgroups import SHOWN
from autocnn.metrics.evidence import MIN_CLASS_IMAGES
from autocnn.metrics.intervals import (
    SIGNIFICANCE,
    Z_95,
    difference_interval,
    effective_number,
    wilson_interval,
)
from autocnn.metrics.scores import score_split


def score_subgroups(
    labels: IntArray,
    probabilities: FloatArray,
    class_names: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    *,
    groups: IntArray,
    seed: int = 0,
) -> tuple[Subgroup, ...]:
    """Scores with intervals for each value of some columns, and whether it differs from the others.

    A value with fewer than 10 independent images, or without others of its classes, gets its
    scores and no verdict. The p-values of all other values of all columns are corrected together
    by Holm's method; the intervals are each on its own.

    Args:
        labels: (n,) True classes.
        probabilities: (n, k).
        class_names: k names, in label order.
        columns: Column -> (n,) value of each image.
        groups: (n,) Images of one group count once.
        seed: Of the resamples.

    Returns:
        By column, the lowest accuracy first.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70.
    """
    is_right = probabilities.argmax(axis=1) == labels
    found: list[Subgroup] = []
    for column, cells in columns.items():
        values = np.array(cells, dtype=object)
        ours: list[Subgroup] = []
        for value in dict.fromkeys(cells):
            inside = values == value
            scored = score_split(
                "test",
                labels[inside],
                probabilities[inside],
                class_names,
                groups=groups[inside],
                seed=seed,
            )
            subgroup = Subgroup(
                column=column,
                value=value,
                num_images=int(inside.sum()),
                scores={n: scored.intervals[n] for n in SHOWN if n in scored.intervals},
                verdict="too few images",
            )
            ours.append(_compared(subgroup, labels, is_right, inside, groups))
        found += sorted(ours, key=lambda one: one.scores["accuracy"].value)
    return _judged(found)


def _compared(
    subgroup: Subgroup,
    labels: IntArray,
    is_right: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    groups: IntArray,
) -> Subgroup:
    """With the others, the difference, and its p-value before any correction."""
    shared = np.intersect1d(labels[inside], labels[~inside])
    if not len(shared):
        return subgroup
    inside = inside & np.isin(labels, shared)
    own = wilson_interval(float(is_right[inside].mean()), effective_number(groups[inside]))
    value, down, up = 0.0, 0.0, 0.0
    for label in shared:
        there = ~inside & (labels == label)
        share = float((labels[inside] == label).mean())
        recall = wilson_interval(float(is_right[there].mean()), effective_number(groups[there]))
        value += share * recall.value
        down += (share * (recall.value - recall.low)) ** 2
        up += (share * (recall.high - recall.value)) ** 2
    low, high = max(0.0, value - float(np.sqrt(down))), min(1.0, value + float(np.sqrt(up)))
    others = Interval(value=value, low=low, high=high)
    difference = difference_interval(own, others)
    is_large = effective_number(groups[inside]) >= MIN_CLASS_IMAGES
    return subgroup.model_copy(
        update={
            "others": others,
            "difference": difference,
            "p_value": _p_value(difference) if is_large else None,
        }
    )


def _p_value(difference: Interval) -> float:
    """Two-sided, of a normal distribution with the half of the interval that is nearer to 0."""
    from scipy.special import ndtr

    value = difference.value
    half = difference.high - value if value < 0 else value - difference.low
    return float(2 * ndtr(-abs(value) / max(half / Z_95, 1e-12)))


def _judged(subgroups: Sequence[Subgroup]) -> tuple[Subgroup, ...]:
    """With corrected p-values and what they show."""
    compared = sorted(
        (one.p_value, place) for place, one in enumerate(subgroups) if one.p_value is not None
    )
    judged, least = list(subgroups), 0.0
    for rank, (p_value, place) in enumerate(compared):
        least = max(least, min(1.0, p_value * (len(compared) - rank)))
        one = subgroups[place]
        verdict = "no difference shown"
        if least <= SIGNIFICANCE and one.difference is not None:
            verdict = "worse" if one.difference.value < 0 else "better"
        judged[place] = one.model_copy(update={"p_value": least, "verdict": verdict})
    return tuple(judged)
