"""Settings as keyword arguments: both kinds of names, and paths."""

from pathlib import Path

import click
import pytest

from autocnn.api.settings import Changes, Settings, field_of, read_settings
from autocnn.cli.main import cli
from autocnn.core.config import StudyConfig
from autocnn.core.errors import ConfigError

KNOWN = tuple(Settings.__annotations__)


def options_of(command: str) -> set[str]:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return {
        option.opts[0].removeprefix("--").replace("-", "_")
        for option in found.params
        if isinstance(option, click.Option)
    }


def test_search_takes_every_field_of_the_config() -> None:
    assert {field_of(name) for name in KNOWN} == set(StudyConfig.model_fields) - {"data"}
    assert set(StudyConfig.model_fields) - {"data"} <= set(KNOWN)


@pytest.mark.parametrize(
    ("command", "settings", "others"),
    [
        ("search", Settings, {"config", "quiet"}),
        ("resume", Changes, {"quiet", "force_unlock", "trust_code", "results"}),
    ],
)
def test_the_words_are_those_of_the_commands(
    command: str, settings: type, others: set[str]
) -> None:
    fields = {name for name in settings.__annotations__ if name.endswith(("_s", "_gb"))}
    assert set(settings.__annotations__) - fields == options_of(command) - others


def test_both_names_and_paths_are_read() -> None:
    given = {"budget": "2h", "memory_limit_gb": 2, "space": Path("a") / "b.yaml", "seed": None}
    assert read_settings(given, KNOWN) == {
        "budget_s": "2h",
        "memory_limit_gb": 2,
        "space": "a/b.yaml",
        "seed": None,
    }


def test_unknown_settings_are_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="trails is no setting, got 5") as raised:
        read_settings({"trails": 5}, KNOWN)
    assert raised.value.remedy == "Did you mean 'trials'?"
    with pytest.raises(ConfigError) as raised:
        read_settings({"zzz": 5}, KNOWN)
    assert raised.value.remedy == ""
    with pytest.raises(
        ConfigError, match="budget_s must be given once, got it by its other name too"
    ):
        read_settings({"budget": 5, "budget_s": 6}, KNOWN)
