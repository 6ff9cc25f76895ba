"""What is made once per test run, by whichever of its processes needs it first."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def share(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object], /) -> Path:
    """A folder for all who only look: filled once, though each worker has fixtures of its own.

    Args:
        factory: Of temporary folders.
        name: Of the folder; the same name is the same folder.
        make: Fills the new, empty folder, which keeps its place: studies know their paths.

    Returns:
        The folder. What copies it may change the copy.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the run's, above the worker's
    folder, whole = base / f"shared-{name}", base / f"shared-{name}.whole"
    with FileLock(f"{folder}.lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a test that failed to make it
            folder.mkdir(parents=True)
            make(folder)
            whole.touch()
    return folder
