"""The model card of the best candidate: a page of Markdown for those who use the model."""

import re
from collections.abc import Iterator
from dataclasses import replace

from autocnn import __version__
from autocnn.core import wording
from autocnn.core.errors import StudyError
from autocnn.core.records import CandidateRecord
from autocnn.reporting import names
from autocnn.reporting.answer import Usage, all_warnings, command_line, describe_use, input_shape
from autocnn.reporting.audit import view_audit
from autocnn.reporting.candidates import calibration_table, class_table, losses_table, steps_table
from autocnn.reporting.checks import looking, robustness_table
from autocnn.reporting.elements import open_templates
from autocnn.reporting.facts import StudyFacts, read_facts
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice


class Verbatim(str):
    """Text of a code block, where Markdown escapes nothing."""


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
    return _render(facts, usage)


def _render(facts: StudyFacts, exported: Usage | None) -> str:
    """The card as Markdown; the same facts give the same text.

    Source: Mitchell et al. 2019, Model Cards for Model Reporting, for the sections.
    """
    best = facts.best
    if best is None:
        raise StudyError(
            f"{facts.name}: a model card needs a model, got a study without candidates.",
            remedy=f"Let it finish: `autocnn resume {facts.name}`.",
        )
    use, audit = exported or describe_use(facts, best), facts.audit and view_audit(facts.audit, {})
    tables = (
        steps_table(best),
        class_table(best) if best.judged.classes else None,
        losses_table(best),
        calibration_table(best),
        robustness_table(best),
    )
    place = "folder of the study" if exported else "same folder"
    return (
        open_templates(escape_markdown)
        .get_template("model_card.md.j2")
        .render(
            title=facts.name,
            details=list(_details(facts, best)),
            classes=facts.status.data.class_names if facts.status.data else (),
            judged=wording.SET_NAMES[best.judged.split],
            tables=[table for table in tables if table is not None],
            gap=best.gap.sentence if best.gap else "",
            data=(*audit.facts, *audit.notes) if audit else (),
            warnings=all_warnings(facts),
            looking=looking(best),
            usage=use,
            program=Verbatim(use.program),
            command=Verbatim(command_line(facts.status.config, facts.name)),
            report=f"report.html, in the {place}, shows all of it.",
            version=__version__,
        )
    )


def _details(facts: StudyFacts, best: CandidateRecord) -> Iterator[tuple[str, str]]:
    """Name and value of facts on the model."""
    height, width, channels = input_shape(facts, best)
    status, latency = facts.status, wording.decimal(best.latency_ms, 1)
    yield "model", names.title(best)
    yield "network", names.family(best.params, best.builder)
    yield "input", f"{wording.square(height, width)}, {wording.count(channels, 'channel')}, uint8"
    yield "weights", wording.weights(best.num_weights)
    yield "size", f"{best.size_mb:.1f} MB"
    yield "time per image", latency if best.latency_ms is None else f"{latency} ms"
    yield "made", wording.moment(status.created)
    yield "made with", ", ".join(f"{k} {v}" for k, v in status.versions.items() if v)
    yield "openings of the test split", str(len(status.test_looks) or "not recorded")
    yield "seed", str(status.config.seed)


def escape_markdown(value: object) -> object:
    r"""One line of text without Markdown or HTML in it; anything but text is left alone.

    >>> escape_markdown("a|b\n<i>*")
    'a\\|b \\<i\\>\\*'
    """
    if not isinstance(value, str) or isinstance(value, Verbatim):
        return value
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(value.split(" ")).replace("\n", " "))
