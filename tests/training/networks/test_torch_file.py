"""State dicts of PyTorch are read without it, and what is none is refused."""

import io
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from autocnn.training.networks.torch_file import read_torch

MAGIC = 0x1950A86A20F9469CFC6C

Tensor = tuple[np.ndarray, int, tuple[int, ...]]
"""Numbers, where it begins in them, and its shape."""


def _rebuild_tensor_v2(*arguments: Any) -> None:
    """Stands in a pickle for PyTorch's."""


class FloatStorage:
    """Stands in a pickle for PyTorch's; it is found by its key."""

    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, values


class _Tensor:
    """Pickles as a call of PyTorch's function."""

    def __init__(self, storage: FloatStorage, offset: int, shape: tuple[int, ...]) -> None:
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
        hooks: OrderedDict[str, str] = OrderedDict()
        self.arguments = (storage, offset, shape, strides, False, hooks)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_tensor_v2, self.arguments


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, FloatStorage):
            return ("storage", FloatStorage, value.key, "cpu", len(value.values), None)
        return None


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of PyTorch's names, so that pickles name what is in them."""
    module, utils = ModuleType("torch"), ModuleType("torch._utils")
    monkeypatch.setattr(FloatStorage, "__module__", "torch")
    monkeypatch.setattr(_rebuild_tensor_v2, "__module__", "torch._utils")
    vars(module)["FloatStorage"] = FloatStorage
    vars(utils)["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    """A state dict as PyTorch 1.5 writes it."""
    storages = {name: FloatStorage(name, values) for name, (values, _, _) in tensors.items()}
    state = OrderedDict(
        (name, _Tensor(storages[name], offset, shape))
        for name, (_, offset, shape) in tensors.items()
    )
    file = io.BytesIO()
    for part in (MAGIC, 1001, {"little_endian": True}, state, list(storages)):
        _Pickler(file, 2).dump(part)
    for storage in storages.values():
        file.write(len(storage.values).to_bytes(8, "little"))
        file.write(storage.values.astype("<f4").tobytes())
    path.write_bytes(file.getvalue())


def test_tensors_come_out_as_they_went_in(tmp_path: Path) -> None:
    values = np.arange(30, dtype=np.float32)
    write(tmp_path / "a.pth", {"w": (values, 0, (2, 3, 5)), "b": (values, 4, (3,))})
    found = read_torch(tmp_path / "a.pth")
    np.testing.assert_array_equal(found["w"], values.reshape(2, 3, 5))
    np.testing.assert_array_equal(found["b"], values[4:7])


def test_a_tensor_outside_of_its_numbers_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.pth", {"w": (np.zeros(30, np.float32), 1, (2, 3, 5))})
    with pytest.raises(ValueError, match="outside its storage"):
        read_torch(tmp_path / "a.pth")


class _Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harm"),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        pickle.dumps(1, 2),
        pickle.dumps(MAGIC, 2) + pickle.dumps(_Harm(), 2) + pickle.dumps(_Harm(), 2),
    ],
    ids=["empty", "junk", "a number", "one that runs something"],
)
def test_what_is_none_is_refused_and_nothing_in_it_is_run(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ValueError, match="no state dict of PyTorch"):
        read_torch(tmp_path / "a.pth")
    assert not (tmp_path / "harm").exists()


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.pth", {"w": (np.arange(6, dtype=np.float32), 0, (6,))})
    whole = (tmp_path / "a.pth").read_bytes()
    for size in range(len(whole)):
        (tmp_path / "a.pth").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="no state dict"):
            read_torch(tmp_path / "a.pth")
