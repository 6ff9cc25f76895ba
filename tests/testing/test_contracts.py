"""Our own engines, executors and trackers are put to the tests that others can put theirs to."""

from pathlib import Path

import pytest

from autocnn.core.objective import Goal
from autocnn.integrations.trackers.base import Tracker
from autocnn.integrations.trackers.tensorboard import TensorBoardTracker
from autocnn.spaces.space import SearchSpace
from autocnn.storage import StudyFolder
from autocnn.testing.engines import EPOCHS, EngineContract
from autocnn.testing.trackers import TrackerContract
from autocnn.tuning.engines.base import Engine
from autocnn.tuning.engines.optuna_engine import OptunaEngine

GOAL = Goal("accuracy")


# KerasTuner and TensorBoard begin TensorFlow in this process.
class TestOptuna(EngineContract):
    def make_engine(self, directory: Path, space: SearchSpace, *, seed: int) -> Engine:
        return OptunaEngine(space, GOAL, seed=seed, epochs=EPOCHS, num_trials=self.num_trials)


class TestOptunaRandom(EngineContract):
    def make_engine(self, directory: Path, space: SearchSpace, *, seed: int) -> Engine:
        return OptunaEngine(
            space, GOAL, sampler="random", pruner="median", seed=seed, epochs=EPOCHS
        )


@pytest.mark.slow
class TestKerasTuner(EngineContract):
    def make_engine(self, directory: Path, space: SearchSpace, *, seed: int) -> Engine:
        from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine

        return KerasTunerEngine(
            space, GOAL, sampler="random", seed=seed, epochs=EPOCHS, directory=directory
        )


@pytest.mark.slow
class TestTensorBoard(TrackerContract):
    def make_tracker(self, folder: StudyFolder) -> Tracker:
        return TensorBoardTracker(folder.tensorboard_dir)
