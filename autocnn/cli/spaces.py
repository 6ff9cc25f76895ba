"""`autocnn spaces`."""

from collections.abc import Sequence

import click
from rich.table import Table

from autocnn.api import KNOBS, SearchSpace, format_value, is_path, list_spaces, load_space
from autocnn.cli.tables import make_console
from autocnn.cli.words import SpaceName

OWN_MEANING = "read by a model of your own (--model)"


@click.command("spaces")
@click.argument("name", required=False, type=SpaceName())
def command(name: str | None) -> int:
    """List the search spaces that come with autocnn, or show the one called NAME.

    NAME may be a YAML file of your own; it works wherever a name does. What each parameter
    does stands beside it.

    \b
    Examples:
      autocnn spaces
      autocnn spaces mri
      autocnn search images/ --space mine.yaml
    """  # noqa: D301 - click wants the backspace character itself
    if name is None:
        print_spaces(list_spaces())
    else:
        print_space(load_space(name, own_names=is_path(name)))
    return 0


def print_spaces(spaces: Sequence[SearchSpace]) -> None:
    """One line per space."""
    table = Table(title="Search spaces", title_justify="left")
    for title in ("name", "parameters", "epochs", "what it is for"):
        table.add_column(title, justify="right" if title in ("parameters", "epochs") else "left")
    for space in spaces:
        row = (space.name, str(len(space.parameters)), str(space.epochs), space.description)
        table.add_row(*row)
    make_console().print(table)


def print_space(space: SearchSpace) -> None:
    """Every parameter of a space: values, condition, start, meaning."""
    console = make_console()
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
            KNOBS[parameter.name].meaning if parameter.name in KNOBS else OWN_MEANING,
        )
        group = parameter.group
    console.print(table)
