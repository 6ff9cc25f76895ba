"""Generated predictions: labels, and probabilities that are right more often than not."""

import numpy as np

from autocnn.core.arrays import DoubleArray, IntArray

NAMES = tuple("abcdefghijklmnopqrstuvwxyz")


def make_predictions(
    num_images: int,
    num_classes: int,
    *,
    seed: int = 0,
    decimals: int | None = None,
    skill: float = 1.5,
) -> tuple[IntArray, DoubleArray]:
    """Every class has an image; rounding to `decimals` makes ties; more `skill`, fewer errors."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, num_classes, num_images)
    labels[:num_classes] = np.arange(num_classes)
    logits = generator.normal(size=(num_images, num_classes))
    logits[np.arange(num_images), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if decimals is not None:
        probabilities = np.round(probabilities, decimals)
        probabilities[:, -1] = np.maximum(0, 1 - probabilities[:, :-1].sum(axis=1))
    return labels, probabilities
