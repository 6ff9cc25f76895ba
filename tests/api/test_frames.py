"""Tables as DataFrames: the types of the columns."""

import pandas as pd
import pytest

from autocnn.api.frames import to_frame
from autocnn.core.csv_tables import Cell


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ((1, 2), "int64"),
        ((1, None), "Int64"),
        ((1, 2.5), "float64"),
        ((1.0, None), "float64"),
        ((None, None), "float64"),
        ((True, False), "bool"),
        ((True, None), "boolean"),
        ((1, "a"), "object"),
    ],
)
def test_columns_have_the_type_of_their_values(cells: tuple[Cell, ...], dtype: str) -> None:
    frame = to_frame(["x"], [[cell] for cell in cells])
    assert str(frame["x"].dtype) == dtype
    for cell, found in zip(cells, frame["x"], strict=True):
        assert pd.isna(found) if cell is None else found == cell


def test_texts_are_texts_and_no_row_is_a_table() -> None:
    frame = to_frame(["a", "b"], [["x", 1], ["01", 2]])
    assert frame["a"].tolist() == ["x", "01"]
    assert pd.api.types.is_string_dtype(frame["a"])
    empty = to_frame(["a", "b"], [])
    assert (list(empty), len(empty)) == (["a", "b"], 0)


def test_columns_may_share_a_name() -> None:
    """As the class `all` and the column of all classes."""
    frame = to_frame(["split", "all", "all"], [["train", 3, 9]])
    assert list(frame) == ["split", "all", "all"]
    assert frame.to_numpy().tolist() == [["train", 3, 9]]
