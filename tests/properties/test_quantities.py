"""Durations and sizes: every way to write one means the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocnn.core.errors import ConfigError
from autocnn.core.quantities import DURATION_UNITS, SIZE_UNITS, parse_duration, parse_size

NUMBERS = st.decimals(min_value="0.01", max_value=9999, places=2, allow_nan=False)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(sorted(DURATION_UNITS))), min_size=1))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[object, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    expected = sum(float(str(number)) * DURATION_UNITS[unit] for number, unit in parts)
    assert math.isclose(parse_duration(text), expected)


@given(NUMBERS, st.sampled_from(["", *SIZE_UNITS]), st.sampled_from(["", " "]))
def test_a_size_is_its_number_in_its_unit(number: object, unit: str, space: str) -> None:
    expected = float(str(number)) * SIZE_UNITS[unit or "GB"]
    assert math.isclose(parse_size(f"{number}{space}{unit.lower()}"), expected)
    assert parse_size(f" {number}{unit} ") == parse_size(f"{number}{unit}")


@given(st.text(max_size=12) | st.from_regex(r"[-+]?[0-9.]*(s|m|h|MB|GB|e[0-9]+)?", fullmatch=True))
def test_any_other_text_is_refused_and_never_a_bug(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            found = parse(text)
        except ConfigError as error:
            assert repr(text) in str(error)
        else:
            assert 0 < found < math.inf


@pytest.mark.parametrize("text", ["1" * 400, "1" * 400 + "h", "1" * 5000])
def test_numbers_without_end_are_refused(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with pytest.raises(ConfigError):
            parse(text)
