"""A table as the report shows it: texts with the values that they are sorted by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autocnn.core.records import Interval

SortValue = float | str | None


@dataclass(frozen=True)
class Bar:
    """An interval on a scale from 0 to 100, drawn beside the number.

    Attributes:
        low, high: Its ends.
        value: The point in it.
    """

    low: float
    high: float
    value: float


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What is read.
        value: What it is sorted by; None stands last.
        bar: Drawn under the text, for the eye only.
        note: Said to a screen reader after the text, where the text is a sign.
        below: A second line, smaller.
    """

    text: str
    value: SortValue = None
    bar: Bar | None = None
    note: str = ""
    below: str = ""


Row = Sequence[Cell | str]
"""A row as it is given: a text is a cell that is sorted by it."""


@dataclass(frozen=True)
class Column:
    """The head of a column.

    Attributes:
        title: Its name.
        is_number: Numbers stand on the right.
    """

    title: str
    is_number: bool = True


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row names the row.

    Attributes:
        name: Unique on the page, a word.
        caption: What it shows.
        columns: Their heads.
        rows: A cell per column.
        is_sortable: Whether the reader may sort it.
        left_out: Rows that are not shown.
        scale: From where to where its bars reach; empty without bars.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_sortable: bool = False
    left_out: int = 0
    scale: str = ""


def text_columns(*titles: str) -> list[Column]:
    """Heads of columns that hold words."""
    return [Column(title, is_number=False) for title in titles]


def number_columns(*titles: str) -> list[Column]:
    """Heads of columns that hold numbers."""
    return [Column(title) for title in titles]


def make_table(
    name: str,
    caption: str,
    *,
    columns: Sequence[Column],
    rows: Iterable[Row],
    is_sortable: bool = False,
    most: int | None = None,
    scale: str = "",
) -> Table:
    """A table for the page.

    Args:
        name: Unique on the page, a word.
        caption: What it shows.
        columns: Their heads.
        rows: A cell per column.
        is_sortable: Whether the reader may sort it.
        most: Rows that are shown; the rest is counted.
        scale: From where to where its bars reach.
    """
    cells = [
        tuple(Cell(cell, cell) if isinstance(cell, str) else cell for cell in row) for row in rows
    ]
    shown = cells if most is None else cells[:most]
    return Table(
        name=name,
        caption=caption,
        columns=tuple(columns),
        rows=tuple(shown),
        is_sortable=is_sortable,
        left_out=len(cells) - len(shown),
        scale=scale,
    )


@dataclass(frozen=True)
class Scale:
    """Where fractions stand from 0 to 100.

    Attributes:
        low, high: The fractions at its ends.
    """

    low: float
    high: float

    @classmethod
    def over(cls, intervals: Iterable[Interval | None]) -> "Scale":
        """A scale that holds all these intervals, and ends at 1."""
        ends = [interval.low for interval in intervals if interval is not None]
        low = min(ends, default=0.0)
        # A little space on the left; one step of 5 % at least, so that bars stay comparable.
        return cls(low=max(0.0, min(low - 0.1 * (1 - low), 0.95)), high=1.0)

    def bar(self, interval: Interval | None) -> Bar | None:
        """An interval on it; None for None."""
        if interval is None:
            return None
        return Bar(*(self._place(v) for v in (interval.low, interval.high, interval.value)))

    def _place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)
