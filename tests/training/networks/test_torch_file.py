"""State dicts of PyTorch are read without it, and what is none is refused."""

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from autocnn.training.networks.torch_file import read_torch

MAGIC = 0x1950A86A20F9469CFC6C


class _Reference:
    """Pickles as the global that it names."""

    def __init__(self, module: str, name: str, arguments: tuple[Any, ...]) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class _Storage:
    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, values


class _Pickler(pickle._Pickler):  # the one in Python can be taught new opcodes
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _Storage):
            kind = _Global("torch", "FloatStorage")
            return ("storage", kind, value.key, "cpu", len(value.values), None)
        return None

    def _save_global(self, value: "_Global") -> None:
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

    def _save_reference(self, value: _Reference) -> None:
        self._save_global(_Global(value.module, value.name))
        self.save(value.arguments)
        self.write(pickle.REDUCE)


class _Global:
    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


_Pickler.dispatch[_Global] = _Pickler._save_global
_Pickler.dispatch[_Reference] = _Pickler._save_reference


def write(path: Path, tensors: dict[str, tuple[np.ndarray, int, tuple[int, ...]]]) -> None:
    """A state dict as PyTorch 1.5 writes it: values, offset, and shape of each tensor."""
    storages = {name: _Storage(name, values) for name, (values, _, _) in tensors.items()}
    state = OrderedDict()
    for name, (_, offset, shape) in tensors.items():
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
        arguments = (storages[name], offset, shape, strides, False, OrderedDict())
        state[name] = _Reference("torch._utils", "_rebuild_tensor_v2", arguments)
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
