"""A zip file that is encrypted, changed or packed otherwise is told in words, whoever reads it."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import DataError
from autocnn.data.sources.open import read_source
from autocnn.inference.metadata import has_own_layers
from autocnn.metrics.familiarity import read_reference
from autocnn.storage.checkpoint import read_checkpoint, read_history, write_checkpoint
from tests.samples import checkpoint

FLAGS, METHOD = (6, 8), (8, 10)
"""Where two bytes of an entry stand: behind the start of its header, and of its directory entry."""


def change(content: bytes, places: tuple[int, int], value: int) -> bytes:
    """The archive with these two bytes of every entry."""
    data = bytearray(content)
    for mark, place in zip((b"PK\x03\x04", b"PK\x01\x02"), places, strict=True):
        at = data.find(mark)
        while at >= 0:
            data[at + place : at + place + 2] = value.to_bytes(2, "little")
            at = data.find(mark, at + 4)
    return bytes(data)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "encrypted": lambda content: change(content, FLAGS, 1),
    "unknown": lambda content: change(content, METHOD, 99),
    "no deflate": lambda content: change(content, METHOD, zipfile.ZIP_DEFLATED),
    "no bzip2": lambda content: change(content, METHOD, zipfile.ZIP_BZIP2),
    "no lzma": lambda content: change(content, METHOD, zipfile.ZIP_LZMA),
    "cut": lambda content: content[: len(content) // 2],
}


def archive(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("name", CHANGES)
def test_arrays(tmp_path: Path, name: str) -> None:
    images = archive(x=np.zeros((4, 6, 6), np.uint8), y=np.arange(4) % 2)
    (tmp_path / "images.npz").write_bytes(CHANGES[name](images))
    with pytest.raises(DataError, match=r"images\.npz: must be"):
        read_source(str(tmp_path / "images.npz"))


def test_parts_that_are_no_arrays(tmp_path: Path) -> None:
    for name in ("images.npz", "familiarity.npz"):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            for part in ("x.npy", "y.npy", "features.npy", "whitening.npy"):
                file.writestr(part, b"text")
    with pytest.raises(DataError, match=r"images\.npz: must be a whole .*no array"):
        read_source(str(tmp_path / "images.npz"))
    with pytest.raises(ValueError, match="no array"):
        read_reference(tmp_path / "familiarity.npz")


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "no deflate"])
def test_excel(tmp_path: Path, name: str) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("openpyxl")
    path = tmp_path / "list.xlsx"
    pd.DataFrame({"path": ["a.png"], "label": ["a"]}).to_excel(path)
    path.write_bytes(CHANGES[name](path.read_bytes()))
    with pytest.raises(DataError, match=r"must be (readable|a table that Excel wrote), got"):
        read_source(str(path))


@pytest.mark.parametrize("name", CHANGES)
def test_checkpoint(tmp_path: Path, name: str) -> None:
    path = tmp_path / "epoch.npz"
    write_checkpoint(path, checkpoint())
    path.write_bytes(CHANGES[name](path.read_bytes()))
    with pytest.raises(ValueError, match="must be a whole checkpoint"):
        read_checkpoint(path)
    assert read_history(path) == ()


@pytest.mark.parametrize("name", CHANGES)
def test_reference(tmp_path: Path, name: str) -> None:
    path = tmp_path / "familiarity.npz"
    path.write_bytes(CHANGES[name](archive(reference=np.eye(3, dtype=np.float32))))
    with pytest.raises(ValueError, match=r"must be a whole familiarity\.npz"):
        read_reference(path)


@pytest.mark.parametrize("name", CHANGES)
def test_model(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", '{"registered_name": "mine>Layer"}')
    assert has_own_layers(path)
    path.write_bytes(CHANGES[name](path.read_bytes()))
    assert not has_own_layers(path)
