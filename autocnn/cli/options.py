"""Kinds of option values that several commands read."""

from pathlib import Path

import click

from autocnn.core.errors import ConfigError
from autocnn.core.quantities import parse_duration, parse_size


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


class Size(click.ParamType[float]):
    """GB (10^9 bytes), written as 500MB or 2GB."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """GB in `value`."""
        try:
            return parse_size(str(value))
        except ConfigError as error:
            self.fail(error.message, param, ctx)


results_option = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder that holds the studies.",
)
