"""Builds the engine that a config names."""

from collections.abc import Callable

from autocnn.core.config import StudyConfig
from autocnn.core.objective import Goal
from autocnn.core.quiet import silent_stderr
from autocnn.execution.processes import worker_environment
from autocnn.spaces.space import SearchSpace
from autocnn.storage import StudyFolder
from autocnn.tuning.engines.base import Engine


def build_engine(
    config: StudyConfig,
    space: SearchSpace,
    goal: Goal,
    folder: StudyFolder,
    *,
    epochs: int,
    warn: Callable[[str], None] = lambda text: None,
) -> Engine:
    """An engine that nothing was asked of yet.

    Args:
        config: Names the engine, its sampler and its pruner.
        space: What it proposes points of.
        goal: What it is to improve.
        folder: Gets the engine's own files.
        epochs: Most epochs per trial.
        warn: Is told what the engine goes on without.
    """
    assert config.sampler is not None and config.pruner is not None, "chosen by the engine"
    if config.engine == "keras-tuner":
        with silent_stderr(), worker_environment():  # TensorFlow greets when it is imported
            from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine

        return KerasTunerEngine(
            space,
            goal,
            sampler=config.sampler,
            seed=config.seed,
            epochs=epochs,
            directory=folder.keras_tuner_dir,
        )
    from autocnn.tuning.engines.optuna_engine import OptunaEngine

    return OptunaEngine(
        space,
        goal,
        sampler=config.sampler,
        pruner=config.pruner,
        seed=config.seed,
        epochs=epochs,
        num_trials=config.num_trials,
        storage=folder.optuna_url,
        name=folder.name,
        warn=warn,
    )
