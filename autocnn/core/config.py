"""What was asked: the settings of a study, checked, with their defaults.

Precedence: defaults here < a YAML or JSON file < flags. The resolved config is
saved in `study.json`.
"""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from autocnn.core.errors import ConfigError, Text
from autocnn.core.quantities import DURATION_RULE, SIZE_RULE, parse_duration, parse_size
from autocnn.core.records import Channels

BUILT_IN = ("digits", "phantoms")
"""Names of data that need no file."""

Objective = Literal["balanced_accuracy", "accuracy", "macro_f1", "macro_auc", "log_loss"]
EngineName = Literal["optuna", "keras-tuner"]
SamplerName = Literal["tpe", "random", "qmc", "bayesian", "hyperband", "grid"]
PrunerName = Literal["asha", "median", "none"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

SAMPLERS: dict[str, tuple[SamplerName, ...]] = {
    "optuna": ("tpe", "random", "qmc"),
    "keras-tuner": ("bayesian", "random", "hyperband", "grid"),
}
"""The samplers of each engine, its default first."""

MLFLOW_DEFAULT = "default"
"""Leaves the address to MLflow's own environment variables."""

MLFLOW_RULE = (
    "must be http://HOST:PORT, https://HOST or sqlite:///FILE; for anything else, and for "
    "passwords, set MLFLOW_TRACKING_URI and leave it out"
)

PRUNERS: dict[str, tuple[PrunerName, ...]] = {
    "optuna": ("asha", "median", "none"),
    "keras-tuner": ("none",),
}
"""The pruners of each engine, its default first; KerasTuner's oracles never stop a trial."""


class StudyConfig(BaseModel):
    """Everything that decides a study, except the data and the space themselves.

    Attributes:
        data: Path to the images, or the name of a built-in set.
        name: Name of the study; None: from the data and the time.
        results: Folder that holds the studies.
        space: Name or path of the search space.
        model: The user's own model, FILE:FUNCTION or MODULE:FUNCTION; None: autocnn's
            networks.
        trials: Trials in the study.
        budget_s: Seconds for the whole study, finalists included; None: no limit.
        epochs: Most epochs per trial; None: what the space says.
        trial_timeout_s: Seconds that one trial may take; None: no limit.
        objective: What the search improves, measured on val.
        max_gap: Largest train - val gap of the objective that counts as feasible.
        engine, sampler, pruner: What proposes params and stops hopeless trials; None: the
            engine's default.
        finalists: Top trials that are retrained and judged on test, beside the default
            configuration.
        folds: Parts in which train + val is cut to judge the finalists; 0: val decides.
        fold_repeats: Times that it is cut anew.
        seed: Seed of everything random.
        image_size: Side of the square input in px; None: from the data.
        channels: Grey or RGB; auto: by looking at the images; None: what the space says.
        val_fraction, test_fraction: Size of a split that is missing, of the images that
            are in no given val or test split.
        max_unreadable: Fraction of unreadable files above which it is an error.
        cache_dir: Where decoded images are kept; None: the platform's cache folder.
        cache_limit_gb: Size above which the oldest decoded sets are deleted.
        weights: File with pretrained weights for the `pretrained` family.
        workers: Trials at once; None: chosen for the machine.
        threads: Threads per trial; None: chosen for the machine.
        precision: Arithmetic of the models; auto: chosen for the machine.
        deterministic: One trial at a time on one thread with reproducible operations.
        memory_limit_gb: Memory of one trial's process, GB; None: its share of the machine's.
        disk_limit_gb: Size that the study's folder may reach, GB.
        fork: Study whose still-valid trials are taken over, a name or a path.
        tensorboard: Write the curves of the trials as TensorBoard's event files too.
        mlflow: Server or database that gets the trials as MLflow runs, a URI; default: what
            MLFLOW_TRACKING_URI says; None: no.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = "digits"
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    results: Path = Path("results")
    space: str = "default"
    model: str | None = None
    trials: int = Field(default=50, ge=1)
    budget_s: float | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=1)
    trial_timeout_s: float | None = Field(default=None, gt=0)
    objective: Objective = "balanced_accuracy"
    max_gap: float | None = Field(default=None, ge=0)
    engine: EngineName = "optuna"
    sampler: SamplerName | None = None
    pruner: PrunerName | None = None
    finalists: int = Field(default=3, ge=1)
    folds: int = Field(default=3, ge=0, le=20)
    fold_repeats: int = Field(default=1, ge=1, le=10)
    seed: int = Field(default=0, ge=0, lt=2**31)
    image_size: int | None = Field(default=None, ge=8, le=1024)
    channels: Channels | None = None
    val_fraction: float = Field(default=0.15, gt=0, lt=0.5)
    test_fraction: float = Field(default=0.15, gt=0, lt=0.5)
    max_unreadable: float = Field(default=0.05, ge=0, le=1)
    cache_dir: Path | None = None
    cache_limit_gb: float = Field(default=10.0, gt=0)
    weights: Path | None = None
    deterministic: bool = False
    workers: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    precision: Precision = "auto"
    memory_limit_gb: float | None = Field(default=None, gt=0)
    disk_limit_gb: float = Field(default=50.0, gt=0)
    fork: str | None = None
    tensorboard: bool = False
    mlflow: str | None = None

    @field_validator("budget_s", "trial_timeout_s", mode="before")
    @classmethod
    def _read_duration(cls, value: object) -> object:
        try:
            return parse_duration(value) if isinstance(value, str) else value
        except ConfigError as error:
            raise ValueError(DURATION_RULE) from error

    @field_validator("cache_limit_gb", "memory_limit_gb", "disk_limit_gb", mode="before")
    @classmethod
    def _read_size(cls, value: object) -> object:
        try:
            return parse_size(value) if isinstance(value, str) else value
        except ConfigError as error:
            raise ValueError(SIZE_RULE) from error

    @model_validator(mode="before")
    @classmethod
    def _choose_by_engine(cls, values: Any) -> Any:
        """Take the engine's own sampler and pruner where none is named."""
        if not isinstance(values, Mapping):
            return values
        engine = values.get("engine") or "optuna"
        if not isinstance(engine, str):
            return values
        for name, choices in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if engine in choices and values.get(name) is None:
                values = {**values, name: choices[engine][0]}
        return values

    @field_validator("sampler", "pruner")
    @classmethod
    def _belongs_to_engine(cls, value: str, info: ValidationInfo) -> str:
        engine = info.data.get("engine", "optuna")
        choices = (SAMPLERS if info.field_name == "sampler" else PRUNERS)[engine]
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)} with {{engine:{engine}}}")
        return value

    @field_validator("folds")
    @classmethod
    def _cuts_something(cls, value: int) -> int:
        if value == 1:
            raise ValueError("must be 0, for no folds, or at least 2")
        return value

    @field_validator("fork")
    @classmethod
    def _can_be_fed(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("sampler") in ("hyperband", "grid"):
            raise ValueError("must go with a sampler whose trials do not follow from each other")
        return value

    @field_validator("mlflow")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        """A URI that may stand in study.json, the same from every folder."""
        if value is None or value == MLFLOW_DEFAULT:
            return value
        parts = urlsplit(value)
        if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
            return f"sqlite:///{Path(value.removeprefix('sqlite:///')).resolve()}"
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(MLFLOW_RULE)
        return value

    @field_validator("workers", "threads")
    @classmethod
    def _is_one_when_deterministic(cls, value: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("deterministic") and value not in (None, 1):
            raise ValueError("must be 1 with {deterministic:True}")
        return value


def plain_name(field: str) -> str:
    """A setting as people call it: the field's name without its unit.

    >>> plain_name("trial_timeout_s"), plain_name("memory_limit_gb"), plain_name("trials")
    ('trial_timeout', 'memory_limit', 'trials')
    """
    return field.removesuffix("_s").removesuffix("_gb")


def resolve_config(flags: Mapping[str, Any], *, file: Path | None = None) -> StudyConfig:
    """The config from defaults, then `file`, then `flags` (entries of None are no flags).

    Args:
        flags: Field name -> value as given on the command line.
        file: YAML or JSON with the same names. A `study.json` repeats its study: its `config`
            counts, with the space that stands beside it and without its name.

    Raises:
        ConfigError: When the file cannot be read, or a value breaks its rule.
    """
    return _check(_read_file(file) if file is not None else {}, flags, file=file)


def change_config(config: StudyConfig, flags: Mapping[str, Any]) -> StudyConfig:
    """The config with `flags` in the place of what it says (entries of None are no flags).

    Raises:
        ConfigError: When a value breaks its rule, by itself or beside the others.
    """
    return _check(config.model_dump(), flags, file=None)


def _check(values: dict[str, Any], flags: Mapping[str, Any], *, file: Path | None) -> StudyConfig:
    flags = {key: value for key, value in flags.items() if value is not None}
    try:
        return StudyConfig.model_validate({**values, **flags})
    except ValidationError as error:
        raise _explain(error, flags, file) from error


def _explain(error: ValidationError, flags: Mapping[str, Any], file: Path | None) -> ConfigError:
    """Where the first mistake is, the rule, and what was got."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "config"
    got, remedy = first["input"], ""
    if first["type"] == "value_error":  # from a validator above: a template of its own
        rule = str(first["ctx"]["error"])
    elif first["type"] == "string_pattern_mismatch":
        rule = "must be 1 to 100 of a-z, A-Z, 0-9, '.', '_', '-', a letter or digit first"
    elif first["type"] == "extra_forbidden":
        rule = "is no setting"
        close = difflib.get_close_matches(field, StudyConfig.model_fields, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else ""
    else:
        rule = str(first["msg"]).replace("{", "{{").replace("}", "}}")
        rule = rule.replace("Input should", "must").replace("String should", "must")
    if field in flags:
        return ConfigError(
            Text(f"{{{plain_name(field)}}} {rule}, got {{0!r}}.", got), remedy=remedy
        )
    where = field if file is None else f"{file}: {field}"
    return ConfigError(Text(f"{{1}} {rule}, got {{0!r}}.", got, where), remedy=remedy)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
        data = (
            json.loads(text) if file.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
        )
    except OSError as error:
        raise ConfigError(f"{file}: must be readable, got: {error.strerror}.") from error
    except (ValueError, YAMLError) as error:
        raise ConfigError(f"{file}: must be YAML or JSON, got: {error}.") from error
    if isinstance(data, dict) and "config" in data:
        data = data["config"]
        if isinstance(data, dict):
            space = file.with_name("space.yaml")
            data = {**data, "name": None, "fork": None}
            data |= {"space": str(space)} if space.exists() else {}
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: must map settings to values, got {data!r}.")
    return dict(data)
