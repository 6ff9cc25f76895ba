"""What the commands of benchmarks share: options, and errors that are a sentence and a remedy."""

from typing import Any

import click

from autocnn.core.errors import AutocnnError, as_option

space_option = click.option("--space", default="default", show_default=True)

epochs_option = click.option("--epochs", type=int, help="Of the schedule; default: the space's.")

image_size_option = click.option(
    "--image-size", type=int, help="Of all points; default: the space's, or the data's."
)


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
