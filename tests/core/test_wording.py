"""How numbers, times and names are written for people."""

import pytest

from autocnn.core import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (45.0, "45 s"),
        (89.4, "89 s"),
        (90.0, "2 min"),
        (719.0, "12 min"),
        (5300.0, "88 min"),
        (5400.0, "1 h 30 min"),
        (7500.0, "2 h 05 min"),
        (90000.0, "25 h 00 min"),
    ],
)
def test_times_read_well(seconds: float, text: str) -> None:
    assert wording.rough_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (61.0, "1 min 1 s"),
        (600.4, "10 min"),
        (3599.6, "1 h 0 min"),
        (90000.0, "25 h 0 min"),
    ],
)
def test_a_measured_time_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds).replace(wording.SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (0.0001, "0.01 %"),
        (0.00000001, "0.0000 %"),
        (0.9995, "99.95 %"),
    ],
)
def test_a_percentage_reads_0_or_100_of_none_and_all_only(value: float | None, text: str) -> None:
    assert wording.percent(value).replace(wording.SPACE, " ") == text


def test_every_metric_has_its_own_name() -> None:
    assert len(set(wording.METRICS.values())) == len(wording.METRICS)
    assert wording.METRICS["macro_f1"] == "macro F1"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        ([str(n) for n in range(1203)], "0, 1, 2 and 1,200 more"),
    ],
)
def test_the_first_of_many_are_named(names: list[str], text: str) -> None:
    assert wording.first_few(names) == text
