"""`autocnn leaderboard`."""

from pathlib import Path

import click

from autocnn.cli.options import results_option
from autocnn.cli.words import StudyName


@click.command("leaderboard")
@click.argument("study", required=False, type=StudyName())
@click.option("--wide", is_flag=True, help="More columns: family, more scores, weights.")
@click.option("--csv", "as_csv", is_flag=True, help="Print leaderboard.csv.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@results_option
def command(study: str | None, wide: bool, as_csv: bool, as_json: bool, results: Path) -> int:
    """Show the leaderboard of STUDY: a name under --results, a path, or the newest.

    Candidates are ranked by folds (by val without folds), never by test; the first is the
    simplest within one standard error of the best. Scores are fractions; test has its 95 %
    interval beside it, and is clean test (images without a copy in train or val) where some
    have one. 2 =1: test cannot distinguish candidate 2 from candidate 1. The table fits 80
    columns; where the terminal is narrower, each candidate is a block of lines.

    \b
    Examples:
      autocnn leaderboard
      autocnn leaderboard mine --wide
      autocnn leaderboard mine --csv > mine.csv
      autocnn leaderboard mine --json
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import Study
    from autocnn.cli.tables import print_leaderboard

    if as_csv and as_json:
        raise click.UsageError("--csv and --json cannot be given together.")
    found = Study.find(study, results=results)
    if as_csv:
        click.echo(found.leaderboard_text("csv"), nl=False)
    elif as_json:
        click.echo(found.leaderboard_text("json"))
    else:
        print_leaderboard(found, wide=wide)
    return 0
