"""The search as the report shows it: how trials ended, the best, those that did not end well."""

from collections import Counter
from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.objective import Goal
from autocnn.core.records import TrialRecord, TrialState
from autocnn.reporting import names
from autocnn.reporting.facts import StudyFacts
from autocnn.reporting.table import (
    Cell,
    Column,
    Row,
    Table,
    make_table,
    number_columns,
    text_columns,
)

NUM_BEST = 10

MOST_STOPPED = 50
"""Rows of trials that did not complete; the rest stands in trials.csv."""


@dataclass(frozen=True)
class SearchView:
    """What the page shows of the search beside its pictures.

    Attributes:
        sentences: What was searched, and how the trials ended.
        best: The best trials; None without any.
        stopped: Trials that did not complete, with their reasons; None without any.
    """

    sentences: tuple[str, ...]
    best: Table | None
    stopped: Table | None


def search_view(facts: StudyFacts) -> SearchView:
    """The search of a study, as far as it is."""
    config = facts.status.config
    states = Counter(trial.state for trial in facts.trials)
    ends = [f"{states[state]} {state}" for state in TrialState if states[state]]
    seconds = sum(trial.seconds for trial in facts.trials)
    sentences = [
        f"{config.engine} with {config.sampler} proposed "
        f"{wording.count(len(facts.trials), 'trial')} from the space {config.space}, to improve "
        f"{wording.METRICS[config.objective]} on val."
    ]
    if ends:
        sentences.append(
            f"Of these: {wording.listing(ends)}. Together they took {wording.duration(seconds)}."
        )
    if config.max_gap is not None:
        limit = wording.points(config.max_gap, sign=False)
        sentences.append(f"Trials with a gap beyond {limit} points rank behind the others.")
    return SearchView(tuple(sentences), _best(facts), _stopped(facts))


def _best(facts: StudyFacts) -> Table | None:
    ranked = facts.goal.rank([t for t in facts.trials if t.state == TrialState.COMPLETE])
    if not ranked:
        return None
    name, model = facts.status.config.objective, facts.status.config.model
    columns = [
        Column("trial"),
        Column(f"{wording.METRICS[name]} on val"),
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
    caption = "The best trials of the search. All stand in trials.csv with their params."
    return make_table(
        "trials", caption, columns=columns, rows=rows, is_sortable=True, most=NUM_BEST
    )


def _gap(goal: Goal, trial: TrialRecord) -> Cell:
    gap = goal.gap_of(trial.best) if trial.best else None
    is_fraction = goal.objective not in ("log_loss", "macro_auc")
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
