"""`autocnn list`."""

import datetime
from pathlib import Path

import click

from autocnn.cli.options import results_option


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@results_option
def command(as_json: bool, results: Path) -> int:
    """List the studies under --results, the newest first.

    State: running (a process of this machine writes it), done, or stopped: `autocnn resume NAME`
    goes on. Best: the objective on folds of the chosen candidate, else of the best trial on val;
    never of test. Age: since its state last changed.

    \b
    Examples:
      autocnn list
      autocnn list --results /data/studies --json
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import list_studies
    from autocnn.cli.tables import Sheet, echo, print_sheet
    from autocnn.core.wording import fraction, metric_name, rough_duration, size

    studies = list_studies(results=results)
    if as_json:
        import json
        from dataclasses import asdict

        rows = [
            {**asdict(one), "path": str(one.path), "changed": one.changed.isoformat()}
            for one in studies
        ]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    if not studies:
        echo(f"{results}: no study yet. Start one with `autocnn search DATA`.", err=True)
        return 0
    now = datetime.datetime.now(datetime.UTC)
    header = ["study", "state", "trials", "best", "objective", "size", "age"]
    rows_of_text = [
        [
            one.name,
            one.state,
            f"{one.trials:,}",
            fraction(one.best),
            metric_name(one.objective),
            size(one.size_gb),
            rough_duration((now - one.changed).total_seconds()),
        ]
        for one in studies
    ]
    print_sheet(
        Sheet("", header, rows_of_text, text=("objective",), names=("study", "state"), keys=1)
    )
    return 0
