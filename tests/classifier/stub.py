"""A study that takes a millisecond: the mean image of each class, read from the same file."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.classifier import inner_study
from autocnn.classifier.pixels import ImageShape
from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer


class MeanImages:
    """Probabilities from the distance to each class's mean image."""

    def __init__(self, means: NDArray[np.float64]) -> None:
        self.means = means

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        flat = images.reshape(len(images), -1) / 255
        distances = np.stack([((flat - mean) ** 2).sum(axis=1) for mean in self.means], axis=1)
        likelihoods = np.exp(distances.min(axis=1, keepdims=True) - distances)
        probabilities: NDArray[np.float64] = likelihoods / likelihoods.sum(axis=1, keepdims=True)
        return probabilities


@dataclass
class Asked:
    """What the last study was asked.

    Attributes:
        config: With the place of its images.
        images, labels: What stood in that file.
        error: What studies raise from now on.
        warning: What studies warn of from now on.
    """

    config: StudyConfig
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    error: BaseException | None = None
    warning: str = ""

    def run(self, config: StudyConfig, make_observer: Callable[[], Observer]) -> inner_study.Winner:
        """In the place of `inner_study.run_study`."""
        self.config = config
        with np.load(config.data) as arrays:
            self.images, self.labels = arrays["x"], arrays["y"]
        if self.error is not None:
            raise self.error
        if self.warning:
            make_observer().warn(self.warning)
        flat = self.images.reshape(len(self.images), -1) / 255
        classes = np.unique(self.labels)
        means = np.stack([flat[self.labels == label].mean(axis=0) for label in classes])
        folder = config.results / str(config.name)
        folder.mkdir()
        return inner_study.Winner(MeanImages(means), 0.75, folder)


def replace_study(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """No study runs any more."""
    asked = Asked(StudyConfig(), np.zeros(0, np.uint8), np.zeros(0, np.int64))
    monkeypatch.setattr(inner_study, "run_study", asked.run)
    return asked


def accept_any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a flattened image of any width is one row of pixels."""
    row = staticmethod(lambda num_values: ImageShape(1, num_values))
    monkeypatch.setattr(ImageShape, "of_width", row)
