"""Tables and lines on stdout, drawn with rich, whole at any width of the terminal.

Whatever is printed passes through `plain`: names of classes and files are never markup, and never
control bytes.
"""

import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autocnn.api import Comparison, Study
from autocnn.core.records import OperatingPoint
from autocnn.core.wording import (
    CHOSEN_ON,
    POINT_NAMES,
    SET_NAMES,
    TABLE_PLACES,
    fraction,
    fraction_interval,
    listing,
    metric_name,
    p_value,
    point_rule,
    prevalence_note,
    visible,
    wrapped,
)

NARROWEST_FILE = 200
"""Columns of a table that goes to a file or a pipe, where nothing wraps."""

WIDEST_TEXT = 100
"""Columns of a paragraph, however wide the terminal is."""

LEAST_TEXT = 12
"""Columns that a text may be folded to, where the terminal is narrow."""

FRAME = 3
"""Columns that the frame takes per column of a table; one more at the end."""


@dataclass(frozen=True)
class Sheet:
    """A table before it is drawn.

    Attributes:
        title: Above it; empty for none.
        header: Names of the columns.
        rows: A text per column.
        text: Columns that stand on the left and may be folded.
        names: Columns that stand on the left and are never folded; all others are numbers.
        keys: How many of the first columns name a row: they are repeated where the table is too
            wide for the terminal and stands in parts below each other.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: Sequence[str] = ()
    names: Sequence[str] = ()
    keys: int = 1


def print_sheet(sheet: Sheet, console: Console | None = None) -> None:
    """Draw a table that is whole whatever the terminal's width.

    Where it is too wide, its columns stand in parts below each other, each with the first ones;
    where the terminal is too narrow for that, each row is a block of lines.
    """
    console = console or make_console()
    widths = [_width(sheet, place) for place in range(len(sheet.header))]
    parts = _parts(widths, sheet.keys, console.width)
    if parts is None:
        _print_blocks(sheet, console)
        return
    for number, places in enumerate(parts):
        title = plain(sheet.title) if sheet.title and not number else None
        table = Table(title=title, title_justify="left")
        for place in places:
            name = sheet.header[place]
            table.add_column(
                Text("\n".join(map(visible, _header_lines(sheet, place)))),
                justify="left" if name in sheet.text or name in sheet.names else "right",
                no_wrap=name not in sheet.text,
                overflow="fold",
            )
        for row in sheet.rows:
            table.add_row(*(plain(row[place]) for place in places))
        console.print(table)


def print_leaderboard(study: Study, *, wide: bool = False) -> None:
    """The candidates of a study, best first, and what its columns mean."""
    summary = study.summary(wide=wide)
    console = make_console()
    title = f"Leaderboard of {study.name} (ranked on {summary.ranked_on})"
    sheet = Sheet(title, summary.header, summary.rows, text=("family",), names=("model",), keys=2)
    print_sheet(sheet, console)
    print_text(console, summary.meaning)


def print_operating_points(study: Study, points: Sequence[OperatingPoint]) -> None:
    """The candidates that reach a target, in the order of the leaderboard, and what it means."""
    first, console = points[0], make_console()
    where = SET_NAMES[first.judged_on]
    measured = ["sensitivity", "specificity", "ppv", "npv"]
    if first.label is None:
        measured = ["answered", "accuracy"]
    chosen = "ppv" if first.metric == "precision" else first.metric
    header = ["candidate", "threshold", f"{POINT_NAMES[chosen]} {CHOSEN_ON[first.chosen_on]}"]
    header += [f"{POINT_NAMES[name]} on {where}" for name in measured]
    rows = [
        [
            str(point.candidate),
            f"{point.threshold:.4g}",
            *(
                "-" if one is None else fraction_interval(one, places=TABLE_PLACES)
                for one in (
                    point.chosen.get(chosen),
                    *(point.judged.get(name) for name in measured),
                )
            ),
        ]
        for point in points
    ]
    print_sheet(Sheet(f"{study.name}: {first.target} [95 %]", header, rows, keys=2), console)
    print_text(console, f"Candidate {first.candidate}: {point_rule(first)}.")
    reaching = {point.candidate for point in points}
    missed = [str(one.number) for one in study.candidates if one.number not in reaching]
    if missed:
        print_text(console, f"Not reached by candidate {listing(missed)}.")
    text = (
        f"The threshold is chosen {CHOSEN_ON[first.chosen_on]}, on images that the model had not "
        f"seen, and judged on {where}. Candidates stand in the order of the leaderboard: to pick "
        "one by its figures on test would make them too good."
    )
    if first.prevalence is not None:
        text += f" PPV and NPV hold {prevalence_note(first)}."
    print_text(console, text)


def print_comparison(found: Comparison) -> None:
    """Two studies: what it comes to, the differences, and what differs."""
    from autocnn.core.wording import setting

    record, console = found.record, make_console()
    for sentence in record.sentences:
        print_text(console, sentence)
    sides = (record.first, record.second)
    scores = [
        [
            side.name,
            str(side.record.candidate),
            f"{side.record.judged.num_images:,}",
            *(fraction(side.score(one.metric)) for one in record.metrics),
        ]
        for side in sides
    ]
    header = [metric_name(one.metric) for one in record.metrics]
    title = "Each on its own clean test images"
    print_sheet(
        Sheet(title, ["study", "candidate", "images", *header], scores, ("study",)), console
    )
    differences = [
        [
            metric_name(one.metric),
            fraction_interval(one.difference, sign=True),
            p_value(one.p_value),
            "yes" if one.is_told_apart else "no",
        ]
        for one in record.metrics
    ]
    title = f"{sides[0].name} minus {sides[1].name}, on the {record.num_common:,} images of both"
    header = ["score", "difference [95 %]", "p (corrected)", "distinguished"]
    print_sheet(Sheet(title, header, differences, names=("score",)), console)
    for title, rows in (("Params that differ", record.params), ("Settings", record.settings)):
        if rows:
            cells = [[name, setting(one), setting(two)] for name, one, two in rows]
            names = ["name", sides[0].name, sides[1].name]
            print_sheet(Sheet(title, names, cells, text=names[1:], names=("name",)), console)


def print_study_files(study: Study) -> None:
    """Where the files of a finished study are, and what to do with it next."""
    echo(f"In {study.path}:")
    for name, path in study.files.items():
        echo(f"  {name:<18}{path.relative_to(study.path)}")
    place = shlex.quote(str(study.path))
    print_text(
        make_console(),
        f"Look at it with `autocnn view {place}`; use it with `autocnn predict {place} IMAGES`.",
    )


def print_text(console: Console, text: str, *, indent: int = 0) -> None:
    """A paragraph, all lines but the first indented; of no text, an empty line."""
    for line in wrapped(text, min(console.width, WIDEST_TEXT), indent=indent):
        console.print(plain(line), soft_wrap=True)


def echo(text: object, *, err: bool = False) -> None:
    """A line of which parts are names of somebody else's."""
    click.echo(visible(str(text)), err=err)


def plain(text: str) -> Text:
    """A text that rich draws as it stands: no markup, no control bytes, one line."""
    return Text(visible(text))


def make_console() -> Console:
    """A console on stdout; wide where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=NARROWEST_FILE)


def _parts(widths: Sequence[int], keys: int, width: int) -> list[list[int]] | None:
    """The columns that stand together; None where not even one fits beside the keys.

    >>> _parts([4, 10, 20, 20, 6], 2, 80)
    [[0, 1, 2, 3, 4]]
    >>> _parts([4, 10, 20, 20, 6], 2, 60)
    [[0, 1, 2], [0, 1, 3, 4]]
    >>> _parts([4, 10, 20, 20, 6], 2, 40)
    """
    taken = [width + FRAME for width in widths]
    first = list(range(min(keys, len(widths))))
    parts = [first]
    for place in range(len(first), len(widths)):
        if 1 + sum(taken[one] for one in [*parts[-1], place]) <= width:
            parts[-1] = [*parts[-1], place]
        elif 1 + sum(taken[one] for one in [*first, place]) <= width:
            parts.append([*first, place])
        else:
            return None
    return [part for part in parts if part != first] or [first]


def _width(sheet: Sheet, place: int) -> int:
    """Columns that a column of the table takes at least."""
    cells = max((cell_len(visible(row[place])) for row in sheet.rows), default=0)
    if sheet.header[place] in sheet.text:
        cells = min(cells, LEAST_TEXT)
    return max([cells, *(cell_len(visible(line)) for line in _header_lines(sheet, place))])


def _header_lines(sheet: Sheet, place: int) -> list[str]:
    """A heading on as many lines as it takes to be no wider than what stands below it."""
    name = sheet.header[place]
    widest = max((cell_len(visible(row[place])) for row in sheet.rows), default=0)
    longest_word = max(map(len, name.split()), default=0)
    return textwrap.wrap(name, max(widest, longest_word, 1), break_on_hyphens=False) or [""]


def _print_blocks(sheet: Sheet, console: Console) -> None:
    """Every row as lines of `name  value`, an empty line before each row."""
    if sheet.title:
        print_text(console, sheet.title)
    for row in sheet.rows:
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for name, value in zip(sheet.header, row, strict=True):
            block.add_row(plain(name), plain(value))
        console.print()
        console.print(block)
    console.print()
