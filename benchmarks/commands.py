"""Commands whose user errors are a sentence and a remedy, as those of autocnn are."""

from typing import Any

import click

from autocnn.core.errors import AutocnnError, as_option


class BenchmarkCommand(click.Command):
    """A command of a benchmark."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; what is wrong with DATA, a space or a study is said without a traceback."""
        try:
            return super().invoke(ctx)
        except AutocnnError as error:
            raise click.ClickException("\n".join(error.lines(as_option))) from error


class BenchmarkGroup(BenchmarkCommand, click.Group):
    """Several commands of one benchmark."""
