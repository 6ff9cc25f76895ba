"""Ranked rows, and their way through CSV, JSON and the terminal."""

import csv
import io
import json
from typing import Any, get_args

import pytest

from autocnn.core.errors import StudyError
from autocnn.core.records import (
    CandidateKind,
    CandidateRecord,
    Interval,
    Robustness,
    Scores,
    SplitScores,
)
from autocnn.reporting.leaderboard import (
    COLUMNS,
    KIND_MEANINGS,
    MORE_COLUMNS,
    Leaderboard,
    build_leaderboard,
    from_csv,
    kind_meanings,
    summary_rows,
    to_json,
)


def make_split(split: Any, **scores: float) -> SplitScores:
    accuracy = scores.get("accuracy")
    intervals = {}
    if accuracy is not None:
        intervals["accuracy"] = Interval(value=accuracy, low=accuracy - 0.02, high=1.0)
    return SplitScores(
        split=split, num_images=100, scores=Scores(**scores), intervals=intervals, classes=()
    )


def make_candidate(rank: int = 1, **changes: Any) -> CandidateRecord:
    facts: dict[str, Any] = {
        "candidate": rank,
        "rank": rank,
        "kind": "refit",
        "trial": 7,
        "params": {"family": "resnet", "learning_rate": 0.00031622776601683794, "flip": True},
        "objective": 0.93,
        "train": make_split("train", accuracy=0.97),
        "val": make_split("val", accuracy=0.94),
        "test": make_split(
            "test",
            accuracy=0.93123456789,
            balanced_accuracy=0.92,
            macro_f1=0.91,
            macro_auc=0.99,
            log_loss=0.25,
            ece=0.03,
        ),
        "num_weights": 312_345,
        "flops": 1_700_000_000,
        "latency_ms": 1.0 / 3.0,
        "size_mb": 1.25,
        "epochs": 12,
        "train_seconds": 61.5,
        "seed": 3,
    }
    return CandidateRecord(**(facts | changes))


def cells(board: Leaderboard, row: int = 0) -> dict[str, Any]:
    return dict(zip(board.columns, board.rows[row], strict=True))


def test_cells_come_from_the_record() -> None:
    measured = make_candidate(
        folds=make_split("folds", accuracy=0.935),
        test_clean=make_split("test_clean", accuracy=0.92).model_copy(update={"num_images": 80}),
        robustness=Robustness(num_images=9, accuracy=1.0, mean_drop=0.0125, corruptions=()),
    )
    board = build_leaderboard([measured])
    assert board.columns == (
        *COLUMNS,
        "param.family",
        "param.learning_rate",
        "param.flip",
        *MORE_COLUMNS,
    )
    assert cells(board) == {
        "rank": 1,
        "candidate": 1,
        "kind": "refit",
        "trial": 7,
        "family": "resnet",
        "objective": 0.93,
        "cv_mean": None,
        "cv_sd": None,
        "train_accuracy": 0.97,
        "val_accuracy": 0.94,
        "gap_train_val": 0.03,
        "test_accuracy": 0.931234568,
        "test_accuracy_low": 0.911234568,
        "test_accuracy_high": 1.0,
        "test_balanced_accuracy": 0.92,
        "test_macro_f1": 0.91,
        "test_macro_auc": 0.99,
        "test_log_loss": 0.25,
        "test_ece": 0.03,
        "gap_val_test": 0.00876543211,
        "num_weights": 312_345,
        "flops": 1_700_000_000,
        "latency_ms": 0.333333333,
        "size_mb": 1.25,
        "epochs": 12,
        "train_seconds": 61.5,
        "seed": 3,
        "param.family": "resnet",
        "param.learning_rate": 0.00031622776601683794,
        "param.flip": True,
        "num_test": 100,
        "num_test_clean": 80,
        "test_clean_accuracy": 0.92,
        "test_clean_accuracy_low": 0.9,
        "test_clean_accuracy_high": 1.0,
        "test_clean_balanced_accuracy": None,
        "test_clean_macro_f1": None,
        "test_clean_macro_auc": None,
        "test_clean_log_loss": None,
        "test_clean_ece": None,
        "folds_accuracy": 0.935,
        "gap_val_folds": 0.005,
        "gap_folds_test_clean": 0.015,
        "temperature": None,
        "robustness_drop": 0.0125,
        "tied_with": None,
        "is_default": False,
        "judged_objective": 0.92,
        "judged_objective_low": 0.9,
        "judged_objective_high": 1.0,
    }


def test_rows_stand_by_rank_not_by_test() -> None:
    worst_on_test = make_candidate(1, test=make_split("test", accuracy=0.5))
    best_on_test = make_candidate(2, test=make_split("test", accuracy=0.99))
    board = build_leaderboard([best_on_test, worst_on_test])
    assert [row[0] for row in board.rows] == [1, 2]
    assert [cells(board, index)["test_accuracy"] for index in (0, 1)] == [0.5, 0.99]


def test_params_are_the_union_in_order_of_first_appearance() -> None:
    first = make_candidate(1, params={"family": "plain", "depth": 3})
    second = make_candidate(2, params={"family": "resnet", "width": 8, "depth": 4})
    board = build_leaderboard([second, first])
    params = slice(len(COLUMNS), -len(MORE_COLUMNS))
    assert board.columns[params] == ("param.family", "param.depth", "param.width")
    assert [row[params] for row in board.rows] == [("plain", 3, None), ("resnet", 4, 8)]


def test_what_was_not_measured_is_empty() -> None:
    empty = make_candidate(
        params={}, val=make_split("val"), test=make_split("test"), flops=None, latency_ms=None
    )
    row = cells(build_leaderboard([empty]))
    absent = {name for name, cell in row.items() if cell is None}
    assert absent == {
        "cv_mean",
        "cv_sd",
        "val_accuracy",
        "gap_train_val",
        "flops",
        "latency_ms",
        "gap_val_test",
        *(name for name in COLUMNS if name.startswith("test_")),
        *MORE_COLUMNS,
    } - {"num_test", "num_test_clean", "is_default"}
    assert row["train_accuracy"] == 0.97
    assert row["family"] == "resnet"  # what a space leaves out has the knob's default


def test_a_model_of_ones_own_is_its_own_family() -> None:
    row = cells(build_leaderboard([make_candidate(params={}, builder="my_model:build")]))
    assert row["family"] == "my_model:build"


def test_gap_of_equal_scores_is_plain_zero() -> None:
    same = make_candidate(
        train=make_split("train", accuracy=0.3), val=make_split("val", accuracy=0.1 + 0.2)
    )
    assert ",0.0," in build_leaderboard([same]).to_csv().splitlines()[1]
    assert "-0.0" not in build_leaderboard([same]).to_csv()


def test_numbers_that_are_none_are_empty() -> None:
    board = build_leaderboard([make_candidate(latency_ms=float("nan"))])
    assert cells(board)["latency_ms"] is None
    assert json.loads(to_json(board))[0]["latency_ms"] is None


def test_csv_comes_back_as_it_was() -> None:
    board = build_leaderboard(
        [
            make_candidate(
                1,
                params={
                    "family": "plain",
                    "name": 'a "b", c\nd',
                    "on": False,
                    "rate": 1e-05,
                    "n": 3,
                    "big": 1e22,
                    "half": 2.0,
                },
            ),
            make_candidate(2, params={"family": "resnet"}, cv_mean=0.9, cv_sd=0.01),
        ]
    )
    back = from_csv(board.to_csv())
    assert back == board
    kinds = [[type(cell) for cell in row] for row in board.rows]
    assert [[type(cell) for cell in row] for row in back.rows] == kinds


def test_csv_reads_in_any_csv_reader() -> None:
    text = build_leaderboard([make_candidate(params={"x": "a,b", "flip": True})]).to_csv()
    header, row = csv.reader(io.StringIO(text))
    assert (
        dict(zip(header, row, strict=True)).items()
        >= {"param.x": "a,b", "param.flip": "true", "is_default": "false"}.items()
    )
    assert row[header.index("cv_mean")] == ""
    assert row[header.index("gap_train_val")] == "0.03"
    assert from_csv(text.replace("\n", "\r\n")) == from_csv(text)


def test_columns_between_contract_and_params_are_kept() -> None:
    text = build_leaderboard([make_candidate()]).to_csv()
    lines = text.splitlines()
    wider = from_csv(f"{lines[0]},note\n{lines[1]},by hand\n")
    assert cells(wider)["note"] == "by hand"


def test_empty_leaderboard() -> None:
    board = build_leaderboard([])
    assert board == Leaderboard(columns=(*COLUMNS, *MORE_COLUMNS), rows=())
    assert from_csv(board.to_csv()) == board
    assert to_json(board) == "[]\n"
    assert summary_rows(board)[1] == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "must have the column rank, got 0 columns"),
        (lambda text: text.replace("seed", "sead", 1), "must have the column seed"),
        (lambda text: text + "1,2\n", "line 3 must have 50 cells, got 2"),
        (lambda text: text.replace("\n1,", "\none,"), "line 2: rank must be an integer, got 'one'"),
        (lambda text: text.replace("0.97", "high"), "train_accuracy must be a number, got 'high'"),
    ],
)
def test_spoilt_csv_is_a_study_error(change: Any, message: str) -> None:
    text = build_leaderboard([make_candidate()]).to_csv()
    with pytest.raises(StudyError, match=r"leaderboard\.csv") as caught:
        from_csv(change(text))
    assert message in str(caught.value)
    assert caught.value.remedy


def test_json_holds_numbers_booleans_and_nulls() -> None:
    (row,) = json.loads(to_json(build_leaderboard([make_candidate()])))
    assert tuple(row) == build_leaderboard([make_candidate()]).columns
    assert row["test_accuracy"] == 0.931234568
    assert row["num_weights"] == 312_345
    assert row["param.flip"] is True
    assert row["cv_mean"] is None


def test_json_is_the_same_from_records_and_from_csv() -> None:
    board = build_leaderboard([make_candidate(1), make_candidate(2, params={"family": "plain"})])
    assert to_json(from_csv(board.to_csv())) == to_json(board)


def test_summary_is_short_and_formatted() -> None:
    board = build_leaderboard(
        [
            make_candidate(1, val=make_split("val", accuracy=0.98), is_default=True),
            make_candidate(
                2,
                kind="folds",
                params={},
                test=make_split("test"),
                num_weights=950,
                tied_with=1,
                cv_mean=0.95123,
                cv_sd=0.004,
                test_clean=make_split("test_clean", accuracy=0.92),
                num_test_clean=7,
                robustness=Robustness(num_images=9, accuracy=1.0, mean_drop=0.0125, corruptions=()),
            ),
            make_candidate(3, kind="ensemble"),
        ]
    )
    header, rows = summary_rows(board)
    assert header == ("rank", "model", "folds", "clean test [95 %]", "gap")
    assert rows[0] == ("1", "refit 7 (default)", "-", "0.931 [0.911, 1.000]", "-0.010")
    assert rows[1] == ("2 =1", "folds 7", "0.951 ± 0.004", "0.920 [0.900, 1.000]", "+0.030")
    assert rows[2][1] == "ensemble"


def test_without_folds_or_copies_the_summary_shows_val_and_test() -> None:
    one = make_candidate(1, num_test_clean=100)
    header, rows = summary_rows(build_leaderboard([one]))
    assert header == ("rank", "model", "val", "test [95 %]", "gap")
    assert rows == (("1", "refit 7", "0.930", "0.931 [0.911, 1.000]", "+0.030"),)


def test_a_test_without_a_clean_image_is_not_called_test_alone() -> None:
    header, _ = summary_rows(build_leaderboard([make_candidate(1, num_test_clean=0)]))
    assert header == ("rank", "model", "val", "leaky test [95 %]", "gap")


def test_the_kinds_of_model_that_are_there_are_explained() -> None:
    board = build_leaderboard([make_candidate(1), make_candidate(2, kind="folds")])
    assert kind_meanings(board) == (
        "Refit N is trial N retrained on train + val; folds N is the mean of the models that the "
        "folds trained with its params."
    )


def test_every_kind_of_model_has_a_meaning() -> None:
    assert set(KIND_MEANINGS) == set(get_args(CandidateKind))


def test_the_wide_summary_has_the_rest() -> None:
    clean = make_split("test_clean", accuracy=0.92, macro_auc=0.91)
    drop = Robustness(num_images=9, accuracy=1.0, mean_drop=0.0125, corruptions=())
    one = make_candidate(
        1, cv_mean=0.9, cv_sd=0.01, test_clean=clean, num_test_clean=9, robustness=drop
    )
    header, rows = summary_rows(build_leaderboard([one]), wide=True)
    assert dict(zip(header, rows[0], strict=True)) == {
        "rank": "1",
        "model": "refit 7",
        "folds": "0.900 ± 0.010",
        "clean test [95 %]": "0.920 [0.900, 1.000]",
        "gap": "+0.030",
        "family": "resnet",
        "train": "0.970",
        "val accuracy": "0.940",
        "AUC": "0.910",
        "drop": "0.013",
        "weights": "0.31M",
        "accuracy [95 %]": "0.920 [0.900, 1.000]",
        "all of test [95 %]": "0.931 [0.911, 1.000]",
    }
