"""A command whose options stand in sections of its help, for one with dozens."""

from collections.abc import Mapping, Sequence
from typing import Any

import click


class SectionedCommand(click.Command):
    """Lists the options under headings, in place of one list.

    Args:
        sections: Heading -> its options, by the names of their parameters, in their order.
            Options of none stand last, under `Other`.
    """

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]], **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        records = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                records[parameter.name] = record
        for heading, names in self.sections.items():
            rows = [records.pop(name) for name in names]
            with formatter.section(heading):
                formatter.write_dl(rows)
        if records:
            with formatter.section("Other"):
                formatter.write_dl(list(records.values()))
