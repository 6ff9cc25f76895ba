"""How numbers and models are written for people: percent, points, intervals, counts."""

import datetime
from collections.abc import Sequence

from autocnn.core.own_model import short_name
from autocnn.core.records import CandidateRecord, Interval, Params, ScoredSet
from autocnn.spaces.knobs import Settings

ABSENT = "\N{EN DASH}"
"""What stands where nothing was measured."""

SPACE = "\N{NO-BREAK SPACE}"

MINUS = "\N{MINUS SIGN}"

TIMES = "\N{MULTIPLICATION SIGN}"

SET_NAMES: dict[ScoredSet, str] = {
    "train": "train",
    "val": "val",
    "folds": "folds",
    "test": "test",
    "test_clean": "clean test",
}

FAMILIES = {
    "plain": "plain CNN",
    "resnet": "residual CNN",
    "separable": "separable CNN",
    "pretrained": "pretrained network",
}

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "macro_auc": "macro AUC",
    "log_loss": "log loss",
    "ece": "calibration error",
}

_FINEST = 4
"""Most decimals of a percentage."""


def percent(value: float | None) -> str:
    r"""A fraction in percent, one decimal; more where less would read 0 or 100.

    >>> percent(0.9312), percent(0.99961), percent(1.0)
    ('93.1\xa0%', '99.96\xa0%', '100.0\xa0%')
    """
    if value is None:
        return ABSENT
    decimals = 1
    while decimals < _FINEST and 0 < value < 1 and float(f"{100 * value:.{decimals}f}") in (0, 100):
        decimals += 1
    return f"{100 * value:.{decimals}f}{SPACE}%"


def points(value: float | None, *, sign: bool = True) -> str:
    """A difference of fractions in percentage points.

    Args:
        value: The difference.
        sign: Whether a plus is written.

    >>> points(0.0123), points(0.0123, sign=False), points(-0.0004)
    ('+1.2', '1.2', '0.0')
    """
    if value is None:
        return ABSENT
    text = f"{100 * value:{'+' if sign else ''}.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", MINUS)


def decimal(value: float | None, places: int = 3) -> str:
    """A number that is no fraction of images: AUC, log loss, a correlation."""
    return ABSENT if value is None else f"{value:.{places}f}".replace("-", MINUS)


def between(interval: Interval | None) -> str:
    r"""The two ends of an interval, in percent.

    >>> between(Interval(value=0.95, low=0.93, high=0.97))
    '93.0\xa0% to 97.0\xa0%'
    """
    if interval is None:
        return ABSENT
    return f"{percent(interval.low)} to {percent(interval.high)}"


def with_interval(interval: Interval | None, value: float | None = None) -> str:
    """A fraction with its 95 % interval: 95.0 % [93.0, 97.0].

    Args:
        interval: The value with its interval, or None.
        value: What to show without an interval.
    """
    if interval is None:
        return percent(value)
    low, high = (percent(end).removesuffix(f"{SPACE}%") for end in (interval.low, interval.high))
    return f"{percent(interval.value)} [{low}, {high}]"


def metric(name: str, value: float | None) -> str:
    r"""The value of a metric as its kind is written: percent, or a decimal number.

    >>> metric("balanced_accuracy", 0.5), metric("log_loss", 0.25)
    ('50.0\xa0%', '0.250')
    """
    return decimal(value) if name in ("macro_auc", "log_loss") else percent(value)


def count(number: int, singular: str, plural: str = "") -> str:
    """A number of things.

    >>> count(1, "trial"), count(1311, "test image"), count(2, "copy", "copies")
    ('1 trial', '1,311 test images', '2 copies')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def weights(number: int | None) -> str:
    r"""A number of weights.

    >>> weights(312_345), weights(5)
    ('0.31\xa0M', '5')
    """
    if number is None:
        return ABSENT
    return f"{number / 1e6:.2f}{SPACE}M" if number >= 10_000 else str(number)


def duration(seconds: float | None) -> str:
    r"""A time in the two largest units that it fills.

    >>> duration(59.6), duration(3725), duration(0.04)
    ('1\xa0min', '1\xa0h 2\xa0min', '0.0\xa0s')
    """
    if seconds is None:
        return ABSENT
    if seconds < 9.95:
        return f"{seconds:.1f}{SPACE}s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours}{SPACE}h {minutes}{SPACE}min"
    if minutes:
        return f"{minutes}{SPACE}min" + (f" {rest}{SPACE}s" if rest and minutes < 10 else "")
    return f"{rest}{SPACE}s"


def square(height: int, width: int) -> str:
    """The size of an image."""
    return f"{height} {TIMES} {width}{SPACE}px"


def moment(stamp: str) -> str:
    """A time stamp of study.json, to the minute; as it stands when it is none."""
    try:
        return datetime.datetime.fromisoformat(stamp).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return stamp


def setting(value: object) -> str:
    """A param or a setting.

    >>> setting(True), setting(0.00291234), setting("adamw")
    ('yes', '0.002912', 'adamw')
    """
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def listing(words: Sequence[str]) -> str:
    """Words in a sentence.

    >>> listing(["a"]), listing(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *head, last = words or [""]
    return f"{', '.join(head)} and {last}" if head else last


def family(params: Params, builder: str | None = None) -> str:
    """What kind of network some params make; of the user's own, that of a builder."""
    if builder is not None:
        return f"own model {short_name(builder)}"
    settings = Settings({name: value for name, value in params.items() if name == "family"})
    name = settings.text("family")
    words = FAMILIES.get(name, name)
    backbone = params.get("backbone")
    return f"{words} ({backbone})" if name == "pretrained" and backbone else words


def making(record: CandidateRecord) -> str:
    """How a candidate was made, short: a part of a table or a title."""
    if record.kind == "refit":
        return f"trial {record.trial}, retrained"
    if record.kind == "folds":
        number = len(record.members)
        return (
            f"trial {record.trial}, mean of {number} fold models"
            if number
            else (f"trial {record.trial}, mean of its fold models")
        )
    trials = sorted({member.trial for member in record.members})
    if len(trials) == 1:
        return f"ensemble of {count(len(record.members), 'model')} of trial {trials[0]}"
    names = ", ".join(map(str, trials))
    return f"ensemble of {count(len(record.members), 'model')} of trials {names}"


def title(record: CandidateRecord) -> str:
    """A candidate's name: its number and how it was made."""
    default = ", the default configuration" if record.is_default else ""
    return f"Candidate {record.candidate}: {making(record)}{default}"
