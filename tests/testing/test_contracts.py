"""Our own trackers are put to the tests that others can put theirs to.

Engines are in tests/tuning/engines, executors in tests/execution.
"""

import pytest

from autocnn.integrations.trackers.base import Tracker
from autocnn.integrations.trackers.tensorboard import TensorBoardTracker
from autocnn.storage import StudyFolder
from autocnn.testing.trackers import TrackerContract


@pytest.mark.slow
class TestTensorBoard(TrackerContract):
    def make_tracker(self, folder: StudyFolder) -> Tracker:
        return TensorBoardTracker(folder.tensorboard_dir)
