"""The numbers in the pictures of a search, from the records of its trials."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autocnn.core.arrays import DoubleArray
from autocnn.core.objective import Goal
from autocnn.core.records import ParamValue, TrialRecord, TrialState
from autocnn.core.wording import short_value

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

MIN_TRIALS = 10
"""Fewest trials from which a forest is asked what matters."""

NUM_TREES = 200
NUM_SHUFFLES = 10
NUM_PARTS = 5
"""Parts of the trials that are left out in turn, for the spread."""

NOT_USED = -0.2
"""Height of a param that a trial does not have, under an axis from 0 to 1."""

MOST_SINGLE_VALUES = 6
"""Numbers of which a param has no more are ticks of their own."""

MOST_TICKS = 7
"""Round values on an axis of numbers."""

FAN = 0.04
"""Half the width to which lines through one value are spread, the best uppermost."""

LOG_RATIO = 10.0
"""Positive numbers that span less than this are on a linear axis."""


@dataclass(frozen=True)
class HistoryPoint:
    """A trial in the history.

    Attributes:
        trial: Its number.
        state: How it ended, or stands.
        objective: None where no epoch was scored.
        is_cut: Whether the objective is outside the axis.
    """

    trial: int
    state: TrialState
    objective: float | None
    is_cut: bool


@dataclass(frozen=True)
class SearchHistory:
    """The objective over the trials of a search.

    Attributes:
        points: One per trial, in the order of their numbers.
        steps: (trial, its objective) of each that ranks before all earlier ones; empty without
            objectives.
        default: The trial of the default configuration, if it has an objective.
        low, high: Range of the objectives that are worth an axis.
        num_cut: Trials whose objective is worse than that range.
    """

    points: tuple[HistoryPoint, ...]
    steps: tuple[tuple[int, float], ...]
    default: HistoryPoint | None
    low: float
    high: float
    num_cut: int


@dataclass(frozen=True)
class ParamImportance:
    """How much one param explains.

    Attributes:
        name: Of the param.
        importance: By how much the explained share falls when the param is shuffled; about 0
            or a little below for a param that says nothing.
        spread: Standard error of the importance, rather too wide than too narrow.
    """

    name: str
    importance: float
    spread: float

    @property
    def matters(self) -> bool:
        """Whether the importance is above its spread.

        Measured on 12 searches of 60 trials in 23 params: 5 % of 204 idle params were above
        it, and 71 % of 24 that mattered.
        """
        return self.importance > self.spread


@dataclass(frozen=True)
class ParamImportances:
    """What the params explain of the order of the trials.

    Attributes:
        params: Most important first; empty when there is a reason why nothing can be said.
        explained: Share of the variance of the trials' ranks that a forest explains in
            trials it has not seen (R2); None when none was grown.
        num_trials: Trials with an objective.
        reason: Why there are no importances, a sentence; empty when there are.
    """

    params: tuple[ParamImportance, ...]
    explained: float | None
    num_trials: int
    reason: str = ""


def scored_trials(trials: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Trials that no fault ended and with a finite objective, in the order of their numbers."""
    return tuple(
        trial
        for trial in sorted(trials, key=lambda trial: trial.trial)
        if trial.state.is_scored and finite(trial.objective) is not None
    )


def finite(value: float | None) -> float | None:
    """The value, or None when it is not a finite number."""
    return value if value is not None and math.isfinite(value) else None


def is_numeric(values: Sequence[ParamValue]) -> bool:
    """Whether all values are numbers; true and false are words."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def axis_range(values: Sequence[float], *, maximize: bool) -> tuple[float, float]:
    """Lowest and highest objective worth an axis.

    It holds the best. Its worse end is the worst value, or, where that would take more than
    a third of the axis, the worst value that is not an outlier: no more than 1.5 times the
    distance between the quartiles beyond the worse one.

    Args:
        values: Finite objectives, at least one.
        maximize: Whether larger ones are better.

    Source: Tukey 1977, Exploratory Data Analysis, the inner fence.

    >>> axis_range([0.90, 0.92, 0.93, 0.95], maximize=True)
    (0.9, 0.95)
    >>> axis_range([0.10, 0.91, 0.92, 0.93, 0.95], maximize=True)
    (0.91, 0.95)
    """
    sign = 1.0 if maximize else -1.0
    goods = np.sort(sign * np.asarray(values, float))
    lower, upper = np.quantile(goods, [0.25, 0.75])
    inside = goods[goods >= lower - 1.5 * (upper - lower)]
    is_cut = 0 < goods[-1] - inside[0] < (goods[-1] - goods[0]) * 2 / 3
    low, high = sorted(sign * end for end in (inside[0] if is_cut else goods[0], goods[-1]))
    return float(low), float(high)


def search_history(
    trials: Sequence[TrialRecord], *, goal: Goal, default: int | None = None
) -> SearchHistory:
    """The objective over the trials, and the best so far of those that may become finalists.

    Args:
        trials: All trials of the search, in any order.
        goal: What ranks them.
        default: Number of the trial that has the default configuration.
    """
    ordered = sorted(trials, key=lambda trial: trial.trial)
    values = {trial.trial: finite(trial.objective) for trial in ordered}
    known = [value for value in values.values() if value is not None]
    low, high = axis_range(known, maximize=goal.maximize) if known else (0.0, 1.0)
    steps: list[tuple[int, float]] = []
    best: TrialRecord | None = None
    for trial in scored_trials([trial for trial in trials if trial.may_win]):
        value = values[trial.trial]
        assert value is not None  # scored
        if best is None or goal.place_of(trial) < goal.place_of(best):
            best = trial
            steps.append((trial.trial, value))
    if steps:  # the best may be far behind trials with too large a gap
        low, high = min(low, steps[-1][1]), max(high, steps[-1][1])
    points = tuple(
        HistoryPoint(
            trial=trial.trial,
            state=trial.state,
            objective=values[trial.trial],
            is_cut=(value := values[trial.trial]) is not None and not low <= value <= high,
        )
        for trial in ordered
    )
    return SearchHistory(
        points=points,
        steps=tuple(steps),
        default=next((p for p in points if p.trial == default and p.objective is not None), None),
        low=low,
        high=high,
        num_cut=sum(point.is_cut for point in points),
    )


def param_importances(trials: Sequence[TrialRecord], *, seed: int = 0) -> ParamImportances:
    """How much each param explains of the order of the trials, by a random forest.

    The forest predicts a trial's rank by the objective (so that one diverged trial does not
    decide, and the direction of the objective does not matter) from its params: numbers as
    they are, words as one column per word, "not used" as a value of its own. A tree is asked
    only for trials that it was not grown on. The importance of a param is what its explained
    share of the variance loses when the param's values are shuffled among the trials;
    params that tell the same share it. The spread is that of leaving a fifth of the
    trials out in turn.

    Args:
        trials: All trials of the search; complete and pruned ones with an objective count.
        seed: Of the forest and of the shuffles.

    Returns:
        Params that took two values at least, or the reason why nothing can be said: fewer
        than 10 trials, no two values, or a forest that explains nothing.

    Source: Breiman 2001, Random Forests, section 10; Shao & Tu 1995, The Jackknife and
        Bootstrap, section 2.3, on leaving out parts.
    """
    from scipy.stats import rankdata

    scored = scored_trials(trials)
    if len(scored) < MIN_TRIALS:
        are = "is" if len(scored) == 1 else "are"
        reason = (
            f"At least {MIN_TRIALS} trials with an objective are needed to say which params "
            f"matter; there {are} {len(scored)}."
        )
        return ParamImportances((), None, len(scored), reason)
    columns = _encode(scored)
    ranks: DoubleArray = rankdata([trial.objective or 0.0 for trial in scored])
    if not columns or not np.ptp(ranks):
        which = "params" if not columns else "objectives"
        return ParamImportances((), None, len(scored), f"All trials have the same {which}.")
    explained, importances = _grow(columns, ranks, seed)
    if explained <= 0:
        reason = (
            "The params do not explain which trials were good: a forest predicts new trials "
            f"no better than their mean does (R² = {explained:.2f}, {len(scored)} trials)."
        )
        return ParamImportances((), explained, len(scored), reason)
    # A part holds trials from the whole search, early and late.
    left_out = [np.arange(len(scored)) % NUM_PARTS == part for part in range(NUM_PARTS)]
    parts = [
        _grow({name: column[~out] for name, column in columns.items()}, ranks[~out], seed)[1]
        for out in left_out
    ]
    spreads = np.std(parts, axis=0) * math.sqrt(NUM_PARTS - 1)
    found = [
        ParamImportance(name, float(importance), float(spread))
        for name, importance, spread in zip(columns, importances, spreads, strict=True)
    ]
    found.sort(key=lambda param: -param.importance)
    return ParamImportances(tuple(found), explained, len(scored))


def _encode(trials: Sequence[TrialRecord]) -> dict[str, DoubleArray]:
    """The columns (n, c) of each param that varies: one for numbers, one per word."""
    columns: dict[str, DoubleArray] = {}
    for name in dict.fromkeys(name for trial in trials for name in trial.params):
        values = [trial.params.get(name) for trial in trials]
        there = [value for value in values if value is not None]
        if is_numeric(there):
            low, high = min(map(float, there)), max(map(float, there))
            # A tree splits "not used" off with one threshold.
            unused = low - (high - low or 1.0)
            column = [unused if value is None else float(value) for value in values]
            table = np.array(column)[:, None]
        else:
            words = [repr(value) for value in values]
            table = np.array([[word == one for one in dict.fromkeys(words)] for word in words])
        if np.ptp(table.astype(float), axis=0).any():
            columns[name] = table.astype(float)
    return columns


def _grow(
    columns: dict[str, DoubleArray], ranks: DoubleArray, seed: int
) -> tuple[float, DoubleArray]:
    """The share that a forest explains of trials out of its bags, and what each param adds."""
    from sklearn.ensemble import RandomForestRegressor

    table = np.concatenate(list(columns.values()), axis=1)
    forest = RandomForestRegressor(NUM_TREES, min_samples_leaf=2, random_state=seed)
    forest.fit(table, ranks)
    bags = np.ones((NUM_TREES, len(ranks)), bool)
    for bag, drawn in zip(bags, forest.estimators_samples_, strict=True):
        bag[drawn] = False
    explained = _explained(forest, bags, table[None], ranks)
    generator = np.random.default_rng(seed)
    importances = []
    start = 0
    for column in columns.values():
        shuffled = np.repeat(table[None], NUM_SHUFFLES, axis=0)
        end = start + column.shape[1]
        for copy in shuffled:
            copy[:, start:end] = generator.permutation(column)
        importances.append(explained - _explained(forest, bags, shuffled, ranks))
        start = end
    return explained, np.array(importances)


def _explained(
    forest: "RandomForestRegressor", is_outside: Any, tables: DoubleArray, ranks: DoubleArray
) -> float:
    """Mean R2 of the trees' predictions for the trials that each has not seen.

    Args:
        forest: A grown forest.
        is_outside: (trees, n) Whether a tree has not seen a trial.
        tables: (r, n, c) Copies of the columns.
        ranks: (n,) What is predicted.
    """
    total = np.zeros(tables.shape[:2])
    for tree, outside in zip(forest.estimators_, is_outside, strict=True):
        rows = tables[:, outside].reshape(-1, tables.shape[2])
        total[:, outside] += tree.predict(rows).reshape(len(tables), -1)
    # That every tree has seen a trial happens once in 10^39 trials.
    predicted = total / is_outside.sum(axis=0)
    return float(1 - np.mean((predicted - ranks) ** 2) / np.var(ranks))


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
    trials: Sequence[TrialRecord], *, params: Sequence[str], goal: Goal
) -> ParallelLines:
    """Complete and pruned trials as lines across `params` and the objective.

    Lines through one word, or one of few numbers, are spread a little around its height, the
    better trials higher, so that they can be followed.

    Args:
        trials: All trials of the search.
        params: Names of the params, in the order of their axes; one that no scored trial
            has is left out.
        goal: What ranks the trials.

    Raises:
        ValueError: When no trial has an objective.
    """
    scored = scored_trials(trials)
    if not scored:
        raise ValueError("parallel_lines must get a trial with an objective, got none.")
    values = np.array([trial.objective for trial in scored], float)
    low, high = axis_range(values.tolist(), maximize=goal.maximize)
    worst, best = (low, high) if goal.maximize else (high, low)
    order = sorted(  # from the worst to the best, which is none that was stopped behind others
        range(len(scored)),
        key=lambda row: (not scored[row].may_win, goal.place_of(scored[row])),
        reverse=True,
    )
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
    marks = round_ticks(min(numbers), max(numbers), is_log=is_log)
    return to_height, tuple((to_height(one), short_value(one)) for one in marks)


def round_ticks(low: float, high: float, *, is_log: bool = False) -> tuple[float, ...]:
    """Three to seven round values between two ends, which need not be among them.

    Args:
        low: The smaller end; above 0 for a logarithmic axis.
        high: The larger one, not the same.
        is_log: Whether they are 1, 2 and 5 times powers of ten, as many as there is place for.

    >>> round_ticks(0.013, 0.487)
    (0.1, 0.2, 0.3, 0.4)
    >>> round_ticks(0.00012, 0.0098, is_log=True)
    (0.0002, 0.0005, 0.001, 0.002, 0.005)
    >>> round_ticks(1e-7, 1.0, is_log=True)
    (1e-07, 1e-05, 0.001, 0.1)
    """
    if is_log:
        first, last = int(math.log10(low) // 1), math.ceil(math.log10(high))
        decades = range(first, last + 1)
        few = [factor * 10.0**power for power in decades for factor in (1, 2, 5)]
        inside = _inside(few, low, high, 0.01 * low)
        if 3 <= len(inside) <= MOST_TICKS:
            return inside
        if len(inside) > MOST_TICKS:
            step = math.ceil((last - first) / (MOST_TICKS - 1))
            return _inside([10.0**power for power in decades[::step]], low, high, 0.01 * low)
    span = high - low
    power = 10.0 ** (math.log10(span) // 1)
    steps = [part * power for part in (5.0, 2.0, 1.0, 0.5, 0.25, 0.2, 0.1)]
    choices = [
        [step * place for place in range(int(low // step), math.ceil(high / step) + 1)]
        for step in steps
    ]
    found = [_inside(choice, low, high, 0.01 * span) for choice in choices]
    return next((ticks for ticks in found if len(ticks) >= 4), found[-1])


def _inside(values: Sequence[float], low: float, high: float, margin: float) -> tuple[float, ...]:
    """Those between the ends, or hardly beyond, without what arithmetic leaves behind."""
    kept = [value for value in values if low - margin <= value <= high + margin]
    return tuple(float(f"{value:.10g}") for value in kept)


def _word_scale(
    values: Sequence[ParamValue],
) -> tuple[Callable[[ParamValue], float], tuple[tuple[float, str], ...]]:
    """From a word to its height, and the ticks; the first word is the uppermost."""
    words = sorted({short_value(value) for value in values}, reverse=True)

    def to_height(value: ParamValue) -> float:
        return words.index(short_value(value)) / (len(words) - 1) if len(words) > 1 else 0.5

    return to_height, tuple((to_height(word), word) for word in words)
