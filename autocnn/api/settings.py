"""Settings as keyword arguments: the commands' words or the config's fields, `2h` and `2GB` too."""

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

from autocnn.core.config import StudyConfig
from autocnn.core.errors import AutocnnError, ConfigError

T = TypeVar("T")

PathLike = str | os.PathLike[str]

Duration = float | str
"""Seconds, or `90s`, `30m`, `2h`."""

Size = float | str
"""GB, or `500MB`, `2GB`."""

UNITS = ("_s", "_gb")
"""Ends of a field's name that the commands leave out: `--budget` is `budget_s`."""


SWITCHES = ("force", "force_unlock", "deterministic", "tensorboard")
"""Options that take no value."""

_OPTION = re.compile(r"(?<!\S)--([a-z][a-z-]*)(?: (\d[\d.]*\d|\d))?")


class Changes(TypedDict, total=False):
    """What `Study.resume` takes; see `autocnn resume --help`."""

    trials: int
    budget: Duration
    budget_s: Duration
    trial_timeout: Duration
    trial_timeout_s: Duration
    workers: int
    threads: int
    memory_limit: Size
    memory_limit_gb: Size
    disk_limit: Size
    disk_limit_gb: Size
    cache_dir: PathLike
    tensorboard: bool
    mlflow: str


class Settings(Changes, total=False):
    """What `search` takes; see `autocnn search --help`."""

    name: str
    results: PathLike
    space: PathLike
    model: str
    epochs: int
    objective: str
    max_gap: float
    engine: str
    sampler: str
    pruner: str
    finalists: int
    folds: int
    fold_repeats: int
    seed: int
    image_size: int
    channels: str
    val_fraction: float
    test_fraction: float
    max_unreadable: float
    cache_limit: Size
    cache_limit_gb: Size
    weights: PathLike
    deterministic: bool
    precision: str
    fork: PathLike


def read_settings(given: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Settings by the names of the config's fields; paths as text.

    Args:
        given: Setting, by either name -> value; None leaves it as it is.
        known: Names that count, from `Settings` or `Changes`.

    Raises:
        ConfigError: When a setting is unknown, or given twice.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"{name} is no setting, got {value!r}.", remedy=remedy)
        field = field_of(name)
        if field in values:
            raise ConfigError(f"{name} must be given once, got it as {field} too.")
        values[field] = os.fspath(value) if isinstance(value, os.PathLike) else value
    return values


def field_of(name: str) -> str:
    """The config's field of a setting.

    >>> field_of("budget"), field_of("budget_s"), field_of("trials")
    ('budget_s', 'budget_s', 'trials')
    """
    fields = StudyConfig.model_fields
    return next((name + unit for unit in UNITS if name + unit in fields), name)


def in_python_words(call: Callable[[], T]) -> T:
    """Call; an error about `--trial-timeout` says `trial_timeout` here, `--force` `force=True`.

    What stands in a remedy between backticks is a command line, and stays one.

    Raises:
        AutocnnError: As the call did.
    """
    try:
        return call()
    except AutocnnError as error:
        first, space, rest = error.message.partition(" ")
        message = f"{_OPTION.sub(_argument, first)}{space}{rest}"
        parts = error.remedy.split("`")
        parts[::2] = [_OPTION.sub(_argument, part) for part in parts[::2]]
        remedy = "`".join(parts)
        if (message, remedy) == (error.message, error.remedy):
            raise
        raise type(error)(message, remedy=remedy) from error


def _argument(option: re.Match[str]) -> str:
    name = option[1].replace("-", "_")
    value = "True" if name in SWITCHES else option[2]
    return name if value is None else f"{name}={value}"
