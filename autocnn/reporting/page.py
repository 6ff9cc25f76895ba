"""The report as one HTML page: a view of all facts, escaped by the templates."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from autocnn import __version__
from autocnn.core import wording
from autocnn.core.records import CandidateRecord
from autocnn.reporting.answer import Answer, answer, progress
from autocnn.reporting.audit_view import AuditView, audit_view
from autocnn.reporting.candidate_view import CandidatePanel, Figure, candidate_panels, figure
from autocnn.reporting.checks import (
    Gallery,
    drops_table,
    gallery,
    looking,
    looking_table,
    robustness_table,
)
from autocnn.reporting.facts import StudyFacts
from autocnn.reporting.pictures import Picture
from autocnn.reporting.repeat_view import RepeatView, repeat_view
from autocnn.reporting.search_pictures import Drawings
from autocnn.reporting.search_view import SearchView, search_view
from autocnn.reporting.table import Table
from autocnn.reporting.tables_of_candidates import (
    comparison_table,
    gap_table,
    leaderboard_table,
    losses_table,
)

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class GapView:
    """The gap of the best candidate, taken apart, and that of all.

    Attributes:
        sentence: Which step loses most.
        losses: Of the best candidate.
        figure: The same as a picture.
        all_losses: Of all candidates; None where there is but one.
    """

    sentence: str
    losses: Table
    figure: Figure
    all_losses: Table | None


@dataclass(frozen=True)
class RobustnessView:
    """How the candidates stand disturbed images.

    Attributes:
        table: Of the best candidate.
        drops: Of all; None where there is but one.
        figure: Of all candidates, or of the only one.
    """

    table: Table
    drops: Table | None
    figure: Figure


@dataclass(frozen=True)
class ExplanationView:
    """Where the candidates look.

    Attributes:
        sentences: On the best candidate.
        warnings: What looks wrong.
        table: All candidates; None where there is but one.
    """

    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    table: Table | None


@dataclass(frozen=True)
class Page:
    """Everything on the page, in the order in which it stands there; None where it is absent."""

    title: str
    subtitle: str
    progress: tuple[str, ...]
    answer: Answer | None
    leaderboard: Table | None
    comparisons: Table | None
    search: SearchView
    search_figures: tuple[Figure, ...]
    unknown_importances: str
    panels: tuple[CandidatePanel, ...]
    gap: GapView | None
    gallery: Gallery | None
    robustness: RobustnessView | None
    explanation: ExplanationView | None
    audit: AuditView | None
    audit_problem: str
    repeat: RepeatView
    version: str


SEARCH_FIGURES = {
    "history": "The search over its trials",
    "importances": "Which params mattered",
    "parallel": "Params of all trials",
}


def render_page(facts: StudyFacts, drawn: Drawings) -> str:
    """The report as HTML: one file that needs no other and no network.

    The same facts give the same text.

    Args:
        facts: Of the study.
        drawn: The pictures that only the report has.
    """
    page = view_page(facts, drawn)
    environment = _environment()
    script = environment.get_template("report.js").render()
    # Only this script may run, should a name ever get past the escaping.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = environment.get_template("page.html.j2").render(
        page=page,
        sections=_sections(page),
        style=environment.get_template("report.css").render(),
        script=script,
        script_digest=digest,
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # half a letter of a file name


def view_page(facts: StudyFacts, drawn: Drawings) -> Page:
    """What the page says, before it is HTML."""
    best, records = facts.best, facts.candidates
    config = facts.status.config
    return Page(
        title=facts.name,
        subtitle=_subtitle(facts),
        progress=progress(facts),
        answer=answer(facts),
        leaderboard=leaderboard_table(records, config.objective, chosen=best.candidate)
        if best
        else None,
        comparisons=comparison_table(records),
        search=search_view(facts),
        search_figures=_search_figures(facts, drawn),
        unknown_importances=drawn.unknown,
        panels=candidate_panels(facts),
        gap=_gap(facts, best) if best else None,
        gallery=gallery(facts, best) if best else None,
        robustness=_robustness(facts, best, drawn) if best else None,
        explanation=_explanation(facts, best) if best else None,
        audit=audit_view(facts),
        audit_problem=facts.audit_problem,
        repeat=repeat_view(facts),
        version=__version__,
    )


def _sections(page: Page) -> list[tuple[str, str]]:
    """Address and title of the sections that the page has."""
    judged = [
        ("candidates", "Side by side"),
        ("gap", "Gap"),
        ("mistakes", "Mistakes"),
        ("robustness", "Disturbed images"),
        ("explanation", "Where it looks"),
    ]
    return [
        ("result", "Result"),
        ("leaderboard", "Leaderboard"),
        ("search", "Search"),
        *(judged if page.panels else []),
        ("data", "Data"),
        ("repeat", "Repeat it"),
    ]


def _subtitle(facts: StudyFacts) -> str:
    data = facts.status.data
    images = (
        f"{sum(data.split.values()):,} images of {len(data.class_names)} classes, " if data else ""
    )
    return f"{images}{facts.status.config.data}. Begun {wording.moment(facts.status.created)}."


def _search_figures(facts: StudyFacts, drawn: Drawings) -> tuple[Figure, ...]:
    ranked = facts.goal.rank(facts.trials)
    name = facts.status.config.objective
    best = (
        f"best is trial {ranked[0].trial} with {wording.metric(name, ranked[0].objective)}"
        if ranked
        else "no trial was scored"
    )
    says = {
        "history": f"{wording.METRICS[name]} on val of each trial; {best}.",
        "importances": f"what mattered most: {wording.listing(drawn.important) or 'no param'}.",
        "parallel": f"each line is a trial, from its params to its score; {best}.",
    }
    return tuple(
        Figure(key, title, drawn.pictures[key], f"{title}: {says[key]}")
        for key, title in SEARCH_FIGURES.items()
        if key in drawn.pictures
    )


def _gap(facts: StudyFacts, best: CandidateRecord) -> GapView | None:
    losses = losses_table(best)
    if best.gap is None or losses is None:
        return None
    return GapView(
        best.gap.sentence, losses, figure(facts, best, "gap"), gap_table(facts.candidates)
    )


def _robustness(facts: StudyFacts, best: CandidateRecord, drawn: Drawings) -> RobustnessView | None:
    table = robustness_table(best)
    if table is None:
        return None
    picture = drawn.pictures.get("robustness")
    shown = _compared(facts, picture) if picture else figure(facts, best, "robustness")
    return RobustnessView(table, drops_table(facts.candidates), shown)


def _compared(facts: StudyFacts, picture: Picture) -> Figure:
    drops = [
        f"candidate {r.candidate} loses {wording.points(r.robustness.mean_drop, sign=False)}"
        for r in facts.candidates
        if r.robustness
    ]
    alt = (
        "Accuracy of all candidates under each disturbance, by strength. In points of accuracy, "
        f"on average {wording.listing(drops)}."
    )
    return Figure("robustness", "Accuracy by strength", picture, alt)


def _explanation(facts: StudyFacts, best: CandidateRecord) -> ExplanationView | None:
    if best.explanation is None:
        return None
    return ExplanationView(
        looking(best), best.explanation.warnings, looking_table(facts.candidates)
    )


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("autocnn.reporting"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
