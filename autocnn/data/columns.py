"""Other columns of a table as a few values each: what images are compared by."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from autocnn.core.errors import DataError, Text
from autocnn.core.wording import first_few
from autocnn.data.table import ImageTable, is_absent

MISSING = "missing"
"""The value of a cell that says nothing."""

MOST_VALUES = 12
"""Of a column: of more, each has few images, and a difference would have to be large."""

NUM_BINS = 4


def values_by(table: ImageTable, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The values of some columns, numbers of which there are many in four ranges.

    Args:
        table: n images, all of the data: they decide where ranges end.
        names: Of columns that are neither path, label, split nor group.

    Returns:
        Column -> (n,) values.

    Raises:
        DataError: When a column is not there, or has too many values that are no numbers.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        if name not in table.others:
            known = first_few(list(table.others), limit=20) or "no other columns"
            raise DataError(
                Text(
                    "{0}: {by} must name other columns of the table ({1}), got {2!r}.",
                    table.source,
                    known,
                    name,
                ),
                remedy="" if table.others else "Give a table that has such columns.",
            )
        cells = [MISSING if is_absent(one) else one for one in table.others[name]]
        kinds = dict.fromkeys(one for one in cells if one != MISSING)
        if len(kinds) > MOST_VALUES:
            cells = _binned(table, name, cells)
        found[name] = tuple(cells)
    return found


def _binned(table: ImageTable, name: str, cells: Sequence[str]) -> list[str]:
    """Numbers as one of four ranges with about as many images each."""
    numbers = [None if cell == MISSING else _number(cell) for cell in cells]
    if any(number is None and cell != MISSING for number, cell in zip(numbers, cells, strict=True)):
        several = len(set(cells) - {MISSING})
        raise DataError(
            Text(
                "{0}: {by} must name columns of numbers, or of at most {1} values, got {2!r} with "
                "{3:,}.",
                table.source,
                MOST_VALUES,
                name,
                several,
            ),
            remedy="Put alike values together in a column of their own.",
        )
    given = np.array([number for number in numbers if number is not None])
    ends = np.unique(np.quantile(given, np.linspace(0, 1, NUM_BINS + 1)[1:-1], method="lower"))
    names = _range_names(ends)
    return [
        MISSING if number is None else names[int(np.searchsorted(ends, number))]
        for number in numbers
    ]


def _range_names(ends: np.ndarray) -> list[str]:
    """What each range is called: its upper end belongs to it."""
    texts = [f"{end:g}" for end in ends]
    middle = [f"over {low} to {high}" for low, high in pairwise(texts)]
    return [f"up to {texts[0]}", *middle, f"over {texts[-1]}"]


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", ".")) if text.count(",") == 1 else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
