"""The search on the page: what was tried, the best, what did not end well, and its pictures."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autocnn.core import wording
from autocnn.core.objective import Goal
from autocnn.core.records import TrialRecord, TrialState
from autocnn.reporting import names
from autocnn.reporting.elements import (
    Cell,
    Column,
    Figure,
    Picture,
    Row,
    Table,
    load_picture,
    make_table,
    number_columns,
    text_columns,
)
from autocnn.reporting.facts import StudyFacts

if TYPE_CHECKING:
    from matplotlib import figure as mpl_figure

FIGURE_TITLES = {
    "history": "The search over its trials",
    "importances": "Which params mattered",
    "parallel": "Params of all trials",
}

NUM_BEST = 10
MOST_STOPPED = 50
"""Rows of trials that did not complete; the rest stands in trials.csv."""

NUM_NAMED = 3
"""Params that are named beside the picture of what mattered."""


@dataclass(frozen=True)
class Drawings:
    """Pictures that were drawn for the report.

    Attributes:
        pictures: `history`, `importances`, `parallel`, `robustness` -> the picture, as far as
            there is something to draw.
        important: The params that mattered most, beyond two standard errors.
        unknown: Why nothing can be said of what mattered; empty where something can.
    """

    pictures: dict[str, Picture] = field(default_factory=dict)
    important: tuple[str, ...] = ()
    unknown: str = ""


def draw_search(facts: StudyFacts) -> Drawings:
    """Draw the search of a study, and its candidates under disturbances.

    Args:
        facts: Of the study.
    """
    from autocnn.reporting import plots
    from autocnn.reporting.plots.search_values import param_importances, scored_trials

    pictures = {}
    tried = [(f"candidate {r.candidate}", r.robustness) for r in facts.candidates if r.robustness]
    if len(tried) > 1:
        # All candidates are checked on the same images.
        images = wording.images_of(facts.candidates[0].checked_on, tried[0][1].num_images)
        figure = plots.draw_robustness(tried, title=f"Candidates on {images}, disturbed")
        pictures["robustness"] = _picture(figure)
    trials = facts.trials
    if not scored_trials(trials):
        return Drawings(pictures)
    figure = plots.draw_history(
        trials, goal=facts.goal, title=f"Search of {facts.name}", default=facts.default_trial
    )
    pictures["history"] = _picture(figure)
    found = param_importances(trials)
    if found.params:
        title = f"Importance of the params in {facts.name}"
        pictures["importances"] = _picture(plots.draw_importances(found, title=title))
    params = [param.name for param in found.params] or _varied_params(trials)
    if params:
        figure = plots.draw_parallel(
            trials, params=params, goal=facts.goal, title=f"Trials of {facts.name} by their params"
        )
        pictures["parallel"] = _picture(figure)
    sure = [param.name for param in found.params if param.importance > 2 * param.spread]
    return Drawings(pictures, tuple(sure[:NUM_NAMED]), found.reason)


def _varied_params(trials: Sequence[TrialRecord]) -> list[str]:
    """Params with two values at least, in the order of their appearance."""
    values: dict[str, set[object]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]


def _picture(figure: "mpl_figure.Figure") -> Picture:
    from autocnn.reporting.plots.style import save_png

    buffer = io.BytesIO()
    save_png(figure, buffer)
    picture = load_picture(buffer.getvalue())
    assert picture is not None
    return picture


@dataclass(frozen=True)
class Search:
    """What the page shows of the search.

    Attributes:
        sentences: What was searched, and how the trials ended.
        figures: Its pictures.
        unknown: Why nothing can be said of which params mattered; else empty.
        best: The best trials; None without any.
        stopped: Trials that did not complete, with their reasons; None without any.
    """

    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]
    unknown: str
    best: Table | None
    stopped: Table | None


def view_search(facts: StudyFacts, drawn: Drawings) -> Search:
    """The search of a study, as far as it is."""
    return Search(
        _sentences(facts), _figures(facts, drawn), drawn.unknown, _best(facts), _stopped(facts)
    )


def _sentences(facts: StudyFacts) -> tuple[str, ...]:
    config = facts.status.config
    states = Counter(trial.state for trial in facts.trials)
    ends = [f"{states[state]} {state}" for state in TrialState if states[state]]
    seconds = sum(trial.seconds for trial in facts.trials)
    sentences = [
        f"{config.engine} with {config.sampler} proposed "
        f"{wording.count(len(facts.trials), 'trial')} from the space {config.space}, to improve "
        f"{wording.metric_name(config.objective)} on val."
    ]
    if ends:
        sentences.append(
            f"Of these: {wording.listing(ends)}. Together they took {wording.duration(seconds)}."
        )
    if config.max_gap is not None:
        limit = f"{wording.points(config.max_gap, sign=False)} points"
        if wording.is_decimal(config.objective):
            limit = wording.decimal(config.max_gap)
        sentences.append(
            f"Trials with a gap beyond {limit}, at their best epoch or at their end, rank behind "
            "the others."
        )
    return tuple(sentences)


def _figures(facts: StudyFacts, drawn: Drawings) -> tuple[Figure, ...]:
    ranked = facts.goal.rank([trial for trial in facts.trials if trial.may_win])
    name = facts.status.config.objective
    best = (
        f"best is trial {ranked[0].trial} with {wording.metric(name, ranked[0].objective)}"
        if ranked
        else "no trial may become a finalist"
    )
    says = {
        "history": f"{wording.metric_name(name)} on val of each trial; {best}.",
        "importances": f"what mattered most: {wording.listing(drawn.important) or 'no param'}.",
        "parallel": f"each line is a trial, from its params to its score; {best}.",
    }
    return tuple(
        Figure(key, title, drawn.pictures[key], f"{title}: {says[key]}")
        for key, title in FIGURE_TITLES.items()
        if key in drawn.pictures
    )


def _best(facts: StudyFacts) -> Table | None:
    ranked = facts.goal.rank([t for t in facts.trials if t.may_win])
    if not ranked:
        return None
    name, model = facts.status.config.objective, facts.status.config.model
    columns = [
        Column("trial"),
        Column(f"{wording.metric_name(name)} on val"),
        Column("gap train - val"),
        *text_columns("network"),
        *number_columns("weights", "best epoch", "epochs", "time"),
    ]
    rows: list[Row] = [
        [
            Cell(str(trial.trial), trial.trial),
            Cell(wording.metric(name, trial.objective), trial.objective),
            _gap(facts.goal, trial),
            names.family(trial.params, model) + (", a start point" if trial.from_start else ""),
            Cell(wording.weights(trial.num_weights), trial.num_weights),
            Cell(str(trial.best_epoch or wording.ABSENT), trial.best_epoch),
            Cell(str(len(trial.history)), len(trial.history)),
            Cell(wording.duration(trial.seconds), trial.seconds),
        ]
        for trial in ranked
    ]
    unit = "" if wording.is_decimal(name) else ", in percentage points"
    caption = (
        "The best trials of the search. All are in trials.csv with their params. The gap is how "
        f"much better {wording.metric_name(name)} is on train than on val{unit}."
    )
    return make_table(
        "trials", caption, columns=columns, rows=rows, is_sortable=True, most=NUM_BEST
    )


def _gap(goal: Goal, trial: TrialRecord) -> Cell:
    gap = goal.gap_of(trial.best) if trial.best else None
    is_fraction = not wording.is_decimal(goal.objective)
    return Cell(wording.points(gap) if is_fraction else wording.decimal(gap), gap)


def _stopped(facts: StudyFacts) -> Table | None:
    model = facts.status.config.model
    rows: list[Row] = [
        [
            Cell(str(trial.trial), trial.trial),
            str(trial.state),
            Cell(str(len(trial.history)), len(trial.history)),
            Cell(wording.duration(trial.seconds), trial.seconds),
            names.family(trial.params, model),
            trial.reason or wording.ABSENT,
        ]
        for trial in facts.trials
        if trial.state != TrialState.COMPLETE
    ]
    if not rows:
        return None
    columns = [
        Column("trial"),
        *text_columns("state"),
        *number_columns("epochs", "time"),
        *text_columns("network", "reason"),
    ]
    caption = "Trials that were stopped or failed, and why."
    return make_table(
        "stopped", caption, columns=columns, rows=rows, is_sortable=True, most=MOST_STOPPED
    )
