"""The val images of a study, found again or not."""

from pathlib import Path

import numpy as np
import pytest

from autocnn.core.config import resolve_config
from autocnn.core.events import Observer
from autocnn.data import read_source
from autocnn.inference.export.images import CheckImages, draw_images, find_check_images
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus


class Listener(Observer):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(12) % 2)
    return tmp_path / "data.npz"


def find(tmp_path: Path, data: Path, listener: Listener, *, broken: int = 0) -> CheckImages:
    """Val images of a study whose first `broken` hashes fit no image."""
    status = StudyStatus.new("s", resolve_config({"data": str(data)}), epochs=1)
    folder = StudyFolder(tmp_path / "s")
    if not folder.path.exists():
        folder = StudyFolder.create(tmp_path, "s", status.to_json())
        table = read_source(str(data))
        folder.write_split(
            (path, "0", "", "val" if place < 6 else "train", "x" if place < broken else sha256)
            for place, (path, sha256) in enumerate(zip(table.paths, table.sha256, strict=True))
        )
    return find_check_images(folder, status, side=8, channels=1, observer=listener)


def test_val_images_are_those_of_the_data(tmp_path: Path, data: Path) -> None:
    listener = Listener()
    found = find(tmp_path, data, listener)
    assert found.source == "val"
    assert np.array_equal(found.pixels[..., 0], np.load(data)["x"][:6])
    assert not listener.warnings


def test_changed_images_are_left_out_with_a_warning(tmp_path: Path, data: Path) -> None:
    listener = Listener()
    assert len(find(tmp_path, data, listener, broken=2).pixels) == 4
    assert "2 of 6 val images" in listener.warnings[0]


@pytest.mark.parametrize("is_gone", [True, False])
def test_without_its_data_images_are_drawn_with_a_warning(
    tmp_path: Path, data: Path, is_gone: bool
) -> None:
    listener = Listener()
    find(tmp_path, data, listener, broken=0 if is_gone else 6)
    if is_gone:
        data.unlink()
    listener.warnings.clear()
    found = find(tmp_path, data, listener)
    assert found.source == "drawn"
    assert found.pixels.shape == (100, 8, 8, 1)
    assert "not on val" in listener.warnings[-1]


def test_drawn_images_are_many_and_always_the_same() -> None:
    first, second = draw_images(20, 16, 3), draw_images(20, 16, 3)
    assert np.array_equal(first, second)
    assert len(np.unique(first.reshape(20, -1), axis=0)) == 20
    assert first.std() > 30
