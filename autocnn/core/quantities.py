"""Durations and sizes as people write them: 90s, 30m, 1h30m; 500MB, 2GB."""

import re

from autocnn.core.errors import ConfigError

DURATION_RULE = "must be above 0 and read like 90s, 30m or 2h"

_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")

_PARTS = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")

DURATION_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `30m`, `2h`, `1h30m` or a plain number of seconds.

    Raises:
        ConfigError: When the text is none of these, or not above 0.

    >>> parse_duration("1h30m")
    5400.0
    """
    # First whether all of it is of that form: to look for such parts in any other text takes the
    # square of its length.
    parts = _PART.findall(text) if _PARTS.fullmatch(text.strip()) else []
    seconds = sum(float(number) * DURATION_UNITS[unit] for number, unit in parts)
    if not parts:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"A duration {DURATION_RULE}, got {text!r}.")
    return seconds


SIZE_RULE = "must be above 0 and read like 500MB or 2GB"

SIZE_UNITS = {"MB": 1e-3, "GB": 1.0, "TB": 1e3}


def parse_size(text: str) -> float:
    """GB (10^9 bytes) in `500MB`, `2GB`, `1TB` or a plain number of GB.

    Raises:
        ConfigError: When the text is none of these, or not above 0.

    >>> parse_size("500MB")
    0.5
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT]B)?", text.strip(), re.IGNORECASE)
    size = float(match[1]) * SIZE_UNITS[(match[2] or "GB").upper()] if match else 0.0
    if not 0 < size < float("inf"):
        raise ConfigError(f"A size {SIZE_RULE}, got {text!r}.")
    return size
