"""`autocnn resume`."""

from pathlib import Path
from typing import Any

import click

from autocnn.cli.options import results_option, setting, trust_option
from autocnn.cli.words import StudyName

BEFORE = "as before"


@click.command("resume")
@click.argument("study", required=False, type=StudyName())
@setting("trials", meaning="Trials of the study in all, not in addition.", unset=BEFORE)
@setting("budget_s", meaning="Time of the study in all, earlier sessions included.", unset=BEFORE)
@setting("cluster", unset=BEFORE)
@setting("storage", unset=BEFORE)
@setting("workers", unset=BEFORE)
@setting("threads", unset=BEFORE)
@setting("trial_timeout_s", meaning="Time for one trial, from now on.", unset=BEFORE)
@setting("memory_limit_gb", meaning="Memory of one trial.", unset=BEFORE)
@setting("disk_limit_gb", unset=BEFORE)
@setting("cache_dir", unset=BEFORE)
@setting(
    "tensorboard",
    meaning="Write the curves of all trials for TensorBoard too, those so far among them.",
    unset=BEFORE,
)
@setting("mlflow", meaning="Log all trials to MLflow too, those so far among them.", unset=BEFORE)
@click.option(
    "--force-unlock",
    is_flag=True,
    help="Take over a study that a process on another host seems to write.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only warnings.")
@trust_option
@results_option
def command(
    study: str | None,
    results: Path,
    force_unlock: bool,
    trust_code: bool,
    quiet: bool,
    **changes: Any,
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
    from autocnn.api import Study
    from autocnn.cli.tables import print_leaderboard, print_study_files

    resumed = Study.find(study, results=results).resume(
        verbose=not quiet, force_unlock=force_unlock, trust_code=trust_code, **changes
    )
    print_leaderboard(resumed)
    print_study_files(resumed)
    return 0
