"""The tables of options in docs/commands.md, made from the commands.

`python -m tests.docs.option_tables` writes them into the page.
"""

import re

import click

from autocnn.cli.main import cli
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "commands.md"

MARK = re.compile(r"<!-- options of ([a-z]+) -->\n\n(?:\|.*\n)*")
"""Before a table: it, an empty line, and the table as it is."""

SHOWN = re.compile(r"(.*?)\s+\[([^][]*)\]")
"""A help text that ends in what the default is."""


def option_table(command: str) -> str:
    """The options of a command as Markdown: option, default, meaning."""
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    rows = [_row(one) for one in found.params if isinstance(one, click.Option)]
    lines = ["| option | default | meaning |", "|---|---|---|", *rows]
    return "".join(f"{line}\n" for line in lines)


def with_tables(text: str) -> str:
    """A page whose tables are what the commands say."""
    return MARK.sub(lambda mark: f"<!-- options of {mark[1]} -->\n\n{option_table(mark[1])}", text)


def _row(option: click.Option) -> str:
    default = option.to_info_dict()["default"]
    shown = SHOWN.fullmatch(option.help or "")
    meaning = shown[1] if shown else option.help or ""
    if shown:
        default = shown[2]
    elif option.required:
        default = "must be given"
    elif option.is_flag:
        default = "off"
    elif default is None:
        default = "none"
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    if any(choice not in meaning for choice in choices):
        meaning += f" One of {', '.join(choices)}."
    return f"| `{max(option.opts, key=len)}` | {default} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
