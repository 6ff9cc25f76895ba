"""optuna.db holds what Optuna itself would have written."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest

from autocnn.core.errors import DiskFullError
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, TrialRecord, TrialState
from autocnn.spaces.space import Categorical, Condition, Float, Int, SearchSpace
from autocnn.tuning.engines import optuna_view
from autocnn.tuning.engines.base import Proposal
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.samples import read_optuna_trials
from tests.simulation.executor import formula

SPACE = SearchSpace(
    "small",
    "",
    6,
    "auto",
    (
        Categorical("family", choices=("plain", "resnet")),
        Int("width", low=8, high=256, log=True),
        Float("rate", (Condition("family", ("plain",)),), low=1e-4, high=1e-2, log=True),
    ),
    ({"family": "plain", "width": 8, "rate": 1e-3},),
)


def drive(engine: OptunaEngine, num_trials: int = 12) -> None:
    """Trials that end in all ways; the last one goes on."""
    for trial in range(num_trials):
        proposal = engine.ask(trial)
        assert isinstance(proposal, Proposal)
        history: list[EpochScore] = []
        is_behind = False
        while len(history) < 6 and not is_behind:
            history.append(formula(proposal.params, len(history) + 1))
            is_behind = engine.report(trial, history[-1])
        if trial == num_trials - 1:
            return
        state = TrialState.PRUNED if is_behind else TrialState.COMPLETE
        engine.tell(
            TrialRecord(
                trial=trial,
                state=TrialState.FAILED if trial % 5 == 4 else state,
                reason="because" if trial % 5 == 4 else "",
                params=proposal.params,
                objective=history[-1].val.accuracy,
                best_epoch=len(history),
                history=tuple(history),
            )
        )


def facts_of(trial: optuna.trial.FrozenTrial) -> tuple[Any, ...]:
    return (
        trial.number,
        trial.state,
        trial.values,
        trial.params,
        trial.distributions,
        trial.intermediate_values,
        trial.user_attrs,
        trial.constraints,
    )


def test_the_database_shows_the_study_as_it_is(tmp_path: Path) -> None:
    engine = OptunaEngine(
        SPACE, Goal("accuracy", 0.01), epochs=6, storage=f"sqlite:///{tmp_path}/optuna.db"
    )
    drive(engine)
    shown = read_optuna_trials(tmp_path / "optuna.db", "study")
    assert [facts_of(trial) for trial in shown] == [facts_of(t) for t in engine._study.trials]
    states = {trial.state.name for trial in shown}
    assert states == {"COMPLETE", "PRUNED", "FAIL", "RUNNING"}
    assert all(trial.datetime_start is not None for trial in shown)
    engine.close()


def test_what_was_proposed_before_is_shown_as_dropped(tmp_path: Path) -> None:
    space = SearchSpace("tiny", "", 2, "auto", (Int("width", low=1, high=3),), ({"width": 2},))
    engine = OptunaEngine(
        space, Goal("accuracy"), sampler="random", storage=f"sqlite:///{tmp_path}/optuna.db"
    )
    for trial in range(3):
        engine.ask(trial)
    shown = read_optuna_trials(tmp_path / "optuna.db", "study")
    assert [facts_of(trial) for trial in shown] == [facts_of(t) for t in engine._study.trials]
    engine.close()


def test_the_tables_are_those_that_this_optuna_makes(tmp_path: Path) -> None:
    engine = OptunaEngine(SPACE, Goal("accuracy"), storage=f"sqlite:///{tmp_path}/optuna.db")
    assert engine._view is not None
    assert engine._view._is_known
    engine.close()


def test_other_tables_are_left_to_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna_view, "KNOWN_SCHEMA", 1)
    engine = OptunaEngine(
        SPACE, Goal("accuracy"), epochs=6, storage=f"sqlite:///{tmp_path}/optuna.db"
    )
    drive(engine)
    shown = read_optuna_trials(tmp_path / "optuna.db", "study")
    ended = [facts_of(trial) for trial in engine._study.trials[:-1]]
    assert [facts_of(trial) for trial in shown] == ended, "a trial is shown once it has ended"
    engine.close()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    engine = OptunaEngine(SPACE, Goal("accuracy"), storage=f"sqlite:///{tmp_path}/optuna.db")
    assert engine._view is not None
    engine._view._database.execute("PRAGMA max_page_count=1")  # of more, as many as there are
    with pytest.raises(DiskFullError, match=r"optuna\.db: must be writable, got: .*full"):
        for trial in range(100):
            engine.ask(trial)
    engine.close()


@pytest.mark.parametrize("schema", [optuna_view.KNOWN_SCHEMA, 1])
def test_a_study_goes_on_without_a_database_that_a_reader_holds(
    schema: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna_view, "BUSY_S", 0.0)
    monkeypatch.setattr(optuna_view, "KNOWN_SCHEMA", schema)
    said: list[str] = []
    path = tmp_path / "optuna.db"
    url = f"sqlite:///{path}?timeout=0"
    engine = OptunaEngine(SPACE, Goal("accuracy"), epochs=6, storage=url, warn=said.append)
    with contextlib.closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN EXCLUSIVE")
        drive(engine)
    engine.close()
    (sentence,) = said
    assert sentence.startswith(
        "optuna.db cannot be written (database is locked): the study goes on"
    )


def test_a_study_goes_on_without_a_database_that_cannot_be_made(tmp_path: Path) -> None:
    said: list[str] = []
    url = f"sqlite:///{tmp_path}/nowhere/optuna.db"
    engine = OptunaEngine(SPACE, Goal("accuracy"), epochs=6, storage=url, warn=said.append)
    drive(engine)
    engine.close()
    (sentence,) = said
    assert "optuna.db cannot be written (unable to open database file)" in sentence
