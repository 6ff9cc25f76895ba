"""The search space: all params that may be tried, as data.

A space is an ordered list of parameters, a parent before its children. `walk` visits
the active ones and asks a policy for each value, so the same space serves random
sampling, Optuna, KerasTuner and a saved point. `files` reads spaces from YAML.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from autocnn.core.errors import SpaceError
from autocnn.core.records import Channels, Params, ParamValue
from autocnn.spaces.knobs import KNOBS, PRETRAINED_FAMILIES, Group


@dataclass(frozen=True)
class Condition:
    """The parameter is active only while `parent` has one of `values`."""

    parent: str
    values: tuple[ParamValue, ...]


@dataclass(frozen=True)
class Parameter:
    """What Int, Float and Categorical share: a name, and when it is active."""

    name: str
    when: tuple[Condition, ...] = ()

    @property
    def group(self) -> Group:
        """Architecture, augmentation, regularisation or optimisation.

        A name that is no knob is read by a user's own model: architecture.
        """
        knob = KNOBS.get(self.name)
        return "architecture" if knob is None else knob.group

    def is_active(self, params: Params) -> bool:
        """Whether every condition holds in the params chosen so far."""
        return all(params.get(c.parent) in c.values for c in self.when)


@dataclass(frozen=True)
class Int(Parameter):
    """An integer in [low, high], on a grid of `step`, or spread evenly over its logarithm."""

    low: int = 0
    high: int = 0
    step: int = 1
    log: bool = False

    def contains(self, value: object) -> bool:
        """Whether `value` may be picked."""
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    @property
    def values(self) -> Sequence[ParamValue]:
        """All values, none of them made before it is asked for."""
        return range(self.low, self.high + 1, self.step)

    def __str__(self) -> str:
        step = f", step {self.step}" if self.step != 1 else ""
        return f"{self.low} .. {self.high}{step}{', log' if self.log else ''}"


@dataclass(frozen=True)
class Float(Parameter):
    """A number in [low, high], spread evenly over itself or its logarithm."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def contains(self, value: object) -> bool:
        """Whether `value` may be picked."""
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high

    @property
    def values(self) -> tuple[ParamValue, ...] | None:
        """The only value, or None when there is no end of them."""
        return (self.low,) if self.low == self.high else None

    def __str__(self) -> str:
        return f"{self.low:g} .. {self.high:g}{', log' if self.log else ''}"


@dataclass(frozen=True)
class Categorical(Parameter):
    """One of `choices`, without an order."""

    choices: tuple[ParamValue, ...] = ()

    def contains(self, value: object) -> bool:
        """Whether `value` may be picked (1 is not True, 1.0 is not 1)."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)

    @property
    def values(self) -> tuple[ParamValue, ...]:
        """All values."""
        return self.choices

    def __str__(self) -> str:
        return ", ".join(format_value(choice) for choice in self.choices)


AnyParameter = Int | Float | Categorical


@dataclass(frozen=True)
class SearchSpace:
    """All params that may be tried.

    Attributes:
        name: Short name; the file's name without its ending.
        description: What it is for, one line.
        epochs: Most epochs that a trial trains, unless the study says otherwise.
        channels: How the images are read, unless the study says otherwise.
        parameters: In order, a parent before its children.
        start: Full points to try first; the first of them is trial 0.
    """

    name: str
    description: str
    epochs: int
    channels: Channels
    parameters: tuple[AnyParameter, ...]
    start: tuple[Mapping[str, ParamValue], ...]

    def walk(self, pick: Callable[[AnyParameter], ParamValue]) -> dict[str, ParamValue]:
        """Build one point: ask `pick` for the value of each active parameter, in order."""
        params: dict[str, ParamValue] = {}
        for parameter in self.parameters:
            if parameter.is_active(params):
                params[parameter.name] = pick(parameter)
        return params

    def problems_of(self, params: Params) -> list[str]:
        """What keeps `params` from being a full point of this space; empty when it is one."""
        problems = []
        active: dict[str, ParamValue] = {}
        for parameter in self.parameters:
            if not parameter.is_active(active):
                continue
            if parameter.name not in params:
                problems.append(f"{parameter.name} is missing")
                continue
            value = params[parameter.name]
            active[parameter.name] = value
            if not parameter.contains(value):
                problems.append(
                    f"{parameter.name} must be in {parameter}, got {format_value(value)}"
                )
        problems += [f"{name} is not active there" for name in params if name not in active]
        return problems

    def values_of(self, name: str) -> tuple[ParamValue, ...]:
        """All values that a categorical or integer parameter may take.

        The knob's default alone when the space leaves the parameter out.
        """
        parameter = next((p for p in self.parameters if p.name == name), None)
        if isinstance(parameter, (Categorical, Int)):
            return tuple(parameter.values)
        return (KNOBS[name].default,)

    @property
    def has_pretrained(self) -> bool:
        """Whether some of its networks begin with weights from elsewhere."""
        return not {*PRETRAINED_FAMILIES}.isdisjoint(self.values_of("family"))

    def points(self, most: int) -> list[dict[str, ParamValue]] | None:
        """Every point of the space, or None when there are more than `most`."""
        points: list[dict[str, ParamValue]] = [{}]
        for parameter in self.parameters:
            grown: list[dict[str, ParamValue]] = []
            for point in points:
                if not parameter.is_active(point):
                    grown.append(point)
                    continue
                if parameter.values is None or len(grown) + len(parameter.values) > most:
                    return None
                grown += [{**point, parameter.name: value} for value in parameter.values]
            points = grown
        return points

    def narrow(self, name: str, values: Sequence[ParamValue]) -> "SearchSpace":
        """The same space with one parameter held to `values`; unchanged when it has none.

        What is never active any more is left out. Start points with another value take the first
        of `values`, and the defaults of what becomes active by that.

        Raises:
            SpaceError: When the knob does not allow a value.
        """
        for value in values:
            problem = KNOBS[name].problem_with(value)
            if problem is not None:
                raise SpaceError(f"{name} {problem}.")
        kept: dict[str, AnyParameter] = {}
        for parameter in self.parameters:
            when = tuple(
                Condition(c.parent, tuple(v for v in c.values if c.parent != name or v in values))
                for c in parameter.when
            )
            if all(c.parent in kept and c.values for c in when):
                is_held = parameter.name == name
                held = Categorical(name, when, choices=tuple(values))
                kept[parameter.name] = held if is_held else replace(parameter, when=when)
        space = replace(self, parameters=tuple(kept.values()))

        def take(point: Mapping[str, ParamValue], parameter: AnyParameter) -> ParamValue:
            fallback = values[0] if parameter.name == name else default_of(parameter)
            value = point.get(parameter.name, fallback)
            return value if parameter.contains(value) else fallback

        start = tuple(space.walk(partial(take, point)) for point in self.start)
        return replace(space, start=start)

    @property
    def default(self) -> Params:
        """The default configuration: the first start point."""
        return self.start[0]

    def is_default(self, params: Params) -> bool:
        """Whether these are the params of the default configuration, whatever trial has them."""
        return dict(params) == dict(self.default)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides which points can be proposed."""
        facts = [repr(parameter) for parameter in self.parameters]
        facts += [json.dumps(dict(point), sort_keys=True) for point in self.start]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def diff(self, other: "SearchSpace") -> list[str]:
        """What changed from this space to `other`, one sentence each."""
        mine = {p.name: p for p in self.parameters}
        theirs = {p.name: p for p in other.parameters}
        lines = [f"{name} was removed." for name in mine if name not in theirs]
        lines += [f"{name} was added." for name in theirs if name not in mine]
        for name in mine.keys() & theirs.keys():
            if str(mine[name]) != str(theirs[name]):
                lines.append(f"{name} was {mine[name]}, is {theirs[name]}.")
            elif mine[name] != theirs[name]:
                lines.append(f"{name} is active under other conditions.")
        kept = [
            [name for name in space if name in mine and name in theirs] for space in (mine, theirs)
        ]
        if kept[0] != kept[1]:
            lines.append("The order of the parameters differs.")
        if self.start != other.start:
            lines.append("The start points differ.")
        return sorted(lines)

    def to_yaml_data(self) -> dict[str, Any]:
        """The space as plain data that `files.parse_space` reads back."""
        parameters = []
        for parameter in self.parameters:
            entry: dict[str, Any] = {"name": parameter.name, "type": type(parameter).__name__}
            entry["type"] = entry["type"].lower()
            match parameter:
                case Categorical():
                    entry["choices"] = list(parameter.choices)
                case Int():
                    entry |= {"low": parameter.low, "high": parameter.high}
                    entry |= {"step": parameter.step, "log": parameter.log}
                case Float():
                    entry |= {"low": parameter.low, "high": parameter.high, "log": parameter.log}
            if parameter.when:
                entry["when"] = {c.parent: list(c.values) for c in parameter.when}
            parameters.append(entry)
        return {
            "description": self.description,
            "epochs": self.epochs,
            "channels": self.channels,
            "parameters": parameters,
            "start": [dict(point) for point in self.start],
        }


def default_of(parameter: AnyParameter) -> ParamValue:
    """The knob's default where the parameter allows it, else its first or lowest value."""
    knob = KNOBS.get(parameter.name)
    if knob is not None and parameter.contains(knob.default):
        return knob.default
    return parameter.choices[0] if isinstance(parameter, Categorical) else parameter.low


def format_value(value: ParamValue) -> str:
    """A value as it is written in YAML: `true`, `0.001`, `adamw`."""
    return str(value).lower() if isinstance(value, bool) else f"{value}"
