"""Objectives beyond the listed metrics: a rate at another rate, and functions of the user's own.

Both are measured by one value of labels and probabilities, and resampled by taking images again.
"""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autocnn.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from autocnn.core.errors import ConfigError, Text, UsageError
from autocnn.core.objective import Goal
from autocnn.core.objective_text import Rate, parse_rate
from autocnn.core.own_model import CONTRACTS, OwnModel, describe, place_of
from autocnn.core.records import Interval
from autocnn.metrics.intervals import effective_number, share_interval, student_95
from autocnn.metrics.operating_point import DIGITS, find_class, rates_at
from autocnn.metrics.weighted import draw_weights

NUM_RESAMPLES = 200
"""Of the bootstrap, and swaps of the permutation test: each calls a function anew."""


class Measure(Protocol):
    """What measures an objective that is no listed metric."""

    def __call__(self, labels: IntArray, probabilities: FloatArray) -> float:
        """Its value on (n,) labels and (n, k) probabilities; NaN where it is not defined."""
        ...

    def interval(
        self, value: float, resampled: DoubleArray, labels: IntArray, groups: IntArray
    ) -> Interval:
        """The 95 % interval of a value by its (b,) resamples, at least two of them."""
        ...


@dataclass(frozen=True)
class BestRate:
    """The best sensitivity at a specificity that is high enough, or the other way round.

    Attributes:
        metric: What is improved.
        place: Number of the class, against the rest.
        least: The smallest value of the other rate.
    """

    metric: Rate
    place: int
    least: float

    def __call__(self, labels: IntArray, probabilities: FloatArray) -> float:
        """NaN without images of the class, or without others; 0 where only 'none' is specific.

        >>> rate = BestRate("sensitivity", place=1, least=1.0)
        >>> rate(np.array([0, 1, 1]), np.array([[0.7, 0.3], [0.8, 0.2], [0.1, 0.9]]))
        0.5
        """
        is_own = labels == self.place
        if is_own.all() or not is_own.any():
            return math.nan
        shares = np.asarray(probabilities[:, self.place], np.float64).round(DIGITS)
        found, mistaken = rates_at(np.unique(shares), is_own, shares)
        rates = (found, 1 - mistaken)
        wanted, held = rates if self.metric == "sensitivity" else rates[::-1]
        return float(wanted[held >= self.least - 1e-12].max(initial=0.0))

    def interval(
        self, value: float, resampled: DoubleArray, labels: IntArray, groups: IntArray
    ) -> Interval:
        """As that of a share of the images that the rate is about."""
        return share_interval(value, resampled, effective_number(groups[self._counted(labels)]))

    def _counted(self, labels: IntArray) -> BoolArray:
        is_own: BoolArray = labels == self.place
        return is_own if self.metric == "sensitivity" else ~is_own


@dataclass(frozen=True)
class OwnMeasure:
    """A function of the user's own.

    Attributes:
        function: Where it stands.
        class_names: Its third argument.
        measure: It.
    """

    function: OwnModel
    class_names: tuple[str, ...]
    measure: Callable[..., Any]

    def __call__(self, labels: IntArray, probabilities: FloatArray) -> float:
        """What it returns, NaN for what is not finite; it gets copies, in double precision.

        Raises:
            ConfigError: When it raises, or returns no number.
        """
        try:
            value = self.measure(
                np.array(labels, np.int64), np.array(probabilities, np.float64), self.class_names
            )
        except (Exception, SystemExit) as error:  # a user's function may raise anything
            raise ConfigError(
                Text(
                    "{objective} {0}: must return a number for {1} images, got: {2}.",
                    place_of(error, self.function),
                    len(labels),
                    describe(error),
                ),
                remedy=CONTRACTS["objective"],
            ) from error
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, numbers.Real):
            raise ConfigError(
                Text(
                    "{objective} {0}: must return a number, got {1}.",
                    self.function,
                    f"an array of shape {value.shape}"
                    if isinstance(value, np.ndarray)
                    else type(value).__name__,
                ),
                remedy=CONTRACTS["objective"],
            )
        number = float(value)
        return number if math.isfinite(number) else math.nan

    def interval(
        self, value: float, resampled: DoubleArray, labels: IntArray, groups: IntArray
    ) -> Interval:
        """Two standard deviations of the resamples to both sides: its range is not known."""
        half = student_95(effective_number(groups) - 1) * float(resampled.std(ddof=1))
        return Interval(value=value, low=value - half, high=value + half)


def measure_of(goal: Goal) -> Measure | None:
    """What measures the goal's objective; None for a metric of `Scores`.

    Raises:
        UsageError: When its class is not there, or its function cannot be imported.
        StudyChangedError: When its function is no longer what it was.
    """
    if goal.function is not None:
        return OwnMeasure(goal.function, goal.class_names, goal.function.load())
    rate = parse_rate(goal.objective)
    if rate is None:
        return None
    label = find_class(
        rate.label,
        goal.class_names,
        setting="objective",
        example="sensitivity of CLASS at specificity >= 0.9",
    )
    return BestRate(rate.metric, goal.class_names.index(label), rate.least)


def try_measure(measure: Measure, num_classes: int) -> None:
    """Measure 40 made-up images of each class, so that a mistake shows before the first trial.

    Raises:
        ConfigError: When a function raises, or returns no finite number.
    """
    labels = np.arange(40 * num_classes, dtype=np.int64) % num_classes
    drawn = (
        np.random.default_rng(0).random((len(labels), num_classes)) + np.eye(num_classes)[labels]
    )
    value = measure(labels, drawn / drawn.sum(axis=1, keepdims=True))
    if math.isnan(value) and isinstance(measure, OwnMeasure):
        raise ConfigError(
            Text(
                "{objective} {0}: must return a finite number for images of every class, got NaN "
                "or infinity.",
                measure.function,
            ),
            remedy=CONTRACTS["objective"],
        )


def under_weights(
    measure: Measure, labels: IntArray, probabilities: FloatArray, weights: DoubleArray
) -> DoubleArray:
    """(b,) The value under each of b weightings; NaN where it is not defined.

    Args:
        measure: What is measured.
        labels: (n,) True classes.
        probabilities: (n, k)
        weights: (n, b) How often each image is taken: whole numbers.
    """
    values = np.full(weights.shape[1], np.nan)
    for column, counts in enumerate(weights.T.astype(np.int64)):
        rows = np.repeat(np.arange(len(labels)), counts)
        try:
            values[column] = measure(labels[rows], probabilities[rows])
        except UsageError:
            continue  # a resample may lack a class, which a function need not put up with
    return values


def measured_interval(
    measure: Measure,
    value: float,
    labels: IntArray,
    probabilities: FloatArray,
    groups: IntArray,
    *,
    seed: int,
) -> Interval | None:
    """The 95 % interval of a value, by resamples of the groups; None where too few have one."""
    resampled = np.concatenate(
        [
            under_weights(measure, labels, probabilities, weights)
            for weights in draw_weights(groups, NUM_RESAMPLES, seed=seed)
        ]
    )
    resampled = resampled[np.isfinite(resampled)]
    return measure.interval(value, resampled, labels, groups) if len(resampled) > 1 else None
