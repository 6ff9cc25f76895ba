"""Makes the splits that the data does not bring, and folds, without tearing bundles apart.

A bundle is what must stay on one side: copies of every kind, and images of one named group.
scikit-learn's StratifiedGroupKFold makes the folds, but not the splits: it gives 1/k only, and
0.15 would need 3 of 20 folds.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autocnn.core.errors import DataError, Text
from autocnn.core.records import SPLITS, SplitName
from autocnn.core.wording import first_few, listing
from autocnn.data.audit.copies import Copies
from autocnn.data.table import ImageTable

FOLD_ATTEMPTS = 10
"""Shuffles that are tried until every class is in every fold; nearly always the first will do."""

_MADE: tuple[SplitName, ...] = ("test", "val")


@dataclass(frozen=True)
class Split:
    """Which image is in which split.

    Attributes:
        names: (n,) the split of each image of the table.
        made: Splits that were made here; the others were given.
        sentences: How each split came about, in words.
    """

    names: tuple[SplitName, ...]
    made: tuple[SplitName, ...]
    sentences: tuple[str, ...]


def make_split(
    table: ImageTable,
    bundles: NDArray[np.int64],
    *,
    copies: Sequence[Copies],
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> Split:
    """Give every image a split.

    A given val or test stays as it is. A missing one is taken from the training images,
    test first: the same fraction of each class, at least one image, never all. Images of one
    bundle end on the same side.

    Args:
        table: Readable images only.
        bundles: (n,) Images of one number stay on one side, from `bundle_images`.
        copies: The copies among them, for the words.
        val_fraction: Size of a missing val, as a fraction of the images that were not given
            to val or test.
        test_fraction: Size of a missing test, likewise.
        seed: The same seed gives the same split of the same table.

    Raises:
        DataError: When a class would be missing in a split.
    """
    names: list[SplitName] = [split or "train" for split in table.splits]
    made = tuple(split for split in _MADE if split not in names)
    _check_given(table, bundles, names, made)
    pool = [i for i, name in enumerate(names) if name == "train"]
    in_val = {int(bundle) for bundle, name in zip(bundles, names, strict=True) if name == "val"}
    fractions = {"val": val_fraction, "test": test_fraction}
    for done, split in enumerate(made):
        rest = [i for i in pool if names[i] == "train"]
        every = gather_bundles(bundles, rest)
        # An image of test that has a copy or its group in a given val would not be clean.
        apart = {bundle: members for bundle, members in every.items() if bundle not in in_val}
        for some in (apart, every):
            taken = take_bundles(
                tuple(some.values()),
                table.labels,
                targets=_targets(table.labels[pool], fractions[split], len(table.class_names)),
                keep=len(made) - done,
                rng=np.random.default_rng((seed, SPLITS.index(split))),
            )
            if len(set(table.labels[taken])) == len(set(table.labels[pool])):
                break
        for i in taken:
            names[i] = split
        _check_classes(table, names, split, pool)
    _check_classes(table, names, "train", pool)
    kept = _kept_in_words(table, copies, pool)
    sentences = tuple(_sentence(table, names, split, made, len(pool), kept) for split in SPLITS)
    return Split(tuple(names), made, sentences)


def make_folds(
    labels: NDArray[np.int32], bundles: NDArray[np.int64], *, num_folds: int, seed: int
) -> NDArray[np.int64]:
    """Divide images into folds of one size, with the same share of each class.

    Args:
        labels: (m,) Class of each image.
        bundles: (m,) Images of one number stay in one fold.
        num_folds: At least 2.
        seed: The same seed gives the same folds.

    Returns:
        (m,) The fold of each image, 0 to `num_folds` - 1; each class is in every fold.

    Raises:
        DataError: When a class has fewer bundles than there are folds, or they are so tangled
            that no division was found.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(np.unique(bundles[labels == c])) for c in np.unique(labels))
    if fewest < num_folds:
        raise DataError(
            f"every class must have at least {num_folds} different images or groups for "
            f"{num_folds} folds, got {fewest}.",
            remedy=Text("Use {folds:{0}}.", fewest)
            if fewest > 1
            else "Use no folds, or add images.",
        )
    folds = np.empty(len(labels), np.int64)
    for attempt in range(FOLD_ATTEMPTS):
        state = np.random.RandomState(np.random.PCG64((seed, attempt)))
        splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=state)
        for fold, (_, members) in enumerate(splitter.split(labels, labels, bundles)):
            folds[members] = fold
        if all(len(np.unique(folds[labels == c])) == num_folds for c in np.unique(labels)):
            return folds
    raise DataError(
        f"every class must have images in each of {num_folds} folds, but copies and groups "
        "hold them together.",
        remedy=Text("Use fewer {folds}, or smaller groups."),
    )


def _check_given(
    table: ImageTable,
    bundles: NDArray[np.int64],
    names: Sequence[SplitName],
    made: Sequence[SplitName],
) -> None:
    """Given train and val have every class, test at least two; all can be in those to be made."""
    for split in SPLITS:
        if split in made:
            continue
        present = {int(table.labels[i]) for i, name in enumerate(names) if name == split}
        missing = [name for c, name in enumerate(table.class_names) if c not in present]
        # What test lacks is undefined there, and said; val and train decide what is learned.
        if missing and (split != "test" or len(present) < 2):
            raise DataError(
                f"{table.source}: every class must have images in {split}, "
                f"got none of {first_few([repr(name) for name in missing])}.",
                remedy=f"Add images of it to {split}, or take the class out of every split"
                f"{', or leave val out, and it is made' if split == 'val' else ''}; "
                "class names must be spelled alike.",
            )
    needed = 1 + len(made)
    units: dict[int, set[int]] = defaultdict(set)
    for i, side in enumerate(names):
        if side == "train":
            units[int(table.labels[i])].add(int(bundles[i]))
    counts = Counter(table.labels.tolist())
    for c, name in enumerate(table.class_names):
        num_units = len(units[c])
        if num_units < needed or counts[c] < 2:
            where = f"one each for train, {' and '.join(reversed(made))}" if made else "in all"
            raise DataError(
                f"{table.source}: class {name!r} must have at least {max(needed, 2)} different "
                f"images ({where}), got {num_units}"
                f"{f' among {counts[c]:,} files' if counts[c] != num_units else ''}.",
                remedy=Text(
                    "Add images of it, or remove the class. Images of one group count once; of a "
                    "table, {group_column:none} leaves the groups out."
                )
                if any(table.groups)
                else "Add images of it, or remove the class.",
            )


def _check_classes(
    table: ImageTable, names: Sequence[SplitName], split: SplitName, pool: Sequence[int]
) -> None:
    """Groups can be so tangled that no side-keeping split reaches every class."""
    present = {int(table.labels[i]) for i in pool if names[i] == split}
    for c, name in enumerate(table.class_names):
        if c not in present:
            raise DataError(
                f"{table.source}: every class must have images in {split}, got none of {name!r}: "
                "its copies and groups cannot be divided.",
                remedy="Use smaller groups, or give the splits yourself.",
            )


def gather_bundles(bundles: NDArray[np.int64], indices: Sequence[int]) -> dict[int, list[int]]:
    """Bundle -> those of the images that are in it."""
    members: dict[int, list[int]] = defaultdict(list)
    for i in indices:
        members[int(bundles[i])].append(i)
    return dict(members)


def _targets(labels: NDArray[np.int32], fraction: float, num_classes: int) -> NDArray[np.int64]:
    """(classes,) images to take of each: at least 1, in all `fraction` of the images."""
    exact = np.bincount(labels, minlength=num_classes) * fraction
    targets: NDArray[np.int64] = np.maximum(exact.astype(np.int64), 1)
    missing = int(np.rint(exact.sum())) - int(targets.sum())
    # Largest remainders get the images that rounding down left over.
    by_remainder = np.argsort(targets - exact, kind="stable")
    targets[by_remainder[: max(missing, 0)]] += 1
    return targets


def take_bundles(
    bundles: Sequence[Sequence[int]],
    labels: NDArray[np.int32],
    *,
    targets: NDArray[np.int64],
    keep: int,
    rng: np.random.Generator,
) -> list[int]:
    """Images of random bundles that meet the targets as nearly as the bundles allow.

    Args:
        bundles: Images that stay together.
        labels: (n,) Class of each image of the table.
        targets: (classes,) Images wanted.
        keep: Bundles of each class that must be left.
        rng: Decides which.

    Returns:
        Indices in the table; of a class with a target at least one image, where possible.
    """
    counts = [Counter(labels[list(members)].tolist()) for members in bundles]
    left = Counter(c for count in counts for c in count)
    wanted = dict(enumerate(targets.tolist()))
    taken: list[int] = []
    is_taken = [False] * len(bundles)

    def take(b: int) -> None:
        is_taken[b] = True
        taken.extend(bundles[b])
        left.subtract(counts[b].keys())
        for c, count in counts[b].items():
            wanted[c] -= count

    order = rng.permutation(len(bundles)).tolist()
    for b in order:  # whatever still fits: single images fill the targets exactly
        fits = all(wanted[c] >= count for c, count in counts[b].items())
        if fits and all(left[c] > keep for c in counts[b]):
            take(b)
    for b in order:  # large bundles that come nearer to the targets although they overshoot
        nearer = sum(abs(wanted[c]) - abs(wanted[c] - count) for c, count in counts[b].items())
        if not is_taken[b] and nearer > 0 and all(left[c] > keep for c in counts[b]):
            take(b)
    for c, target in enumerate(targets.tolist()):  # no class without an image
        if wanted[c] == target > 0:
            able = [b for b in order if c in counts[b] and all(left[k] > keep for k in counts[b])]
            if able:
                take(min(able, key=lambda b: len(bundles[b])))
    return taken


def _sentence(
    table: ImageTable,
    names: Sequence[SplitName],
    split: SplitName,
    made: Sequence[SplitName],
    num_pool: int,
    kept: str,
) -> str:
    size = names.count(split)
    if split not in made:
        is_given = split in table.splits
        how = "the rest" if made and split == "train" else "as given"
        return f"{split}: {size:,} images, {how if is_given or made else 'all'}."
    what = "training images" if set(table.splits) - {None} else "images"
    return f"{split}: {size:,} of {num_pool:,} {what}, stratified{kept}."


def _kept_in_words(table: ImageTable, copies: Sequence[Copies], pool: Sequence[int]) -> str:
    """Which copies and groups of the images are kept on one side."""
    in_pool = set(pool)
    groups = [[i for i in group.members if i in in_pool] for group in copies]
    same_pixels = sum(
        len({table.sha256[i] for i in members}) - 1
        for group, members in zip(copies, groups, strict=True)
        if group.kind == "pixels" and members
    )
    surplus = sum(len(members) - 1 for members in groups if members)
    by_sha = Counter(table.sha256[i] for i in pool if table.sha256[i])
    same_bytes = by_sha.total() - len(by_sha)
    text = ""
    if surplus:
        num_groups = sum(len(members) > 1 for members in groups)
        counts = {
            "byte-identical": same_bytes,
            "pixel-identical": same_pixels,
            "near": surplus - same_bytes - same_pixels,
        }
        kinds = [f"{number:,} {kind}" for kind, number in counts.items() if number]
        text += (
            f", copies kept on one side ({listing(kinds)} surplus "
            f"{'copy' if surplus == 1 else 'copies'} in {num_groups:,} "
            f"{'group' if num_groups == 1 else 'groups'})"
        )
    beside = {group for i, group in enumerate(table.groups) if i not in in_pool}
    named = len({table.groups[i] for i in pool if table.groups[i]} - beside)
    if named:
        text += f", {named:,} named {'group' if named == 1 else 'groups'} kept whole"
    return text
