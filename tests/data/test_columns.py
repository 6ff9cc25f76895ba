"""Columns of a table as a few values each."""

from dataclasses import replace
from pathlib import Path

import pytest

from autocnn.core.errors import DataError
from autocnn.data.columns import values_by
from autocnn.data.sources.open import read_source
from autocnn.data.table import ImageTable


def table_of(cells: dict[str, list[str]]) -> ImageTable:
    number = len(next(iter(cells.values())))
    table = read_source("digits").select(range(number))
    return replace(table, others={name: tuple(values) for name, values in cells.items()})


def test_values_stay_as_they_are_and_empty_ones_are_a_value() -> None:
    table = table_of({"sex": ["f", "m", "", "NaN", "f"], "dose": ["1", "2", "1", "2", "10"]})
    assert values_by(table, ["sex"]) == {"sex": ("f", "m", "missing", "missing", "f")}
    assert values_by(table, ("dose",))["dose"] == ("1", "2", "1", "2", "10")
    assert values_by(table, ()) == {}


def test_many_numbers_become_four_ranges_of_about_one_size() -> None:
    ages = [str(20 + number) for number in range(100)] + [""]
    values = values_by(table_of({"age": ages}), ["age"])["age"]
    assert list(dict.fromkeys(values)) == [
        "up to 44",
        "over 44 to 69",
        "over 69 to 94",
        "over 94",
        "missing",
    ]
    assert values.count("up to 44") == 25
    assert values[-1] == "missing"


def test_a_number_that_is_nearly_all_the_same_has_fewer_ranges() -> None:
    ages = ["0"] * 90 + [str(number) for number in range(1, 15)]
    values = values_by(table_of({"age": ages}), ["age"])["age"]
    assert set(values) == {"up to 0", "over 0"}


def test_what_cannot_be_compared_is_told() -> None:
    table = table_of({"sex": ["f"] * 20, "patient": [f"p{number}" for number in range(20)]})
    with pytest.raises(DataError, match=r"must name other columns of the table \(sex, patient\)"):
        values_by(table, ["Sex"])
    with pytest.raises(DataError, match=r"of at most 12 values, got 'patient' with 20"):
        values_by(table, ["patient"])
    with pytest.raises(DataError, match=r"got 'sex'\. Give a table that has such columns"):
        values_by(read_source("digits"), ["sex"])


def test_it_is_told_before_anything_is_decoded(tmp_path: Path) -> None:
    from autocnn.core.config import resolve_config
    from autocnn.core.events import Observer
    from autocnn.data import prepare_data

    config = resolve_config({"by": "sex, site", "cache_dir": tmp_path / "cache"})
    assert config.by == ("sex", "site")
    with pytest.raises(DataError, match="got 'sex'"):
        prepare_data(config, image_sizes=(), observer=Observer())
    assert not (tmp_path / "cache").exists()
