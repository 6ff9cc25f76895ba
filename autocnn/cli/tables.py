"""Tables on stdout, drawn with rich."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from autocnn.knobs import KNOBS
from autocnn.leaderboard import from_csv, summary_rows
from autocnn.space import SearchSpace, format_value
from autocnn.store import StudyFolder

NARROWEST_FILE = 200
"""Columns of a table that goes to a file or a pipe, where nothing wraps."""


def print_leaderboard(folder: StudyFolder) -> None:
    """The candidates of a study, best first."""
    header, rows = summary_rows(from_csv(folder.read_leaderboard()))
    table = Table(title=f"Leaderboard of {folder.name} (ranked on val)", title_justify="left")
    for title in header:
        is_text = title in ("family", "objective")
        table.add_column(title, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    _console().print(table)


def print_study_paths(folder: StudyFolder) -> None:
    """Where the files of a finished study are."""
    best = folder.candidate_dir(1)
    rows = (
        ("leaderboard", folder.leaderboard_path),
        ("confusion matrix", best / "confusion_matrix.png"),
        ("ROC curves", best / "roc.png"),
        ("learning curves", best / "learning_curves.png"),
        ("best model", folder.candidate_model_path(1)),
        ("all trials", folder.path / "trials.csv"),
    )
    for name, path in rows:
        print(f"{name + ':':<18}{path}")


def print_spaces(spaces: Sequence[SearchSpace]) -> None:
    """One line per space."""
    table = Table(title="Search spaces", title_justify="left")
    for title in ("name", "parameters", "epochs", "what it is for"):
        table.add_column(title, justify="right" if title in ("parameters", "epochs") else "left")
    for space in spaces:
        row = (space.name, str(len(space.parameters)), str(space.epochs), space.description)
        table.add_row(*row)
    _console().print(table)


def print_space(space: SearchSpace) -> None:
    """Every parameter of a space: values, condition, start, meaning."""
    console = _console()
    console.print(f"{space.name}: {space.description}", markup=False, highlight=False)
    table = Table(caption=f"At most {space.epochs} epochs per trial.", caption_justify="left")
    for title in ("group", "parameter", "values", "only when", "start", "meaning"):
        table.add_column(title, overflow="fold")
    group = ""
    for parameter in space.parameters:
        conditions = [
            f"{c.parent}: {', '.join(format_value(value) for value in c.values)}"
            for c in parameter.when
        ]
        starts = [
            format_value(point[parameter.name]) for point in space.start if parameter.name in point
        ]
        table.add_row(
            "" if parameter.group == group else parameter.group,
            parameter.name,
            str(parameter),
            "\n".join(conditions),
            ", ".join(dict.fromkeys(starts)),
            KNOBS[parameter.name].meaning,
        )
        group = parameter.group
    console.print(table)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=NARROWEST_FILE)
