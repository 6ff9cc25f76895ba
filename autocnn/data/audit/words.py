"""What an audit found, in words: how much is spoiled, and what to do about it."""

import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from autocnn.core.records import AuditReport, CopyCounts, LabelConflict
from autocnn.core.wording import first_few
from autocnn.data.sources.table_files import TABLE_SUFFIXES

FEW_COLOURED = 0.1
"""Share of coloured images up to which they look like an accident, not like the data."""

FEW_CLEAN = 30
"""Images of a class below which its score on clean test has an interval of more than 0.1."""

_KINDS: Mapping[Literal["bytes", "pixels", "near"], str] = {
    "bytes": "byte-identical",
    "pixels": "with equal pixels",
    "near": "near",
}

MOST_CLASSES = 12
"""Classes of which a sentence gives the numbers."""

MOST_SAME = 3
"""Copies of one image that a sentence names."""

MANY_SURPLUS = 0.1
"""Share of surplus copies from which on a set is clearly smaller than it looks."""


def warnings_of(report: AuditReport, *, has_files: bool, asked: str) -> tuple[str, ...]:
    """What may spoil the result, one sentence or two each, worst first.

    Args:
        report: All but its warnings.
        has_files: Whether the images are files, so that another split can be written.
        asked: DATA with the options by which it was read, as a shell takes them.
    """
    return tuple(_warnings(report, has_files=has_files, asked=asked))


def split_file_for(source: str) -> Path:
    """Where to write a corrected split of DATA, so that it can be given back as DATA.

    >>> str(split_file_for("images/list.csv"))
    'images/split.csv'
    """
    path = Path(source)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return path / "split.csv"
    return path.with_name("split.csv" if path.name != "split.csv" else "split-2.csv")


def _warnings(report: AuditReport, *, has_files: bool, asked: str) -> Iterator[str]:
    yield from _leaks(report, has_files=has_files, asked=asked)
    yield from _conflicts(report)
    if report.groups_across_splits:
        have = "group has" if report.groups_across_splits == 1 else "groups have"
        yield (
            f"{report.groups_across_splits:,} named {have} images in more than one split, as "
            "given: those in test that have others in train or val are no part of clean test."
        )
    yield from _absent_in_test(report)
    yield from _likely_groups(report)
    yield from _alike_names(report.class_names)
    yield from (shortcut.sentence for shortcut in report.shortcuts if shortcut.is_warning)
    yield from _surplus(report)
    yield from _unusable(report)
    num_coloured = sum(report.coloured.values())
    if 0 < num_coloured <= FEW_COLOURED * report.num_images:
        have = "image has" if num_coloured == 1 else "images have"
        classes = _first_classes([f"{name}: {n:,}" for name, n in report.coloured.items() if n])
        yield (
            f"Only {num_coloured:,} of {report.num_images:,} {have} colour ({classes}), and all "
            "are read as RGB for it. --channels grey reads them as grey."
        )


def _leaks(report: AuditReport, *, has_files: bool, asked: str) -> Iterator[str]:
    every = report.all_copies
    file = shlex.quote(str(split_file_for(report.source)))
    remedy = (
        f"`autocnn audit {asked} --split-out {file}` writes a split without."
        if has_files
        else "Look at the scores on clean test, which leave them out."
    )
    if every.test_images_in_train:
        yield (
            f"{_leak(report, 'test')} {_classes(report)}. The test score is too good by what the "
            f"model remembers of them.{_clean_rest(report, every)} {remedy}"
        )
    if every.val_images_in_train:
        yield (
            f"{_leak(report, 'val')}: the search may choose models that memorise."
            f"{f' {remedy}' if has_files else ''}"
        )


def _clean_rest(report: AuditReport, every: CopyCounts) -> str:
    """What the clean part of test is worth, where copies took most of a class out of it."""
    total, copied = report.counts["test"], every.test_images_in_train_by_class
    clean = {name: total[name] - copied.get(name, 0) for name in total}
    thin = [
        name
        for name, number in clean.items()
        if number < FEW_CLEAN and copied.get(name, 0) > number
    ]
    if not thin:
        return ""
    counts = _first_classes([f"{name}: {number:,}" for name, number in clean.items()])
    number = sum(clean.values())
    return (
        f" Its clean part has {number:,} {'image' if number == 1 else 'images'} ({counts}), too "
        f"few of {first_few(thin)} to tell."
    )


def _first_classes(said: Sequence[str]) -> str:
    return first_few(said, limit=MOST_CLASSES)


def _leak(report: AuditReport, split: Literal["test", "val"]) -> str:
    """How many images of a split have copies in those that are trained on."""
    counts = [getattr(found, f"{split}_images_in_train") for found in _by_kind(report)]
    first = next(place for place, number in enumerate(counts) if number)
    one, several = (
        ("is a byte-identical copy", "are byte-identical copies"),
        ("has the pixels", "have the pixels"),
        ("is a near copy", "are near copies"),
    )[first]
    number, total = counts[first], sum(report.counts[split].values())
    verb = one if number == 1 else several
    return f"{number:,} of {total:,} {split} images {verb} of training images"


def _by_kind(report: AuditReport) -> tuple[CopyCounts, CopyCounts, CopyCounts]:
    """Counts of equal files; these and equal pixels; these and near copies."""
    exact = report.byte_copies
    return exact, report.pixel_copies or exact, report.all_copies


def _classes(report: AuditReport) -> str:
    """The same per class, and with copies of other kinds where those are more."""

    def in_words(counts: Mapping[str, int]) -> str:
        return _first_classes(
            [
                f"{name}: {count:,} of {report.counts['test'][name]:,}"
                for name, count in counts.items()
                if count
            ]
        )

    exact, pixels, every = _by_kind(report)
    first = next(found for found in (exact, pixels, every) if found.test_images_in_train)
    text = f"({in_words(first.test_images_in_train_by_class)})"
    if every.test_images_in_train > first.test_images_in_train:
        others = ["those of equal pixels"] if first is exact and _is_more(pixels, exact) else []
        others += ["near copies"] if _is_more(every, pixels) else []
        found = in_words(every.test_images_in_train_by_class)
        text += f"; with {' and '.join(others)} {every.test_images_in_train:,} ({found})"
    return text


def _is_more(counts: CopyCounts, others: CopyCounts) -> bool:
    return counts.test_images_in_train > others.test_images_in_train


def _conflicts(report: AuditReport) -> Iterator[str]:
    if not report.label_conflicts:
        return
    kinds = Counter(group.kind for group in report.copies if len(set(group.labels)) > 1)
    shown = first_few([_same(group) for group in report.label_conflicts])
    found = ", ".join(f"{kinds[kind]:,} {word}" for kind, word in _KINDS.items() if kinds[kind])
    number = len(report.label_conflicts)
    groups = "group of copies carries" if number == 1 else "groups of copies carry"
    yield f"{number:,} {groups} different labels ({found}): {shown}. Correct the labels."


def _same(group: LabelConflict) -> str:
    """Copies with their labels, those first that are the first of a label."""
    labelled = list(zip(group.paths, group.labels, strict=True))
    firsts: dict[str, tuple[str, str]] = {}
    for path, label in labelled:
        firsts.setdefault(label, (path, label))
    ordered = list(dict.fromkeys((*firsts.values(), *labelled)))
    said = [f"{path} ({label})" for path, label in ordered[:MOST_SAME]]
    more = len(ordered) - len(said)
    return " = ".join([*said, *([f"{more:,} more"] if more else [])])


def _surplus(report: AuditReport) -> Iterator[str]:
    exact, pixels, every = (found.surplus for found in _by_kind(report))
    if every < MANY_SURPLUS * report.num_images:
        return
    yield (
        f"Only {report.num_images - every:,} of {report.num_images:,} images differ: {every:,} are "
        f"copies of others ({exact:,} byte-identical, {pixels - exact:,} with equal pixels, "
        f"{every - pixels:,} near). The set is smaller than it looks."
    )


def _unusable(report: AuditReport) -> Iterator[str]:
    if report.unreadable:
        shown = first_few([f"{image.path} {image.reason}" for image in report.unreadable])
        are = (
            "image cannot be read and is"
            if len(report.unreadable) == 1
            else "images cannot be read and are"
        )
        yield f"{len(report.unreadable):,} {are} left out: {shown}."
    if report.blank:
        are = "image is" if len(report.blank) == 1 else "images are"
        reason = ""
        if report.num_vanished:
            reason = (
                f" Of {report.num_vanished:,}, what they show is in the transparency alone, and "
                "vanishes on white, on which transparent images are laid: save them on a darker "
                "ground."
            )
        yield f"{len(report.blank):,} {are} of one colour: {first_few(report.blank)}.{reason}"


def _absent_in_test(report: AuditReport) -> Iterator[str]:
    absent = [repr(name) for name, number in report.counts["test"].items() if not number]
    there = len(report.class_names) - len(absent)
    if absent and there > 1:
        they = "it is" if len(absent) == 1 else "they are"
        yield (
            f"test has no image of {first_few(absent)}: how well {they} recognised is not "
            f"measured. Balanced accuracy is the mean over the other {there:,} classes, and macro "
            "AUC is not defined."
        )


def _likely_groups(report: AuditReport) -> Iterator[str]:
    found = report.likely_groups
    if found is None:
        return
    alike = "" if found.resemblance is None else f" ({100 * found.resemblance:.0f} % of the time)"
    measure = (
        "A split that parts them measures how well a patient or a scan is recognised, not how well "
        "the model does on new ones."
    )
    if found.regex is None:
        yield (
            f"In {first_few(found.classes)}, neighbours by name resemble each other more than "
            f"other images of their class do{alike}, like slices of one scan or frames of one "
            f"video: {found.num_images:,} images. {measure} If you know whom they are of, give "
            "them a column `group` in a table."
        )
        return
    more = f" They resemble each other more than others of their class do{alike}." if alike else ""
    yield (
        f"{found.num_images:,} of {report.num_images:,} images seem to belong together, in "
        f"{found.num_groups:,} groups by their names ({first_few(found.examples)} are one)."
        f"{more} {measure} --group-from-name {shlex.quote(found.regex)} keeps them together."
    )


def _alike_names(names: Sequence[str]) -> Iterator[str]:
    """Classes whose names differ in capitals, spaces or signs only."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in names:
        plain = unicodedata.normalize("NFKC", name).casefold()
        spellings["".join(sign for sign in plain if sign.isalnum()) or plain].append(name)
    alike = [" and ".join(map(repr, found)) for found in spellings.values() if len(found) > 1]
    if alike:
        yield (
            f"Classes are named nearly alike: {first_few(alike)}. They count as different ones; "
            "if they are one, give them one name."
        )
