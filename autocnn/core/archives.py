"""What reading a zip file may raise: .npz, .keras, .xlsx and checkpoints are such files."""

import zipfile
import zlib

BROKEN_ARCHIVE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,  # encrypted; packed in a way that zipfile does not know (NotImplementedError)
)
"""What zipfile raises of a file that is cut, changed, encrypted or packed in an unknown way, beside
OSError, ValueError and KeyError."""

try:  # a Python may be built without it
    from lzma import LZMAError
except ImportError:
    pass
else:
    BROKEN_ARCHIVE += (LZMAError,)
