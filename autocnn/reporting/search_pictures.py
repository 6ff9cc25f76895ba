"""The pictures that only the report has: of the search, and of all candidates together."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autocnn.core.records import TrialRecord
from autocnn.reporting.facts import StudyFacts
from autocnn.reporting.pictures import Picture, load_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        figure = plots.draw_robustness(tried, title="Candidates on disturbed test images")
        pictures["robustness"] = _picture(figure)
    trials = facts.trials
    if not scored_trials(trials):
        return Drawings(pictures)
    objective, maximize = facts.goal.objective, facts.goal.maximize
    figure = plots.draw_history(
        trials, maximize=maximize, objective=objective, title=f"Search of {facts.name}"
    )
    pictures["history"] = _picture(figure)
    found = param_importances(trials)
    if found.params:
        title = f"Importance of the params in {facts.name}"
        pictures["importances"] = _picture(plots.draw_importances(found, title=title))
    params = [param.name for param in found.params] or _varied_params(trials)
    if params:
        figure = plots.draw_parallel(
            trials,
            params=params,
            maximize=maximize,
            objective=objective,
            title=f"Trials of {facts.name} by their params",
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


def _picture(figure: "Figure") -> Picture:
    from autocnn.reporting.plots.style import save_png

    buffer = io.BytesIO()
    save_png(figure, buffer)
    picture = load_picture(buffer.getvalue())
    assert picture is not None
    return picture
