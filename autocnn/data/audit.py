"""What is wrong with a data set, in numbers and in words."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from autocnn.data.split import Split
from autocnn.data.table import ImageTable, first_few
from autocnn.records import SCHEMA_VERSION, SPLITS, Record, SplitName

FEW_COLOURED = 0.1
"""Share of coloured images up to which they look like an accident, not like the data."""


class UnreadableImage(Record):
    """A file that was left out, and why."""

    path: str
    reason: str


class LabelConflict(Record):
    """Byte-identical images under different labels."""

    sha256: str
    paths: tuple[str, ...]
    labels: tuple[str, ...]


class AuditReport(Record):
    """What the data look like, before anything is trained on them.

    Exact copies are files with the same sha256. "Seen" images are those in train or val:
    a final model is trained on both.

    Attributes:
        source: DATA as it was given.
        num_images: Readable images.
        class_names: In label order.
        counts: Split -> class -> images.
        ignored: Kind of file or folder that was left out -> how many.
        unreadable: Images that could not be decoded.
        surplus_copies: Images less distinct images.
        copy_groups: Sets of two or more identical images.
        copy_groups_within_seen: Those that have two or more images in train and val together.
        copy_groups_across_splits: Those with images both in test and in train or val.
        test_images_in_train: Test images identical to an image of train or val.
        test_images_in_train_by_class: The same per class, by the test image's label.
        val_images_in_train: Val images identical to an image of train.
        groups_across_splits: Named groups with images in more than one split.
        coloured: Class -> images with colour, where `--channels auto` looked for them.
        label_conflicts: Identical images under different labels.
        notes: Choices made while reading and splitting, one sentence each.
        warnings: What may spoil the result, one sentence each.
    """

    schema_version: int = SCHEMA_VERSION
    source: str
    num_images: int
    class_names: tuple[str, ...]
    counts: dict[SplitName, dict[str, int]]
    ignored: dict[str, int]
    unreadable: tuple[UnreadableImage, ...]
    surplus_copies: int
    copy_groups: int
    copy_groups_within_seen: int
    copy_groups_across_splits: int
    test_images_in_train: int
    test_images_in_train_by_class: dict[str, int]
    val_images_in_train: int
    groups_across_splits: int
    coloured: dict[str, int]
    label_conflicts: tuple[LabelConflict, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def audit(
    table_before: ImageTable,
    unreadable: Mapping[int, str],
    table: ImageTable,
    split: Split,
    *,
    coloured: Sequence[int] = (),
) -> AuditReport:
    """Look for what makes results dishonest: copies across splits, conflicts, lost files.

    Args:
        table_before: All images that were found.
        unreadable: Index in `table_before` -> reason.
        table: The readable images.
        split: The split of each image of `table`.
        coloured: Indices in `table_before` of images with colour.
    """
    copies = _copies(table)
    across = [members for members in copies if _is_across(members, split.names)]
    seen = [sum(split.names[i] != "test" for i in members) for members in copies]
    leaked = [i for members in across for i in members if split.names[i] == "test"]
    conflicts = tuple(_conflict(table, members) for members in copies if _differ(table, members))
    report = AuditReport(
        source=table.source,
        num_images=len(table),
        class_names=table.class_names,
        counts=_counts(table, split.names),
        ignored=dict(table_before.ignored),
        unreadable=tuple(
            UnreadableImage(path=table_before.paths[i], reason=reason)
            for i, reason in sorted(unreadable.items())
        ),
        surplus_copies=sum(map(len, copies)) - len(copies),
        copy_groups=len(copies),
        copy_groups_within_seen=sum(count > 1 for count in seen),
        copy_groups_across_splits=len(across),
        test_images_in_train=len(leaked),
        test_images_in_train_by_class=_per_class(table, leaked),
        val_images_in_train=_num_val_in_train(copies, split.names),
        groups_across_splits=_num_groups_across(table, split.names),
        coloured=_per_class(table_before, coloured),
        label_conflicts=conflicts,
        notes=table_before.notes + split.sentences,
        warnings=(),
    )
    return report.model_copy(update={"warnings": tuple(_warnings(report))})


def _copies(table: ImageTable) -> list[list[int]]:
    """Sets of two or more images with the same bytes."""
    by_sha: dict[str, list[int]] = defaultdict(list)
    for i, sha in enumerate(table.sha256):
        if sha:
            by_sha[sha].append(i)
    return [members for members in by_sha.values() if len(members) > 1]


def _is_across(members: Sequence[int], names: Sequence[SplitName]) -> bool:
    return len({names[i] == "test" for i in members}) == 2


def _differ(table: ImageTable, members: Sequence[int]) -> bool:
    return len({int(table.labels[i]) for i in members}) > 1


def _conflict(table: ImageTable, members: Sequence[int]) -> LabelConflict:
    return LabelConflict(
        sha256=table.sha256[members[0]],
        paths=tuple(table.paths[i] for i in members),
        labels=tuple(table.class_names[table.labels[i]] for i in members),
    )


def _counts(table: ImageTable, names: Sequence[SplitName]) -> dict[SplitName, dict[str, int]]:
    pairs = Counter(zip(names, table.labels.tolist(), strict=True))
    return {
        split: {name: pairs[split, c] for c, name in enumerate(table.class_names)}
        for split in SPLITS
    }


def _per_class(table: ImageTable, indices: Sequence[int]) -> dict[str, int]:
    counts = np.bincount(table.labels[list(indices)], minlength=len(table.class_names))
    return dict(zip(table.class_names, counts.tolist(), strict=True))


def _num_val_in_train(copies: Sequence[Sequence[int]], names: Sequence[SplitName]) -> int:
    splits = [[names[i] for i in members] for members in copies]
    return sum(found.count("val") for found in splits if "train" in found)


def _num_groups_across(table: ImageTable, names: Sequence[SplitName]) -> int:
    splits: dict[str, set[SplitName]] = defaultdict(set)
    for group, name in zip(table.groups, names, strict=True):
        if group is not None:
            splits[group].add(name)
    return sum(len(found) > 1 for found in splits.values())


def _warnings(report: AuditReport) -> list[str]:
    warnings = []
    if report.unreadable:
        shown = first_few([f"{image.path} {image.reason}" for image in report.unreadable])
        are = (
            "image cannot be read and is"
            if len(report.unreadable) == 1
            else ("images cannot be read and are")
        )
        warnings.append(f"{len(report.unreadable):,} {are} left out: {shown}.")
    if report.test_images_in_train:
        test = sum(report.counts["test"].values())
        classes = _in_words(report.test_images_in_train_by_class)
        verb = (
            "is a byte-identical copy"
            if report.test_images_in_train == 1
            else ("are byte-identical copies")
        )
        warnings.append(
            f"{report.test_images_in_train:,} of {test:,} test images {verb} of training "
            f"images: {classes}. The test score is too good by what the model remembers of them."
        )
    if report.val_images_in_train:
        val = sum(report.counts["val"].values())
        warnings.append(
            f"{report.val_images_in_train:,} of {val:,} val images are byte-identical copies of "
            "training images: the search may choose models that memorise."
        )
    if report.groups_across_splits:
        warnings.append(
            f"{report.groups_across_splits:,} groups have images in more than one split, as given."
        )
    num_coloured = sum(report.coloured.values())
    if 0 < num_coloured <= FEW_COLOURED * report.num_images:
        have = "image has" if num_coloured == 1 else "images have"
        warnings.append(
            f"Only {num_coloured:,} of {report.num_images:,} {have} colour "
            f"({_in_words(report.coloured)}), and all are read as RGB for it. "
            "--channels grey reads them as grey."
        )
    if report.label_conflicts:
        shown = first_few([" = ".join(conflict.paths) for conflict in report.label_conflicts])
        warnings.append(
            f"Identical images carry different labels ({len(report.label_conflicts):,} times): "
            f"{shown}."
        )
    return warnings


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items() if count)
