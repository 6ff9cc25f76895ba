"""`suggest_params` in an objective of somebody's own."""

import random
from pathlib import Path

import optuna
import pytest

from autocnn.core.errors import SpaceError
from autocnn.integrations.tuners.optuna import suggest_params
from autocnn.spaces.files import load_space, shipped_names
from autocnn.spaces.space import AnyParameter
from autocnn.tuning.engines.base import Proposal
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.tuning.engines.trials import GOAL


@pytest.mark.parametrize("name", shipped_names())
def test_a_fixed_trial_gives_its_own_point(name: str) -> None:
    space, rng = load_space(name), random.Random(name)

    def pick(parameter: AnyParameter) -> bool | int | float | str:
        if parameter.values is not None:
            return rng.choice(parameter.values)
        return rng.uniform(parameter.low, parameter.high)

    points = [dict(point) for point in space.start] + [space.walk(pick) for _ in range(10)]
    for point in points:
        trial = optuna.trial.FixedTrial(point)
        assert suggest_params(trial, space) == point
        assert suggest_params(trial, name) == point


def test_it_asks_what_the_engine_asks() -> None:
    space = load_space("default")
    engine = OptunaEngine(space, GOAL, sampler="random", num_trials=6)
    proposals = [engine.ask(number) for number in range(6)]
    study = optuna.create_study()
    for proposal, asked in zip(proposals, engine._study.trials, strict=True):
        assert isinstance(proposal, Proposal)
        study.enqueue_trial(dict(asked.params))
        trial = study.ask()
        assert suggest_params(trial, space) == proposal.params
        assert trial.distributions == asked.distributions


def test_an_objective_finds_what_is_best() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        params = suggest_params(trial, "quick")
        return float(params["learning_rate"]) * (params["family"] == "plain")

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=20)
    assert study.best_params["family"] == "plain"
    assert load_space("quick").problems_of(study.best_params) == []


def test_a_space_of_ones_own_may_have_names_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("parameters: [{name: filters, type: int, low: 8, high: 32, step: 8}]")
    trial = optuna.trial.FixedTrial({"filters": 16})
    assert suggest_params(trial, str(path)) == {"filters": 16}


def test_a_space_that_is_not_there_is_told() -> None:
    with pytest.raises(SpaceError, match="Did you mean 'quick'"):
        suggest_params(optuna.trial.FixedTrial({}), "quik")
