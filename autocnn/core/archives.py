"""What reading a zip file may raise: .npz, .keras, .xlsx and checkpoints are such files."""

import zipfile
import zlib

try:
    from lzma import LZMAError
except ImportError:  # of a Python that was built without it
    LZMAError = zipfile.BadZipFile  # type: ignore[misc, assignment]

BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    RuntimeError,  # encrypted; packed in a way that zipfile does not know (NotImplementedError)
)
"""What zipfile raises of a file that is cut, changed, encrypted or packed in an unknown way, beside
OSError, ValueError and KeyError."""
