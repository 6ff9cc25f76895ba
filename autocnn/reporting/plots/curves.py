"""Curves inside their picture: a PNG that says where they run, for a page to tell their values.

The numbers stand in a text chunk of the file, so whoever has the picture has them too.
"""

import json
import struct
import zlib
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

KEYWORD = "autocnn-curves"
"""Of the chunk; its text is JSON."""

MOST_POINTS = 200
"""Of a curve; more are not told apart by a pointer."""

MOST_LETTERS = 200_000
"""Of the JSON; longer ones were not written here."""

HEAD_BYTES = 33
"""The signature of a PNG and its first chunk, after which others may stand."""

Course = Literal["line", "steps", "points"]
_MARK = "curve"


def mark_curve(line: Line2D, name: str, course: Course) -> None:
    """Let the picture tell the values of a line.

    Args:
        line: Drawn in an axes of a figure.
        name: Of the curve.
        course: Between two points it is a straight line, or as high as the next point, or nothing.
    """
    line.set_gid(json.dumps([_MARK, name, course]))


def curves_of(figure: Figure, *, pad: float) -> str | None:
    """The marked curves of a figure that was just drawn, as JSON; None without any.

    `panels`, one for each axes: `box`, its left, top, right and bottom as fractions of the
    picture; the names and ranges of its axes, `x_name`, `x_range`, `y_name`, `y_range`; and
    `curves` with name, colour, course, x and y.

    Args:
        figure: Saved with a tight bounding box.
        pad: Around that box, inches.
    """
    axes_with = [axes for axes in figure.axes if any(map(_mark_of, axes.lines))]
    if not axes_with:
        return None
    whole = figure.get_tightbbox().padded(pad)
    panels = []
    for axes in axes_with:
        box = axes.get_window_extent()
        sides = [box.x0 / figure.dpi - whole.x0, whole.y1 - box.y1 / figure.dpi]
        sides += [box.x1 / figure.dpi - whole.x0, whole.y1 - box.y0 / figure.dpi]
        shares = np.array(sides) / ([whole.width, whole.height] * 2)
        panels.append(
            {
                "box": _rounded(shares),
                "x_name": axes.get_xlabel().partition(" (")[0],
                "x_range": _rounded(axes.get_xlim()),
                "y_name": axes.get_ylabel().partition(" (")[0],
                "y_range": _rounded(axes.get_ylim()),
                "curves": [_curve(line) for line in axes.lines if _mark_of(line)],
            }
        )
    return json.dumps({"panels": panels}, separators=(",", ":"))


def _mark_of(line: Line2D) -> tuple[str, str] | None:
    """Name and course of a marked line."""
    text = line.get_gid() or ""
    if not text.startswith(f'["{_MARK}"'):
        return None
    _, name, course = json.loads(text)
    return name, course


def _curve(line: Line2D) -> dict[str, Any]:
    name, course = _mark_of(line) or ("", "line")
    x, y = (np.asarray(values, float) for values in line.get_data())
    if len(x) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int))
        x, y = x[kept], y[kept]
    colour = str(line.get_color())
    return {"name": name, "colour": colour, "course": course, "x": _rounded(x), "y": _rounded(y)}


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.5g}") for value in np.asarray(values, float)]


def with_curves(png: bytes, curves: str) -> bytes:
    """A PNG with curves in a chunk of their own.

    Args:
        png: The whole file.
        curves: From `curves_of`.
    """
    kind, text = b"zTXt", KEYWORD.encode("latin-1") + b"\0\0" + zlib.compress(curves.encode(), 9)
    check = struct.pack(">I", zlib.crc32(kind + text))
    chunk = struct.pack(">I", len(text)) + kind + text + check
    return png[:HEAD_BYTES] + chunk + png[HEAD_BYTES:]


def read_curves(image: Image.Image) -> str:
    """The curves in a picture, JSON; empty without any, and where they are no JSON.

    Args:
        image: An open PNG.
    """
    text = getattr(image, "text", {}).get(KEYWORD, "")
    if not text or len(text) > MOST_LETTERS:
        return ""
    try:
        json.loads(text)
    except ValueError:
        return ""
    return str(text)
