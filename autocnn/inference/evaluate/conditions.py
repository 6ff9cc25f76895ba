"""Conditions on an evaluation, as `clean accuracy low >= 0.93`: for CI, and for who signs."""

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autocnn.core.errors import Text, UsageError
from autocnn.core.records import Assessment, CheckedCondition, Interval, Scores, SplitScores
from autocnn.metrics.operating_point import find_class

EXAMPLE = "clean accuracy low >= 0.93"

CLASS_METRICS: Mapping[str, str] = {
    "sensitivity": "recall",
    "recall": "recall",
    "specificity": "specificity",
    "precision": "precision",
    "ppv": "precision",
    "f1": "f1",
    "auc": "auc",
}
"""Scores of one class, as people call them -> fields of `ClassScores`."""

End = Literal["low", "high", "value"]

ENDS: tuple[End, ...] = ("low", "high", "value")

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

_PARTS = re.compile(r"\s*(\S+)\s+(.+?)\s*(>=|<=|>|<)\s*(\S+)\s*", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """What must hold of some scores.

    Attributes:
        text: As it was written.
        scored: `all`: all images; `clean`: those that the model has not seen.
        metric: A field of `Scores`, or of `ClassScores` where there is a label.
        label: Class that is held against the rest; None: over all classes.
        end: Which end of the 95 % interval, or the value itself.
        sign: One of `OPERATORS`.
        bound: What it is compared with.
    """

    text: str
    scored: Literal["all", "clean"]
    metric: str
    label: str | None
    end: End
    sign: str
    bound: float


def parse_condition(text: str, class_names: Sequence[str]) -> Condition:
    """Read a condition: SET METRIC [low|high|value] OPERATOR NUMBER.

    Args:
        text: SET is all or clean. METRIC is a score over all classes (accuracy, log loss, ...) or
            `sensitivity of CLASS` and the like. low and high are the ends of the 95 % interval.
        class_names: The classes that there are.

    Raises:
        UsageError: When it is no such sentence.

    >>> condition = parse_condition("clean sensitivity of bad low >= 0.9", ["good", "bad"])
    >>> condition.metric, condition.label, condition.end, condition.sign, condition.bound
    ('recall', 'bad', 'low', '>=', 0.9)
    """
    match = _PARTS.fullmatch(text)
    scored = match[1].casefold() if match else ""
    if match is None or (scored != "all" and scored != "clean"):
        raise UsageError(
            Text(
                "{require} must be SET METRIC [low|high|value] OPERATOR NUMBER, with SET all or "
                "clean and OPERATOR one of {0}, got {1!r}.",
                ", ".join(OPERATORS),
                text,
            ),
            remedy=f"As in: {EXAMPLE}.",
        )
    words, end = match[2], "value"
    before, _, last = words.rpartition(" ")
    # A class may be called low, or `risk low`.
    is_label = words.partition(" of ")[2].strip() in class_names
    is_end = last in ENDS and not is_label and not before.rstrip().endswith(" of")
    if is_end:
        words, end = before.strip(), last
    metric, label = _find_metric(words, class_names)
    return Condition(
        text=text.strip(),
        scored=scored,  # type: ignore[arg-type] # one of the two, as was checked
        metric=metric,
        label=label,
        end=end,  # type: ignore[arg-type] # one of ENDS
        sign=match[3],
        bound=_bound(text, match[4]),
    )


def _find_metric(words: str, class_names: Sequence[str]) -> tuple[str, str | None]:
    name, of, label = words.partition(" of ")
    if of:
        metric = CLASS_METRICS.get(name.strip().casefold())
        if metric is None:
            raise _no_metric(name, list(CLASS_METRICS), " of CLASS")
        label = find_class(label.strip(), class_names, setting="require", example=EXAMPLE)
        return metric, label
    metric = re.sub(r"[\s_]+", "_", name.strip().casefold())
    metric = {"calibration_error": "ece"}.get(metric, metric)
    if metric not in Scores.model_fields:
        raise _no_metric(name, list(Scores.model_fields), "")
    return metric, None


def _no_metric(name: str, there: Sequence[str], after: str) -> UsageError:
    close = difflib.get_close_matches(name.strip().casefold(), there, n=1)
    return UsageError(
        Text(
            "{require}: METRIC must be one of {0}, got {1!r}.",
            ", ".join(f"{one}{after}" for one in there),
            name.strip(),
        ),
        remedy=f"Did you mean {close[0]}{after}?" if close else f"As in: {EXAMPLE}.",
    )


def _bound(text: str, number: str) -> float:
    is_percent = number.endswith("%")
    try:
        value = float(number.removesuffix("%")) / (100 if is_percent else 1)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            Text("{require}: NUMBER must be a number, got {0!r} in {1!r}.", number, text),
            remedy="Write 0.93 or 93%.",
        )
    return value


def check_conditions(
    record: Assessment, conditions: Sequence[Condition]
) -> tuple[CheckedCondition, ...]:
    """Whether each condition holds. What was not measured does not hold.

    Args:
        record: The evaluation.
        conditions: From `parse_condition`.
    """
    return tuple(_check(record, condition) for condition in conditions)


def _check(record: Assessment, condition: Condition) -> CheckedCondition:
    scores, reason = _scores(record, condition)
    interval = None
    if scores is not None:
        interval, reason = _interval(scores, condition)
    if interval is None:
        return CheckedCondition(condition=condition.text, found=None, holds=False, reason=reason)
    found = float(getattr(interval, condition.end))
    holds = OPERATORS[condition.sign](found, condition.bound)
    return CheckedCondition(condition=condition.text, found=found, interval=interval, holds=holds)


def _scores(record: Assessment, condition: Condition) -> tuple[SplitScores | None, str]:
    """The scores that it is about, or why there are none."""
    if condition.scored == "all":
        return record.scores, ""
    if record.num_seen is None:
        return None, (
            "which images were in training is known by a study with its split.csv alone, not by "
            "an exported model: name the study, or write all in place of clean"
        )
    if record.num_seen and record.unseen is None:
        return None, "all images were seen in training"
    return record.unseen or record.scores, ""


def _interval(scores: SplitScores, condition: Condition) -> tuple[Interval | None, str]:
    intervals, absent = scores.intervals, "not defined on these images"
    if condition.label is not None:
        one = next((one for one in scores.classes if one.label == condition.label), None)
        if one is None or not one.num_images:
            return None, f"no image of {condition.label!r}"
        intervals = one.intervals
    found = intervals.get(condition.metric)
    return found, "" if found is not None else absent
