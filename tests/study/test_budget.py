"""The policy of docs/budget.md, in drawn situations."""

import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autocnn.core.objective import Goal
from autocnn.core.records import TrialRecord, TrialState
from autocnn.data import Dataset
from autocnn.tuning.budget import SCHEDULES, epoch_seconds
from tests.selection.studies import make_dataset
from tests.study.situations import MEMBERS, Drawn, Situation, draw, make, without_waiting

NUM_SITUATIONS = 1000
PART = 40
"""Situations of one test."""

GOAL = Goal("accuracy")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("budget"))


@dataclass(frozen=True)
class Found:
    """What became of one end of a study.

    Attributes:
        used: Share of the budget that was used.
        overrun_s: Seconds beyond it.
        allowed_s: The longest epoch, with the start of its process, and the judging.
        is_spent: Whether 90 % were used, or neither another epoch of a trial nor another refit of
            the best one would have fitted, where trials were left. A refit of an earlier end is
            not made again: more may be left then.
        worst: How much worse than the best trial the best model at the end is.
    """

    used: float
    overrun_s: float
    allowed_s: float
    is_spent: bool
    worst: float


def look(drawn: Drawn, budget_s: float) -> Found:
    """What became of a study that has ended."""
    records, situation = drawn.records, drawn.situation
    elapsed = drawn.executor.clock.now
    begun = [record for record in records if record.history]
    typical = statistics.median(epoch_seconds(record.history) for record in begun)
    is_left = situation.trials is None or len(records) < situation.trials
    is_left = is_left and drawn.num_ends == 1
    judged_s = drawn.judged_s[-1]
    late_s = judged_s / situation.judging_error - judged_s  # it was thought to take that more
    next_s = typical + situation.start_s + situation.compile_s + late_s
    best = drawn.finalists[0]
    if best.is_retrained and len(best.members) <= MEMBERS:  # the search has left time for them
        next_s = best.refit.seconds + late_s
    return Found(
        used=elapsed / budget_s,
        overrun_s=elapsed - budget_s,
        allowed_s=drawn.executor.longest_s + drawn.judged_s[-1],
        is_spent=not is_left or elapsed >= 0.9 * budget_s or elapsed + next_s > budget_s,
        worst=max(quality(r) for r in records if r.may_win)
        - max(
            quality(f.trial)
            for f in drawn.finalists
            if not f.is_retrained or len(f.refit.history) >= fewest_epochs(f.trial)
        ),
    )


def fewest_epochs(record: TrialRecord) -> int:
    """Of a refit that counts as a whole one."""
    return max(1, round(SCHEDULES[-1] * (record.best_epoch or 1)))


def quality(record: TrialRecord) -> float:
    return record.objective or 0.0


def run(situation: Situation, dataset: Dataset, place: Path) -> list[Found]:
    """The ends of a study: the first, and that with a larger budget."""
    drawn, config = make(situation, dataset, place)
    drawn.run(config)
    found = [look(drawn, situation.budget_s)]
    if situation.more is not None:
        budget_s = situation.more * max(situation.budget_s, drawn.executor.clock.now)
        drawn.go_on(budget_s)
        found.append(look(drawn, budget_s))
    return found


def problems(situation: Situation, found: Found) -> list[str]:
    """The promises that are not kept."""
    kept = {
        "overrun": found.overrun_s <= found.allowed_s,
        "idle": found.is_spent,
        "worse": found.worst <= 1e-9,
    }
    return [f"{name}: {situation} {found}" for name, is_kept in kept.items() if not is_kept]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All situations with `--full`, else a part of them."""
    if "first" in metafunc.fixturenames:
        number = NUM_SITUATIONS if metafunc.config.getoption("--full") else PART
        metafunc.parametrize("first", range(0, number, PART))


@pytest.mark.slow
def test_the_promises_of_a_budget_hold_in_drawn_situations(
    dataset: Dataset, tmp_path: Path, first: int
) -> None:
    """No overrun beyond an epoch and the judging, nothing worse than a trial, nothing idle."""
    broken = []
    for seed in range(first, first + PART):
        place = tmp_path / str(seed)
        place.mkdir()
        situation = draw(seed)
        with without_waiting(dataset, situation):
            for found in run(situation, dataset, place):
                broken += problems(situation, found)
    assert broken == []


def one(**changes: object) -> Situation:
    """A situation that is not drawn."""
    facts = draw(0)
    plain = replace(
        facts,
        noise=0.0,
        judged=0.2,
        judging_error=1.0,
        start_s=2.0,
        compile_s=3.0,
        workers=1,
        finalists=3,
        folds=0,
        pruner="none",
        num_stops=0,
        more=None,
        trials=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_slow_epochs_and_a_short_budget_end_in_the_model_of_the_trial(
    dataset: Dataset, tmp_path: Path
) -> None:
    """Epochs of 400 s in an hour: a trial of eight epochs, whose refit would take too long."""
    situation = one(budget_s=3600.0, epoch_s=400.0, epochs=30)
    with without_waiting(dataset, situation):
        drawn, config = make(situation, dataset, tmp_path)
        drawn.run(config)
    assert [(r.state, len(r.history)) for r in drawn.records] == [(TrialState.COMPLETE, 8)]
    assert [(f.number, f.is_retrained) for f in drawn.finalists] == [(0, False)]
    assert drawn.executor.clock.now < 3600.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_budget_of_four_trainings_gives_two_trials_and_a_refit(
    dataset: Dataset, tmp_path: Path, seed: int
) -> None:
    """Half of it, but for the judging, is a training of the default; the seed says how slow the
    second trial is.

    That one has the schedule that fits beside the first and its refit, and is not stopped.
    """
    situation = one(
        seed=seed,
        budget_s=620.0,
        epoch_s=8.6,
        epochs=32,
        start_s=5.0,
        compile_s=12.0,
        judged=0.5,
        workers=2,
        folds=3,
        pruner="asha",
    )
    with without_waiting(dataset, situation):
        drawn, config = make(situation, dataset, tmp_path)
        drawn.run(config)
    first, second = (record for record in drawn.records if record.trial < 2)
    assert first.state == TrialState.COMPLETE and len(first.history) >= 26
    assert second.state != TrialState.PRUNED
    assert any(finalist.is_retrained for finalist in drawn.finalists)


def test_a_trial_that_was_cut_goes_on_with_a_larger_budget(
    dataset: Dataset, tmp_path: Path
) -> None:
    situation = one(budget_s=1000.0, epoch_s=10.0, epochs=20, workers=2, folds=2)
    with without_waiting(dataset, situation):
        for seed in range(20):  # one of them has a trial that was cut
            drawn, config = make(replace(situation, seed=seed, noise=0.1), dataset, tmp_path)
            drawn.run(config.model_copy(update={"name": f"drawn-{seed}"}))
            cut = [record for record in drawn.records if record.state == TrialState.CUT]
            if cut:
                break
        assert cut
        drawn.go_on(3000.0)
    after = {record.trial: record for record in drawn.records}
    for record in cut:
        ended = after[record.trial]
        assert ended.state != TrialState.CUT
        assert ended.history[: len(record.history)] == record.history
        assert len(ended.history) > len(record.history)


def test_a_trial_whose_own_model_was_judged_and_that_goes_on_is_judged_again(
    dataset: Dataset, tmp_path: Path
) -> None:
    """The budget had cut it; with a larger one it ends, and a refit still takes too long."""
    situation = draw(206)
    with without_waiting(dataset, situation):
        drawn, config = make(situation, dataset, tmp_path)
        drawn.run(config)
        assert any(not f.is_retrained and f.trial.state == TrialState.CUT for f in drawn.finalists)
        drawn.go_on(1.5 * situation.budget_s)
    assert not drawn.finalists[0].is_retrained
    assert drawn.finalists[0].trial.state == TrialState.COMPLETE
    assert look(drawn, 1.5 * situation.budget_s).worst <= 0.0


@pytest.mark.parametrize("changes", [{"budget_s": 1.0}, {"trials": 900}])
def test_a_finished_study_without_time_stays_as_it_is(
    dataset: Dataset, tmp_path: Path, changes: dict[str, object]
) -> None:
    situation = one(budget_s=600.0, epoch_s=1.0, epochs=5, trials=500)
    with without_waiting(dataset, situation):
        drawn, config = make(situation, dataset, tmp_path)
        drawn.run(config)
        assert drawn.folder is not None
        before = drawn.folder.read_status()
        assert before.is_done and drawn.finalists[0].is_retrained
        drawn._go_on(None, **changes)
    after = drawn.folder.read_status()
    assert (after.is_done, after.finalists) == (True, before.finalists)
