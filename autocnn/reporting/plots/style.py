"""The one style of all pictures: colours, lines, type, and names that always fit.

Nothing here changes matplotlib's global settings: pictures are drawn and saved inside
`plot_style()`.
"""

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.legend import Legend

from autocnn.core.objective_text import function_of
from autocnn.core.wording import SPACE, metric_name
from autocnn.reporting.plots.curves import curves_of, with_curves

DOTS_PER_INCH = 150

PAD_INCHES = 0.12
"""Around a picture."""

LETTERS_PER_INCH = 11
"""Letters of a title that fit an inch; most need less."""

NAME_LENGTH = 26
"""Letters of a class or param name that fit into a legend or beside an axis."""

INCHES_PER_LETTER = 0.068
"""Width of a letter of a tick label, about."""

INK = "#222222"
MUTED = "#767676"
FAINT = "#c9c9c9"
GRID = "#e6e6e6"

COLOURS: tuple[str, ...] = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#5D3A9B",
    "#8C6D1F",
)
"""Told apart by colour-blind readers. Source: Okabe & Ito 2008, Color Universal Design; its black
is left to the averages, its yellow is darkened."""

DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (5, 1.5),
    (1.1, 1.1),
    (7, 1.5, 1.1, 1.5),
    (12, 2),
    (2.5, 2.5),
    (4, 1.2, 1.1, 1.2, 1.1, 1.2),
    (1.1, 3.2),
    (9, 1.2, 3, 1.2),
    (5, 5),
)
"""Dashes and gaps in line widths: with them ten lines can be distinguished in greyscale too."""

MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
"""The markers of ten lines, where lines have few points."""

BEST_MARKER: dict[str, Any] = {
    "marker": "*",
    "color": COLOURS[5],
    "markersize": 15,
    "markeredgecolor": INK,
}
"""The star of the best trial."""

SHARE_COLOURS = "Blues"
"""Colour map of fractions: white to dark blue, monotone in greyscale."""

FONTS: tuple[str, ...] = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "Malgun Gothic",
    "Noto Sans CJK KR",
    "Noto Sans Devanagari",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Thai",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Nirmala UI",
    "Arial Unicode MS",
)
"""DejaVu Sans comes with matplotlib; the others are used where they are installed."""

NO_GLYPH = "□"


@contextmanager
def plot_style() -> Iterator[None]:
    """The defaults of matplotlib with autocnn's changes, until the block ends."""
    changes: dict[Any, Any] = {
        "font.family": list(installed_fonts()),
        "font.size": 9.0,
        "axes.titlesize": 11.0,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 8.0,
        "axes.labelsize": 9.0,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "lines.linewidth": 1.6,
        "lines.scale_dashes": True,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "text.color": INK,
        "text.usetex": False,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "legend.handlelength": 3.6,
        "figure.facecolor": "white",
        "figure.titlesize": 11.0,
        "figure.titleweight": "bold",
        "savefig.facecolor": "white",
        "svg.fonttype": "path",
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(changes)
        yield


def new_figure(width: float, height: float, figure: Figure | None = None) -> Figure:
    """An empty figure of about `width` by `height` inches.

    Args:
        width: In inches.
        height: In inches.
        figure: An empty one that gets this size; None: a new one.
    """
    if figure is None:
        figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
    figure.set_size_inches(width, height)
    figure.set_layout_engine("constrained")
    return figure


def save_png(figure: Figure, target: Path | BinaryIO) -> None:
    """Write a figure as PNG, 150 dots per inch; the same figure gives the same bytes.

    Args:
        figure: As the functions of `plots` return it; curves that were marked are in the file.
        target: A path, or a binary file open for writing.
    """
    buffer = io.BytesIO()
    with plot_style():
        figure.savefig(
            buffer,
            format="png",
            dpi=DOTS_PER_INCH,
            # Names are as long as they are: the page follows them, nothing is cut off.
            bbox_inches="tight",
            pad_inches=PAD_INCHES,
            metadata={"Software": None},
        )
        curves = curves_of(figure, pad=PAD_INCHES)
    data = buffer.getvalue() if curves is None else with_curves(buffer.getvalue(), curves)
    if isinstance(target, Path):
        target.write_bytes(data)
    else:
        target.write(data)


def set_title(figure: Figure, title: str) -> None:
    """Put a title over the whole figure, left-aligned, on as many lines as it needs."""
    letters = int(figure.get_figwidth() * LETTERS_PER_INCH)
    lines = textwrap.wrap(display_title(title), letters) or [""]
    figure.suptitle("\n".join(lines), x=0.01, horizontalalignment="left", parse_math=False)


def finish_axes(axes: Axes, title: str) -> None:
    """Give one of several axes, that somebody else made, a title and our grid.

    Args:
        axes: With a drawing.
        title: Written on as many lines as it needs.
    """
    inches = axes.get_position().width * axes.figure.bbox.width / axes.figure.dpi
    lines = textwrap.wrap(display_title(title), max(20, int(inches * LETTERS_PER_INCH))) or [""]
    axes.set_title("\n".join(lines), parse_math=False, fontsize=10.0)
    axes.tick_params(grid_color=GRID, grid_linewidth=0.7)


def write_note(figure: Figure, note: str) -> None:
    """Fill a figure without a drawing with the sentence that says why there is none."""
    letters = int(figure.get_figwidth() * LETTERS_PER_INCH)
    axes = figure.add_subplot()
    axes.set_axis_off()
    text = "\n".join(textwrap.wrap(display_title(note), letters))
    axes.text(0.0, 1.0, text, verticalalignment="top", linespacing=1.5, parse_math=False)


def set_legend_texts(legend: Legend, texts: Sequence[str]) -> None:
    """Write names as they are: given to a legend they would be read as mathematics."""
    for text, name in zip(legend.get_texts(), texts, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def line_style(index: int) -> tuple[str, tuple[float, tuple[float, ...]] | str]:
    """Colour and dashes of the line `index` of a picture; the first 40 all differ.

    The first ten have dashes of their own.
    """
    dashes = DASHES[index % len(DASHES)]
    return COLOURS[index % len(COLOURS)], (0.0, dashes) if dashes else "-"


def objective_label(objective: str, *, letters: int) -> str:
    r"""The name of a score on val, with its unit, as an axis has it.

    Args:
        objective: However it is written; classes in it have names of somebody else's.
        letters: Of a line.

    >>> objective_label("macro_f1", letters=20)
    'macro F1 on val\n(fraction)'
    """
    units = {"log_loss": "nats", "kappa": "-1 to 1", "mcc": "-1 to 1"}
    label = f"{display_title(metric_name(objective))} on val"
    if function_of(objective) is None:
        # Text is not wrapped at spaces that do not break.
        label += f" ({units.get(objective, 'fraction').replace(' ', SPACE)})"
    return "\n".join(textwrap.wrap(label, letters))


def display_names(names: Sequence[str], *, max_length: int) -> list[str]:
    """Names as they can be drawn: one line, no longer than `max_length`, all different.

    A long name loses its middle, since names of one set often begin alike. A letter
    that no installed font has becomes a box. A name that is no longer unique, or that
    lost letters, gets its number in the list, from 1, in front.

    >>> display_names(["cat", "a_very_long_name_of_a_class"], max_length=12)
    ['cat', 'a_very…class']
    >>> display_names(["long name 1 of all", "long name 2 of all"], max_length=10)
    ['1: lon…all', '2: lon…all']
    """
    lines = [" ".join(name.split()) for name in names]
    drawn = ["".join(c if has_glyph(c) else NO_GLYPH for c in line) for line in lines]
    short = [_shorten(name, max_length) for name in drawn]
    shown = []
    for index, name in enumerate(short):
        is_whole = drawn[index] == lines[index] and name
        if is_whole and short.count(name) == 1:
            shown.append(name)
        else:
            number = f"{index + 1}: "
            shown.append(number + _shorten(drawn[index], max_length - len(number)))
    return shown


def display_title(text: str) -> str:
    """A title as it can be drawn: one line, boxes for letters that no font has."""
    return "".join(c if has_glyph(c) else NO_GLYPH for c in " ".join(text.split()))


def has_glyph(character: str) -> bool:
    """Whether one of `installed_fonts` can draw a character."""
    return ord(character) in _drawable()


@cache
def installed_fonts() -> tuple[str, ...]:
    """Those of `FONTS` that this machine has, in order."""
    there = {entry.name for entry in fontManager.ttflist}
    return tuple(name for name in FONTS if name in there)


@cache
def _drawable() -> frozenset[int]:
    """Code points that one of `installed_fonts` has, but for control characters."""
    points: set[int] = set()
    for name in installed_fonts():
        path = fontManager.findfont(name, fallback_to_default=False)
        points |= set(FT2Font(path).get_charmap())
    return frozenset(point for point in points if chr(point).isprintable())


def _shorten(text: str, max_length: int) -> str:
    if len(text) <= max_length:
        return text
    tail = max(1, (max_length - 1) // 2)
    head = max(1, max_length - 1 - tail)
    return f"{text[:head]}…{text[-tail:]}"
