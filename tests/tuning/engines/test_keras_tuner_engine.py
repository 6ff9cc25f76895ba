"""KerasTuner's oracles behind ask, report and tell: what the contract does not say."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autocnn.core.config import SamplerName
from autocnn.core.errors import DiskFullError
from autocnn.core.objective import Goal
from autocnn.core.records import Params, TrialState
from autocnn.spaces.space import Float, SearchSpace
from autocnn.tuning.engines.base import NoProposal
from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine
from tests.tuning.engines.trials import (
    EPOCHS,
    FOUR_POINTS,
    GOAL,
    NINE_POINTS,
    SMALL,
    SPACE,
    Session,
    formula,
    make_space,
    propose,
    score,
)

pytestmark = pytest.mark.slow

SAMPLERS = ("random", "bayesian", "hyperband", "grid")

EngineMaker = Callable[..., KerasTunerEngine]


@pytest.fixture
def make_engine(tmp_path: Path) -> EngineMaker:
    def make(
        sampler: SamplerName = "hyperband", space: SearchSpace = SPACE, goal: Goal = GOAL
    ) -> KerasTunerEngine:
        directory = tmp_path / "keras_tuner"
        return KerasTunerEngine(space, goal, sampler=sampler, epochs=EPOCHS, directory=directory)

    return make


# -- Hyperband's brackets ------------------------------------------------------------------

ROUNDS = [(9, 1, 1), (3, 3, 2), (1, 9, 4), (5, 3, 1), (2, 9, 4), (3, 9, 1)]
"""Trials, epochs and first epoch of each round of nine epochs: three brackets."""

NUM_TRIALS = sum(num_trials for num_trials, _, _ in ROUNDS)


def test_hyperband_gives_more_epochs_to_fewer_trials(make_engine: EngineMaker) -> None:
    proposals = Session(make_engine()).run(range(NUM_TRIALS))
    expected = [(epochs, first) for num, epochs, first in ROUNDS for _ in range(num)]
    assert [(p.epochs, p.first_epoch) for p in proposals] == expected
    assert [p.parent is not None for p in proposals] == [first > 1 for _, first in expected]


def test_after_the_last_bracket_the_first_comes_again(make_engine: EngineMaker) -> None:
    proposals = Session(make_engine()).run(range(NUM_TRIALS + 10))[NUM_TRIALS:]
    assert [(p.epochs, p.first_epoch) for p in proposals] == [(1, 1)] * 9 + [(3, 2)]


def test_a_child_goes_on_where_its_parent_ended(make_engine: EngineMaker) -> None:
    session = Session(make_engine())
    children = [p for p in session.run(range(NUM_TRIALS)) if p.parent is not None]
    assert len(children) == 6
    for child in children:
        parent = session.trials[child.parent or 0]
        assert child.params == parent.params
        assert child.first_epoch == (parent.epochs or 0) + 1
        assert not child.from_start
        assert parent.state == TrialState.COMPLETE


@pytest.mark.parametrize("goal", [Goal("accuracy"), Goal("log_loss")])
def test_the_best_of_a_round_go_on(make_engine: EngineMaker, goal: Goal) -> None:
    session = Session(make_engine(goal=goal))
    proposals = session.run(range(13))
    ranked = sorted(
        range(9), key=lambda trial: formula(session.trials[trial].params, 1), reverse=goal.maximize
    )
    assert [p.parent for p in proposals[9:12]] == ranked[:3]
    assert proposals[12].params == proposals[9].params


def test_a_trial_that_failed_has_no_child(make_engine: EngineMaker) -> None:
    session = Session(make_engine())
    for trial in range(9):
        session.open(trial)
        session.train(trial)
        session.end(trial, TrialState.FAILED if trial in (0, 4) else TrialState.COMPLETE)
    parent = session.open(9).parent
    assert parent is not None, "of seven scores one is sure to be among the best three of nine"
    assert parent not in (0, 4)


def test_a_round_in_which_all_fail_starts_another_bracket(make_engine: EngineMaker) -> None:
    session = Session(make_engine())
    for trial in range(9):
        session.open(trial)
        session.end(trial, TrialState.OUT_OF_MEMORY)
    following = session.run(range(9, 14))
    assert [(p.epochs, p.parent) for p in following] == [(3, None)] * 5


@pytest.mark.parametrize("sampler", ["random", "bayesian", "grid"])
def test_no_other_sampler_gives_epochs_or_a_parent(
    make_engine: EngineMaker, sampler: SamplerName
) -> None:
    proposals = Session(make_engine(sampler)).run(range(6))
    assert {(p.epochs, p.parent, p.first_epoch) for p in proposals} == {(None, None, 1)}


def test_a_trial_is_never_stopped_early(make_engine: EngineMaker) -> None:
    engine = make_engine()
    for trial in range(9):
        propose(engine, trial)
    stopped = [engine.report(trial, score(1, 0.9 - trial / 10)) for trial in range(9)]
    assert not any(stopped)


# -- the models that children begin with ---------------------------------------------------


def test_models_of_an_open_bracket_are_needed(make_engine: EngineMaker) -> None:
    session = Session(make_engine())
    session.run(range(9))
    assert session.engine.needed_models() == set(range(9))
    for trial in range(9, 13):
        parent = session.open(trial).parent
        assert parent in session.engine.needed_models()
        session.finish(trial)


def test_models_of_a_bracket_that_is_over_are_not_needed(make_engine: EngineMaker) -> None:
    session = Session(make_engine())
    session.run(range(14))
    assert session.engine.needed_models() == {13}


@pytest.mark.parametrize("is_restored", [False, True])
def test_the_parent_of_a_running_trial_is_needed(
    make_engine: EngineMaker, is_restored: bool
) -> None:
    session = Session(make_engine())
    session.run(range(12))
    parent = session.open(12).parent
    session.open(13)
    if is_restored:
        session = Session(make_engine(), session.records)
    assert parent is not None
    assert parent in session.engine.needed_models(), "trial 12 may have to begin again"


# -- Hyperband after a restart -------------------------------------------------------------


@pytest.mark.parametrize("num_before", [4, 9, 10, 13, 15])
def test_a_bracket_goes_on_after_a_restart(make_engine: EngineMaker, num_before: int) -> None:
    whole = Session(make_engine())
    expected = whole.run(range(NUM_TRIALS))
    again = Session(make_engine(), whole.records[:num_before])
    assert again.run(range(num_before, NUM_TRIALS)) == expected[num_before:]
    assert again.engine.needed_models() == whole.engine.needed_models()


@pytest.mark.parametrize(("number", "epochs"), [(3, 0), (8, 1), (9, 0), (10, 1), (12, 1), (14, 1)])
def test_a_bracket_with_an_open_trial_goes_on_after_a_restart(
    make_engine: EngineMaker, number: int, epochs: int
) -> None:
    whole = Session(make_engine())
    whole.run(range(number))
    whole.open(number)
    whole.train(number, epochs)
    again = Session(make_engine(), whole.records)
    assert again.engine.needed_models() == whole.engine.needed_models()
    for session in (whole, again):
        session.open(number + 1)
        session.finish(number)
        session.finish(number + 1)
        session.run(range(number + 2, NUM_TRIALS))
    assert again.records == whole.records


@pytest.mark.parametrize("num_before", [5, 11, 16])
def test_three_workers_go_on_after_a_restart(make_engine: EngineMaker, num_before: int) -> None:
    whole = Session(make_engine())
    whole.run_out(num_before, workers=3)
    assert len(whole.running) == 2
    again = Session(make_engine(), whole.records)
    for session in (whole, again):
        session.run_out(NUM_TRIALS + 3, workers=3)
    assert again.records == whole.records


@pytest.mark.parametrize("lost", [0, 2, 7, 9, 11])
def test_children_have_their_parents_params_after_a_loss(
    make_engine: EngineMaker, lost: int
) -> None:
    whole = Session(make_engine())
    whole.run(range(13))
    kept = [record for record in whole.records if record.trial != lost]
    again = Session(make_engine(), kept)
    again.run([lost, *range(13, 18)])
    for child in again.records:
        if child.parent is not None and child.parent != lost:
            parent = again.trials[child.parent]
            assert child.params == parent.params
            assert child.first_epoch == (parent.epochs or 0) + 1


# -- nothing to propose --------------------------------------------------------------------


def test_hyperband_waits_when_only_the_next_round_is_left(make_engine: EngineMaker) -> None:
    session = Session(make_engine(space=FOUR_POINTS))
    for trial in range(4):
        session.open(trial)
    assert session.engine.ask(4) == NoProposal.WAIT
    for trial in range(3):
        session.finish(trial)
        assert session.engine.ask(4) == NoProposal.WAIT
    session.finish(3)
    assert session.engine.ask(4) == NoProposal.EXHAUSTED


def test_hyperband_goes_on_after_it_waited(make_engine: EngineMaker) -> None:
    session = Session(make_engine(space=NINE_POINTS))
    for trial in range(9):
        session.open(trial)
    answers = []
    for trial in range(7):
        answers.append(session.try_open(9))
        session.finish(trial)
    assert answers == [NoProposal.WAIT] * 7, "of six scores all may be behind the other three"
    again = Session(make_engine(space=NINE_POINTS), session.records)
    child = session.open(9)
    assert child.parent == max(range(7), key=lambda trial: session.trials[trial].objective or 0)
    assert again.open(9) == child


# -- learning ------------------------------------------------------------------------------


@pytest.mark.parametrize("goal", [Goal("accuracy"), Goal("log_loss")])
def test_the_bayesian_oracle_learns_where_the_good_values_are(
    make_engine: EngineMaker, goal: Goal
) -> None:
    space = make_space(Float("dropout", low=0.0, high=0.5), start=[{"dropout": 0.25}])

    def valley(params: Params, epoch: int) -> float:
        return 10 * (float(params["dropout"]) - 0.3) ** 2

    session = Session(make_engine("bayesian", space, goal), formula=valley)
    session.run(range(7))
    distances = [abs(float(point["dropout"]) - 0.3) for point in session.points[5:]]
    if goal.maximize:
        assert max(distances) > 0.15
    else:
        assert max(distances) < 0.1


def test_the_bayesian_oracle_learns_to_leave_a_corner_in_which_trials_fail(tmp_path: Path) -> None:
    """A score that rises towards the corner lures it there; a kill teaches it nothing."""
    space = make_space(Float("dropout", low=0.0, high=0.5), start=[{"dropout": 0.1}])

    def count_failures(state: TrialState) -> int:
        directory = tmp_path / state.value
        engine = KerasTunerEngine(space, GOAL, sampler="bayesian", directory=directory)
        session = Session(engine, formula=lambda params, epoch: float(params["dropout"]))
        for trial in range(9):
            params = session.open(trial).params
            if float(params["dropout"]) > 0.3:
                session.end(trial, state)
            else:
                session.finish(trial)
        return sum(float(point["dropout"]) > 0.3 for point in session.points[6:])

    assert count_failures(TrialState.OUT_OF_MEMORY) < count_failures(TrialState.FAILED)


# -- its files -----------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_its_files_lie_in_the_folder_that_was_given(
    make_engine: EngineMaker, tmp_path: Path, sampler: SamplerName
) -> None:
    session = Session(make_engine(sampler, SMALL))
    session.run(range(2))
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "keras_tuner/oracle.json",
        "keras_tuner/trial_0000/trial.json",
        "keras_tuner/trial_0001/trial.json",
    }
    facts = json.loads((tmp_path / "keras_tuner/trial_0000/trial.json").read_text("utf-8"))
    assert facts["status"] == "COMPLETED"
    assert facts["hyperparameters"]["values"]["family"] == "resnet"
    assert facts["score"] == session.trials[0].objective


def test_the_reason_of_a_failure_is_in_its_files(make_engine: EngineMaker, tmp_path: Path) -> None:
    session = Session(make_engine("random", SMALL))
    session.open(0)
    session.end(0, TrialState.OUT_OF_MEMORY)
    facts = json.loads((tmp_path / "keras_tuner/trial_0000/trial.json").read_text("utf-8"))
    assert (facts["status"], facts["message"]) == ("FAILED", "because")


def test_files_of_an_earlier_session_are_not_read(make_engine: EngineMaker) -> None:
    first = Session(make_engine("random")).run(range(3))
    assert Session(make_engine("random")).run(range(3)) == first


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_it_prints_nothing(
    make_engine: EngineMaker, capfd: pytest.CaptureFixture[str], sampler: SamplerName
) -> None:
    session = Session(make_engine(sampler, SMALL))
    capfd.readouterr()  # what TensorFlow says when it is imported
    session.run(range(2))
    session.open(2)
    session.end(2, TrialState.FAILED)
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_is_told(make_engine: EngineMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine("random")
    propose(engine, 0)

    def disk_full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(engine._oracle, "save", disk_full)
    with pytest.raises(DiskFullError, match="keras_tuner: the disk must have free space"):
        engine.ask(1)
