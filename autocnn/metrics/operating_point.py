"""An operating point: from a target, as `sensitivity of malignant >= 0.95`, to a threshold.

The threshold is chosen on predictions of images that a model has not seen, and judged on others.
Whoever chooses it on test, and reads its sensitivity off test, reads too much.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from autocnn.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from autocnn.core.errors import Text, UsageError
from autocnn.core.records import Interval
from autocnn.core.records.operating_points import TargetMetric
from autocnn.core.wording import first_few
from autocnn.metrics.intervals import effective_number, wilson_interval
from autocnn.metrics.weighted import divide

DIGITS = 6
"""Of a probability in the tables that thresholds come from, and of what is compared with them."""

WORDS: Mapping[str, TargetMetric] = {
    "sensitivity": "sensitivity",
    "recall": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "ppv": "precision",
    "answered": "answered",
}
"""What a target may be about; some have two names."""

EXAMPLE = "sensitivity of CLASS >= 0.95"

_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(%?)")


@dataclass(frozen=True)
class Target:
    """What an operating point must reach.

    Attributes:
        metric: Which share.
        label: Of which class; None for `answered`.
        least: The smallest value that will do, above 0, at most 1.
    """

    metric: TargetMetric
    label: str | None
    least: float

    def __str__(self) -> str:
        of_class = "" if self.label is None else f" of {self.label}"
        return f"{self.metric}{of_class} >= {self.least:g}"


def parse_target(text: str, class_names: Sequence[str]) -> Target:
    """Read a target: METRIC of CLASS >= NUMBER, or answered >= NUMBER.

    Args:
        text: METRIC is sensitivity (or recall), specificity, or precision (or ppv); CLASS is
            written as it is, with spaces and all; NUMBER is above 0 and at most 1, or in percent.
        class_names: The classes that there are.

    Raises:
        UsageError: When it is no such sentence, or there is no such class.

    >>> parse_target("recall of ductal carcinoma >= 95%", ["benign", "ductal carcinoma"])
    Target(metric='sensitivity', label='ductal carcinoma', least=0.95)
    >>> print(parse_target("answered >= 0.9", ["a", "b"]))
    answered >= 0.9
    """
    what, sign, number = text.replace("\N{GREATER-THAN OR EQUAL TO}", ">=").rpartition(">=")
    name, _, rest = what.strip().partition(" ")
    metric = WORDS.get(name.casefold())
    if not sign or metric is None:
        raise _no_target(text, name if sign else "")
    label = rest.strip()
    if metric == "answered":
        if label:
            raise UsageError(
                Text("{target}: answered is about all classes, got {0!r} after it.", label),
                remedy="Write answered >= 0.9.",
            )
        return Target(metric, None, _least(text, number))
    if label.casefold().startswith("of ") or label.casefold() == "of":
        label = label[2:].strip()
    else:
        label = ""
    return Target(metric, find_class(label, class_names), _least(text, number))


def _no_target(text: str, name: str) -> UsageError:
    close = difflib.get_close_matches(name.casefold(), WORDS, n=1, cutoff=0.5)
    return UsageError(
        Text(
            "{target} must be METRIC of CLASS >= NUMBER, with METRIC one of sensitivity, "
            "specificity, precision, or answered >= NUMBER, got {0!r}.",
            text,
        ),
        remedy=f"Did you mean {close[0]}?" if close else f"As in: {EXAMPLE}.",
    )


def _least(text: str, number: str) -> float:
    match = _NUMBER.fullmatch(number.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < value <= 1:
        raise UsageError(
            Text(
                "{target}: the number after >= must be above 0 and at most 1, got {0!r} in {1!r}.",
                number.strip(),
                text,
            ),
            remedy="Write 0.95 or 95%.",
        )
    return value


def find_class(
    label: str, class_names: Sequence[str], *, setting: str = "target", example: str = EXAMPLE
) -> str:
    """The class that somebody has typed: as it is, in quotes, or in other capitals.

    Args:
        label: What was typed.
        class_names: The classes that there are.
        setting: With which it was given.
        example: What may be written there.

    Raises:
        UsageError: When there is no such class.

    >>> find_class("'Ductal carcinoma'", ["benign", "ductal carcinoma"])
    'ductal carcinoma'
    """
    bare = label[1:-1] if len(label) > 1 and label[0] == label[-1] and label[0] in "'\"" else label
    for wanted in (label, bare):
        if wanted in class_names:
            return wanted
    alike = [name for name in class_names if name.strip().casefold() == bare.strip().casefold()]
    if len(alike) == 1:
        return alike[0]
    there = first_few([repr(name) for name in class_names], limit=10)
    close = difflib.get_close_matches(label, class_names, n=1)
    got = repr(label) if label else "no class"
    raise UsageError(
        Text(f"{{{setting}}}: CLASS must be one of {{0}}, got {{1}}.", there, got),
        remedy=f"Did you mean {close[0]!r}?" if close else f"As in: {example}.",
    )


@dataclass(frozen=True)
class Counts:
    """A class against the rest at one threshold.

    Attributes:
        true_positives, false_negatives: Images of the class, taken for it or not.
        false_positives, true_negatives: The others, taken for it or not.
        num_own, num_others: How many independent images either side is worth.
    """

    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int
    num_own: float
    num_others: float

    @classmethod
    def at(cls, threshold: float, is_own: BoolArray, shares: FloatArray, groups: IntArray) -> Self:
        """Count.

        Args:
            threshold: An image is taken for the class from this probability on.
            is_own: (n,) Whether it is of the class.
            shares: (n,) Its probability of the class.
            groups: (n,) The same number for images that are not independent.
        """
        is_taken = _rounded(shares) >= threshold
        return cls(
            true_positives=int((is_own & is_taken).sum()),
            false_negatives=int((is_own & ~is_taken).sum()),
            false_positives=int((~is_own & is_taken).sum()),
            true_negatives=int((~is_own & ~is_taken).sum()),
            num_own=effective_number(groups[is_own]),
            num_others=effective_number(groups[~is_own]),
        )

    @property
    def prevalence(self) -> float:
        """Share of the class among the images."""
        own = self.true_positives + self.false_negatives
        return own / (own + self.false_positives + self.true_negatives)

    @property
    def sensitivity(self) -> Interval | None:
        """Share of the class that is found; None without images of it."""
        return _share(self.true_positives, self.false_negatives, self.num_own)

    @property
    def specificity(self) -> Interval | None:
        """Share of the others that are not taken for it; None without others."""
        return _share(self.true_negatives, self.false_positives, self.num_others)

    def values(self, prevalence: float | None = None) -> dict[str, Interval]:
        """sensitivity, specificity, ppv and npv, as far as they are defined.

        ppv and npv are what sensitivity and specificity come to at a prevalence, which is taken
        as known: a share of test says nothing of how frequent a class is elsewhere.

        Args:
            prevalence: 0 to 1; None: that of these images, at which ppv is the precision.

        >>> found = Counts(90, 10, 45, 855, 100.0, 900.0).values(0.01)
        >>> found["sensitivity"].value, round(found["ppv"].value, 3), found["npv"].value > 0.998
        (0.9, 0.154, True)
        """
        share = self.prevalence if prevalence is None else prevalence
        sensitivity, specificity = self.sensitivity, self.specificity
        found = {"sensitivity": sensitivity, "specificity": specificity}
        if sensitivity is not None and specificity is not None:
            found["ppv"] = _predictive(sensitivity, _rest(specificity), share)
            found["npv"] = _predictive(specificity, _rest(sensitivity), 1 - share)
        return {name: value for name, value in found.items() if value is not None}

    def numbers(self) -> dict[str, int]:
        """The four counts by name."""
        names = ("true_positives", "false_negatives", "false_positives", "true_negatives")
        return {name: getattr(self, name) for name in names}


def ratio_interval(over: Interval, under: Interval) -> tuple[float, float]:
    """The 95 % limits of the ratio of two independent shares, from the interval of each.

    Finite at the lower end also where the second share is 0, infinite at the upper end then.

    Source: Donner & Zou 2012, Statistical Methods in Medical Research 21:347-359 (MOVER-R).

    Args:
        over: The share above the line.
        under: The share below it.

    >>> found = Interval(value=0.9, low=0.8, high=0.95), Interval(value=0.0, low=0.0, high=0.04)
    >>> low, high = ratio_interval(*found)
    >>> round(low, 1), high
    (22.4, inf)
    """
    product = over.value * under.value
    # Both ends are roots of one quadratic; each is written so that nothing cancels.
    first = over.low * (2 * over.value - over.low)
    second = under.high * (2 * under.value - under.high)
    low = _quotient(first, product + math.sqrt(max(0.0, product**2 - first * second)))
    first = over.high * (2 * over.value - over.high)
    second = under.low * (2 * under.value - under.low)
    root = math.sqrt(max(0.0, product**2 - first * second))
    return low, (product + root) / second if second > 0 else math.inf


def _quotient(over: float, under: float) -> float:
    return over / under if under > 0 else 0.0


def _predictive(found: Interval, mistaken: Interval, share: float) -> Interval | None:
    """How often what is taken for something is that; None where nothing is.

    Args:
        found: Share of those that are, which are taken for it.
        mistaken: Share of those that are not.
        share: Of those that are among all.
    """
    taken = share * found.value + (1 - share) * mistaken.value
    if taken <= 0:
        return None
    value = share * found.value / taken
    ends = [_chance(ratio, share) for ratio in ratio_interval(found, mistaken)]
    return Interval(value=value, low=min(ends[0], value), high=min(1.0, max(ends[1], value)))


def _chance(ratio: float, share: float) -> float:
    """The chance after a finding that is `ratio` times as frequent where it is true."""
    if math.isinf(ratio):
        return 1.0 if share > 0 else 0.0
    return _quotient(share * ratio, share * ratio + 1 - share)


def _share(part: int, rest: int, number: float) -> Interval | None:
    return wilson_interval(part / (part + rest), number) if part + rest else None


def _rest(share: Interval) -> Interval:
    return Interval(value=1 - share.value, low=1 - share.high, high=1 - share.low)


def _rounded(shares: FloatArray) -> DoubleArray:
    rounded: DoubleArray = np.asarray(shares, np.float64).round(DIGITS)
    return rounded


def choose_threshold(
    target: Target,
    labels: IntArray,
    probabilities: FloatArray,
    class_names: Sequence[str],
    *,
    prevalence: float | None = None,
) -> float:
    """The threshold at which a target is reached, at the least cost.

    - sensitivity: the highest one, which leaves the fewest false alarms;
    - specificity and precision: the lowest one, which finds most;
    - answered: the highest one, which answers the surest.

    Args:
        target: What is to be reached.
        labels: (n,) True classes of images that the model had not seen.
        probabilities: (n, k) What it says of them.
        class_names: k names.
        prevalence: For a precision: the share of the class that it is to hold for; None: that
            among these images.

    Raises:
        UsageError: When no threshold reaches it; the message has the best that is reached.

    >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    >>> labels = np.array([0, 0, 1, 1])
    >>> target = parse_target("sensitivity of b >= 1", ["a", "b"])
    >>> choose_threshold(target, labels, probabilities, ["a", "b"])
    0.3
    """
    if target.label is None:
        largest = _rounded(probabilities.max(axis=1))
        thresholds = np.unique(largest)
        answered = 1 - np.sort(largest).searchsorted(thresholds) / len(largest)
        return float(thresholds[answered >= target.least - 1e-12][-1])
    place = list(class_names).index(target.label)
    shares, is_own = _rounded(probabilities[:, place]), labels == place
    if not is_own.any():
        raise UsageError(
            Text("{target}: there must be images of {0!r} to choose by, got none.", target.label)
        )
    if is_own.all() and target.metric != "sensitivity":
        raise UsageError(
            Text(
                "{target}: there must be images of others than {0!r} to choose by, got none.",
                target.label,
            )
        )
    thresholds = np.unique(shares)
    found, mistaken = rates_at(thresholds, is_own, shares)
    if target.metric == "sensitivity":
        values = found
    elif target.metric == "specificity":
        values = 1 - mistaken
    else:
        share = float(is_own.mean()) if prevalence is None else prevalence
        taken = share * found
        values = divide(taken, taken + (1 - share) * mistaken)
    values = np.where(found > 0, values, np.nan)
    reaching = np.flatnonzero(values >= target.least - 1e-12)
    if not len(reaching):
        best = int(np.nanargmax(values))
        raise UsageError(
            Text(
                "{target} {0}: must be reached at some threshold that still finds {1!r}, got at "
                "most {2:.4g} on images that the model had not seen, at a threshold of {3:g}, "
                "where the sensitivity is {4:.4g}.",
                target,
                target.label,
                float(values[best]),
                float(thresholds[best]),
                float(found[best]),
            ),
            remedy="Ask for less, or look for a better candidate.",
        )
    return float(thresholds[reaching[-1 if target.metric == "sensitivity" else 0]])


def rates_at(
    thresholds: DoubleArray, is_own: BoolArray, shares: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    """Share of the class that is found, and of the others that are mistaken, at each threshold.

    Args:
        thresholds: (t,)
        is_own: (n,) Whether an image is of the class.
        shares: (n,) Its probability of the class, rounded as the thresholds are.

    Returns:
        (t,) and (t,); NaN without such images.
    """

    def above(side: DoubleArray) -> DoubleArray:
        number = len(side) - np.sort(side).searchsorted(thresholds)
        return divide(number.astype(float), np.full(len(thresholds), float(len(side))))

    return above(shares[is_own]), above(shares[~is_own])


def decide(shares: FloatArray, place: int, threshold: float) -> IntArray:
    """(n,) The class of each image: one where it reaches a threshold, else the best of the others.

    Args:
        shares: (n, k) Probabilities; rows of NaN get the first class.
        place: Of the class with the threshold.
        threshold: Its smallest probability.

    >>> decide(np.array([[0.9, 0.1, 0.0], [0.95, 0.02, 0.03]]), 1, 0.1).tolist()
    [1, 0]
    """
    others = np.nan_to_num(shares, nan=-1.0)
    is_taken = others[:, place].astype(np.float64).round(DIGITS) >= threshold
    others[:, place] = -2.0
    chosen: IntArray = np.where(is_taken, place, others.argmax(axis=1))
    return chosen


def answered_values(
    threshold: float, labels: IntArray, probabilities: FloatArray, groups: IntArray
) -> tuple[dict[str, Interval], dict[str, int]]:
    """Share of the images that is answered, and of the answers that is right; and both counted.

    Args:
        threshold: An answer counts from this probability on.
        labels: (n,) True classes; n at least 1.
        probabilities: (n, k)
        groups: (n,) The same number for images that are not independent.
    """
    is_answered = _rounded(probabilities.max(axis=1)) >= threshold
    is_right = is_answered & (probabilities.argmax(axis=1) == labels)
    answered, right = int(is_answered.sum()), int(is_right.sum())
    values = {"answered": wilson_interval(answered / len(labels), effective_number(groups))}
    if answered:
        number = effective_number(groups[is_answered])
        values["accuracy"] = wilson_interval(right / answered, number)
    return values, {"answered": answered, "right": right}
