"""Predictions as text: a line of CSV or JSON per image, and a summary."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from autocnn.core.csv_tables import Cell, csv_lines
from autocnn.core.records import OperatingPoint
from autocnn.core.wording import count
from autocnn.inference.predict.predictions import DIGITS, Predictions
from autocnn.metrics.drift import Drift

COLUMNS = ("path", "predicted", "probability", "unsure", "unlike", "error")
"""Of every table, before `p.<class>`."""

NUM_SHOWN = 20
"""Rows that a table on a terminal shows."""


def csv_header(class_names: Sequence[str]) -> str:
    """The first line of a CSV file."""
    return csv_lines([[*COLUMNS, *(f"p.{name}" for name in class_names)]])


def csv_rows(predictions: Predictions) -> str:
    """A line per image; what was not measured is empty."""
    shares = predictions.probabilities.astype(np.float64).round(DIGITS).tolist()
    rows: list[list[Cell]] = [
        [*_cells(row), *([None] * len(row_shares) if row.error is not None else row_shares)]
        for row, row_shares in zip(rows_of(predictions), shares, strict=True)
    ]
    return csv_lines(rows)


def json_rows(predictions: Predictions) -> str:
    """A JSON object per line and image; what was not measured is null."""
    return "".join(_dump(row) + "\n" for row in json_objects(predictions))


def json_objects(predictions: Predictions) -> Iterator[dict[str, object]]:
    """What is said of each image, to be written as JSON."""
    shares = predictions.probabilities.astype(np.float64).round(DIGITS).tolist()
    for row, row_shares in zip(rows_of(predictions), shares, strict=True):
        named = dict(zip(predictions.class_names, row_shares, strict=True))
        data: dict[str, object] = dict(zip(COLUMNS, _cells(row), strict=True))
        data["probabilities"] = None if row.error is not None else named
        yield data


@dataclass(frozen=True)
class Row:
    """One image.

    Attributes:
        path: Its name.
        predicted: Class, sure or not; None where it could not be read.
        probability: Of that class, rounded.
        is_unsure: Whether the answer does not count; None where it could not be read.
        is_unlike: None where the model cannot say.
        error: Why it could not be read.
    """

    path: str
    predicted: str | None
    probability: float | None
    is_unsure: bool | None
    is_unlike: bool | None
    error: str | None


def rows_of(predictions: Predictions) -> Iterator[Row]:
    """One row per image."""
    n = len(predictions)
    unlike = [None] * n if predictions.is_unlike is None else predictions.is_unlike.tolist()
    confidences = predictions.confidences.astype(np.float64).round(DIGITS).tolist()
    for name, predicted, confidence, is_unsure, is_unlike, error in zip(
        predictions.names,
        predictions.predicted,
        confidences,
        predictions.is_unsure.tolist(),
        unlike,
        predictions.errors,
        strict=True,
    ):
        if error is None:
            yield Row(name, predicted, confidence, is_unsure, is_unlike, None)
        else:
            yield Row(name, None, None, None, None, error)


@dataclass
class Summary:
    """What is left of many predictions: the first rows, and counts.

    Attributes:
        first: At most `NUM_SHOWN`.
        counts: Class -> images that were predicted so, and surely.
        num_images: All of them.
        num_errors: That could not be read.
        num_unsure: Answers that do not count.
        num_unlike: Unlike the training images; None where the model cannot say.
        point: How the classes were decided, where that is not by the largest probability alone.
        drift: Whether the images are like those of the study; None where it was not asked for.
    """

    first: list[Row] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    num_images: int = 0
    num_errors: int = 0
    num_unsure: int = 0
    num_unlike: int | None = None
    point: OperatingPoint | None = None
    drift: Drift | None = None

    def __repr__(self) -> str:
        classes = ", ".join(f"{name} {number:,}" for name, number in self.counts.most_common())
        facts = [classes, count(self.num_errors, "error"), f"{self.num_unsure:,} unsure"]
        return f"Summary({count(self.num_images, 'image')}: {'; '.join(filter(None, facts))})"

    def add(self, predictions: Predictions) -> None:
        """Count some more."""
        self.first += islice(rows_of(predictions), NUM_SHOWN - len(self.first))
        is_read = [error is None for error in predictions.errors]
        is_unsure = predictions.is_unsure.tolist()
        self.counts.update(
            predicted
            for predicted, is_one, is_no_answer in zip(
                predictions.predicted, is_read, is_unsure, strict=True
            )
            if is_one and not is_no_answer
        )
        self.num_unsure += sum(is_unsure)
        self.num_images += len(predictions)
        self.point = predictions.point
        self.num_errors += len(is_read) - sum(is_read)
        if predictions.is_unlike is not None:
            self.num_unlike = (self.num_unlike or 0) + int(predictions.is_unlike.sum())


def _cells(row: Row) -> list[Cell]:
    return [row.path, row.predicted, row.probability, row.is_unsure, row.is_unlike, row.error]


def _dump(data: object) -> str:
    text = json.dumps(data, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a file name that is no UTF-8: written as JSON escapes
        return json.dumps(data)
    return text
