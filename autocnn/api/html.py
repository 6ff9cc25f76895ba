"""What a notebook shows of a study and of a candidate: short HTML, everything escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from autocnn.core.records import CandidateRecord
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


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the columns of numbers are the notebook's own business."""
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    return escape(visible(text))
