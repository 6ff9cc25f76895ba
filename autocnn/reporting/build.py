"""A study folder becomes its report: read, drawn, rendered, written."""

from dataclasses import replace
from pathlib import Path

from autocnn.reporting.answer import Usage
from autocnn.reporting.facts import read_facts
from autocnn.reporting.model_card import render_model_card
from autocnn.reporting.page import render_page
from autocnn.reporting.search_pictures import draw_search
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice


def build_report(folder: StudyFolder, *, max_images: int | None = None) -> str:
    """The report of a study as one HTML page. Nothing is written.

    An unfinished study has a report of its search so far, which says so.

    Args:
        folder: Of the study.
        max_images: Most images of the data in the page; None: all that the study keeps.

    Raises:
        StudyError: When study.json or a record cannot be read.
    """
    facts = read_facts(folder, max_images=max_images)
    return render_page(facts, draw_search(facts))


def write_report(folder: StudyFolder, *, max_images: int | None = None) -> Path:
    """Write report.html into the study, and return where it stands.

    What it says of the study's state is what study.json says now.

    Args:
        folder: Of the study.
        max_images: As for `build_report`.

    Raises:
        StudyError: When the study cannot be read or written.
    """
    folder.write_report(build_report(folder, max_images=max_images))
    return folder.report_path


def build_model_card(
    folder: StudyFolder, *, candidate: int | None = None, usage: Usage | None = None
) -> str:
    """The model card of a candidate, as Markdown. Nothing is written.

    Args:
        folder: Of the study.
        candidate: Its number; None: the best.
        usage: How it is used where the card stands; None: where it stands in the study.

    Raises:
        StudyError: When the study has no candidate or cannot be read.
    """
    facts = read_facts(folder, max_images=0)
    if candidate is not None:
        choice = Choice(candidate=candidate, sentences=())
        facts = replace(facts, status=facts.status.model_copy(update={"choice": choice}))
    return render_model_card(facts, usage)


def write_model_card(folder: StudyFolder) -> Path:
    """Write model_card.md into the study, and return where it stands.

    Args:
        folder: Of the study.

    Raises:
        StudyError: When the study has no candidate, or cannot be read or written.
    """
    folder.write_model_card(build_model_card(folder))
    return folder.model_card_path
