"""How numbers, times and names are written for people, on every face: the one place for it.

Two styles of a score stand side by side: a fraction, with four decimals in sentences and three in
the tables of a terminal (`fraction`, `fraction_interval`), and a percentage with one, for the page
and the model card (`percent`, `percent_interval`, `points`).
"""

import datetime
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from autocnn.core.objective_text import function_of
from autocnn.core.own_model import short_name
from autocnn.core.records.operating_points import OperatingPoint
from autocnn.core.records.scores import Interval, ScoredSet

ABSENT = "\N{EN DASH}"
"""What stands on a page where nothing was measured."""

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
"""Sets, as tables call them."""

SETS_IN_SENTENCES: dict[ScoredSet, str] = SET_NAMES | {"folds": "the folds"}
"""Sets, as sentences call them."""

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "macro_auc": "macro AUC",
    "kappa": "Cohen's kappa",
    "mcc": "Matthews correlation",
    "log_loss": "log loss",
    "ece": "calibration error",
}
"""Scores, as people call them."""

CHOSEN_ON = {"folds": "out of fold", "val": "on val"}
"""Where a threshold was chosen, as sentences call it."""

POINT_NAMES = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "answered": "share answered",
    "accuracy": "accuracy of the answers",
}
"""What is measured at an operating point, as people call it."""

DECIMAL_METRICS = ("macro_auc", "kappa", "mcc", "log_loss")
"""Scores that are no share of images: written as decimals, never in percent."""

TABLE_PLACES = 3
"""Decimals of a fraction in a table on a terminal: five such columns fit 80 characters."""

_FINEST = 4
"""Most decimals of a percentage."""

_MOST_PLACES = 8
"""Most decimals of a p-value; one that is still nearer to 0.05 is that."""

_MOST_NAMED = 3

_QUOTED = re.compile(r"`[^`]+`")

_MOST_LETTERS = 40
"""Of a text of somebody else's in a sentence."""


# -- scores ----------------------------------------------------------------------------------


def fraction(value: float | None, *, places: int = 4, sign: bool = False) -> str:
    """A score as a fraction; a small negative number that rounds to 0 has no sign.

    Args:
        value: The score, or a difference of two; None is written `-`.
        places: Decimals.
        sign: Whether a plus is written.

    >>> fraction(0.93124), fraction(-0.00001), fraction(0.5, places=3, sign=True), fraction(None)
    ('0.9312', '0.0000', '+0.500', '-')
    """
    return "-" if value is None else f"{value:{'+' if sign else ''}z.{places}f}"


def fraction_interval(interval: Interval, *, places: int = 4, sign: bool = False) -> str:
    """A score with its interval as fractions; an end that is not 0 does not read 0.

    Args:
        interval: The value and its two ends.
        places: Decimals.
        sign: Whether a plus is written.

    >>> fraction_interval(Interval(value=0.9312, low=0.91, high=0.95))
    '0.9312 [0.9100, 0.9500]'
    """
    value, low, high = (
        fraction(number, places=places_of(number, places, most=places + 2), sign=sign)
        for number in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low}, {high}]"


def percent(value: float | None) -> str:
    r"""A fraction in percent, with one decimal; with more where less would read 0 or 100.

    >>> percent(0.9312), percent(0.99961), percent(1.0)
    ('93.1\xa0%', '99.96\xa0%', '100.0\xa0%')
    """
    if value is None:
        return ABSENT
    decimals = 1
    while decimals < _FINEST and 0 < value < 1 and float(f"{100 * value:.{decimals}f}") in (0, 100):
        decimals += 1
    return f"{100 * value:.{decimals}f}{SPACE}%"


def percent_interval(interval: Interval | None, value: float | None = None) -> str:
    r"""A fraction with its 95 % interval, in percent.

    Args:
        interval: The value with its interval, or None.
        value: What to show without an interval.

    >>> percent_interval(Interval(value=0.95, low=0.93, high=0.97)), percent_interval(None, 0.5)
    ('95.0\xa0% [93.0, 97.0]', '50.0\xa0%')
    """
    if interval is None:
        return percent(value)
    low, high = (without_unit(percent(end)) for end in (interval.low, interval.high))
    return f"{percent(interval.value)} [{low}, {high}]"


def percent_range(interval: Interval | None) -> str:
    r"""The two ends of an interval, in percent.

    >>> percent_range(Interval(value=0.95, low=0.93, high=0.97))
    '93.0\xa0% to 97.0\xa0%'
    """
    if interval is None:
        return ABSENT
    return f"{percent(interval.low)} to {percent(interval.high)}"


def without_unit(text: str) -> str:
    """A percentage without its sign, for where the sign stands nearby.

    >>> without_unit(percent(0.5)), without_unit("0.500")
    ('50.0', '0.500')
    """
    return text.removesuffix(f"{SPACE}%")


def points(value: float | None, *, sign: bool = True) -> str:
    """A difference of fractions in percentage points; with more decimals where 1 would read 0.

    Args:
        value: The difference.
        sign: Whether a plus is written.

    >>> points(0.0123), points(0.0123, sign=False), points(0.0003), points(0.0)
    ('+1.2', '1.2', '+0.03', '0.0')
    """
    if value is None:
        return ABSENT
    places = places_of(100 * value, 1, most=_FINEST)
    return signed(100 * value, places=places, plus="+" if sign else "")


def p_value(value: float | None) -> str:
    """How likely chance makes as large a difference; on its side of 0.05, whatever the decimals.

    >>> p_value(0.0004), p_value(0.04), p_value(0.0496), p_value(0.05), p_value(0.0504)
    ('< 0.001', '0.040', '0.0496', '0.050', '0.0504')
    """
    if value is None:
        return ABSENT
    places = 3
    while places < _MOST_PLACES and value != 0.05 and float(f"{value:.{places}f}") == 0.05:
        places += 1
    return "< 0.001" if value < 0.001 else f"{value:.{places}f}"


def places_of(value: float, places: int, *, most: int) -> int:
    """Decimals with which a number does not read 0, where `most` are enough; else `places`.

    >>> places_of(0.0004, 3, most=5), places_of(0.5, 3, most=5), places_of(1e-17, 3, most=5)
    (4, 3, 3)
    """
    enough = (one for one in range(places, most + 1) if float(f"{value:.{one}f}"))
    return next(enough, places)


def decimal(value: float | None, places: int = 3) -> str:
    """A number that is no fraction of images: an AUC, a log loss, a correlation.

    >>> decimal(0.98765), decimal(-0.25, 2).isascii()
    ('0.988', False)
    """
    return ABSENT if value is None else f"{value:.{places}f}".replace("-", MINUS)


def signed(value: float, *, places: int = 4, plus: str = "+") -> str:
    """A number with its sign, and with none where it rounds to 0.

    >>> signed(0.0123), signed(-0.00001), signed(-0.5, places=1).isascii()
    ('+0.0123', '0.0000', False)
    """
    text = f"{abs(value):.{places}f}"
    if float(text) == 0:
        return text
    return f"{plus if value > 0 else MINUS}{text}"


def metric_name(name: str) -> str:
    """A metric or an objective as people call it.

    >>> metric_name("mcc"), metric_name("-/home/me/costs.py:cost")
    ('Matthews correlation', 'costs:cost')
    """
    own = function_of(name)
    return METRICS.get(name, name) if own is None else short_name(own)


def is_decimal(name: str) -> bool:
    """Whether a metric or an objective is no share of images, and never written in percent."""
    return name in DECIMAL_METRICS or function_of(name) is not None


def metric(name: str, value: float | None) -> str:
    r"""The value of a metric as its kind is written on a page: in percent, or as a decimal.

    >>> metric("balanced_accuracy", 0.5), metric("log_loss", 0.25)
    ('50.0\xa0%', '0.250')
    """
    return decimal(value) if is_decimal(name) else percent(value)


def metric_range(name: str, interval: Interval | None) -> str:
    r"""The two ends of the interval of a metric, as `metric` writes its value.

    >>> metric_range("log_loss", Interval(value=0.25, low=0.2, high=0.31))
    '0.200 to 0.310'
    """
    if interval is None:
        return ABSENT
    return f"{metric(name, interval.low)} to {metric(name, interval.high)}"


def temperature_effect(temperature: float) -> str:
    """What dividing the logits by a temperature did.

    >>> temperature_effect(1.2), temperature_effect(1.0)
    ('before it the model was too sure', 'it changed nothing')
    """
    if temperature == 1:
        return "it changed nothing"
    side = "too sure" if temperature > 1 else "not sure enough"
    return f"before it the model was {side}"


# -- operating points -----------------------------------------------------------------------


def point_rule(point: OperatingPoint) -> str:
    """How the model decides there, as a clause.

    >>> point = OperatingPoint(
    ...     target="answered >= 0.9", metric="answered", least=0.9, threshold=0.7, candidate=1,
    ...     chosen_on="folds", chosen={}, judged_on="test", num_judged=9, judged={}, counts={})
    >>> point_rule(point)
    'unsure below a probability of 0.7'
    """
    if point.label is None:
        return f"unsure below a probability of {point.threshold:g}"
    return (
        f"{point.label!r} from a probability of {point.threshold:g} on, else the most probable "
        "of the others"
    )


def describe_point(point: OperatingPoint) -> str:
    """All of it in a few sentences: the rule, what it was chosen by, what was measured."""
    return " ".join(_point_sentences(point))


def prevalence_note(point: OperatingPoint) -> str:
    """At which prevalence PPV and NPV hold; empty without a class.

    >>> prevalence_note(OperatingPoint(
    ...     target="recall of a >= 0.9", metric="sensitivity", label="a", least=0.9, threshold=0.7,
    ...     candidate=1, chosen_on="folds", chosen={}, judged_on="test", num_judged=9, judged={},
    ...     counts={}, prevalence=0.02, is_prevalence_stated=True))
    'at the stated prevalence of 0.02'
    """
    if point.prevalence is None:
        return ""
    if point.is_prevalence_stated:
        return f"at the stated prevalence of {point.prevalence:g}"
    where = SET_NAMES[point.judged_on]
    return f"at the prevalence of {where}, {point.prevalence:.3g}; elsewhere they are others"


def _point_sentences(point: OperatingPoint) -> Iterator[str]:
    yield f"Target: {point.target}."
    yield f"Rule: {point_rule(point)}."
    name = "ppv" if point.metric == "precision" else point.metric
    reached = fraction(point.chosen[name].value) if name in point.chosen else "not defined"
    yield f"Chosen {CHOSEN_ON[point.chosen_on]}, where {POINT_NAMES[name]} is {reached}."
    values = [
        f"{POINT_NAMES[name]} {fraction_interval(value)}"
        for name, value in point.judged.items()
        if name not in ("ppv", "npv")
    ]
    where = f"{SET_NAMES[point.judged_on]} ({count(point.num_judged, 'image')})"
    yield f"On {where}: {listing(values)}."
    values = [
        f"{POINT_NAMES[name]} {fraction_interval(point.judged[name])}"
        for name in ("ppv", "npv")
        if name in point.judged
    ]
    if values:
        yield f"{listing(values)} {prevalence_note(point)}."


# -- counts, sizes and times -----------------------------------------------------------------


def count(number: int, singular: str, plural: str = "") -> str:
    """A number of things.

    >>> count(1, "trial"), count(1311, "test image"), count(2, "copy", "copies")
    ('1 trial', '1,311 test images', '2 copies')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def images_of(scored: ScoredSet, number: int) -> str:
    """A number of images of a test set.

    >>> images_of("test_clean", 319), images_of("test", 1)
    ('319 clean test images', '1 test image')
    """
    return count(number, f"{SET_NAMES[scored]} image")


def weights(number: int | None, *, space: str = SPACE) -> str:
    r"""A number of weights.

    Args:
        number: How many; None is not known.
        space: What stands before the unit.

    >>> weights(312_345), weights(312_345, space=""), weights(9_999)
    ('0.31\xa0M', '0.31M', '9,999')
    """
    if number is None:
        return ABSENT
    return f"{number / 1e6:.2f}{space}M" if number >= 10_000 else f"{number:,}"


def size(gb: float) -> str:
    r"""A size on disk.

    Args:
        gb: In GB (10^9 bytes).

    >>> size(0.0004), size(0.0214), size(0.96), size(3.14)
    ('0.4\xa0MB', '21\xa0MB', '960\xa0MB', '3.1\xa0GB')
    """
    if gb >= 1:
        return f"{gb:.1f}{SPACE}GB"
    return f"{1000 * gb:.{0 if gb >= 0.01 else 1}f}{SPACE}MB"


def duration(seconds: float | None) -> str:
    r"""A measured time in the two largest units that it fills.

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


def rough_duration(seconds: float) -> str:
    """A time that is estimated or asked for, no finer than people think of it.

    >>> rough_duration(45), rough_duration(720), rough_duration(7500)
    ('45 s', '12 min', '2 h 05 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def moment(stamp: str) -> str:
    """A time stamp of study.json, to the minute; as it stands when it is none.

    >>> moment("2026-02-03T04:05:06+00:00"), moment("once")
    ('2026-02-03 04:05 UTC', 'once')
    """
    try:
        return datetime.datetime.fromisoformat(stamp).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return stamp


def square(height: int, width: int) -> str:
    r"""The size of an image.

    >>> print(ascii(square(64, 96)))
    '64 \xd7 96\xa0px'
    """
    return f"{height} {TIMES} {width}{SPACE}px"


# -- values and names ------------------------------------------------------------------------


def setting(value: object) -> str:
    """A param or a setting, for people who read a table.

    >>> setting(True), setting(0.00291234), setting("adamw")
    ('yes', '0.002912', 'adamw')
    """
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def short_value(value: object) -> str:
    """A param as short as it can be told, for ticks and lines of progress.

    >>> [short_value(value) for value in (True, 0.0021345, 64, "adamw", 1e-5)]
    ['true', '0.00213', '64', 'adamw', '1e-05']
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def listing(words: Sequence[str]) -> str:
    """All of some words in a sentence.

    >>> listing(["a"]), listing(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *head, last = words or [""]
    return f"{', '.join(head)} and {last}" if head else last


def first_few(items: Sequence[str], *, limit: int = _MOST_NAMED) -> str:
    """The first of some items, and how many more there are.

    Args:
        items: Names, or what is said of each.
        limit: How many are named.

    >>> first_few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit:,} more"


def shortened(text: str, *, limit: int = _MOST_LETTERS) -> str:
    """Somebody else's text in a sentence: of a long one, its beginning and its end.

    Args:
        text: A cell of a table, or a path.
        limit: Letters that are shown.

    >>> shortened("cat"), shortened("set/photos/0001.png", limit=15)
    ('cat', 'set/ph...01.png')
    """
    if len(text) <= limit:
        return text
    tail = (limit - 3) // 2
    return f"{text[: limit - 3 - tail]}...{text[-tail:]}"


def visible(text: str) -> str:
    r"""A text of somebody else's that cannot steer a terminal, nor break a line.

    What does not print becomes a replacement character: control bytes, line ends, marks that turn
    the direction of writing, bytes of file names that are no UTF-8.

    >>> print(ascii(visible("a\x1b[31m\nb")))
    'a\ufffd[31m\ufffdb'
    >>> visible("12\N{NO-BREAK SPACE}min") == "12\N{NO-BREAK SPACE}min"
    True
    """
    if text.isprintable():
        return text
    return "".join(sign if _is_shown(sign) else "\N{REPLACEMENT CHARACTER}" for sign in text)


def wrapped(text: str, width: int, *, indent: int = 0) -> list[str]:
    """The lines of a paragraph: broken between words, and never inside a command in backquotes.

    Args:
        text: A paragraph; of none, there is one empty line.
        width: Most letters of a line; a longer word stands on a line of its own.
        indent: Spaces before all lines but the first.

    >>> wrapped("No study yet. Start one with `autocnn search DATA`.", 32)
    ['No study yet. Start one with', '`autocnn search DATA`.']
    """
    held = _QUOTED.sub(
        lambda found: found[0].replace(" ", "\0") if len(found[0]) <= width else found[0], text
    )
    lines = textwrap.wrap(
        held, width, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
    return [line.replace("\0", " ") for line in lines] or [""]


def _is_shown(sign: str) -> bool:
    # Python takes other spaces, and the joiners of Persian and of emoji, for not printable.
    is_space = unicodedata.category(sign) == "Zs"
    return (
        sign.isprintable() or is_space or sign in "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
    )


def capital(sentence: str) -> str:
    """A sentence that begins with a capital letter, and is otherwise as it was.

    >>> capital("macro AUC is low.")
    'Macro AUC is low.'
    """
    return sentence[:1].upper() + sentence[1:]
