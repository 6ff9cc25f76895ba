"""The options that several commands have: those of the settings, made from the config."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from autocnn.cli.words import FILE, OBJECTIVE, SPACE, SamplerName, StudyName
from autocnn.core import config
from autocnn.core.config import MLFLOW_DEFAULT, StudyConfig, plain_name
from autocnn.core.errors import ConfigError
from autocnn.core.quantities import parse_duration, parse_size


class Duration(click.ParamType[float]):
    """Seconds, written as 90s, 30m, 2h or 1h30m; a number without a unit is refused."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds in `value`."""
        text = str(value).strip()
        try:
            seconds = parse_duration(text)
        except ConfigError as error:
            self.fail(error.message, param, ctx)
        if text[-1].isdigit():
            self.fail(f"A duration needs a unit: {text}s, {text}m or {text}h?", param, ctx)
        return seconds


class Size(click.ParamType[float]):
    """GB (10^9 bytes), written as 500MB or 2GB."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """GB in `value`."""
        try:
            return parse_size(str(value))
        except ConfigError as error:
            self.fail(error.message, param, ctx)


Decorated = Callable[..., Any]

_BY_NAME: Mapping[str, click.ParamType[Any]] = {
    "space": SPACE,
    "model": FILE,
    "objective": OBJECTIVE,
    "fork": StudyName(),
    "sampler": SamplerName(get_args(config.SamplerName)),
}
"""Settings that completion knows more of than their type says."""

_METAVARS: Mapping[str, str] = {
    "model": "FILE:FUNCTION",
    "objective": "METRIC|RATE|FILE:FUNCTION",
    "label_from_name": "REGEX",
    "group_from_name": "REGEX",
    "window": "CENTER,WIDTH",
    "drop_labels": "FILE",
    "by": "COLUMN,...",
    "cluster": "auto|HOST:PORT",
    "storage": "FOLDER",
}


def option_name(field: str) -> str:
    """The option of a setting.

    >>> option_name("trial_timeout_s")
    '--trial-timeout'
    """
    return f"--{plain_name(field).replace('_', '-')}"


def setting(
    field: str, *, meaning: str | None = None, unset: str | None = None
) -> Callable[[Decorated], Decorated]:
    """The option of a setting: type, range, choices, meaning and default come from the config.

    It is None where it is not given, so that a file may say it.

    Args:
        field: Of `StudyConfig`.
        meaning: Another sentence, where a command means something more special.
        unset: What decides without it, where a command has another default.
    """
    info = StudyConfig.model_fields[field]
    shown = _shown_default(field, info) if unset is None else unset
    text = meaning or info.description or ""
    given: dict[str, Any] = {"help": f"{text}  [{shown}]" if shown else text}
    if info.annotation is bool:
        given |= {"is_flag": True, "default": None}
    elif field == "mlflow":
        given |= {"is_flag": False, "flag_value": MLFLOW_DEFAULT, "metavar": "[URI]"}
    else:
        given |= {"type": _type_of(field, info)}
    if field in _METAVARS:
        given |= {"metavar": _METAVARS[field]}
    return click.option(option_name(field), field, **given)


def settings(*fields: str) -> Callable[[Decorated], Decorated]:
    """The options of several settings, in their order."""

    def decorate(command: Decorated) -> Decorated:
        for field in reversed(fields):
            command = setting(field)(command)
        return command

    return decorate


def _type_of(field: str, info: FieldInfo) -> click.ParamType[Any]:
    if field in _BY_NAME:
        return _BY_NAME[field]
    if field.endswith("_s"):
        return Duration()
    if field.endswith("_gb"):
        return Size()
    is_union = get_origin(info.annotation) in (Union, UnionType)
    kinds = get_args(info.annotation) if is_union else (info.annotation,)
    kind = next(one for one in kinds if one is not type(None))
    if kind is Path:
        return click.Path(path_type=Path)
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    return _range(kind, info) if kind in (int, float) else click.STRING


def _range(kind: type, info: FieldInfo) -> click.ParamType[Any]:
    """The numbers that the rules of the field allow."""
    rules = {
        name: getattr(rule, name)
        for rule in info.metadata
        for name in ("ge", "gt", "le", "lt")
        if hasattr(rule, name)
    }
    make = click.IntRange if kind is int else click.FloatRange
    return make(
        rules.get("ge", rules.get("gt")),
        rules.get("le", rules.get("lt")),
        min_open="gt" in rules,
        max_open="lt" in rules,
    )


def _shown_default(field: str, info: FieldInfo) -> str:
    """The default as help shows it; empty where there is nothing to say."""
    if info.default is None:
        assert isinstance(info.json_schema_extra, dict)
        return str(info.json_schema_extra["unset"])
    if isinstance(info.default, bool):
        return ""
    return f"{info.default:g}GB" if field.endswith("_gb") else str(info.default)


trust_option = click.option(
    "--trust-code",
    is_flag=True,
    help="Run the code that comes with a model of somebody's own. Read it first: it can do "
    "whatever you can.",
)


def port_option(default: int) -> Callable[[Decorated], Decorated]:
    """Where a server listens.

    Args:
        default: Its port.
    """
    return click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=default,
        show_default=True,
        help="Port to listen on; 0: a free one.",
    )


prevalence_option = click.option(
    "--prevalence",
    metavar="P",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the target's class where the model is used, as 0.02: PPV and NPV hold for it, "
    "and a precision is chosen for it.  [that of the study's images]",
)

results_option = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=StudyConfig.model_fields["results"].default,
    show_default=True,
    help=StudyConfig.model_fields["results"].description,
)
