"""Records as tables: the columns and rows of a study's CSV files, and how a cell is written."""

import csv
import io
from collections.abc import Iterable, Sequence

from autocnn.core.records import EpochScore, ParamValue, TrialRecord

Cell = ParamValue | None

TRIAL_COLUMNS = (
    "trial",
    "state",
    "reason",
    "objective",
    "epochs",
    "best_epoch",
    "seconds",
    "num_weights",
    "train_accuracy",
    "val_accuracy",
    "peak_memory_mb",
)

SPLIT_COLUMNS = ("path", "label", "group", "split", "sha256")

_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss")


def trial_table(records: Sequence[TrialRecord]) -> tuple[list[str], list[list[Cell]]]:
    """Trials as a table: a row each, whatever its end; a column per param that any has."""
    names = list(dict.fromkeys(name for record in records for name in record.params))
    rows: list[list[Cell]] = []
    for record in records:
        best = record.best
        row: list[Cell] = [
            record.trial,
            str(record.state),
            record.reason,
            record.objective,
            len(record.history),
            record.best_epoch,
            round(record.seconds, 3),
            record.num_weights,
            best.train.accuracy if best else None,
            best.val.accuracy if best else None,
            record.peak_memory_mb,
        ]
        rows.append(row + [record.params.get(name) for name in names])
    return [*TRIAL_COLUMNS, *(f"param.{name}" for name in names)], rows


def epoch_table(
    phases: Sequence[tuple[str, Sequence[EpochScore]]],
) -> tuple[list[str], list[list[Cell]]]:
    """Epochs as a table: one row each, a column per score of train and val."""
    columns = ["phase", "epoch", "train_loss", "learning_rate", "seconds"]
    columns += [f"{split}_{metric}" for split in ("train", "val") for metric in _METRICS]
    rows: list[list[Cell]] = []
    for phase, history in phases:
        for score in history:
            row: list[Cell] = [phase, score.epoch, score.train_loss, score.learning_rate]
            row.append(round(score.seconds, 3))
            for scores in (score.train, score.val):
                row += [getattr(scores, metric) for metric in _METRICS]
            rows.append(row)
    return columns, rows


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV: nothing for None, `true` for True, nine digits of a number."""
    return csv_lines([columns]) + csv_lines(rows)


def csv_lines(rows: Iterable[Sequence[Cell]]) -> str:
    """The lines of some rows of a CSV file, as `to_csv` writes them."""
    return "".join([_csv_line([_as_cell(value) for value in row]) for row in rows])


def _csv_line(cells: Sequence[str | int | float]) -> str:
    """One line. With the default end of a line, the writer quotes every line break in a cell."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _as_cell(value: Cell) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return float(f"{value:.9g}") if isinstance(value, float) else value
