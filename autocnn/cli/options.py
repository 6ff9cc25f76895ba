"""Kinds of option values that several commands read."""

from pathlib import Path

import click

from autocnn.durations import parse_duration
from autocnn.errors import ConfigError


class Duration(click.ParamType[float]):
    """Seconds, written as 90s, 30m, 2h or 1h30m."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds in `value`."""
        try:
            return parse_duration(str(value))
        except ConfigError as error:
            self.fail(error.message, param, ctx)


results_option = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder that holds the studies.",
)
