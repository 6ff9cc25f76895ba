"""`autocnn view`."""

import contextlib
from pathlib import Path

import click

from autocnn.cli.options import port_option, results_option, trust_option
from autocnn.cli.words import StudyName


@click.command("view")
@click.argument("study", required=False, type=StudyName())
@port_option(8000)
@click.option(
    "--open/--no-open",
    "opens",
    default=True,
    help="Open a browser; --no-open: only print the address.  [on]",
)
@trust_option
@results_option
def command(study: str | None, port: int, opens: bool, trust_code: bool, results: Path) -> int:
    """Show STUDY in a browser until Ctrl-C: as it runs, its leaderboard, its images, one of yours.

    STUDY is a name under --results, a path, or the newest; it may be running: the page follows
    it, and nothing is written. Search: best so far, every trial's curve, its params and its log.
    Images: by class, split, what was predicted, wrong ones, doubted labels, copies, the least
    sure; a click shows what every candidate says and where it looked, and the arrow keys go on to
    the next. Try an image: drop one, or take a picture. Only this machine can reach it; from
    another one, `ssh -L`.

    \b
    Examples:
      autocnn view
      autocnn view mine --port 0
      ssh -L 8000:127.0.0.1:8000 server     then open http://127.0.0.1:8000/ here
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import Study
    from autocnn.cli.tables import echo

    found = Study.find(study, results=results)
    with found.view(port=port, trust_code=trust_code) as server:
        echo(f"{found.name}: {server.url}   (Ctrl-C ends it)")
        if opens:
            click.launch(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0
