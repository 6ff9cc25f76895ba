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


def test_ranges_of_long_numbers_keep_their_names_apart() -> None:
    dates = [f"202001{day:02d}" for day in range(1, 29)]
    values = values_by(table_of({"date": dates}), ["date"])["date"]
    assert list(dict.fromkeys(values)) == [
        "up to 20200107",
        "over 20200107 to 20200114",
        "over 20200114 to 20200121",
        "over 20200121",
    ]


@pytest.mark.parametrize(
    ("form", "range_of_it"),
    [
        ("{}", "over 914"),  # it is 1234: those without a comma are below a thousand
        ("{}.5", "over 914.5"),  # a point is there already
        ("{},5", "up to 903.5"),  # it is 1.234: others have one digit behind the comma
        ("0,{}", "over 0.914"),  # no thousand begins with 0
        ("1,000,{}", "up to 1000903"),
    ],
)
def test_what_a_comma_means_is_decided_for_the_column(form: str, range_of_it: str) -> None:
    cells = ["1,234", *(form.format(number) for number in range(900, 919))]
    assert values_by(table_of({"dose": cells}), ["dose"])["dose"][0] == range_of_it


def test_commas_that_may_mean_either_are_refused() -> None:
    cells = [f"{number},250" for number in range(1, 20)]
    with pytest.raises(DataError, match=r"got 'dose' with '1,250', which may be 1250 or 1\.25\. W"):
        values_by(table_of({"dose": cells}), ["dose"])
    with pytest.raises(DataError, match=r"may be 1250 or 1\.25"):
        values_by(table_of({"dose": [*cells, "1500"]}), ["dose"])


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
