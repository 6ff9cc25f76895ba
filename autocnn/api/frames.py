"""Tables as DataFrames whose columns have the types of their values."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autocnn.core.csv_tables import Cell

if TYPE_CHECKING:
    import pandas as pd


def to_frame(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> "pd.DataFrame":
    """A table as a DataFrame: numbers as numbers, an empty cell as missing.

    Whole numbers are `int64`, or `Int64` where some are missing; so `bool` and `boolean`;
    other numbers, and columns without any value, are `float64`.

    Args:
        columns: Names.
        rows: A cell per column.
    """
    import pandas as pd

    cells = [[row[place] for row in rows] for place in range(len(columns))]
    frame = pd.DataFrame(dict(enumerate(map(_to_series, cells))))
    frame.columns = pd.Index(columns)  # a class may have the name of another column
    return frame


def _to_series(values: list[Any]) -> "pd.Series[Any]":
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    is_whole = None not in values
    if kinds == {bool}:
        return pd.Series(values, dtype="bool" if is_whole else "boolean")
    if kinds == {int}:
        return pd.Series(values, dtype="int64" if is_whole else "Int64")
    if kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series(values) if kinds == {str} else pd.Series(values, dtype=object)
