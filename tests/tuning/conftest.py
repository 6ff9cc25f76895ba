"""A search that is ready to run, for all tests of the loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.executor import SimulatedSearch, make_search

StudyMaker = Callable[..., SimulatedSearch]


@pytest.fixture
def make_study(tmp_path: Path) -> StudyMaker:
    def make(**options: Any) -> SimulatedSearch:
        return make_search(tmp_path, **options)

    return make
