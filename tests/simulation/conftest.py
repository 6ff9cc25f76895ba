"""The images that no simulated study looks at."""

import pytest

from autocnn.data import Dataset
from tests.selection.studies import make_dataset


@pytest.fixture(scope="package")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("simulation"), num_train=12, num_others=4)
