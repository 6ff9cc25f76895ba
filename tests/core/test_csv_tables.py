"""Records as tables: columns in their order, a row each, and how a cell is written."""

import csv
import io
from typing import Any

import pytest

from autocnn.core.csv_tables import (
    SPLIT_COLUMNS,
    TRIAL_COLUMNS,
    Cell,
    csv_chunks,
    csv_lines,
    epoch_table,
    read_csv,
    to_csv,
    trial_table,
)
from autocnn.core.records import Scores, TrialState
from tests.samples import epoch, open_trial, trial


def written(columns: list[str], rows: list[list[Cell]]) -> list[dict[str, str]]:
    """The rows as who reads the file finds them."""
    return list(csv.DictReader(io.StringIO(to_csv(columns, rows), newline="")))


# -- trials --------------------------------------------------------------------------------


def test_trials_have_their_columns_in_order_then_the_params() -> None:
    columns, _ = trial_table([trial(0), trial(1, params={"width": 8, "dropout": 0.2})])
    assert ",".join(columns) == (
        "trial,state,reason,objective,epochs,best_epoch,seconds,num_weights,train_accuracy,"
        "val_accuracy,peak_memory_mb,param.family,param.dropout,param.weight_averaging,"
        "param.width"
    )
    assert tuple(columns[: len(TRIAL_COLUMNS)]) == TRIAL_COLUMNS


def test_a_row_holds_the_values_of_its_trial() -> None:
    bare: dict[str, Any] = dict.fromkeys(
        ("objective", "best_epoch", "num_weights", "peak_memory_mb")
    )
    failed = trial(
        1, state=TrialState.FAILED, reason="no luck", params={"width": 8}, history=(), **bare
    )
    first, second = written(*trial_table([trial(0), failed]))
    assert first == {
        "trial": "0",
        "state": "complete",
        "reason": "",
        "objective": "0.5",
        "epochs": "1",
        "best_epoch": "1",
        "seconds": "2.0",
        "num_weights": "1000",
        "train_accuracy": "0.75",
        "val_accuracy": "0.5",
        "peak_memory_mb": "800.5",
        "param.family": "resnet",
        "param.dropout": "0.1",
        "param.weight_averaging": "true",
        "param.width": "",
    }
    assert second == {
        "trial": "1",
        "state": "failed",
        "reason": "no luck",
        "objective": "",
        "epochs": "0",
        "best_epoch": "",
        "seconds": "2.0",
        "num_weights": "",
        "train_accuracy": "",
        "val_accuracy": "",
        "peak_memory_mb": "",
        "param.family": "",
        "param.dropout": "",
        "param.weight_averaging": "",
        "param.width": "8",
    }


def test_accuracies_are_those_of_the_best_epoch() -> None:
    better = epoch(2).model_copy(update={"val": epoch().val.model_copy(update={"accuracy": 0.9})})
    record = trial(0, history=(epoch(1), better), best_epoch=2)
    (row,) = written(*trial_table([record]))
    assert (row["epochs"], row["best_epoch"], row["val_accuracy"]) == ("2", "2", "0.9")


@pytest.mark.parametrize("state", list(TrialState))
def test_a_trial_has_a_row_whatever_its_end(state: TrialState) -> None:
    record = open_trial(4).model_copy(update={"state": state})
    (row,) = written(*trial_table([record]))
    assert (row["trial"], row["state"]) == ("4", state)


def test_no_trial_gives_the_header_alone() -> None:
    assert trial_table([]) == (list(TRIAL_COLUMNS), [])


# -- epochs --------------------------------------------------------------------------------


def test_epochs_have_a_row_each_with_every_score() -> None:
    rows = written(*epoch_table([("search", (epoch(1), epoch(2)))]))
    assert rows[1] == {
        "phase": "search",
        "epoch": "2",
        "train_loss": "0.5",
        "learning_rate": "0.001",
        "seconds": "1.235",
        "train_accuracy": "0.75",
        "train_balanced_accuracy": "0.7",
        "train_macro_f1": "",
        "train_macro_auc": "",
        "train_log_loss": "",
        "train_kappa": "",
        "train_mcc": "",
        "val_accuracy": "0.5",
        "val_balanced_accuracy": "",
        "val_macro_f1": "",
        "val_macro_auc": "",
        "val_log_loss": "",
        "val_kappa": "",
        "val_mcc": "",
    }


def test_phases_follow_each_other() -> None:
    _, rows = epoch_table([("search", [epoch(1)]), ("refit", [epoch(1), epoch(2)])])
    assert [row[:2] for row in rows] == [["search", 1], ["refit", 1], ["refit", 2]]


def test_an_objective_of_its_own_has_columns_behind_the_metrics() -> None:
    own = epoch(1).model_copy(update={"val": Scores(accuracy=0.5, own=-2.5)})
    columns, rows = epoch_table([("search", [own, epoch(2)])])
    assert columns[-2:] == ["train_objective", "val_objective"]
    assert [row[-2:] for row in rows] == [[None, -2.5], [None, None]]
    assert "val_objective" not in epoch_table([("search", [epoch(1)])])[0]


def test_no_epoch_gives_the_header_alone() -> None:
    columns, rows = epoch_table([("search", [])])
    assert len(columns) == 19
    assert rows == []


# -- cells ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, '""'),
        ("", '""'),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (10**12, "1000000000000"),
        (0.0, "0.0"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333"),
        (1e-12, "1e-12"),
        (1234567890.5, "1234567890.0"),
        ("plain", "plain"),
        ("a,b", '"a,b"'),
        ('say "a"', '"say ""a"""'),
        ("two\nlines", '"two\nlines"'),
        ("Äpfel", "Äpfel"),
    ],
)
def test_how_a_cell_is_written(value: Cell, text: str) -> None:
    assert to_csv(["column"], [[value]]) == f"column\n{text}\n"


def test_params_are_written_so_that_they_read_back_as_they_were() -> None:
    value = 0.00031622776601683794
    assert to_csv(["param.learning_rate"], [[value]]).splitlines()[1] == str(value)
    assert to_csv(["learning_rate"], [[value]]).splitlines()[1] == "0.000316227766"


def test_an_empty_cell_among_others_is_nothing() -> None:
    assert to_csv(["a", "b", "c"], [[None, 1, None]]) == "a,b,c\n,1,\n"


def test_an_integer_and_a_whole_number_are_told_apart() -> None:
    assert to_csv(["a", "b"], [[2, 2.0]]) == "a,b\n2,2.0\n"


def test_shares_in_one_cell_are_written_as_those_in_many() -> None:
    for before, after in (([], []), (["path", "label"], ["is_clean", "unlike"]), (["path"], ["x"])):
        columns = [*before, "p.a", "p.b, c", "p.d", *after]
        front, back = ["=a,b"] * len(before), [None] * len(after)
        joined = csv_chunks(columns, [[*front, "1e-06,0.25,0.0", *back]], has_shares=True)
        assert "".join(joined) == to_csv(columns, [[*front, 0.000001, 0.25, 0.0, *back]])
    with pytest.raises(ValueError, match="a row must have 1 cells, got 2"):
        list(csv_chunks(["p.a", "p.b"], [[0.5, 0.5]], has_shares=True))


def test_the_columns_of_split_csv_are_the_contract() -> None:
    assert SPLIT_COLUMNS == ("path", "label", "group", "split", "sha256")


# -- texts that a spreadsheet would run -----------------------------------------------------

FORMULAS = ("=1+1", "+1+1", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", '="a",b')


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_is_no_formula(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_lines([[text]]), newline=""))
    assert row == [f"'{text}"]
    (header, _) = csv.reader(io.StringIO(to_csv([text], [[1]]), newline=""))
    assert header == [f"'{text}"]


@pytest.mark.parametrize(
    "text", [*FORMULAS, "'=1", "''=1", "'a", "'", "", "a=b", "-1", "+1.5e-3", "-"]
)
def test_a_text_reads_back_as_it_was(text: str) -> None:
    assert list(read_csv(to_csv(["a", "b"], [[text, text]])))[1] == [text, text]


@pytest.mark.parametrize("value", [-1, -0.5, -1e-5, "-1", "+1", "-.5", "-1e5"])
def test_numbers_stay_numbers(value: Cell) -> None:
    assert csv_lines([[value]]) == f"{value}\n"
