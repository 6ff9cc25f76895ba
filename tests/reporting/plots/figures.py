"""Asking a figure what is on it, and awkward names to put there."""

import io

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from autocnn.reporting.plots.style import save_png

AWKWARD = ["_private", "$x_1$ cost $", "很长的名字", "a" * 40, "опухоль", "100 %", "^_^ \\frac"]


def draw(figure: Figure) -> tuple[int, int]:
    """Save a figure, as a study does; the picture's width and height in px."""
    before = dict(mpl.rcParams)
    buffer = io.BytesIO()
    save_png(figure, buffer)
    assert dict(mpl.rcParams) == before
    with Image.open(buffer) as image:
        assert image.format == "PNG"
        return image.size


def points(line: Line2D) -> tuple[list[float], list[float]]:
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def cell_texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend_texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def figure_legend_texts(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def all_texts(figure: Figure) -> str:
    """Everything that is written in a drawn figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())
