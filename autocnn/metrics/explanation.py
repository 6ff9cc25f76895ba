"""Where a model looks, as numbers: maps in, shares, similarities and warnings out.

A map says how much of a model's attention each pixel has; it is 0 or more and adds up to 1.
The thresholds are measured: docs/decisions/0013-grad-cam.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autocnn.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, Pixels
from autocnn.core.records import ExplainedImage, Explanation
from autocnn.core.wording import SPACE

BORDER_WIDTH = 0.1
"""Width of the outer frame, as a fraction of each side."""

GRID = 12
"""Rows and columns of the grid on which maps are compared."""

FEWEST_IMAGES = 4
"""Images of a class from which on its mean share of attention says something."""

MOST_SIMILAR = 0.7
"""Rank correlation with the maps of random weights above which a map shows the image alone."""

LEAST_AGREEMENT = 0.25
"""Rank correlation between candidates below which they look at different places."""

LEAST_TOLERANCE, MOST_TOLERANCE = 12.0, 40.0
"""How far, of 255, a plain background may be from its colour; what varies more is not plain."""

LEAST_PLAIN = 0.7
"""Share of the outermost pixels that a plain background holds."""

SMALLEST_OBJECT, LARGEST_OBJECT = 0.02, 0.95
"""Shares of the image between which something is an object."""


@dataclass(frozen=True, eq=False)
class ObjectMasks:
    """What stands out from a plain background.

    Attributes:
        inside: (n, height, width) Whether a pixel is in the object; all of the image where no
            object stands out.
        stands_out: (n,) Whether the image has an object on a plain background.
    """

    inside: BoolArray
    stands_out: BoolArray


MOST_CLASSES = 50
"""Classes whose images are pictured: a page of thousands of maps helps nobody."""


def choose_explained(
    labels: IntArray, probabilities: FloatArray, *, per_class: int = 4, seed: int = 0
) -> IntArray:
    """Images to explain: of each class the worst mistakes, then as many right ones at random.

    Args:
        labels: (n,) True classes, 0 to k - 1.
        probabilities: (n, k) Predicted; the prediction is the first largest.
        per_class: At most so many wrong and so many right images of each true class; of many
            classes, those with the surest mistakes.
        seed: Of the right ones.

    Returns:
        (m,) positions, class after class; in each the wrong ones first, the most confident
        first.

    >>> sure = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]])
    >>> choose_explained(np.array([0, 0, 0, 1]), sure, per_class=1).tolist()
    [1, 0, 3]
    """
    rng = np.random.default_rng(seed)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen, surest = [np.zeros(0, np.int64)], [np.inf]
    for label in range(probabilities.shape[1]):
        wrong = np.flatnonzero((labels == label) & (predicted != label))
        right = np.flatnonzero((labels == label) & (predicted == label))
        worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:per_class]
        chosen.append(np.concatenate([worst, np.sort(rng.permutation(right)[:per_class])]))
        surest.append(float(confidence[worst[0]]) if len(worst) else 0.0)
    shown = np.sort(np.argsort(-np.array(surest), kind="stable")[: MOST_CLASSES + 1])
    return np.concatenate([chosen[place] for place in shown.tolist()])


def border_shares(maps: FloatArray, *, width: float = BORDER_WIDTH) -> DoubleArray:
    """The share of the attention on the outer frame of each image.

    Args:
        maps: (n, height, width) Each adding up to 1.
        width: Of the frame, as a fraction of each side, above 0 and below 0.5; at least 1 px.

    Returns:
        (n,) 0 to 1.
    """
    frame = _frame(maps.shape[1:], width)
    shares: DoubleArray = maps[:, frame].sum(axis=1, dtype=np.float64)
    return shares


def border_area(shape: Sequence[int], *, width: float = BORDER_WIDTH) -> float:
    """The share of an image of (height, width) that the outer frame is.

    >>> border_area((20, 20))
    0.36
    """
    return float(_frame(shape, width).mean())


def object_masks(images: Pixels) -> ObjectMasks:
    """Find what stands out from a plain background in each image.

    The background's colour is the median of the outermost pixels; how much those vary (their
    median deviation) says what is still background. The object is what differs, without
    specks and with its holes filled. An image with a textured background, or with hardly
    anything but background or object, has none.

    Args:
        images: (n, height, width, channels) uint8.
    """
    found = [_object_mask(image) for image in images]
    stands_out = np.array([mask is not None for mask in found], bool)
    everything = np.ones(images.shape[1:3], bool)
    inside = [everything if mask is None else mask for mask in found]
    return ObjectMasks(np.array(inside, bool).reshape(images.shape[:3]), stands_out)


def outside_shares(maps: FloatArray, masks: BoolArray) -> DoubleArray:
    """The share of the attention outside a mask of each image.

    Args:
        maps: (n, height, width) Each adding up to 1.
        masks: (n, height, width)

    Returns:
        (n,) 0 to 1.
    """
    shares: DoubleArray = np.where(masks, 0.0, maps).sum(axis=(1, 2), dtype=np.float64)
    return shares


def rank_correlations(first: FloatArray, second: FloatArray) -> DoubleArray:
    """How alike two models' maps of the same images are: Spearman's rank correlation.

    Maps are compared on a grid of 12 x 12 means, or of single pixels where there are fewer.
    A map that is the same everywhere is like no other: 0.

    Args:
        first: (n, height, width)
        second: (n, any height, any width) Of the same images.

    Returns:
        (n,) -1 to 1.
    """
    from scipy.stats import rankdata  # 1 s

    ranks = [rankdata(_reduce(maps), axis=1) for maps in (first, second)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    alike: DoubleArray = np.zeros(len(a))
    np.divide((a * b).sum(axis=1), spread, out=alike, where=spread > 0)
    return alike


def explain(
    images: Pixels,
    maps: FloatArray,
    *,
    randomized_maps: FloatArray,
    predicted: Sequence[str] | None = None,
    other_maps: Sequence[FloatArray] = (),
    pictured: Sequence[ExplainedImage] = (),
) -> Explanation:
    """Judge where a candidate looks.

    A warning about the border, or the background, is given when the mean attention there,
    less twice its standard error, is above the area: of all images, or of those predicted as
    one class, since a mark that tells one class is not looked at in others. For a class, twice
    the attention of the others is enough, where it is at least half the area.

    Args:
        images: (n, height, width, channels) uint8; n at least 1.
        maps: (n, height, width) The candidate's, each adding up to 1.
        randomized_maps: (n, height, width) Of the same network with random weights.
        predicted: (n,) Names of the classes that the maps are about; None: one class.
        other_maps: (n, any height, any width) Of each other candidate, on the same images.
        pictured: What the report shows of them.

    Raises:
        ValueError: When there is no image, or the maps or names are not those of the images.
    """
    classes = [""] * len(images) if predicted is None else list(predicted)
    _check(images, maps, classes, randomized_maps)
    on_border, area = border_shares(maps), border_area(maps.shape[1:])
    warnings = _warn(
        "the border",
        on_border,
        np.full(len(maps), area),
        classes,
        "Marks, letters or frames there may tell the class.",
    )
    masks = object_masks(images)
    is_seen = masks.stands_out
    outside_share = outside_area = None
    if is_seen.mean() >= 0.5:  # else the few that have one say nothing about the set
        inside = masks.inside[is_seen]
        outside, areas = outside_shares(maps[is_seen], inside), 1 - inside.mean(axis=(1, 2))
        outside_share, outside_area = float(outside.mean()), float(areas.mean())
        names = [name for name, is_in in zip(classes, is_seen, strict=True) if is_in]
        meaning = "Something beside the object may tell the class."
        warnings += _warn("the background", outside, areas, names, meaning)
    similarity = float(rank_correlations(maps, randomized_maps).mean())
    if similarity > MOST_SIMILAR:
        warnings.append(
            "The maps hardly change when the weights are random (rank correlation"
            f" {similarity:.2f}): they show the image, not what the model learned."
        )
    agreement = None
    if other_maps:
        agreement = float(np.mean([rank_correlations(maps, other).mean() for other in other_maps]))
        if agreement < LEAST_AGREEMENT:
            warnings.append(
                "This candidate looks at other places than the others do (rank correlation"
                f" {agreement:.2f}): what it relies on may not last on new images."
            )
    return Explanation(
        num_images=len(images),
        border_share=float(on_border.mean()),
        border_area=area,
        outside_share=outside_share,
        outside_area=outside_area,
        randomized_similarity=similarity,
        agreement=agreement,
        warnings=tuple(warnings),
        images=tuple(pictured),
    )


def _share(shares: DoubleArray) -> str:
    """Their mean, in whole percent."""
    return f"{100 * shares.mean():.0f}{SPACE}%"


def _warn(
    place: str, shares: DoubleArray, areas: DoubleArray, predicted: Sequence[str], meaning: str
) -> list[str]:
    """What is wrong with the attention on a place: a sentence for all images or for a class."""
    if _sure_excess(shares - areas) > 0:
        text = f"{_share(shares)} of the attention is on {place}, {_share(areas)} of the image"
        return [f"{text}. {meaning}"]
    names = np.array(predicted)
    worst, text = 0.0, ""
    for name in sorted({*names}):
        rows = names == name
        if rows.all():
            continue
        others = float(shares[~rows].mean())
        limits = np.minimum(areas[rows], np.maximum(2 * others, areas[rows] / 2))
        excess = _sure_excess(shares[rows] - limits)
        if excess > worst:
            worst = excess
            text = (
                f"{_share(shares[rows])} of the attention in images predicted as {name} is on"
                f" {place}, and {_share(shares[~rows])} in the others. {meaning}"
            )
    return [text] if text else []


def _sure_excess(excess: DoubleArray) -> float:
    """The mean less twice its standard error; -1, the least there is, for too few images."""
    if len(excess) < FEWEST_IMAGES:
        return -1.0
    return float(excess.mean() - 2 * excess.std(ddof=1) / np.sqrt(len(excess)))


def _check(
    images: Pixels, maps: FloatArray, predicted: Sequence[str], randomized_maps: FloatArray
) -> None:
    if len(images) < 1:
        raise ValueError("images must be at least 1, got 0.")
    for name, shape in (("maps", maps.shape), ("randomized_maps", randomized_maps.shape)):
        if shape != images.shape[:3]:
            raise ValueError(f"{name} must be {images.shape[:3]}, got {shape}.")
    if len(predicted) != len(images):
        raise ValueError(f"predicted must be {len(images)} names, got {len(predicted)}.")


def _frame(shape: Sequence[int], width: float) -> BoolArray:
    height_px, width_px = (max(1, round(width * side)) for side in shape)
    frame = np.ones(tuple(shape), bool)
    frame[height_px:-height_px, width_px:-width_px] = False
    return frame


def _reduce(maps: FloatArray) -> DoubleArray:
    """(n, cells) Means over a grid of at most 12 x 12 cells."""
    means = maps.astype(np.float64)
    for axis in (1, 2):
        size = means.shape[axis]
        starts = np.arange(min(GRID, size)) * size // min(GRID, size)
        means = np.add.reduceat(means, starts, axis=axis)
        widths = np.diff(np.append(starts, size))
        means /= widths[:, None] if axis == 1 else widths
    return means.reshape(len(means), -1)


def _object_mask(image: Pixels) -> BoolArray | None:
    from scipy import ndimage

    pixels = image.astype(np.float64)
    outermost = _outermost(pixels)
    colour = np.median(outermost, axis=0)
    deviation = np.abs(outermost - colour).max(axis=1)
    # Four standard deviations of what the outermost pixels vary, JPEG's traces at least.
    tolerance = max(LEAST_TOLERANCE, 4 * 1.4826 * float(np.median(deviation)))
    is_plain = tolerance <= MOST_TOLERANCE and (deviation <= tolerance).mean() >= LEAST_PLAIN
    mask = ndimage.binary_fill_holes(np.abs(pixels - colour).max(axis=2) > tolerance)
    side = min(mask.shape)
    if side >= 24:
        mask = ndimage.binary_opening(mask, iterations=max(1, side // 48))
    is_object = SMALLEST_OBJECT <= mask.mean() <= LARGEST_OBJECT
    return np.asarray(mask, bool) if is_plain and is_object else None


def _outermost(pixels: DoubleArray) -> DoubleArray:
    """(m, channels) The pixels along the four edges."""
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
