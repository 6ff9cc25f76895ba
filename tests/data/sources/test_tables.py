"""Tables of any kind: which file, label, split and group each row means, and how it is said."""

import os
import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.errors import DataError
from autocnn.data.sources.open import read_source
from autocnn.data.table import FileImages
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

OTHERWISE = " Otherwise: --path-column, --label-column, --images."


@pytest.fixture(autouse=True)
def _at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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


GROUPS = ["p1", "NA", "p1", "nan", "", "p2"]


def test_a_group_in_two_forms_of_unicode_is_one() -> None:
    make_files(*NAMES)
    groups = [unicodedata.normalize(form, "José") for form in ("NFC", "NFD")] * 3
    rows = [f"{pair},{group}" for pair, group in zip(PAIRS, groups, strict=True)]
    assert set(read(lines("path,label,patient_id", rows)).groups) == {groups[0]}


def test_what_other_programs_write_for_no_group_is_none() -> None:
    make_files(*NAMES)
    rows = [f"{pair},{group}" for pair, group in zip(PAIRS, GROUPS, strict=True)]
    table = read(lines("path,label,patient_id", rows))
    assert table.groups == ("p1", None, "p1", None, None, "p2")
    assert "2 rows have no group: 'NA', 'nan'." in table.notes


@pytest.mark.parametrize(
    ("header", "cells", "because"),
    [
        ("subset", ("train", "test", "unused"), "unused: write train, val, test or nothing"),
        ("Partition", ("train", "tets", ""), "tets: write train, val, test or nothing"),
        ("is_test", ("1", "", "0"), "an empty cell: write yes or no"),
    ],
)
def test_a_column_of_splits_that_is_passed_over_is_named(
    header: str, cells: tuple[str, str, str], because: str
) -> None:
    make_files(*NAMES)
    rows = [f"{pair},{cells[number % 3]}" for number, pair in enumerate(PAIRS)]
    table = read(lines(f"path,label,{header}", rows))
    assert set(table.splits) == {None}
    assert f"`{header}` is not read as the split, because of {because} there." in table.notes
    assert read(lines(f"path,label,{header}", rows), split_column="none").notes == table.notes[:1]


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


def test_a_file_in_other_letters_has_its_row_where_it_is_the_same() -> None:
    """A link stands for a file system that does not tell them apart."""
    composed, split = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    make_files("A.png", "b.png", composed)
    for name, other in (("A.png", "a.PNG"), (composed, split)):
        os.link(name, other)
    rows = ["A.png,cat", "b.png,dog", f"{composed},dog"]
    assert read(lines("path,label", rows)).ignored == {}
    make_files("B.png")
    assert read(lines("path,label", rows)).ignored == {"image without a row": 1}


def test_images_on_two_drives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def commonpath(paths: Any) -> str:
        raise ValueError("Paths don't have the same drive")

    elsewhere = [tmp_path.parent / f"{tmp_path.name}-{name}" for name in NAMES]
    make_files(*map(str, elsewhere))
    monkeypatch.setattr(os.path, "commonpath", commonpath)
    rows = [f"{file},{kind}" for file, kind in zip(elsewhere, KINDS, strict=True)]
    assert "the images of a table must lie on one drive, got" in refusal(lines("path,label", rows))


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
