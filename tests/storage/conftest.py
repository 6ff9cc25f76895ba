"""A study folder for the tests of its parts."""

from pathlib import Path

import pytest

from autocnn.storage import StudyFolder


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A new study."""
    return StudyFolder.create(tmp_path / "results", "mine", {"name": "mine"})
