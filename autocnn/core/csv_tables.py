"""Records as tables: the columns and rows of a study's CSV files, how a cell is written and read.

Names of classes and files are other people's text. What a spreadsheet would run as a formula gets
an apostrophe in front, which `read_csv` takes away.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from autocnn.core.records import EpochScore, ParamValue, TrialRecord

Cell = ParamValue | None

PARAM_PREFIX = "param."
"""Begins the names of columns that hold a param each."""

SHARE_PREFIX = "p."
"""Begins the names of columns that hold the probability of a class each."""

CHUNK_LETTERS = 2**22
"""Of a table that are written at once."""

LONGEST_CELL = 2**31 - 1
"""Letters of a cell that is read; Python stops at 131,072 unless it is told otherwise."""

SIGNIFICANT_DIGITS = 9
"""Of measured numbers, in every table: enough for a 32-bit float, and to count 10^9 images."""

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
"""What split.csv says of an image, but for its folds."""

FOLD_COLUMN = "fold"
"""Stands before `sha256`; those of further repeats, `fold_2`, `fold_3`, ..., behind it."""

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that a spreadsheet may run, behind any apostrophes of its own; the last four
are the full-width signs."""

_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss", "kappa", "mcc")


def trial_table(records: Sequence[TrialRecord]) -> tuple[list[str], list[list[Cell]]]:
    """Trials as a table: a row each, whatever its end; a column per param that any has."""
    names = list(dict.fromkeys(name for record in records for name in record.params))
    columns = [*TRIAL_COLUMNS, *(f"{PARAM_PREFIX}{name}" for name in names)]
    return columns, [trial_row(record, names) for record in records]


def trial_row(record: TrialRecord, names: Iterable[str]) -> list[Cell]:
    """The row of a trial in a table with a column for each of these params."""
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
    return row + [record.params.get(name) for name in names]


def epoch_table(
    phases: Sequence[tuple[str, Sequence[EpochScore]]],
) -> tuple[list[str], list[list[Cell]]]:
    """Epochs as a table: one row each, a column per score of train and val.

    An objective that is none of the metrics has columns of its own, `train_objective` and
    `val_objective`, behind the others.
    """
    columns = ["phase", "epoch", "train_loss", "learning_rate", "seconds"]
    columns += [f"{split}_{metric}" for split in ("train", "val") for metric in _METRICS]
    has_own = any(score.val.own is not None for _, history in phases for score in history)
    if has_own:
        columns += ["train_objective", "val_objective"]
    rows: list[list[Cell]] = []
    for phase, history in phases:
        for score in history:
            row: list[Cell] = [phase, score.epoch, score.train_loss, score.learning_rate]
            row.append(round(score.seconds, 3))
            for scores in (score.train, score.val):
                row += [getattr(scores, metric) for metric in _METRICS]
            if has_own:
                row += [score.train.own, score.val.own]
            rows.append(row)
    return columns, rows


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    r"""A table as CSV with a header, quoted as in RFC 4180, lines ending in `\n`.

    None is an empty cell, booleans are `true` and `false`. Numbers have nine digits; those of
    params all that it takes to read them back as they were.

    Args:
        columns: The header.
        rows: A cell per column.

    >>> to_csv(["rank", "param.order", "score"], [[1, "norm, conv", 1 / 3], [2, None, None]])
    'rank,param.order,score\n1,"norm, conv",0.333333333\n2,,\n'
    """
    return "".join(csv_chunks(columns, rows))


def csv_chunks(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, has_shares: bool = False
) -> Iterator[str]:
    """What `to_csv` gives, in pieces of some MB: memory is flat in the number of rows.

    Args:
        columns: The header.
        rows: A cell per column.
        has_shares: Whether all columns `p.<class>`, which stand together, have one cell: the text
            of their numbers, with commas between. Of a thousand classes, each cell counts.
    """
    shares = [place for place, name in enumerate(columns) if name.startswith(SHARE_PREFIX)]
    start, stop = (shares[0], shares[-1]) if has_shares else (len(columns), len(columns))
    is_param = [name.startswith(PARAM_PREFIX) for name in (*columns[:start], *columns[stop:])]
    lines, length = [_csv_line(columns)], 0
    for row in rows:
        if len(row) != len(is_param):
            raise ValueError(f"a row must have {len(is_param)} cells, got {len(row)}")
        cells = [
            _written(value if exact else measured(value))
            for value, exact in zip(row, is_param, strict=True)
        ]
        if has_shares:  # no cell is empty because it stands alone, nor is the text in quotes
            front, back = _line_of([*cells[:start], 0]), _line_of([0, *cells[start + 1 :]])
            lines.append(f"{front[:-2]}{cells[start]}{back[1:]}")
        else:
            lines.append(_line_of(cells))
        length += len(lines[-1])
        if length > CHUNK_LETTERS:
            yield "".join(lines)
            lines, length = [], 0
    yield "".join(lines)


def csv_lines(rows: Iterable[Sequence[Cell]]) -> str:
    """Some rows of a CSV file without params, as `to_csv` writes them."""
    return "".join([_csv_line([measured(value) for value in row]) for row in rows])


def read_csv(text: str) -> Iterator[list[str]]:
    r"""The lines of a CSV text, header first, each cell as it was before it was written.

    Args:
        text: As `to_csv` and `csv_lines` write it, or any other CSV.

    >>> list(read_csv(to_csv(["path", "label"], [["=1+1.png", "-1"], ["'@", "'a"]])))
    [['path', 'label'], ['=1+1.png', '-1'], ["'@", "'a"]]
    """
    return read_rows(io.StringIO(text, newline=""))


def read_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """What `read_csv` gives, of a file that is open: memory is flat in the number of rows.

    Args:
        lines: With their ends, as of a file that was opened with `newline=""`.
    """
    allow_long_cells()
    for row in csv.reader(lines):
        # Hardly any row has such a cell, and a row may have a thousand cells.
        yield [read_cell(cell) for cell in row] if "'" in "".join(row) else row


def allow_long_cells() -> None:
    """Have `csv` read cells of any length, in this process and from now on."""
    csv.field_size_limit(LONGEST_CELL)


def read_cell(cell: str) -> str:
    """A cell of a CSV file as it was before `safe_cell`.

    >>> read_cell("'=1+1"), read_cell("'a"), read_cell("=1+1")
    ('=1+1', "'a", '=1+1')
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def safe_cell(text: str) -> str:
    """A text that no spreadsheet runs; numbers stay as they are.

    >>> safe_cell("=1+1"), safe_cell("-a"), safe_cell("-1.5"), safe_cell("a=b"), safe_cell("'=a")
    ("'=1+1", "'-a", '-1.5', 'a=b', "''=a")

    Source:
        OWASP, CSV Injection.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def measured(value: Cell) -> Cell:
    """A measured number to nine significant digits, as every table has it; others as they are.

    >>> measured(2 / 3), measured(1234567890.5), measured(7)
    (0.666666667, 1234567890.0, 7)
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def _csv_line(row: Sequence[Cell]) -> str:
    return _line_of([_written(value) for value in row])


def _line_of(written: Sequence[Cell]) -> str:
    """One line. With the default end of a line, the writer quotes every line break in a cell."""
    line: str = csv.writer(_Line()).writerow(written)
    return line.removesuffix("\r\n") + "\n"


class _Line:
    """In the place of a file: `csv.writer` gives back what its file does."""

    def write(self, line: str) -> str:
        """The line, as it is."""
        return line


def _written(value: Cell) -> Cell:
    if isinstance(value, str):
        return safe_cell(value)
    return str(value).lower() if isinstance(value, bool) else value
