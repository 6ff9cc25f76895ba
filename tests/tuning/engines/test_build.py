"""Each config gets the engine that it names."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.config import EngineName, PrunerName, SamplerName, StudyConfig
from autocnn.core.objective import Goal
from autocnn.storage import StudyFolder
from autocnn.tuning.engines.base import Engine
from autocnn.tuning.engines.build import build_engine
from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.tuning.engines.trials import GOAL, SMALL, SPACE, Session, propose, score

Build = Callable[..., Engine]


@pytest.fixture
def build() -> Iterator[Build]:
    """`build_engine`; what it built is closed at the end."""
    built: list[Engine] = []

    def build_and_remember(*arguments: Any, **options: Any) -> Engine:
        built.append(build_engine(*arguments, **options))
        return built[-1]

    yield build_and_remember
    for engine in built:
        engine.close()


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder.create(tmp_path, "study", {})


@pytest.mark.parametrize(
    ("engine", "sampler", "kind"),
    [
        ("optuna", "tpe", OptunaEngine),
        ("optuna", "random", OptunaEngine),
        ("optuna", "qmc", OptunaEngine),
        ("keras-tuner", "bayesian", KerasTunerEngine),
        ("keras-tuner", "random", KerasTunerEngine),
        ("keras-tuner", "hyperband", KerasTunerEngine),
        ("keras-tuner", "grid", KerasTunerEngine),
    ],
)
def test_a_config_names_its_engine(
    build: Build, folder: StudyFolder, engine: EngineName, sampler: SamplerName, kind: type[Engine]
) -> None:
    config = StudyConfig(engine=engine, sampler=sampler)
    built = build(config, SMALL, GOAL, folder, epochs=9)
    assert type(built) is kind
    assert isinstance(built, OptunaEngine | KerasTunerEngine)
    assert built.sampler == sampler
    assert propose(built, 0).params == SMALL.start[0]


@pytest.mark.parametrize(("engine", "sampler"), [("optuna", "tpe"), ("keras-tuner", "bayesian")])
def test_an_engine_has_a_sampler_of_its_own(
    build: Build, folder: StudyFolder, engine: EngineName, sampler: SamplerName
) -> None:
    built = build(StudyConfig(engine=engine), SMALL, GOAL, folder, epochs=9)
    assert isinstance(built, OptunaEngine | KerasTunerEngine)
    assert built.sampler == sampler


@pytest.mark.parametrize(
    ("engine", "files"),
    [("optuna", ["optuna.db"]), ("keras-tuner", ["oracle.json", "trial_0000/trial.json"])],
)
def test_the_engine_s_files_lie_in_the_study_s_folder(
    build: Build, folder: StudyFolder, engine: EngineName, files: list[str]
) -> None:
    before = set(folder.path.rglob("*"))
    propose(build(StudyConfig(engine=engine), SMALL, GOAL, folder, epochs=9), 0)
    place = folder.path if engine == "optuna" else folder.keras_tuner_dir
    new = {path for path in folder.path.rglob("*") if path.is_file()} - before
    assert new == {place / name for name in files}
    folder.remove_engine_files()
    assert set(folder.path.rglob("*")) == before


@pytest.mark.parametrize(("engine", "sampler"), [("optuna", "random"), ("keras-tuner", "random")])
def test_the_seed_is_passed_on(
    build: Build, tmp_path: Path, engine: EngineName, sampler: SamplerName
) -> None:
    points = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        config = StudyConfig(engine=engine, sampler=sampler, seed=seed)
        folder = StudyFolder.create(tmp_path, name, {})
        built = build(config, SPACE, GOAL, folder, epochs=9)
        points.append([propose(built, trial).params for trial in range(3)][2])
    assert points[0] == points[1] != points[2]


@pytest.mark.parametrize(("pruner", "is_pruned"), [("asha", True), ("none", False)])
def test_the_pruner_is_passed_on(
    build: Build, folder: StudyFolder, pruner: PrunerName, is_pruned: bool
) -> None:
    config = StudyConfig(sampler="random", pruner=pruner)
    engine = build(config, SPACE, GOAL, folder, epochs=18)
    for trial in range(6):
        propose(engine, trial)
    good = [engine.report(trial, score(3, 0.9)) for trial in range(5)]
    assert good == [False] * 5
    assert engine.report(5, score(3, 0.1)) == is_pruned


def test_the_goal_is_passed_on(build: Build, folder: StudyFolder) -> None:
    config = StudyConfig(sampler="random", objective="log_loss")
    engine = build(config, SPACE, Goal("log_loss"), folder, epochs=18)
    for trial in range(6):
        propose(engine, trial)
    for trial in range(5):
        engine.report(trial, score(3, 0.1))
    assert engine.report(5, score(3, 0.9)), "a high loss is bad"


@pytest.mark.parametrize(("epochs", "first"), [(9, 1), (30, 2), (60, 3)])
def test_the_epochs_are_passed_on(
    build: Build, folder: StudyFolder, epochs: int, first: int
) -> None:
    config = StudyConfig(engine="keras-tuner", sampler="hyperband")
    engine = build(config, SMALL, GOAL, folder, epochs=epochs)
    assert propose(engine, 0).epochs == first


@pytest.mark.parametrize(("trials", "num_random"), [(10, 3), (25, 5), (500, 10)])
def test_the_number_of_trials_is_passed_on(
    build: Build, folder: StudyFolder, trials: int, num_random: int
) -> None:
    engine = build(StudyConfig(trials=trials), SMALL, GOAL, folder, epochs=9)
    assert isinstance(engine, OptunaEngine)
    assert engine.num_random == num_random


def test_an_engine_is_restored_after_its_files_were_removed(
    build: Build, folder: StudyFolder
) -> None:
    config = StudyConfig(trials=8)
    whole = Session(build(config, SMALL, GOAL, folder, epochs=9))
    whole.run(range(4))
    records, expected = whole.records, whole.open(4)
    folder.remove_engine_files()
    again = Session(build(config, SMALL, GOAL, folder, epochs=9), records)
    assert again.open(4) == expected
