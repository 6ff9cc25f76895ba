"""A model without a network: the brightest third of an image is its class."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.inference.evaluate import files
from autocnn.storage import StudyFolder
from autocnn.storage.status import DataFacts

CLASSES = ("left", "middle", "right")


@dataclass(frozen=True)
class Given:
    """What the model gave."""

    probabilities: NDArray[np.float64]
    is_unlike: NDArray[np.bool_] | None
    errors: Sequence[str | None]


@dataclass
class BrightThird:
    """Knows as much of a class as its third is brighter; remembers how often it was asked."""

    unreadable: tuple[str, ...] = ()
    knows_unlike: bool = True
    calls: list[int] = field(default_factory=list)

    def predict(self, images: Sequence[Path | bytes | Pixels]) -> Given:
        self.calls.append(len(images))
        means = np.array([self._thirds(image) for image in images])
        shares = np.exp((means - means.max(axis=1, keepdims=True)) / 20)
        shares /= shares.sum(axis=1, keepdims=True)
        errors = [
            "is odd" if isinstance(image, Path) and image.name in self.unreadable else None
            for image in images
        ]
        return Given(shares, means.max(axis=1) > 200 if self.knows_unlike else None, errors)

    def _thirds(self, image: Path | bytes | Pixels) -> list[float]:
        if isinstance(image, np.ndarray):
            pixels = image
        else:
            pixels = np.asarray(
                Image.open(io.BytesIO(image) if isinstance(image, bytes) else image)
            )
        return [float(part.mean()) for part in np.array_split(pixels, 3, axis=1)]


def draw(num: int, *, seed: int = 0, wrong: int = 0) -> tuple[Pixels, NDArray[np.int64]]:
    """Images (num, 12, 12) whose class is the bright third, but for the first `wrong` ones."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % 3
    pixels = rng.integers(0, 60, (num, 12, 12), dtype=np.uint8)
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        place = (label + 1) % 3 if index < wrong else label
        image[:, 4 * place : 4 * place + 4] += 100
    return pixels, labels


def write_folder(
    root: Path, num: int = 30, *, seed: int = 0, wrong: int = 0, names: Sequence[str] = CLASSES
) -> Path:
    """The images of `draw` as PNG files in class folders."""
    for index, (image, label) in enumerate(zip(*draw(num, seed=seed, wrong=wrong), strict=True)):
        path = root / names[label] / f"{index:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root


def know_classes(folder: StudyFolder, names: Sequence[str] = ("0", "1", "2")) -> None:
    """Let study.json say which classes the study has."""
    data = DataFacts(
        fingerprint="", class_names=tuple(names), image_shape=(12, 12, 1), split={"test": 100}
    )
    folder.write_study({**folder.read_study(), "data": data.model_dump(mode="json")})


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Assessments are written without pictures, whose drawing takes most of the time."""
    monkeypatch.setattr(files, "_pictures", lambda *arguments: iter(()))
