"""Options made from the config: their types, ranges, defaults and help."""

from pathlib import Path
from typing import Any

import click
import pytest

from autocnn.cli.main import cli
from autocnn.cli.options import Duration, Size, option_name
from autocnn.cli.search import SECTIONS
from autocnn.core.config import StudyConfig


def options() -> dict[str, click.Option]:
    command = cli.get_command(click.Context(cli), "search")
    assert command is not None
    return {
        str(option.name): option for option in command.params if isinstance(option, click.Option)
    }


def test_search_has_an_option_for_every_setting() -> None:
    fields = [field for names in SECTIONS.values() for field in names]
    assert len(fields) == len(set(fields))
    assert set(fields) == set(StudyConfig.model_fields) - {"data"}
    assert set(options()) - set(fields) == {"config", "quiet"}
    assert all(options()[field].opts == [option_name(field)] for field in fields)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("budget_s", Duration),
        ("cache_limit_gb", Size),
        ("trials", click.IntRange),
        ("epochs", click.IntRange),
        ("max_gap", click.FloatRange),
        ("weights", click.Path),
        ("engine", click.Choice),
        ("sampler", click.Choice),
        ("pruner", click.Choice),
        ("channels", click.Choice),
    ],
)
def test_types_come_from_the_annotations(field: str, kind: type) -> None:
    assert isinstance(options()[field].type, kind)


def test_only_what_is_free_text_is_text() -> None:
    free = {name for name, option in options().items() if option.type is click.STRING}
    columns = {"path_column", "label_column", "split_column", "group_column"}
    # What a regular expression, a window, a list of columns and a cluster are, the config says.
    by_config = {"label_from_name", "group_from_name", "window", "by", "cluster"}
    assert free == {"name", "mlflow"} | columns | by_config


@pytest.mark.parametrize(
    ("field", "given"),
    [("val_fraction", 0.5), ("folds", 21), ("seed", 2**31), ("seed", -1), ("trials", 0)],
)
def test_ranges_are_those_of_the_fields(field: str, given: Any) -> None:
    with pytest.raises(click.BadParameter):
        options()[field].type.convert(given, None, None)
    with pytest.raises(ValueError, match=field):
        StudyConfig.model_validate({field: given})


@pytest.mark.parametrize(
    ("field", "end"),
    [
        ("trials", "  [50; with a budget, as many as it has time for]"),
        ("val_fraction", "  [0.15]"),
        ("disk_limit_gb", "  [50GB]"),
        ("sampler", "  [tpe; bayesian]"),
        ("epochs", "  [the space's]"),
        ("fork", "still valid."),
        ("deterministic", "resumed."),
    ],
)
def test_help_ends_in_the_default(field: str, end: str) -> None:
    assert str(options()[field].help).endswith(end)


def test_an_option_that_is_not_given_is_none_so_that_a_file_may_say_it() -> None:
    command = cli.get_command(click.Context(cli), "search")
    assert command is not None
    given = command.make_context("search", ["images", "--results", "there", "--mlflow"]).params
    assert {name: value for name, value in given.items() if value is not None} == {
        "data": "images",
        "results": Path("there"),
        "mlflow": "default",
        "quiet": False,
    }
