"""The formats that a model is exported to, and what each of them needs."""

import difflib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from autocnn.core.errors import MissingExtraError, Text, UsageError
from autocnn.core.extras import install_line
from autocnn.core.records import ExportFormat, Precision
from autocnn.inference.predict.runtimes import EXTRAS


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: As in `--format`.
        model: File or folder in the exported folder.
        modules: Optional modules that writing and checking it imports -> their packages.
        versions_of: Packages that write it.
        takes_any_size: Whether the model takes RGB images of any size.
    """

    name: ExportFormat
    model: str
    modules: Mapping[str, str]
    versions_of: tuple[str, ...]
    takes_any_size: bool = True


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("keras", "model.keras", {}, ("keras", "tensorflow")),
        Format("savedmodel", "saved_model", {}, ("keras", "tensorflow")),
        Format(
            "onnx",
            "model.onnx",
            {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
            ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime"),
        ),
        Format(
            "litert",
            "model.tflite",
            {"ai_edge_litert": "ai-edge-litert"},
            ("keras", "tensorflow", "ai-edge-litert"),
            takes_any_size=False,
        ),
    )
}

_OTHER_NAMES = {
    "tflite": "litert",
    "tf": "savedmodel",
    "tensorflow": "savedmodel",
    "tf_saved_model": "savedmodel",
    "pb": "savedmodel",
    "h5": "keras",
}


def find_format(name: str, precision: str = "float32") -> tuple[Format, Precision]:
    """The format of that name, at that precision.

    Args:
        name: keras, savedmodel, onnx or litert.
        precision: float32, or with litert int8.

    Raises:
        UsageError: When there is none; the message names the nearest.

    >>> find_format("tflite")
    Traceback (most recent call last):
    autocnn.core.errors.UsageError: format must be keras, savedmodel, onnx or litert, \
got 'tflite'. Did you mean 'litert'?
    """
    if name not in FORMATS:
        names = list(FORMATS)
        known = [*names, *_OTHER_NAMES]
        close = difflib.get_close_matches(name.lower().lstrip("."), known, n=1)
        nearest = _OTHER_NAMES.get(close[0], close[0]) if close else ""
        raise UsageError(
            Text("{format} must be {0} or {1}, got {2!r}.", ", ".join(names[:-1]), names[-1], name),
            remedy=f"Did you mean {nearest!r}?" if nearest else "",
        )
    for known_precision in get_args(Precision):
        if precision == known_precision and (precision == "float32" or name == "litert"):
            return FORMATS[name], known_precision
    if precision == "int8":
        raise UsageError(
            Text("{precision} must be float32 with the format {0}, got 'int8'.", name),
            remedy="Only litert has int8.",
        )
    raise UsageError(Text("{precision} must be float32 or int8, got {0!r}.", precision))


def check_packages(chosen: Format) -> None:
    """Find out that all optional packages are there, before any work.

    Raises:
        MissingExtraError: When one is not; the remedy is the line that installs it.
    """
    for module, package in chosen.modules.items():
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(
                f"The format {chosen.name} needs the package {package}, which is not installed.",
                remedy=install_line(EXTRAS[package]),
            )
