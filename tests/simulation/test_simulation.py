"""Drawn studies keep all promises; those that once did not keep them now."""

import json
from dataclasses import replace

import numpy as np
import pytest

from autocnn.data import Dataset
from autocnn.storage.trials import TrialFiles
from autocnn.tuning.budget import Budget
from tests.simulation import __main__ as program
from tests.simulation.scenario import Scenario, Session, draw, from_json, simpler, to_json
from tests.simulation.studies import run
from tests.simulation.training import Broken

NUM_QUICK = 100

NUM_SLOW = 2000
"""A minute."""


def check(first: int, last: int, dataset: Dataset) -> None:
    for seed in range(first, last):
        scenario = draw(seed)
        fault = program.find_fault(scenario, dataset)
        if fault is not None:
            scenario, fault = program.shrink(scenario, fault, dataset)
            pytest.fail(f"{fault}\n    {program.command(scenario)}")


def test_drawn_studies_keep_all_promises(dataset: Dataset) -> None:
    check(0, NUM_QUICK, dataset)


@pytest.mark.slow
def test_many_drawn_studies_keep_all_promises(dataset: Dataset) -> None:
    check(NUM_QUICK, NUM_SLOW, dataset)


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("first", range(NUM_SLOW, 20_000, 1000))
def test_as_many_as_one_likes(dataset: Dataset, first: int) -> None:
    check(first, first + 1000, dataset)


def test_the_same_seed_is_the_same_study(dataset: Dataset) -> None:
    scenario = draw(7)
    assert run(scenario, dataset).outcome() == run(draw(7), dataset).outcome()


def test_drawn_studies_meet_every_fault() -> None:
    """What no seed draws, no seed tests."""
    sessions = [session for seed in range(300) for session in draw(seed).sessions]
    assert {session.stop for session in sessions} == {
        "",
        "ctrl-c",
        "ctrl-c twice",
        "full",
        "error",
        "torn",
        "kill",
        "power",
    }
    assert {session.workers for session in sessions} >= {1, 2, 64}
    assert any(session.trials for session in sessions)
    scenarios = [draw(seed) for seed in range(300)]
    assert {s.is_timed for s in scenarios} == {s.has_fork for s in scenarios} == {True, False}
    assert {s.sampler for s in scenarios} == {"random", "tpe", "qmc"}
    judged = [s for s in map(draw, range(2000)) if s.is_judged]
    assert {bool(s.folds) for s in judged} == {s.members > 1 for s in judged} == {True, False}
    assert {session.stop for s in judged for session in s.sessions if session.is_late} >= {"kill"}


def test_a_scenario_is_told_as_one_command(dataset: Dataset) -> None:
    scenario = draw(11)
    assert program.command(scenario) == "python -m tests.simulation --seeds 11:12"
    for changed in simpler(scenario):
        assert from_json(11, json.loads(json.dumps(to_json(changed)))) == changed


def test_a_failing_seed_is_printed_and_made_simpler(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_badly(scenario: Scenario, dataset: Dataset) -> None:
        if any(session.stop == "power" for session in scenario.sessions) and scenario.trials > 1:
            raise Broken("planted")

    monkeypatch.setattr(program, "run", run_badly)
    assert program.main(["--seeds", "0:6"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Broken: planted"
    monkeypatch.undo()
    changes = lines[1].partition("--change ")[2].strip("'")
    shrunk = from_json(int(lines[1].split("--seeds ")[1].split(":")[0]), json.loads(changes))
    sessions = (Session("power", shrunk.sessions[0].at),)
    assert shrunk == Scenario(shrunk.seed, sessions, trials=2, epochs=shrunk.epochs)


# -- what the simulation found -------------------------------------------------------------


def test_a_study_of_which_nothing_finished_says_so_at_each_resume(dataset: Dataset) -> None:
    """docs/reliability.md says what it was; test_every_call.py has the calls that were met."""
    run(Scenario(22, (Session(), Session()), trials=1, epochs=1, trouble=0.2), dataset)


FOUND = {
    51: Scenario(
        51,
        (
            Session("power", 4),
            Session("power", 329),
            Session("power", 23, is_lasting=True),
            Session("full", 11, trials=4, more_time=1.5),
            Session("power", 4, is_lasting=True, trials=2),
        ),
        pruner="asha",
        objective="log_loss",
        trials=2,
        epochs=5,
        budget_s=390.7,
        trouble=0.5,
        is_strict=False,
    ),
    3387: Scenario(3387, (Session("kill", 63), Session("power", 25)), trials=1, epochs=1),
    169: Scenario(
        169,
        (Session("error", 145), Session("kill", 29), Session("power", 1, is_lasting=True)),
        pruner="asha",
        max_gap=0.05,
        trials=1,
        epochs=1,
    ),
    601236: Scenario(
        601236,
        (
            Session("kill", 2),
            Session("full", 133, is_lasting=True, workers=64),
            Session("full", 174),
            Session("power", 7),
        ),
        trials=3,
        epochs=2,
        finalists=2,
    ),
    10932: Scenario(
        10932,
        (Session("full", 146, workers=2),),
        space="few",
        pruner="median",
        trials=2,
        epochs=2,
        budget_s=62.8,
        finalists=3,
    ),
}
"""What the seeds that docs/reliability.md names drew when they found something."""


@pytest.mark.parametrize("seed", FOUND)
def test_what_once_broke_a_promise_keeps_it(seed: int, dataset: Dataset) -> None:
    """Also some writes earlier and later, as a session may have had others then."""
    first, *rest = FOUND[seed].sessions
    for at in range(max(1, first.at - 8), first.at + 5):
        run(replace(FOUND[seed], sessions=(replace(first, at=at), *rest)), dataset)


def test_promises_that_are_broken_are_noticed(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that says nothing of the end, a model that is gone, a budget that nobody keeps."""
    write = TrialFiles.write_trial
    scenario = Scenario(0, (Session(),), trials=3)
    with monkeypatch.context() as patch:
        patch.setattr(
            TrialFiles,
            "write_trial",
            lambda folder, record: write(folder, record) if record.is_open else None,
        )
        with pytest.raises(Broken, match="trial 0 has ended, and that is lost"):
            run(scenario, dataset)
    with monkeypatch.context() as patch:
        patch.setattr(
            TrialFiles,
            "remove_models",
            lambda folder, _: [path.unlink() for path in folder.path.glob("trials/*/model.keras")],
        )
        with pytest.raises(Broken, match="lacks its model"):
            run(scenario, dataset)
    with monkeypatch.context() as patch:
        patch.setattr(Budget, "left_s", 1e6)
        with pytest.raises(Broken, match="the budget is overrun by"):
            run(replace(scenario, trials=30, budget_s=100.0), dataset)


JUDGED = Scenario(3, trials=2, epochs=1, finalists=2, is_judged=True)


def test_killed_at_any_write_the_judging_goes_on(dataset: Dataset) -> None:
    expected = run(JUDGED, dataset).outcome()
    for at in range(1, 60, 7):
        for stop in ("kill", "torn", "power"):
            killed = replace(JUDGED, sessions=(Session(stop, at, is_late=True), Session()))
            assert run(killed, dataset).outcome() == expected


def test_judging_that_breaks_a_promise_is_noticed(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished candidate is judged again, another model is taken for it, a member was not
    asked, test is closed."""

    with monkeypatch.context() as patch:
        patch.setattr("autocnn.selection.judge.read_recipe", lambda path: "")
        with pytest.raises(Broken, match="judged again"):
            for at in range(1, 80):
                sessions = (Session("kill", at, is_late=True), Session())
                run(replace(JUDGED, sessions=sessions), dataset)
    with monkeypatch.context() as patch:
        patch.setattr("tests.simulation.judging.candidate_of", lambda task: str(task).encode()[:9])
        patch.setattr("tests.simulation.judging.probabilities_of", _probabilities)
        with pytest.raises(Broken, match="is not of candidate"):
            run(JUDGED, dataset)
    with monkeypatch.context() as patch:
        patch.setattr("autocnn.selection.judge._predict_test", lambda *_: None)
        with pytest.raises(Broken, match=r"test\.npy is not of it$"):
            run(JUDGED, dataset)
    with monkeypatch.context() as patch:
        patch.setattr("autocnn.study.finish._open_test", lambda *_: None)
        with pytest.raises(Broken, match="test is closed"):
            run(JUDGED, dataset)


def _probabilities(content: bytes, number: int, num_classes: int) -> np.ndarray:
    """Others each time, but of members, which also predict disturbed images."""
    return np.random.default_rng(0 if number > 27 else None).random((number, num_classes))


def test_a_finished_study_that_goes_on_without_time_is_noticed(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its refits would give way to the trials' own models."""
    scenario = Scenario(4, (Session(),), trials=1, epochs=1)
    finished = run(scenario, dataset)
    with finished.disk.mounted():
        seconds = finished.folder.read_status().seconds
    late, hardly = (
        replace(scenario, sessions=(Session(), Session(trials=9, budget_s=limit_s)))
        for limit_s in (seconds, seconds + 1.0)
    )
    for extended in (late, hardly):
        assert run(extended, dataset).outcome() == finished.outcome()
    monkeypatch.setattr("autocnn.study.finish._is_less", lambda *_, **__: False)
    with pytest.raises(Broken, match="opened again"):
        run(hardly, dataset)
    monkeypatch.setattr("autocnn.study.run._limit_s", lambda config: float("inf"))
    with pytest.raises(Broken, match="lost its end"):
        run(late, dataset)
