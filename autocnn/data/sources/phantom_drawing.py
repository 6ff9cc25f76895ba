"""Draws one head slice, so that the truth about it is known.

NumPy alone, in the head's own coordinates: the same random numbers give the same picture at
any side, and on any machine to the last bits of a float.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels

PhantomClass = Literal["glioma", "meningioma", "notumor", "pituitary"]
PHANTOM_CLASSES: tuple[PhantomClass, ...] = get_args(PhantomClass)
"""Class names in label order."""

SMALLEST_SIDE = 32

_BRAIN_EDGE = 0.86
"""Where tissue ends: a fraction of the way from the middle of the head to its outline."""

Plane = NDArray[np.float64]


class Box(NamedTuple):
    """A rectangle in px as Pillow counts: `right` and `bottom` are just outside."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Head:
    """What all slices of one patient share, in units of half the head's height.

    Attributes:
        width: Half the head's width.
        waves: (3, 2) amplitude and phase of the outline's 2nd to 4th wave: no head is an
            ellipse.
        scalp: Thickness of the scalp.
        ventricles: Length of the two ventricles, left and right.
        tilt: Angle of the head in the picture, radians.
        zoom: Half the head's height as a fraction of half the picture's side.
    """

    width: float
    waves: tuple[tuple[float, float], ...]
    scalp: float
    ventricles: tuple[float, float]
    tilt: float
    zoom: float


@dataclass(frozen=True, eq=False)
class Phantom:
    """One drawn slice and the truth about it.

    Attributes:
        image: (side, side) uint8, grey.
        lesion: (side, side) bool, where the lesion is; None in `notumor`.
        box: The lesion's bounds; None in `notumor`.
    """

    image: Pixels
    lesion: NDArray[np.bool_] | None
    box: Box | None


def draw_head(rng: np.random.Generator) -> Head:
    """A head like no other: its outline, its ventricles, how it lies in the picture.

    Args:
        rng: Gives all that is random.
    """
    length = rng.uniform(0.2, 0.34)
    return Head(
        width=rng.uniform(0.76, 0.92),
        waves=tuple((rng.uniform(0, 0.025), rng.uniform(0, 2 * np.pi)) for _ in range(3)),
        scalp=rng.uniform(0.05, 0.09),
        ventricles=(length * rng.uniform(0.8, 1.2), length * rng.uniform(0.8, 1.2)),
        tilt=rng.normal(0, 0.14),
        zoom=rng.uniform(0.78, 0.92),
    )


def draw_phantom(
    kind: PhantomClass, *, side: int, rng: np.random.Generator, head: Head | None = None
) -> Phantom:
    """Draw one slice.

    A glioma is ragged, patchy and grows into the tissue, with a dark core now and then; a
    meningioma is round, even and sits at the skull; a pituitary tumour is small, round and
    sits low in the middle, where every head has its small gland.

    Brightness, contrast, sharpness and noise have the same spread in all classes, whatever
    the lesion adds: over ten seeds they told no class with an AUC above 0.61 (logistic
    regression, 600 slices, measured).

    Args:
        kind: Class to draw.
        side: Of the picture, px, at least 32.
        rng: Gives all that is random.
        head: The patient; None: a new one.

    Raises:
        ValueError: When `side` is smaller or `kind` is no class.
    """
    if kind not in PHANTOM_CLASSES:
        raise ValueError(f"kind must be one of {', '.join(PHANTOM_CLASSES)}, got {kind!r}.")
    if side < SMALLEST_SIDE:
        raise ValueError(f"side must be at least {SMALLEST_SIDE}, got {side}.")
    grid = _Grid.place(head or draw_head(rng), side, rng)
    canvas = _draw_anatomy(grid, rng)
    coverage, level = _draw_lesion(kind, grid, rng)
    canvas += coverage * (level - canvas)
    image = _expose(canvas, grid, rng)
    if kind == "notumor":
        return Phantom(image, None, None)
    lesion = coverage > 0.5
    return Phantom(image, lesion, _bounds(lesion))


@dataclass(frozen=True, eq=False)
class _Grid:
    """A head laid into a picture.

    Attributes:
        head: The patient.
        axis: (side,) middle of each pixel, -1..1.
        right, down: (side, side) place of each pixel in the head, the outline at about 1.
        angle: (side, side) direction from the head's middle, radians, 0 to the right.
        depth: (side, side) 0 in the middle of the head, 1 on its outline.
        scale: px per unit of the head.
    """

    head: Head
    axis: Plane
    right: Plane
    down: Plane
    angle: Plane
    depth: Plane
    scale: float

    @classmethod
    def place(cls, head: Head, side: int, rng: np.random.Generator) -> "_Grid":
        """Lay the head almost in the middle; slices of a patient differ a little."""
        tilt = head.tilt + rng.normal(0, 0.08)
        zoom = head.zoom * rng.uniform(0.93, 1.03)
        shift = rng.uniform(-0.05, 0.05, 2)
        axis = (np.arange(side) + 0.5) * 2 / side - 1
        x, y = axis[None, :] - shift[0], axis[:, None] - shift[1]
        right = (x * np.cos(tilt) + y * np.sin(tilt)) / (zoom * head.width)
        down = (y * np.cos(tilt) - x * np.sin(tilt)) / zoom
        angle = np.arctan2(down, right)
        depth = np.hypot(right, down) / _outline(head, angle)
        return cls(head, axis, right, down, angle, depth, zoom * side / 2)

    def inside(self, depth: float) -> Plane:
        """Coverage of the head's inner part, 0..1, soft by a pixel at its edge."""
        return _soft((depth - self.depth) * self.scale)

    def ellipse(
        self, middle: tuple[float, float], radii: tuple[float, float], turn: float = 0.0
    ) -> Plane:
        """Coverage of an ellipse, 0..1, soft by a pixel at its edge."""
        # Across, the head's unit is `width` of what it is down: round stays round.
        x, y = (self.right - middle[0]) * self.head.width, self.down - middle[1]
        along = (x * np.cos(turn) + y * np.sin(turn)) / radii[0]
        across = (y * np.cos(turn) - x * np.sin(turn)) / radii[1]
        return _soft((1 - np.hypot(along, across)) * min(radii) * self.scale)

    def texture(self, cells: float, rng: np.random.Generator) -> Plane:
        """Smooth noise of mean 0 and deviation 1, `cells` bumps across the picture."""
        knots = np.linspace(-1.2, 1.2, round(2.4 * cells))
        width = knots[1] - knots[0]
        spread = np.exp(-(((self.axis[:, None] - knots) / width) ** 2))
        spread /= np.sqrt((spread**2).sum(axis=1, keepdims=True))
        plane: Plane = spread @ rng.standard_normal((len(knots), len(knots))) @ spread.T
        return plane


def _outline(head: Head, angle: Plane | float) -> Plane:
    waves = [a * np.cos(k * angle + phase) for k, (a, phase) in enumerate(head.waves, start=2)]
    return np.asarray(1 + sum(waves), dtype=np.float64)


def _soft(distance: Plane) -> Plane:
    """Coverage of a pixel by how far inside an edge its middle lies, px."""
    return np.clip(distance + 0.5, 0, 1)


def _draw_anatomy(grid: _Grid, rng: np.random.Generator) -> Plane:
    """(side, side) scalp, bone, tissue and ventricles; 0 is air, tissue about 0.5."""
    head = grid.head
    canvas = np.zeros_like(grid.depth)

    def paint(coverage: Plane, level: Plane | float) -> None:
        canvas[:] += coverage * (level - canvas)

    paint(grid.inside(1), rng.uniform(0.4, 0.85))  # scalp
    paint(grid.inside(1 - head.scalp), rng.uniform(0.05, 0.2))  # bone
    tissue = rng.uniform(0.42, 0.52) + 0.035 * grid.texture(6, rng) + 0.03 * grid.texture(16, rng)
    paint(grid.inside(_BRAIN_EDGE), tissue)
    folds = np.cos(rng.integers(13, 20) * grid.angle + 1.6 * grid.texture(6, rng))
    rind = grid.inside(_BRAIN_EDGE) * (1 - grid.inside(rng.uniform(0.66, 0.72)))
    paint(rind * np.clip(folds, 0, 1), 0.3)
    middle = 0.02 * rng.standard_normal()
    paint(0.7 * grid.ellipse((middle, -0.58), (0.018, 0.27)), 0.2)  # fold between the halves
    for sign, length in zip((-1, 1), head.ventricles, strict=True):
        thick, apart = length * rng.uniform(0.24, 0.4), rng.uniform(0.1, 0.15)
        for end in (-1, 1):  # the horns lean outwards, up and down
            place = (middle + sign * apart, -0.12 + end * 0.55 * length)
            turn = -sign * end * rng.uniform(0.2, 0.5)
            paint(grid.ellipse(place, (thick, length * rng.uniform(0.65, 0.85)), turn), 0.14)
    paint(grid.ellipse((middle, 0.6), (0.2, 0.11)), 0.22)  # cistern
    gland = rng.uniform(0.04, 0.075)
    paint(grid.ellipse((middle, 0.62), (gland, gland)), rng.uniform(0.5, 0.8))
    for _ in range(rng.integers(0, 3)):  # vessels, bright and small
        turn, far = rng.uniform(-np.pi, np.pi), rng.uniform(0.3, 0.8)
        width, stretch = rng.uniform(0.02, 0.045), rng.uniform(1, 2)
        place = (far * np.cos(turn), far * np.sin(turn))
        paint(grid.ellipse(place, (width, width * stretch), turn), rng.uniform(0.6, 0.9))
    return canvas


def _draw_lesion(kind: PhantomClass, grid: _Grid, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Coverage of the lesion, 0..1, and its level, both (side, side)."""
    level = rng.uniform(0.78, 1.05) + 0.03 * grid.texture(10, rng)
    brain = grid.inside(_BRAIN_EDGE)
    if kind == "notumor":
        return np.zeros_like(brain), level
    if kind == "pituitary":
        radius = rng.uniform(0.11, 0.19)
        radii = (radius * rng.uniform(0.9, 1.15), radius * rng.uniform(0.9, 1.15))
        place = (rng.normal(0, 0.03), 0.62 - 0.5 * radius + rng.normal(0, 0.02))
        return grid.ellipse(place, radii) * brain, level
    if kind == "meningioma":
        radius = rng.uniform(0.14, 0.27)
        # Anywhere at the skull but where the gland is.
        turn = np.pi / 2 + rng.uniform(0.28, 1.72) * np.pi
        far = _BRAIN_EDGE * float(_outline(grid.head, turn)) - radius * rng.uniform(0.45, 0.85)
        place = (far * np.cos(turn), far * np.sin(turn))
        radii = (radius, radius * rng.uniform(0.9, 1.15))
        return grid.ellipse(place, radii, turn) * brain, level
    return _draw_glioma(grid, level, rng)


def _draw_glioma(grid: _Grid, level: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    radius = rng.uniform(0.17, 0.3)
    x = (grid.right - rng.choice((-1, 1)) * rng.uniform(0.25, 0.5)) * grid.head.width
    y = grid.down - rng.uniform(-0.5, 0.35)
    ragged = 0.22 * grid.texture(9, rng) + 0.14 * grid.texture(20, rng)
    field = 1 - np.hypot(x, y) / radius + ragged
    coverage = np.clip(field / 0.25 + 0.5, 0, 1) * grid.inside(_BRAIN_EDGE - 0.04)
    patches = level + 0.1 * grid.texture(14, rng)
    core = np.clip((field - rng.uniform(0.45, 1.2)) / 0.2, 0, 1)
    return coverage, patches + core * (0.3 - patches)


def _expose(canvas: Plane, grid: _Grid, rng: np.random.Generator) -> Pixels:
    """Uneven light, blur and noise: (side, side) uint8.

    Mean, deviation and sharpness are drawn first, alike in all classes; offset, gain and
    blur are then set to meet them, so that what a lesion adds does not show in them.
    """
    lit = canvas * (1 + rng.uniform(0, 0.15) * grid.texture(1.5, rng))
    head = grid.inside(1)
    details = head * (lit - np.average(lit, weights=head))
    mean = rng.uniform(0.3, 0.42)
    deviation = mean * rng.uniform(0.36, 0.5) * np.sqrt(head.mean())
    clean = _blend(mean * head, details, deviation=deviation, sharpness=rng.uniform(0.08, 0.18))
    noise = rng.uniform(0.008, 0.04) * rng.standard_normal((2, *canvas.shape))
    # Magnitude of a complex signal, as in MRI: noise never makes the air negative.
    signal = np.hypot(np.clip(clean, 0, None) + noise[0], noise[1])
    exposed: Pixels = np.clip(np.rint(255 * signal), 0, 255).astype(np.uint8)
    return exposed


def _blend(ground: Plane, details: Plane, *, deviation: float, sharpness: float) -> Plane:
    """Both together, blurred: `deviation` is that of the details, `sharpness` of the Laplacian.

    Sums of squares are read off the spectrum, in px of a picture of 64 whatever the side.
    """
    side = len(ground)
    turns = 2 * np.pi * np.fft.fftfreq(side) * side / 64  # radians per px
    squares = turns[:, None] ** 2 + turns**2
    laplacian = 4 - 2 * np.cos(turns[:, None]) - 2 * np.cos(turns)
    spectra = np.fft.fft2((ground, details)) / ground.size
    narrow, wide = 0.0, 2.0  # deviation of the Gaussian, px
    for _ in range(8):
        width = (narrow + wide) / 2
        blurred = spectra * np.exp(-squares * width**2 / 2)
        both = blurred[0] + blurred[1] * (deviation / np.linalg.norm(blurred[1]))
        is_sharper = np.linalg.norm(both * laplacian) > sharpness
        narrow, wide = (width, wide) if is_sharper else (narrow, width)
    plane: Plane = np.fft.ifft2(both * ground.size).real
    return plane


def _bounds(lesion: NDArray[np.bool_]) -> Box:
    rows, columns = np.flatnonzero(lesion.any(axis=1)), np.flatnonzero(lesion.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
