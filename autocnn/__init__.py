"""autocnn: find the CNN that generalises on your own labelled images.

    from autocnn import StudyConfig, search

    folder = search(StudyConfig(data="images/", trials=50, budget_s=7200))
    print(folder.leaderboard_path.read_text())

Names load when they are first used: importing autocnn imports nothing heavy.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autocnn.config import StudyConfig
    from autocnn.errors import AutocnnError
    from autocnn.space_files import load_space
    from autocnn.study import search

__version__ = "0.1.0"

__all__ = ["AutocnnError", "StudyConfig", "__version__", "load_space", "search"]

_HOMES = {
    "AutocnnError": "autocnn.errors",
    "StudyConfig": "autocnn.config",
    "load_space": "autocnn.space_files",
    "search": "autocnn.study",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autocnn' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
