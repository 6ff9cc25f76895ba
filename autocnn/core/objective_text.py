"""What an objective may be written as: a metric's name, a rate at another rate, or a function."""

import re
import sys
from dataclasses import dataclass
from typing import Literal

LISTED = ("balanced_accuracy", "accuracy", "macro_f1", "macro_auc", "kappa", "mcc", "log_loss")
"""Metrics that are named alone."""

RULE = (
    f"must be one of {', '.join(LISTED)}, or as 'sensitivity of CLASS at specificity >= 0.9', or "
    "MODULE:FUNCTION, with - in front where lower is better"
)

CALLABLE_RULE = (
    "must be a function at the top of a module that can be imported, so that processes find it by "
    "MODULE:FUNCTION"
)

Rate = Literal["sensitivity", "specificity"]

_RATES: dict[str, Rate] = {
    "sensitivity": "sensitivity",
    "recall": "sensitivity",
    "specificity": "specificity",
}

_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(%?)")

_FUNCTION = re.compile(r"-?\s*(\S.*:[^\W\d]\w*)")


@dataclass(frozen=True)
class RateAtRate:
    """The best of one rate of a class against the rest where the other is high enough.

    Attributes:
        metric: What is improved; the other of the two is held.
        label: The class, as it was typed.
        least: The smallest value of the rate that is held, above 0, at most 1.
    """

    metric: Rate
    label: str
    least: float


def parse_rate(text: str) -> RateAtRate | None:
    """Read `sensitivity of CLASS at specificity >= NUMBER`, or the other way round.

    Returns:
        None where the text is no such sentence.

    >>> parse_rate("recall of type at rest at specificity >= 90%")
    RateAtRate(metric='sensitivity', label='type at rest', least=0.9)
    """
    what, sign, number = text.replace("\N{GREATER-THAN OR EQUAL TO}", ">=").rpartition(">=")
    what, at, held = what.strip().rpartition(" at ")
    words = what.split(maxsplit=2)
    match = _NUMBER.fullmatch(number.strip())
    if not (sign and at and match) or len(words) < 3 or words[1].casefold() != "of":
        return None
    metric, other = (_RATES.get(name.strip().casefold()) for name in (words[0], held))
    least = float(match[1]) / (100 if match[2] else 1)
    if metric is None or other is None or metric == other or not 0 < least <= 1:
        return None
    return RateAtRate(metric, words[2].strip(), least)


def function_of(objective: str) -> str | None:
    """The FILE:FUNCTION or MODULE:FUNCTION of an objective; None where it is none.

    >>> function_of("-costs.py:cost"), function_of("kappa")
    ('costs.py:cost', None)
    """
    if objective in LISTED or parse_rate(objective) is not None:
        return None
    match = _FUNCTION.fullmatch(objective.strip())
    return match[1] if match else None


def is_lower_better(objective: str) -> bool:
    """Whether a smaller value is the better one.

    >>> [is_lower_better(name) for name in ("log_loss", "mcc", "-costs:cost", "gains:gain")]
    [True, False, True, False]
    """
    return objective == "log_loss" or objective.startswith("-")


def check_objective(value: object) -> object:
    """An objective as it is written, whatever it was given as.

    Args:
        value: Text, or a function that a module has at its top.

    Raises:
        ValueError: With the rule that is broken.
    """
    if callable(value):
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
        there = getattr(sys.modules.get(module or ""), name, None)
        if module == "__main__" or there is not value:
            raise ValueError(CALLABLE_RULE)
        return f"{module}:{name}"
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in LISTED or parse_rate(text) is not None or function_of(text) is not None:
        return text
    raise ValueError(RULE)
