"""Marks: a small place at the edge of the images that tells a class, where little else does.

A scanner's label, a date, a watermark: a network finds it at once, and is right for the wrong
reason. `shortcuts` measures images as a whole; here each place of a coarse grid is asked.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import BoolArray, DoubleArray, Pixels
from autocnn.core.records import Shortcut

MOST_IMAGES = 2000

FEWEST_IMAGES = 20
"""A class with fewer is not judged."""

GRID = 16
"""Places along a side."""

RING_PARTS = 8
"""The edge is an eighth of the side wide."""

MARK, CONTENT = 0.97, 0.75
"""A place at the edge with at least the first area under the ROC curve is a mark where the median
place has at most the second: otherwise the images differ everywhere, as sea and forest do."""


def find_marks(
    pixels: Pixels,
    rows: NDArray[np.int64],
    labels: NDArray[np.int32],
    class_names: Sequence[str],
    *,
    seed: int,
) -> tuple[Shortcut, ...]:
    """The classes that a mark at the edge tells from the others; of two classes only one.

    Args:
        pixels: uint8 (rows, side, side, 1 | 3), the decoded array.
        rows: (n,) Row of each image.
        labels: (n,) Class of each, an index into `class_names`.
        class_names: In label order, at least 2.
        seed: Of the sample.
    """
    from scipy.stats import rankdata

    sizes = np.bincount(labels, minlength=len(class_names))
    judged = np.flatnonzero(sizes >= FEWEST_IMAGES)
    if len(judged) < 2:
        return ()
    chosen = np.flatnonzero(np.isin(labels, judged))
    if len(chosen) > MOST_IMAGES:
        # Of each class, so that a rare one is judged too.
        rng, most = np.random.default_rng(seed), max(FEWEST_IMAGES, MOST_IMAGES // len(judged))
        members = [np.flatnonzero(labels == label) for label in judged]
        parts = [rng.permutation(own)[:most] for own in members]
        chosen = np.sort(np.concatenate(parts))
    ranks: DoubleArray = rankdata(_measure(pixels, rows[chosen]), axis=0)
    found = []
    for label in judged[:1] if len(judged) == 2 else judged:
        mark = _mark(ranks, labels[chosen] == label)
        if mark is not None:
            found.append(_say(class_names[label], *mark))
    return tuple(found)


def _measure(pixels: Pixels, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, grid, grid, 3) Mean, largest and smallest grey value of each place."""
    side = min(GRID, pixels.shape[1])
    starts = np.arange(side) * pixels.shape[1] // side
    widths = np.diff(np.append(starts, pixels.shape[1])).astype(np.float32)
    found = np.empty((len(rows), side, side, 3), np.float32)
    for index, row in enumerate(rows.tolist()):
        grey = pixels[row].astype(np.float32).mean(axis=2)
        for place, reduce in enumerate((np.add, np.maximum, np.minimum)):
            lines = reduce.reduceat(grey, starts, axis=0)
            found[index, :, :, place] = reduce.reduceat(lines, starts, axis=1)
        found[index, :, :, 0] /= widths[:, np.newaxis] * widths
    return found


def _mark(ranks: DoubleArray, is_target: BoolArray) -> tuple[float, int, int, int] | None:
    """Area under the ROC curve, line, column and side length of the most telling place."""
    number, others = int(is_target.sum()), int((~is_target).sum())
    if min(number, others) < FEWEST_IMAGES:
        return None
    above = ranks[is_target].sum(axis=0) - number * (number + 1) / 2
    areas = np.abs(above / (number * others) - 0.5) + 0.5
    telling = areas.max(axis=2)
    side = len(telling)
    edge = np.ones(telling.shape, bool)
    ring = max(1, side // RING_PARTS)
    edge[ring : side - ring, ring : side - ring] = False
    best = np.where(edge, telling, 0.0)
    line, column = np.unravel_index(best.argmax(), best.shape)
    if best.max() < MARK or np.median(areas[:, :, 0]) > CONTENT:
        return None
    return float(best.max()), int(line), int(column), side


def _say(name: str, area: float, line: int, column: int, side: int) -> Shortcut:
    heights = {0: "top", 1: "middle", 2: "bottom"}
    widths = {0: "left", 1: "centre", 2: "right"}
    where = f"{heights[line * 3 // side]} {widths[column * 3 // side]}"
    return Shortcut(
        predicts="class",
        target=name,
        fact="mark",
        auc=area,
        fact_auc=area,
        is_warning=True,
        sentence=(
            f"{name} can be told by a small place at the edge ({where}) alone (AUC {area:.2f}): a "
            "mark, a label or a frame that a network may learn in the place of the content."
        ),
    )
