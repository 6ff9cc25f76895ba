"""Durations and sizes as people write them."""

import pytest

from autocnn.core.errors import ConfigError
from autocnn.core.quantities import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("0.5h", 1800),
        ("45", 45),
        ("1.5", 1.5),
        (" 10s ", 10),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "soon", "0", "0s", "-5m", "5 m", "5min", "2hh", "inf", "nan", "1e999", "m", "1h 30m"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_duration(text)
    assert str(caught.value) == (
        f"A duration must be above 0 and read like 90s, 30m or 2h, got {text!r}."
    )


@pytest.mark.parametrize(
    ("text", "gb"),
    [
        ("500MB", 0.5),
        ("2GB", 2),
        ("1TB", 1000),
        ("1.5GB", 1.5),
        ("2 GB", 2),
        ("2gb", 2),
        ("750mb", 0.75),
        ("3", 3),
        ("0.25", 0.25),
        (" 4GB ", 4),
    ],
)
def test_sizes(text: str, gb: float) -> None:
    assert parse_size(text) == pytest.approx(gb, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "big",
        "0",
        "0MB",
        "-1GB",
        "GB",
        "2G",
        "2GiB",
        "2KB",
        "1GB500MB",
        "inf",
        "nan",
        "1e3",
        "9" * 400,
        "2,5GB",
        "1_000",
    ],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert str(caught.value) == f"A size must be above 0 and read like 500MB or 2GB, got {text!r}."
    assert caught.value.exit_code == 2
