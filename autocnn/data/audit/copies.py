"""Finds images that show the same: equal files, equal pixels, and near copies.

A near copy is the same picture turned by 90, 180 or 270 degrees, mirrored, scaled, a little
brighter or compressed again. Neighbouring slices of one patient are none: they are for the
`group` column. Where the limit lies, and why: docs/decisions/0010-near-copies.md.
"""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.core.events import Observer
from autocnn.data.audit.fingerprints import (
    TURNS,
    Spectra,
    compute_keys,
    compute_spectra,
    low_frequencies,
    squared_distances,
)
from autocnn.data.table import ImageTable

NEAR = 0.02
"""Largest squared distance of near copies: their gradients correlate by 0.99 or more."""

REACH = 4.0
"""How many times as far as two near copies a group may reach: what two ties can bridge."""

CHUNK_VALUES = 2_000_000
"""Pixel values that are worked on at once."""

TILE = (1024, 8192)
"""Keys that are compared at once: 34 MB of distances."""

PAIRS = 256
"""Pairs whose spectra are compared at once."""

ROUNDING = 1e-5
"""More than squared distances of float32 are off by."""

Indices = NDArray[np.int64]
LowSpectra = NDArray[np.float32]
"""(images, 1, frequencies, frequencies)."""


@dataclass(frozen=True)
class Copies:
    """Two or more images that show the same.

    Attributes:
        kind: `bytes`, `pixels` or `near`: the weakest tie that holds them together.
        members: Indices in the table, ascending.
        turns: How each lies to the first, one of `fingerprints.TURNS`.
    """

    kind: Literal["bytes", "pixels", "near"]
    members: tuple[int, ...]
    turns: tuple[str, ...]


def find_copies(
    table: ImageTable, pixels: Pixels, *, rows: Indices, observer: Observer
) -> tuple[Copies, ...]:
    """Find all groups of copies. The same images give the same groups.

    Images of one colour are copies only when their files are equal. Memory: about 3 kB per
    image, whatever its size. Time grows with the square of the number of images: 66 s of
    processor time for 100,000.

    Args:
        table: n readable images.
        pixels: uint8 (rows, side, side, channels), the decoded array.
        rows: (n,) Row of each image of the table.
        observer: Hears of the stage `compare`, in images.

    Returns:
        Groups in the order of their first images.
    """
    observer.stage("compare", total=len(table), unit="images")
    images = _Images(pixels, rows)
    by_bytes, by_pixels, near = (_Forest(len(table)) for _ in range(3))
    by_bytes.join_equal(table.sha256)
    by_pixels.join_forest(by_bytes)
    by_pixels.join_equal(images.digests())
    near.join_forest(by_pixels)
    distinct = np.flatnonzero(by_pixels.roots() == np.arange(len(table)))
    for group in _find_near(images, distinct, limit=NEAR, observer=observer):
        near.join_all(group)
    groups = []
    for members in near.groups():
        if len(set(by_bytes.find(members))) == 1:
            groups.append(Copies("bytes", members, (TURNS[0],) * len(members)))
        elif len(set(by_pixels.find(members))) == 1:
            groups.append(Copies("pixels", members, (TURNS[0],) * len(members)))
        else:
            groups.append(Copies("near", members, images.turns(members)))
    return tuple(groups)


def bundle_images(table: ImageTable, copies: Iterable[Copies]) -> Indices:
    """What must never stand on two sides of a split: copies, and images of one named group.

    Returns:
        (n,) The same number for images of one bundle: the index of its first image.
    """
    forest = _Forest(len(table))
    for group in copies:
        forest.join_all(group.members)
    forest.join_equal(table.groups)
    return forest.roots()


class _Forest:
    """Sets of indices that grow together; each is known by its smallest member."""

    def __init__(self, size: int) -> None:
        self.parent = np.arange(size)

    def find(self, indices: Sequence[int] | Indices) -> Indices:
        """The root of each."""
        roots = self.parent[np.asarray(indices, np.int64)]
        while True:
            above = self.parent[roots]
            if np.array_equal(above, roots):
                return roots
            roots = above

    def roots(self) -> Indices:
        """(size,) The root of every index, found once and for all."""
        self.parent = self.find(self.parent)
        return self.parent

    def join(self, first: int, second: int) -> None:
        a, b = sorted(self.find((first, second)).tolist())
        self.parent[[first, second, b]] = a

    def join_all(self, members: Sequence[int]) -> None:
        for member in members[1:]:
            self.join(members[0], member)

    def join_equal(self, values: Iterable[Hashable]) -> None:
        """Join the indices of equal values; empty ones are equal to none."""
        first: dict[Hashable, int] = {}
        for index, value in enumerate(values):
            if value:
                before = first.setdefault(value, index)
                if before != index:
                    self.join(before, index)

    def join_forest(self, other: "_Forest") -> None:
        self.join_equal((int(root) + 1) for root in other.roots())

    def groups(self) -> list[tuple[int, ...]]:
        """Sets of two or more, in the order of their first members."""
        members: dict[int, list[int]] = defaultdict(list)
        for index, root in enumerate(self.roots().tolist()):
            members[root].append(index)
        return [tuple(group) for group in members.values() if len(group) > 1]


class _Images:
    """The decoded images of a table, read in chunks."""

    def __init__(self, pixels: Pixels, rows: Indices) -> None:
        self.pixels = pixels
        self.rows = rows

    def chunks(self, indices: Indices) -> Iterator[Indices]:
        size = max(1, CHUNK_VALUES // int(np.prod(self.pixels.shape[1:])))
        for start in range(0, len(indices), size):
            yield indices[start : start + size]

    def digests(self) -> Iterator[bytes]:
        """Of the pixels of each image; empty for an image of one colour."""
        for chunk in self.chunks(np.arange(len(self.rows))):
            values = self.pixels[self.rows[chunk]].reshape(len(chunk), -1)
            is_blank = values.max(axis=1) == values.min(axis=1)
            for image, blank in zip(values, is_blank.tolist(), strict=True):
                yield b"" if blank else hashlib.blake2b(image.data, digest_size=16).digest()

    def spectra(self, indices: Indices) -> Spectra:
        parts = [compute_spectra(self.pixels[self.rows[chunk]]) for chunk in self.chunks(indices)]
        return np.concatenate(parts)

    def distances(self, first: Indices, second: Indices) -> NDArray[np.float64]:
        """(pairs, 8) Squared distances in each position."""
        unique, places = np.unique(np.concatenate((first, second)), return_inverse=True)
        spectra = self.spectra(unique)
        return squared_distances(spectra[places[: len(first)]], spectra[places[len(first) :]])

    def turns(self, members: Sequence[int]) -> tuple[str, ...]:
        """How each lies to the first."""
        indices = np.array(members)
        turns = [TURNS[0]]
        for start in range(1, len(members), PAIRS):
            others = indices[start : start + PAIRS]
            distances = self.distances(np.full(len(others), indices[0]), others)
            turns += [TURNS[turn] for turn in distances.argmin(axis=1)]
        return tuple(turns)


def _find_near(
    images: _Images, indices: Indices, *, limit: float, observer: Observer
) -> Iterator[tuple[int, ...]]:
    """Groups of images that ties of at most `limit` hold together.

    Where ties chain images that are not alike (one member is farther from the first than two
    ties can bridge), the group is looked at again with half the limit, until none is left.
    """
    low = _compute_low(images, indices, observer)
    has_content = low.any(axis=(1, 2, 3))
    indices, low = indices[has_content], low[has_content]
    forest = _Forest(len(indices))
    for first, second in _candidates(low, limit, forest):
        distances = images.distances(indices[first], indices[second]).min(axis=1)
        for place in np.flatnonzero(distances <= limit).tolist():
            forest.join(int(first[place]), int(second[place]))
    for places in forest.groups():
        group = indices[list(places)]
        if len(group) == 2 or _reach(images, group) <= REACH * limit:
            yield tuple(group.tolist())
        else:
            yield from _find_near(images, group, limit=limit / 2, observer=Observer())


def _reach(images: _Images, group: Indices) -> float:
    """The squared distance of the first image to the farthest."""
    farthest = 0.0
    for start in range(1, len(group), PAIRS):
        others = group[start : start + PAIRS]
        distances = images.distances(np.full(len(others), group[0]), others)
        farthest = max(farthest, float(distances.min(axis=1).max()))
    return farthest


def _compute_low(images: _Images, indices: Indices, observer: Observer) -> LowSpectra:
    parts = []
    for chunk in images.chunks(indices):
        parts.append(low_frequencies(images.spectra(chunk)).astype(np.float32))
        observer.advance(len(chunk))
    return np.concatenate(parts)


def _candidates(
    low: LowSpectra, limit: float, forest: "_Forest"
) -> Iterator[tuple[Indices, Indices]]:
    """Pairs whose low frequencies are no farther than those of near copies can be.

    Not those that are held together already: of a thousand frames of a fixed camera, there are
    half a million pairs.

    In a fixed order, a few at a time. What a float32 may be off by is added to the limit: the
    exact distance is looked at later.
    """
    keys = compute_keys(low)
    squares = (keys**2).sum(axis=1)
    height, width = TILE
    for top in range(0, len(keys), height):
        for left in range(top, len(keys), width):
            below, beside = slice(top, top + height), slice(left, left + width)
            products = keys[below] @ keys[beside].T
            distances = squares[below, np.newaxis] + squares[beside] - 2 * products
            first, second = np.nonzero(distances <= limit + ROUNDING)
            is_pair = second + left > first + top
            first, second = first[is_pair] + top, second[is_pair] + left
            for start in range(0, len(first), PAIRS):
                pair = first[start : start + PAIRS], second[start : start + PAIRS]
                is_open = forest.find(pair[0]) != forest.find(pair[1])
                if not is_open.any():
                    continue
                pair = pair[0][is_open], pair[1][is_open]
                nearest = squared_distances(*(low[side].astype(np.float64) for side in pair)).min(
                    axis=1
                )
                is_near = nearest <= limit + ROUNDING
                if is_near.any():
                    yield pair[0][is_near], pair[1][is_near]
