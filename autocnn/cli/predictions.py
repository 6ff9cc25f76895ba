"""Predictions on stdout or in a file, as they come; progress and what is odd on stderr."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from rich.table import Table
from rich.text import Text

from autocnn.api.display import show_progress
from autocnn.cli.tables import make_console
from autocnn.core.atomic import replacing
from autocnn.core.events import Observer
from autocnn.core.wording import fraction
from autocnn.inference.predict.abstention import choose_abstention
from autocnn.inference.predict.explaining import Explainer
from autocnn.inference.predict.listing import list_images
from autocnn.inference.predict.model import Model, load
from autocnn.inference.predict.predictions import Predictions
from autocnn.inference.predict.reading import NamedImage
from autocnn.inference.predict.rows import Row, Summary, csv_header, csv_rows, json_rows

RowFormat = Literal["csv", "json"]

MOST_LABELS = 20
"""Labels that the summary counts, the most frequent first."""


def predict_images(
    model: str,
    images: Sequence[str],
    *,
    num_images: int,
    results: Path,
    candidate: int | None,
    unsure: float | None,
    max_error: float | None,
    explain_dir: Path | None,
    row_format: RowFormat | None,
    to: Path | None,
    is_quiet: bool,
) -> Summary:
    """Load, predict a batch at a time, write its rows at once.

    Args:
        model: As for `prediction.model.load`.
        images: Files, folders, patterns.
        num_images: That these are.
        results: Folder that holds the studies.
        candidate: Of a study; None: the best.
        unsure: As for `choose_abstention`.
        max_error: As for `choose_abstention`.
        explain_dir: Folder for overlays; None: none.
        row_format: None: a table on stdout at the end.
        to: File for the rows; None: stdout.
        is_quiet: Whether there is no progress.

    Raises:
        AutocnnError: When the model or what was asked cannot be used; never for an image.
    """
    # Before the display, which catches what is written to sys.stdout while it draws.
    stdout = sys.stdout.buffer
    is_mixed = row_format is not None and to is None and sys.stdout.isatty()
    display = show_progress(is_quiet=is_quiet or is_mixed)
    summary = Summary()
    try:
        display.stage("load the model")
        opened = load(model, results=results, candidate=candidate)
        abstention = choose_abstention(opened.metadata, unsure=unsure, max_error=max_error)
        if abstention is not None:
            display.note(abstention.describe())
        explainer = Explainer(opened, explain_dir) if explain_dir is not None else None
        display.stage("predict", total=num_images, unit="images")
        named = (NamedImage(str(path), path) for path in list_images(images))
        with _row_writer(opened, row_format, to, stdout) as write:
            for batch in opened.read(named):
                predictions = opened.answer(batch, abstention)
                write(predictions)
                summary.add(predictions)
                if explainer is not None:
                    explainer.write(batch, predictions)
                display.advance(len(predictions))
        _warn(summary, display)
    finally:
        display.close()
    if row_format is None:
        print_summary(summary)
    return summary


@contextmanager
def _row_writer(
    model: Model, row_format: RowFormat | None, to: Path | None, stdout: BinaryIO
) -> Iterator[Callable[[Predictions], None]]:
    """What writes the rows of a batch, and lets go of them at once."""
    with ExitStack() as stack:
        file = stdout if to is None else stack.enter_context(replacing(to))

        def put(text: str) -> None:
            # A file name that is no UTF-8 is written with the bytes that it has.
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()

        def write(predictions: Predictions) -> None:
            if row_format is not None:
                put(csv_rows(predictions) if row_format == "csv" else json_rows(predictions))

        if row_format == "csv":
            put(csv_header(model.class_names))
        yield write


def _warn(summary: Summary, display: Observer) -> None:
    of_all = f"of {summary.num_images:,} images"
    if summary.num_errors:
        display.warn(f"{summary.num_errors:,} {of_all} could not be read: see the column `error`.")
    if summary.num_unlike:
        is_are = "is" if summary.num_unlike == 1 else "are"
        display.warn(
            f"{summary.num_unlike:,} {of_all} {is_are} unlike the training images (`unlike`): "
            "what the model says of them is a guess."
        )


def print_summary(summary: Summary) -> None:
    """The first rows as a table, and how many images got which label."""
    has_errors = any(row.error is not None for row in summary.first)
    has_unlike = summary.num_unlike is not None
    table = Table()
    table.add_column("path", overflow="fold")
    table.add_column("label", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    if has_unlike:
        table.add_column("unlike", no_wrap=True)
    if has_errors:
        table.add_column("error", overflow="fold")
    for row in summary.first:
        table.add_row(*_cells(row, has_unlike=has_unlike, has_errors=has_errors))
    console = make_console()
    console.print(table)
    more = summary.num_images - len(summary.first)
    if more:
        console.print(f"... and {more:,} more: --csv and --json have all of them.", markup=False)
    if summary.num_images > 1:
        console.print(Text(_describe_counts(summary)))


def _cells(row: Row, *, has_unlike: bool, has_errors: bool) -> list[Text]:
    probability = "" if row.probability is None else fraction(row.probability)
    cells = [_visible(row.path), _visible(row.label or ""), probability]
    if has_unlike:
        cells.append("unlike" if row.is_unlike else "")
    if has_errors:
        cells.append(row.error or "")
    return [Text(cell) for cell in cells]


def _describe_counts(summary: Summary) -> str:
    counted = [f"{_visible(label)} {n:,}" for label, n in summary.counts.most_common(MOST_LABELS)]
    others = len(summary.counts) - len(counted)
    if others > 0:
        counted.append(f"{others:,} other labels")
    if summary.num_errors:
        counted.append(f"unreadable {summary.num_errors:,}")
    return f"{summary.num_images:,} images: {', '.join(counted)}."


def _visible(text: str) -> str:
    """A name that cannot steer a terminal, nor break a line."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
