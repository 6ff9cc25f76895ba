"""Durations as people write them: 90s, 30m, 2h, 1h30m."""

import re

from autocnn.errors import ConfigError

DURATION_RULE = "must be above 0 and read like 90s, 30m or 2h"

DURATION_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `30m`, `2h`, `1h30m` or a plain number of seconds.

    Raises:
        ConfigError: When the text is none of these, or not above 0.

    >>> parse_duration("1h30m")
    5400.0
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    seconds = sum(float(number) * DURATION_UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text.strip() or not parts:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"A duration {DURATION_RULE}, got {text!r}.")
    return seconds
