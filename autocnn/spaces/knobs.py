"""Every parameter that the models and the training read: its type, range and default.

A search space lists some of these knobs with the values to try; what it leaves out
takes the default given here and nowhere else. `search_spaces/README.md` is the table
of this file in words.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from autocnn.core.records import Params, ParamValue

Group = Literal["architecture", "augmentation", "regularisation", "optimisation"]


@dataclass(frozen=True)
class Knob:
    """One parameter that the code understands.

    Attributes:
        name: As written in a space.
        group: Where it belongs.
        default: Value when a space leaves it out.
        meaning: One line, with the unit.
        choices: The allowed values of a categorical knob; empty for a number.
        low, high: Inclusive bounds of a number.
    """

    name: str
    group: Group
    default: ParamValue
    meaning: str
    choices: tuple[ParamValue, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    def problem_with(self, value: object) -> str | None:
        """Why `value` cannot be used, or None when it can."""
        if self.choices:
            if any(type(value) is type(choice) and value == choice for choice in self.choices):
                return None
            return f"must be one of {', '.join(map(str, self.choices))}, got {value!r}"
        kind = "an integer" if isinstance(self.default, int) else "a number"
        is_right_type = isinstance(value, int if kind == "an integer" else (int, float))
        if isinstance(value, bool) or not is_right_type:
            return f"must be {kind}, got {value!r}"
        assert isinstance(value, (int, float))
        if not self.low <= value <= self.high:
            return f"must be in [{self.low:g}, {self.high:g}], got {value!r}"
        return None


_FLAG = (False, True)

_TABLE = (
    Knob(
        "family",
        "architecture",
        "resnet",
        "kind of network",
        choices=("plain", "resnet", "separable", "pretrained"),
    ),
    Knob(
        "image_size",
        "architecture",
        0,
        "side of the square input in px; 0: chosen from the data",
        low=0,
        high=1024,
    ),
    Knob(
        "num_stages",
        "architecture",
        4,
        "stages; each halves the image and doubles the width",
        low=1,
        high=6,
    ),
    Knob(
        "blocks_per_stage", "architecture", 1, "blocks of two convolutions per stage", low=1, high=8
    ),
    Knob("width", "architecture", 24, "filters of the first stage", low=4, high=256),
    Knob("kernel_size", "architecture", 3, "side of the convolutions in px", low=1, high=9),
    Knob(
        "stem_stride",
        "architecture",
        1,
        "step of the first convolution; 2 quarters the work",
        choices=(1, 2, 4),
    ),
    Knob(
        "normalization",
        "architecture",
        "batch",
        "normalisation layer",
        choices=("batch", "group", "none"),
    ),
    Knob(
        "activation",
        "architecture",
        "relu",
        "activation function",
        choices=("relu", "gelu", "silu"),
    ),
    Knob(
        "squeeze_excitation",
        "architecture",
        False,
        "channel attention in each block",
        choices=_FLAG,
    ),
    Knob(
        "pooling",
        "architecture",
        "avg",
        "how the head pools the last feature map",
        choices=("avg", "max", "avg_max"),
    ),
    Knob(
        "head_units",
        "architecture",
        0,
        "units of a dense layer before the output; 0: none",
        low=0,
        high=2048,
    ),
    Knob(
        "backbone",
        "architecture",
        "MobileNetV3Small",
        "pretrained network",
        choices=(
            "MobileNetV3Small",
            "MobileNetV3Large",
            "EfficientNetB0",
            "EfficientNetV2B0",
            "ResNet50V2",
        ),
    ),
    Knob(
        "trainable_fraction",
        "architecture",
        0.3,
        "share of the backbone's layers, from the top, that is trained",
        low=0.0,
        high=1.0,
    ),
    Knob(
        "flip",
        "augmentation",
        "horizontal",
        "random mirror images",
        choices=("none", "horizontal", "vertical", "both"),
    ),
    Knob("rotation", "augmentation", 10.0, "largest turn in degrees", low=0.0, high=180.0),
    Knob("zoom", "augmentation", 0.1, "largest change of scale, a fraction", low=0.0, high=0.9),
    Knob("shift", "augmentation", 0.06, "largest shift, a fraction of the side", low=0.0, high=0.9),
    Knob("shear", "augmentation", 0.0, "largest shear, a fraction of the side", low=0.0, high=0.9),
    Knob(
        "brightness",
        "augmentation",
        0.1,
        "largest change of brightness, a fraction",
        low=0.0,
        high=0.9,
    ),
    Knob(
        "contrast", "augmentation", 0.0, "largest change of contrast, a fraction", low=0.0, high=0.9
    ),
    Knob(
        "noise",
        "augmentation",
        0.0,
        "largest standard deviation of noise, of the full range",
        low=0.0,
        high=0.5,
    ),
    Knob(
        "erasing", "augmentation", 0.0, "probability that a rectangle is blanked", low=0.0, high=1.0
    ),
    Knob(
        "mixup",
        "augmentation",
        0.0,
        "alpha of MixUp's Beta distribution; 0: off",
        low=0.0,
        high=4.0,
    ),
    Knob(
        "cutmix",
        "augmentation",
        0.0,
        "probability that a batch is mixed by CutMix",
        low=0.0,
        high=1.0,
    ),
    Knob("dropout", "regularisation", 0.0, "dropout before the output layer", low=0.0, high=0.9),
    Knob(
        "stochastic_depth",
        "regularisation",
        0.0,
        "probability that the last residual block is skipped; grows linearly to it",
        low=0.0,
        high=0.9,
    ),
    Knob(
        "weight_decay",
        "regularisation",
        0.02,
        "decoupled weight decay, multiplied by the learning rate at each step",
        low=0.0,
        high=1.0,
    ),
    Knob(
        "label_smoothing",
        "regularisation",
        0.05,
        "share of the label spread over all classes",
        low=0.0,
        high=0.5,
    ),
    Knob(
        "weight_averaging",
        "regularisation",
        True,
        "score and keep an exponential moving average of the weights",
        choices=_FLAG,
    ),
    Knob(
        "early_stopping_patience",
        "regularisation",
        0,
        "epochs without a better score before a trial stops; 0: never",
        low=0,
        high=1000,
    ),
    Knob(
        "imbalance",
        "regularisation",
        "none",
        "what is done for rare classes",
        choices=("none", "class_weights", "focal_loss"),
    ),
    Knob(
        "optimizer",
        "optimisation",
        "adamw",
        "optimiser",
        choices=("adamw", "sgd", "rmsprop", "lion"),
    ),
    Knob("learning_rate", "optimisation", 2e-3, "largest learning rate", low=1e-7, high=10.0),
    Knob(
        "schedule",
        "optimisation",
        "cosine",
        "course of the learning rate over the epochs",
        choices=("cosine", "linear", "constant"),
    ),
    Knob(
        "warmup_epochs",
        "optimisation",
        1,
        "epochs in which the learning rate rises from 0",
        low=0,
        high=100,
    ),
    Knob("batch_size", "optimisation", 64, "images per step", low=1, high=4096),
)

KNOBS: Mapping[str, Knob] = {knob.name: knob for knob in _TABLE}
"""All knobs by name, in the order in which they are shown."""


class Settings(Mapping[str, ParamValue]):
    """The value of every knob: the params of a trial, and the default for the rest.

    Args:
        params: Active parameters; every name must be a knob.

    Raises:
        KeyError: On looking up a name that is no knob.
    """

    def __init__(self, params: Params) -> None:
        self._values = {name: params.get(name, knob.default) for name, knob in KNOBS.items()}

    def __getitem__(self, name: str) -> ParamValue:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def integer(self, name: str) -> int:
        """The value of an integer knob."""
        return int(self[name])

    def number(self, name: str) -> float:
        """The value of a number knob."""
        return float(self[name])

    def text(self, name: str) -> str:
        """The value of a knob whose choices are words."""
        return str(self[name])

    def flag(self, name: str) -> bool:
        """The value of a yes-or-no knob."""
        return bool(self[name])
