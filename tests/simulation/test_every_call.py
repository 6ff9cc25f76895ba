"""Each call to the disk fails once: the study ends as if nothing had happened, or says why not.

A small study is run to its end once; then once for each of its calls and each way in which that may
fail, and resumed. With `--full` that is all of them, else a sample.
"""

import errno
from dataclasses import replace

import pytest

from autocnn.data import Dataset
from tests.simulation.scenario import Scenario, Session
from tests.simulation.studies import Simulation, run

STEP, QUICK_STEP = 23, 478
"""Of the calls and kinds of failure, every so many-th is tried without `--full`."""

FAILURES = {
    "no space": Session("error", code=errno.ENOSPC),
    "input/output error": Session("error", code=errno.EIO),
    "permission denied": Session("error", code=errno.EACCES),
    "interrupted": Session("error", code=errno.EINTR),
    "no space from then on": Session("error", code=errno.ENOSPC, is_lasting=True),
    "refused from then on": Session("error", code=errno.EACCES, is_lasting=True),
    "killed": Session("kill"),
    "torn": Session("torn"),
    "power cut": Session("power"),
}

STUDIES = {
    "plain": Scenario(1, trials=2, epochs=2, finalists=1, folds=0),
    "with folds and want of memory": Scenario(
        8, space="few", trials=1, epochs=2, finalists=1, folds=2, trouble=0.5
    ),
    "extended": Scenario(4, (Session(), Session(trials=2)), trials=1, epochs=1),
}


def count_calls(scenario: Scenario, dataset: Dataset) -> int:
    """Calls of its last session."""
    simulation = Simulation(scenario, dataset)
    simulation.run()
    return simulation.disk.num_calls


def fail_at(scenario: Scenario, failure: Session, at: int) -> Scenario:
    """The same, but that its last session fails at a call, and is resumed."""
    *before, last = scenario.sessions or (Session(),)
    failing = replace(failure, at=at, counts_reads=True, trials=last.trials)
    return replace(scenario, sessions=(*before, failing, last))


def check(name: str, dataset: Dataset, step: int) -> int:
    """Try every so many-th call and failure; how many were tried."""
    scenario = STUDIES[name]
    expected = run(scenario, dataset).outcome()
    number = count_calls(scenario, dataset)
    points = [(at, kind) for at in range(1, number + 1) for kind in FAILURES]
    broken = []
    for at, kind in points[::step]:
        failing = fail_at(scenario, FAILURES[kind], at)
        try:
            found = Simulation(failing, dataset)
            found.run()
            if found.outcome() != expected:
                broken.append(f"{kind} at call {at}: another outcome")
        except Exception as error:  # noqa: BLE001 - all of them are told
            broken.append(f"{kind} at call {at}: {type(error).__name__}: {error}")
    assert broken == [], "\n".join(broken)
    return len(points[::step])


@pytest.mark.parametrize("name", STUDIES)
def test_some_calls_fail(name: str, dataset: Dataset) -> None:
    assert check(name, dataset, QUICK_STEP) > 3


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_many_calls_fail(name: str, dataset: Dataset) -> None:
    assert check(name, dataset, STEP) > 90


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("name", STUDIES)
def test_every_call_fails(name: str, dataset: Dataset) -> None:
    assert check(name, dataset, 1) > 1000
