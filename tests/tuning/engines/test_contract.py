"""What the loop may rely on, whichever engine and sampler a study has."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from autocnn.core.config import PrunerName, SamplerName
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, Params, TrialRecord, TrialState
from autocnn.spaces.files import load_space, shipped_names
from autocnn.spaces.space import Categorical, Condition, Float, Int, SearchSpace
from autocnn.testing.engines import EngineContract
from autocnn.tuning.engines.base import Engine, NoProposal, Proposal, restore
from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.tuning.engines.trials import (
    EPOCHS,
    FOUR_POINTS,
    GOAL,
    NINE_POINTS,
    SMALL,
    SPACE,
    Session,
    make_space,
    propose,
    score,
)

NUM_TRIALS = 15
"""Optuna's first three trials after the start points are random, the others learn."""


@dataclass(frozen=True)
class Kind:
    """An engine with its sampler and pruner."""

    engine: str
    sampler: SamplerName
    pruner: PrunerName = "none"

    @property
    def enough(self) -> int:
        """So many trials show what the sampler has learned; Bayesian ones take their time."""
        return 7 if self.sampler == "bayesian" else 13

    @property
    def name(self) -> str:
        pruner = "" if self.pruner == "none" else f"-{self.pruner}"
        return f"{self.engine}-{self.sampler}{pruner}"

    def build(
        self, directory: Path, space: SearchSpace = SPACE, *, seed: int = 0, goal: Goal = GOAL
    ) -> Engine:
        if self.engine == "optuna":
            return OptunaEngine(
                space,
                goal,
                sampler=self.sampler,
                pruner=self.pruner,
                seed=seed,
                epochs=2 * EPOCHS,
                num_trials=NUM_TRIALS,
            )
        return KerasTunerEngine(
            space,
            goal,
            sampler=self.sampler,
            seed=seed,
            epochs=EPOCHS,
            directory=directory / "keras_tuner",
        )


KINDS = (
    Kind("optuna", "tpe", "asha"),
    Kind("optuna", "tpe"),
    Kind("optuna", "random"),
    Kind("optuna", "qmc"),
    Kind("keras", "random"),
    Kind("keras", "bayesian"),
    Kind("keras", "hyperband"),
    Kind("keras", "grid"),
)


SLOW = ("keras-bayesian", "keras-grid", "keras-hyperband")
"""The Bayesian oracle takes half of the time of all these tests; one sampler of KerasTuner shows
quickly what is the same in all four.
"""


def each_kind(
    *, without: tuple[str, ...] = (), slow: tuple[str, ...] = SLOW
) -> pytest.MarkDecorator:
    """Run a test with every kind, except some.

    Args:
        without: Beginnings of names for which the test makes no sense.
        slow: Names of those that wait for the slow tests.
    """
    params = []
    for kind in KINDS:
        if kind.name.startswith(without):
            continue
        marks = [pytest.mark.slow] if kind.name in slow else []
        params.append(pytest.param(kind, id=kind.name, marks=marks))
    return pytest.mark.parametrize("kind", params)


@each_kind()
class TestContract(EngineContract):
    """What others can put their engines to."""

    @pytest.fixture(autouse=True)
    def _take_kind(self, kind: Kind) -> None:
        self.kind = kind

    def make_engine(self, directory: Path, space: SearchSpace, *, seed: int) -> Engine:
        """See `EngineContract`."""
        return self.kind.build(directory, space, seed=seed)


def repeated(points: Sequence[Params]) -> list[Params]:
    return [point for number, point in enumerate(points) if point in points[:number]]


def problems(space: SearchSpace, session: Session) -> list[list[str]]:
    return [found for r in session.records if (found := space.problems_of(r.params))]


# -- what is proposed ----------------------------------------------------------------------


@each_kind(without=("keras-grid",))
def test_all_branches_of_the_conditions_are_walked(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path))
    session.run(range(NUM_TRIALS))
    points = session.points
    assert {point["family"] for point in points} == {"plain", "resnet", "separable"}
    assert {"blocks_per_stage" in point for point in points} == {True, False}
    assert len({point["blocks_per_stage"] for point in points if "blocks_per_stage" in point}) > 1
    assert {"dropout" in point for point in points} == {True, False}


@each_kind()
def test_values_have_the_types_of_the_space(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path))
    session.run(range(NUM_TRIALS))
    types = {
        "family": str,
        "normalization": str,
        "stochastic_depth": float,
        "num_stages": int,
        "blocks_per_stage": int,
        "width": int,
        "kernel_size": int,
        "learning_rate": float,
        "squeeze_excitation": bool,
        "head_units": int,
        "dropout": float,
        "shear": float,
    }
    found = {(name, type(value)) for point in session.points for name, value in point.items()}
    assert found <= set(types.items())


@each_kind()
def test_a_parent_may_have_a_condition_itself(kind: Kind, tmp_path: Path) -> None:
    space = make_space(
        Categorical("family", choices=("plain", "resnet")),
        Categorical(
            "normalization", (Condition("family", ("plain",)),), choices=("batch", "group")
        ),
        Int("kernel_size", (Condition("normalization", ("batch",)),), low=3, high=9),
        start=({"family": "plain", "normalization": "batch", "kernel_size": 4},),
    )
    session = Session(kind.build(tmp_path, space))
    session.run(range(6))
    assert problems(space, session) == []
    assert len({point["kernel_size"] for point in session.points if "kernel_size" in point}) > 1


@each_kind()
def test_a_parameter_may_have_two_conditions(kind: Kind, tmp_path: Path) -> None:
    space = make_space(
        Categorical("family", choices=("plain", "resnet")),
        Categorical("squeeze_excitation", choices=(False, True)),
        Int(
            "kernel_size",
            (Condition("family", ("plain",)), Condition("squeeze_excitation", (True,))),
            low=3,
            high=9,
        ),
        start=({"family": "plain", "squeeze_excitation": True, "kernel_size": 4},),
    )
    session = Session(kind.build(tmp_path, space))
    session.run(range(6))
    assert problems(space, session) == []
    assert len({point["kernel_size"] for point in session.points if "kernel_size" in point}) > 1


@each_kind()
def test_a_parameter_may_have_a_single_value(kind: Kind, tmp_path: Path) -> None:
    space = make_space(
        Categorical("family", choices=("plain",)),
        Int("kernel_size", (Condition("family", ("plain",)),), low=3, high=3),
        Float("dropout", low=0.25, high=0.25),
        Categorical("squeeze_excitation", choices=(False,)),
        Int("width", low=4, high=16),
        start=(
            {
                "family": "plain",
                "kernel_size": 3,
                "dropout": 0.25,
                "squeeze_excitation": False,
                "width": 4,
            },
        ),
    )
    session = Session(kind.build(tmp_path, space))
    session.run(range(4))
    assert problems(space, session) == []
    assert len({point["width"] for point in session.points}) == 4


@each_kind()
def test_the_shipped_spaces_can_be_searched(kind: Kind, tmp_path: Path) -> None:
    for name in shipped_names():
        space = load_space(name)
        session = Session(kind.build(tmp_path, space))
        proposals = session.run(range(3))
        assert problems(space, session) == [], name
        assert proposals[0].params == space.start[0], name
        assert repeated(session.points) == [], name


@each_kind()
def test_a_space_may_have_no_start_point(kind: Kind, tmp_path: Path) -> None:
    space = make_space(*SPACE.parameters)
    session = Session(kind.build(tmp_path, space))
    proposals = session.run(range(3))
    assert problems(space, session) == []
    assert not any(proposal.from_start for proposal in proposals)


@each_kind(without=("keras-grid",))
def test_another_seed_proposes_other_params(kind: Kind, tmp_path: Path) -> None:
    first, second = (Session(kind.build(tmp_path, seed=seed)) for seed in (0, 1))
    first.run(range(8))
    second.run(range(8))
    assert first.points[:2] == second.points[:2] == list(SPACE.start)
    assert [point for point in first.points[2:] if point in second.points[2:]] == []


@each_kind()
def test_no_two_trials_are_the_same(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path))
    session.run(range(NUM_TRIALS))
    assert repeated(session.points) == []


@each_kind()
def test_no_two_trials_are_the_same_once_the_sampler_learns(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path, SMALL))
    assert session.run_out(kind.enough + 2) is None
    assert repeated(session.points) == []


# -- a space that can be counted -----------------------------------------------------------


@each_kind()
@pytest.mark.parametrize("workers", [1, 2])
def test_a_small_space_is_exhausted(kind: Kind, tmp_path: Path, workers: int) -> None:
    session = Session(kind.build(tmp_path, FOUR_POINTS))
    assert session.run_out(20, workers) == NoProposal.EXHAUSTED
    assert len(session.points) == 4
    assert repeated(session.points) == []
    assert problems(FOUR_POINTS, session) == []


@each_kind()
def test_failed_trials_count_as_tried(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path, FOUR_POINTS))
    for trial in range(4):
        session.open(trial)
        session.end(trial, TrialState.FAILED)
    assert session.engine.ask(4) == NoProposal.EXHAUSTED
    assert repeated(session.points) == []


@each_kind()
@pytest.mark.parametrize("workers", [1, 2])
def test_no_point_is_tried_twice(kind: Kind, tmp_path: Path, workers: int) -> None:
    session = Session(kind.build(tmp_path, NINE_POINTS))
    session.run_out(13, workers)
    assert repeated(session.points) == []
    assert len(session.points) == 9


@each_kind()
def test_nothing_is_exhausted_before_everything_was_tried(kind: Kind, tmp_path: Path) -> None:
    space = make_space(
        Categorical("head_units", choices=(0, 64)),
        Int("width", low=4, high=32),
        start=({"head_units": 0, "width": 4},),
    )
    session = Session(kind.build(tmp_path, space))
    for trial in range(58):
        session.open(trial)
        session.end(trial, TrialState.FAILED)  # of failures no sampler learns, which takes time
    assert repeated(session.points) == []
    assert session.engine.ask(58) == NoProposal.EXHAUSTED


# -- two at once ---------------------------------------------------------------------------


@each_kind()
def test_trials_may_run_at_once_and_end_in_any_order(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path))
    answer = session.run_out(NUM_TRIALS, workers=2)
    assert answer is None
    assert problems(SPACE, session) == []
    assert repeated(session.points) == []


@each_kind()
def test_no_worker_is_idle(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path))
    for trial in range(4):
        session.open(trial)
    assert repeated(session.points) == []


@each_kind()
def test_epochs_of_two_trials_may_come_in_turn(kind: Kind, tmp_path: Path) -> None:
    engine = kind.build(tmp_path, NINE_POINTS)
    first, second = propose(engine, 0), propose(engine, 1)
    assert first.params != second.params
    for epoch in (1, 2, 3):
        assert not engine.report(0, score(epoch, 0.1 * epoch))
        engine.report(1, score(epoch, 0.2 * epoch))
    for trial, proposal in ((1, second), (0, first)):
        history = tuple(score(epoch, 0.1 * (trial + 1) * epoch) for epoch in (1, 2, 3))
        record = TrialRecord(
            trial=trial,
            state=TrialState.COMPLETE,
            params=proposal.params,
            objective=history[-1].val.accuracy,
            best_epoch=3,
            history=history,
        )
        engine.tell(record)
    assert propose(engine, 2).params not in (first.params, second.params)


@each_kind()
def test_an_engine_waits_only_while_a_trial_runs(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path, FOUR_POINTS))
    number = 0
    while isinstance(session.try_open(number), Proposal):
        number += 1
    assert number >= 2, "two workers are busy from the start"
    while session.running:
        session.finish(session.running[0])
    assert session.engine.ask(number) != NoProposal.WAIT


# -- going on after a restart --------------------------------------------------------------


@each_kind()
@pytest.mark.parametrize(("space", "num_before"), [(SPACE, 6), (SMALL, 7)], ids=["space", "small"])
def test_a_restored_engine_goes_on_as_if_it_had_never_stopped(
    kind: Kind, tmp_path: Path, space: SearchSpace, num_before: int
) -> None:
    whole = Session(kind.build(tmp_path, space, seed=3))
    expected = whole.run(range(kind.enough + 1))[num_before:]
    again = Session(kind.build(tmp_path, space, seed=3), whole.records[:num_before])
    assert again.run(range(num_before, kind.enough + 1)) == expected
    assert again.records == whole.records


def check_resume_of_an_open_trial(kind: Kind, directory: Path, number: int) -> None:
    """A trial that was stopped after an epoch goes on beside the next one."""
    most = number + (2 if kind.sampler == "bayesian" else 4)
    whole = Session(kind.build(directory, SMALL))
    whole.run(range(number))
    whole.open(number)
    whole.train(number, epochs=1)
    again = Session(kind.build(directory, SMALL), whole.records)
    for session in (whole, again):
        session.try_open(number + 1)
        session.finish(number)
        session.run_out(most)
    assert whole.records == again.records
    assert len(whole.records) == most


@each_kind()
def test_an_open_start_point_goes_on_after_a_restart(kind: Kind, tmp_path: Path) -> None:
    check_resume_of_an_open_trial(kind, tmp_path, 0)


@each_kind()
@pytest.mark.parametrize("number", [1, 3])
def test_an_open_trial_goes_on_after_a_restart(kind: Kind, tmp_path: Path, number: int) -> None:
    check_resume_of_an_open_trial(kind, tmp_path, number)


@each_kind()
def test_an_open_trial_goes_on_beside_a_sampler_that_learns(kind: Kind, tmp_path: Path) -> None:
    check_resume_of_an_open_trial(kind, tmp_path, 6)


@each_kind()
def test_two_workers_go_on_after_a_restart(kind: Kind, tmp_path: Path) -> None:
    whole = Session(kind.build(tmp_path))
    whole.run_out(9, workers=2)
    assert len(whole.running) == 1
    again = Session(kind.build(tmp_path), whole.records)
    for session in (whole, again):
        session.run_out(13, workers=2)
    assert whole.records == again.records


@each_kind()
@pytest.mark.parametrize("lost", [0, 5])
def test_a_lost_trial_is_asked_for_again(kind: Kind, tmp_path: Path, lost: int) -> None:
    whole = Session(kind.build(tmp_path))
    whole.run(range(8))
    kept = [record for record in whole.records if record.trial != lost]
    again = Session(kind.build(tmp_path), kept)
    again.run([lost, 8, 9])
    assert problems(SPACE, again) == []
    assert sorted(again.trials) == list(range(10))


@each_kind()
@pytest.mark.parametrize("lost", [0, 3])
def test_no_point_is_tried_twice_after_a_loss(kind: Kind, tmp_path: Path, lost: int) -> None:
    whole = Session(kind.build(tmp_path, NINE_POINTS))
    whole.run(range(6))
    kept = [record for record in whole.records if record.trial != lost]
    again = Session(kind.build(tmp_path, NINE_POINTS), kept)
    again.run([lost])
    again.run_out(12)
    assert repeated(again.points) == []


@each_kind(
    without=("keras-hyperband",)  # a fork refuses it
)
def test_trials_of_another_engine_may_be_taken_over(kind: Kind, tmp_path: Path) -> None:
    other = Session(OptunaEngine(NINE_POINTS, GOAL, sampler="random", seed=11))
    other.run(range(5))
    session = Session(kind.build(tmp_path, NINE_POINTS), other.records)
    assert session.run_out(12) == NoProposal.EXHAUSTED
    assert repeated(session.points) == []


@each_kind()
def test_a_start_point_that_was_taken_over_is_not_proposed_again(
    kind: Kind, tmp_path: Path
) -> None:
    whole = Session(kind.build(tmp_path))
    whole.run(range(2))
    again = Session(kind.build(tmp_path), whole.records)
    assert not any(proposal.from_start for proposal in again.run(range(2, 5)))
    assert repeated(again.points) == []


# -- what is reported and told -------------------------------------------------------------


@each_kind()
@pytest.mark.parametrize(
    "state", [state for state in TrialState if state.is_fault] + [TrialState.PRUNED, TrialState.CUT]
)
def test_the_engine_goes_on_after_failures(kind: Kind, tmp_path: Path, state: TrialState) -> None:
    session = Session(kind.build(tmp_path))
    for trial in range(6):
        session.open(trial)
        session.train(trial, trial % 2)
        session.end(trial, state)
    session.run(range(6, 9))
    assert problems(SPACE, session) == []
    assert repeated(session.points) == []


@each_kind()
def test_failures_are_restored_as_they_were_told(kind: Kind, tmp_path: Path) -> None:
    whole = Session(kind.build(tmp_path, SMALL))
    states = [state for state in TrialState if state.is_scored or state.is_fault]
    for trial in range(7):
        whole.open(trial)
        whole.train(trial, trial % 3)
        whole.end(trial, states[trial % len(states)] if trial % 3 else TrialState.FAILED)
    again = Session(kind.build(tmp_path, SMALL), whole.records)
    later = range(7, 11)
    assert again.run(later) == whole.run(later)


@each_kind()
def test_an_epoch_that_was_reported_before_changes_nothing(kind: Kind, tmp_path: Path) -> None:
    once, twice = (Session(kind.build(tmp_path, SMALL)) for _ in range(2))
    for session in (once, twice):
        session.run(range(3))
        session.open(3)
        session.train(3)
    other = [s.model_copy(update={"val": score(1, 0.99).val}) for s in twice.trials[3].history]
    assert not any(twice.engine.report(3, epoch) for epoch in other)
    for session in (once, twice):
        session.end(3)
    later = range(4, kind.enough)
    assert once.run(later) == twice.run(later)


@each_kind()
@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.CUT])
def test_the_objective_may_not_have_been_measured(
    kind: Kind, tmp_path: Path, state: TrialState
) -> None:
    engine = kind.build(tmp_path, SMALL, goal=Goal("macro_auc"))
    history: tuple[EpochScore, ...] = (score(1, 0.5), score(2, 0.5))
    proposal = propose(engine, 0)
    assert not any(engine.report(0, epoch) for epoch in history)
    engine.tell(TrialRecord(trial=0, state=state, params=proposal.params, history=history))
    assert SMALL.problems_of(propose(engine, 1).params) == []


@each_kind()
def test_models_that_are_needed_are_of_trials_that_ended_or_run(kind: Kind, tmp_path: Path) -> None:
    session = Session(kind.build(tmp_path))
    assert session.engine.needed_models() == set()
    for trial in range(12):
        session.open(trial)
        assert session.engine.needed_models() <= set(session.trials)
        session.finish(trial)
    parents = {r.parent for r in session.records if r.parent is not None}
    assert parents <= session.engine.needed_models()


@each_kind()
def test_nothing_to_restore_is_a_new_engine(kind: Kind, tmp_path: Path) -> None:
    engine = kind.build(tmp_path)
    restore(engine, [])
    assert propose(engine, 0).params == SPACE.start[0]
