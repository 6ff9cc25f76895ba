"""What stands in the cells of a table: separators, encodings, headers, spreadsheets."""

import csv
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.csv_tables import read_csv, to_csv
from autocnn.core.errors import DataError, MissingExtraError
from autocnn.data.sources.open import read_source
from tests.data.sources.text_tables import (
    KINDS,
    NAMES,
    PAIRS,
    labels_of,
    lines,
    make_files,
    read,
    refusal,
)


@pytest.fixture(autouse=True)
def _at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- what stands in a cell -------------------------------------------------------------------


def test_cells_are_text_as_written() -> None:
    make_files("1.png", "sub/2.png", "3.png")
    text = "\ufeffGroup, path ,label,Split,age\np1,1.png,01,Training,7\n,./sub/2.png,1,test,8\n\n"
    table = read(text + ",3.png,01,,\n")
    assert table.paths == ("1.png", "sub/2.png", "3.png")
    assert labels_of(table) == ["01", "1", "01"]
    assert table.splits == ("train", "test", None)
    assert table.groups == ("p1", None, None)
    assert table.others == {"age": ("7", "8", "")}
    assert table.open(1) == Path("sub/2.png")
    assert table.notes[:1] == (
        "Read 3 rows of list.csv: images from `path` in its folder, labels from `label` "
        "(2 classes), splits from `Split` (train 1, test 1), groups from `Group` (1); "
        "1 other column kept. Otherwise: --path-column, --label-column, --split-column, "
        "--group-column, --images.",
    )


@pytest.mark.parametrize(
    "words", [("007", "7"), ("NA", "null"), ("True", "False"), ("0.3333", "1.0"), ("1e3", "None")]
)
def test_labels_that_look_like_something_else_stay_text(words: tuple[str, str]) -> None:
    make_files(*NAMES)
    rows = [f"{name},{words[i % 2]}" for i, name in enumerate(NAMES)]
    assert labels_of(read(lines("path,label", rows))) == list(words) * 3


def test_spaces_around_labels_are_removed_and_said() -> None:
    make_files(*NAMES)
    rows = [
        f"{name},{kind}{' ' * (i == 2)}"
        for i, (name, kind) in enumerate(zip(NAMES, KINDS, strict=True))
    ]
    table = read(lines("path,label", rows))
    assert table.class_names == ("cat", "dog")
    assert table.notes[1] == "Spaces around labels were removed: 'cat '."


def test_names_that_a_spreadsheet_would_run_are_read_as_they_were() -> None:
    rows = [["=1.png", "-a", "@g"], ["'=2.png", "'+b", "'g"]]
    make_files(*(row[0] for row in rows))
    table = read(to_csv(["path", "label", "group"], rows))
    assert table.paths == ("=1.png", "'=2.png")
    assert set(table.class_names) == {"-a", "'+b"}
    assert table.groups == ("@g", "'g")


# -- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_any_separator_and_encoding(separator: str, encoding: str) -> None:
    make_files(*NAMES)
    words = ("a", "h\u00e4l")
    rows = [f"{name}{separator}{words[i % 2]}" for i, name in enumerate(NAMES)]
    table = read(lines(f"path{separator}label", rows), encoding=encoding)
    assert table.class_names == ("a", "h\u00e4l")
    notes = " ".join(table.notes)
    assert ("not UTF-8, so it was read as Windows-1252" in notes) == (encoding == "cp1252")
    assert (f"separated by {separator!r}" in notes) == (separator in ";|")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_end_of_a_line_and_no_other(end: str) -> None:
    make_files(*NAMES)
    kinds = ["a\u2028b", "c\x0bd"] * 3
    rows = [f"{name},{kind}" for name, kind in zip(NAMES, kinds, strict=True)]
    table = read(lines("path,label", rows).replace("\n", end))
    assert labels_of(table) == kinds


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.txt", "LIST.CSV"])
def test_any_suffix_of_text(name: str) -> None:
    make_files(*NAMES)
    assert len(read(lines("path\tlabel", [pair.replace(",", "\t") for pair in PAIRS]), name)) == 6


def test_commas_inside_cells_do_not_separate() -> None:
    make_files(*NAMES)
    rows = [f"{name};{'tench, Tinca' if i % 2 else 'crane, bird'}" for i, name in enumerate(NAMES)]
    assert read(lines("path;label", rows)).class_names == ("crane, bird", "tench, Tinca")
    rows = [row.replace(";", ',"') + '"' for row in rows]
    assert read(lines("path,label", rows)).class_names == ("crane, bird", "tench, Tinca")


def test_a_list_of_paths_and_numbers_with_spaces_between() -> None:
    make_files(*NAMES)
    table = read(lines("", [f"{name} {i % 2}" for i, name in enumerate(NAMES)]), "train.txt")
    assert labels_of(table) == ["0", "1"] * 3
    assert "The table has no header." in table.notes


def test_the_first_line_that_excel_writes_is_no_header() -> None:
    make_files(*NAMES)
    assert len(read("sep=;\n" + lines("path;label", [p.replace(",", ";") for p in PAIRS]))) == 6


def test_without_a_header_the_first_row_counts() -> None:
    make_files(*(f"pics/{name}" for name in NAMES))
    table = read(lines(PAIRS[0], PAIRS[1:]))
    assert len(table) == 6
    assert "images from `column 1`, by name in pics/, labels from `column 2`" in table.notes[0]
    ids = [pair.replace(".png", "") for pair in PAIRS]
    assert len(read(lines(ids[0], ids[1:]))) == 6


@pytest.mark.parametrize("label", ["disease", "class", "y", "image"])
def test_a_first_row_with_an_image_is_no_header_whatever_its_label(label: str) -> None:
    make_files(*NAMES)
    rows = [f"{name},{label if i % 2 == 0 else 'healthy'}" for i, name in enumerate(NAMES)]
    table = read(lines(rows[0], rows[1:]))
    assert len(table) == 6
    assert set(table.class_names) == {label, "healthy"}
    named = read(lines(rows[0], rows[1:]), path_column="0.png", label_column=label)
    assert table.paths[1:] == named.paths


def test_a_first_row_of_ids_is_no_header_whatever_its_label() -> None:
    make_files(*NAMES)
    rows = [f"{i},{'healthy' if i % 2 else 'disease'}" for i in range(6)]
    assert len(read(lines(rows[0], rows[1:]))) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must list at least two images, got none. Add a row for each image."),
        ("path,label\n", "must list at least two images"),
        ("path,label,label\n0.png,a,b\n", "must have each column once, got 'label'"),
        ("path,label\n0.png,a,b\n", "must have 2 cells, as the first has, got 3 in line 2"),
        ("path,label\n0.png\n", "got 1 in line 2"),
        ('path,label\n0.png,"a\n', "must be a table of text, got: unexpected end of data"),
        ("path,label\n0.png,a\n1.png,a\n", "at least two classes, got only 'a'. Add images"),
    ],
)
def test_texts_that_are_no_table(text: str, message: str) -> None:
    make_files(*NAMES)
    assert message in refusal(text)


def test_cells_and_lines_may_be_long_and_messages_are_short() -> None:
    make_files(*NAMES)
    csv.field_size_limit(131_072)  # as Python begins
    report = "long " * 50_000
    table = read(lines("path,label,report", [f"{pair},{report}" for pair in PAIRS]))
    assert table.others == {"report": (report.strip(),) * 6}
    for text in (
        lines("report,label", [f"{report}{i},{kind}" for i, kind in enumerate(KINDS)]),
        lines("path,label", [f"{report}.png,{kind}" for kind in KINDS]),
        lines("path,label", [f"{name},{report}" for name in NAMES]),
        lines("path,label,split", [f"{pair},{report}" for pair in PAIRS]),
        lines("path,label", [*PAIRS, f"0.png,{report}"]),
        lines("", ["x" * 250_000] * 6),
    ):
        assert len(refusal(text)) < 600


def test_long_cells_are_read_back_from_what_a_study_keeps() -> None:
    csv.field_size_limit(131_072)
    row = ["1.png", "x" * 200_000]
    assert list(read_csv(to_csv(["path", "report"], [row]))) == [["path", "report"], row]


def test_bytes_that_are_no_text(save: Any, grey_pixels: Any) -> None:
    save(Path("a.png"), grey_pixels(1)).rename("list.csv")
    with pytest.raises(DataError, match=r"list\.csv: must be a table of text, got other bytes"):
        read_source("list.csv")


def test_an_excel_sheet() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    make_files(*NAMES)
    book = openpyxl.Workbook()
    rows = [
        ["file", "label", "code", "site"],
        *([n, i % 2, "007", None] for i, n in enumerate(NAMES)),
    ]
    for row in rows:
        book.active.append(row)
    book.create_sheet("more")
    book.save("list.xlsx")
    table = read_source("list.xlsx")
    assert labels_of(table) == ["0", "1"] * 3
    assert table.others == {"code": ("007",) * 6, "site": ("",) * 6}
    assert table.notes[1] == "Read the sheet 'Sheet', the first of 2 sheets."


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("list.xlsx", "; or save the table as CSV."), ("list.xls", "Save the table as .xlsx or CSV.")],
)
def test_excel_without_its_package(name: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(name).touch()

    def refuse(*arguments: object, **options: object) -> None:
        raise ImportError("`Import openpyxl` failed.  Use pip.")

    monkeypatch.setattr("pandas.ExcelFile", refuse)
    with pytest.raises(
        MissingExtraError, match="must be installed, got: `Import openpyxl`"
    ) as error:
        read_source(name)
    assert str(error.value).endswith(remedy)


def test_an_excel_file_that_is_none() -> None:
    Path("list.xlsx").write_text("hello")
    with pytest.raises(DataError, match=r"must be a table that Excel wrote, got: .*[^.]\. Save it"):
        read_source("list.xlsx")
