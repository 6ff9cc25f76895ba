"""`autocnn remove`."""

from pathlib import Path

import click

from autocnn.cli.options import results_option
from autocnn.cli.words import StudyName


@click.command("remove")
@click.argument("study", type=StudyName())
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option(
    "--force-unlock", is_flag=True, help="The process on another host that wrote it is gone."
)
@results_option
def command(study: str, yes: bool, force_unlock: bool, results: Path) -> int:
    """Delete STUDY for good: a name under --results, or a path.

    Asks first, with what is lost. A folder that holds anything that is no study's is left alone,
    and so is a study that a process writes; a link is not followed.

    \b
    Examples:
      autocnn remove demo
      autocnn remove results/demo --yes
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import Study
    from autocnn.cli.tables import echo
    from autocnn.core.errors import TornRecordError
    from autocnn.core.wording import count, size, visible

    found = Study.find(study, results=results)
    found.check_removable(force_unlock=force_unlock)
    try:
        what = f"{count(len(found.trials), 'trial')}, {count(len(found.candidates), 'candidate')}"
    except TornRecordError:
        what = "records that are torn"
    question = f"Delete {found.path} ({what}, {size(found.size_gb)}) for good?"
    if not yes and not click.confirm(visible(question), err=True):
        echo(f"{found.path} is as it was.", err=True)
        return 0
    found.remove(force_unlock=force_unlock)
    echo(f"removed: {found.path}")
    return 0
