"""What is wrong with a data set, in numbers; the words are in `audit_words`."""

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autocnn.core.records import (
    SPLITS,
    AuditReport,
    ClassPixels,
    CopyCounts,
    CopyGroup,
    LabelConflict,
    LikelyGroups,
    OddImage,
    Shortcut,
    SplitName,
    UnreadableImage,
)
from autocnn.data.audit.copies import Copies
from autocnn.data.audit.facts import ClassCounts
from autocnn.data.audit.words import warnings_of
from autocnn.data.split import Split
from autocnn.data.table import FileImages, ImageTable


@dataclass(frozen=True, eq=False)
class Findings:
    """What a look at the files and pixels of the readable images has found.

    Attributes:
        copies: Groups of images that show the same.
        is_blank: (n,) Whether an image is of one colour.
        has_transparency: (n,) Whether its pixels may be transparent.
        likely_groups: Groups that nobody has named; None: no sign of any.
        odd: Images whose size or mode is not that of the others.
        counts: Modes, sizes and file types of each class.
        shortcuts: What file facts predict.
        pixels: What the images of each class look like, in numbers.
    """

    copies: tuple[Copies, ...]
    is_blank: NDArray[np.bool_]
    has_transparency: NDArray[np.bool_]
    likely_groups: LikelyGroups | None
    odd: tuple[OddImage, ...]
    counts: ClassCounts
    shortcuts: tuple[Shortcut, ...]
    pixels: tuple[ClassPixels, ...] = ()


def audit(
    table_before: ImageTable,
    unreadable: Mapping[int, str],
    table: ImageTable,
    split: Split,
    *,
    findings: Findings,
    coloured: Sequence[int] = (),
    asked: str | None = None,
) -> AuditReport:
    """Put together what makes results dishonest: copies across splits, conflicts, lost files.

    Args:
        table_before: All images that were found.
        unreadable: Index in `table_before` -> reason.
        table: The readable images.
        split: The split of each image of `table`.
        findings: About the images of `table`.
        coloured: Indices in `table_before` of images with colour.
        asked: DATA with the options by which it was read, as a shell takes them; None: DATA.
    """
    same_bytes = _same_bytes(table, range(len(table)))
    same_pixels: list[Sequence[int]] = []
    for found in findings.copies:
        is_near = found.kind == "near"
        same_pixels += _same_bytes(table, found.members) if is_near else [found.members]
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
        blank=tuple(table.paths[i] for i in np.flatnonzero(findings.is_blank)),
        num_vanished=int((findings.is_blank & findings.has_transparency).sum()),
        odd=findings.odd,
        modes=findings.counts.modes,
        sizes=findings.counts.sizes,
        file_types=findings.counts.file_types,
        coloured=_per_class(table_before, coloured),
        byte_copies=_count_copies(same_bytes, table, split.names),
        pixel_copies=_count_copies(same_pixels, table, split.names),
        all_copies=_count_copies([c.members for c in findings.copies], table, split.names),
        copies=tuple(_group(table, copies, split.names) for copies in findings.copies),
        label_conflicts=tuple(
            _conflict(table, copies.members)
            for copies in findings.copies
            if has_conflict(table, copies)
        ),
        groups_across_splits=_num_groups_across(table, split.names),
        likely_groups=findings.likely_groups,
        shortcuts=findings.shortcuts,
        pixels=findings.pixels,
        notes=table_before.notes + split.sentences,
        warnings=(),
    )
    has_files = isinstance(table.images, FileImages)
    warnings = warnings_of(report, has_files=has_files, asked=asked or shlex.quote(table.source))
    return report.model_copy(update={"warnings": warnings})


def has_conflict(table: ImageTable, copies: Copies) -> bool:
    """Whether images that show the same carry different labels."""
    return len({int(table.labels[i]) for i in copies.members}) > 1


def _same_bytes(table: ImageTable, members: Iterable[int]) -> list[list[int]]:
    """Which of some images are of equal files."""
    by_bytes: dict[str, list[int]] = defaultdict(list)
    for i in members:
        if table.sha256[i]:
            by_bytes[table.sha256[i]].append(i)
    return [same for same in by_bytes.values() if len(same) > 1]


def _count_copies(
    groups: Sequence[Sequence[int]], table: ImageTable, names: Sequence[SplitName]
) -> CopyCounts:
    splits = [[names[i] for i in members] for members in groups]
    is_across = ["test" in found and set(found) != {"test"} for found in splits]
    leaked = [
        i
        for members, across in zip(groups, is_across, strict=True)
        for i in members
        if across and names[i] == "test"
    ]
    return CopyCounts(
        groups=len(groups),
        surplus=sum(map(len, groups)) - len(groups),
        groups_within_seen=sum(sum(name != "test" for name in found) > 1 for found in splits),
        groups_across_splits=sum(is_across),
        test_images_in_train=len(leaked),
        test_images_in_train_by_class=_per_class(table, leaked),
        val_images_in_train=sum(found.count("val") for found in splits if "train" in found),
    )


def _group(table: ImageTable, copies: Copies, names: Sequence[SplitName]) -> CopyGroup:
    return CopyGroup(
        kind=copies.kind,
        paths=tuple(table.paths[i] for i in copies.members),
        labels=tuple(table.class_names[table.labels[i]] for i in copies.members),
        splits=tuple(names[i] for i in copies.members),
        turns=copies.turns,
    )


def _conflict(table: ImageTable, members: Sequence[int]) -> LabelConflict:
    return LabelConflict(
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


def _num_groups_across(table: ImageTable, names: Sequence[SplitName]) -> int:
    splits: dict[str, set[SplitName]] = defaultdict(set)
    for group, name in zip(table.groups, names, strict=True):
        if group is not None:
            splits[group].add(name)
    return sum(len(found) > 1 for found in splits.values())
