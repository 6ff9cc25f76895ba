"""Engines against what they are made of, driven bare: same seeds and answers, same params."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler

from autocnn.core.config import SamplerName
from autocnn.core.objective import Goal
from autocnn.core.records import ParamValue, Scores, TrialState
from autocnn.spaces.space import Categorical, Condition, Float, Int, SearchSpace
from autocnn.tuning.engines.base import Proposal
from autocnn.tuning.engines.halving import Halving
from autocnn.tuning.engines.optuna_engine import CHANGED_SHARE, OptunaEngine
from tests.samples import epoch, trial

NUM_TRIALS, NUM_RANDOM = 25, 5

SPACE = SearchSpace(
    name="mine",
    description="",
    epochs=4,
    channels="auto",
    parameters=(
        Categorical("family", choices=("plain", "resnet")),
        Float("dropout", (Condition("family", ("plain",)),), low=0.0, high=0.5),
        Float("learning_rate", low=1e-4, high=1e-1, log=True),
        Int("width", low=8, high=64, step=8),
    ),
    start=({"family": "resnet", "learning_rate": 1e-3, "width": 16},),
)


def value_of(params: dict[str, ParamValue]) -> float:
    """A deep valley, so that what a sampler has learned shows."""
    rate = math.log10(float(params["learning_rate"]))
    return round(1 - (rate + 2) ** 2 / 9 + int(params["width"]) / 640, 6)


# -- Optuna --------------------------------------------------------------------------------


def bare_sampler(name: str, trial: int, seed: int) -> BaseSampler:
    """The sampler of a trial, as docs/search.md and the engine's docstring have it."""
    own = int(np.random.SeedSequence((seed, trial)).generate_state(1)[0])
    if name == "random" or (name == "tpe" and trial < 1 + NUM_RANDOM):
        return RandomSampler(seed=own)
    if name == "tpe":
        return TPESampler(
            seed=own, n_startup_trials=0, multivariate=True, group=True, constant_liar=True
        )
    independent = RandomSampler(seed=own)
    return QMCSampler(
        seed=seed, scramble=True, independent_sampler=independent, warn_independent_sampling=False
    )


def kept_of_start(trial: int, seed: int) -> dict[str, ParamValue]:
    """What a first trial has of the start point: not all of it."""
    rng = np.random.default_rng((seed, trial, 0))
    rng.integers(1)  # which start point
    names = list(SPACE.start[0])
    drawn = [name for name in names if rng.random() < CHANGED_SHARE] or rng.choice(names, 1)
    return {name: value for name, value in SPACE.start[0].items() if name not in drawn}


def suggest(opened: optuna.trial.Trial) -> dict[str, ParamValue]:
    """The space in Optuna's own words."""
    params: dict[str, ParamValue] = {
        "family": opened.suggest_categorical("family", ("plain", "resnet"))
    }
    if params["family"] == "plain":
        params["dropout"] = opened.suggest_float("dropout", 0.0, 0.5)
    params["learning_rate"] = opened.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    params["width"] = opened.suggest_int("width", 8, 64, step=8)
    return params


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])
@pytest.mark.parametrize("seed", [7])
def test_optuna_driven_bare_proposes_the_same(sampler: SamplerName, seed: int) -> None:
    engine = OptunaEngine(
        SPACE,
        Goal("accuracy"),
        sampler=sampler,
        pruner="none",
        seed=seed,
        epochs=4,
        num_trials=NUM_TRIALS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction="maximize")
        for number in range(NUM_TRIALS):
            if number == 0:
                study.enqueue_trial(dict(SPACE.start[0]))
            elif sampler == "tpe" and number < 1 + NUM_RANDOM:
                study.enqueue_trial(kept_of_start(number, seed))
            study.sampler = bare_sampler(sampler, number, seed)
            opened = study.ask()
            expected = suggest(opened)
            study.tell(opened, value_of(expected))
            proposal = engine.ask(number)
            assert isinstance(proposal, Proposal)
            assert proposal.params == expected, number
            engine.tell(
                trial(
                    number,
                    params=proposal.params,
                    state=TrialState.COMPLETE,
                    objective=value_of(proposal.params),
                    history=(epoch(1),),
                )
            )


# -- ASHA ----------------------------------------------------------------------------------


def reference_asha(eta: int = 2) -> Callable[[int, int, float], bool]:
    """Li et al. 2020, algorithm 2, seen from a trial that stands at a rung.

    Returns:
        (rung, trial, value) -> whether the trial is not promoted: it is not in the top 1/eta of
        all that have stood at the rung so far, itself included; of fewer than eta, one is.
    """
    rungs: dict[int, dict[int, float]] = {}

    def is_stopped(rung: int, trial: int, value: float) -> bool:
        at_rung = rungs.setdefault(rung, {})
        at_rung[trial] = value
        num_promoted = max(1, len(at_rung) // eta)
        better = sum(other > value for other in at_rung.values())
        return better >= num_promoted  # equals of the last that goes on go on too

    return is_stopped


@pytest.mark.parametrize("seed", range(20))
def test_halving_decides_as_the_algorithm_does(seed: int) -> None:
    """Thirty trials of 12 epochs, at their rungs in any order, many of them equal."""
    rng = np.random.default_rng(seed)
    halving, is_stopped = Halving(12, maximize=True), reference_asha()
    done = dict.fromkeys(range(30), 0)
    while done:
        number = int(rng.choice(list(done)))
        done[number] += 1
        value = float(rng.integers(0, 8)) / 8
        rung = {2: 0, 6: 1}.get(done[number])  # a sixth and a half of 12
        is_behind = halving.is_behind(done[number], value, epochs=12, warmup_epochs=1)
        assert is_behind == (rung is not None and is_stopped(rung, number, value))
        if is_behind or done[number] == 12:
            del done[number]


@pytest.mark.parametrize("seed", range(5))
def test_halving_of_a_loss_is_that_of_its_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    upward, downward = Halving(12, maximize=True), Halving(12, maximize=False)
    for _ in range(40):
        value = float(rng.integers(0, 8))
        options = {"epochs": 12, "warmup_epochs": 1}
        assert upward.is_behind(2, value, **options) == downward.is_behind(2, -value, **options)


# -- KerasTuner ----------------------------------------------------------------------------


def bare_oracle(sampler: str, seed: int, folder: Path) -> Any:
    """KerasTuner's own oracle on the space in its own words."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.Choice("family", ["plain", "resnet"], ordered=False, default="resnet")
    with hp.conditional_scope("family", ["plain"]):
        hp.Float("dropout", 0.0, 0.5)
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Int("width", 8, 64, step=8, default=16)
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "random": (keras_tuner.oracles.RandomSearchOracle, {"max_trials": 100}),
        "bayesian": (keras_tuner.oracles.BayesianOptimizationOracle, {"max_trials": 100}),
        "hyperband": (
            keras_tuner.oracles.HyperbandOracle,
            {"max_epochs": 4, "hyperband_iterations": None},
        ),
    }
    kind, options = kinds[sampler]
    objective = keras_tuner.Objective("objective", "max")
    oracle = kind(objective, hyperparameters=hp, seed=seed + 1, allow_new_entries=False, **options)
    oracle._set_project_dir(str(folder), "bare")
    oracle.verbose = 0
    return oracle


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("sampler", "num_trials"),
    [
        ("random", 25),
        ("hyperband", 25),
        pytest.param("bayesian", 14, marks=pytest.mark.full),  # 12 by chance, then a dear process
    ],
)
def test_keras_tuner_driven_bare_proposes_the_same(
    sampler: SamplerName, num_trials: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine

    seed, start = 7, dict(SPACE.start[0])
    engine = KerasTunerEngine(
        SPACE, Goal("accuracy"), sampler=sampler, seed=seed, epochs=4, directory=tmp_path / "ours"
    )
    oracle = bare_oracle(sampler, seed, tmp_path)
    for number in range(num_trials):
        oracle._seed_state = int(np.random.SeedSequence((seed, number)).generate_state(1)[0] >> 1)
        oracle._random_state = np.random.RandomState(oracle._seed_state)
        with monkeypatch.context() as patch:
            if number == 0:  # the start point, in the place of a point by chance
                patch.setattr(oracle, "_random_values", lambda: dict(start))
            opened = oracle.create_trial(str(number))
        values = opened.hyperparameters.values
        proposal = engine.ask(number)
        assert isinstance(proposal, Proposal)
        names = [name for name in values if not name.startswith("tuner/")]
        expected = {name: values[name] for name in names if is_active(name, values)}
        assert proposal.params == pytest.approx(expected), number
        assert proposal.epochs == values.get("tuner/epochs")
        score = value_of(proposal.params)
        oracle.update_trial(opened.trial_id, {"objective": score}, step=1)
        opened.status = "COMPLETED"
        oracle.end_trial(opened)
        end = trial(
            number,
            params=proposal.params,
            state=TrialState.COMPLETE,
            objective=score,
            history=(epoch(1).model_copy(update={"val": Scores(accuracy=score)}),),
        )
        engine.report(number, end.history[0])
        engine.tell(end)


def is_active(name: str, values: dict[str, ParamValue]) -> bool:
    """Whether a param counts with the others as they are."""
    return name != "dropout" or values["family"] == "plain"
