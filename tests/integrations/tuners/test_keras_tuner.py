"""A space as KerasTuner's HyperModel."""

import importlib.util
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from autocnn.core.errors import MissingExtraError
from autocnn.integrations.tuners.keras_tuner import AutoCNNHyperModel
from autocnn.spaces.files import load_space, parse_space
from autocnn.tuning.engines.base import Proposal
from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine
from tests.integrations.tuners.test_fitting import draw
from tests.tuning.engines.trials import GOAL

pytestmark = [
    pytest.mark.filterwarnings("ignore")  # KerasTuner calls functions that Python has deprecated
]

SHAPE = (12, 12, 1)

TINY = """
parameters:
  - {name: family, type: categorical, choices: [plain]}
  - {name: num_stages, type: int, low: 1, high: 1}
  - {name: width, type: int, low: 4, high: 8, step: 4}
  - {name: flip, type: categorical, choices: [none]}
  - {name: batch_size, type: categorical, choices: [16]}
  - {name: learning_rate, type: float, low: 5e-3, high: 2e-2, log: true}
"""


def tiny() -> AutoCNNHyperModel:
    space = parse_space(TINY, source="tiny.yaml", name="tiny")
    return AutoCNNHyperModel(space, SHAPE, 2)


@pytest.mark.parametrize("name", ["quick", "default", "mri"])
def test_its_defaults_are_the_default_configuration(name: str) -> None:
    hypermodel, hp = AutoCNNHyperModel(name, SHAPE, 2), keras_tuner.HyperParameters()
    expected = dict(load_space(name).start[0])
    if "image_size" in expected:
        expected["image_size"] = 12
    assert hypermodel.params(hp) == expected
    assert {one.name for one in hp.space} == {p.name for p in load_space(name).parameters}
    assert hypermodel.params(hp) == expected  # declared already


def test_it_visits_the_points_of_the_engine(tmp_path: Path) -> None:
    space = load_space("default")
    engine = KerasTunerEngine(space, GOAL, sampler="random", directory=tmp_path / "oracle")
    hypermodel = AutoCNNHyperModel(space, SHAPE, 2)
    for number in range(5):
        proposal = engine.ask(number)
        assert isinstance(proposal, Proposal)
        hp = engine._open[number].hyperparameters.copy()
        assert hypermodel.params(hp) == proposal.params


def test_it_builds_a_compiled_network() -> None:
    model = tiny().build(keras_tuner.HyperParameters())
    assert (model.input_shape, model.output_shape) == ((None, *SHAPE), (None, 2))
    assert model.compiled


def test_a_condition_of_the_callers_stays(tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Boolean("ours", default=True)
    with hp.conditional_scope("ours", [True]):
        tiny().params(hp)
        assert len(hp._conditions) == 1


@pytest.mark.parametrize(("number", "share", "num_val"), [(10, 0.25, 3), (5, 0.1, 1), (5, 0.2, 1)])
def test_a_part_is_split_off_as_in_keras(
    number: int, share: float, num_val: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(
        "autocnn.integrations.tuners.keras_tuner.fit_model",
        lambda model, params, x, y, **rest: seen.update(rest, x=x, y=y),
    )
    x, y = draw(number)
    tiny().fit(keras_tuner.HyperParameters(), None, x, y, validation_split=share)
    x_val, y_val = seen["validation_data"]
    np.testing.assert_array_equal(np.concatenate([seen["x"], x_val]), x)
    np.testing.assert_array_equal(np.concatenate([seen["y"], y_val]), y)
    assert len(x_val) == len(y_val) == num_val


def test_without_tensorboard_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install 'tensorboard>="):
        tiny()


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [*(pytest.param(given, marks=pytest.mark.full) for given in ("arrays", "split")), "dataset"],
)
def test_a_tuner_searches_and_keeps_what_it_scored(tmp_path: Path, given: str) -> None:
    (x, y), val = draw(128), draw(32)
    one_hot = np.eye(2, dtype=np.float32)
    arguments: dict[str, Any] = {"x": x, "y": y, "validation_data": val}
    if given == "split":
        arguments = {
            "x": np.concatenate([x, val[0]]),
            "y": np.concatenate([y, val[1]]),
            "validation_split": 0.2,
        }
    elif given == "dataset":
        batches = tf.data.Dataset.from_tensor_slices((x, one_hot[y])).batch(16)
        arguments = {"x": batches, "validation_data": (val[0], one_hot[val[1]])}
    tuner = keras_tuner.RandomSearch(
        tiny(), objective="val_accuracy", max_trials=2, seed=1, directory=tmp_path
    )
    tuner.search(**arguments, epochs=2, verbose=0)
    best = tuner.oracle.get_best_trials()[0]
    predicted = np.asarray(tuner.get_best_models()[0](val[0])).argmax(axis=1)
    assert np.mean(predicted == val[1]) == pytest.approx(best.score)
    assert tiny().params(best.hyperparameters)["width"] in (4, 8)


@pytest.mark.slow
@pytest.mark.full
def test_hyperband_goes_on_where_it_was(tmp_path: Path) -> None:
    (x, y), val = draw(128), draw(32)
    tuner = keras_tuner.Hyperband(
        tiny(), objective="val_accuracy", max_epochs=3, factor=3, seed=1, directory=tmp_path
    )
    tuner.search(x, y, validation_data=val, verbose=0)
    trials = tuner.oracle.trials.values()
    assert any("tuner/trial_id" in trial.hyperparameters.values for trial in trials)
    assert {trial.status for trial in trials} == {"COMPLETED"}
