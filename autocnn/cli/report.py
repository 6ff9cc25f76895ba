"""`autocnn report`."""

from pathlib import Path
from typing import Literal

import click

from autocnn.cli.options import results_option
from autocnn.cli.words import StudyName


@click.command("report")
@click.argument("study", required=False, type=StudyName())
@click.option(
    "--format",
    type=click.Choice(["html", "md"]),
    default="html",
    show_default=True,
    help="html: everything on one page; md: a model card of the best candidate.",
)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [report.html or model_card.md in the study]",
)
@click.option(
    "--images",
    type=click.IntRange(0),
    help="Most of your own images on the page: 0 for a report to share.  [all that were kept]",
)
@click.option(
    "--samples",
    type=click.IntRange(0),
    help="Images of each class among them; 0: no image of yours at all.  [as the study was asked]",
)
@results_option
def command(
    study: str | None,
    format: Literal["html", "md"],  # noqa: A002 - the option's name
    to: Path | None,
    images: int | None,
    samples: int | None,
    results: Path,
) -> int:
    """Write the report of STUDY: a name under --results, a path, or the newest.

    report.html is one file that opens offline. A study that is not finished has a report
    of its search so far; a model card needs a finished one.

    \b
    Examples:
      autocnn report mine
      autocnn report mine --to for-others.html --images 0
      autocnn report mine --format md
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import Study
    from autocnn.cli.tables import echo

    found = Study.find(study, results=results)
    echo(found.report(format, images=images, samples=samples, to=to))
    return 0
