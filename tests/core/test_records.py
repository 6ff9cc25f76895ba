"""Records: plain frozen data that comes back from JSON as it went."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from autocnn.core.records import (
    SCHEMA_VERSION,
    SPLITS,
    CandidateRecord,
    ClassScores,
    EpochScore,
    Interval,
    Member,
    ModelInput,
    Record,
    RetrainedRecord,
    Scores,
    SplitName,
    SplitScores,
    TrialRecord,
    TrialState,
)


def epoch(number: int) -> EpochScore:
    return EpochScore(
        epoch=number,
        train_loss=0.1 + 0.2,
        train=Scores(accuracy=1 / 3, log_loss=1e-12),
        val=Scores(accuracy=0.25),
        learning_rate=1e-3,
        seconds=1.5,
    )


def trial() -> TrialRecord:
    return TrialRecord(
        trial=3,
        state=TrialState.OUT_OF_MEMORY,
        reason="16 GB were not enough: “é”",
        params={"flip": True, "width": 8, "mixup": 0.0, "pooling": "avg"},
        objective=0.25,
        best_epoch=2,
        history=(epoch(1), epoch(2)),
    )


def split(name: SplitName) -> SplitScores:
    return SplitScores(
        split=name,
        num_images=10,
        scores=Scores(accuracy=0.9),
        intervals={"accuracy": Interval(value=0.9, low=0.8, high=1.0)},
        classes=(
            ClassScores(label="a", num_images=10, precision=1.0, recall=0.9, f1=None, auc=None),
        ),
    )


def candidate() -> CandidateRecord:
    return CandidateRecord(
        candidate=1,
        rank=1,
        kind="refit",
        trial=3,
        params={"width": 8},
        objective=0.25,
        train=split("train"),
        val=split("val"),
        test=split("test"),
        num_weights=5,
        flops=None,
        latency_ms=None,
        size_mb=0.1,
        epochs=2,
        train_seconds=3.0,
        seed=0,
        history=(epoch(1),),
    )


def refit() -> RetrainedRecord:
    return RetrainedRecord(trial=3, epochs=1, num_weights=5, seconds=3.5, history=(epoch(1),))


@pytest.mark.parametrize("record", [trial(), candidate(), refit(), split("val"), epoch(1)])
def test_a_record_comes_back_from_json_exactly(record: Record) -> None:
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_types_of_params_survive_json() -> None:
    again = TrialRecord.model_validate_json(trial().model_dump_json())
    assert [type(value) for value in again.params.values()] == [bool, int, float, str]


@pytest.mark.parametrize(
    "record", [trial(), candidate(), refit(), split("val"), epoch(1), Scores()]
)
def test_unknown_keys_are_refused(record: Record) -> None:
    data: dict[str, Any] = record.model_dump(mode="json")
    with pytest.raises(ValidationError, match="surprise"):
        type(record).model_validate(data | {"surprise": 1})


@pytest.mark.parametrize(
    "record", [trial(), candidate(), refit(), split("val"), epoch(1), Scores()]
)
def test_records_cannot_be_changed(record: Record) -> None:
    field = next(iter(type(record).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(record, field, 5)


def test_what_was_not_measured_is_none_and_not_zero() -> None:
    assert set(Scores().model_dump().values()) == {None}
    bare = TrialRecord(trial=0, state=TrialState.FAILED, params={})
    assert (bare.objective, bare.best_epoch, bare.num_weights, bare.peak_memory_mb) == (None,) * 4


def test_records_carry_their_schema() -> None:
    assert trial().model_dump()["schema_version"] == SCHEMA_VERSION == 1
    assert candidate().model_dump()["schema_version"] == SCHEMA_VERSION


def test_the_fields_of_trial_json_are_the_contract() -> None:
    assert list(TrialRecord.model_json_schema()["properties"]) == [
        "schema_version",
        "trial",
        "state",
        "reason",
        "params",
        "objective",
        "best_epoch",
        "history",
        "num_weights",
        "seconds",
        "peak_memory_mb",
        "from_start",
        "traceback",
        "epochs",
        "parent",
        "first_epoch",
        "half_batch",
        "num_ended_before",
        "end_order",
        "is_diverged",
    ]


def test_the_states_are_the_contract() -> None:
    assert [str(state) for state in TrialState] == [
        "complete",
        "pruned",
        "cut",
        "failed",
        "out-of-memory",
        "timed-out",
        "interrupted",
        "running",
    ]
    assert SPLITS == ("train", "val", "test")


def test_running_and_interrupted_trials_are_open() -> None:
    states = {state for state in TrialState if trial().model_copy(update={"state": state}).is_open}
    assert states == {TrialState.RUNNING, TrialState.INTERRUPTED}


def test_a_record_from_before_trials_could_be_resumed_can_be_read() -> None:
    data = trial().model_dump(mode="json")
    for name in ("epochs", "parent", "first_epoch", "half_batch", "num_ended_before", "end_order"):
        del data[name]
    assert TrialRecord.model_validate(data) == trial()


@pytest.mark.parametrize("end", ["", "; with half the batch: it ran out of memory"])
def test_a_trial_that_the_budget_cut_before_there_was_a_state_for_it_is_read_as_cut(
    end: str,
) -> None:
    reason = f"stopped early: the time left is for the finalists{end}"
    data = trial().model_dump(mode="json") | {"state": "pruned", "reason": reason}
    record = TrialRecord.model_validate_json(json.dumps(data))
    assert (record.state, record.reason) == (TrialState.CUT, reason)
    data |= {"reason": "pruned after epoch 3: behind other trials by then"}
    assert TrialRecord.model_validate_json(json.dumps(data)).state == TrialState.PRUNED


def test_a_trial_that_diverged_before_there_was_a_field_for_it_is_read_so() -> None:
    data = trial().model_dump(mode="json")
    del data["is_diverged"]
    for state, reason, expected in (
        ("failed", "diverged: the loss became nan in epoch 2", True),
        ("failed", "its process was ended by SIGKILL", False),
        ("complete", "diverged: no", False),
    ):
        found = TrialRecord.model_validate(data | {"state": state, "reason": reason})
        assert found.is_diverged is expected


def test_faults_of_the_params_are_told_from_others() -> None:
    faults = [s for s in TrialState if trial().model_copy(update={"state": s}).is_fault_of_params]
    assert faults == [TrialState.OUT_OF_MEMORY, TrialState.TIMED_OUT]
    assert trial().model_copy(update={"is_diverged": True}).is_fault_of_params


@pytest.mark.parametrize(("fold", "read"), [("0", None), ("null", None), ("2", 2)])
def test_the_refit_among_the_folds_was_once_number_0(fold: str, read: int | None) -> None:
    member = Member.model_validate_json(f'{{"trial": 7, "fold": {fold}, "weight": 0.5}}')
    assert member.fold == read
    record = json.loads(refit().model_dump_json())
    assert record["fold"] is None
    record["fold"] = json.loads(fold)
    assert RetrainedRecord.model_validate(record).fold == read


def test_what_the_states_say() -> None:
    def states(name: str) -> set[str]:
        return {state for state in TrialState if getattr(state, name)}

    assert states("is_scored") == {"complete", "pruned", "cut"}
    assert states("is_fault") == {"failed", "out-of-memory", "timed-out"}
    winners = [s for s in TrialState if trial().model_copy(update={"state": s}).may_win]
    assert winners == [TrialState.COMPLETE, TrialState.CUT]


def test_best_is_the_epoch_of_the_best_objective() -> None:
    assert trial().best == epoch(2)
    assert trial().model_copy(update={"best_epoch": None}).best is None
    assert trial().model_copy(update={"history": ()}).best is None


def test_a_refit_spans_the_schedule_of_a_trial_that_was_trained_to_its_end() -> None:
    whole = trial().model_copy(update={"epochs": len(trial().history), "best_epoch": 1})
    assert whole.refit_epochs == len(trial().history) > 1
    assert whole.model_copy(update={"epochs": 30}).refit_epochs == 1, "it was cut, or stopped early"
    assert whole.model_copy(update={"epochs": None}).refit_epochs == 1, "of an older study"
    assert whole.model_copy(update={"history": (), "best_epoch": None}).refit_epochs == 1


@pytest.mark.parametrize("change", [{"trial": -1}, {"state": "done"}, {"params": {"a": [1]}}])
def test_impossible_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        TrialRecord.model_validate(trial().model_dump() | change)


def test_epochs_and_candidates_count_from_1() -> None:
    with pytest.raises(ValidationError, match="epoch"):
        EpochScore(epoch=0, train_loss=1.0, learning_rate=0.1, seconds=1.0)
    with pytest.raises(ValidationError, match="candidate"):
        CandidateRecord.model_validate(candidate().model_dump() | {"candidate": 0})


def test_a_pickle_of_an_earlier_version_gets_the_defaults_of_newer_fields() -> None:
    taken = ModelInput(shape=(None, 8, 8, 1), height=8, width=8, is_grey=True)
    state = taken.__getstate__()
    state = {**state, "__dict__": {**state["__dict__"]}}
    del state["__dict__"]["levels"]
    again = ModelInput.__new__(ModelInput)
    again.__setstate__(state)
    assert again.levels is None
    assert again == taken
