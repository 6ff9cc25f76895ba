"""Reading zip files, as .npz, .keras, .xlsx and checkpoints are: what it may raise, and arrays."""

import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

try:
    from lzma import LZMAError
except ImportError:  # of a Python that was built without it
    LZMAError = zipfile.BadZipFile  # type: ignore[misc, assignment]

BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    RuntimeError,  # encrypted, or packed in a way that zipfile does not know
)
"""What zipfile raises of a file that is cut, changed, encrypted or packed in an unknown way, beside
OSError, ValueError and KeyError."""


def read_arrays(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """Name -> array of an .npz file; nothing in it is run.

    Args:
        file: Opened by the caller: of a broken file, np.load leaves its own handle open.

    Raises:
        ValueError, OSError, or one of `BROKEN_ARCHIVE`: When it is no whole archive of arrays.
    """
    archive = np.load(file, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise zipfile.BadZipFile("it holds a single array")
    found = {name: archive[name] for name in archive.files}
    for name, array in found.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of a part that is none
            raise zipfile.BadZipFile(f"{name} is no array")
    return found
