"""A study folder, or an audit, becomes one HTML page, its parts escaped by the templates."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autocnn import __version__
from autocnn.core import wording
from autocnn.core.records import AuditReport
from autocnn.reporting.answer import view_answer, view_progress, view_repeat
from autocnn.reporting.audit import view_audit
from autocnn.reporting.candidates import (
    comparison_table,
    leaderboard_table,
    view_candidates,
    view_gap,
)
from autocnn.reporting.checks import view_explanation, view_mistakes, view_robustness
from autocnn.reporting.comparison import StudyComparison, view_comparison
from autocnn.reporting.elements import load_picture, open_templates
from autocnn.reporting.facts import StudyFacts, read_facts
from autocnn.reporting.labels import view_labels
from autocnn.reporting.overview import Overview, view_overview
from autocnn.reporting.search import Drawings, draw_search, view_search
from autocnn.reporting.subgroups import view_subgroups
from autocnn.reporting.terms import page_terms
from autocnn.storage import StudyFolder

if TYPE_CHECKING:
    from autocnn.reporting.operating_view import PointView


def build_report(
    folder: StudyFolder, *, max_images: int | None = None, samples: int | None = None
) -> str:
    """The report of a study as one HTML page. Nothing is written.

    An unfinished study has a report of its search so far, which says so.

    Args:
        folder: Of the study.
        max_images: Most images of the data in the page; None: all that the study keeps.
        samples: Images of each class; 0: no image of the data; None: as the study was asked for.

    Raises:
        StudyError: When study.json or a record cannot be read.
    """
    facts = read_facts(folder, max_images=max_images, samples=samples)
    return render_page(facts, draw_search(facts))


def write_report(folder: StudyFolder) -> Path:
    """Write report.html into the study, and return where it stands.

    What it says of the study's state is what study.json says now.

    Args:
        folder: Of the study.

    Raises:
        StudyError: When the study cannot be read or written.
    """
    folder.write_report(build_report(folder))
    return folder.report_path


def render_page(facts: StudyFacts, drawn: Drawings) -> str:
    """The report as HTML: one file that needs no other and no network.

    The same facts give the same text.

    Args:
        facts: Of the study.
        drawn: The pictures that only the report has.
    """
    best, candidates = facts.best, facts.candidates
    return _render(
        "page.html.j2",
        title=f"{facts.name}: autocnn report",
        name=facts.name,
        subtitle=_subtitle(facts),
        sections=_sections(facts),
        progress=view_progress(facts),
        answer=view_answer(facts),
        leaderboard=best
        and leaderboard_table(candidates, facts.goal.objective, chosen=best.candidate),
        comparisons=comparison_table(candidates),
        search=view_search(facts, drawn),
        panels=view_candidates(facts),
        gap=best and view_gap(facts, best),
        points=_points(facts),
        gallery=best and view_mistakes(facts, best),
        robustness=best and view_robustness(facts, best, drawn.pictures.get("robustness")),
        explanation=best and view_explanation(facts, best),
        overview=facts.audit and _overview(facts, facts.audit),
        subgroups=best and view_subgroups(best),
        labels=best and view_labels(facts),
        audit=facts.audit and view_audit(facts.audit, facts.thumbnails),
        audit_problem=facts.audit_problem,
        repeat=view_repeat(facts),
        has_terms=True,
        terms=page_terms(has_clean=any(record.test_clean for record in candidates)),
    )


def render_audit(audit: AuditReport, pictures: Mapping[str, bytes]) -> str:
    """The audit of some data as one HTML page, before any training.

    Args:
        audit: Of the data.
        pictures: Name of a thumbnail in it -> JPEG; those that are missing are left out.
    """
    loaded = {name: load_picture(content) for name, content in pictures.items()}
    found = {name: picture for name, picture in loaded.items() if picture is not None}
    return _render(
        "audit_page.html.j2",
        title=f"{audit.source}: autocnn audit",
        name=Path(audit.source).name or audit.source,
        subtitle=f"{wording.count(audit.num_images, 'image')} of "
        f"{wording.count(len(audit.class_names), 'class', 'classes')}, {audit.source}.",
        overview=view_overview(audit, found),
        audit=view_audit(audit, found),
    )


def render_comparison(
    found: StudyComparison, pictures: Mapping[tuple[int, str], bytes | None]
) -> str:
    """Two studies side by side as one HTML page.

    Args:
        found: From `compare_studies`.
        pictures: (0 for the first study or 1, name of a picture of its candidate) -> PNG.
    """
    first, second = found.first, found.second
    return _render(
        "comparison_page.html.j2",
        title=f"{first.name} and {second.name}: autocnn compare",
        name=f"{first.name} and {second.name}",
        subtitle=f"{first.title}, beside {second.title[:1].lower()}{second.title[1:]}.",
        view=view_comparison(found, pictures),
    )


def _points(facts: StudyFacts) -> "PointView | None":
    if facts.points is None:
        return None
    from autocnn.reporting.operating_view import view_points  # SciPy

    return view_points(facts.points)


def _overview(facts: StudyFacts, audit: AuditReport) -> Overview:
    augmented = facts.best.augmented if facts.best else ()
    shown = [(image, facts.examples) for image in augmented if image.picture in facts.examples]
    return view_overview(audit, facts.thumbnails, shown)


def _render(template: str, **values: object) -> str:
    templates = open_templates()
    scripts = (templates.get_template(name).render() for name in ("report.js", "curves.js"))
    script = "\n".join(scripts)
    styles = (
        templates.get_template(name).render()
        for name in ("report.css", "overview.css", "operating_point.css")
    )
    html = templates.get_template(template).render(
        **values,
        version=__version__,
        style="\n".join(styles),
        script=script,
        # Only this script may run, should a name ever get past the escaping.
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # half a letter of a file name


def _sections(facts: StudyFacts) -> list[tuple[str, str]]:
    """Address and title of the sections that the page has."""
    judged = [
        ("candidates", "Side by side"),
        ("gap", "Gap"),
        *([("operating-point", "Operating point")] if facts.points else []),
        ("mistakes", "Mistakes"),
        ("robustness", "Disturbed images"),
        ("explanation", "Where it looks"),
        *([("subgroups", "Subgroups")] if facts.best and facts.best.subgroups else []),
        ("labels", "Suspect labels"),
    ]
    return [
        ("result", "Result"),
        ("leaderboard", "Leaderboard"),
        ("search", "Search"),
        *(judged if facts.candidates else []),
        ("data", "Data"),
        ("repeat", "Repeat it"),
        ("terms", "Terms"),
    ]


def _subtitle(facts: StudyFacts) -> str:
    data = facts.status.data
    images = (
        f"{sum(data.split.values()):,} images of {len(data.class_names)} classes, " if data else ""
    )
    return f"{images}{facts.status.config.data}. Begun {wording.moment(facts.status.created)}."
