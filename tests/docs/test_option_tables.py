"""docs/commands.md says of every option what its command says."""

import click

from autocnn.cli.main import COMMANDS, cli
from tests.docs.option_tables import MARK, PAGE, option_table, with_tables


def test_the_tables_of_the_page_are_up_to_date() -> None:
    text = PAGE.read_text("utf-8")
    assert text == with_tables(text), "run: python -m tests.docs.option_tables"


def test_every_command_with_options_has_its_table() -> None:
    context = click.Context(cli)
    with_options = [
        name
        for name in COMMANDS
        for command in [cli.get_command(context, name)]
        if command is not None and any(isinstance(one, click.Option) for one in command.params)
    ]
    assert [mark[1] for mark in MARK.finditer(PAGE.read_text("utf-8"))] == with_options


def test_a_row_has_the_default_of_the_config_and_its_choices() -> None:
    table = option_table("search")
    shown = "50; with a budget, as many as it has time for"
    assert f"| `--trials` | {shown} | Trials in the study. |\n" in table
    assert "| `--engine` | optuna | What proposes params. One of optuna, keras-tuner. |\n" in table
    assert "| `--cache-limit` | 10GB |" in table
    assert "| `--deterministic` | off |" in table


def test_an_old_table_is_replaced() -> None:
    page = "# A\n\n<!-- options of export -->\n\n| option |\n|---|\n| `--gone` |\n\nText.\n"
    found = with_tables(page)
    assert "--gone" not in found
    assert "| `--format` | must be given |" in found
    assert found.endswith("\n\nText.\n")
