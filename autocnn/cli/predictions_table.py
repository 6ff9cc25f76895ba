"""The summary of predictions on stdout."""

from autocnn.api import Row, Summary
from autocnn.cli.tables import Sheet, make_console, print_sheet, print_text
from autocnn.core.wording import fraction, point_rule

MOST_LABELS = 20
"""Labels that the summary counts, the most frequent first."""


def print_summary(summary: Summary) -> None:
    """The first rows as a table, and how many images got which label."""
    has_errors = any(row.error is not None for row in summary.first)
    has_unlike = summary.num_unlike is not None
    header = ["path", "predicted", "probability"]
    header += ["unlike"] if has_unlike else []
    header += ["error"] if has_errors else []
    rows = [_cells(row, has_unlike=has_unlike, has_errors=has_errors) for row in summary.first]
    text = ("path", "predicted", "unlike", "error")
    console = make_console()
    print_sheet(Sheet("", header, rows, text=text), console)
    more = summary.num_images - len(summary.first)
    if more:
        print_text(console, f"... and {more:,} more: --csv and --json have all of them.")
    if summary.point is not None:
        print_text(console, f"Decided for {summary.point.target}: {point_rule(summary.point)}.")
    for sentence in summary.drift.sentences if summary.drift is not None else ():
        print_text(console, sentence)
    if summary.num_images > 1:
        print_text(console, _describe_counts(summary))


def _cells(row: Row, *, has_unlike: bool, has_errors: bool) -> list[str]:
    predicted = "unsure" if row.is_unsure else row.predicted or ""
    cells = [row.path, predicted, "" if row.probability is None else fraction(row.probability)]
    if has_unlike:
        cells.append("unlike" if row.is_unlike else "")
    if has_errors:
        cells.append(row.error or "")
    return cells


def _describe_counts(summary: Summary) -> str:
    counted = [f"{label} {n:,}" for label, n in summary.counts.most_common(MOST_LABELS)]
    others = len(summary.counts) - len(counted)
    if others > 0:
        counted.append(f"{others:,} other labels")
    if summary.num_unsure:
        counted.append(f"unsure {summary.num_unsure:,}")
    if summary.num_errors:
        counted.append(f"unreadable {summary.num_errors:,}")
    return f"{summary.num_images:,} images: {', '.join(counted)}."
