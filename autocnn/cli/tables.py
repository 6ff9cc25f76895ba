"""Tables on stdout, drawn with rich."""

from rich.console import Console
from rich.table import Table

from autocnn.reporting.leaderboard import from_csv, summary_rows
from autocnn.storage import StudyFolder

NARROWEST_FILE = 200
"""Columns of a table that goes to a file or a pipe, where nothing wraps."""


def print_leaderboard(folder: StudyFolder) -> None:
    """The candidates of a study, best first."""
    leaderboard = from_csv(folder.read_leaderboard())
    header, rows = summary_rows(leaderboard)
    place = leaderboard.columns.index("cv_mean")
    basis = "folds" if any(row[place] is not None for row in leaderboard.rows) else "val"
    title = f"Leaderboard of {folder.name} (ranked on {basis})"
    table = Table(title=title, title_justify="left")
    for title in header:
        is_text = title in ("candidate", "family")
        table.add_column(title, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    make_console().print(table)


def print_study_paths(folder: StudyFolder) -> None:
    """Where the files of a finished study are."""
    rows = (
        ("report", folder.report_path),
        ("leaderboard", folder.leaderboard_path),
        ("confusion matrix", folder.candidate_picture_path(1, "confusion_matrix")),
        ("ROC curves", folder.candidate_picture_path(1, "roc")),
        ("learning curves", folder.candidate_picture_path(1, "learning_curves")),
        ("best model", folder.candidate_model_path(1)),
        ("all trials", folder.trials_path),
    )
    for name, path in rows:
        print(f"{name + ':':<18}{path}")


def make_console() -> Console:
    """A console on stdout; wide where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=NARROWEST_FILE)
