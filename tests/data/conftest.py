"""Small generated images and tables for the tests of the data layer."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.core.events import Observer
from autocnn.core.records import SplitName
from autocnn.data.table import FileImages, ImageTable


class Recorder(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps = 0
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        self.stages.append((name, total))
        self.steps = 0

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def _grey_pixels(seed: int, side: int = 12) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def _colour_pixels(seed: int, side: int = 12) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _save(path: Path, pixels: Pixels) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def class_folders(tmp_path: Path) -> Callable[[Mapping[str, int]], Path]:
    """Make a folder of different grey images: folder -> how many."""

    def make(counts: Mapping[str, int], root: Path = tmp_path / "set") -> Path:
        for place, (folder, count) in enumerate(counts.items()):
            for i in range(count):
                _save(root / folder / f"{i}.png", _grey_pixels(1000 * place + i))
        return root

    return make


def _make_table(
    labels: list[int],
    *,
    splits: Sequence[SplitName | None] | None = None,
    groups: list[str | None] | None = None,
    sha256: list[str] | None = None,
) -> ImageTable:
    """A table without files; every image differs unless `sha256` says otherwise."""
    n = len(labels)
    return ImageTable(
        source="set",
        paths=tuple(f"{i}.png" for i in range(n)),
        labels=np.array(labels, np.int32),
        class_names=tuple("abcdefgh"[: max(labels) + 1]),
        splits=tuple(splits or [None] * n),
        groups=tuple(groups or [None] * n),
        sha256=tuple(sha256 or [f"sha{i}" for i in range(n)]),
        images=FileImages(Path("set")),
        ignored={},
        notes=(),
    )


@pytest.fixture
def grey_pixels() -> Callable[..., Pixels]:
    """(seed, side) -> (side, side) noise."""
    return _grey_pixels


@pytest.fixture
def colour_pixels() -> Callable[..., Pixels]:
    """(seed, side) -> (side, side, 3) noise."""
    return _colour_pixels


@pytest.fixture
def save() -> Callable[[Path, Pixels], Path]:
    """(path, pixels) -> path, written as its suffix says."""
    return _save


@pytest.fixture
def make_table() -> Callable[..., ImageTable]:
    """(labels, splits=, groups=, sha256=) -> a table without files."""
    return _make_table
