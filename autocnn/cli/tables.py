"""Tables on stdout, drawn with rich."""

import click
from rich.console import Console
from rich.table import Table

from autocnn.api import Study

NARROWEST_FILE = 200
"""Columns of a table that goes to a file or a pipe, where nothing wraps."""


def print_leaderboard(study: Study) -> None:
    """The candidates of a study, best first."""
    summary = study.summary()
    title = f"Leaderboard of {study.name} (ranked on {summary.ranked_on})"
    table = Table(title=title, title_justify="left")
    for name in summary.header:
        is_text = name in ("candidate", "family")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    for row in summary.rows:
        table.add_row(*row)
    make_console().print(table)


def print_study_files(study: Study) -> None:
    """Where the files of a finished study are."""
    for name, path in study.files.items():
        click.echo(f"{name + ':':<18}{path}")


def make_console() -> Console:
    """A console on stdout; wide where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=NARROWEST_FILE)
