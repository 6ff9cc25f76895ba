"""The audit of a data set on stdout."""

from collections.abc import Iterator

from autocnn.cli.tables import Sheet, make_console, print_sheet, print_text
from autocnn.core.records import SPLITS, AuditReport, CopyCounts
from autocnn.core.wording import TABLE_PLACES, count, first_few, fraction

MOST_ROWS = 5
"""Rows of a list of files; the rest is in `--json`."""

MOST_CLASSES, ENDS = 100, 5
"""Classes up to which each has a row; of more, so many of the smallest and the largest have one."""

CLASSES_NAMED = 6
"""Classes that are named in one cell."""


def print_audit(report: AuditReport) -> None:
    """Tables of what was found, then the warnings in words."""
    console = make_console()
    for sheet in _sheets(report):
        print_sheet(sheet, console)
    print_text(console, "")
    for note in report.notes:
        print_text(console, note)
    if not report.warnings:
        print_text(console, "No warnings.")
    for number, warning in enumerate(report.warnings, start=1):
        print_text(console, f"Warning {number}: {warning}")


def _sheets(report: AuditReport) -> Iterator[Sheet]:
    yield _counts(report)
    files = list(_files(report))
    if files:
        yield Sheet("Files", ("what", "images", "which"), files, text=("what", "which"))
    if report.all_copies.groups:
        yield _copies(report)
    if report.label_conflicts:
        rows = [
            (", ".join(dict.fromkeys(conflict.labels)), first_few(conflict.paths))
            for conflict in report.label_conflicts[:MOST_ROWS]
        ]
        title = f"Copies with different labels: {len(report.label_conflicts):,}"
        yield Sheet(title, ("labels", "images"), rows, text=("labels", "images"))
    if report.shortcuts:
        shortcuts = [
            (
                f"{s.predicts} {s.target}",
                fraction(s.auc, places=TABLE_PLACES),
                s.fact,
                fraction(s.fact_auc, places=TABLE_PLACES),
                "yes" if s.is_warning else "",
            )
            for s in report.shortcuts
        ]
        header = ("predicted", "AUC", "telling fact", "its AUC", "warning")
        title = "What facts about the files predict (AUC 0.5: nothing)"
        yield Sheet(title, header, shortcuts, text=("predicted", "telling fact", "warning"))


def _counts(report: AuditReport) -> Sheet:
    """A row per class; of very many, one of each of the smallest and the largest."""
    per_class = {
        name: [report.counts[split][name] for split in SPLITS] for name in report.class_names
    }
    totals = [sum(report.counts[split].values()) for split in SPLITS]
    shown = list(per_class.items())
    if len(shown) > MOST_CLASSES:
        shown.sort(key=lambda pair: sum(pair[1]))
        between = [numbers for _, numbers in shown[ENDS:-ENDS]]
        sums = [sum(column) for column in zip(*between, strict=True)]
        middle = (f"{count(len(between), 'class', 'classes')} between (all: --json)", sums)
        shown = [*shown[:ENDS], middle, *shown[-ENDS:]]
    rows = [
        (name, *map(_number, numbers), _number(sum(numbers)))
        for name, numbers in (*shown, ("all", totals))
    ]
    return Sheet(f"Images of {report.source}", ("class", *SPLITS, "all"), rows, text=("class",))


def _files(report: AuditReport) -> Iterator[tuple[str, str, str]]:
    for kind, number in report.ignored.items():
        yield f"ignored: {kind}", _number(number), ""
    if report.unreadable:
        found = [f"{image.path} {image.reason}" for image in report.unreadable]
        yield "unreadable", _number(len(found)), first_few(found)
    if report.blank:
        yield "of one colour", _number(len(report.blank)), first_few(report.blank)
    if report.odd:
        odd = [f"{image.path} ({image.reason})" for image in report.odd]
        yield "odd", _number(len(odd)), first_few(odd)
    for what, found_in in (
        ("mode", report.modes),
        ("size", report.sizes),
        ("type", report.file_types),
    ):
        values = dict.fromkeys(value for counts in found_in.values() for value in counts)
        for value in list(values)[:MOST_ROWS]:
            per_class = {name: counts.get(value, 0) for name, counts in found_in.items()}
            having = [f"{name}: {n:,}" for name, n in per_class.items() if n]
            is_everywhere = len(having) == len(per_class) > CLASSES_NAMED
            classes = f"all {len(per_class):,} classes"
            if not is_everywhere:
                classes = first_few(having, limit=CLASSES_NAMED)
            yield f"{what} {value}", _number(sum(per_class.values())), classes


def _copies(report: AuditReport) -> Sheet:
    exact, every = report.byte_copies, report.all_copies

    def row(name: str, field: str) -> tuple[str, str, str]:
        return name, _number(getattr(exact, field)), _number(getattr(every, field))

    rows = [
        row("groups", "groups"),
        row("surplus images", "surplus"),
        row("groups within train and val", "groups_within_seen"),
        row("groups across test and the rest", "groups_across_splits"),
        row("test images with a copy in train or val", "test_images_in_train"),
    ]
    with_copies = [
        name
        for name in report.class_names
        if any(counts.test_images_in_train_by_class[name] for counts in (exact, every))
    ]
    for name in with_copies[:MOST_CLASSES]:
        pair = [_of_class(report, counts, name) for counts in (exact, every)]
        rows.append((f"  {name}", pair[0], pair[1]))
    if len(with_copies) > MOST_CLASSES:
        rows.append((f"  {len(with_copies) - MOST_CLASSES:,} more classes: --json", "", ""))
    rows.append(row("val images with a copy in train", "val_images_in_train"))
    header = ("copies", "equal files", "with equal pixels and near copies")
    return Sheet("Copies", header, rows, text=("copies",))


def _of_class(report: AuditReport, counts: CopyCounts, name: str) -> str:
    return f"{counts.test_images_in_train_by_class[name]:,} of {report.counts['test'][name]:,}"


def _number(number: int) -> str:
    return f"{number:,}"
