"""Tables that hold the pixels themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.data.table import ImageTable
from tests.data.sources.text_tables import NAMES, labels_of, lines, make_files, read, refusal


@pytest.fixture(autouse=True)
def _at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pixel_rows(separator: str, side: int = 9) -> tuple[Any, list[str]]:
    """Images (6, side, side), and their rows of a table."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, side, side), dtype=np.uint8)
    return pixels, [separator.join(map(str, image.ravel().tolist())) for image in pixels]


def check_pixels(table: ImageTable, pixels: Any) -> None:
    opened = [table.open(i) for i in range(len(table))]
    assert all(np.array_equal(np.asarray(a), b) for a, b in zip(opened, pixels, strict=True))


@pytest.mark.parametrize("names", ["pixel{}", "{}", "px_{}", "x{}"])
def test_tables_with_a_column_per_pixel(names: str) -> None:
    pixels, cells = pixel_rows(",")
    header = ",".join(["label", *(names.format(i) for i in range(81)), "group"])
    rows = [f"{'37'[i % 2]},{cell},{i // 2}" for i, cell in enumerate(cells)]
    table = read(lines(header, rows))
    assert table.groups == ("0", "0", "1", "1", "2", "2")
    check_pixels(table, pixels)
    assert labels_of(table) == ["3", "7"] * 3
    assert table.paths[2] == "list[2]"
    first, last = names.format(0), names.format(80)
    assert f"Read 6 rows of list.csv: images from `{first} to {last}`" in table.notes[0]
    assert "Pixels are read as grey images of 9 x 9 px." in table.notes


@pytest.mark.parametrize("names", ["pixel{}", "px_{}"])
def test_text_beside_named_pixels(names: str) -> None:
    pixels, cells = pixel_rows(",")
    header = ",".join(["label", *(names.format(i) for i in range(81)), "Usage"])
    usage = ["Training"] * 4 + ["Test"] * 2
    rows = [f"{NAMES[i % 2]},{cell},{usage[i]}" for i, cell in enumerate(cells)]
    table = read(lines(header, rows))
    check_pixels(table, pixels)
    assert labels_of(table) == list(NAMES[:2]) * 3
    assert table.splits == ("train",) * 4 + ("test",) * 2


def test_tables_of_pixels_without_a_header_begin_with_the_label() -> None:
    pixels, cells = pixel_rows(",")
    rows = [f"{i % 2},{cell}" for i, cell in enumerate(cells)]
    table = read(lines(rows[0], rows[1:]))
    check_pixels(table, pixels)
    assert labels_of(table) == ["0", "1"] * 3


def test_tables_with_all_pixels_in_one_column() -> None:
    pixels, cells = pixel_rows(" ")
    rows = [f"{i % 2},{c},{'Training' if i < 4 else 'PrivateTest'}" for i, c in enumerate(cells)]
    table = read(lines("emotion,pixels,Usage", rows))
    check_pixels(table, pixels)
    assert labels_of(table) == ["0", "1"] * 3
    assert table.splits == ("train",) * 4 + ("test",) * 2
    check_pixels(table.select([4, 1]), pixels[[4, 1]])


def test_tables_with_all_pixels_in_one_column_may_lack_a_header() -> None:
    pixels, cells = pixel_rows(" ")
    rows = [f"{i % 2},{c},{'Training' if i < 4 else 'PrivateTest'}" for i, c in enumerate(cells)]
    table = read(lines(rows[0], rows[1:]))
    check_pixels(table, pixels)
    assert labels_of(table) == ["0", "1"] * 3
    assert table.splits == ("train",) * 4 + ("test",) * 2
    rows = [f"{i % 2},{cell}" for i, cell in enumerate(cells)]
    check_pixels(read(lines(rows[0], rows[1:])), pixels)


def test_a_column_per_class_is_no_column_per_pixel() -> None:
    make_files(*NAMES)
    breeds = [f"breed{i}" for i in range(102)]
    rows = [",".join([str(i), *("01"[k == 17 * (i % 3)] for k in range(102))]) for i in range(6)]
    table = read(lines(",".join(["id", *breeds]), rows))
    assert labels_of(table) == ["breed0", "breed17", "breed34"] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row + ",1", "list.csv:4: every row must have 81 pixels in 82 cells"),
        (lambda row: row.rsplit(",", 1)[0], "list.csv:4: every row must have 81 pixels in 82"),
        (lambda row: row.rsplit(",", 1)[0] + ",256", "list.csv:4: pixels must be whole numbers"),
        (lambda row: row.rsplit(",", 1)[0] + ",a", "list.csv:4: pixels must be whole numbers"),
    ],
)
def test_pixels_that_break_a_rule(change: Any, message: str) -> None:
    _, cells = pixel_rows(",")
    rows = [f"{i % 2},{cell}" for i, cell in enumerate(cells)]
    rows[2] = change(rows[2])
    header = ",".join(["label", *(f"pixel{i}" for i in range(81))])
    assert message in refusal(lines(header, rows))


def test_pixels_that_are_no_square_point_to_npz() -> None:
    header = ",".join(["label", *(f"pixel{i}" for i in range(300))])
    message = refusal(lines(header, [",".join(["3", *["17"] * 300])] * 3))
    assert "or hold square grey images, got 300 pixels in a row. Save them as an .npz" in message
    assert len(message) < 400
