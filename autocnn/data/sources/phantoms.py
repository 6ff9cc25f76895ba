"""Drawn head slices of four classes: a built-in set where the truth is known.

Nobody's images, always the same: the lesion's place is known, a mark can be planted, and
brightness, contrast and sharpness are alike in all classes, so that nothing but what is
drawn distinguishes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.data.sources.phantom_drawing import (
    PHANTOM_CLASSES,
    Box,
    Phantom,
    PhantomClass,
    draw_head,
    draw_phantom,
)
from autocnn.data.table import ArrayImages, FoundImages

MarkShape = Literal["cross", "square", "letter"]

BUILT_IN_PER_CLASS = 150
MOST_SLICES = 3

_SHAPES: dict[MarkShape, tuple[str, ...]] = {
    "cross": ("..##..", "..##..", "######", "######", "..##..", "..##.."),
    "square": ("######",) * 6,
    "letter": ("##....", "##....", "##....", "##....", "######", "######"),
}
"""What a mark looks like, `#` is white, the rest black: a cross, a square, an L as on films."""


@dataclass(frozen=True)
class Mark:
    """A bright mark to plant, as a burnt-in label would be.

    Attributes:
        class_name: The class that gets it, which makes it a shortcut; None: all classes
            alike, which makes it harmless.
        share: Fraction of the class's images that get it, 0..1.
        shape: What it looks like.
        place: Its middle as fractions of the side, right and down, 0..1; None: anywhere in
            the picture off the lesion, another place in each image. At the edge it is
            moved inside.
        size: Its side as a fraction of the picture's side, 0.05..0.25.

    Raises:
        ValueError: When a number is outside these.
    """

    class_name: PhantomClass | None
    share: float = 1.0
    shape: MarkShape = "cross"
    place: tuple[float, float] | None = None
    size: float = 0.125

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be in [0, 1], got {self.share:g}.")
        if not 0.05 <= self.size <= 0.25:
            raise ValueError(f"size must be in [0.05, 0.25], got {self.size:g}.")
        if self.place is not None and not all(0 <= at <= 1 for at in self.place):
            raise ValueError(f"place must be in [0, 1] x [0, 1], got {self.place}.")


@dataclass(frozen=True, eq=False)
class PhantomSet:
    """Drawn slices, class after class.

    Attributes:
        images: (n, side, side) uint8, grey.
        labels: (n,) int64, index into `class_names`.
        class_names: `PHANTOM_CLASSES`.
        patients: (n,) whose head it is; a patient has 1 to 3 slices, all of one class.
        lesion_boxes: (n,) bounds of the lesion; None in `notumor`.
        mark_boxes: (n,) bounds of the planted mark; None where none was planted.
    """

    images: Pixels
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    patients: tuple[str, ...]
    lesion_boxes: tuple[Box | None, ...]
    mark_boxes: tuple[Box | None, ...]


def read_phantoms() -> FoundImages:
    """The built-in set: 600 slices of 64 px, 150 per class, grouped by patient."""
    drawn = make_phantoms(BUILT_IN_PER_CLASS)
    num_images = len(drawn.images)
    return FoundImages(
        paths=tuple(f"phantoms[{i}]" for i in range(num_images)),
        class_of=tuple(drawn.class_names[label] for label in drawn.labels),
        splits=(None,) * num_images,
        groups=drawn.patients,
        images=ArrayImages((drawn.images,), np.arange(num_images, dtype=np.int64)),
        ignored={},
        notes=(),
    )


def make_phantoms(
    number_per_class: int, *, side: int = 64, seed: int = 0, mark: Mark | None = None
) -> PhantomSet:
    """Draw the same number of slices of each class.

    Args:
        number_per_class: At least 1.
        side: Of the pictures, px, at least 32.
        seed: The same seed gives the same heads and lesions at any side, and the same images
            with and without a mark but for the mark itself.
        mark: What to plant where; None: nothing.

    Raises:
        ValueError: When a number is outside these.
    """
    if number_per_class < 1:
        raise ValueError(f"number_per_class must be at least 1, got {number_per_class}.")
    drawn: list[Phantom] = []
    patients: list[str] = []
    num_patients = 0
    for label, kind in enumerate(PHANTOM_CLASSES):
        rng = np.random.default_rng((seed, label))
        slices_left = 0
        for _ in range(number_per_class):
            if not slices_left:
                slices_left = int(rng.integers(1, MOST_SLICES + 1))
                head = draw_head(rng)
                num_patients += 1
            slices_left -= 1
            # A generator each: noise takes more numbers at a larger side.
            drawn.append(draw_phantom(kind, side=side, rng=rng.spawn(1)[0], head=head))
            patients.append(f"patient {num_patients}")
    labels = np.repeat(np.arange(len(PHANTOM_CLASSES), dtype=np.int64), number_per_class)
    images = np.stack([phantom.image for phantom in drawn])
    boxes = tuple(phantom.box for phantom in drawn)
    marks = _plant(images, labels, boxes, mark, np.random.default_rng((seed, len(PHANTOM_CLASSES))))
    return PhantomSet(images, labels, PHANTOM_CLASSES, tuple(patients), boxes, marks)


def _plant(
    images: Pixels,
    labels: NDArray[np.int64],
    lesions: Sequence[Box | None],
    mark: Mark | None,
    rng: np.random.Generator,
) -> tuple[Box | None, ...]:
    """Draw the mark into the images, in place; its bounds in each."""
    boxes: list[Box | None] = [None] * len(images)
    if mark is None:
        return tuple(boxes)
    side = images.shape[1]
    size = round(mark.size * side)
    cells = np.array([[cell == "#" for cell in row] for row in _SHAPES[mark.shape]])
    steps = (2 * np.arange(size) + 1) * len(cells) // (2 * size)
    pixels = np.where(cells[np.ix_(steps, steps)], 255, 0).astype(np.uint8)
    for label, name in enumerate(PHANTOM_CLASSES):
        members = rng.permutation(np.flatnonzero(labels == label))
        if mark.class_name in (None, name):
            for i in members[: round(mark.share * len(members))]:
                left, top = _mark_corner(mark, side, size, lesions[i], rng)
                images[i, top : top + size, left : left + size] = pixels
                boxes[i] = Box(left, top, left + size, top + size)
    return tuple(boxes)


def _mark_corner(
    mark: Mark, side: int, size: int, lesion: Box | None, rng: np.random.Generator
) -> tuple[int, int]:
    """Left and top of a mark of `size` px, inside the picture."""
    last = side - size
    if mark.place is not None:
        x, y = (min(max(round(at * side - size / 2), 0), last) for at in mark.place)
        return x, y
    free = np.ones((last + 1, last + 1), dtype=bool)
    if lesion is not None:
        rows = slice(max(lesion.top - size + 1, 0), lesion.bottom)
        free[rows, max(lesion.left - size + 1, 0) : lesion.right] = False
    top, left = divmod(int(rng.choice(np.flatnonzero(free))), last + 1)
    return left, top
