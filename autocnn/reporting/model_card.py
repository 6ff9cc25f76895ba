"""The model card of the best candidate: a page of Markdown for those who use the model."""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from autocnn import __version__
from autocnn.core import wording
from autocnn.core.errors import StudyError
from autocnn.reporting import names
from autocnn.reporting.answer import Usage, all_warnings, input_shape, usage
from autocnn.reporting.audit_view import audit_view
from autocnn.reporting.checks import looking, robustness_table
from autocnn.reporting.facts import StudyFacts
from autocnn.reporting.repeat_view import command_line
from autocnn.reporting.table import Table
from autocnn.reporting.tables_of_candidates import (
    calibration_table,
    class_table,
    losses_table,
    steps_table,
)

if TYPE_CHECKING:
    from jinja2 import Environment


class Verbatim(str):
    """Text of a code block, where Markdown escapes nothing."""


@dataclass(frozen=True)
class ModelCard:
    """What the card says.

    Attributes:
        title: Of the study.
        details: Name and value of facts on the model.
        classes: Names, in the order of the probabilities.
        judged: The set that the scores are of.
        metrics: Tables of scores.
        gap: Where accuracy is lost; may be empty.
        data: Sentences on the images.
        warnings: What may spoil the result.
        looking: Where the model looks, sentences.
        usage: How to load it.
        program: The same, for a code block.
        command: That made the study, for a code block.
        report: Where all of it is shown, a sentence.
    """

    title: str
    details: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    judged: str
    metrics: tuple[Table, ...]
    gap: str
    data: tuple[str, ...]
    warnings: tuple[str, ...]
    looking: tuple[str, ...]
    usage: Usage
    program: Verbatim
    command: Verbatim
    report: str


def render_model_card(facts: StudyFacts, exported: Usage | None = None) -> str:
    """The model card as Markdown; the same facts give the same text.

    Args:
        facts: Of a study that has candidates.
        exported: How to use the model, where the card stands beside an export of it.

    Raises:
        StudyError: When it has none.

    Source: Mitchell et al. 2019, Model Cards for Model Reporting, for the sections.
    """
    template = _environment().get_template("model_card.md.j2")
    return template.render(card=view_model_card(facts, exported), version=__version__)


def view_model_card(facts: StudyFacts, exported: Usage | None = None) -> ModelCard:
    """What the card says, before it is Markdown.

    Raises:
        StudyError: When the study has no candidate.
    """
    best = facts.best
    if best is None:
        raise StudyError(
            f"{facts.name}: a model card needs a model, got a study without candidates.",
            remedy=f"Let it finish: `autocnn resume {facts.name}`.",
        )
    height, width, channels = input_shape(facts, best)
    use, audit = exported or usage(facts, best), audit_view(facts)
    details = (
        ("model", names.title(best)),
        ("network", names.family(best.params, best.builder)),
        ("input", f"{wording.square(height, width)}, {wording.count(channels, 'channel')}, uint8"),
        ("weights", wording.weights(best.num_weights)),
        ("size", f"{best.size_mb:.1f} MB"),
        (
            "time per image",
            f"{wording.decimal(best.latency_ms, 1)} ms"
            if best.latency_ms is not None
            else wording.ABSENT,
        ),
        ("made", wording.moment(facts.status.created)),
        ("made with", ", ".join(f"{k} {v}" for k, v in facts.status.versions.items() if v)),
        ("looks at the test split", str(len(facts.status.test_looks) or "not recorded")),
        ("seed", str(facts.status.config.seed)),
    )
    tables = (
        steps_table(best),
        class_table(best) if (best.test_clean or best.test).classes else None,
        losses_table(best),
        calibration_table(best),
        robustness_table(best),
    )
    return ModelCard(
        title=facts.name,
        details=details,
        classes=facts.status.data.class_names if facts.status.data else (),
        judged="clean test" if best.test_clean else "test",
        metrics=tuple(table for table in tables if table is not None),
        gap=best.gap.sentence if best.gap else "",
        data=(*audit.facts, *audit.notes) if audit else (),
        warnings=all_warnings(facts),
        looking=looking(best),
        usage=use,
        program=Verbatim(use.program),
        command=Verbatim(command_line(facts.status.config, facts.name)),
        report="report.html, in the folder of the study, shows all of it."
        if exported
        else "report.html, in the same folder, shows all of it.",
    )


def escape_markdown(value: object) -> object:
    r"""One line of text without Markdown or HTML in it; anything but text is left alone.

    >>> escape_markdown("a|b\n<i>*")
    'a\\|b \\<i\\>\\*'
    """
    if not isinstance(value, str) or isinstance(value, Verbatim):
        return value
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(value.split(" ")).replace("\n", " "))


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("autocnn.reporting"),
        finalize=escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
