"""The number that a search improves."""

import pytest

from autocnn.core.objective import Goal, distinct_trials
from autocnn.core.records import EpochScore, Scores, TrialRecord, TrialState


def epoch(number: int, val: float | None, train: float | None = None) -> EpochScore:
    """An epoch with the same value as accuracy and as log loss."""
    return EpochScore(
        epoch=number,
        train_loss=1.0,
        train=Scores(accuracy=train, log_loss=train),
        val=Scores(accuracy=val, log_loss=val),
        learning_rate=0.1,
        seconds=1.0,
    )


def trial(number: int, val: float | None, train: float | None = None) -> TrialRecord:
    return TrialRecord(
        trial=number,
        state=TrialState.COMPLETE,
        params={},
        objective=val,
        best_epoch=1,
        history=(epoch(1, val, train),),
    )


@pytest.mark.parametrize(
    ("objective", "maximize"),
    [
        ("balanced_accuracy", True),
        ("accuracy", True),
        ("macro_f1", True),
        ("macro_auc", True),
        ("log_loss", False),
    ],
)
def test_every_objective_has_its_direction_and_its_score(objective: str, maximize: bool) -> None:
    goal = Goal(objective)
    assert goal.maximize is maximize
    assert goal.value_of(Scores.model_validate({objective: 0.25})) == 0.25
    assert goal.value_of(Scores()) is None


def with_loss(number: int, accuracy: float, log_loss: float | None) -> EpochScore:
    """An epoch whose accuracy and log loss on val are given apart."""
    val = Scores(accuracy=accuracy, log_loss=log_loss)
    return epoch(number, accuracy).model_copy(update={"val": val})


def test_of_equal_epochs_the_one_of_lower_log_loss_is_best_then_the_earliest() -> None:
    history = [
        with_loss(1, 1.0, 0.5),
        with_loss(2, 1.0, 0.2),
        with_loss(3, 1.0, 0.2),
        with_loss(4, 1.0, None),
        with_loss(5, 0.9, 0.1),
    ]
    best = Goal("accuracy").best_epoch(history)
    assert best is not None
    assert best.epoch == 2


def test_of_equal_trials_the_one_of_lower_log_loss_stands_first_then_the_smaller_number() -> None:
    losses = [0.5, 0.2, None, 0.2]
    records = [
        trial(number, 0.9).model_copy(update={"history": (with_loss(1, 0.9, loss),)})
        for number, loss in enumerate(losses)
    ]
    assert [r.trial for r in Goal("accuracy").rank(records)] == [1, 3, 0, 2]
    assert Goal("accuracy").rank([*records, trial(4, 0.95)])[0].trial == 4


def test_the_best_epoch_is_the_earliest_of_equals() -> None:
    history = [epoch(1, 0.3), epoch(2, 0.7), epoch(3, 0.7), epoch(4, 0.5)]
    best, lowest = Goal("accuracy").best_epoch(history), Goal("log_loss").best_epoch(history)
    assert best is not None
    assert best.epoch == 2
    assert lowest is not None
    assert lowest.epoch == 1


def test_epochs_without_a_value_are_passed_over() -> None:
    best = Goal("accuracy").best_epoch([epoch(1, None), epoch(2, 0.1), epoch(3, None)])
    assert best is not None
    assert best.epoch == 2
    assert Goal("accuracy").best_epoch([epoch(1, None)]) is None
    assert Goal("accuracy").best_epoch([]) is None


def test_the_gap_is_positive_when_val_is_the_harder_split() -> None:
    assert Goal("accuracy").gap_of(epoch(1, val=0.75, train=1.0)) == 0.25
    assert Goal("log_loss").gap_of(epoch(1, val=1.0, train=0.75)) == 0.25
    assert Goal("accuracy").gap_of(epoch(1, val=0.75)) is None


def test_the_excess_is_measured_from_the_limit() -> None:
    goal = Goal("accuracy", max_gap=0.125)
    assert goal.gap_excess(trial(0, val=0.5, train=0.75)) == 0.125
    assert goal.gap_excess(trial(0, val=0.75, train=0.75)) == -0.125
    assert Goal("accuracy").gap_excess(trial(0, val=0.5, train=1.0)) is None
    assert goal.gap_excess(trial(0, val=0.5)) is None


def test_trials_are_ranked_best_first_in_both_directions() -> None:
    records = [trial(0, 0.5), trial(1, 0.9), trial(2, None), trial(3, 0.7), trial(4, 0.9)]
    assert [r.trial for r in Goal("accuracy").rank(records)] == [1, 4, 3, 0]
    assert [r.trial for r in Goal("log_loss").rank(records)] == [0, 3, 1, 4]


def test_of_trials_with_the_same_params_the_first_stands_for_all() -> None:
    records = [trial(3, 0.9), trial(1, 0.8), trial(2, 0.7)]
    first, other = records[0].params, {**records[0].params, "width": 99}
    ranked = [
        r.model_copy(update={"params": p})
        for r, p in zip(records, (first, other, first), strict=True)
    ]
    assert [record.trial for record in distinct_trials(ranked)] == [3, 1]


def test_a_trial_beyond_the_gap_stands_after_every_feasible_one() -> None:
    records = [trial(0, 0.95, train=1.0), trial(1, 0.80, train=0.81), trial(2, 0.70, train=0.70)]
    assert [r.trial for r in Goal("accuracy").rank(records)] == [0, 1, 2]
    assert [r.trial for r in Goal("accuracy", max_gap=0.02).rank(records)] == [1, 2, 0]


def test_the_gap_at_the_end_of_the_schedule_counts_too_as_refits_go_on_to_it() -> None:
    history = (epoch(1, 0.75, 0.75), epoch(2, 0.5, 1.0), epoch(3, 0.5, 0.875))
    whole = trial(0, 0.75).model_copy(update={"history": history, "epochs": 3})
    goal = Goal("accuracy", max_gap=0.125)
    assert goal.gap_excess(whole) == 0.25
    stopped = whole.model_copy(update={"epochs": 9})
    assert goal.gap_excess(stopped) == -0.125, "its refit ends with its best epoch"
    other = whole.model_copy(update={"history": (epoch(1, 0.5, 1.0), epoch(2, 0.25, 0.25))})
    other = other.model_copy(update={"epochs": 2})
    assert goal.gap_excess(other) == 0.375, "the model of its best epoch is kept"


def test_a_trial_at_the_limit_of_the_gap_or_without_one_is_feasible() -> None:
    records = [trial(0, 0.5, train=0.75), trial(1, 0.75), trial(2, 0.75, train=1.0)]
    ranked = Goal("accuracy", max_gap=0.25).rank([*records, trial(3, 0.625, train=1.0)])
    assert [r.trial for r in ranked] == [1, 2, 0, 3]


def test_an_objective_of_zero_is_a_value() -> None:
    best = Goal("accuracy").best_epoch([epoch(1, 0.0), epoch(2, 0.1)])
    assert best is not None
    assert best.epoch == 2
    records = [trial(0, 0.0), trial(1, 0.1)]
    assert [r.trial for r in Goal("accuracy").rank(records)] == [1, 0]
    assert [r.trial for r in Goal("log_loss").rank(records)] == [0, 1]
