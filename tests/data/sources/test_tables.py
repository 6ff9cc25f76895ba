"""Tables of any kind: which file, label, split and group each row means, and how it is said."""

import csv
import os
import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.config import Reading
from autocnn.core.csv_tables import read_csv, to_csv
from autocnn.core.errors import DataError, MissingExtraError
from autocnn.data.sources.open import read_source
from autocnn.data.table import FileImages, ImageTable

OTHERWISE = " Otherwise: --path-column, --label-column, --images."


@pytest.fixture(autouse=True)
def _at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_files(*names: str) -> None:
    """Files that are only hashed here, not decoded."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)


def read(
    text: str, name: str = "list.csv", *, encoding: str = "utf-8", **settings: Any
) -> ImageTable:
    """The images of a table with this text in the current folder."""
    Path(name).write_bytes(text.encode(encoding))
    return read_source(name, reading=Reading(**settings))


def lines(header: str, rows: Sequence[str]) -> str:
    return "\n".join([header, *rows, ""])


def labels_of(table: ImageTable) -> list[str]:
    return [table.class_names[label] for label in table.labels]


def refusal(text: str, **options: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(text, **options)
    return str(raised.value)


NAMES = [f"{i}.png" for i in range(6)]
KINDS = ["cat", "dog"] * 3
PAIRS = [f"{name},{kind}" for name, kind in zip(NAMES, KINDS, strict=True)]


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


# -- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("pics/{}.png", "images from `file` in pics/"),
        ("./pics//{}.png", "images from `file` in pics/"),
        ("pics\\{}.png", "images from `file` in pics/"),
        ("@/pics/{}.png", "images from `file` in pics/"),
        ("C:\\data\\pics\\{}.png", "images from `file`, by name in pics/"),
        ("/kaggle/input/set/{}.png", "images from `file`, by name in pics/"),
        ("{}.png", "images from `file`, by name in pics/"),
        ("{}.PNG", "images from `file`, by name in pics/"),
        ("pics/{}", "images from `file` + .png in pics/"),
        ("{}", "images from `file` + .png, by name in pics/"),
    ],
)
def test_paths_however_they_are_written(cell: str, said: str, tmp_path: Path) -> None:
    make_files(*(f"pics/{i:03d}.png" for i in range(6)))
    cell = cell.replace("@", str(tmp_path))
    table = read(
        lines("file,label", [f"{cell.format(f'{i:03d}')},{k}" for i, k in enumerate(KINDS)])
    )
    assert table.paths == tuple(f"pics/{i:03d}.png" for i in range(6))
    assert said in table.notes[0]
    assert table.open(2) == Path("pics/002.png")


def test_images_in_another_folder(tmp_path: Path) -> None:
    make_files(*(f"photos/{name}" for name in NAMES), "tables/none")
    name = "tables/list.csv"
    table = read(lines("image_id,dx", PAIRS), name, images=Path("photos"))
    assert table.paths == tuple(NAMES)
    assert isinstance(table.images, FileImages)
    assert table.images.root == Path("photos")
    assert f"images from `image_id` in {tmp_path}/photos/, labels from `dx`" in table.notes[0]
    outside = [f"../photos/{pair}" for pair in PAIRS]
    table = read(lines("path,label", outside), name)
    assert table.paths == tuple(NAMES)
    assert table.open(0) == tmp_path / "photos/0.png"
    assert "list.csv: images must be" not in table.notes[0]


def test_a_folder_of_images_that_is_none() -> None:
    make_files(*NAMES)
    message = refusal(lines("path,label", PAIRS), images=Path("photos"))
    assert message == "images must be a folder, got 'photos'."


@pytest.mark.parametrize(("ours", "theirs"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_either_form_of_unicode(ours: Any, theirs: Any) -> None:
    names = [unicodedata.normalize(theirs, f"pics/\u00e9t\u00e9-\u00fc{i}.png") for i in range(6)]
    make_files(*names)
    cells = [unicodedata.normalize(ours, name) for name in names]
    table = read(lines("path,label", [f"{c},{k}" for c, k in zip(cells, KINDS, strict=True)]))
    assert table.paths == tuple(names)


def test_a_missing_file_is_not_taken_for_one_of_its_name_elsewhere() -> None:
    make_files(*(f"train/{name}" for name in NAMES[:5]), "val/5.png")
    message = refusal(lines("path,label", [f"train/{pair}" for pair in PAIRS]))
    assert "got 1 file that is not below the table's folder: train/5.png" in message
    assert "the nearest to train/5.png is val/5.png" in message
    assert message.endswith("Say where the images are with images.")


def test_a_name_that_several_files_have() -> None:
    make_files(*(f"{folder}/{name}" for folder in ("images", "masks") for name in NAMES))
    message = refusal(lines("path,label", PAIRS))
    assert "6 names of more than one file: 0.png (images/0.png or masks/0.png)" in message
    assert read(lines("path,label", PAIRS), images=Path("masks")).paths == tuple(NAMES)


def test_files_of_one_name_in_the_folders_of_their_labels() -> None:
    make_files(*(f"all/{kind}/{i}.png" for kind in ("cat", "dog") for i in range(3)))
    rows = [f"{i}.png,{kind}" for kind in ("cat", "dog") for i in range(3)]
    assert read(lines("file,label", rows)).paths == tuple(
        f"all/{kind}/{i}.png" for kind in ("cat", "dog") for i in range(3)
    )


def test_of_two_columns_of_files_the_one_that_is_there_counts() -> None:
    make_files(*(f"dicom/{name}" for name in NAMES))
    rows = [f"{i},{i}.tif,{pair}" for i, pair in enumerate(PAIRS)]
    table = read(lines(",tiff_name,file_name,label", rows))
    assert "images from `file_name`, by name in dicom/" in table.notes[0]
    assert list(table.others) == ["column 1", "tiff_name"]
    assert read(lines(",tiff_name,x,y", rows), path_column="X").paths[0] == "dicom/0.png"


def test_without_any_file_it_asks() -> None:
    make_files("pics/a.png")
    message = refusal(lines("id,species", [f"{i},{kind}" for i, kind in enumerate(KINDS)]))
    assert "6 files that are not below the table's folder: 0, 1, 2 and 3 more" in message
    message = refusal(lines("mass,kind", [f"{i},{kind}" for i, kind in enumerate(KINDS)]))
    assert (
        "one column must hold the images' paths or names, got none whose values are files"
        in message
    )
    assert "mass (0), kind (cat)" in message


# -- labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["id,diagnosis", "image,Class", "name,target", "id,species", "img,anything", "file,y"]
)
def test_the_label_is_named_like_one_or_what_is_left(header: str) -> None:
    make_files(*NAMES)
    assert labels_of(read(lines(header, PAIRS))) == KINDS


def test_a_label_among_many_columns() -> None:
    make_files(*NAMES)
    rows = [f"{i},{kind},{i / 7:.3f},{i / 3:.4f}" for i, kind in enumerate(KINDS)]
    table = read(lines("id,species,margin1,texture1", rows))
    assert table.others == {
        "margin1": tuple(f"{i / 7:.3f}" for i in range(6)),
        "texture1": tuple(f"{i / 3:.4f}" for i in range(6)),
    }
    assert table.notes[0] == (
        "Read 6 rows of list.csv: images from `id` + .png in its folder, labels from `species` "
        "(2 classes); 2 other columns kept." + OTHERWISE
    )


def test_a_question_names_the_columns_that_may_be_the_label() -> None:
    make_files(*NAMES)
    rows = [f"{pair},{i % 3},fix" for i, pair in enumerate(PAIRS)]
    text = lines("file,Contrast,Phase,Unit", rows)
    assert refusal(text) == (
        "list.csv: one column must be the label, got several that may be it: Contrast (cat, dog), "
        "Phase (0, 1, 2). Name it, as label_column='Contrast'."
    )
    assert labels_of(read(text, label_column="phase")) == ["0", "1", "2"] * 2
    message = refusal(text, label_column="Contrats")
    assert "label_column must be one of its columns, got 'Contrats'" in message
    assert "They are Contrast, Phase, Unit. Did you mean 'Contrast'?" in message


def test_a_target_of_numbers_is_not_passed_over_for_what_is_left() -> None:
    names = [f"{i}.png" for i in range(120)]
    make_files(*names)
    rows = [f"{i},{7 * i % 40},{i % 2 == 0}" for i in range(120)]
    message = refusal(lines("id,boneage,male", rows))
    assert "several that may be it: male (True, False), boneage (40 values)" in message
    table = read(lines("id,boneage,male", rows), label_column="boneage")
    assert len(table.class_names) == 40


def test_two_labels_that_say_the_same_are_one() -> None:
    make_files(*NAMES)
    rows = [f"{name},{i % 2},{KINDS[i]}" for i, name in enumerate(NAMES)]
    table = read(lines("path,label,class_name", rows))
    assert labels_of(table) == KINDS
    assert table.others == {"table.label": ("0", "1") * 3}


@pytest.mark.parametrize("ones", [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_one_hot_columns_become_a_label(ones: tuple[str, str]) -> None:
    make_files(*NAMES)
    rows = [
        f"{name},{','.join(ones[0] if i % 3 == k else ones[1] for k in range(3))},{i}"
        for i, name in enumerate(NAMES)
    ]
    table = read(
        lines("image,MEL,NV,BCC,age,sex", [f"{row},{'fm'[i // 3]}" for i, row in enumerate(rows)])
    )
    assert labels_of(table) == ["MEL", "NV", "BCC"] * 2
    assert "labels from `MEL`, `NV`, `BCC` (3 classes); 2 other columns kept" in table.notes[0]


def test_two_columns_that_exclude_each_other_may_be_no_label() -> None:
    make_files(*NAMES)
    rows = [f"{name},{i % 2},{1 - i % 2}" for i, name in enumerate(NAMES)]
    assert labels_of(read(lines("image,good,bad", rows))) == ["bad", "good"] * 3
    rows = [f"{row},{'xyz'[i % 3]}" for i, row in enumerate(rows)]
    message = refusal(lines("image,male,female,site", rows))
    assert "several that may be it: male (0, 1), female (1, 0), site (x, y, z)" in message


def test_several_labels_for_an_image_are_refused() -> None:
    make_files(*NAMES)
    rows = [f"{name},{i % 2},{int(i < 3)},0" for i, name in enumerate(NAMES)]
    assert "an image must have one class, got 1 row with several of the columns a, b, c" in refusal(
        lines("image,a,b,c", rows)
    )
    joined = ["a|b", "b", "a", "a|b", "b|c", "c"]
    rows = [f"{name},{label}" for name, label in zip(NAMES, joined, strict=True)]
    message = refusal(lines("image,labels", rows))
    assert "an image must have one label, got several in the column 'labels', as 'a|b'" in message


def test_measurements_are_refused() -> None:
    names = [f"{i}.png" for i in range(40)]
    make_files(*names)
    rows = [f"{name},{i / 7:.3f}" for i, name in enumerate(names)]
    message = refusal(lines("image,target", rows))
    assert (
        "a label must be a class, got 40 different numbers in the column 'target', as 0.143, 0.286"
        in message
    )
    assert message.endswith("or name another one with label_column.")


# -- splits and groups -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("split", ("Training", "valid", "Test_set"), ("train", "val", "test")),
        ("Usage", ("Training", "PublicTest", "PrivateTest"), ("train", "val", "test")),
        ("subset", ("TRAIN", "dev", "holdout"), ("train", "val", "test")),
        ("where", ("train", "", "test"), ("train", None, "test")),
        ("is_train", ("1", "0", "1"), ("train", "test", "train")),
        ("is_valid", ("False", "True", "False"), ("train", "val", "train")),
    ],
)
def test_splits_under_their_usual_names(
    name: str, words: Sequence[str], expected: Sequence[str | None]
) -> None:
    make_files(*NAMES)
    table = read(lines(f"path,label,{name}", [f"{p},{words[i % 3]}" for i, p in enumerate(PAIRS)]))
    assert table.splits == (*expected, *expected)
    assert f"splits from `{name}`" in table.notes[0]


def test_splits_and_groups_may_be_said_or_denied() -> None:
    make_files(*NAMES)
    rows = [f"{p},{'ab'[i % 2]},{i // 2}" for i, p in enumerate(PAIRS)]
    text = lines("path,label,part,patient_id", rows)
    table = read(text)
    assert table.groups == ("0", "0", "1", "1", "2", "2")
    assert "groups from `patient_id` (3)" in table.notes[0]
    assert read(text, group_column="part").groups == ("a", "b") * 3
    assert set(read(text, group_column="none").groups) == {None}
    assert "3 splits that are none: 'a' in line 2, 'b' in line 3" not in refusal(
        text, split_column="part"
    )
    text = lines("path,label,split", [f"{p},train" for p in PAIRS])
    assert set(read(text, split_column="none").splits) == {None}


def test_the_only_column_that_is_left_is_the_label_whatever_its_name() -> None:
    make_files(*NAMES)
    table = read(lines("path,subject", PAIRS))
    assert labels_of(table) == KINDS
    assert set(table.groups) == {None}


def test_columns_that_are_called_like_those_of_split_csv_are_told_apart() -> None:
    make_files(*NAMES)
    rows = [f"{p},{i},{i},{i}" for i, p in enumerate(PAIRS)]
    table = read(lines("file,kind,fold,fold_2,sha256", rows), label_column="kind")
    assert list(table.others) == ["table.fold", "table.fold_2", "table.sha256"]


# -- rows ------------------------------------------------------------------------------------


def test_all_that_is_wrong_is_in_one_message() -> None:
    make_files(*NAMES)
    rows = [*PAIRS[:4], "4.png,", "gone.png,cat", ",cat", "0.png,dog"]
    message = refusal(
        lines("path,label,split", [f"{row},{'tset' * (i == 1)}" for i, row in enumerate(rows)])
    )
    assert message == (
        "list.csv: every row must name a file and its label, got 1 split that is none: 'tset' in "
        "line 3; 1 row without a label: line 6; 1 row without a path: line 8; 1 file that is not "
        "below the table's folder: gone.png; 1 file with more than one label: 0.png (cat and dog). "
        "A split is train, val or test, or empty. Give them one, or delete the rows. "
        "Say where the images are with images. Keep one row for each file."
    )


def test_rows_that_are_there_twice_count_once() -> None:
    make_files(*NAMES)
    table = read(lines("path,label", [*PAIRS, *PAIRS[:2], "./0.png,cat"]))
    assert table.paths == tuple(NAMES)
    assert table.notes[1] == "3 rows repeat files and count once: 0.png, 1.png."
    message = refusal(lines("path,label,split", ["0.png,a,train", "0.png,a,test", "1.png,b,"]))
    assert "1 file with more than one split: 0.png (train and test)" in message


def test_images_without_a_row_are_counted_and_named() -> None:
    make_files(*(f"pics/{name}" for name in NAMES), "pics/other.png", "pics/.hidden.png")
    table = read(lines("path,label", [f"pics/{pair}" for pair in PAIRS]))
    assert table.ignored == {"image without a row": 1}
    assert "1 image beside these has no row and is not read: pics/other.png." in table.notes


def test_names_that_are_no_text_are_said_as_text() -> None:
    make_files(*NAMES)
    Path(os.fsdecode(b"caf\xe9.png")).touch()
    table = read(lines("path,label", PAIRS))
    assert table.ignored == {"image without a row": 1}
    assert " ".join(table.notes).encode()
    assert "1 image beside these has no row and is not read: caf\ufffd.png." in table.notes


@pytest.mark.parametrize(
    "header", ["path,label,p.cat,p.dog", "path,label,split,predicted,P.cat", "path,predicted,p.cat"]
)
def test_a_table_of_predictions_is_no_data(header: str) -> None:
    make_files(*NAMES)
    cells = ",".join(["0.png", "cat", *["0.5"] * (header.count(",") - 1)])
    assert "got one of predictions: it has the column 'p.cat'" in refusal(lines(header, [cells]))


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


def test_folders_are_not_listed_where_all_paths_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    make_files(*NAMES)

    def walk(*arguments: object, **options: object) -> None:
        raise AssertionError("a table may lie in a folder with anything in it")

    monkeypatch.setattr(os, "walk", walk)
    assert len(read(lines("path,label", PAIRS))) == 6


ODD_CELLS = [
    *("", " ", "cat", "dog", "cat ", "a|b", "0", "1", "1.0", "True", "nan", "train", "test", "{0}"),
    *(
        "{label_column}",
        "\u00e4",
        "e\u0301",
        "\u2028",
        "/",
        "\\",
        "..",
        ".",
        "0.5",
        "1e9",
        "x" * 300,
    ),
    *(
        "-1",
        "=1",
        "'=1",
        "C:\\",
        "0",
        "1.png",
        "p.a",
        "path",
        "label",
        "split",
        "group",
        "id",
        "\0",
    ),
]


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_read_whole_or_refused(seed: int) -> None:
    make_files(*NAMES, *(f"pics/{name}" for name in NAMES))
    rng = random.Random(seed)
    for _ in range(20):
        columns = rng.randint(1, 5)
        rows = [
            [rng.choice([*NAMES, *ODD_CELLS]) for _ in range(columns + (rng.random() < 0.05))]
            for _ in range(rng.randint(0, 8))
        ]
        for number, row in enumerate(rows[1:]):
            row[0] = NAMES[number % 6] if rng.random() < 0.9 else row[0]
        separator, end = rng.choice(",;\t| "), rng.choice(["\n", "\r\n", "\r"])
        text = end.join(separator.join(row) for row in rows)
        content = text.encode(rng.choice(["utf-8", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"]))
        Path("list.csv").write_bytes(content[: rng.randint(0, 4 * len(content))])
        try:
            table = read_source("list.csv")
        except DataError as error:
            assert str(error).startswith("list.csv: ")
            continue
        assert len(set(table.paths)) == len(table) == len(table.splits) == len(table.groups)
        assert all(len(cells) == len(table) for cells in table.others.values())
        assert all(table.class_names)
        assert all(Path(str(table.open(i))).is_file() for i in range(len(table)))
