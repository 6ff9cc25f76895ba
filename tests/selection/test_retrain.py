"""Finalists are retrained on all of train + val and on each fold, and none of them twice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import DiskFullError, TrialDivergedError
from autocnn.core.records import OWN, REFIT, Part, TrialState
from autocnn.execution.executor import Outcome
from autocnn.execution.tasks import Task, TrainingTask
from autocnn.selection.plan import Finalist, FinalistsPlan
from autocnn.selection.retrain import RETRAINED, add_members, retrain
from autocnn.storage.checkpoint import write_checkpoint
from autocnn.tuning.budget import Budget
from tests.samples import checkpoint, retrained
from tests.selection.studies import (
    EPOCHS,
    NUM_WEIGHTS,
    FakeExecutor,
    Selection,
    make_finalists,
    name_of,
    write_model,
)

PARTS = [REFIT, Part(1), Part(2)]

FAILURE = Outcome(TrialState.FAILED, 1.0, "ValueError: no")


def run(selection: Selection, plan: FinalistsPlan) -> list[Finalist]:
    return retrain(plan, selection.executor, selection.folder, selection.observer)


def trainings(selection: Selection) -> list[TrainingTask]:
    return [task for task in selection.executor.tasks if isinstance(task, TrainingTask)]


def names(selection: Selection) -> list[str]:
    return sorted(name_of(task) for task in selection.executor.tasks)


def test_each_finalist_is_trained_on_everything_and_without_each_fold(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7, 0), num_folds=2)
    retrained = run(selection, plan)
    assert [(f.number, list(f.records)) for f in retrained] == [(7, PARTS), (0, PARTS)]
    rows = sorted(np.concatenate([plan.dataset.indices(s) for s in ("train", "val")]).tolist())
    seen = {task.seed: task.train_rows.tolist() for task in trainings(selection)}
    without = [rows, *(fold.train.tolist() for fold in plan.folds)]
    assert seen == {
        (plan.seed, number, RETRAINED, fold): without[fold]
        for number in (7, 0)
        for fold in (0, 1, 2)
    }
    assert selection.observer.stages == [("retrain the finalists, also on 2 folds", 6 * EPOCHS)]
    assert selection.observer.steps == 6 * EPOCHS
    assert selection.observer.warnings == []


def test_nothing_of_test_is_seen_and_nothing_is_scored_on_what_is_held_out(
    selection: Selection,
) -> None:
    plan = selection.plan(make_finalists(7))
    run(selection, plan)
    test_rows = set(plan.dataset.indices("test").tolist())
    for task in trainings(selection):
        assert not test_rows & set(task.train_rows.tolist())
        assert len(task.val_rows) == 0


def test_they_are_trained_as_their_trial_was(selection: Selection) -> None:
    (finalist,) = make_finalists(7, image_size=12)
    halved = replace(finalist, trial=finalist.trial.model_copy(update={"half_batch": True}))
    plan = selection.plan((halved,), num_folds=0)
    run(selection, plan)
    (task,) = trainings(selection)
    assert (task.epochs, task.half_batch, task.params) == (EPOCHS, True, finalist.trial.params)
    assert (task.threads, task.precision, task.deterministic) == (1, "float32", True)
    assert task.images.open().shape[1:] == (12, 12, 1)


def test_what_was_made_is_on_disk_whole(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7), num_folds=2)
    (finalist,) = run(selection, plan)
    for part, record in finalist.records.items():
        assert selection.folder.read_retrained(7, part) == record
        assert (record.trial, record.part, record.epochs) == (7, part, EPOCHS)
        assert len(record.history) == EPOCHS
        assert record.num_weights == finalist.num_weights == NUM_WEIGHTS
        # The process took 2.5 s, its epochs more: it was resumed.
        assert record.seconds == pytest.approx(EPOCHS * 1.23456)
    assert finalist.refit is finalist.records[REFIT]


def test_models_of_an_earlier_session_are_not_made_again(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7, 0))
    first = run(selection, plan)
    write_checkpoint(selection.folder.retrained_checkpoint_path(7, REFIT), checkpoint())
    selection.executor.tasks.clear()
    selection.observer.steps = 0
    again = run(selection, plan)
    assert selection.executor.tasks == []
    assert selection.observer.steps == 6 * EPOCHS
    assert [f.records for f in again] == [f.records for f in first]
    # A kill between the record and the end of its checkpoint leaves the latter.
    refit_dir = selection.folder.retrained_dir(7, REFIT)
    assert not (refit_dir / "checkpoint").exists()


def test_models_for_another_number_of_epochs_or_torn_ones_are(selection: Selection) -> None:
    run(selection, selection.plan(make_finalists(7)))
    (selection.folder.retrained_dir(7, Part(2)) / "retrained.json").write_text("{")
    selection.executor.tasks.clear()
    run(selection, selection.plan(make_finalists(7)))
    assert names(selection) == ["train 7 fold 2"]
    selection.executor.tasks.clear()
    (finalist,) = run(selection, selection.plan(make_finalists(7, epochs=EPOCHS - 1)))
    assert names(selection) == [f"train 7 fold {fold}" for fold in range(3)]
    assert {len(record.history) for record in finalist.records.values()} == {EPOCHS - 1}


def test_a_torn_checkpoint_is_told(selection: Selection) -> None:
    selection.folder.retrained_checkpoint_path(7, Part(1)).write_bytes(b"torn")
    run(selection, selection.plan(make_finalists(7)))
    assert len(selection.observer.warnings) == 1
    assert "must be a whole checkpoint" in selection.observer.warnings[0]


class Dying(FakeExecutor):
    """What is said to end otherwise does so at its first attempt."""

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        if name_of(task) in [name_of(one) for one in self.tasks]:
            self.ends = {}
        super().submit(key, function, task, log_path=log_path, timeout_s=timeout_s)


@pytest.mark.parametrize(
    "end",
    [
        Outcome(TrialState.FAILED, 1.0, "its process was ended by SIGKILL"),
        Outcome(TrialState.TIMED_OUT, 9.0, "ran longer than its 9 s"),
    ],
)
def test_a_training_that_fails_is_tried_once_more(selection: Selection, end: Outcome) -> None:
    """As when something else on the machine took all memory for a moment."""
    selection.executor = Dying(ends={"train 7 fold 2": end})
    (finalist,) = run(selection, selection.plan(make_finalists(7)))
    assert list(finalist.records) == PARTS
    assert names(selection).count("train 7 fold 2") == 2
    assert selection.observer.warnings == [
        "The retraining of trial 7 without fold 2 failed "
        f"({end.state}: {end.reason}); it is tried once more."
    ]


def test_a_training_whose_worker_is_lost_is_repeated_by_the_runner(selection: Selection) -> None:
    lost = Outcome(TrialState.FAILED, 1.0, "its node is gone", is_lost=True)
    selection.executor = Dying(ends={"train 7 fold 2": lost})
    (finalist,) = run(selection, selection.plan(make_finalists(7)))
    assert list(finalist.records) == PARTS
    assert selection.observer.warnings == [
        "The retraining of trial 7 without fold 2 lost its worker (its node is gone); it is "
        "repeated."
    ]


def test_the_trial_s_own_model_takes_the_place_of_a_refit_that_is_lost(
    selection: Selection,
) -> None:
    selection.executor.ends = {"train 7 fold 0": FAILURE}
    retrained = run(selection, selection.plan(make_finalists(7, 0)))
    assert [f.number for f in retrained] == [7, 0]
    assert [f.is_retrained for f in retrained] == [False, True]
    assert [list(f.records) for f in retrained] == [[OWN, *PARTS[1:]], PARTS]
    own, trial = retrained[0].refit, retrained[0].trial
    assert (own.epochs, own.history, own.num_weights) == (1, trial.history, trial.num_weights)
    assert names(selection).count("train 7 fold 0") == 2
    assert selection.observer.warnings[-1] == (
        "Trial 7 could not be retrained (failed: ValueError: no): its own model takes the place "
        "of the refit."
    )


def test_a_finalist_of_which_a_fold_model_fails_twice_is_left_out(selection: Selection) -> None:
    selection.executor.ends = {"train 7 fold 2": FAILURE}
    retrained = run(selection, selection.plan(make_finalists(7, 0)))
    assert [finalist.number for finalist in retrained] == [0]
    assert selection.observer.warnings[-1] == (
        "Trial 7 could not be retrained without fold 2 and is left out: failed: ValueError: no"
    )


def test_where_no_finalist_has_all_its_folds_val_decides(selection: Selection) -> None:
    selection.executor.ends = {f"train {number} fold 1": FAILURE for number in (7, 0)}
    plan = selection.plan(make_finalists(7, 0))
    retrained = run(selection, plan)
    assert [list(f.records) for f in retrained] == [[REFIT], [REFIT]]
    assert plan.compared_on(retrained).folds == ()
    assert selection.observer.warnings[-1] == (
        "The models of the folds could not all be made (trial 7: failed: ValueError: no): the "
        "finalists are compared on val."
    )


def test_an_error_that_is_meant_for_the_user_would_come_again(selection: Selection) -> None:
    error = TrialDivergedError("diverged: the loss became nan in epoch 1")
    selection.executor.ends = {
        "train 7 fold 0": Outcome(TrialState.FAILED, 1.0, str(error), error=error)
    }
    run(selection, selection.plan(make_finalists(7), num_folds=0))
    assert names(selection) == ["train 7 fold 0"]


def test_without_time_for_any_refit_the_trials_own_models_stand(selection: Selection) -> None:
    finalists = tuple(replace(finalist, epochs=None) for finalist in make_finalists(7, 0))
    retrained = run(selection, selection.plan(finalists, num_folds=0, budget_s=10.0))
    assert selection.executor.tasks == []
    assert not any(f.is_retrained for f in retrained)
    assert selection.observer.warnings == []


def test_a_full_disk_is_no_fault_of_the_finalist(selection: Selection) -> None:
    error = DiskFullError("it is full.")
    selection.executor.ends = {
        "train 7 fold 1": Outcome(TrialState.FAILED, 1.0, "full", error=error)
    }
    with pytest.raises(DiskFullError) as caught:
        run(selection, selection.plan(make_finalists(7, 0)))
    assert caught.value is error
    assert selection.executor.is_closed


def test_a_refit_that_the_budget_cuts_is_not_kept_and_made_again_with_more_time(
    selection: Selection,
) -> None:
    # Judging one candidate takes 8 s: two of ten epochs fit.
    plan = selection.plan(make_finalists(7, epochs=10), num_folds=0, budget_s=10.0)
    (finalist,) = run(selection, plan)
    assert not finalist.is_retrained
    assert selection.folder.read_retrained(7, REFIT) is None
    assert selection.observer.warnings == [
        "Trial 7 could not be retrained (no time left after 2 of 10 epochs): its own model takes "
        "the place of the refit."
    ]
    again = Selection(selection.dataset, selection.folder)
    (finalist,) = run(again, again.plan(make_finalists(7, epochs=10), num_folds=0, budget_s=99.0))
    assert len(finalist.refit.history) == 10
    assert finalist.is_retrained


@pytest.mark.parametrize(("budget_s", "done", "is_kept"), [(16.9, 9, True), (15.9, 8, False)])
def test_a_refit_that_the_budget_cuts_near_its_end_counts_as_whole(
    selection: Selection, budget_s: float, done: int, is_kept: bool
) -> None:
    plan = selection.plan(make_finalists(7, epochs=10), num_folds=0, budget_s=budget_s)
    (finalist,) = run(selection, plan)
    assert finalist.is_retrained == is_kept
    if not is_kept:
        assert f"no time left after {done} of 10 epochs" in selection.observer.warnings[-1]
        return
    assert (finalist.refit.epochs, len(finalist.refit.history)) == (10, done)
    again = Selection(selection.dataset, selection.folder)
    (same,) = run(again, again.plan(make_finalists(7, epochs=10), num_folds=0, budget_s=99.0))
    assert again.executor.tasks == []
    assert same.refit == finalist.refit


def test_a_short_refit_of_an_older_study_is_made_again(selection: Selection) -> None:
    """It was kept, although the budget had cut it."""
    cut = retrained(7).model_copy(update={"epochs": EPOCHS})
    assert len(cut.history) == 2 < EPOCHS
    write_model(selection.folder.retrained_model_path(7, REFIT), trial=7)
    selection.folder.write_retrained(cut)
    (finalist,) = run(selection, selection.plan(make_finalists(7), num_folds=0))
    assert names(selection) == ["train 7 fold 0"]
    assert len(finalist.refit.history) == EPOCHS


def test_when_time_is_up_no_training_is_started(selection: Selection) -> None:
    # An epoch of each is a second: time is up in the first fold of trial 7.
    finalists = make_finalists(7, 0, epochs=4)
    plan = selection.plan(finalists, num_folds=2, budget_s=8.0 * 5 + 6.0, workers=1)
    found = run(selection, plan)
    assert names(selection) == ["train 7 fold 0", "train 7 fold 1"]
    assert [(f.number, list(f.records)) for f in found] == [(7, [REFIT]), (0, [OWN])]
    assert plan.compared_on(found).folds == ()
    assert selection.observer.warnings == [
        "Trial 0 could not be retrained (no time left): its own model takes the place of the "
        "refit.",
        "The models of the folds could not all be made (trial 7: no time left after 2 of 4 "
        "epochs): the finalists are compared on val.",
    ]


def test_where_the_best_one_has_its_folds_the_others_may_be_left_out(selection: Selection) -> None:
    finalists = make_finalists(7, 0, epochs=4)
    plan = selection.plan(finalists, num_folds=2, budget_s=8.0 * 5 + 13.0, workers=1)
    found = run(selection, plan)
    assert [(f.number, list(f.records)) for f in found] == [(7, PARTS)]
    assert plan.compared_on(found) is plan


def test_with_a_budget_what_hangs_after_its_end_is_ended(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7), num_folds=0, budget_s=100.0)
    run(selection, plan)
    (limit,) = selection.executor.timeouts
    assert limit is not None
    assert 100.0 < limit < 110.0


def test_without_folds_there_are_refits_alone(selection: Selection) -> None:
    (finalist,) = run(selection, selection.plan(make_finalists(7), num_folds=0))
    assert list(finalist.records) == [REFIT]
    assert selection.observer.stages == [("retrain the finalists", EPOCHS)]


def test_stopping_keeps_what_is_whole_and_a_later_call_makes_the_rest(selection: Selection) -> None:
    def stop_after_the_first() -> None:
        if selection.executor.now == EPOCHS + 1:
            selection.interruption.is_wished = True

    selection.executor.on_epoch = stop_after_the_first
    plan = selection.plan(make_finalists(7), num_folds=2, workers=1)
    with pytest.raises(KeyboardInterrupt):
        run(selection, plan)
    assert names(selection) == ["train 7 fold 0", "train 7 fold 1"]
    assert selection.folder.read_retrained(7, REFIT) is not None
    assert selection.folder.read_retrained(7, Part(1)) is None

    selection.interruption.is_wished = False
    selection.executor.tasks.clear()
    (finalist,) = run(selection, plan)
    assert names(selection) == ["train 7 fold 1", "train 7 fold 2"]
    assert list(finalist.records) == PARTS


# -- want of memory, and of time -----------------------------------------------------------

OUT_OF_MEMORY = Outcome(TrialState.OUT_OF_MEMORY, 1.0, "needed too much")


def test_a_model_out_of_memory_is_trained_with_half_the_batch_and_says_so(
    selection: Selection,
) -> None:
    selection.executor.ends["train 7 fold 1"] = OUT_OF_MEMORY
    (finalist,) = run(selection, selection.plan(make_finalists(7), workers=1))
    halves = {part: record.half_batch for part, record in finalist.records.items()}
    assert halves == {REFIT: False, Part(1): True, Part(2): False}
    assert selection.folder.read_retrained(7, Part(1)) == finalist.records[Part(1)]
    assert selection.observer.warnings == [
        "The retraining of trial 7 without fold 1 ran out of memory; "
        "it is repeated with half its batch."
    ]


def test_half_the_batch_is_kept_when_a_session_ends_in_between(selection: Selection) -> None:
    selection.executor.ends["train 7 fold 0"] = OUT_OF_MEMORY

    def stop() -> None:
        selection.interruption.is_wished = True

    selection.executor.on_epoch = stop
    plan = selection.plan(make_finalists(7), num_folds=0)
    with pytest.raises(KeyboardInterrupt):
        run(selection, plan)
    again = Selection(selection.dataset, selection.folder)
    (finalist,) = run(again, again.plan(make_finalists(7), num_folds=0))
    assert [task.half_batch for task in trainings(again)] == [True]
    assert finalist.refit.half_batch
    assert not selection.folder.has_half_batch(7, REFIT), "it goes with the checkpoint"


def test_retraining_may_take_as_long_as_a_trial_for_its_images(selection: Selection) -> None:
    run(selection, selection.plan(make_finalists(7), num_folds=0))
    assert selection.executor.timeouts == [None]
    short, long = make_finalists(5, 8)
    long = replace(long, trial=long.trial.model_copy(update={"seconds": 90.0}))  # was resumed
    plan = replace(selection.plan((short, long), num_folds=2), trial_timeout_s=60.0)
    selection.executor.timeouts.clear()
    run(selection, plan)
    num_train, num_val = (len(plan.dataset.indices(split)) for split in ("train", "val"))
    more = (num_train + num_val) / num_train
    of_fold = [max(1.0, len(fold.train) / num_train) for fold in plan.folds]
    assert selection.executor.timeouts == pytest.approx(
        [60 * more, *(60 * share for share in of_fold), 90 * more, *(90 * s for s in of_fold)]
    )


# -- more refits of the best -----------------------------------------------------------------


def add(selection: Selection, plan: FinalistsPlan, *chosen: int) -> list[Finalist]:
    """The finalists after more refits of those with these numbers; what was told before is not."""
    finalists = run(selection, plan)
    selection.executor.tasks.clear()
    selection.observer.stages.clear()
    wanted = [finalist for finalist in finalists if finalist.number in chosen]
    parts = (selection.executor, selection.folder, selection.observer)
    return add_members(plan, finalists, wanted, *parts)


REFITS = [REFIT, Part(member=2), Part(member=3)]


def test_the_chosen_are_trained_again_with_other_seeds(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7, 0), members=3)
    seven, default = add(selection, plan, 7)
    assert seven.members == REFITS
    assert seven.fold_models == PARTS[1:]
    assert default.members == [REFIT]
    tasks = trainings(selection)
    assert [task.seed for task in tasks] == [(5, 7, RETRAINED, 0, 2), (5, 7, RETRAINED, 0, 3)]
    everything = np.sort(np.concatenate([plan.dataset.indices(s) for s in ("train", "val")]))
    for task in tasks:
        np.testing.assert_array_equal(task.train_rows, everything)
    for part in REFITS:
        assert selection.folder.read_retrained(7, part) == seven.records[part]
    name = "train 3 refits of the best, to average them"
    assert selection.observer.stages == [(name, 2 * EPOCHS)]


def test_each_trial_of_an_ensemble_gets_as_many(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7, 0), members=2)
    assert [f.members for f in add(selection, plan, 7, 0)] == [REFITS[:2]] * 2


def test_refits_of_an_earlier_session_are_not_made_again(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7), members=3)
    (first,) = add(selection, plan, 7)
    (again,) = add(selection, plan, 7)
    assert selection.executor.tasks == []
    assert again.records == first.records


def test_further_refits_may_span_a_shorter_schedule(
    selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of an earlier session stay, whatever there is time for now."""
    finalists = make_finalists(7, epochs=20)
    trial = finalists[0].trial.model_copy(update={"best_epoch": 20})
    plan = selection.plan((replace(finalists[0], trial=trial),), members=3)
    monkeypatch.setattr(Budget, "members_now", lambda *args, **kwargs: (3, 0.8))
    (first,) = add(selection, plan, 7)
    assert [first.records[part].epochs for part in REFITS] == [20, 16, 16]
    assert [task.epochs for task in trainings(selection)] == [16, 16]
    monkeypatch.setattr(Budget, "members_now", lambda *args, **kwargs: (3, 1.0))
    (again,) = add(selection, plan, 7)
    assert selection.executor.tasks == []
    assert again.records == first.records


@pytest.mark.parametrize(("spare_s", "number"), [(0.0, 1), (25.0, 2), (50.0, 3)])
def test_there_are_as_many_as_there_is_time_for_and_the_trials_own_model_is_one_more(
    selection: Selection, spare_s: float, number: int
) -> None:
    """A refit takes 4.5 s."""
    finalists = make_finalists(7)
    needed_s = 3 * EPOCHS + 4 * 8.0
    plan = selection.plan(finalists, members=3, workers=1, budget_s=needed_s + spare_s / 5)
    (finalist,) = add(selection, plan, 7)
    assert finalist.members == [OWN] * (number < 3) + REFITS[:number]
    if number < 3:
        assert finalist.records[OWN].history == finalist.trial.history


def test_what_fails_is_left_out_and_told(selection: Selection) -> None:
    selection.executor.ends["train 7 refit 3"] = FAILURE
    (finalist,) = add(selection, selection.plan(make_finalists(7), members=3), 7)
    assert finalist.members == [OWN, *REFITS[:2]]
    assert selection.observer.warnings[-1] == (
        "The best is averaged of 2 refits, not of 3: failed: ValueError: no."
    )


def test_a_trial_without_a_refit_gets_no_more(selection: Selection) -> None:
    selection.executor.ends["train 7 fold 0"] = FAILURE
    plan = selection.plan(make_finalists(7), num_folds=0, members=3)
    (finalist,) = add(selection, plan, 7)
    assert finalist.members == [OWN]


def test_without_folds_the_best_has_further_refits_beside_the_first_ones(
    selection: Selection,
) -> None:
    """Nothing has to be waited for to know the best: no worker is idle in between."""
    plan = selection.plan(make_finalists(7, 0), num_folds=0, members=3)
    seven, default = run(selection, plan)
    assert seven.members == REFITS
    assert default.members == [REFIT]
    assert [task.seed[1:] for task in trainings(selection)] == [
        (7, RETRAINED, 0),
        (0, RETRAINED, 0),
        (7, RETRAINED, 0, 2),
        (7, RETRAINED, 0, 3),
    ]
    ((name, epochs),) = selection.observer.stages
    assert (name, epochs) == ("retrain the finalists", 4 * EPOCHS)
    parts = (selection.executor, selection.folder, selection.observer)
    added, same = add_members(plan, [seven, default], [seven], *parts)
    assert (added.records, same) == (seven.records, default)
    assert len(selection.observer.stages) == 1, "they are there"


@pytest.mark.parametrize(("left_s", "number"), [(1e3, 3), (20.0, 1)])
def test_further_refits_beside_the_first_ones_wait_for_their_time(
    selection: Selection, left_s: float, number: int
) -> None:
    plan = selection.plan(make_finalists(7), num_folds=0, members=3, workers=1, budget_s=left_s)
    (finalist,) = run(selection, plan)
    assert finalist.members == REFITS[:number]


def test_a_failed_refit_takes_its_further_ones_with_it(selection: Selection) -> None:
    selection.executor.ends["train 7 fold 0"] = FAILURE
    plan = selection.plan(make_finalists(7), num_folds=0, members=3)
    (finalist,) = run(selection, plan)
    assert finalist.members == [OWN]


@pytest.mark.parametrize("num_folds", [0, 2])
def test_refits_are_in_their_order_whichever_ends_first(
    selection: Selection, num_folds: int
) -> None:
    """The second one hangs once, and is made after the third; what is made of them is the same."""
    late = Outcome(TrialState.TIMED_OUT, 9.0, "ran longer than its 9 s")
    selection.executor = Dying(ends={"train 7 refit 2": late})
    plan = selection.plan(make_finalists(7), num_folds=num_folds, members=3)
    (finalist,) = add(selection, plan, 7)
    assert finalist.members == REFITS
