"""Studies of what cannot be learned, and of what should not be: both must say so."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import autocnn

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("dots")]

NUM_IMAGES, SIDE = 300, 16


def write_images(path: Path, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Path:
    file = path / "images.npz"
    np.savez(file, allow_pickle=False, x=images, y=labels)
    return file


def noise(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(60, 200, (NUM_IMAGES, SIDE, SIDE), dtype=np.uint8)


def run(path: Path, data: Path, *, trials: int, folds: int, epochs: int) -> autocnn.Study:
    return autocnn.search(
        data,
        space="quick",
        trials=trials,
        epochs=epochs,
        finalists=1,
        folds=folds,
        members=1,
        workers=2,
        results=path / "results",
        cache_dir=path / "cache",
        verbose=False,
    )


def test_shuffled_labels_end_at_chance_and_the_report_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    data = write_images(tmp_path, noise(rng), rng.integers(0, 2, NUM_IMAGES))
    study = run(tmp_path, data, trials=2, folds=2, epochs=3)
    choice = json.loads((study.path / "study.json").read_text())["choice"]["sentences"]
    assert choice[0].startswith("Nothing was learned that holds for new images")
    assert not any("is better than" in said for said in choice)
    page = study.report().read_text()
    assert "Nothing was learned" in page
    for candidate in study.candidates:
        assert candidate.scores.intervals["balanced_accuracy"].low <= 0.5
        folds = candidate.record.folds
        assert folds is not None
        assert folds.intervals["balanced_accuracy"].low <= 0.5


def test_a_mark_in_the_pixels_of_one_class_is_warned_of(tmp_path: Path) -> None:
    """As a scanner's label in a corner, which a network finds and nobody wants it to use."""
    rng = np.random.default_rng(4)
    images, labels = noise(rng), rng.integers(0, 2, NUM_IMAGES)
    images[labels == 1, :2, :2] = 255
    data = write_images(tmp_path, images, labels)
    study = run(tmp_path, data, trials=1, folds=0, epochs=12)
    accuracy = study.best.scores.scores.accuracy
    assert accuracy is not None
    assert accuracy > 0.9
    audit = json.loads((study.path / "audit.json").read_text())
    assert any("small place at the edge (top left)" in said for said in audit["warnings"])
    assert "small place at the edge (top left)" in study.report().read_text()
