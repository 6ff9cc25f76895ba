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


Row = tuple[str, ParamValue, str, tuple[ParamValue, ...], float, float]


def _number(name: str, default: float, low: float, high: float, meaning: str) -> Row:
    """A row for a number; one with an integer default is an integer."""
    return name, default, meaning, (), low, high


def _one_of(name: str, default: ParamValue, choices: tuple[ParamValue, ...], meaning: str) -> Row:
    """A row for a categorical parameter."""
    return name, default, meaning, choices, -math.inf, math.inf


_BACKBONES = (
    "MobileNetV2",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetLite0",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "DenseNet121",
    "ResNet50V2",
)
PRETRAINED_FAMILIES = ("pretrained", "frozen")
"""Kinds of network that begin with weights from elsewhere."""

_FAMILIES = ("plain", "resnet", "separable", *PRETRAINED_FAMILIES)
_FLIPS = ("none", "horizontal", "vertical", "both")
_FLAG = (False, True)

_ARCHITECTURE = (
    _one_of("family", "resnet", _FAMILIES, "kind of network"),
    _number("image_size", 0, 0, 1024, "side of the square input in px; 0: chosen from the data"),
    _number("num_stages", 4, 1, 6, "stages; each halves the image and doubles the width"),
    _number("blocks_per_stage", 1, 1, 8, "blocks of two convolutions per stage"),
    _number("width", 24, 4, 256, "filters of the first stage"),
    _number("kernel_size", 3, 1, 9, "side of the convolutions in px"),
    _one_of("stem_stride", 1, (1, 2, 4), "step of the first convolution; 2 quarters the work"),
    _one_of("standardize", False, _FLAG, "gives each image mean 0 and variance 1 in the network"),
    _one_of("normalization", "batch", ("batch", "group", "none"), "normalisation layer"),
    _one_of("activation", "relu", ("relu", "gelu", "silu"), "activation function"),
    _one_of("squeeze_excitation", False, _FLAG, "channel attention in each block"),
    _one_of("pooling", "avg", ("avg", "max", "avg_max"), "how the head pools the last feature map"),
    _number("head_units", 0, 0, 2048, "units of a dense layer before the output; 0: none"),
    _one_of("backbone", "MobileNetV3Small", _BACKBONES, "pretrained network"),
    _number(
        "trainable_fraction",
        0.3,
        0.0,
        1.0,
        "share of the backbone's layers, from the top, that is trained",
    ),
)

_AUGMENTATION = (
    _one_of("flip", "horizontal", _FLIPS, "random mirror images"),
    _number("rotation", 10.0, 0.0, 180.0, "largest turn in degrees"),
    _number("zoom", 0.1, 0.0, 0.9, "largest change of scale, a fraction"),
    _number("shift", 0.06, 0.0, 0.9, "largest shift, a fraction of the side"),
    _number("shear", 0.0, 0.0, 0.9, "largest shear, a fraction of the side"),
    _number("brightness", 0.1, 0.0, 0.9, "largest change of brightness, a fraction"),
    _number("field", 0.0, 0.0, 4.0, "largest change of brightness across the image, a fraction"),
    _number("contrast", 0.0, 0.0, 0.9, "largest change of contrast, a fraction"),
    _number("noise", 0.0, 0.0, 0.5, "largest standard deviation of noise, of the full range"),
    _number("erasing", 0.0, 0.0, 1.0, "probability that a rectangle is blanked"),
    _number("mixup", 0.0, 0.0, 4.0, "alpha of MixUp's Beta distribution; 0: off"),
    _number("cutmix", 0.0, 0.0, 1.0, "probability that a batch is mixed by CutMix"),
)

_REGULARISATION = (
    _number("dropout", 0.0, 0.0, 0.9, "dropout before the output layer"),
    _number(
        "stochastic_depth",
        0.0,
        0.0,
        0.9,
        "probability that the last residual block is skipped; grows linearly to it",
    ),
    _number(
        "weight_decay",
        0.5,
        0.0,
        100.0,
        "decoupled weight decay of the whole schedule: a weight that nothing else moves shrinks to "
        "exp(-decay) of itself, in however many steps",
    ),
    _number("label_smoothing", 0.05, 0.0, 0.5, "share of the label spread over all classes"),
    _one_of(
        "weight_averaging",
        True,
        _FLAG,
        "score and keep an exponential moving average of the weights",
    ),
    _number(
        "early_stopping_patience",
        0,
        0,
        1000,
        "epochs without a better score before a trial stops; 0: never",
    ),
    _one_of(
        "imbalance",
        "none",
        ("none", "class_weights", "focal_loss"),
        "what is done for rare classes",
    ),
)

_OPTIMISATION = (
    _one_of("optimizer", "adamw", ("adamw", "sgd", "rmsprop", "lion"), "optimiser"),
    _number("learning_rate", 2e-3, 1e-7, 10.0, "largest learning rate"),
    _one_of(
        "schedule",
        "cosine",
        ("cosine", "linear", "constant"),
        "course of the learning rate over the epochs",
    ),
    _number("warmup_epochs", 1, 0, 100, "epochs in which the learning rate rises from 0"),
    _number("batch_size", 64, 1, 4096, "images per step"),
)

_GROUPS: dict[Group, tuple[Row, ...]] = {
    "architecture": _ARCHITECTURE,
    "augmentation": _AUGMENTATION,
    "regularisation": _REGULARISATION,
    "optimisation": _OPTIMISATION,
}

KNOBS: Mapping[str, Knob] = {
    row[0]: Knob(row[0], group, *row[1:]) for group, rows in _GROUPS.items() for row in rows
}
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


def image_size_of(params: Params) -> int | None:
    """Side of the square input in px that params ask for; None: the one chosen from the data.

    In a space and in the params of a trial the latter is a 0, or no `image_size` at all.

    >>> [image_size_of(params) for params in ({"image_size": 64}, {"image_size": 0}, {})]
    [64, None, None]
    """
    return int(params.get("image_size", KNOBS["image_size"].default)) or None


def is_frozen(params: Params) -> bool:
    """Whether only a classifier is fitted, on the features of a pretrained network.

    It has one epoch, and chance no part in it.
    """
    return params.get("family") == "frozen"


def is_mirrored(params: Params) -> bool:
    """Whether training mirrors images left and right: the model is asked both ways then."""
    return not is_frozen(params) and Settings(params).text("flip") in ("horizontal", "both")
