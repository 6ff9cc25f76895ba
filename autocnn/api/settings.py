"""Settings as keyword arguments: the commands' words or the config's fields, `2h` and `2GB` too."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from autocnn.core.config import StudyConfig
from autocnn.core.errors import ConfigError, Text, UsageError, did_you_mean
from autocnn.core.paths import to_path

PathLike = str | os.PathLike[str]

Duration = float | str
"""Seconds, or `90s`, `30m`, `2h`."""

Size = float | str
"""GB, or `500MB`, `2GB`."""

UNITS = ("_s", "_gb")
"""Ends of a field's name that the commands leave out: `--budget` is `budget_s`."""


class Changes(TypedDict, total=False):
    """What `Study.resume` takes; see `autocnn resume --help`."""

    trials: int
    budget: Duration
    budget_s: Duration
    trial_timeout: Duration
    trial_timeout_s: Duration
    cluster: str
    storage: PathLike
    workers: int
    threads: int
    memory_limit: Size
    memory_limit_gb: Size
    disk_limit: Size
    disk_limit_gb: Size
    cache_dir: PathLike
    tensorboard: bool
    mlflow: str


class ReadingSettings(TypedDict, total=False):
    """How data are read, where they do not say so themselves."""

    images: PathLike
    path_column: str
    label_column: str
    split_column: str
    group_column: str
    label_from_name: str
    group_from_name: str
    window: tuple[float, float] | str


class DataSettings(ReadingSettings, total=False):
    """What `audit` takes; see `autocnn audit --help`."""

    val_fraction: float
    test_fraction: float
    seed: int
    image_size: int
    fit: str
    channels: str
    samples: int
    max_unreadable: float
    cache_dir: PathLike
    cache_limit: Size
    cache_limit_gb: Size


class Settings(Changes, ReadingSettings, total=False):
    """What `search` takes; see `autocnn search --help`."""

    name: str
    results: PathLike
    space: PathLike
    model: str
    epochs: int
    objective: str | Callable[..., float]
    max_gap: float
    engine: str
    sampler: str
    pruner: str
    finalists: int
    folds: int
    fold_repeats: int
    members: int
    prefer: str
    by: str | Sequence[str]
    seed: int
    drop_labels: PathLike
    image_size: int
    fit: str
    channels: str
    val_fraction: float
    test_fraction: float
    samples: int
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
            remedy = did_you_mean(name, known)
            raise ConfigError(f"{name} is no setting, got {value!r}.", remedy=remedy)
        field = field_of(name)
        if field in values:
            raise ConfigError(f"{name} must be given once, got it by its other name too.")
        values[field] = os.fspath(value) if isinstance(value, os.PathLike) else value
    return values


def field_of(name: str) -> str:
    """The config's field of a setting.

    >>> field_of("budget"), field_of("budget_s"), field_of("trials")
    ('budget_s', 'budget_s', 'trials')
    """
    fields = StudyConfig.model_fields
    return next((name + unit for unit in UNITS if name + unit in fields), name)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """See that an argument is one of some words.

    Raises:
        UsageError: When it is another, with the nearest.
    """
    if value not in choices:
        remedy = did_you_mean(value, choices)
        words = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise UsageError(f"{name} must be {words}, got {value!r}.", remedy=remedy)


def page_path(place: PathLike) -> Path:
    """Where a file that was asked for is written.

    Raises:
        UsageError: When it is in no folder, or a folder itself.
    """
    path = to_path(place)
    if not path.parent.is_dir():
        raise UsageError(Text("{to} {0}: its folder must be there, got none.", path))
    if path.is_dir():
        raise UsageError(Text("{to} {0}: must be a file, got a folder.", path))
    return path
