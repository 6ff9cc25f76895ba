"""`autocnn report`."""

from pathlib import Path

import click

from autocnn.cli.options import results_option
from autocnn.cli.words import StudyName


@click.command("report")
@click.argument("study", required=False, type=StudyName())
@click.option(
    "--format",
    "kind",
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
    "max_images",
    type=click.IntRange(0),
    help="Most of your own images on the page: 0 for a report to share.  [all that were kept]",
)
@results_option
def command(
    study: str | None, kind: str, to: Path | None, max_images: int | None, results: Path
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
    from autocnn.core.atomic import replace_file
    from autocnn.reporting.model_card import build_model_card, write_model_card
    from autocnn.reporting.page import build_report, write_report
    from autocnn.storage import open_study

    folder = open_study(study, results)
    if to is None:
        is_html = kind == "html"
        path = write_report(folder, max_images=max_images) if is_html else write_model_card(folder)
        click.echo(path)
        return 0
    if not to.parent.is_dir():
        raise click.UsageError(f"--to {to}: its folder must be there, got none.")
    is_html = kind == "html"
    text = build_report(folder, max_images=max_images) if is_html else build_model_card(folder)
    replace_file(to, text.encode("utf-8"))
    click.echo(to)
    return 0
