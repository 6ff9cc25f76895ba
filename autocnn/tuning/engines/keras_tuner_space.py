"""A search space in KerasTuner's terms."""

from collections.abc import Mapping
from typing import Any

import keras_tuner

from autocnn.core.records import Params, ParamValue
from autocnn.spaces.space import AnyParameter, Categorical, Int, SearchSpace, format_value
from autocnn.tuning.engines.keras_tuner_oracles import declaring_under


def to_hyperparameters(space: SearchSpace) -> Any:
    """A `keras_tuner.HyperParameters` that holds a space."""
    hp = keras_tuner.HyperParameters()
    add_space(space, hp)
    return hp


def add_space(space: SearchSpace, hp: Any) -> None:
    """Declare every parameter of a space, with its conditions; what is declared stays as it is.

    Args:
        space: What may be tried; its first start point gives the defaults.
        hp: A `keras_tuner.HyperParameters`.
    """
    defaults = space.start[0] if space.start else {}
    for parameter in space.parameters:
        parents = []
        for condition in parameter.when:
            parent = next(p for p in space.parameters if p.name == condition.parent)
            allowed = [_encode_value(parent, value) for value in condition.values]
            parents.append((condition.parent, allowed))
        default = defaults.get(parameter.name)
        encoded = None if default is None else _encode_value(parameter, default)
        with declaring_under(hp, parents):
            _add(hp, parameter, encoded)


def encode(space: SearchSpace, params: Params) -> dict[str, Any]:
    """Params in KerasTuner's terms."""
    return {
        parameter.name: _encode_value(parameter, params[parameter.name])
        for parameter in space.parameters
        if parameter.name in params
    }


def read_point(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, ParamValue]:
    """The point that values of KerasTuner stand for.

    Args:
        space: What may be tried.
        values: `HyperParameters.values`; what is not active is not looked at.
    """
    return space.walk(lambda parameter: _decode(parameter, values[parameter.name]))


def _add(hp: Any, parameter: AnyParameter, default: Any) -> None:
    name = parameter.name
    if parameter.values is not None and len(parameter.values) == 1:
        hp.Fixed(name, _encode_value(parameter, parameter.values[0]))
    elif isinstance(parameter, Categorical):
        choices = [_encode_value(parameter, choice) for choice in parameter.choices]
        hp.Choice(name, choices, ordered=False, default=default or choices[0])
    elif isinstance(parameter, Int) and (parameter.step == 1 or not parameter.log):
        step = None if parameter.log or parameter.step == 1 else parameter.step
        hp.Int(
            name,
            parameter.low,
            parameter.high,
            step=step,
            default=default,
            sampling="log" if parameter.log else "linear",
        )
    elif isinstance(parameter, Int):
        hp.Choice(name, list(parameter.values), ordered=True, default=default)
    else:
        hp.Float(
            name,
            parameter.low,
            parameter.high,
            default=default,
            sampling="log" if parameter.log else "linear",
        )


def _encode_value(parameter: AnyParameter, value: ParamValue) -> ParamValue:
    """A choice as a word: KerasTuner takes 1, 1.0 and True for the same."""
    if isinstance(parameter, Categorical):
        return format_value(value)
    return value if isinstance(parameter, Int) else float(value)


def _decode(parameter: AnyParameter, value: Any) -> ParamValue:
    if isinstance(parameter, Categorical):
        return next(choice for choice in parameter.choices if format_value(choice) == value)
    return int(value) if isinstance(parameter, Int) else float(value)
