"""`autocnn compare`."""

from pathlib import Path

import click

from autocnn.cli.options import results_option
from autocnn.cli.words import StudyName


@click.command("compare")
@click.argument("first", type=StudyName())
@click.argument("second", type=StudyName())
@click.option(
    "--to",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page, HTML: the tables, and ROC curves and confusion matrices beside each "
    "other.  [none]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
@results_option
def command(first: str, second: str, to: Path | None, as_json: bool, results: Path) -> int:
    """Compare two studies: is the best of FIRST better than that of SECOND, or is it chance?

    Both are judged on the images that are clean test in both, matched by content and paired; each
    difference has a 95 % interval, by group, corrected for their number. Below it stands what
    differs: params of the two candidates, and settings. FIRST and SECOND are names under
    --results, paths, or a candidate's folder (results/mine/candidates/02).

    \b
    Examples:
      autocnn compare mine yesterday
      autocnn compare mine results/mine/candidates/02
      autocnn compare mine yesterday --to page.html
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import compare
    from autocnn.cli.tables import echo, print_comparison

    found = compare(first, second, to=to, results=results)
    if as_json:
        click.echo(found.differences.to_json(orient="records", indent=1))
    else:
        print_comparison(found)
    if found.page_path is not None:
        echo(f"page: {found.page_path}", err=as_json)
    return 0
