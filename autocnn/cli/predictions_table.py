"""The summary of predictions on stdout, drawn with rich."""

from rich.table import Table
from rich.text import Text

from autocnn.api import Row, Summary
from autocnn.cli.tables import make_console
from autocnn.core.wording import fraction

MOST_LABELS = 20
"""Labels that the summary counts, the most frequent first."""


def print_summary(summary: Summary) -> None:
    """The first rows as a table, and how many images got which label."""
    has_errors = any(row.error is not None for row in summary.first)
    has_unlike = summary.num_unlike is not None
    table = Table()
    table.add_column("path", overflow="fold")
    table.add_column("label", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    if has_unlike:
        table.add_column("unlike", no_wrap=True)
    if has_errors:
        table.add_column("error", overflow="fold")
    for row in summary.first:
        table.add_row(*_cells(row, has_unlike=has_unlike, has_errors=has_errors))
    console = make_console()
    console.print(table)
    more = summary.num_images - len(summary.first)
    if more:
        console.print(f"... and {more:,} more: --csv and --json have all of them.", markup=False)
    if summary.num_images > 1:
        console.print(Text(_describe_counts(summary)))


def _cells(row: Row, *, has_unlike: bool, has_errors: bool) -> list[Text]:
    probability = "" if row.probability is None else fraction(row.probability)
    cells = [_visible(row.path), _visible(row.label or ""), probability]
    if has_unlike:
        cells.append("unlike" if row.is_unlike else "")
    if has_errors:
        cells.append(row.error or "")
    return [Text(cell) for cell in cells]


def _describe_counts(summary: Summary) -> str:
    counted = [f"{_visible(label)} {n:,}" for label, n in summary.counts.most_common(MOST_LABELS)]
    others = len(summary.counts) - len(counted)
    if others > 0:
        counted.append(f"{others:,} other labels")
    if summary.num_errors:
        counted.append(f"unreadable {summary.num_errors:,}")
    return f"{summary.num_images:,} images: {', '.join(counted)}."


def _visible(text: str) -> str:
    """A name that cannot steer a terminal, nor break a line."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
