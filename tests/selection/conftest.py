"""The images that all tests of finalists share, and the end of a study of them."""

from pathlib import Path

import pytest

from autocnn.data import Dataset
from autocnn.storage import StudyFolder
from tests.selection.studies import Selection, make_dataset


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sixty images of noise; decoded once."""
    return make_dataset(tmp_path_factory.mktemp("finalists"))


@pytest.fixture
def selection(small_dataset: Dataset, tmp_path: Path) -> Selection:
    """The end of a study whose trials are over."""
    folder = StudyFolder.create(tmp_path / "results", "mine", {"name": "mine"})
    return Selection(small_dataset, folder)
