"""The loop of the search with a budget: schedules that fit, trials that are cut, what goes on."""

from collections import Counter

import pytest

from autocnn.core.records import EpochScore, Params, Scores, TrialRecord, TrialState
from autocnn.execution.executor import EndEvent, Event, Outcome
from autocnn.execution.runner import Stop
from autocnn.execution.tasks import TrainingTask
from autocnn.tuning.engines.base import NoProposal, Proposal
from autocnn.tuning.loop import HALF_BATCH, OUT_OF_TIME, TOO_SLOW, find_stop, rank_trials
from tests.simulation.executor import GOAL, ListEngine, SimulatedExecutor, SimulatedTask, formula
from tests.tuning.conftest import StudyMaker


def test_the_budget_ends_the_search_and_leaves_time_for_the_finalist(
    make_study: StudyMaker,
) -> None:
    study = make_study(trials=1000, epochs=3, budget_s=60.0)
    records = study.run()
    assert 3 < len(records) < 30
    planned = study.budget.planned_s(rank_trials(GOAL, records))
    assert planned > 0
    assert study.executor.clock.now + planned <= 60.0 + 3.0, "at most a trial over"
    assert study.executor.num_running == 0


def test_a_trial_that_starts_late_gets_fewer_epochs(make_study: StudyMaker) -> None:
    study = make_study(trials=1000, epochs=10, budget_s=63.0)
    study.run()
    epochs = [int(said.split()[2]) for said in study.observer.said if said.startswith("start")]
    assert epochs[0] == 10
    assert 10 > epochs[-1] >= 4


def test_the_first_trial_is_fitted_into_the_budget_and_goes_on_from_its_epoch(
    make_study: StudyMaker,
) -> None:
    """Its judging takes 8 s of the 20; the second epoch tells, and no epoch is trained twice."""
    study = make_study(trials=1, epochs=1000, budget_s=20.0)
    (record,) = study.run()
    assert (record.state, record.reason, record.epochs) == (TrialState.COMPLETE, "", 12)
    assert [score.epoch for score in record.history] == list(range(1, 13))
    assert [task.epochs for task in study.executor.trainings] == [1000, 12]
    assert study.executor.clock.now == 12.0
    assert study.observer.said[1:6] == [
        "start 0 1000",
        "epoch 0 1",
        "epoch 0 2",
        "note trial 0 trains 12 epochs, not 1000: so many fit into the budget",
        "epoch 0 3",
    ], "whoever watches it sees it go on"
    assert study.folder.read_trials() == [record]


class Slower(SimulatedExecutor):
    """From the fourth epoch on, each takes five times as long."""

    def _train(self, key: int, running: SimulatedTask, task: TrainingTask) -> EpochScore:
        self.epoch_s[key] = 5.0 if len(running.history) > 3 else 1.0
        return super()._train(key, running, task)


def test_a_trial_is_stopped_when_time_is_up_and_may_still_win(make_study: StudyMaker) -> None:
    study = make_study(executor=Slower(), trials=1, epochs=1000, budget_s=20.0)
    (record,) = study.run()
    assert (record.state, record.reason) == (TrialState.CUT, OUT_OF_TIME)
    assert len(record.history) == 6
    assert study.executor.clock.now == 14.0, "not another 5 s: the judging takes 8"
    assert rank_trials(GOAL, [record]) == [record]
    assert study.kept_models() == [0]
    checkpoint_path = study.folder.path / "trials" / "0000" / "checkpoint"
    assert checkpoint_path.exists(), "with more time it goes on"


def test_a_trial_too_slow_for_the_time_left_ends_at_once_and_stays_as_it_is(
    make_study: StudyMaker,
) -> None:
    executor = SimulatedExecutor(epoch_s={1: 60.0})
    study = make_study(executor=executor, trials=4, epochs=10, budget_s=120.0)
    records = study.run()
    assert (records[1].state, records[1].reason) == (TrialState.CUT, TOO_SLOW)
    assert len(records[1].history) == 1
    assert records[1] in rank_trials(GOAL, records)


def test_a_trial_too_slow_has_the_schedule_that_fits_where_a_third_does(
    make_study: StudyMaker,
) -> None:
    executor = SimulatedExecutor(epoch_s={1: 15.0})
    study = make_study(executor=executor, trials=2, epochs=10, budget_s=120.0)
    records = study.run()
    assert (records[1].state, records[1].reason) == (TrialState.COMPLETE, "")
    assert records[1].epochs is not None
    assert 4 <= records[1].epochs < 10
    assert [score.epoch for score in records[1].history] == list(range(1, records[1].epochs + 1))
    assert [task.epochs for task in executor.trainings] == [10, 10, records[1].epochs]


def test_a_start_point_is_never_too_slow_but_fitted(make_study: StudyMaker) -> None:
    executor = SimulatedExecutor(epoch_s={0: 20.0})
    records = make_study(executor=executor, trials=1, epochs=10, budget_s=120.0).run()
    assert (records[0].reason, len(records[0].history)) == ("", 5)


def test_no_start_point_is_too_slow(make_study: StudyMaker) -> None:
    class Starting(ListEngine):
        def ask(self, trial: int) -> Proposal | NoProposal:
            return Proposal({"width": 8}, from_start=True)

    executor = SimulatedExecutor(epoch_s={1: 35.0})
    study = make_study(engine=Starting(), executor=executor, trials=2, epochs=10, budget_s=120.0)
    records = study.run()
    assert (records[1].reason, len(records[1].history)) == (OUT_OF_TIME, 3)


@pytest.mark.slow
def test_a_budget_alone_searches_until_it_is_spent(make_study: StudyMaker) -> None:
    study = make_study(trials=None, epochs=2, budget_s=400.0)
    records = study.run()
    assert len(records) > 100
    assert study.observer.said[0] == "stage search None trials"
    assert study.executor.clock.now + study.budget.planned_s(records) > 0.95 * 400.0
    again = make_study(trials=None, epochs=2, budget_s=500.0, executor=study.executor)
    study.executor.is_closed = False
    assert len(again.run(records)) > len(records)


def test_an_open_trial_without_time_keeps_what_it_had_reached(make_study: StudyMaker) -> None:
    executor = SimulatedExecutor(press_after=8)
    engine = ListEngine((8, 64))
    study = make_study(executor=executor, engine=engine, trials=9, epochs=5, budget_s=100.0)
    with pytest.raises(KeyboardInterrupt):
        study.run()
    earlier = study.folder.read_trials()
    assert earlier[-1].state == TrialState.INTERRUPTED
    assert earlier[-1].history
    again = make_study(engine=engine, trials=9, epochs=5, budget_s=100.0)
    again.executor.clock.now = 1000.0
    again.executor.checkpoints.update(executor.checkpoints)
    records = again.run(earlier)
    assert records[-1].state == TrialState.CUT
    assert records[-1].history == earlier[-1].history
    assert records[-1].trial in again.kept_models()
    assert again.executor.clock.now == 1000.0, "its epochs were there"


def test_one_trial_runs_even_when_the_time_is_gone_before(make_study: StudyMaker) -> None:
    executor = SimulatedExecutor()
    executor.clock.now = 100.0
    study = make_study(executor=executor, trials=5, epochs=5, budget_s=20.0)
    assert [len(record.history) for record in study.run()] == [1]


def test_a_trial_with_half_the_batch_that_the_budget_cuts_may_still_win(
    make_study: StudyMaker,
) -> None:
    outcome = Outcome(TrialState.OUT_OF_MEMORY, 2.5, "needed too much")
    study = make_study(executor=Slower(ends={0: outcome}), trials=1, epochs=1000, budget_s=20.0)
    (record,) = study.run()
    assert record.state == TrialState.CUT
    assert record.reason == f"{OUT_OF_TIME}; {HALF_BATCH}"
    assert rank_trials(GOAL, [record]) == [record]


def test_without_time_only_open_trials_with_epochs_go_on(make_study: StudyMaker) -> None:
    (ended,) = make_study(trials=1).run()
    waiting = TrialRecord(trial=1, state=TrialState.RUNNING, params={"width": 8}, epochs=3)
    history = (formula({"width": 8}, 1),)
    begun = waiting.model_copy(update={"trial": 2, "history": history})
    study = make_study(trials=3, budget_s=20.0)
    study.executor.clock.now = 100.0
    place = study.folder.trial_checkpoint_path(2), False
    study.executor.checkpoints[place] = list(history)
    records = study.run([ended, waiting, begun])
    assert [(r.trial, r.state) for r in records] == [(0, "complete"), (2, "cut")]
    assert len(study.executor.tasks) == 1


def test_without_time_one_trial_runs_alone(make_study: StudyMaker) -> None:
    executor = SimulatedExecutor()
    executor.clock.now = 100.0
    study = make_study(executor=executor, trials=5, workers=2, budget_s=20.0)
    assert len(study.run()) == 1
    assert executor.most_at_once == 1


@pytest.mark.parametrize(
    ("budget_s", "state", "epochs"),
    [(1000.0, TrialState.PRUNED, [100]), (250.0, TrialState.COMPLETE, [100])],
)
def test_no_trial_is_pruned_where_there_is_time_for_few(
    make_study: StudyMaker, budget_s: float, state: TrialState, epochs: list[int]
) -> None:
    study = make_study(engine=ListEngine(hopeless=[0]), trials=2, epochs=100, budget_s=budget_s)
    first = study.run()[0]
    assert first.state == state
    assert [t.epochs for t in study.executor.trainings if t.seed == (0, 0)] == epochs


def test_a_first_epoch_longer_than_the_budget_is_the_last(make_study: StudyMaker) -> None:
    executor = SimulatedExecutor(epoch_s={0: 60.0})
    (record,) = make_study(executor=executor, trials=1, epochs=10, budget_s=50.0).run()
    assert (record.state, record.reason) == (TrialState.CUT, OUT_OF_TIME)
    assert len(record.history) == 1


# -- the verdict of an epoch ---------------------------------------------------------------


def verdict(
    num_epochs: int, *, is_behind: bool = False, is_exempt: bool = False, left_s: float = 1e9
) -> Stop | None:
    """After so many epochs of a second each, of ten."""
    history = [formula({"width": 8}, epoch + 1) for epoch in range(num_epochs)]
    return find_stop(history, epochs=10, is_behind=is_behind, is_exempt=is_exempt, left_s=left_s)


def test_a_trial_goes_on_while_there_is_time() -> None:
    assert verdict(1) is None
    assert verdict(9, left_s=1.0) is None


def test_a_trial_behind_the_others_is_pruned_whatever_the_time() -> None:
    pruned = Stop(TrialState.PRUNED, "pruned after epoch 4: behind other trials by then")
    assert verdict(4, is_behind=True) == pruned
    assert verdict(4, is_behind=True, left_s=-1.0) == pruned


def test_a_trial_that_trained_all_its_epochs_is_complete_whatever_the_engine_says() -> None:
    assert verdict(10, is_behind=True, left_s=-1.0) is None


@pytest.mark.parametrize("left_s", [0.0, -5.0])
def test_the_budget_cuts_a_trial_but_not_one_in_its_last_epoch(left_s: float) -> None:
    assert verdict(4, left_s=left_s) == Stop(TrialState.CUT, OUT_OF_TIME)
    assert verdict(4, left_s=left_s, is_exempt=True) == Stop(TrialState.CUT, OUT_OF_TIME)
    assert verdict(10, left_s=left_s) is None


def test_a_trial_too_slow_ends_unless_it_is_exempt() -> None:
    assert verdict(4, left_s=5.0) == Stop(TrialState.CUT, TOO_SLOW)
    assert verdict(4, left_s=5.6) is None, "a tenth more than the time left is allowed"
    assert verdict(4, left_s=5.0, is_exempt=True) is None


# -- what the first trials take, and the last --------------------------------------------------


def growing(params: Params, epoch: int) -> EpochScore:
    """An epoch is worth more than the one before, however many there are; each takes 30 s."""
    scores = Scores(accuracy=0.5 + 0.01 * epoch, balanced_accuracy=0.5)
    plain = formula(params, epoch)
    return plain.model_copy(update={"train": scores, "val": scores, "seconds": 30.0})


def stalling(params: Params, epoch: int) -> EpochScore:
    """The same, but for the tenth epoch, which takes 540 s."""
    seconds = 540.0 if epoch == 10 else 30.0
    return growing(params, epoch).model_copy(update={"seconds": seconds})


def test_a_search_ends_with_time_for_the_finalists_as_they_were_to_be(
    make_study: StudyMaker,
) -> None:
    executor = SimulatedExecutor(formula=growing)
    records = make_study(executor=executor, trials=None, epochs=10, budget_s=1000.0).run()
    assert [len(record.history) for record in records] == [10, 10, 3]
    assert executor.clock.now == 690.0, "308 s are for a refit of ten epochs and its judging"


def test_a_refit_of_more_than_its_share_has_no_time_of_the_search(make_study: StudyMaker) -> None:
    """With eight epochs it would take 648 s of the 500: the trial's own model is judged, in 8 s."""

    def slow(params: Params, epoch: int) -> EpochScore:
        return growing(params, epoch).model_copy(update={"seconds": 80.0})

    executor = SimulatedExecutor(formula=slow)
    records = make_study(executor=executor, trials=None, epochs=10, budget_s=1000.0).run()
    assert [len(record.history) for record in records] == [10, 2]


def test_the_only_trial_is_cut_in_time_for_its_refit(make_study: StudyMaker) -> None:
    """After five epochs, the last of 400 s, it has 180 s; its refit and judging take 308."""

    def one_long(params: Params, epoch: int) -> EpochScore:
        seconds = 400.0 if epoch == 5 else 30.0
        return growing(params, epoch).model_copy(update={"seconds": seconds})

    executor = SimulatedExecutor(formula=one_long)
    (record,) = make_study(executor=executor, trials=1, epochs=10, budget_s=700.0).run()
    assert (record.state, len(record.history)) == (TrialState.CUT, 5)


def test_a_trial_whose_objective_no_epoch_has_is_no_finalist(make_study: StudyMaker) -> None:
    def undefined(params: Params, epoch: int) -> EpochScore:
        scored = formula(params, epoch)
        return scored if params["width"] == 8 else scored.model_copy(update={"val": Scores()})

    study = make_study(
        engine=ListEngine((16, 8)),
        executor=SimulatedExecutor(formula=undefined),
        trials=2,
        budget_s=60.0,
    )
    records = study.run()
    assert [(r.state, r.best_epoch) for r in records] == [("complete", None), ("complete", 3)]
    assert rank_trials(GOAL, records) == records[1:]


def test_a_search_goes_on_with_the_time_of_a_refit_that_fits_no_longer(
    make_study: StudyMaker,
) -> None:
    executor = SimulatedExecutor(formula=stalling)
    study = make_study(executor=executor, trials=None, epochs=10, budget_s=1000.0)
    records = study.run()
    assert [len(record.history) for record in records] == [10, 6]
    assert executor.clock.now == 810.0 + 180.0


def test_the_time_of_a_refit_is_given_away_only_when_nothing_runs(make_study: StudyMaker) -> None:
    """The trial that still runs then becomes the best, and its refit takes less."""

    def scores(params: Params, epoch: int) -> EpochScore:
        if params["width"] == 8:
            return stalling(params, epoch)
        better = Scores(accuracy=0.7 + 0.01 * epoch, balanced_accuracy=0.5)
        plain = formula(params, epoch)
        return plain.model_copy(update={"train": better, "val": better, "seconds": 10.0})

    study = make_study(
        engine=ListEngine((8, 16)),
        executor=SimulatedExecutor(formula=scores, losses={1: 1}),
        trials=3,
        epochs=10,
        workers=2,
        budget_s=1085.0,
    )
    study.run()
    said = [line for line in study.observer.said if line.startswith(("start", "end"))]
    assert said[2:] == ["end 0 best 0", "end 1 best 1", "start 2 4", "end 2 best 1"]


def test_each_of_the_first_trials_is_fitted_once_and_cut_when_time_is_up(
    make_study: StudyMaker,
) -> None:
    study = make_study(executor=Slower(), trials=2, workers=2, epochs=1000, budget_s=100.0)
    records = study.run()
    assert Counter(task.seed for task in study.executor.trainings) == {(0, 0): 2, (0, 1): 2}
    assert [record.reason for record in records] == [OUT_OF_TIME] * 2


def test_a_trial_for_which_not_one_epoch_more_fits_ends_while_there_is_time(
    make_study: StudyMaker,
) -> None:
    """One more and the judging would take 505 s of the 503."""
    executor = SimulatedExecutor(epoch_s={0: 497.0})
    (record,) = make_study(executor=executor, trials=1, epochs=10, budget_s=1000.0).run()
    assert (record.state, record.reason) == (TrialState.CUT, OUT_OF_TIME)
    assert len(record.history) == 1


def test_a_fitted_trial_that_begins_again_is_said_to(make_study: StudyMaker) -> None:
    class Hungry(SimulatedExecutor):
        """Wants memory after its schedule was shortened."""

        def _step(self, key: int, running: SimulatedTask) -> Event:
            task = running.task
            assert isinstance(task, TrainingTask)
            if task.epochs == 1000 or task.half_batch:
                return super()._step(key, running)
            del self.running[key]
            return EndEvent(key, Outcome(TrialState.OUT_OF_MEMORY, 1.0, "needed too much"))

    study = make_study(executor=Hungry(), trials=1, epochs=1000, budget_s=20.0)
    study.run()
    starts = [line for line in study.observer.said if line.startswith("start")]
    assert starts == ["start 0 1000", "start 0 12"]
