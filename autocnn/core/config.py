"""What was asked: the settings of a study, checked, with their defaults.

Precedence: defaults here < a YAML or JSON file < flags. The resolved config is
saved in `study.json`.
"""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from autocnn.core.config_files import read_settings
from autocnn.core.errors import ConfigError, Text, UsageError, did_you_mean
from autocnn.core.objective_text import LISTED, check_objective, function_of
from autocnn.core.paths import LOCAL_RULE, to_path
from autocnn.core.quantities import DURATION_RULE, SIZE_RULE, parse_duration, parse_size
from autocnn.core.records import Channels, Fit

IMAGENET = "imagenet"
"""The pretrained weights where no file is given."""

BUILT_IN = ("digits", "phantoms")
"""Names of data that need no file."""

Prefer = Literal["score", "simple"]
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

AUTO_CLUSTER, NO_CLUSTER = "auto", "none"

CLUSTER_RULE = "must be auto, none or HOST:PORT, e.g. 10.0.0.5:6379"

PRUNERS: dict[str, tuple[PrunerName, ...]] = {
    "optuna": ("asha", "median", "none"),
    "keras-tuner": ("none",),
}
"""The pruners of each engine, its default first; KerasTuner's oracles never stop a trial."""


def _setting(default: Any, meaning: str, *, unset: str = "", **rules: Any) -> Any:
    """A field of `StudyConfig`: the one place of its default and its meaning.

    Args:
        default: None where something else decides, which `unset` names.
        meaning: A sentence, for the help of the commands and their page in docs/ too.
        unset: What decides without it, in a few words; empty: nothing.
        **rules: Of pydantic.
    """
    return Field(default, description=meaning, json_schema_extra={"unset": unset}, **rules)


Window = tuple[float, float]
"""Centre and width."""

WINDOW_RULE = "must be CENTER,WIDTH, two numbers of which the second is above 0"


@dataclass(frozen=True)
class Reading:
    """What DATA does not say of itself; see the settings of the same names.

    Attributes:
        images: Folder of the images that a table lists.
        path_column, label_column, split_column, group_column: Of a table.
        label_from_name: Regular expression that catches labels in names.
        group_from_name: Regular expression that catches groups in names.
    """

    images: Path | None = None
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    label_from_name: str | None = None
    group_from_name: str | None = None


DEFAULT_TRIALS = 50
"""Of a study without a budget."""


class StudyConfig(BaseModel):
    """Everything that decides a study, except the data and the space themselves.

    Each field has its meaning and its default beside it. `_s` are seconds, or text like 90s, 30m
    or 2h; `_gb` are GB (10^9 bytes), or text like 500MB or 2GB.

    >>> config = StudyConfig(data="images", trials=20, budget_s="2h")
    >>> config.trials, config.budget_s, config.folds
    (20, 7200.0, 3)
    >>> print(StudyConfig.model_fields["trials"].description)
    Trials in the study.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = _setting("digits", "Path to the images, or the name of a built-in set.")
    images: Path | None = _setting(
        None, "Folder of the images that a table lists.", unset="the table's"
    )
    path_column: str | None = _setting(
        None, "Column of a table with the images' paths or names.", unset="found out"
    )
    label_column: str | None = _setting(
        None, "Column of a table with the labels.", unset="found out"
    )
    split_column: str | None = _setting(
        None, "Column of a table with train, val or test; none: not one.", unset="found out"
    )
    group_column: str | None = _setting(
        None,
        "Column of a table that names what belongs together, as a patient; none: not one.",
        unset="found out",
    )
    name: str | None = _setting(
        None,
        "Name of the study, and of its folder.",
        unset="DATA's name and the time",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
    )
    results: Path = _setting(Path("results"), "Folder that holds the studies.")
    space: str = _setting(
        "default",
        "What is searched: quick, default, mri, resnet, transfer, or a YAML file; see "
        "`autocnn spaces`.",
    )
    model: str | None = _setting(
        None,
        "Search a model of your own, FILE:FUNCTION or MODULE:FUNCTION: a function of (params, "
        "image_shape, num_classes), with a space of its parameters.",
        unset="autocnn's networks",
    )
    trials: int | None = _setting(
        None,
        "Trials in the study.",
        unset=f"{DEFAULT_TRIALS}; with a budget, as many as it has time for",
        ge=1,
    )
    budget_s: float | None = _setting(
        None, "Time for all of it, finalists included: 90s, 30m, 2h.", unset="no limit", gt=0
    )
    epochs: int | None = _setting(None, "Most epochs per trial.", unset="the space's", ge=1)
    trial_timeout_s: float | None = _setting(None, "Time for one trial.", unset="no limit", gt=0)
    objective: Annotated[str, BeforeValidator(check_objective)] = _setting(
        LISTED[0],
        f"What the search improves on val: {', '.join(LISTED)}; 'sensitivity of CLASS at "
        "specificity >= NUMBER' or the reverse; a function of yours, after a - if lower is better.",
    )
    max_gap: float | None = _setting(
        None,
        "Largest gap of the objective between train and val that is acceptable, e.g. 0.02; trials "
        "beyond it, at their best epoch or at their end, rank behind.",
        unset="any",
        ge=0,
    )
    engine: EngineName = _setting("optuna", "What proposes params.")
    sampler: SamplerName | None = _setting(
        None,
        "How: Optuna's tpe, random, qmc; KerasTuner's bayesian, random, hyperband, grid.",
        unset="; ".join(names[0] for names in SAMPLERS.values()),
    )
    pruner: PrunerName | None = _setting(
        None, "How Optuna stops hopeless trials.", unset=PRUNERS["optuna"][0]
    )
    finalists: int = _setting(
        3,
        "Best trials that are retrained and scored on test, beside the default configuration.",
        ge=1,
    )
    folds: int = _setting(
        3, "Parts of train on which finalists are compared; 0: val decides.", ge=0, le=20
    )
    fold_repeats: int = _setting(1, "Times that the folds are cut anew.", ge=1, le=10)
    by: tuple[str, ...] | None = _setting(
        None,
        "Columns of the table, as sex,site: the chosen candidate is scored on the test images of "
        "each value.",
        unset="none",
    )
    members: int = _setting(
        3,
        "Networks, each with another seed, of which the chosen one is an average, where there is "
        "time for so many; 1: a single one.",
        ge=1,
        le=20,
    )
    prefer: Prefer = _setting(
        "score",
        "Which candidate is chosen on the folds: the best, or the simplest within one standard "
        "error of it.",
    )
    seed: int = _setting(0, "Seed of everything random.", ge=0, lt=2**31)
    drop_labels: Path | None = _setting(
        None,
        "CSV with a column path, as label_issues.csv: these images of train and val are left out, "
        "or those with yes in its column drop.",
        unset="none",
    )
    image_size: int | None = _setting(
        None, "Side of the square input in px.", unset="chosen from the data", ge=8, le=1024
    )
    channels: Channels | None = _setting(
        None, "auto: grey if all images are grey in content.", unset="the space's"
    )
    fit: Fit = _setting(
        "stretch",
        "How an image that is not square becomes one: stretch: all of it, distorted; pad: all of "
        "it, on black; crop: its middle.",
    )
    label_from_name: str | None = _setting(
        None,
        "Regular expression that catches the label in the name of each image of a folder; with a "
        "/ in it, in its path.",
        unset="folders are the labels",
    )
    group_from_name: str | None = _setting(
        None,
        "Regular expression that catches in the name of each image whom it is of: images of one "
        "patient, scan or video stay on one side.",
        unset="groups of the table, or patients of DICOM",
    )
    window: Window | None = _setting(
        None,
        "CENTER,WIDTH of the values that become black to white in images of more than 8 bits, "
        "e.g. 40,400.",
        unset="one rule from all images",
    )
    val_fraction: float = _setting(0.15, "Size of a missing val split.", gt=0, lt=0.5)
    test_fraction: float = _setting(0.15, "Size of a missing test split.", gt=0, lt=0.5)
    max_unreadable: float = _setting(
        0.05, "Fraction of unreadable files that is tolerated.", ge=0, le=1
    )
    cache_dir: Path | None = _setting(
        None,
        "Folder for decoded images, shared by all studies.",
        unset="the platform's cache folder",
    )
    cache_limit_gb: float = _setting(
        10.0, "Size at which the oldest decoded images are deleted.", gt=0
    )
    samples: int | None = _setting(
        None,
        "Images of each class on the page; 0: no image of yours at all.",
        unset="as many as fit, at most 8",
        ge=0,
        le=50,
    )
    weights: Path | None = _setting(
        None, "Pretrained weights for the transfer space (.h5, .keras, .pth).", unset="ImageNet's"
    )
    deterministic: bool = _setting(
        False,
        "One trial at a time on one thread: the same numbers at any time, also when it is "
        "stopped and resumed.",
    )
    cluster: str | None = _setting(
        None,
        "Run trials on a Ray cluster: HOST:PORT of its head, or auto for the one that this machine "
        "is part of; none: on this machine alone.",
        unset="none",
    )
    storage: Path | None = _setting(
        None,
        "Folder that all nodes of the cluster share, for checkpoints and models.",
        unset="they travel through this process",
    )
    workers: int | None = _setting(
        None, "Trials at once.", unset="one per GPU, or per processor and 1.5 GB, at most 8", ge=1
    )
    threads: int | None = _setting(None, "Threads per trial.", unset="processors/workers", ge=1)
    precision: Precision = _setting("auto", "Arithmetic; auto: 16 bits where those are fast.")
    memory_limit_gb: float | None = _setting(
        None,
        "Memory of one trial: 500MB, 2GB; above it, the trial is repeated with half its batch, "
        "then given up.",
        unset="its share of the machine's",
        gt=0,
    )
    disk_limit_gb: float = _setting(
        50.0, "Size that the study's folder may reach before it stops.", gt=0
    )
    fork: str | None = _setting(None, "Begin with the trials of this study that are still valid.")
    tensorboard: bool = _setting(
        False, "Write the curves of all trials for TensorBoard too, into the study."
    )
    mlflow: str | None = _setting(
        None,
        "Log all trials to MLflow too: http://HOST:PORT, https://HOST, sqlite:///FILE or, left "
        "out, what MLFLOW_TRACKING_URI says.",
    )

    @property
    def reading(self) -> Reading:
        """How the data are read."""
        return Reading(
            images=self.images,
            path_column=self.path_column,
            label_column=self.label_column,
            split_column=self.split_column,
            group_column=self.group_column,
            label_from_name=self.label_from_name,
            group_from_name=self.group_from_name,
        )

    @property
    def levels(self) -> tuple[float, float] | None:
        """Values that become 0 and 255 in images of more than 8 bits; None: chosen from them."""
        if self.window is None:
            return None
        center, width = self.window
        return center - width / 2, center + width / 2

    @property
    def num_trials(self) -> int | None:
        """Trials in the study; None: as many as the budget has time for."""
        return DEFAULT_TRIALS if self.trials is None and self.budget_s is None else self.trials

    @property
    def own_code(self) -> list[str]:
        """FILE:FUNCTION of somebody's own that a session runs."""
        return [code for code in (self.model, function_of(self.objective)) if code is not None]

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

    @field_validator("window", mode="before")
    @classmethod
    def _read_window(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        try:
            center, width = (float(part) for part in parts)  # type: ignore[attr-defined]
        except (TypeError, ValueError) as error:
            if value is None:
                return None
            raise ValueError(WINDOW_RULE) from error
        if not (math.isfinite(center) and math.isfinite(width) and width > 0):
            raise ValueError(WINDOW_RULE)
        return center, width

    @field_validator("by", mode="before")
    @classmethod
    def _read_columns(cls, value: object) -> object:
        """Names with commas between them."""
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",") if name.strip()]
        if not isinstance(value, list | tuple) or any(not isinstance(name, str) for name in value):
            return value
        return tuple(dict.fromkeys(value)) or None

    @field_validator("label_from_name", "group_from_name")
    @classmethod
    def _is_regular_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            reason = str(error).replace("{", "{{").replace("}", "}}")
            raise ValueError(f"must be a regular expression ({reason})") from error
        return value

    @field_validator("images", "results", "drop_labels", "cache_dir", "weights", "storage")
    @classmethod
    def _expand_home(cls, value: Path | None) -> Path | None:
        try:
            return None if value is None else to_path(value)
        except UsageError as error:
            raise ValueError(LOCAL_RULE) from error

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        """Take the engine's own sampler and pruner where none is named; no cluster, no storage."""
        if not isinstance(values, Mapping):
            return values
        if values.get("cluster") == NO_CLUSTER:
            values = {**values, "storage": None}
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
            return f"sqlite:///{to_path(value.removeprefix('sqlite:///')).resolve()}"
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(MLFLOW_RULE)
        return value

    @field_validator("cluster")
    @classmethod
    def _is_a_cluster(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or value == NO_CLUSTER:
            return None
        host, _, port = value.rpartition(":")
        if value != AUTO_CLUSTER and not (host and port.isdecimal() and 0 < int(port) < 2**16):
            raise ValueError(CLUSTER_RULE)
        if info.data.get("deterministic"):
            raise ValueError(
                "must go without {deterministic:True}: processors of several kinds round each in "
                "its own way"
            )
        return value

    @field_validator("storage")
    @classmethod
    def _is_for_a_cluster(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("cluster", AUTO_CLUSTER) is None:
            raise ValueError("must go with {cluster:HOST:PORT}")
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


def data_arguments(config: StudyConfig) -> str:
    """DATA, and the options that say how it is read, as a shell takes them.

    >>> data_arguments(StudyConfig(data="my list.csv", label_column="kind"))
    "'my list.csv' --label-column kind"
    """
    words = [config.data]
    for name, value in vars(config.reading).items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def resolve_config(flags: Mapping[str, Any], *, file: Path | None = None) -> StudyConfig:
    """The config from defaults, then `file`, then `flags` (entries of None are no flags).

    Args:
        flags: Field name -> value as given on the command line.
        file: YAML or JSON with the same names. A `study.json` repeats its study: its `config`
            counts, with the space that stands beside it and without its name or its places
            (`config_files.OF_ITS_MACHINE`).

    Raises:
        ConfigError: When the file cannot be read, a value breaks its rule, or a study.json names
            code of somebody's own that the flags do not name.
    """
    values = {} if file is None else read_settings(file, flags)
    return _check(values, flags, file=file)


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
        remedy = did_you_mean(got, LISTED) if field == "objective" else ""
    elif first["type"] == "string_pattern_mismatch":
        rule = "must be 1 to 100 of a-z, A-Z, 0-9, '.', '_', '-', a letter or digit first"
    elif first["type"] == "path_type":
        rule = "must be a path"
    elif first["type"] == "extra_forbidden":
        rule = "is no setting"
        remedy = did_you_mean(field, StudyConfig.model_fields)
    else:
        rule = str(first["msg"]).replace("{", "{{").replace("}", "}}")
        rule = rule.replace("Input should", "must").replace("String should", "must")
    if field in flags:
        return ConfigError(
            Text(f"{{{plain_name(field)}}} {rule}, got {{0!r}}.", got), remedy=remedy
        )
    where = field if file is None else f"{file}: {field}"
    return ConfigError(Text(f"{{1}} {rule}, got {{0!r}}.", got, where), remedy=remedy)
