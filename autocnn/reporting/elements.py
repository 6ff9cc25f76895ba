"""What the page is made of: pictures as it holds them, figures, tables, sections."""

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from autocnn.core.records import Interval
from autocnn.reporting.terms import uses_terms

if TYPE_CHECKING:
    from jinja2 import Environment
    from PIL.Image import Image

NUM_COLOURS = 128
"""Of a plot's palette. Measured on seven plots: 207 kB in 0.17 s; as they were 658 kB; by median
cut 254 kB in 0.45 s. The eye finds no difference."""

MOST_PIXELS = 20_000_000
"""Larger pictures were not made by autocnn, and would make the page slow."""

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg"}
SortValue = float | str | None


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it.

    Attributes:
        data: The bytes of a PNG or JPEG file.
        media_type: `image/png` or `image/jpeg`.
        width, height: In px.
        curves: JSON of the curves in it, as `plots.curves` wrote them; empty without any.
    """

    data: bytes
    media_type: str
    width: int
    height: int
    curves: str = ""

    @property
    def address(self) -> str:
        """All of it, for `src`."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


def load_picture(data: bytes | None) -> Picture | None:
    """A picture that the page can show; None for what is no whole PNG or JPEG.

    The colours of a PNG are reduced to a palette, where that makes it smaller. The same
    bytes give the same picture.

    Args:
        data: The bytes of a file, or None.
    """
    from PIL import Image  # slow to import, and only reports need it

    from autocnn.reporting.plots.curves import read_curves

    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=tuple(MEDIA_TYPES)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            kind, size = str(image.format), image.size
            image.load()
            curves = read_curves(image)
            if kind == "PNG":
                data = min(data, _with_palette(image), key=len)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return Picture(
        data=data, media_type=MEDIA_TYPES[kind], width=size[0], height=size[1], curves=curves
    )


def _with_palette(image: "Image") -> bytes:
    from PIL.Image import Dither, Quantize

    buffer = io.BytesIO()
    full = image.convert("RGBA")
    if full.getchannel("A").getextrema() == (255, 255):
        full = full.convert("RGB")
    few = full.quantize(NUM_COLOURS, method=Quantize.FASTOCTREE, dither=Dither.NONE)
    few.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Figure:
    """A picture with its words.

    Attributes:
        name: `roc`, ...
        title: Above it.
        picture: None where the file is missing.
        alt: What it shows, with the number that matters.
    """

    name: str
    title: str
    picture: Picture | None
    alt: str


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
        is_marked: Whether it stands out by its colour; the text says it too.
    """

    text: str
    value: SortValue = None
    bar: Bar | None = None
    note: str = ""
    below: str = ""
    is_marked: bool = False


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

    @property
    def has_terms(self) -> bool:
        """Whether its words are explained at the end of the page."""
        return uses_terms(" ".join([self.caption, *(column.title for column in self.columns)]))


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
        """A scale that holds all these intervals, of shares or correlations, and ends at 1."""
        ends = [interval.low for interval in intervals if interval is not None]
        low = min(ends, default=0.0)
        # A little space on the left; one step of 5 % at least, so that bars stay comparable.
        least = 0.0 if low >= 0 else -1.0
        return cls(low=max(least, min(low - 0.1 * (1 - low), 0.95)), high=1.0)

    def bar(self, interval: Interval | None) -> Bar | None:
        """An interval on it; None for None."""
        if interval is None:
            return None
        return Bar(*(self._place(v) for v in (interval.low, interval.high, interval.value)))

    def _place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)


@dataclass(frozen=True)
class Section:
    """What the page shows of one check of the best candidate.

    Attributes:
        sentences: What was found.
        warnings: What looks wrong.
        table: The numbers of the best candidate.
        figure: The same as a picture.
        all_candidates: The numbers of all candidates; None where there is but one.
    """

    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    table: Table | None = None
    figure: Figure | None = None
    all_candidates: Table | None = None


@cache
def open_templates(finalize: Callable[[object], object] | None = None) -> "Environment":
    """The templates of the page, which escape what is put into HTML, and of the model card.

    Args:
        finalize: What is done to each value before it is written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("autocnn.reporting"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
