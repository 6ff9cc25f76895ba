"""Weights out of a PyTorch checkpoint, without PyTorch."""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
"""First number of a checkpoint as PyTorch wrote them until 1.5."""

_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


_UNREADABLE = (pickle.UnpicklingError, EOFError, LookupError, TypeError, AttributeError, ValueError)
"""What a broken pickle raises."""


class _Storage:
    """Numbers of which tensors are views; they come after the tensors' description."""

    def __init__(self, dtype: np.dtype[Any], size: int) -> None:
        self.values = np.zeros(size, dtype)


def read_torch(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a `.pth` state dict by name.

    Nothing in the file is run: its pickles may hold tensors, strings and numbers alone.

    Args:
        path: A state dict in the form that PyTorch wrote until 1.5.

    Raises:
        ValueError: When it is none.
    """
    storages: dict[str, _Storage] = {}
    most = path.stat().st_size
    with path.open("rb") as file:
        try:
            if _load(file, storages, most) != _MAGIC:
                raise pickle.UnpicklingError("another magic number")
            _load(file, storages, most), _load(file, storages, most)  # protocol, system
            state = _load(file, storages, most)
            for key in _load(file, storages, most):
                _fill(storages[key], file)
        except _UNREADABLE as error:
            raise ValueError(f"it is no state dict of PyTorch before 1.6 ({error})") from error
    if not isinstance(state, Mapping):
        raise ValueError("it holds no state dict")
    return {name: np.ascontiguousarray(value) for name, value in state.items()}


def _load(file: BinaryIO, storages: dict[str, _Storage], most: int) -> Any:
    return _Unpickler(file, storages, most).load()


def _fill(storage: _Storage, file: BinaryIO) -> None:
    size = int.from_bytes(file.read(8), "little")
    if size != len(storage.values):
        raise pickle.UnpicklingError(f"{len(storage.values)} numbers are promised, {size} follow")
    content = file.read(storage.values.nbytes)
    storage.values[:] = np.frombuffer(content, storage.values.dtype, count=size)


class _Unpickler(pickle.Unpickler):
    """Knows tensors, their storages and ordered dicts, and nothing else."""

    def __init__(self, file: BinaryIO, storages: dict[str, _Storage], most: int) -> None:
        super().__init__(file)
        self._storages = storages
        self._most = most

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Callable[..., Any] | np.dtype[Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        }
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, _, size, *_ = pid
        if not 0 <= size * dtype.itemsize <= self._most:
            raise pickle.UnpicklingError(f"it promises {size} numbers, more than the file holds")
        if key not in self._storages:
            self._storages[key] = _Storage(dtype, size)
        return self._storages[key]


def _rebuild(
    storage: _Storage, offset: int, size: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """A view of a storage, as `torch._utils._rebuild_tensor_v2` makes it."""
    last = offset + sum((length - 1) * step for length, step in zip(size, strides, strict=True))
    if offset < 0 or min(strides, default=0) < 0 or last >= len(storage.values):
        raise pickle.UnpicklingError("a tensor lies outside its storage")
    steps = [step * storage.values.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage.values[offset:], size, steps)
