"""Other columns of a table as a few values each: what images are compared by."""

import math
import re
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

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")


def values_by(table: ImageTable, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The values of some columns, numbers of which there are many in four ranges.

    Args:
        table: n images, all of the data: they decide where ranges end.
        names: Of columns that are neither path, label, split nor group.

    Returns:
        Column -> (n,) values.

    Raises:
        DataError: When a column is not there, or has too many values that are no numbers, or whose
            commas may mean either.
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
    given_cells = [cell for cell in cells if cell != MISSING]
    comma = _meaning_of_commas(given_cells)
    numbers = [
        None if cell == MISSING else _number(cell, "." if comma is None else comma)
        for cell in cells
    ]
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
    if comma is None:
        unclear = next(cell for cell in given_cells if "," in cell)
        thousands, decimal = (_number(unclear, one) for one in ("", "."))
        raise DataError(
            Text(
                "{0}: {by} must name columns whose numbers can be read in one way, got {1!r} with "
                "{2!r}, which may be {3:g} or {4:g}.",
                table.source,
                name,
                unclear,
                thousands,
                decimal,
            ),
            remedy="Write them without a comma.",
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
    texts: list[str] = []
    for digits in range(6, 18):  # as many as tell them apart: 17 tell all floats apart
        texts = [f"{end:.{digits}g}" for end in ends]
        if len(set(texts)) == len(texts):
            break
    middle = [f"over {low} to {high}" for low, high in pairwise(texts)]
    return [f"up to {texts[0]}", *middle, f"over {texts[-1]}"]


def _meaning_of_commas(cells: Sequence[str]) -> str | None:
    """What commas in a column of numbers stand for; None: either may be meant.

    They part thousands where each is followed by three digits and another sign says so: two in
    one number, a decimal point, or that the numbers without one are all below a thousand.

    >>> _meaning_of_commas(["1,234", "987"]), _meaning_of_commas(["1,5", "1,234"])
    ('', '.')
    >>> print(_meaning_of_commas(["1,234", "2,345"]))
    None
    """
    plain = [cell for cell in cells if "," not in cell]
    others = [cell for cell in cells if "," in cell]
    if not others or not all(map(_THOUSANDS.fullmatch, others)):
        return "."
    has_signs = any("." in cell for cell in cells) or any(cell.count(",") > 1 for cell in others)
    are_small = bool(plain) and all(len(cell.lstrip("+-")) <= 3 for cell in plain)
    return "" if has_signs or are_small else None


def _number(text: str, comma: str) -> float | None:
    """The number that a text says, with what stands for its commas."""
    try:
        number = float(text.replace(",", comma))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
