"""`autocnn spaces`."""

from collections.abc import Sequence

import click

from autocnn.api import KNOBS, SearchSpace, format_value, is_path, list_spaces, load_space
from autocnn.cli.tables import Sheet, make_console, print_sheet, print_text
from autocnn.cli.words import SPACE

OWN_MEANING = "read by a model of your own (--model)"


@click.command("spaces")
@click.argument("name", required=False, type=SPACE)
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
    header = ("name", "parameters", "epochs", "what it is for")
    rows = [
        (space.name, str(len(space.parameters)), str(space.epochs), space.description)
        for space in spaces
    ]
    print_sheet(Sheet("Search spaces", header, rows, text=("what it is for",), names=("name",)))


def print_space(space: SearchSpace) -> None:
    """Every parameter of a space: values with their condition, start, meaning."""
    console = make_console()
    print_text(console, f"{space.name}: {space.description}")
    rows, group = [], ""
    for parameter in space.parameters:
        conditions = [
            f"only when {c.parent}: {', '.join(format_value(value) for value in c.values)}"
            for c in parameter.when
        ]
        starts = [
            format_value(point[parameter.name]) for point in space.start if parameter.name in point
        ]
        rows.append(
            (
                "" if parameter.group == group else parameter.group,
                parameter.name,
                "; ".join([str(parameter), *conditions]),
                ", ".join(dict.fromkeys(starts)),
                KNOBS[parameter.name].meaning if parameter.name in KNOBS else OWN_MEANING,
            )
        )
        group = parameter.group
    header = ("group", "parameter", "values", "start", "meaning")
    print_sheet(Sheet("", header, rows, text=header[2:], names=header[:2], keys=2), console)
    print_text(console, f"At most {space.epochs} epochs per trial.")
