"""Reads search spaces: the shipped ones by name, one's own by path.

A space file is YAML 1.2 (`1e-4` is a number, `on` is a word) with the keys
description, epochs, channels, parameters and start; `search_spaces/README.md` shows one.
"""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn, get_args

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from autocnn.core.errors import SpaceError, Text, did_you_mean
from autocnn.core.records import Channels, ParamValue
from autocnn.core.yaml_text import load_yaml
from autocnn.spaces.knobs import KNOBS
from autocnn.spaces.space import (
    AnyParameter,
    Categorical,
    Condition,
    Float,
    Int,
    SearchSpace,
    default_of,
)

OWN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What a parameter that a user's own model reads may be called."""

LARGEST_INT = 2**53
"""Of a parameter of one's own: engines and tables take numbers for floats."""

OWN_NAME_REMEDY = Text(
    "A name of your own needs a model of your own that reads it: {model:FILE:FUNCTION}."
)


def shipped_names() -> list[str]:
    """Names of the spaces that come with autocnn, sorted."""
    folder = resources.files("autocnn.search_spaces")
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if _is_yaml(f.name))


def is_path(name: str) -> bool:
    """Whether a space is named by its file, not by a shipped name."""
    return _is_yaml(name) or "/" in name or "\\" in name


def load_space(name: str, *, own_names: bool = False) -> SearchSpace:
    """The space of that name, or in the file at that path.

    Args:
        name: A shipped name (`mri`), or a path that ends in .yaml or .yml.
        own_names: Whether parameters may have names that are no knobs: a user's own model
            reads them.

    Raises:
        SpaceError: When there is none, or the file breaks a rule of the format.

    >>> space = load_space("quick")
    >>> [parameter.name for parameter in space.parameters][:2]
    ['family', 'num_stages']
    >>> load_space("quik")
    Traceback (most recent call last):
        ...
    autocnn.core.errors.SpaceError: space must be a shipped name or a .yaml file, got 'quik'. \
Did you mean 'quick'?
    """
    if not is_path(name):
        names = shipped_names()
        if name not in names:
            remedy = (
                did_you_mean(name, names) or f"Choose one of {', '.join(names)}, or give a path."
            )
            raise SpaceError(
                Text("{space} must be a shipped name or a .yaml file, got {0!r}.", name),
                remedy=remedy,
            )
        text = (resources.files("autocnn.search_spaces") / f"{name}.yaml").read_text("utf-8")
        return parse_space(text, source=f"search_spaces/{name}.yaml", name=name)
    path = Path(name)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SpaceError(f"{path}: the space file must be readable, got: {reason}.") from error
    return parse_space(text, source=str(path), name=path.stem, own_names=own_names)


def parse_space(text: str, *, source: str, name: str, own_names: bool = False) -> SearchSpace:
    """Read a space from YAML 1.2 text.

    Args:
        text: The file's content.
        source: Where it came from, for messages.
        name: Name of the space.
        own_names: Whether parameters may have names that are no knobs.

    Raises:
        SpaceError: Where the text breaks a rule; the message says which.
    """
    return _Reader(source, own_names=own_names).read(text, name)


def _is_yaml(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


_TOP_KEYS = ("description", "epochs", "channels", "parameters", "start")
_KEYS = {
    "int": ("name", "type", "low", "high", "step", "log", "when"),
    "float": ("name", "type", "low", "high", "log", "when"),
    "categorical": ("name", "type", "choices", "when"),
}


class _Reader:
    """Turns YAML into a SearchSpace, or says where it cannot be one."""

    def __init__(self, source: str, *, own_names: bool) -> None:
        self.source = source
        self.own_names = own_names

    def fail(self, where: str, rule: str, remedy: str | Text = "") -> NoReturn:
        raise SpaceError(f"{self.source}: {where} {rule}.", remedy=remedy)

    def read(self, text: str, name: str) -> SearchSpace:
        data = self.mapping(self.parse(text), "the file", _TOP_KEYS)
        epochs = data.get("epochs", 30)
        if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
            self.fail("epochs", f"must be an integer of at least 1, got {epochs!r}")
        channels = data.get("channels", "auto")
        if channels not in get_args(Channels):
            self.fail("channels", f"must be auto, grey or rgb, got {channels!r}")
        entries = data.get("parameters")
        if not isinstance(entries, list) or not entries:
            self.fail("parameters", f"must be a list of at least one, got {entries!r}")
        parameters: list[AnyParameter] = []
        for i, entry in enumerate(entries):
            parameters.append(self.parameter(entry, f"parameters[{i}]", parameters))
        description = str(data.get("description", "")).strip()
        space = SearchSpace(name, description, epochs, channels, tuple(parameters), ())
        start = data.get("start")
        if start is None:
            return replace(space, start=(space.walk(default_of),))
        if not isinstance(start, list) or not start:
            self.fail("start", f"must be a list of points, got {start!r}")
        points = [self.point(space, point, f"start[{i}]") for i, point in enumerate(start)]
        return replace(space, start=tuple(points))

    def parse(self, text: str) -> object:
        try:
            return load_yaml(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark
            where = f"line {mark.line + 1}" if mark else "the file"
            self.fail(where, f"is no YAML: {error.problem}")
        except YAMLError as error:
            self.fail("the file", f"is no YAML: {str(error).splitlines()[0]}")
        except ValueError as error:  # of a scalar that looks like a date and is none
            self.fail("the file", f"has a value that is no YAML: {error}")

    def mapping(self, data: object, where: str, keys: Sequence[str]) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail(where, f"must be a mapping with {', '.join(keys)}, got {data!r}")
        for key in data:
            if key not in keys:
                self.fail(where, f"has the unknown key {key!r}", did_you_mean(key, keys))
        return data

    def parameter(self, entry: object, where: str, before: Sequence[AnyParameter]) -> AnyParameter:
        kind = entry.get("type") if isinstance(entry, dict) else None
        if isinstance(entry, dict) and kind not in list(_KEYS):
            remedy = did_you_mean(kind, _KEYS)
            self.fail(f"{where}.type", f"must be int, float or categorical, got {kind!r}", remedy)
        data = self.mapping(entry, where, _KEYS.get(str(kind), _KEYS["categorical"]))
        name = data.get("name")
        if not isinstance(name, str) or (name not in KNOBS and not self.own_names):
            is_own = isinstance(name, str) and OWN_NAME.fullmatch(name) is not None
            own: str | Text = OWN_NAME_REMEDY if is_own else ""
            rule = f"must be a known parameter, got {name!r}"
            self.fail(f"{where}.name", rule, did_you_mean(name, KNOBS) or own)
        if name not in KNOBS and not OWN_NAME.fullmatch(name):
            rule = "must be letters, digits and underscores, a letter first"
            self.fail(f"{where}.name", f"{rule}, got {name!r}")
        if any(other.name == name for other in before):
            self.fail(f"{where}.name", f"must be listed once, got {name!r} again")
        when = self.conditions(data.get("when"), f"{where}.when", before)
        if kind == "categorical":
            return Categorical(name, when, choices=self.choices(data, where, name))
        return self.numeric(data, where, name, when, is_int=kind == "int")

    def choices(self, data: dict[str, Any], where: str, name: str) -> tuple[ParamValue, ...]:
        values = data.get("choices")
        if not isinstance(values, list) or not values:
            self.fail(f"{where}.choices", f"must be a list of at least one value, got {values!r}")
        knob = KNOBS.get(name)
        has_floats = any(type(value) is float for value in values)
        is_number = isinstance(knob.default, float) if knob else has_floats
        for i, value in enumerate(values):
            if is_number:
                value = values[i] = _as_float(value)
            problem = knob.problem_with(value) if knob else _problem_with_own(value, values[0])
            if problem is not None:
                words = [c for c in knob.choices if isinstance(c, str)] if knob else []
                self.fail(
                    f"{where}.choices[{i}]", f"({name}) {problem}", did_you_mean(value, words)
                )
            if value in values[:i]:
                self.fail(f"{where}.choices[{i}]", f"must be listed once, got {value!r} again")
        return tuple(values)

    def numeric(
        self,
        data: dict[str, Any],
        where: str,
        name: str,
        when: tuple[Condition, ...],
        *,
        is_int: bool,
    ) -> Int | Float:
        knob = KNOBS.get(name)
        if knob and knob.choices:
            self.fail(f"{where}.type", f"must be categorical for {name}, got {data['type']!r}")
        if knob and isinstance(knob.default, int) != is_int:
            right = "int" if isinstance(knob.default, int) else "float"
            self.fail(f"{where}.type", f"must be {right} for {name}, got {data['type']!r}")
        for key in ("low", "high"):
            value: Any = data.get(key)
            rule = "an integer" if is_int else "a number"
            is_right = isinstance(value, int if is_int else (int, float))
            if not is_right or isinstance(value, bool):
                remedy = f"Write {'8' if is_int else '1e-4'}."
                self.fail(f"{where}.{key}", f"must be {rule}, got {value!r}", remedy)
            if not knob and not abs(value) <= (LARGEST_INT if is_int else sys.float_info.max):
                limit = f"in [-{LARGEST_INT}, {LARGEST_INT}]" if is_int else "finite"
                self.fail(f"{where}.{key}", f"({name}) must be {limit}, got {value!r}")
            if knob and not knob.low <= value <= knob.high:
                bounds = f"[{knob.low:g}, {knob.high:g}]"
                self.fail(f"{where}.{key}", f"({name}) must be in {bounds}, got {value!r}")
        low, high, log = data["low"], data["high"], data.get("log", False)
        if low > high:
            self.fail(f"{where}.low", f"must be at most high, got {low!r} and {high!r}")
        if not isinstance(log, bool):
            self.fail(f"{where}.log", f"must be true or false, got {log!r}")
        if log and low <= 0:
            self.fail(f"{where}.low", f"must be above 0 on a log scale, got {low!r}")
        if not is_int:
            return Float(name, when, low=float(low), high=float(high), log=log)
        step = data.get("step", 1)
        if not isinstance(step, int) or isinstance(step, bool) or step < 1:
            self.fail(f"{where}.step", f"must be an integer of at least 1, got {step!r}")
        if log and step != 1:
            self.fail(f"{where}.step", f"must be 1 on a log scale, got {step!r}")
        if (high - low) % step:
            self.fail(f"{where}.high", f"must be low plus a multiple of step {step}, got {high!r}")
        return Int(name, when, low=low, high=high, step=step, log=log)

    def conditions(
        self, data: object, where: str, before: Sequence[AnyParameter]
    ) -> tuple[Condition, ...]:
        if data is None:
            return ()
        if not isinstance(data, dict) or not data:
            self.fail(where, f"must be a mapping of a parent to its values, got {data!r}")
        conditions = []
        parents = {parameter.name: parameter for parameter in before}
        for parent, values in data.items():
            if parent not in parents:
                remedy = "List a parent before its children." if parent in KNOBS else ""
                remedy = remedy or did_you_mean(parent, parents)
                self.fail(where, f"must name a parameter listed above, got {parent!r}", remedy)
            listed, domain = values if isinstance(values, list) else [values], parents[parent]
            if not listed:
                self.fail(f"{where}.{parent}", "must be one value or more, got []")
            if _chooses_floats(domain):
                listed = [_as_float(value) for value in listed]
            for value in listed:
                if not domain.contains(value):
                    self.fail(f"{where}.{parent}", f"must be in {domain}, got {value!r}")
            conditions.append(Condition(parent, tuple(listed)))
        return tuple(conditions)

    def point(self, space: SearchSpace, data: object, where: str) -> Mapping[str, ParamValue]:
        if not isinstance(data, dict):
            self.fail(where, f"must be a mapping of every parameter to a value, got {data!r}")
        params = dict(data)
        for parameter in space.parameters:
            if parameter.name in params and (
                isinstance(parameter, Float) or _chooses_floats(parameter)
            ):
                params[parameter.name] = _as_float(params[parameter.name])
        problems = space.problems_of(params)
        if problems:
            names = [parameter.name for parameter in space.parameters]
            unknown = next((key for key in params if key not in names), None)
            self.fail(where, f"is no full point: {problems[0]}", did_you_mean(unknown, names))
        return params


def _as_float(value: Any) -> Any:
    """An integer as a float, unless it is too large for one; all else as it is."""
    is_float = type(value) is int and abs(value) <= sys.float_info.max
    return float(value) if is_float else value


def _chooses_floats(parameter: AnyParameter) -> bool:
    """Whether a 0 among the values of a parameter is a 0.0."""
    return isinstance(parameter, Categorical) and isinstance(parameter.choices[0], float)


def _problem_with_own(value: object, first: object) -> str | None:
    """Why a choice of a parameter of the user's own cannot be used, or None when it can."""
    if type(value) not in (str, int, float, bool):
        return f"must be a word, a number, true or false, got {value!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be finite, got {value!r}"
    # Engines distinguish choices by how they are written: true is not 'true'.
    return None if type(value) is type(first) else f"must be of one kind, got {first!r}, {value!r}"
