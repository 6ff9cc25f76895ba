"""The audit of the data as the report shows it: sentences, tables, copies side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.records import SPLITS, AuditReport, CopyGroup
from autocnn.reporting.elements import (
    Cell,
    Column,
    Picture,
    Row,
    Table,
    make_table,
    number_columns,
    text_columns,
)
from autocnn.reporting.facts import shown_copies
from autocnn.reporting.overview import MOST_ROWS as MOST_CLASSES

MOST_IMAGES = 6
"""Images of one group of copies that are shown."""

MOST_ROWS = 30
"""Rows of a list of files; the rest stands in audit.json."""

KINDS = {"bytes": "the same file", "pixels": "the same pixels", "near": "nearly the same image"}


@dataclass(frozen=True)
class CopyImage:
    """One image of a group of copies."""

    path: str
    label: str
    split: str
    turn: str
    picture: Picture | None
    alt: str


@dataclass(frozen=True)
class Copies:
    """Images that show the same.

    Attributes:
        title: What they are.
        images: One or more.
    """

    title: str
    images: tuple[CopyImage, ...]


@dataclass(frozen=True)
class AuditView:
    """What the page shows of the audit.

    Attributes:
        warnings: All of them.
        facts: What was found, in sentences.
        tables: Those that have rows.
        copies: Some groups, with thumbnails where there are any.
        copies_note: How many are not shown; may be empty.
        notes: Choices made while reading and splitting.
    """

    warnings: tuple[str, ...]
    facts: tuple[str, ...]
    tables: tuple[Table, ...]
    copies: tuple[Copies, ...]
    copies_note: str
    notes: tuple[str, ...]


def view_audit(audit: AuditReport, pictures: Mapping[str, Picture]) -> AuditView:
    """What the audit found.

    Args:
        audit: Of the data.
        pictures: File in `audit/` -> its picture.
    """
    shown = tuple(_copies(pictures, group) for group in shown_copies(audit))
    num_hidden = len(audit.copies) - len(shown)
    tables = (
        _counts(audit),
        _copies_by_class(audit),
        _shortcuts(audit),
        _conflicts(audit),
        _files(audit),
        _values(audit, "modes", audit.modes),
        _values(audit, "sizes", audit.sizes),
        _values(audit, "file-types", audit.file_types),
    )
    return AuditView(
        warnings=audit.warnings,
        facts=tuple(_sentences(audit)),
        tables=tuple(table for table in tables if table is not None),
        copies=shown,
        copies_note=f"{wording.count(num_hidden, 'more group')} of copies: see audit.json."
        if num_hidden
        else "",
        notes=audit.notes,
    )


def _sentences(audit: AuditReport) -> Iterable[str]:
    yield (
        f"{wording.count(audit.num_images, 'image')} of "
        f"{wording.count(len(audit.class_names), 'class', 'classes')} from {audit.source}."
    )
    exact, every = audit.byte_copies, audit.all_copies
    if not every.groups:
        yield "No image is a copy of another one."
    else:
        yield (
            f"{wording.count(every.surplus, 'image')} more than distinct ones, in "
            f"{wording.count(every.groups, 'group')} of copies; {exact.surplus:,} of them are the "
            f"same file, byte for byte. {wording.count(every.test_images_in_train, 'test image')} "
            f"and {wording.count(every.val_images_in_train, 'val image')} have a copy in train"
            f"{' or val' if every.test_images_in_train else ''}."
        )
    if audit.ignored:
        kinds = (f"{number:,} {kind}" for kind, number in audit.ignored.items())
        yield f"Left out: {', '.join(kinds)}."
    if audit.groups_across_splits:
        yield f"{wording.count(audit.groups_across_splits, 'named group')} in several splits."
    if not audit.shortcuts:
        yield "No fact about the files alone predicts the class or the split."


def _counts(audit: AuditReport) -> Table:
    splits = [split for split in SPLITS if split in audit.counts]
    totals = [sum(audit.counts[split].values()) for split in splits]
    rows: list[Row] = []
    for name in audit.class_names:
        numbers = [audit.counts[split].get(name, 0) for split in splits]
        cells = (Cell(f"{number:,}", number) for number in (*numbers, sum(numbers)))
        rows.append([Cell(name, name), *cells])
    rows.append([Cell("all"), *(Cell(f"{n:,}", n) for n in (*totals, sum(totals)))])
    columns = [*text_columns("class"), *number_columns(*splits, "all")]
    # The sum first: of many classes, the last rows are not shown.
    rows.insert(0, rows.pop())
    caption = "Images by class and split."
    return make_table("counts", caption, columns=columns, rows=rows, most=MOST_CLASSES)


def _copies_by_class(audit: AuditReport) -> Table | None:
    """Test images that the model has seen, by class."""
    every, exact = audit.all_copies, audit.byte_copies
    if not every.test_images_in_train:
        return None
    test = audit.counts.get("test", {})
    rows: list[Row] = []
    for name in audit.class_names:
        numbers = (
            exact.test_images_in_train_by_class.get(name, 0),
            every.test_images_in_train_by_class.get(name, 0),
            test.get(name, 0),
        )
        rows.append([Cell(name, name), *(Cell(f"{number:,}", number) for number in numbers)])
    columns = [
        *text_columns("class"),
        *number_columns("same file in train or val", "any copy in train or val", "test images"),
    ]
    caption = "Test images that have a copy in train or val: they make the score look better."
    return make_table("copies", caption, columns=columns, rows=rows, most=MOST_CLASSES)


def _shortcuts(audit: AuditReport) -> Table | None:
    if not audit.shortcuts:
        return None
    rows: list[Row] = [
        [
            f"{found.predicts} {found.target}" if found.predicts == "class" else found.target,
            found.sentence,  # early, or a phone shows nothing but high empty rows
            Cell("warning" if found.is_warning else "no alarm", not found.is_warning),
            Cell(wording.decimal(found.auc), found.auc),
            found.fact,
            Cell(wording.decimal(found.fact_auc), found.fact_auc),
        ]
        for found in audit.shortcuts
    ]
    columns = [
        *text_columns("what is predicted", "in words", "verdict"),
        *number_columns("AUC, all facts"),
        *text_columns("telling fact"),
        *number_columns("AUC, that fact"),
    ]
    caption = (
        "Shortcuts: how well facts about the files predict class and split, without their "
        "content. An AUC of 0.5 is chance."
    )
    return make_table(
        "shortcuts", caption, columns=columns, rows=rows, is_sortable=True, most=MOST_ROWS
    )


def _conflicts(audit: AuditReport) -> Table | None:
    if not audit.label_conflicts:
        return None
    rows: list[Row] = [
        [Cell(wording.first_few(sorted(set(found.labels)))), Cell(wording.first_few(found.paths))]
        for found in audit.label_conflicts
    ]
    columns = text_columns("labels", "images")
    caption = "Copies of one image under different labels: at least one label is wrong."
    return make_table("conflicts", caption, columns=columns, rows=rows, most=MOST_ROWS)


def _files(audit: AuditReport) -> Table | None:
    rows: list[Row] = [
        *([image.path, f"unreadable: {image.reason}"] for image in audit.unreadable),
        *([path, "blank: one colour"] for path in audit.blank),
        *([image.path, image.reason] for image in audit.odd),
    ]
    if not rows:
        return None
    caption = "Files that are unreadable, blank or unlike the others."
    columns = text_columns("file", "what is odd")
    return make_table("files", caption, columns=columns, rows=rows, most=MOST_ROWS)


def _values(audit: AuditReport, name: str, values: Mapping[str, Mapping[str, int]]) -> Table | None:
    """A fact of the files by class; None where all files agree on it."""
    found: dict[str, int] = {}
    for by_value in values.values():
        for value, number in by_value.items():
            found[value] = found.get(value, 0) + number
    if len(found) < 2:
        return None
    common = sorted(found, key=lambda value: (-found[value], value))[:6]
    rows: list[Row] = []
    for label in audit.class_names:
        by_value = values.get(label, {})
        others = sum(by_value.values()) - sum(by_value.get(value, 0) for value in common)
        numbers = [*(by_value.get(value, 0) for value in common), others]
        shown = numbers if len(found) > len(common) else numbers[:-1]
        rows.append([Cell(label, label), *(Cell(f"{n:,}", n) for n in shown)])
    heads = [*common, "others"] if len(found) > len(common) else common
    columns = [Column("class", is_number=False), *number_columns(*heads)]
    titles = {"modes": "Modes", "sizes": "Sizes in px", "file-types": "File types"}
    caption = f"{titles[name]} of the files, by class."
    return make_table(name, caption, columns=columns, rows=rows, most=MOST_CLASSES)


def _copies(pictures: Mapping[str, Picture], group: CopyGroup) -> Copies:
    is_conflict = len(set(group.labels)) > 1
    remark = ", with different labels" if is_conflict else ""
    splits = list(dict.fromkeys(group.splits))
    across = f", in {wording.listing(splits)}" if len(splits) > 1 else f", all in {splits[0]}"
    thumbnails = [*group.thumbnails, *[""] * len(group.paths)]
    images = tuple(
        CopyImage(
            path=path,
            label=label,
            split=split,
            turn=turn,
            picture=pictures.get(thumbnail),
            alt=f"{path}: {label}, in {split}, {turn}",
        )
        for path, label, split, turn, thumbnail in zip(
            group.paths, group.labels, group.splits, group.turns, thumbnails, strict=False
        )
    )
    more = len(group.paths) - MOST_IMAGES
    remark += f"; {more} more not shown" if more > 0 else ""
    return Copies(
        title=f"{len(group.paths)} {wording.TIMES} {KINDS[group.kind]}{across}{remark}",
        images=images[:MOST_IMAGES],
    )
