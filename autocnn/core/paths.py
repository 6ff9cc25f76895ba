"""Paths as people write them."""

import os
import re
from pathlib import Path

from autocnn.core.errors import UsageError

LOCAL_RULE = "must be on this machine, or mounted on it"

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+:)/")
"""As of s3://bucket/x; `Path` makes one slash of two, and C: is a disk."""

_BY_FILE_MANAGERS = frozenset((".ds_store", "desktop.ini", "thumbs.db"))


def to_path(place: str | os.PathLike[str]) -> Path:
    """A path, in which ~ is the home folder as in a shell; other names that begin so stay.

    A shell leaves it to the program where it does not stand first, as in `--results=~/studies`.

    Raises:
        UsageError: When it is the address of something elsewhere, which would become a folder here.

    >>> to_path("~/images") == Path.home() / "images"
    True
    >>> to_path("~$list.xlsx").name
    '~$list.xlsx'
    """
    path = Path(os.path.expanduser(place))  # noqa: PTH111 - that of Path raises without a home
    address = _ADDRESS.match(os.fspath(place))
    if address and not os.path.lexists(address[1]):
        raise UsageError(
            f"{os.fspath(place)}: {LOCAL_RULE}, got an address.",
            remedy="Mount it, or copy it to a folder here.",
        )
    return path


def is_by_file_manager(name: str) -> bool:
    """Whether a file manager leaves files of that name in each folder that it shows.

    >>> is_by_file_manager(".DS_Store"), is_by_file_manager("notes.txt")
    (True, False)
    """
    return name.casefold() in _BY_FILE_MANAGERS
