"""`autocnn leaderboard`."""

import json
from pathlib import Path

import click

from autocnn.cli.options import prevalence_option, results_option
from autocnn.cli.words import StudyName


@click.command("leaderboard")
@click.argument("study", required=False, type=StudyName())
@click.option("--wide", is_flag=True, help="More columns: family, more scores, weights.")
@click.option("--csv", "as_csv", is_flag=True, help="Print leaderboard.csv.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--target",
    metavar="TARGET",
    help='Show operating points in place of scores, as "sensitivity of malignant >= 0.95"; also '
    'specificity and precision, or "answered >= 0.9".',
)
@prevalence_option
@results_option
def command(
    study: str | None,
    wide: bool,
    as_csv: bool,
    as_json: bool,
    target: str | None,
    prevalence: float | None,
    results: Path,
) -> int:
    """Show the leaderboard of STUDY: a name under --results, a path, or the newest.

    Candidates are ranked by folds (by val without folds), never by test; with --prefer simple
    the first is the simplest within one standard error. Scores are fractions; test has its 95 %
    interval beside it, and is clean test (images without a copy in train or val) where some
    have one. 2 =1: test cannot distinguish candidate 2 from candidate 1. The table fits 80
    columns; where the terminal is narrower, each candidate is a block of lines.

    With --target, the table has each candidate's threshold for it: chosen on images that the
    model had not seen, out of fold or on val, never on test, and then judged on clean test. A
    class is then predicted from that probability on. The order stays that of the folds.

    \b
    Examples:
      autocnn leaderboard
      autocnn leaderboard mine --wide
      autocnn leaderboard mine --csv > mine.csv
      autocnn leaderboard mine --json
      autocnn leaderboard mine --target "sensitivity of malignant >= 0.95"
      autocnn leaderboard mine --target "precision of ill >= 0.5" --prevalence .02
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import Study
    from autocnn.cli.tables import print_leaderboard, print_operating_points

    if as_csv and as_json:
        raise click.UsageError("--csv and --json cannot be given together.")
    if target is None and prevalence is not None:
        raise click.UsageError("--prevalence goes with --target.")
    if target is not None and (wide or as_csv):
        raise click.UsageError("--target goes with --json, not with --wide or --csv.")
    found = Study.find(study, results=results)
    if target is not None:
        points = found.operating_points(target, prevalence=prevalence)
        if as_json:
            click.echo(json.dumps([point.model_dump() for point in points], indent=1))
        else:
            print_operating_points(found, points)
        return 0
    if as_csv:
        click.echo(found.leaderboard_text("csv"), nl=False)
    elif as_json:
        click.echo(found.leaderboard_text("json"))
    else:
        print_leaderboard(found, wide=wide)
    return 0
