"""Pictures in whose place tests that do not look at them have a dot."""

from pathlib import Path
from typing import BinaryIO

from matplotlib.figure import Figure
from PIL import Image


def save_dot(figure: Figure, target: Path | BinaryIO, **options: object) -> None:
    Image.new("L", (1, 1)).save(target, "PNG")


def draw_dots() -> None:
    """From now on every picture of this process is a dot: drawing is a third of a small study."""
    setattr(Figure, "savefig", save_dot)  # noqa: B010 - mypy takes no assignment
