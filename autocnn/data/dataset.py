"""From DATA to everything that training and reporting need of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autocnn.core.config import StudyConfig, data_arguments
from autocnn.core.errors import DataError, Text
from autocnn.core.events import Observer
from autocnn.core.records import SPLITS, AuditReport, Channels, Fit, SplitName
from autocnn.core.wording import first_few
from autocnn.data.arrays import DecodedImages, choose_image_size, decode_images
from autocnn.data.audit.copies import Copies, bundle_images, find_copies
from autocnn.data.audit.facts import (
    Facts,
    blank_images,
    count_by_class,
    describe_frames,
    measure_classes,
    odd_images,
    read_facts,
)
from autocnn.data.audit.marks import find_marks
from autocnn.data.audit.report import Findings, audit
from autocnn.data.audit.series import find_series
from autocnn.data.audit.shortcuts import find_shortcuts
from autocnn.data.columns import values_by
from autocnn.data.dropping import choose_dropped, keep_copies, keep_split, read_drops
from autocnn.data.sources.open import read_source
from autocnn.data.split import Split, make_split
from autocnn.data.table import ImageTable

MOST_WARNINGS = 3
"""Warnings of the audit that a search tells; `autocnn audit` has the rest."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Readable, labelled, split and decoded images.

    Attributes:
        table: The n readable images; paths, labels, groups, sha256.
        split: The split of each of them.
        rows: (n,) int64, image of the table -> its row in every decoded array.
        labels: (rows of the arrays,) int32, class of each row; -1 for an image that is unreadable
            or left out.
        arrays: Side in px -> decoded images.
        default_image_size: Side in px for trials whose params do not name one.
        copies: Groups of images that show the same.
        bundles: (n,) int64, the same number for images that must stay on one side: copies of
            every kind, and images of one named group.
        audit: What is wrong with the data.
        fingerprint: Changes with any path, label, split or content.
        dropped: Path, label and split of the images that were left out on demand.
        absent: Row in the arrays, and sha256, of each image that is not in the table.
    """

    table: ImageTable
    split: Split
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    arrays: Mapping[int, DecodedImages]
    default_image_size: int
    copies: tuple[Copies, ...]
    bundles: NDArray[np.int64]
    audit: AuditReport
    fingerprint: str
    dropped: tuple[tuple[str, str, str], ...] = ()
    absent: tuple[tuple[int, str], ...] = ()

    @property
    def split_names(self) -> tuple[SplitName, ...]:
        """(n,) the split of each image of the table."""
        return self.split.names

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.table.class_names

    @property
    def num_classes(self) -> int:
        """Number of classes, at least 2."""
        return len(self.table.class_names)

    @property
    def is_clean_test(self) -> NDArray[np.bool_]:
        """(n,) Whether an image is in test, and no image of its bundle in train or val."""
        is_test = np.array(self.split.names) == "test"
        is_clean: NDArray[np.bool_] = is_test & ~np.isin(self.bundles, self.bundles[~is_test])
        return is_clean

    def positions(self, split: SplitName) -> NDArray[np.int64]:
        """Indices into `table` of the images of a split, ascending."""
        return self._positions[split]

    @cached_property
    def _positions(self) -> dict[str, NDArray[np.int64]]:
        names = np.array(self.split.names)
        return {split: np.flatnonzero(names == split).astype(np.int64) for split in SPLITS}

    def indices(self, split: SplitName) -> NDArray[np.int64]:
        """Rows of the decoded arrays, and of `labels`, of the images of a split.

        In the order of `positions(split)`.
        """
        return self.rows[self.positions(split)]

    @property
    def position_of(self) -> NDArray[np.int64]:
        """(rows of the arrays,) Index into `table` of each row; -1 where none of its images is."""
        found = np.full(len(self.labels), -1, np.int64)
        found[self.rows] = np.arange(len(self.rows))
        return found

    def table_rows(self) -> list[tuple[str, str, str, str, str]]:
        """The rows of split.csv: path, label, group, split, sha256."""
        table = self.table
        return [
            (path, table.class_names[label], group or "", split, sha256)
            for path, label, group, split, sha256 in zip(
                table.paths, table.labels, table.groups, self.split.names, table.sha256, strict=True
            )
        ]

    def images(self, size: int | None = None) -> DecodedImages:
        """The decoded images of a side in px; None is the default one.

        Raises:
            DataError: When that side was not prepared.
        """
        side = self.default_image_size if size is None else size
        if side not in self.arrays:
            sizes = ", ".join(str(one) for one in sorted(self.arrays))
            raise DataError(f"image_size must be one that was prepared ({sizes}), got {side}.")
        return self.arrays[side]


def prepare_data(
    config: StudyConfig,
    *,
    image_sizes: Sequence[int | None],
    observer: Observer,
    audits: Mapping[str, AuditReport] | None = None,
    dropped: Sequence[str] | None = None,
) -> Dataset:
    """Read, decode, split and audit the data of a study.

    Args:
        config: Where the data are and how to treat them.
        image_sizes: Sides that the space may ask for, px; None is the default side:
            `config.image_size`, or what suits the images. The default is always prepared.
        observer: Hears of the stages `read`, `decode`, `facts`, `compare` and `audit`, and of
            what was found.
        audits: Fingerprint of a data set -> its audit, by the same config; one that is there
            is not made again, nor are its copies sought.
        dropped: Paths that a study has left out of train and val, of which some may be gone by
            now; None: what `config.drop_labels` says.

    Raises:
        DataError: When the data cannot be used; nothing half-written is left.
    """
    asked: tuple[str, ...] = ()
    if dropped is None and config.drop_labels is not None:
        asked = read_drops(config.drop_labels)
    found = read_source(config.data, reading=config.reading, observer=observer)
    there = set(found.paths)
    drops = asked if dropped is None else tuple(path for path in dropped if path in there)
    told = found.notes
    for note in told:  # at once: what was understood may be wrong
        observer.note(note)
    values_by(found, config.by or ())  # before anything that takes long
    default_size = config.image_size or choose_image_size(found)
    arrays = _decode_sizes(found, config, (default_size, *image_sizes), observer)
    unreadable: dict[int, str] = {}
    for decoded in arrays.values():
        unreadable |= decoded.unreadable
    _check_unreadable(found, unreadable, config.max_unreadable)
    rows = np.setdiff1d(np.arange(len(found)), list(unreadable)).astype(np.int64)
    audits = audits or {}
    examined = None if drops else _known(found.select(rows), rows, audits, config)
    if examined is None:
        default = arrays[default_size]
        examined = _examine(found, unreadable, rows, default, audits, drops, config, observer)
    table, rows = examined.table.without_pixels(), examined.rows
    labels = np.full(len(found), -1, np.int32)
    labels[rows] = table.labels
    dataset = Dataset(
        table=table,
        split=examined.split,
        rows=rows,
        labels=labels,
        arrays=arrays,
        default_image_size=default_size,
        copies=examined.copies,
        bundles=examined.bundles,
        audit=examined.report,
        fingerprint=examined.fingerprint,
        dropped=examined.dropped,
        absent=tuple((row, found.sha256[row]) for row in np.flatnonzero(labels < 0).tolist()),
    )
    _tell(dataset, observer, asked=data_arguments(config), num_told=len(told), fit=config.fit)
    return dataset


@dataclass(frozen=True, eq=False)
class _Examined:
    """What was found out about the readable images, as the attributes of a `Dataset`."""

    table: ImageTable
    rows: NDArray[np.int64]
    copies: tuple[Copies, ...]
    bundles: NDArray[np.int64]
    split: Split
    fingerprint: str
    report: AuditReport
    dropped: tuple[tuple[str, str, str], ...] = ()


def _known(
    table: ImageTable,
    rows: NDArray[np.int64],
    audits: Mapping[str, AuditReport],
    config: StudyConfig,
) -> _Examined | None:
    """What an earlier audit of these very images says; None where there is none.

    The fingerprint of a data set is that of all contents, labels and splits: where the copies that
    an audit names lead to it, they are those of these images.
    """
    index_of = {path: index for index, path in enumerate(table.paths)}
    for fingerprint, report in audits.items():
        if not all(path in index_of for group in report.copies for path in group.paths):
            continue
        copies = tuple(
            Copies(group.kind, tuple(index_of[path] for path in group.paths), group.turns)
            for group in report.copies
        )
        try:
            bundles, split = _split(table, copies, config)
        except DataError:
            continue
        if _fingerprint(table, split) == fingerprint:
            return _Examined(table, rows, copies, bundles, split, fingerprint, report)
    return None


def _examine(
    found: ImageTable,
    unreadable: Mapping[int, str],
    rows: NDArray[np.int64],
    decoded: DecodedImages,
    audits: Mapping[str, AuditReport],
    drops: Sequence[str],
    config: StudyConfig,
    observer: Observer,
) -> _Examined:
    """Seek the copies among the readable images, split them, leave out drops, audit the rest."""
    table, pixels = found.select(rows), decoded.open()
    facts = read_facts(table, pixels, rows, observer=observer)
    _check_visible(table, facts)
    table = table.without_pixels()
    copies = find_copies(table, pixels, rows=rows, observer=observer)
    bundles, split = _split(table, copies, config)
    notes = (*describe_frames(facts, table), *_levels_in_words(decoded, config))
    dropped: tuple[tuple[str, str, str], ...] = ()
    if drops:
        # After the split, which is that of the study in which these images were found.
        chosen = choose_dropped(found, table, split, drops, name=str(config.drop_labels))
        kept, dropped = np.flatnonzero(chosen.is_kept), chosen.rows
        table, rows, facts = table.select(kept), rows[kept], facts.select(kept)
        copies = keep_copies(copies, chosen.is_kept)
        bundles = bundle_images(table, copies)
        split = keep_split(split, chosen.is_kept, chosen.sentences)
    fingerprint = _fingerprint(table, split)
    report = audits.get(fingerprint)
    if report is None:
        observer.stage("audit")
        is_test = np.array(split.names) == "test"
        shortcuts = (
            *find_marks(pixels, rows, table.labels, table.class_names, seed=config.seed),
            *find_shortcuts(
                facts, table.labels, table.class_names, is_test, bundles, seed=config.seed
            ),
        )
        report = audit(
            replace(found, notes=(*found.notes, *notes)),
            unreadable,
            table,
            split,
            findings=Findings(
                copies=copies,
                is_blank=blank_images(facts),
                has_transparency=facts.has_transparency,
                likely_groups=find_series(table, pixels, rows, bundles, seed=config.seed),
                odd=odd_images(facts, table),
                counts=count_by_class(facts, table.labels, table.class_names),
                pixels=measure_classes(facts, table.labels, table.class_names),
                shortcuts=shortcuts,
            ),
            coloured=decoded.coloured,
            asked=data_arguments(config),
        )
    return _Examined(table, rows, copies, bundles, split, fingerprint, report, dropped)


def _split(
    table: ImageTable, copies: tuple[Copies, ...], config: StudyConfig
) -> tuple[NDArray[np.int64], Split]:
    bundles = bundle_images(table, copies)
    split = make_split(
        table,
        bundles,
        copies=copies,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
    )
    return bundles, split


def _decode_sizes(
    table: ImageTable, config: StudyConfig, sizes: Sequence[int | None], observer: Observer
) -> dict[int, DecodedImages]:
    """Each side once; the first decides for all whether `auto` is grey or RGB."""
    arrays: dict[int, DecodedImages] = {}
    channels: Channels = config.channels or "auto"
    for size in dict.fromkeys(size for size in sizes if size is not None):
        arrays[size] = decode_images(
            table,
            image_size=size,
            channels=channels,
            cache_dir=config.cache_dir,
            cache_limit_gb=config.cache_limit_gb,
            observer=observer,
            levels=config.levels,
            fit=config.fit,
        )
        channels = arrays[size].channels
    return arrays


def _levels_in_words(decoded: DecodedImages, config: StudyConfig) -> tuple[str, ...]:
    """How values of more than 8 bits were read; empty where there are none and none were meant."""
    if decoded.levels is None:
        unused = "--window does nothing here: no image has values of more than 8 bits."
        return (unused,) if config.window else ()
    low, high = decoded.levels
    why = ", the middle of the windows that the files name" if decoded.has_windows else ""
    how = "as --window says" if config.window else f"in all images{why}"
    otherwise = "" if config.window else " Otherwise: --window CENTER,WIDTH."
    return (
        f"Values of more than 8 bits are read from {low:g}, black, to {high:g}, white, {how}."
        f"{otherwise}",
    )


def _check_unreadable(
    table: ImageTable, unreadable: Mapping[int, str], max_unreadable: float
) -> None:
    if len(unreadable) <= max_unreadable * len(table) and len(unreadable) < len(table):
        return
    remedy = Text("Repair or delete them, or raise {max_unreadable}.")
    if len(unreadable) == len(table):
        remedy = Text("Repair them, or give other images.")
    paths = [table.paths[i] for i in sorted(unreadable)]
    reasons = [unreadable[i] for i in sorted(unreadable)]
    if len(paths) > 1 and len(set(reasons)) == 1:
        got = f"{first_few(paths)}, each of which {reasons[0]}"
    else:
        got = first_few([f"{path} {reason}" for path, reason in zip(paths, reasons, strict=True)])
    raise DataError(
        f"{table.source}: at most {max_unreadable:.0%} of the images may be unreadable, "
        f"got {len(unreadable):,} of {len(table):,}: {got}.",
        remedy=remedy,
    )


def _check_visible(table: ImageTable, facts: Facts) -> None:
    """Refuse images of which nothing is left on white."""
    if not (blank_images(facts) & facts.has_transparency).all():
        return
    raise DataError(
        f"{table.source}: images must show something, got {len(table):,} of one colour each: what "
        "they show is in their transparency alone, and vanishes on white, on which transparent "
        "images are laid.",
        remedy="Save them on a darker ground.",
    )


def _fingerprint(table: ImageTable, split: Split) -> str:
    names = [table.class_names[label] for label in table.labels]
    digest = hashlib.sha256()
    for row in sorted(zip(table.paths, names, split.names, table.sha256, strict=True)):
        digest.update("\0".join(row).encode() + b"\n")
    return digest.hexdigest()


def _tell(dataset: Dataset, observer: Observer, *, asked: str, num_told: int, fit: Fit) -> None:
    """What was found; the first notes have been told when the data were read."""
    side, _, channels = dataset.images().image_shape
    colour = "grey" if channels == 1 else "RGB"
    how = {"stretch": "", "pad": ", padded to squares", "crop": ", cropped to squares"}[fit]
    observer.note(
        f"{len(dataset.table):,} images in {dataset.num_classes} classes, "
        f"read as {colour}, {side} x {side} px{how}."
    )
    if dataset.audit.ignored:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in dataset.audit.ignored.items())
        observer.note(f"Ignored: {kinds}.")
    for note in dataset.audit.notes[num_told:]:
        observer.note(note)
    warnings = dataset.audit.warnings
    for warning in warnings[:MOST_WARNINGS]:
        observer.warn(warning)
    if len(warnings) > MOST_WARNINGS:
        more = len(warnings) - MOST_WARNINGS
        observer.warn(
            f"{more} more {'warning' if more == 1 else 'warnings'}: see `autocnn audit {asked}`."
        )
