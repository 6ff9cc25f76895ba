"""`autocnn resume`."""

from pathlib import Path
from typing import Any

import click

from autocnn.cli.options import Duration, Size, results_option
from autocnn.cli.words import StudyName


@click.command("resume")
@click.argument("study", required=False, type=StudyName())
@click.option(
    "--trials",
    type=click.IntRange(1),
    help="Trials of the study in all, not in addition.  [as before]",
)
@click.option(
    "--budget",
    "budget_s",
    type=Duration(),
    help="Time of the study in all, earlier sessions included.  [as before]",
)
@click.option("--workers", type=click.IntRange(1), help="Trials at once.  [as before]")
@click.option("--threads", type=click.IntRange(1), help="Threads per trial.  [as before]")
@click.option(
    "--trial-timeout",
    "trial_timeout_s",
    type=Duration(),
    help="Time for one trial, from now on.  [as before]",
)
@click.option(
    "--memory-limit", "memory_limit_gb", type=Size(), help="Memory of one trial.  [as before]"
)
@click.option(
    "--disk-limit",
    "disk_limit_gb",
    type=Size(),
    help="Size that the study's folder may reach.  [as before]",
)
@click.option(
    "--cache-dir", type=click.Path(path_type=Path), help="Folder for decoded images.  [as before]"
)
@click.option(
    "--tensorboard",
    is_flag=True,
    default=None,
    help="From now on, write the curves of all trials for TensorBoard too.  [as before]",
)
@click.option(
    "--mlflow",
    is_flag=False,
    flag_value="default",
    metavar="[URI]",
    help="From now on, log all trials to MLflow too.  [as before]",
)
@click.option(
    "--force-unlock",
    is_flag=True,
    help="Take over a study that a process on another host seems to write.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only warnings.")
@results_option
def command(
    study: str | None, results: Path, force_unlock: bool, quiet: bool, **changes: Any
) -> int:
    """Go on with STUDY where it was stopped: a name under --results, a path, or the newest.

    However it was stopped (Ctrl-C, a kill, a crash, a reboot, a full disk), running trials
    go on from their last whole epoch, and finished ones stay as they are. With --trials,
    a finished study goes on too.

    \b
    Examples:
      autocnn resume mine
      autocnn resume mine --trials 80
      autocnn resume mine --budget 3h
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api.display import show_progress
    from autocnn.api.interruption import handle_signals
    from autocnn.cli.tables import print_leaderboard, print_study_paths
    from autocnn.storage import open_study
    from autocnn.study.run import resume

    folder = open_study(study, results)
    resume(
        folder,
        show_progress(is_quiet=quiet),
        changes=changes,
        force_unlock=force_unlock,
        interruption=handle_signals(),
    )
    print_leaderboard(folder)
    print_study_paths(folder)
    return 0
