"""A model that is a formula: what an image is taken for follows from its mean brightness."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autocnn.core.records import ExportMetadata, Familiarity, ModelInput, RejectionPoint
from autocnn.inference.predict.model import Model
from autocnn.inference.predict.runtimes import Outputs

SIDE = 4

CLASSES = ("dark, very", 'bright "white"')

CURVE = (
    RejectionPoint(threshold=0.0, coverage=1.0, error=0.1, num_independent=1000),
    RejectionPoint(threshold=0.7, coverage=0.8, error=0.02, num_independent=800),
    RejectionPoint(threshold=0.95, coverage=0.5, error=0.01, num_independent=500),
)


class BrightnessRuntime:
    """The second class is as probable as the image is bright; black is unlike anything."""

    name = "formula"

    def __init__(self, *, has_distances: bool = True) -> None:
        self.has_distances = has_distances
        self.batches: list[NDArray[np.uint8]] = []

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        self.batches.append(images)
        bright = images.mean(axis=(1, 2, 3), dtype=np.float64) / 255
        probabilities = np.stack([1 - bright, bright], axis=1).astype(np.float32)
        distances = (1 - bright).astype(np.float32)
        return Outputs(probabilities, distances if self.has_distances else None)


def metadata(**changes: Any) -> ExportMetadata:
    """Of a grey model at 4 px whose images are unlike from a distance of 0.99 on."""
    facts: dict[str, Any] = {
        "format": "keras",
        "model": "model.keras",
        "study": "mine",
        "candidate": 1,
        "kind": "refit",
        "class_names": CLASSES,
        "input": ModelInput(shape=(None, SIDE, SIDE, 1), height=SIDE, width=SIDE, is_grey=True),
        "is_calibrated": True,
        "rejection": CURVE,
        "rejection_source": "folds",
        "familiarity": Familiarity(neighbours=5, num_reference=9, threshold=0.99, val_share=0.01),
    }
    return ExportMetadata(**(facts | changes))


def model(*, has_distances: bool = True, **changes: Any) -> Model:
    """A model by that formula."""
    runtime = BrightnessRuntime(has_distances=has_distances)
    return Model(metadata(**changes), runtime, threads=2)


def grey(value: int, side: int = SIDE) -> NDArray[np.uint8]:
    """(side, side) of one brightness."""
    return np.full((side, side), value, np.uint8)
