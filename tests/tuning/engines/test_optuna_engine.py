"""Optuna behind ask, report and tell."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState as OptunaState

from autocnn.core.config import PrunerName, SamplerName
from autocnn.core.objective import Goal
from autocnn.core.records import Params, TrialRecord, TrialState
from autocnn.spaces.space import Categorical, Condition, Float, Int, SearchSpace
from autocnn.tuning.engines.base import NoProposal, restore
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.samples import read_optuna_trials
from tests.tuning.engines.trials import FOUR_POINTS, GOAL, NINE_POINTS, propose, score

SPACE = SearchSpace(
    name="s",
    description="",
    epochs=18,
    channels="auto",
    parameters=(
        Categorical("family", choices=("plain", "resnet")),
        Int("kernel_size", (Condition("family", ("plain",)),), low=3, high=7, step=2),
        Float("stochastic_depth", (Condition("family", ("resnet",)),), low=0.0, high=0.3),
        Int("width", low=4, high=256, log=True),
        Float("learning_rate", low=1e-4, high=1e-1, log=True),
        Categorical("squeeze_excitation", choices=(False, True)),
    ),
    start=(
        {
            "family": "resnet",
            "stochastic_depth": 0.1,
            "width": 24,
            "learning_rate": 1e-3,
            "squeeze_excitation": False,
        },
        {
            "family": "plain",
            "kernel_size": 5,
            "width": 16,
            "learning_rate": 2e-3,
            "squeeze_excitation": True,
        },
    ),
)


def record(
    trial: int,
    params: Params,
    *,
    val: float | None = 0.5,
    train: float | None = None,
    state: TrialState = TrialState.COMPLETE,
    reason: str = "",
    from_start: bool = False,
) -> TrialRecord:
    """The record of a trial that ran alone."""
    history = () if val is None else (score(1, val, train),)
    return TrialRecord(
        trial=trial,
        state=state,
        reason=reason,
        params=dict(params),
        objective=val,
        best_epoch=None if val is None else 1,
        history=history,
        from_start=from_start,
        num_ended_before=trial,
        end_order=trial if state != TrialState.RUNNING else None,
    )


def run(engine: OptunaEngine, trials: range) -> list[TrialRecord]:
    """Let an engine run trials whose accuracy is a formula of the params."""
    records = []
    for trial in trials:
        proposal = propose(engine, trial)
        value = int(proposal.params["width"]) / 256
        engine.report(trial, score(1, value))
        records.append(record(trial, proposal.params, val=value, from_start=proposal.from_start))
        engine.tell(records[-1])
    return records


def params_of(records: list[TrialRecord]) -> list[Params]:
    return [r.params for r in records]


def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'optuna.db'}"


def optuna_trials(engine: OptunaEngine) -> list[optuna.trial.FrozenTrial]:
    """What the database would hold, without its tenths of a second per trial."""
    return engine._study.get_trials()


# -- what it proposes ----------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_the_start_points_come_first(sampler: SamplerName) -> None:
    engine = OptunaEngine(SPACE, GOAL, sampler=sampler)
    proposals = [propose(engine, trial) for trial in range(3)]
    assert [proposal.params for proposal in proposals[:2]] == [dict(p) for p in SPACE.start]
    assert [proposal.from_start for proposal in proposals] == [True, True, False]


def test_first_trials_of_tpe_keep_most_of_a_start_point() -> None:
    engine = OptunaEngine(SPACE, GOAL)
    points = [propose(engine, trial).params for trial in range(12)][2:]
    starts = [set(dict(point).items()) for point in SPACE.start]
    kept = [max(len(start & set(point.items())) for start in starts) for point in points]
    most = [max(len(start) for start in starts)] * len(points)
    assert all(few < all_of_them for few, all_of_them in zip(kept, most, strict=True))
    assert sum(kept) > 0.5 * sum(most)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_every_proposal_is_a_full_point_of_the_space(sampler: SamplerName) -> None:
    records = run(OptunaEngine(SPACE, GOAL, sampler=sampler, num_trials=15), range(15))
    assert [SPACE.problems_of(r.params) for r in records] == [[]] * 15
    families = {r.params["family"] for r in records}
    assert families == {"plain", "resnet"}, "both branches of the conditions were walked"


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
@pytest.mark.parametrize("seed", range(5))
def test_of_a_space_that_runs_out_a_resumed_engine_takes_the_same_points(
    sampler: SamplerName, seed: int
) -> None:
    """What was proposed before, and dropped for another point, is told by no record."""

    def new() -> OptunaEngine:
        return OptunaEngine(NINE_POINTS, GOAL, sampler=sampler, seed=seed, num_trials=9)

    live = new()
    records = run(live, range(9))
    assert len({str(r.params) for r in records}) == 9
    for number in range(1, 9):
        resumed = new()
        restore(resumed, records[:number])
        assert propose(resumed, number).params == records[number].params


def test_values_have_the_types_of_the_space() -> None:
    records = run(OptunaEngine(SPACE, GOAL, sampler="random"), range(6))
    for r in records:
        assert type(r.params["width"]) is int
        assert type(r.params["learning_rate"]) is float
        assert type(r.params["squeeze_excitation"]) is bool


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_the_same_seed_proposes_the_same_params(sampler: SamplerName) -> None:
    first, second = (
        run(OptunaEngine(SPACE, GOAL, sampler=sampler, seed=3, num_trials=12), range(12))
        for _ in range(2)
    )
    assert params_of(first) == params_of(second)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_another_seed_proposes_other_params(sampler: SamplerName) -> None:
    first = run(OptunaEngine(SPACE, GOAL, sampler=sampler, seed=3), range(6))
    second = run(OptunaEngine(SPACE, GOAL, sampler=sampler, seed=4), range(6))
    assert params_of(first)[:2] == params_of(second)[:2]
    same = [a.params for a, b in zip(first[2:], second[2:], strict=True) if a.params == b.params]
    assert same == []


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_no_two_trials_are_the_same(sampler: SamplerName) -> None:
    points = params_of(run(OptunaEngine(SPACE, GOAL, sampler=sampler), range(12)))
    assert len({tuple(sorted(point.items())) for point in points}) == 12


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_parameters_of_one_branch_vary_too(sampler: SamplerName) -> None:
    records = run(OptunaEngine(SPACE, GOAL, sampler=sampler), range(20))
    sizes = {r.params["kernel_size"] for r in records if r.params["family"] == "plain"}
    depths = [r.params["stochastic_depth"] for r in records if r.params["family"] == "resnet"]
    assert len(sizes) > 1
    assert len(set(depths)) == len(depths) > 2


def test_tpe_learns_where_the_good_values_are() -> None:
    records = run(OptunaEngine(SPACE, GOAL, num_trials=30), range(30))
    early = [int(r.params["width"]) for r in records[2:8]]
    late = [int(r.params["width"]) for r in records[-10:]]
    assert sum(late) / len(late) > sum(early) / len(early) + 50


# -- going on after a restart --------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_restored_engine_goes_on_as_if_it_had_never_stopped(sampler: SamplerName) -> None:
    whole = run(OptunaEngine(SPACE, GOAL, sampler=sampler, seed=3, num_trials=14), range(14))
    again = OptunaEngine(SPACE, GOAL, sampler=sampler, seed=3, num_trials=14)
    restore(again, whole[:10])
    assert params_of(run(again, range(10, 14))) == params_of(whole[10:])


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_a_restored_engine_repeats_no_start_point(sampler: SamplerName) -> None:
    engine = OptunaEngine(SPACE, GOAL, sampler=sampler)
    restore(engine, [record(0, SPACE.start[0]), record(1, SPACE.start[1])])
    proposal = propose(engine, 2)
    assert not proposal.from_start
    assert proposal.params not in [dict(point) for point in SPACE.start]


def test_every_state_is_restored_as_it_was_told() -> None:
    told, restored = (OptunaEngine(SPACE, Goal("accuracy", 0.1)) for _ in range(2))
    records = []
    for trial, (val, state, reason) in enumerate(
        [
            (0.6, TrialState.COMPLETE, ""),
            (0.4, TrialState.PRUNED, "behind"),
            (None, TrialState.FAILED, "ValueError"),
            (0.3, TrialState.TIMED_OUT, "too long"),
            (None, TrialState.RUNNING, ""),
        ]
    ):
        proposal = propose(told, trial)
        records.append(
            record(
                trial,
                proposal.params,
                val=val,
                train=0.9,
                state=state,
                reason=reason,
                from_start=proposal.from_start,
            )
        )
        for epoch in records[-1].history:
            told.report(trial, epoch)
        if state != TrialState.RUNNING:
            told.tell(records[-1])
    restore(restored, records)
    facts = [
        [
            (
                t.number,
                t.state,
                t.params,
                t.values,
                t.intermediate_values,
                t.user_attrs,
                t.constraints,
            )
            for t in optuna_trials(engine)
        ]
        for engine in (told, restored)
    ]
    assert len(facts[0]) == 5
    assert facts[0] == facts[1]


def test_an_open_trial_reports_anew_what_it_reported_before() -> None:
    engine = OptunaEngine(SPACE, GOAL)
    restore(engine, [record(0, SPACE.start[0], val=0.25, state=TrialState.RUNNING)])
    assert optuna_trials(engine)[0].intermediate_values == {}
    for epoch, val in ((1, 0.25), (2, 0.5), (2, 0.75)):
        engine.report(0, score(epoch, val))
    assert optuna_trials(engine)[0].intermediate_values == {1: 0.25, 2: 0.5}


def test_a_point_that_was_proposed_before_leaves_no_trial_after_a_restart() -> None:
    engine = OptunaEngine(FOUR_POINTS, GOAL, sampler="random")
    records = []
    for trial in range(4):
        proposal = propose(engine, trial)
        records.append(record(trial, proposal.params, from_start=proposal.from_start))
        engine.tell(records[-1])
    failed = [t for t in optuna_trials(engine) if t.state == OptunaState.FAIL]
    assert {t.user_attrs["reason"] for t in failed} == {"proposed before"}
    again = OptunaEngine(FOUR_POINTS, GOAL, sampler="random")
    restore(again, records)
    assert [t.user_attrs["trial"] for t in optuna_trials(again)] == [0, 1, 2, 3]
    assert again.ask(4) == engine.ask(4) == NoProposal.EXHAUSTED


def test_no_model_is_needed() -> None:
    engine = OptunaEngine(SPACE, GOAL)
    run(engine, range(5))
    assert engine.needed_models() == set()


# -- pruning -------------------------------------------------------------------------------


def report_all(engine: OptunaEngine, trial: int, val: float, epochs: int = 18) -> int | None:
    """Ask a trial, report equal epochs; returns the epoch at which it was pruned."""
    params = propose(engine, trial).params
    for epoch in range(1, epochs + 1):
        if engine.report(trial, score(epoch, val)):
            engine.tell(record(trial, params, val=val, state=TrialState.PRUNED, reason="x"))
            return epoch
    engine.tell(record(trial, params, val=val))
    return None


def test_asha_prunes_a_bad_trial_at_the_first_rung() -> None:
    engine = OptunaEngine(SPACE, GOAL, pruner="asha", epochs=18)
    for trial in range(4):
        report_all(engine, trial, val=0.9)
    assert report_all(engine, 4, val=0.1) == 3, "a sixth of 18 epochs"
    assert report_all(engine, 5, val=0.95) is None


@pytest.mark.parametrize("epochs", [3, 9, 10, 20])
def test_asha_prunes_no_trial_in_its_last_third_however_bad(epochs: int) -> None:
    engine = OptunaEngine(SPACE, GOAL, pruner="asha", epochs=epochs)
    for trial in range(8):
        propose(engine, trial)
    for epoch in range(1, epochs + 1):
        for trial in range(2, 8):
            # They trade places at each epoch: whoever is the worst is so at any rung.
            value = 0.9 - ((trial + epoch) % 6) / 10
            is_behind = engine.report(trial, score(epoch, value), epochs=epochs)
            assert not (is_behind and epoch > 2 * epochs / 3)


def test_asha_waits_for_the_end_of_the_warm_up_and_knows_short_schedules() -> None:
    space = SearchSpace(
        "s",
        "",
        18,
        "auto",
        (Int("warmup_epochs", low=0, high=5), Float("dropout", low=0.0, high=0.5)),
        ({"warmup_epochs": 5, "dropout": 0.1},),
    )
    engine = OptunaEngine(space, GOAL, pruner="asha", epochs=18)

    def first_stop(trial: int, epochs: int) -> tuple[int, int | None]:
        warmup = int(propose(engine, trial).params["warmup_epochs"])
        scores = (score(epoch, 0.9 - trial / 100) for epoch in range(1, epochs + 1))
        stops = (s.epoch for s in scores if engine.report(trial, s, epochs=epochs))
        return warmup, next(stops, None)

    assert first_stop(0, 18) == (5, None)
    assert first_stop(1, 18)[1] is None
    for trial, epochs in ((2, 18), (3, 18), (4, 12), (5, 6), (6, 6)):
        warmup, stopped = first_stop(trial, epochs)
        assert stopped == max(-(-epochs // 6), min(warmup, epochs // 2) + 1)


def test_the_median_pruner_prunes_a_bad_trial() -> None:
    engine = OptunaEngine(SPACE, GOAL, pruner="median", epochs=18)
    for trial in range(4):
        report_all(engine, trial, val=0.9)
    assert report_all(engine, 4, val=0.1) is not None


def test_no_pruner_prunes_nothing() -> None:
    engine = OptunaEngine(SPACE, GOAL, pruner="none", epochs=18)
    for trial in range(6):
        assert report_all(engine, trial, val=0.9 - trial / 10) is None


@pytest.mark.parametrize("pruner", ["asha", "median"])
def test_start_points_are_never_pruned(pruner: PrunerName) -> None:
    engine = OptunaEngine(SPACE, GOAL, pruner=pruner, epochs=18)
    first, second = propose(engine, 0), propose(engine, 1)
    others = [propose(engine, trial) for trial in range(2, 8)]
    for epoch in range(1, 19):
        for trial in range(2, 8):
            engine.report(trial, score(epoch, 0.9))
        assert not engine.report(0, score(epoch, 0.01))
        assert not engine.report(1, score(epoch, 0.02))
    assert first.from_start
    assert second.from_start
    assert not any(other.from_start for other in others)


def test_a_start_point_is_not_pruned_after_a_restart_either() -> None:
    engine = OptunaEngine(SPACE, GOAL, pruner="asha", epochs=18)
    point = dict(SPACE.start[0])
    restore(engine, [record(0, point, val=None, state=TrialState.RUNNING, from_start=True)])
    for trial in range(1, 6):
        report_all(engine, trial, val=0.9)
    assert not any(engine.report(0, score(epoch, 0.01)) for epoch in range(1, 19))


def test_log_loss_is_pruned_when_it_is_high() -> None:
    engine = OptunaEngine(SPACE, Goal("log_loss"), pruner="asha", epochs=18)
    for trial in range(4):
        report_all(engine, trial, val=0.1)
    assert report_all(engine, 4, val=5.0) == 3
    assert report_all(engine, 5, val=0.01) is None


def test_an_epoch_without_a_score_prunes_nothing() -> None:
    engine = OptunaEngine(SPACE, GOAL)
    for trial in range(5):
        report_all(engine, trial, val=0.9)
    propose(engine, 5)
    assert not any(engine.report(5, score(epoch, None)) for epoch in range(1, 19))


# -- the database --------------------------------------------------------------------------


@pytest.mark.slow
def test_the_database_opens_with_optuna(tmp_path: Path) -> None:
    engine = OptunaEngine(SPACE, Goal("accuracy", 0.125), storage=database(tmp_path), name="mine")
    propose(engine, 0)
    engine.report(0, score(1, 24 / 256))
    engine.tell(record(0, SPACE.start[0], val=24 / 256, train=0.5))
    engine.close()
    (trial,) = read_optuna_trials(tmp_path / "optuna.db", "mine")
    assert trial.state == OptunaState.COMPLETE
    assert trial.constraints == {"max_gap": 0.5 - 24 / 256 - 0.125}
    assert trial.params == SPACE.start[0]
    assert trial.value == 24 / 256
    assert trial.intermediate_values == {1: 24 / 256}
    assert trial.user_attrs == {
        "trial": 0,
        "from_start": True,
        "state": "complete",
        "best_epoch": 1,
    }


@pytest.mark.parametrize(
    ("goal", "direction"),
    [
        (Goal("accuracy"), optuna.study.StudyDirection.MAXIMIZE),
        (Goal("log_loss"), optuna.study.StudyDirection.MINIMIZE),
    ],
)
def test_the_direction_is_that_of_the_objective(
    goal: Goal, direction: optuna.study.StudyDirection
) -> None:
    assert OptunaEngine(SPACE, goal)._study.direction == direction


def test_the_gap_beyond_its_limit_is_a_constraint_not_a_penalty() -> None:
    engine = OptunaEngine(SPACE, Goal("accuracy", max_gap=0.125))
    for trial, train in enumerate((0.75, 0.5)):
        params = propose(engine, trial).params
        engine.tell(record(trial, params, val=0.5, train=train))
    trials = optuna_trials(engine)
    assert [trial.constraints for trial in trials] == [{"max_gap": 0.125}, {"max_gap": -0.125}]
    assert [trial.value for trial in trials] == [0.5, 0.5]


def test_without_a_limit_there_is_no_constraint() -> None:
    engine = OptunaEngine(SPACE, GOAL)
    engine.tell(record(0, propose(engine, 0).params, val=0.5, train=1.0))
    assert optuna_trials(engine)[0].constraints == {}


def test_states_in_optuna_s_terms() -> None:
    ends = [
        (TrialState.COMPLETE, 0.5, OptunaState.COMPLETE),
        (TrialState.PRUNED, 0.5, OptunaState.PRUNED),
        (TrialState.CUT, 0.5, OptunaState.PRUNED),
        (TrialState.PRUNED, None, OptunaState.FAIL),
        (TrialState.FAILED, None, OptunaState.FAIL),
        (TrialState.FAILED, 0.5, OptunaState.FAIL),
        (TrialState.OUT_OF_MEMORY, None, OptunaState.PRUNED),
        (TrialState.TIMED_OUT, 0.5, OptunaState.PRUNED),
        (TrialState.INTERRUPTED, 0.5, OptunaState.FAIL),
    ]
    engine = OptunaEngine(SPACE, GOAL)
    for trial, (state, val, _) in enumerate(ends):
        params = propose(engine, trial).params
        if val is not None:
            engine.report(trial, score(1, val))
        engine.tell(record(trial, params, val=val, state=state, reason="because"))
    trials = optuna_trials(engine)
    assert [trial.state for trial in trials] == [expected for _, _, expected in ends]
    assert [trial.user_attrs["state"] for trial in trials] == [str(state) for state, _, _ in ends]
    assert {trial.user_attrs["reason"] for trial in trials} == {"because"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        {"state": TrialState.FAILED, "is_diverged": True},
        {"state": TrialState.OUT_OF_MEMORY},
        {"state": TrialState.TIMED_OUT},
    ],
)
def test_the_sampler_learns_to_leave_a_corner_in_which_trials_fail(fault: dict[str, Any]) -> None:
    """Where half the space fails, it proposes fewer of its points; a kill teaches it nothing."""

    def count_failures(fault: dict[str, Any]) -> int:
        engine = OptunaEngine(SPACE, GOAL, num_trials=15)
        failures = 0
        for trial in range(40):
            params = propose(engine, trial).params
            is_fault = float(params["learning_rate"]) > 3e-3
            engine.report(trial, score(1, 0.9 if is_fault else 0.5))  # good until it failed
            ended = record(trial, params, val=0.9 if is_fault else 0.5)
            engine.tell(ended.model_copy(update=fault if is_fault else {}))
            failures += is_fault and trial >= 15
        return failures

    killed = count_failures({"state": TrialState.FAILED, "objective": None})
    assert count_failures(fault) < 0.6 * killed


def test_a_fault_of_the_params_is_worse_than_any_gap() -> None:
    engine = OptunaEngine(SPACE, Goal("accuracy", max_gap=0.125))
    params = propose(engine, 0).params
    engine.tell(record(0, params, val=0.5, train=0.75, state=TrialState.OUT_OF_MEMORY))
    assert optuna_trials(engine)[0].constraints == {"fault": 1e6}


def test_failed_trials_do_not_stop_the_sampler() -> None:
    engine = OptunaEngine(SPACE, GOAL, num_trials=10)
    for trial in range(10):
        params = propose(engine, trial).params
        engine.tell(record(trial, params, val=None, state=TrialState.FAILED, reason="x"))
        assert SPACE.problems_of(params) == []
