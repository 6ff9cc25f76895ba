"""What the images look like, before anything is said of them: classes, samples, numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

import numpy as np

from autocnn.core import wording
from autocnn.core.arrays import IntArray
from autocnn.core.records import SPLITS, AuditReport, AugmentedImage, SampleImage
from autocnn.reporting.elements import (
    Bar,
    Cell,
    Column,
    Picture,
    Row,
    Table,
    make_table,
    number_columns,
    text_columns,
)

MOST_BARS = 40
"""Classes that have a bar with their name; of more, the ends and the whole as one shape."""

NUM_ENDS = 10
"""Largest and smallest classes that are named where there are more."""

MOST_STEPS = 400
"""Classes that the shape has a step for."""

MOST_ROWS = 100
"""Rows of a table of classes; audit.json has all."""

BRIGHTEST = 255


@dataclass(frozen=True)
class ClassBar:
    """The images of a class as a bar.

    Attributes:
        label: The class.
        number: Its images.
        said: The same by split, in words.
        parts: Split -> per cent of the width, where there are any.
    """

    label: str
    number: str
    said: str
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Shape:
    """All classes as steps, from the largest to the smallest.

    Attributes:
        width: Of the drawing; its height is 100.
        paths: Split -> its steps, for SVG.
        alt: What it shows.
    """

    width: int
    paths: tuple[tuple[str, str], ...]
    alt: str


@dataclass(frozen=True)
class Classes:
    """How many images each class has in each split.

    Attributes:
        sentence: What stands out.
        splits: That have images.
        bars: In the order of the classes, or the largest.
        smallest: The smallest ones, where not all have a bar.
        num_between: Classes between these.
        shape: Of all, where not all have a bar.
    """

    sentence: str
    splits: tuple[str, ...]
    bars: tuple[ClassBar, ...]
    smallest: tuple[ClassBar, ...] = ()
    num_between: int = 0
    shape: Shape | None = None


@dataclass(frozen=True)
class Shown:
    """An image of the data.

    Attributes:
        picture: None where it is not in the page.
        alt: What it is.
    """

    picture: Picture | None
    alt: str


@dataclass(frozen=True)
class Strip:
    """Some images side by side.

    Attributes:
        title: What they are of.
        note: Beside it, smaller; may be empty.
        images: One or more.
    """

    title: str
    note: str
    images: tuple[Shown, ...]


@dataclass(frozen=True)
class Overview:
    """What the page begins its data with.

    Attributes:
        classes: As bars.
        samples: A strip per class; none without images.
        samples_note: How they were chosen, and how many classes are not shown.
        augmented: A strip per training image: as it is, then its versions.
        pixels: Brightness, contrast and size by class; None in older studies.
    """

    classes: Classes
    samples: tuple[Strip, ...]
    samples_note: str
    augmented: tuple[Strip, ...]
    pixels: Table | None


def view_overview(
    audit: AuditReport,
    pictures: Mapping[str, Picture],
    augmented: Sequence[tuple[AugmentedImage, Mapping[str, Picture]]] = (),
) -> Overview:
    """What the images look like.

    Args:
        audit: Of the data.
        pictures: File in `audit/` -> its picture.
        augmented: Training images, each with its pictures.
    """
    samples = _samples(audit, pictures)
    return Overview(
        classes=view_classes(audit),
        samples=samples,
        samples_note=_samples_note(audit, len(samples)),
        augmented=tuple(_augmented(image, found) for image, found in augmented),
        pixels=_pixels(audit),
    )


def view_classes(audit: AuditReport) -> Classes:
    """How many images each class has in each split, as bars."""
    names = audit.class_names
    splits = tuple(s for s in SPLITS if any(audit.counts.get(s, {}).values()))
    counts = np.array(
        [[audit.counts[split].get(name, 0) for name in names] for split in splits], np.int64
    ).reshape(len(splits), len(names))
    totals = counts.sum(axis=0)
    largest = max(1, int(totals.max(initial=0)))

    def bar(index: int) -> ClassBar:
        by_split = list(zip(splits, counts[:, index].tolist(), strict=True))
        return ClassBar(
            label=names[index],
            number=f"{totals[index]:,}",
            said=", ".join(f"{split} {number:,}" for split, number in by_split),
            parts=tuple(
                (split, round(100 * number / largest, 2)) for split, number in by_split if number
            ),
        )

    sentence = _balance(totals.tolist(), names)
    if len(names) <= MOST_BARS:
        return Classes(sentence, splits, tuple(bar(index) for index in range(len(names))))
    order = np.argsort(-totals, kind="stable")
    return Classes(
        sentence,
        splits,
        bars=tuple(bar(index) for index in order[:NUM_ENDS].tolist()),
        smallest=tuple(bar(index) for index in order[-NUM_ENDS:].tolist()),
        num_between=len(names) - 2 * NUM_ENDS,
        shape=_shape(splits, counts[:, order], largest),
    )


def _balance(totals: Sequence[int], names: Sequence[str]) -> str:
    few, many = min(totals), max(totals)
    if few == many:
        return f"Each of the {len(names):,} classes has {wording.count(few, 'image')}."
    middle = f", half of the classes at most {median_low(totals):,}" if len(names) > 2 else ""
    return (
        f"A class has from {wording.count(few, 'image')} ({names[totals.index(few)]}) to {many:,} "
        f"({names[totals.index(many)]}){middle}."
    )


def _shape(splits: Sequence[str], counts: IntArray, largest: int) -> Shape:
    """Steps of classes that are sorted by size, split upon split."""
    num_classes = counts.shape[1]
    places = np.linspace(0, num_classes - 1, min(num_classes, MOST_STEPS)).round().astype(int)
    tops = 100 - 100 * counts[:, places].cumsum(axis=0) / largest
    paths = []
    for split, top in zip(reversed(splits), reversed(tops), strict=True):
        steps = "".join(f"V{height:.4g}h1" for height in top.tolist())
        paths.append((split, f"M0 100{steps}V100z"))
    alt = f"{num_classes:,} classes from the largest, {largest:,} images, to the smallest"
    return Shape(width=len(places), paths=tuple(paths), alt=alt)


def _samples(audit: AuditReport, pictures: Mapping[str, Picture]) -> tuple[Strip, ...]:
    by_class: dict[str, list[SampleImage]] = {}
    for sample in audit.samples:
        if sample.picture in pictures:
            by_class.setdefault(sample.label, []).append(sample)
    totals = {one.label: one.num_images for one in audit.pixels}
    return tuple(
        Strip(
            title=label,
            note=f"{totals[label]:,}" if label in totals else "",
            images=tuple(
                Shown(pictures[one.picture], f"{label}, in {one.split}: {one.path}")
                for one in samples
            ),
        )
        for label, samples in by_class.items()
    )


def _samples_note(audit: AuditReport, num_shown: int) -> str:
    if not num_shown:
        return ""
    left_out = len(audit.pixels) - num_shown
    more = (
        f" Of the {len(audit.pixels):,} classes, {left_out:,} {'is' if left_out == 1 else 'are'} "
        "not shown."
        if left_out > 0
        else ""
    )
    return f"Drawn by chance, from train where it has any, as the network sees them.{more}"


def _augmented(image: AugmentedImage, pictures: Mapping[str, Picture]) -> Strip:
    said = {image.picture: "as it is"}
    said |= {name: f"augmented, {n}" for n, name in enumerate(image.versions, start=1)}
    return Strip(
        title=image.label,
        note=image.path,
        images=tuple(
            Shown(pictures[name], f"{image.label}, {words}: {image.path}")
            for name, words in said.items()
            if name in pictures
        ),
    )


def _pixels(audit: AuditReport) -> Table | None:
    if not audit.pixels:
        return None
    is_coloured = any(one.colourfulness >= 1 for one in audit.pixels)
    rows: list[Row] = []
    for one in audit.pixels:
        low, high = one.brightness - one.brightness_sd, one.brightness + one.brightness_sd
        ends = (min(100.0, max(0.0, 100 * v / BRIGHTEST)) for v in (low, high, one.brightness))
        cells = [
            Cell(one.label, one.label),
            Cell(f"{one.num_images:,}", one.num_images),
            Cell(
                f"{one.brightness:.0f} ± {one.brightness_sd:.0f}",
                one.brightness,
                bar=Bar(*(round(end, 2) for end in ends)),
            ),
            Cell(f"{one.contrast:.0f}", one.contrast),
        ]
        if is_coloured:
            cells.append(Cell(f"{one.colourfulness:.0f}", one.colourfulness))
        size = f"{one.width:,.0f} {wording.TIMES} {one.height:,.0f}"
        rows.append([*cells, Cell(size, one.width * one.height)])
    columns: list[Column] = [
        *text_columns("class"),
        *number_columns("images", "brightness", "contrast"),
        *number_columns(*(["colour"] if is_coloured else [])),
        *number_columns("size in px"),
    ]
    caption = (
        "Pixels by class: mean brightness (0 to 255) with its spread from image to image, contrast "
        "(standard deviation within an image), "
        f"{'colour (largest less smallest channel), ' if is_coloured else ''}median size of the "
        "files."
    )
    return make_table(
        "pixels",
        caption,
        columns=columns,
        rows=rows,
        is_sortable=True,
        most=MOST_ROWS,
        scale="Bars from 0 to 255.",
    )
