"""What a notebook shows of a study, a candidate, an audit: short HTML, everything escaped."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from autocnn.core.records import SPLITS, AuditReport, CandidateRecord
from autocnn.core.wording import count, short_value, visible
from autocnn.reporting.candidates import steps_table
from autocnn.reporting.names import title


def study_html(
    facts: Sequence[str], header: Sequence[str], rows: Iterable[Sequence[str]], *, meaning: str
) -> str:
    """A study: a line of facts, and its leaderboard in short.

    Args:
        facts: Its name first.
        header: Names of the columns; empty while there is no leaderboard.
        rows: A row per candidate.
        meaning: What the columns hold.
    """
    name, *others = map(_text, facts)
    html = f"<p><strong>Study {name}</strong>: {', '.join(others)}</p>"
    return html + (_table(header, rows) + f"<p>{_text(meaning)}</p>" if header else "")


def candidate_html(record: CandidateRecord) -> str:
    """A candidate: what it is, its accuracy on each set, its params.

    Args:
        record: What was measured.
    """
    steps = steps_table(record)
    header = [column.title for column in steps.columns]
    params = ", ".join(f"{name}={short_value(value)}" for name, value in record.params.items())
    number = count(len(record.params), "param")
    return (
        f"<p><strong>{_text(title(record))}</strong></p>"
        + _table(header, [[cell.text for cell in row] for row in steps.rows])
        + f"<details><summary>{number}</summary>{_text(params)}</details>"
    )


MOST_CLASSES = 12
"""Classes of which a notebook shows samples; `Audit.to_html` has those of all."""


def audit_html(record: AuditReport, pictures: Mapping[str, bytes]) -> str:
    """An audit: images of each class and split, warnings, a row of samples per class.

    Args:
        record: What was found.
        pictures: Name of a sample -> JPEG.
    """
    rows = [
        [split, *(f"{number:,}" for number in record.counts[split].values())] for split in SPLITS
    ]
    warnings = "".join(f"<li>{_text(warning)}</li>" for warning in record.warnings)
    shown = record.class_names[:MOST_CLASSES]
    samples = "".join(
        f"<tr><th>{_text(label)}</th><td>"
        + "".join(
            _image(pictures[one.picture], one.path)
            for one in record.samples
            if one.label == label and one.picture in pictures
        )
        + "</td></tr>"
        for label in shown
    )
    number = count(record.num_images, "image")
    return (
        f"<p><strong>{_text(record.source)}</strong>: {number}</p>"
        + _table(["split", *record.class_names], rows)
        + (f"<ul>{warnings}</ul>" if warnings else "")
        + (f"<table>{samples}</table>" if pictures else "")
    )


def _image(jpeg: bytes, path: str) -> str:
    address = base64.b64encode(jpeg).decode("ascii")
    path = _text(path)
    return (
        f'<img src="data:image/jpeg;base64,{address}" alt="{path}" title="{path}" '
        'style="display:inline-block;margin:2px">'
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the columns of numbers are the notebook's own business."""
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    return escape(visible(text))
