"""`autocnn doctor`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from autocnn.cli.options import results_option

SIGNS = {"good": "ok", "note": "note", "problem": "PROBLEM"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
@click.option("--quick", is_flag=True, help="Leave out the speed, which takes a training.")
@click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where decoded images are kept.  [the platform's cache folder]",
)
@results_option
def command(as_json: bool, quick: bool, cache_dir: Path | None, results: Path) -> int:
    """Say what this machine offers, what is missing, and how fast it trains.

    Versions, processors, GPUs and why there is none, memory, disk, cache, extras: one line and
    one verdict each. Put its output into a report of a bug.

    \b
    Examples:
      autocnn doctor
      autocnn doctor --quick --json
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import examine
    from autocnn.cli.tables import echo, make_console, print_text

    findings = examine(results=results, cache_dir=cache_dir, quick=quick)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return 0
    if not quick:
        echo("The last line takes a training of half a minute; --quick leaves it out.", err=True)
    console = make_console()
    for finding in findings:
        remedy = f" {finding.remedy}" if finding.remedy else ""
        stop = "." if remedy and not finding.said.endswith(".") else ""
        sign = SIGNS[finding.verdict]
        said = f"{finding.subject}: {finding.said}{stop}{remedy}"
        print_text(console, f"{sign:8}{said}", indent=8)
    return 0
