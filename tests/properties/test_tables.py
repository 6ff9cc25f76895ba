"""Text of people in tables: each path and each label comes back as it was."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autocnn.core.csv_tables import read_csv, to_csv
from autocnn.data.sources.table_files import read_cells
from autocnn.reporting.leaderboard import build_leaderboard, from_csv
from autocnn.storage import StudyFolder
from tests.samples import candidate

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)

PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)

CELL = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], exclude_characters="'"),
    min_size=1,
    max_size=8,
)
"""Without spaces at its ends, which are not read."""

Quoting = Literal[0, 1]

SEPARATORS = (",", ";", "\t", "|")

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return StudyFolder.create(tmp_path_factory.mktemp("tables"), "mine", {})


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1))
def test_every_text_survives_a_table_of_ours(rows: list[tuple[str, str]]) -> None:
    columns = ["path", "label"]
    assert list(read_csv(to_csv(columns, rows))) == [columns, *map(list, rows)]


@given(st.lists(st.tuples(PATHS, TEXT, TEXT, TEXT), min_size=1, unique_by=lambda row: row[0]))
def test_split_csv_gives_back_every_path_label_and_group(
    folder: StudyFolder, rows: list[tuple[str, str, str, str]]
) -> None:
    written = [(path, label, group, "train", "0" * 64) for path, label, group, _ in rows]
    folds = [{row[0]: 1 + place % 3 for place, row in enumerate(rows)}]
    others = {"site": [site for *_, site in rows]}
    folder.write_split(written, folds, others)
    assert folder.read_split() == written
    assert folder.read_folds() == folds


@given(st.lists(st.tuples(PATHS, TEXT, TEXT), min_size=1))
def test_a_table_of_a_candidate_gives_back_every_label(
    folder: StudyFolder, rows: list[tuple[str, str, str]]
) -> None:
    columns = ["path", "label", "predicted"]
    folder.write_candidate_table(1, "predictions", columns, rows)
    found = list(folder.read_candidate_table(1, "predictions"))
    assert [tuple(row.values()) for row in found] == rows


@given(st.dictionaries(st.sampled_from("abc"), TEXT | st.integers() | st.booleans()))
def test_a_leaderboard_gives_back_its_params(params: dict[str, str | int | bool]) -> None:
    assume(not any(_looks_like_a_value(v) for v in params.values() if isinstance(v, str)))
    board = build_leaderboard([candidate(1).model_copy(update={"params": params})])
    text = board.to_csv()
    assert from_csv(text).to_csv() == text
    assert from_csv(text).rows == board.rows


def _looks_like_a_value(text: str) -> bool:
    """What from_csv says that it takes for something else."""
    try:
        float(text)
    except ValueError:
        return text.lower() in ("", "true", "false")
    return True


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=2, max_size=6),
    st.sampled_from(SEPARATORS),
    st.sampled_from(ENCODINGS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_table_is_read_whatever_it_is_written_in(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    separator: str,
    encoding: str,
    quoting: Quoting,
    end: str,
) -> None:
    assume(not any(other in cell for row in rows for cell in row for other in SEPARATORS))
    path = tmp_path_factory.getbasetemp() / "list.csv"
    path.write_bytes(_written(rows, separator, quoting, end).encode(encoding))
    cells = read_cells(path)
    assert [list(row) for row in cells.rows] == rows


def _written(rows: Sequence[Sequence[str]], separator: str, quoting: Quoting, end: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerows(rows)
    return text.getvalue()


@given(st.binary(max_size=60))
def test_bytes_are_a_table_or_told(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    from autocnn.core.errors import DataError

    path: Path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(content)
    try:
        cells = read_cells(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert len({len(row) for row in cells.rows}) <= 1
