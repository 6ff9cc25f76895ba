"""The numbers behind parallel coordinates: every trial as a line across its params."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autocnn.core.records import ParamValue, TrialRecord
from autocnn.core.wording import short_value
from autocnn.reporting.search_summary import axis_range, is_numeric, scored_trials

NOT_USED = -0.2
"""Height of a param that a trial does not have, under an axis from 0 to 1."""

MOST_SINGLE_VALUES = 6
"""Numbers of which a param has no more are ticks of their own."""

FAN = 0.04
"""Half the width to which lines through one value are spread, the best uppermost."""

LOG_RATIO = 10.0
"""Positive numbers that span less than this are on a linear axis."""


@dataclass(frozen=True)
class ParallelAxis:
    """One param as an axis from 0 to 1.

    Attributes:
        name: Of the param.
        ticks: (height, text), ascending.
        is_log: Whether heights go with the logarithm.
        has_unused: Whether some trial does not have the param.
    """

    name: str
    ticks: tuple[tuple[float, str], ...]
    is_log: bool
    has_unused: bool


@dataclass(frozen=True)
class ParallelLine:
    """One trial across the axes.

    Attributes:
        trial: Its number.
        heights: One per axis, about `NOT_USED` where it has no value; then that of the
            objective: 1 for the best, 0 for the worst on the axis and for those beyond.
        strength: Its rank as a fraction: 1 for the best, 0 for the worst.
    """

    trial: int
    heights: tuple[float, ...]
    strength: float


@dataclass(frozen=True)
class ParallelLines:
    """Trials as lines across their params and their objective.

    Attributes:
        axes: One per param.
        lines: Worst first, so that the best is drawn last.
        worst, best: Objective at the foot and at the top of its axis.
        num_cut: Trials that are worse than the foot.
    """

    axes: tuple[ParallelAxis, ...]
    lines: tuple[ParallelLine, ...]
    worst: float
    best: float
    num_cut: int


def parallel_lines(
    trials: Sequence[TrialRecord], *, params: Sequence[str], maximize: bool
) -> ParallelLines:
    """Complete and pruned trials as lines across `params` and the objective.

    Lines through one word, or one of few numbers, are spread a little around its height, the
    better trials higher, so that they can be followed.

    Args:
        trials: All trials of the search.
        params: Names of the params, in the order of their axes; one that no scored trial
            has is left out.
        maximize: Whether a larger objective is better.

    Raises:
        ValueError: When no trial has an objective.
    """
    scored = scored_trials(trials)
    if not scored:
        raise ValueError("parallel_lines must get a trial with an objective, got none.")
    values = np.array([trial.objective for trial in scored], float)
    low, high = axis_range(values.tolist(), maximize=maximize)
    worst, best = (low, high) if maximize else (high, low)
    # Equals stand in the order of their numbers, the earlier one as the better.
    order = np.lexsort((-np.arange(len(scored)), values if maximize else -values))
    strengths = np.ones(len(scored))
    if len(scored) > 1:
        strengths[order] = np.linspace(0, 1, len(scored))
    names = [name for name in params if any(name in trial.params for trial in scored)]
    columns = [
        _parallel_axis(name, [trial.params.get(name) for trial in scored], strengths)
        for name in names
    ]
    ends = (values - worst) / (best - worst) if best != worst else np.ones(len(scored))
    return ParallelLines(
        axes=tuple(axis for axis, _ in columns),
        lines=tuple(
            ParallelLine(
                trial=scored[row].trial,
                heights=(*(heights[row] for _, heights in columns), max(0.0, float(ends[row]))),
                strength=float(strengths[row]),
            )
            for row in order
        ),
        worst=worst,
        best=best,
        num_cut=int((ends < 0).sum()),
    )


def _parallel_axis(
    name: str, column: Sequence[ParamValue | None], strengths: np.ndarray
) -> tuple[ParallelAxis, list[float]]:
    """The axis of one param, and the height of each trial on it."""
    there = [value for value in column if value is not None]
    is_log = False
    is_fanned = True
    if is_numeric(there):
        numbers = [float(value) for value in there]
        is_log = _is_log(numbers)
        is_fanned = len(set(numbers)) <= MOST_SINGLE_VALUES
        to_height, ticks = _number_scale(numbers, is_log=is_log, has_single_ticks=is_fanned)
    else:
        to_height, ticks = _word_scale(there)
    heights = []
    for value, strength in zip(column, strengths, strict=True):
        height = NOT_USED if value is None else to_height(value)
        is_spread = is_fanned or value is None
        heights.append(height + (FAN * (2 * float(strength) - 1) if is_spread else 0.0))
    axis = ParallelAxis(name, ticks, is_log=is_log, has_unused=len(there) < len(column))
    return axis, heights


def _is_log(numbers: Sequence[float]) -> bool:
    """Whether numbers spread more evenly over their logarithm: their median tells."""
    low, high = min(numbers), max(numbers)
    if low <= 0 or high < LOG_RATIO * low:
        return False
    middle = float(np.median(numbers))
    linear = (middle - low) / (high - low)
    logarithmic = math.log(middle / low) / math.log(high / low)
    return abs(logarithmic - 0.5) < abs(linear - 0.5)


def _number_scale(
    numbers: Sequence[float], *, is_log: bool, has_single_ticks: bool
) -> tuple[Callable[[ParamValue], float], tuple[tuple[float, str], ...]]:
    """From a value to its height, and the ticks."""
    ends = [math.log(end) if is_log else end for end in (min(numbers), max(numbers))]
    span = ends[1] - ends[0]

    def to_height(value: ParamValue) -> float:
        number = math.log(float(value)) if is_log else float(value)
        return (number - ends[0]) / span if span else 0.5

    if has_single_ticks:
        return to_height, tuple((to_height(one), short_value(one)) for one in sorted(set(numbers)))
    marks = [ends[0] + span * share for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    if is_log:
        values = [math.exp(one) for one in marks]
        return to_height, tuple((to_height(one), short_value(one)) for one in values)
    digits = 2 - int(math.log10(span) // 1)
    return to_height, tuple((to_height(one), f"{round(one, digits):g}") for one in marks)


def _word_scale(
    values: Sequence[ParamValue],
) -> tuple[Callable[[ParamValue], float], tuple[tuple[float, str], ...]]:
    """From a word to its height, and the ticks; the first word is the uppermost."""
    words = sorted({short_value(value) for value in values}, reverse=True)

    def to_height(value: ParamValue) -> float:
        return words.index(short_value(value)) / (len(words) - 1) if len(words) > 1 else 0.5

    return to_height, tuple((to_height(word), word) for word in words)
