"""Paths as people write them."""

import os
from pathlib import Path


def to_path(place: str | os.PathLike[str]) -> Path:
    """A path, in which ~ is the home folder as in a shell; other names that begin so stay.

    A shell leaves it to the program where it does not stand first, as in `--results=~/studies`.

    >>> to_path("~/images") == Path.home() / "images"
    True
    >>> to_path("~$list.xlsx").name
    '~$list.xlsx'
    """
    return Path(os.path.expanduser(place))  # noqa: PTH111 - that of Path raises without a home
