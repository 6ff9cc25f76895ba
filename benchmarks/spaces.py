"""Search spaces of a single point, so that every trial has the same work."""

from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML

from autocnn.core.records import Params
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import KNOBS
from autocnn.spaces.space import Categorical, Float, SearchSpace

TINY: dict[str, int | str] = {"family": "plain", "num_stages": 2, "width": 8, "batch_size": 64}
"""A network of two stages that trains an epoch of the overhead's images in a moment."""


def default_point() -> dict[str, bool | int | float | str]:
    """The start point of the default space, with contrast too among its augmentations."""
    return {**load_space("default").start[0], "contrast": 0.1}


def write_point(path: Path, params: Params) -> Path:
    """Write a space that holds nothing but `params`, and weight decays too close to matter.

    A single point would be exhausted by its first trial.
    """
    decay = float(params.get("weight_decay", KNOBS["weight_decay"].default))
    params = {**params, "weight_decay": decay}
    parameters = [
        Float(name, (), low=decay, high=decay + 1e-9)
        if name == "weight_decay"
        else Categorical(name, (), choices=(value,))
        for name, value in params.items()
    ]
    unknown = [name for name in params if name not in KNOBS]
    assert not unknown, unknown
    space = SearchSpace("point", "One point", 1, "auto", tuple(parameters), (params,))
    YAML().dump(replace(space, name=path.stem).to_yaml_data(), path)
    return path
