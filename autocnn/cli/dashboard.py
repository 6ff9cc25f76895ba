"""`autocnn dashboard`."""

import contextlib
from pathlib import Path

import click

from autocnn.cli.options import port_option, results_option
from autocnn.cli.words import StudyName


@click.command("dashboard")
@click.argument("study", required=False, type=StudyName())
@port_option(8080)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 shows the study to the whole network.",
)
@results_option
def command(study: str | None, port: int, host: str, results: Path) -> int:
    """Show the search of STUDY in a browser, with optuna-dashboard, until Ctrl-C.

    STUDY is a name under --results, a path, or the newest; its engine must be optuna. It may
    be running: the page follows it, and nothing is written.

    \b
    Examples:
      autocnn dashboard mine
      autocnn dashboard mine --port 0
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import Study
    from autocnn.cli.tables import echo

    found = Study.find(study, results=results)
    with found.dashboard(port=port, host=host) as server:
        echo(f"{found.name}: {server.url}   (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.1)
    return 0
