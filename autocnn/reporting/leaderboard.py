"""The candidates of a study as ranked rows: for CSV, JSON and the terminal.

Nothing here is slow to import: no Keras, no pandas.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autocnn.core.csv_tables import PARAM_PREFIX, Cell, measured, read_csv, to_csv
from autocnn.core.errors import StudyError
from autocnn.core.records import CandidateKind, CandidateRecord, Interval, Scores, SplitScores
from autocnn.core.wording import TABLE_PLACES, capital, fraction, weights
from autocnn.spaces.knobs import KNOBS

COLUMNS: tuple[str, ...] = (
    "rank",
    "candidate",
    "kind",
    "trial",
    "family",
    "objective",
    "cv_mean",
    "cv_sd",
    "train_accuracy",
    "val_accuracy",
    "gap_train_val",
    "test_accuracy",
    "test_accuracy_low",
    "test_accuracy_high",
    "test_balanced_accuracy",
    "test_macro_f1",
    "test_macro_auc",
    "test_log_loss",
    "test_ece",
    "gap_val_test",
    "num_weights",
    "flops",
    "latency_ms",
    "size_mb",
    "epochs",
    "train_seconds",
    "seed",
)
"""Columns of every leaderboard, in order; `param.<name>` columns follow, then `MORE_COLUMNS`."""

MORE_COLUMNS: tuple[str, ...] = (
    "num_test",
    "num_test_clean",
    "test_clean_accuracy",
    "test_clean_accuracy_low",
    "test_clean_accuracy_high",
    "test_clean_balanced_accuracy",
    "test_clean_macro_f1",
    "test_clean_macro_auc",
    "test_clean_log_loss",
    "test_clean_ece",
    "folds_accuracy",
    "gap_val_folds",
    "gap_folds_test_clean",
    "temperature",
    "robustness_drop",
    "tied_with",
    "is_default",
    "judged_objective",
    "judged_objective_low",
    "judged_objective_high",
)
"""Columns after those of the params."""

KIND_MEANINGS: Mapping[CandidateKind, str] = {
    "trial": "trial N is as the search trained it, not retrained",
    "refit": "refit N is trial N retrained on train + val",
    "refits": "refits N is the mean of several refits of it, with trial N itself where they are "
    "few",
    "folds": "folds N is the mean of the models that the folds trained with its params",
    "ensemble": "the ensemble is a weighted mean of models of several trials",
}

_TEXT_COLUMNS = frozenset({"kind", "family"})
_INTEGER_COLUMNS = frozenset(
    {
        "rank",
        "candidate",
        "trial",
        "num_weights",
        "flops",
        "epochs",
        "seed",
        "num_test",
        "num_test_clean",
        "tied_with",
    }
)
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Leaderboard:
    """Candidates, best first.

    Attributes:
        columns: `COLUMNS`, then `param.<name>`, then any others.
        rows: One per candidate, a cell per column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_csv(self) -> str:
        """The content of leaderboard.csv."""
        return to_csv(self.columns, self.rows)


def build_leaderboard(
    candidates: Sequence[CandidateRecord], *, objective: str = "accuracy"
) -> Leaderboard:
    """The leaderboard of some candidates, by rank.

    Measured numbers are rounded as in every table (`csv_tables.measured`), so that the CSV, the
    JSON and Python agree; params stay exact. Gaps are differences of accuracies: positive when
    the second split is the harder one.

    Args:
        candidates: In any order. Their params, in order of first appearance, become
            the `param.<name>` columns; a param that a candidate lacks is empty.
        objective: What the study improved: `judged_objective` is its value on the images that
            speak for a candidate, clean test or test where that is the same.
    """
    ranked = sorted(candidates, key=lambda record: record.rank)
    names = list(dict.fromkeys(name for record in ranked for name in record.params))
    rows = []
    for record in ranked:
        params: list[Cell] = [record.params.get(name) for name in names]
        rows.append((*_measured_cells(record), *params, *_more_cells(record, objective)))
    columns = (*COLUMNS, *(f"{PARAM_PREFIX}{name}" for name in names), *MORE_COLUMNS)
    return Leaderboard(columns=columns, rows=tuple(rows))


def from_csv(text: str) -> Leaderboard:
    """The leaderboard in a CSV text.

    The columns of the contract have their known types. In all others what looks like a
    boolean, an integer or a number becomes one, and the rest stays text; so the text
    param `"3"` comes back as the number 3.

    Args:
        text: As `Leaderboard.to_csv` writes it; further columns may stand anywhere.

    Raises:
        StudyError: When a column of the contract is missing, a row is longer or shorter
            than the header, or a cell is not of its column's type.
    """
    header, *lines = list(read_csv(text)) or [[]]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise _unreadable(f"must have the column {missing[0]}, got {len(header)} columns")
    rows = []
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        if len(line) != len(header):
            raise _unreadable(f"line {number} must have {len(header)} cells, got {len(line)}")
        try:
            cells = [_read_cell(name, cell) for name, cell in zip(header, line, strict=True)]
        except ValueError as error:
            raise _unreadable(f"line {number}: {error}") from error
        rows.append(tuple(cells))
    return Leaderboard(columns=tuple(header), rows=tuple(rows))


def to_json(leaderboard: Leaderboard) -> str:
    r"""The leaderboard as a JSON list of objects, column -> value; an empty cell is null.

    >>> to_json(Leaderboard(("rank", "cv_mean"), ((1, None),)))
    '[\n {\n  "rank": 1,\n  "cv_mean": null\n }\n]\n'
    """
    objects = [dict(zip(leaderboard.columns, row, strict=True)) for row in leaderboard.rows]
    return json.dumps(objects, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def summary_rows(
    leaderboard: Leaderboard, *, wide: bool = False
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The leaderboard as a short table for people, which fits 80 characters.

    Args:
        leaderboard: Of a study.
        wide: Whether the rest is shown too: family, more scores, weights.

    Returns:
        The header, and a row of texts per candidate: what it was ranked on, the objective on test
        with its 95 % interval (on the clean part where that was scored; accuracy in older
        studies), the gap between train and val. `-` where empty.
    """
    board = [dict(zip(leaderboard.columns, row, strict=True)) for row in leaderboard.rows]
    has_folds = any(cells.get("cv_mean") is not None for cells in board)
    has_clean = any(cells.get("test_clean_accuracy") is not None for cells in board)
    has_none = board and all(cells.get("num_test_clean") == 0 for cells in board)
    name_of_test = "leaky test [95 %]" if has_none else "test [95 %]"
    name_of_test = "clean test [95 %]" if has_clean else name_of_test
    accuracy = "test_clean_accuracy" if has_clean else "test_accuracy"
    judged = "judged_objective" if has_objective(leaderboard) else accuracy
    columns: list[tuple[str, Callable[[dict[str, Cell]], str]]] = [
        ("rank", _show_rank),
        ("model", _show_kind),
        ("folds", _show_folds) if has_folds else ("val", _show_score("objective")),
        (name_of_test, _show_interval(judged)),
        ("gap", _show_score("gap_train_val", sign=True)),
    ]
    if wide:
        columns += [("accuracy [95 %]", _show_interval(accuracy))] if judged != accuracy else []
        columns += _MORE
        columns += [("all of test [95 %]", _show_interval("test_accuracy"))] if has_clean else []
    header = tuple(name for name, _ in columns)
    return header, tuple(tuple(show(cells) for _, show in columns) for cells in board)


def kind_meanings(leaderboard: Leaderboard) -> str:
    """A sentence on what the column `model` of `summary_rows` says, of the kinds that are there."""
    place = leaderboard.columns.index("kind")
    kinds = {row[place] for row in leaderboard.rows}
    found = [meaning for kind, meaning in KIND_MEANINGS.items() if kind in kinds]
    return capital(f"{'; '.join(found)}.")


def has_objective(leaderboard: Leaderboard) -> bool:
    """Whether it holds the objective on test; that of an older study has accuracy alone."""
    if "judged_objective" not in leaderboard.columns:
        return False
    place = leaderboard.columns.index("judged_objective")
    return any(row[place] is not None for row in leaderboard.rows)


def _measured_cells(record: CandidateRecord) -> tuple[Cell, ...]:
    train_accuracy = record.train.scores.accuracy
    val_accuracy = record.val.scores.accuracy
    family = record.builder or record.params.get("family", KNOBS["family"].default)
    cells: tuple[Cell, ...] = (
        record.rank,
        record.candidate,
        record.kind,
        record.trial,
        None if family is None else str(family),
        record.objective,
        record.cv_mean,
        record.cv_sd,
        train_accuracy,
        val_accuracy,
        _difference(train_accuracy, val_accuracy),
        *_scores(record.test),
        _difference(val_accuracy, record.test.scores.accuracy),
        record.num_weights,
        record.flops,
        record.latency_ms,
        record.size_mb,
        record.epochs,
        record.train_seconds,
        record.seed,
    )
    return tuple(_round(cell) for cell in cells)


def _more_cells(record: CandidateRecord, objective: str) -> tuple[Cell, ...]:
    clean = record.test_clean
    folds = record.folds.scores.accuracy if record.folds else None
    cells: tuple[Cell, ...] = (
        record.test.num_images,
        record.num_test_clean,
        *_scores(clean),
        folds,
        _difference(record.val.scores.accuracy, folds),
        _difference(folds, record.judged.scores.accuracy),
        record.calibration.temperature if record.calibration else None,
        record.robustness.mean_drop if record.robustness else None,
        record.tied_with,
        record.is_default,
        record.judged.scores.of(objective),
        *_ends(record.judged.interval_of(objective)),
    )
    return tuple(_round(cell) for cell in cells)


def _scores(scored: SplitScores | None) -> tuple[Cell, ...]:
    """Accuracy with its interval, then the other scores of a test set; nothing of no set."""
    scores = scored.scores if scored else Scores()
    interval = scored.intervals.get("accuracy") if scored else None
    return (
        scores.accuracy,
        *_ends(interval),
        scores.balanced_accuracy,
        scores.macro_f1,
        scores.macro_auc,
        scores.log_loss,
        scores.ece,
    )


def _ends(interval: Interval | None) -> tuple[Cell, Cell]:
    return (interval.low, interval.high) if interval else (None, None)


def _difference(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    # Fractions of images: what is left below 10^-12 is the error of the subtraction.
    # Adding 0.0 turns -0.0 into 0.0.
    return round(first - second, 12) + 0.0


def _round(cell: Cell) -> Cell:
    if not isinstance(cell, float):
        return cell
    # NaN and infinity (a latency that failed, say) mean that nothing was measured.
    return measured(cell) if math.isfinite(cell) else None


def _read_cell(column: str, text: str) -> Cell:
    if text == "":
        return None
    if column in _TEXT_COLUMNS:
        return text
    is_known = column in COLUMNS or (column in MORE_COLUMNS and column != "is_default")
    if _INTEGER.fullmatch(text) and (not is_known or column in _INTEGER_COLUMNS):
        return int(text)
    if _NUMBER.fullmatch(text) and column not in _INTEGER_COLUMNS:
        return float(text)
    if is_known:
        kind = "an integer" if column in _INTEGER_COLUMNS else "a number"
        raise ValueError(f"{column} must be {kind}, got {text!r}")
    return {"true": True, "false": False}.get(text, text)


def _unreadable(problem: str) -> StudyError:
    remedy = "Its numbers are also in candidates/*/candidate.json."
    return StudyError(f"leaderboard.csv: {problem}.", remedy=remedy)


def _show_text(column: str) -> Callable[[dict[str, Cell]], str]:
    def show(cells: dict[str, Cell]) -> str:
        cell = cells.get(column)
        return "-" if cell is None else str(cell)

    return show


def _show_score(column: str, *, sign: bool = False) -> Callable[[dict[str, Cell]], str]:
    def show(cells: dict[str, Cell]) -> str:
        cell = cells.get(column)
        if not isinstance(cell, int | float):
            return "-"
        return fraction(cell, places=TABLE_PLACES, sign=sign)

    return show


def _show_rank(cells: dict[str, Cell]) -> str:
    """The rank; with `=1` where test cannot distinguish the candidate from the first."""
    tied = cells.get("tied_with")
    return str(cells["rank"]) if tied is None else f"{cells['rank']} ={tied}"


def _show_kind(cells: dict[str, Cell]) -> str:
    """`refit 22`, `folds 22`, `ensemble`; the default configuration is said."""
    if cells["kind"] == "ensemble":
        return "ensemble"
    is_default = " (default)" if cells.get("is_default") else ""
    return f"{cells['kind']} {cells['trial']}{is_default}"


def _show_folds(cells: dict[str, Cell]) -> str:
    mean, sd = _show_score("cv_mean")(cells), _show_score("cv_sd")(cells)
    return mean if sd == "-" else f"{mean} ± {sd}"


def _show_interval(column: str) -> Callable[[dict[str, Cell]], str]:
    def show(cells: dict[str, Cell]) -> str:
        value, low, high = (
            _show_score(name)(cells) for name in (column, f"{column}_low", f"{column}_high")
        )
        return value if "-" in (low, high) else f"{value} [{low}, {high}]"

    return show


def _show_weights(cells: dict[str, Cell]) -> str:
    number = cells["num_weights"]
    return weights(number, space="") if isinstance(number, int) else "-"


def _show_auc(cells: dict[str, Cell]) -> str:
    """On clean test where it was scored, as accuracy is."""
    has_clean = cells.get("test_clean_accuracy") is not None
    return _show_score("test_clean_macro_auc" if has_clean else "test_macro_auc")(cells)


_MORE: tuple[tuple[str, Callable[[dict[str, Cell]], str]], ...] = (
    ("family", _show_text("family")),
    ("train", _show_score("train_accuracy")),
    ("val accuracy", _show_score("val_accuracy")),
    ("AUC", _show_auc),
    ("drop", _show_score("robustness_drop")),
    ("weights", _show_weights),
)
"""Columns that only the wide table has."""
