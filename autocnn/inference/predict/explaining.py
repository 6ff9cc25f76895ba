"""Pictures of where a model looks in new images, one file each."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autocnn.core.atomic import replace_file, writing_error
from autocnn.core.errors import ExportError, Text
from autocnn.inference.predict.model import Model
from autocnn.inference.predict.predictions import Predictions
from autocnn.inference.predict.reading import Batch

if TYPE_CHECKING:
    from autocnn.training.networks.grad_cam import GradCam

LONGEST_PART = 60
"""Bytes of a name or a label in a file name; 255 are allowed for all of it."""


class Explainer:
    """Writes an overlay for every image that could be read.

    Args:
        model: That predicts; it must be a Keras model.
        folder: Where the pictures go; made if need be.

    Raises:
        ExportError: When the model is in another format, or cannot be explained.
        StudyError: When the folder cannot be made.
    """

    def __init__(self, model: Model, folder: Path) -> None:
        self._cam = explainable(model)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise writing_error(error, folder, setting="explain") from error
        self._folder = folder
        self.num_seen = 0
        self.num_written = 0

    def write(self, batch: Batch, predictions: Predictions) -> None:
        """Draw one batch.

        Args:
            batch: As it was predicted.
            predictions: Its answers: each map is about the predicted class.

        Raises:
            DiskFullError: When the disk is full.
        """
        for place, overlay in draw_maps(self._cam, batch, predictions):
            name = overlay_name(
                self.num_seen + place + 1, predictions.names[place], predictions.predicted[place]
            )
            replace_file(self._folder / name, overlay, setting="explain")
            self.num_written += 1
        self.num_seen += len(batch.names)


def explainable(model: Model) -> "GradCam":
    """What explains a model's answers, built once.

    Raises:
        ExportError: When it is in another format than Keras's, or cannot be explained.
    """
    from autocnn.training.networks.grad_cam import GradCam

    network = getattr(model.runtime, "network", None)
    if network is None:
        raise ExportError(
            Text("{explain} needs the layers of a Keras model, got {0}.", model.metadata.format),
            remedy="Predict with the study itself, or with its export to keras.",
        )
    try:
        return GradCam(network)
    except ValueError as error:
        raise ExportError(Text("{explain}: this model cannot be explained: {0}", error)) from error


def draw_maps(
    cam: "GradCam", batch: Batch, predictions: Predictions
) -> Iterator[tuple[int, bytes]]:
    """Place in the batch, and a JPEG with the map laid over, of each image that could be read.

    Args:
        cam: From `explainable`.
        batch: As it was predicted.
        predictions: Its answers: each map is about the most probable class.
    """
    from autocnn.reporting.plots.overlay import draw_overlay, encode_overlay

    places = np.flatnonzero(batch.is_readable)
    pixels = batch.pixels[..., : cam.num_channels]
    guesses = predictions.choices[places]
    for place, image, one_map in zip(places.tolist(), pixels, cam(pixels, guesses), strict=True):
        yield place, encode_overlay(draw_overlay(image, one_map))


def overlay_name(number: int, name: str, label: str) -> str:
    """A file name of its own for every image, in any script, without a separator.

    Args:
        number: Of the image, from 1 on: no two names are alike.
        name: Its path.
        label: What it was taken for.

    >>> overlay_name(7, "../a b/scan.png", "猫/кот")
    '000007-scan-猫_кот.jpg'
    """
    return f"{number:06d}-{_plain(Path(name).stem)}-{_plain(label)}.jpg"


def _plain(text: str) -> str:
    """Letters with their marks and digits of any script; `_` for all else."""
    safe = "".join(
        sign if unicodedata.category(sign)[0] in "LMN" or sign == "-" else "_" for sign in text
    )
    return safe.encode("utf-8")[:LONGEST_PART].decode("utf-8", "ignore") or "_"
