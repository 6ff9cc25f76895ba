"""Images that seem to be of one patient, scan or video, where nobody has said so.

Two things tell: names like `patient_012_slice_07.png`, and neighbours by name that resemble each
other more than other images of their class do.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.core.records import LikelyGroups
from autocnn.data.sources.names import NamePattern
from autocnn.data.table import FileImages, ImageTable

_WORDS = (
    *("patient", "participant", "subject", "person", "subj", "pat", "sub", "case", "pid"),
    *("scan", "series", "study", "video", "clip", "volume", "vol", "slide", "plate", "specimen"),
)
"""Words that say what images belong to, where a number follows them."""

_NUMBERED = r"^(.*\d.*?)[ ._-]+\D*\d+\D*\.[^.]*$"
"""Two numbers: what is before the last one belongs together."""

_NUMBERED_IN_FOLDER = r"([^/]+/[^/]*\d[^/]*?)[ ._-]+[^/\d]*\d+[^/\d]*\.[^/.]*$"
"""The same, where the numbers begin again in every folder."""

_FOLDER = r"([^/]+)/[^/]+$"

MATCHED = 0.9
"""Share of the names that a pattern has to match."""

TOGETHER = 0.5
"""Share of the images that must not be alone in their group."""

ALIKE = 0.7
"""How often images of one group, or neighbours in a class, must resemble each other more than
others of their class do, where no word says what belongs together; 0.5 is chance. Measured among
neighbours: 0.45 to 0.55 in classes of photographs, 0.74 to 0.84 in those of a set of head scans
that were numbered patient by patient."""

MOST_PAIRS, SIDE, FEWEST_PAIRS = 4000, 16, 50
EXAMPLES, SAMPLE, CHUNK = 3, 200, 256


class _Resemblance(NamedTuple):
    """How often images are more like their partners than like others of their class.

    Attributes:
        share: 0.5 is chance.
        num_pairs: Compared.
    """

    share: float
    num_pairs: int

    @property
    def is_clear(self) -> bool:
        """Whether it is much, and beyond four standard errors: there may be many classes."""
        return self.share >= max(ALIKE, 0.5 + 4 * 0.5 / math.sqrt(self.num_pairs))


def find_series(
    table: ImageTable,
    pixels: Pixels,
    rows: NDArray[np.int64],
    bundles: NDArray[np.int64],
    *,
    seed: int,
) -> LikelyGroups | None:
    """Groups that names or neighbours speak of.

    Args:
        table: n readable images.
        pixels: uint8 (rows, side, side, 1 | 3), the decoded array.
        rows: (n,) Row of each image of the table.
        bundles: (n,) The same number for copies.
        seed: Of the other images that pairs are compared with.

    Returns:
        None where the table has groups, its images are no files, or nothing speaks of any.
    """
    if any(table.groups) or not isinstance(table.images, FileImages):
        return None
    rng = np.random.default_rng(seed)
    for regex, has_word in _patterns(table):
        groups = list(map(NamePattern(regex).find, table.paths))
        sizes = Counter(group for group in groups if group is not None)
        together = sum(size for size in sizes.values() if size > 1)
        if len(sizes) < 2 or together < TOGETHER * len(table):
            continue
        if sizes.total() < MATCHED * len(table):
            continue
        alike = _resemblance(table, pixels, rows, _apart(_pairs_within(groups), bundles), rng)
        if has_word or (alike is not None and alike.is_clear):
            largest = sizes.most_common(1)[0][0]
            members = [table.paths[i] for i, group in enumerate(groups) if group == largest]
            return LikelyGroups(
                regex=regex,
                num_groups=len(sizes),
                num_images=together,
                examples=tuple(members[:EXAMPLES]),
                resemblance=None if alike is None else alike.share,
            )
    return _alike_neighbours(table, pixels, rows, bundles, rng)


def _alike_neighbours(
    table: ImageTable,
    pixels: Pixels,
    rows: NDArray[np.int64],
    bundles: NDArray[np.int64],
    rng: np.random.Generator,
) -> LikelyGroups | None:
    """Classes in which neighbours by name are alike, copies aside."""
    found: dict[str, tuple[int, float]] = {}
    most = max(2 * FEWEST_PAIRS, MOST_PAIRS // len(table.class_names))
    for c, name in enumerate(table.class_names):
        members = np.flatnonzero(table.labels == c)
        pairs = list(zip(members[:-1].tolist(), members[1:].tolist(), strict=True))
        alike = _resemblance(table, pixels, rows, _apart(pairs, bundles), rng, most=most)
        if alike is not None and alike.is_clear:
            found[name] = (len(members), alike.share)
    if not found:
        return None
    sizes, shares = zip(*found.values(), strict=True)
    return LikelyGroups(
        regex=None,
        num_groups=0,
        num_images=sum(sizes),
        classes=tuple(found),
        resemblance=float(np.average(shares, weights=sizes)),
    )


def _apart(pairs: Sequence[tuple[int, int]], bundles: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Without pairs of copies, which are alike and kept together anyway."""
    return [(a, b) for a, b in pairs if bundles[a] != bundles[b]]


def _patterns(table: ImageTable) -> list[tuple[str, bool]]:
    """(pattern, whether a word in it says what the group is)."""
    step = max(1, len(table) // SAMPLE)
    some = " ".join(table.paths[::step]).casefold()
    found = [(rf"(?i)({word}[ _-]?\d+)", True) for word in _WORDS if word in some]
    numbered = list(map(NamePattern(_NUMBERED).find, table.paths))
    classes: dict[str, set[int]] = defaultdict(set)
    for group, label in zip(numbered, table.labels.tolist(), strict=True):
        if group is not None:
            classes[group].add(label)
    begins_again = sum(len(labels) > 1 for labels in classes.values()) > len(classes) / 2
    found.append((_NUMBERED_IN_FOLDER if begins_again else _NUMBERED, False))
    parents = {path.rpartition("/")[0] for path in table.paths}
    names = set(table.class_names)
    if sum(parent.rpartition("/")[2] not in names for parent in parents) > len(parents) / 2:
        found.append((_FOLDER, False))
    return found


def _pairs_within(groups: Sequence[str | None]) -> list[tuple[int, int]]:
    """Each image of a group with the one before it."""
    last: dict[str, int] = {}
    pairs = []
    for i, group in enumerate(groups):
        if group is not None:
            if group in last:
                pairs.append((last[group], i))
            last[group] = i
    return pairs


def _resemblance(
    table: ImageTable,
    pixels: Pixels,
    rows: NDArray[np.int64],
    pairs: Sequence[tuple[int, int]],
    rng: np.random.Generator,
    *,
    most: int = MOST_PAIRS,
) -> _Resemblance | None:
    """How often an image is more like its partner than like another of its class; None: too few.

    Pairs of two classes are left out: that they differ says nothing.
    """
    same = [(a, b) for a, b in pairs if table.labels[a] == table.labels[b]]
    if len(same) < FEWEST_PAIRS:
        return None
    chosen = np.unique(np.linspace(0, len(same) - 1, most).astype(np.int64))
    first, second = np.array(same, np.int64)[chosen].T
    classes = np.unique(table.labels[first]).tolist()
    members = {c: np.flatnonzero(table.labels == c) for c in classes}
    other = np.array([rng.choice(members[c]) for c in table.labels[first].tolist()], np.int64)
    is_other = (other != first) & (other != second)
    if is_other.sum() < FEWEST_PAIRS:
        return None
    first, second, other = first[is_other], second[is_other], other[is_other]
    one, partner, stranger = (_shrink(pixels, rows[i]) for i in (first, second, other))
    near, far = (one * partner).sum(axis=1), (one * stranger).sum(axis=1)
    return _Resemblance(float(np.mean(near > far) + np.mean(near == far) / 2), len(first))


def _shrink(pixels: Pixels, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(m, values) Coarse grey values, of mean 0 and length 1."""
    side = pixels.shape[1]
    places = np.linspace(0, side - 1, min(side, SIDE)).astype(np.int64)
    parts = [
        pixels[rows[start : start + CHUNK]][:, places][:, :, places].mean(axis=3, dtype=np.float32)
        for start in range(0, len(rows), CHUNK)
    ]
    flat = np.concatenate(parts).reshape(len(rows), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.sqrt((flat**2).sum(axis=1, keepdims=True))
    unit: NDArray[np.float32] = flat / np.maximum(length, np.float32(1e-6))
    return unit
