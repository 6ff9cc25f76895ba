"""What the columns of a table mean, by their names and their cells."""

import pytest

from autocnn.core.errors import DataError
from autocnn.data.sources.columns import find_labels, find_splits

KINDS = ["cat", "dog"] * 3
PLACES = {"x": ["1", "2.5", "3", "4", "5", "6"], "y": ["0", "1", "0", "1", "0", "1"]}


def test_the_y_of_a_place_is_no_label() -> None:
    assert find_labels({**PLACES, "species": KINDS}, None, "list.csv").columns == ("species",)
    assert find_labels({**PLACES, "kind": KINDS}, "y", "list.csv").columns == ("y",)
    assert find_labels({"x": KINDS, "y": PLACES["y"]}, None, "list.csv").columns == ("y",)
    assert find_labels({"x": PLACES["x"], "y": KINDS}, None, "list.csv").columns == ("y",)
    assert find_labels({"y": PLACES["y"], "age": KINDS}, None, "list.csv").columns == ("y",)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            {"is_train": "1100", "is_val": "0010", "is_test": "0001"},
            ["train", "train", "val", "test"],
        ),
        ({"is_train": "1100", "is_val": "0010"}, ["train", "train", "val", "test"]),
        ({"is_val": "0010", "is_test": "0001"}, ["train", "train", "val", "test"]),
        ({"is_train": "1100", "is_test": "0001"}, ["train", "train", "val", "test"]),
        ({"is_train": "1100", "is_training": "1100"}, ["train", "train", "test", "test"]),
        ({"is_train": "1110", "is_val": "0000", "is_test": "0001"}, ["train"] * 3 + ["test"]),
        ({"is_valid": "0001"}, ["train"] * 3 + ["val"]),
    ],
)
def test_columns_of_yes_and_no_count_together(flags: dict[str, str], expected: list[str]) -> None:
    found = find_splits({name: list(cells) for name, cells in flags.items()}, None, "list.csv")
    assert found is not None
    assert list(found.cells) == expected
    assert found.columns == tuple(flags)


@pytest.mark.parametrize(
    "flags",
    [
        {"is_train": "1100", "is_val": "0110", "is_test": "0001"},
        {"is_train": "1100", "is_val": "0000", "is_test": "0001"},
        {"is_val": "1100", "is_validation": "0100"},
    ],
)
def test_columns_of_yes_and_no_that_contradict_each_other_are_asked_about(
    flags: dict[str, str],
) -> None:
    columns = {name: list(cells) for name, cells in flags.items()}
    with pytest.raises(DataError, match="every row must be in one split, got 1 row in") as error:
        find_splits(columns, None, "list.csv")
    first = next(iter(flags))
    assert error.value.remedy == (
        f"Name the one that counts, as split_column='{first}', or give split_column='none'."
    )
    chosen = find_splits(columns, first, "list.csv")
    assert chosen is not None
    assert chosen.columns == (first,)
