"""A split without leaks, made from one that has them."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.core.atomic import replace_file
from autocnn.core.csv_tables import to_csv
from autocnn.core.errors import ConfigError, DataError, StudyError, Text
from autocnn.core.records import SPLITS, SplitName
from autocnn.data.audit.report import has_conflict
from autocnn.data.audit.words import split_file_for
from autocnn.data.dataset import Dataset
from autocnn.data.split import Split, gather_bundles, make_split, take_bundles
from autocnn.data.table import FileImages, ImageTable


@dataclass(frozen=True)
class CorrectedSplit:
    """A split in which no bundle stands on two sides.

    Attributes:
        table: The images that are kept.
        split: The split of each of them.
        sentences: What was changed, in words.
    """

    table: ImageTable
    split: Split
    sentences: tuple[str, ...]


def correct_split(
    dataset: Dataset, *, val_fraction: float, test_fraction: float, seed: int
) -> CorrectedSplit:
    """Correct a split: every bundle goes to one side as a whole.

    Copies with different labels are left out. A bundle that stands both in a given test and
    elsewhere goes to test or to the rest, so that each class keeps the number of its test
    images as nearly as the bundles allow; then the same for a given val. Images whose bundle
    is whole stay where they are. Splits that are not given are made, as by a search.

    Raises:
        DataError: When a class would be missing in a split.
    """
    torn_labels = [c.members for c in dataset.copies if has_conflict(dataset.table, c)]
    dropped = np.array([i for members in torn_labels for i in members], np.int64)
    kept = np.setdiff1d(np.arange(len(dataset.table)), dropped)
    table, bundles = dataset.table.select(kept), dataset.bundles[kept]
    given: list[SplitName] = [name or "train" for name in table.splits]
    names = list(given)
    for split in ("test", "val"):
        if split in given:
            _reassign(names, given, split, table=table, bundles=bundles, seed=seed)
    splits = tuple(
        name if name != "train" or before else None
        for name, before in zip(names, table.splits, strict=True)
    )
    table = replace(table, splits=splits)
    made = make_split(
        table, bundles, copies=(), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed
    )
    sentences = _sentences(given, made, num_conflicts=len(torn_labels), num_dropped=len(dropped))
    return CorrectedSplit(table, made, sentences)


def _reassign(
    names: list[SplitName],
    given: Sequence[SplitName],
    split: SplitName,
    *,
    table: ImageTable,
    bundles: NDArray[np.int64],
    seed: int,
) -> None:
    """Take the bundles that a split shares with later ones to one side of it."""
    others = {"train", "val"} if split == "test" else {"train"}
    is_in = np.array([name == split for name in names])
    is_beside = np.array([name in others for name in names])
    is_torn = np.isin(bundles, np.intersect1d(bundles[is_in], bundles[is_beside]))
    wanted, whole = (
        np.bincount(table.labels[mask], minlength=len(table.class_names))
        for mask in (np.array([name == split for name in given]), is_in & ~is_torn)
    )
    torn = np.flatnonzero(is_torn).tolist()
    groups = tuple(gather_bundles(bundles, torn).values())
    rng = np.random.default_rng((seed, SPLITS.index(split)))
    targets = np.maximum(wanted - whole, 0)
    taken = set(take_bundles(groups, table.labels, targets=targets, keep=0, rng=rng))
    for i in torn:
        if i in taken:
            names[i] = split
        elif names[i] == split:
            names[i] = "train"


def _sentences(
    given: Sequence[SplitName], made: Split, *, num_conflicts: int, num_dropped: int
) -> tuple[str, ...]:
    sentences = []
    if num_conflicts:
        what = "group of copies" if num_conflicts == 1 else "groups of copies"
        sentences.append(
            f"{num_conflicts:,} {what} with different labels left out: {num_dropped:,} images."
        )
    # What a made split takes comes out of train, and is no move.
    sides = ["train" if name in made.made else name for name in made.names]
    for split in SPLITS:
        line = f"{split}: {made.names.count(split):,} images"
        pairs = list(zip(given, sides, strict=True))
        gone = sum(before == split != now for before, now in pairs)
        come = sum(now == split != before for before, now in pairs)
        if split in made.made:
            line += ", made here"
        elif gone or come:
            line += f", {gone:,} moved out, {come:,} moved in"
        else:
            line += ", as given" if len(made.made) < 2 else ", the rest"
        sentences.append(f"{line}.")
    return tuple(sentences)


def check_split_file(file: Path, table: ImageTable) -> None:
    """Refuse a file that could not be given back as DATA.

    Raises:
        DataError: When the images are no files, or the file is DATA itself.
        ConfigError: When the file is no .csv.
    """
    if not isinstance(table.images, FileImages):
        raise DataError(
            f"{table.source}: a split can be written for image files only, got images in one file.",
            remedy="The scores on clean test leave the copies out.",
        )
    source, better = Path(table.source), split_file_for(table.source)
    if file.suffix.lower() != ".csv":
        raise ConfigError(
            Text("{0}: {split_out} must name a .csv file, got {1!r}.", file, file.suffix)
        )
    if source.exists() and file.exists() and source.samefile(file):
        raise DataError(
            f"{file}: must be another file than DATA, got the same.",
            remedy=Text("Use {split_out:{0}}.", better),
        )
    folder = file.resolve().parent
    if not folder.is_dir():
        raise DataError(f"{folder}: must be a folder to write {file.name} to, got none.")


def write_split(file: Path, corrected: CorrectedSplit) -> None:
    """Write a split as a CSV that can be given back as DATA.

    Its columns are path,label,split[,group], then others that DATA has. Paths are relative to
    the CSV's own folder; absolute where the images are on another drive.

    Raises:
        DataError: As `check_split_file`, or when the file cannot be written.
    """
    table = corrected.table
    check_split_file(file, table)
    assert isinstance(table.images, FileImages)
    prefix = table.images.root.resolve()
    with contextlib.suppress(ValueError):  # on Windows, no relative path leads to another drive
        prefix = Path(os.path.relpath(prefix, file.resolve().parent))
    columns: dict[str, Sequence[str | None]] = {
        "path": [(prefix / path).as_posix() for path in table.paths],
        "label": [table.class_names[label] for label in table.labels],
        "split": corrected.split.names,
        **({"group": table.groups} if any(table.groups) else {}),
        **table.others,
    }
    try:
        replace_file(file, to_csv(list(columns), zip(*columns.values(), strict=True)).encode())
    except StudyError as error:
        remedy = Text("Choose another folder with {split_out}.")
        raise DataError(error.message_text, remedy=remedy) from error
