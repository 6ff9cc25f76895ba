"""The command line is the Python API, parsed and printed: the same calls, options and defaults."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

import autocnn
from autocnn.api import KNOBS, Study, examine
from autocnn.api.settings import Changes, DataSettings, Settings, field_of
from autocnn.cli.main import COMMANDS, cli

FOLDER = Path(autocnn.__file__).parent / "cli"

TWINS: Mapping[str, tuple[Callable[..., Any], ...]] = {
    "search": (autocnn.search,),
    "resume": (Study.find, Study.resume),
    "audit": (autocnn.audit,),
    "leaderboard": (Study.find, Study.leaderboard_text, Study.summary, Study.operating_points),
    "list": (autocnn.list_studies,),
    "compare": (autocnn.compare,),
    "remove": (Study.find, Study.remove),
    "report": (Study.find, Study.report),
    "export": (Study.find, Study.export),
    "predict": (autocnn.predict,),
    "evaluate": (autocnn.evaluate,),
    "view": (Study.find, Study.view),
    "serve": (autocnn.serve,),
    "dashboard": (Study.find, Study.dashboard),
    "spaces": (autocnn.list_spaces, autocnn.load_space),
    "doctor": (examine,),
    "completion": (),  # the shell's: click writes the script
}
"""Command -> what it calls: most look for the study, then do something with it."""

SETTINGS: Mapping[Callable[..., Any], type] = {
    autocnn.search: Settings,
    Study.resume: Changes,
    autocnn.audit: DataSettings,
}
"""What `**settings` of a function may be."""

PRINTED = {
    "quiet": "verbose says it, the other way round",
    "as_json": "what comes back is printed as its JSON",
    "yes": "Python does not ask",
    "opens": "Python has no browser to open",
    "as_csv": "what comes back is printed as CSV",
}
"""Options that say how a command prints, and why they are no parameters."""

OTHER_DEFAULTS = {
    ("export", "candidate"): "Python takes the chosen candidate, which is number 1",
    ("evaluate", "to"): "the command always leaves a folder",
    ("export", "format"): "the command wants to be told",
    ("leaderboard", "target"): "without one, the command shows scores, which is another call",
}
"""Defaults that are not the same, and why."""


def options_of(command: str) -> Iterator[click.Parameter]:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    yield from found.params


def parameters_of(command: str) -> dict[str, inspect.Parameter]:
    """Name -> parameter of what a command calls; of `**settings` by their names in the config."""
    found: dict[str, inspect.Parameter] = {}
    for function in TWINS[command]:
        found |= inspect.signature(function).parameters
        keyword = inspect.Parameter.KEYWORD_ONLY
        for name in SETTINGS[function].__annotations__ if function in SETTINGS else ():
            found[field_of(name)] = inspect.Parameter(field_of(name), keyword, default=None)
    return found


def test_every_command_has_its_call() -> None:
    assert list(TWINS) == list(COMMANDS)


@pytest.mark.parametrize("command", [name for name in TWINS if TWINS[name]])
def test_every_option_is_a_parameter_with_the_same_default(command: str) -> None:
    parameters = parameters_of(command)
    for option in options_of(command):
        name = str(option.name)
        if name in PRINTED:
            continue
        assert name in parameters, name
        default = option.to_info_dict()["default"]
        if isinstance(option, click.Argument) or (command, name) in OTHER_DEFAULTS:
            continue
        default = str(default) if isinstance(default, Path) else default
        # A switch that is off: False there, None where a file may say it.
        assert (parameters[name].default or None) == (default or None), name


@pytest.mark.parametrize("command", [name for name in TWINS if TWINS[name]])
def test_every_exception_is_one(command: str) -> None:
    names = {str(option.name) for option in options_of(command)}
    assert {name for of, name in OTHER_DEFAULTS if of == command} <= names


def test_the_command_line_imports_the_python_api_and_what_is_below_all() -> None:
    """No package between: whatever a command does, Python can do."""
    wrong = []
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.ImportFrom(module=str(name)):
                    names = [name]
                case ast.Import(names=aliases):
                    names = [alias.name for alias in aliases]
                case _:
                    names = []
            wrong += [
                f"{path.name} imports {name}"
                for name in names
                if re.match(r"autocnn\.(?!(api|cli|core)\b)", name)
            ]
    assert not wrong


def test_what_the_api_offers_is_there() -> None:
    from autocnn import api

    for name in api.__all__:
        assert getattr(api, name) is not None
    assert api.KNOBS is KNOBS
    assert dir(api) == sorted(api.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = api.nothing
