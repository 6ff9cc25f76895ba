import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.config import Reading
from autocnn.core.errors import DataError
from autocnn.data.sources.open import read_source
from autocnn.data.table import natural_key, split_word


def test_class_folders_without_splits(class_folders: Any) -> None:
    root = class_folders({"class 10": 2, "class 2": 3})
    table = read_source(str(root))
    assert table.class_names == ("class 2", "class 10")
    assert table.labels.tolist() == [0, 0, 0, 1, 1]
    assert table.labels.dtype == np.int32
    assert table.paths[0] == "class 2/0.png"
    assert set(table.splits) == {None}
    assert len(set(table.sha256)) == 5
    assert table.open(3) == root / "class 10/0.png"


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Training", "VALIDATION", "Testing"),
        ("TRAIN", "valid", "Test_set"),
    ],
)
def test_split_folders_under_their_usual_names(
    class_folders: Any, train: str, val: str, test: str
) -> None:
    root = class_folders({f"{s}/{c}": 2 for s in (train, val, test) for c in ("cat", "dog")})
    table = read_source(str(root))
    assert {path.split("/")[0]: s for path, s in zip(table.paths, table.splits, strict=True)} == {
        train: "train",
        val: "val",
        test: "test",
    }
    assert table.class_names == ("cat", "dog")


def test_a_class_may_be_named_like_a_split(class_folders: Any) -> None:
    assert read_source(str(class_folders({"test": 2, "control": 2}))).class_names == (
        "control",
        "test",
    )


def test_steps_through_single_folders(class_folders: Any) -> None:
    root = class_folders({"archive/brain/Training/a": 2, "archive/brain/Training/b": 2})
    table = read_source(str(root))
    assert table.class_names == ("a", "b")
    assert set(table.splits) == {"train"}
    assert table.paths[0] == "archive/brain/Training/a/0.png"
    assert "archive/brain" in table.notes[0]


def test_doubled_split_folder(class_folders: Any) -> None:
    root = class_folders({"train/train/a": 2, "train/train/b": 2, "test/a": 1, "test/b": 1})
    assert read_source(str(root)).class_names == ("a", "b")


def test_hidden_and_other_files_are_ignored_and_counted(
    class_folders: Any, grey_pixels: Any, save: Any
) -> None:
    root = class_folders({"a": 2, "b/nested/deep": 2, "b": 1})
    save(root / "a/.ipynb_checkpoints/0.png", grey_pixels(1))
    save(root / ".thumb.png", grey_pixels(1))
    save(root / "__MACOSX/a/0.png", grey_pixels(1))
    (root / "a/notes.TXT").write_text("x")
    (root / "a/README").write_text("x")
    (root / "a/gone.png").symlink_to(root / "nowhere.png")
    save(root / "stray.png", grey_pixels(1))
    table = read_source(str(root))
    assert len(table) == 5
    assert table.paths[-1] == "b/nested/deep/1.png"
    assert table.ignored == {
        "hidden folder": 2,
        "hidden file": 1,
        ".txt": 1,
        "no suffix": 1,
        "broken link or special file": 1,
        "image outside the class folders": 1,
    }


def test_folders_beside_the_splits_are_not_read(class_folders: Any) -> None:
    root = class_folders({"train/a": 2, "train/b": 2, "sample": 3})
    table = read_source(str(root))
    assert len(table) == 4
    assert table.ignored == {"image outside the split folders": 3}
    assert table.notes[1:] == ("sample is no split folder: not read.",)


def test_links_to_folders_are_followed_but_never_in_circles(class_folders: Any) -> None:
    root = class_folders({"a": 2, "b": 2})
    (root / "a/loop").symlink_to(root / "a")
    (root / "c").symlink_to(root / "b")
    table = read_source(str(root))
    assert table.class_names == ("a", "b", "c")
    assert table.ignored == {"link to a folder that is read anyway": 1}


def test_select_and_an_unreadable_file(class_folders: Any) -> None:
    root = class_folders({"a": 2, "b": 2})
    (root / "a/1.png").unlink()
    (root / "a/1.png").symlink_to("/proc/self/mem")  # opens, cannot be read
    table = read_source(str(root))
    assert table.sha256[1] == ""
    chosen = table.select([3, 0])
    assert chosen.paths == ("b/1.png", "a/0.png")
    assert chosen.labels.tolist() == [1, 0]
    assert chosen.sha256 == (table.sha256[3], table.sha256[0])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"cat": 3}, "must have at least two classes, got only 'cat'. Put the images"),
        ({".": 3}, "must hold one folder per class, got 3 images directly in it. Put the"),
        ({"train": 3, "test": 3}, "train: must hold one folder per class, got 3"),
    ],
)
def test_layouts_that_are_refused(class_folders: Any, counts: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_source(str(class_folders(counts)))
    assert error.value.exit_code == 3


def test_of_one_folder_with_a_table_beside_it_the_error_names_the_table(class_folders: Any) -> None:
    root = class_folders({"images": 3})
    (root / "train.csv").write_text("id,label\n0,a\n")
    with pytest.raises(DataError, match=r"only 'images'\. Tables are there: .*train\.csv"):
        read_source(str(root))


def test_class_folders_in_two_forms_of_unicode_are_one_class(class_folders: Any) -> None:
    composed, decomposed = "th\u00e9", "the\u0301"
    root = class_folders(
        {f"train/{composed}": 2, "train/cafe": 2, f"test/{decomposed}": 2, "test/cafe": 2}
    )
    table = read_source(str(root))
    assert table.class_names == ("cafe", composed)
    assert table.labels.tolist().count(1) == 4


def test_settings_of_a_table_are_no_settings_of_a_folder(class_folders: Any) -> None:
    root = class_folders({"a": 1, "b": 1})
    with pytest.raises(DataError, match="label_column says how a table is read, got no table"):
        read_source(str(root), reading=Reading(label_column="species"))
    with pytest.raises(DataError, match="images says how a table is read"):
        read_source("digits", reading=Reading(images=root))


def test_paths_that_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got no such path"):
        read_source(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"~\$list\.xlsx: DATA must be"):
        read_source("~$list.xlsx")
    with pytest.raises(DataError, match="'': DATA must be"):
        read_source("")
    for given, meant in (("", ""), (tmp_path / "alpha/cat", "alphas"), ("digit", "digits")):
        (tmp_path / "alphas").mkdir(exist_ok=True)
        with pytest.raises(DataError) as caught:
            read_source(str(given))
        assert caught.value.remedy == (f"Did you mean {meant!r}?" if meant else "")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.txt").touch()
    with pytest.raises(DataError, match=r"got no image \(1 \.txt\)"):
        read_source(str(tmp_path))
    (tmp_path / "set.zip").touch()
    with pytest.raises(DataError, match=r"got another file\. Unpack it"):
        read_source(str(tmp_path / "set.zip"))


# npz


def save_npz(tmp_path: Path, **arrays: Any) -> str:
    np.savez(tmp_path / "set.npz", **arrays)
    return str(tmp_path / "set.npz")


def images(n: int, *shape: int) -> Any:
    return np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_npz_with_medmnist_keys(tmp_path: Path) -> None:
    x = images(6, 5, 5, 3)
    parts = {"train": slice(0, 3), "val": slice(3, 4), "test": slice(4, 6)}
    y = np.array([[0], [10], [2], [0], [2], [10]], np.uint8)
    arrays = {f"{s}_images": x[p] for s, p in parts.items()}
    arrays |= {f"{s}_labels": y[p] for s, p in parts.items()}
    table = read_source(save_npz(tmp_path, **arrays))
    assert table.notes == (
        "Read 6 images of set.npz: train_images, val_images and test_images, labels from "
        "train_labels, val_labels and test_labels (3 classes). Otherwise: rename the arrays.",
    )
    assert table.class_names == ("0", "2", "10")
    assert table.labels.tolist() == [0, 2, 1, 0, 1, 2]
    assert table.splits == ("train",) * 3 + ("val",) + ("test",) * 2
    assert table.paths[2:5] == ("train_images[2]", "val_images[0]", "test_images[0]")
    opened = table.select([5]).open(0)
    assert isinstance(opened, np.ndarray)
    assert np.array_equal(opened, x[5])
    with pytest.raises(DataError, match="without pixels"):
        table.without_pixels().open(0)


@pytest.mark.parametrize(
    ("x", "expected", "note"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255], "0 to 1 were scaled by 255"),
        (
            np.array([0.0, 100.4, 255.0], np.float32),
            [0, 100, 255],
            "were taken as 0..255, unscaled",
        ),
        (np.array([0.0, 0.25, 1.25]), [0, 51, 255], "0 to 1.25 were scaled by 204 "),
        (np.array([0, 7, 255], np.int64), [0, 7, 255], ""),
        (np.array([0, 4095, 2000], np.uint16), [0, 255, 125], "0 to 4095 were scaled"),
        (np.array([False, True, True]), [0, 255, 255], "scaled by 255"),
        (np.array([0, 1, 1], np.uint8), [0, 255, 255], "0 to 1 were scaled by 255"),
        (np.array([1, 0, 1], np.int64), [255, 0, 255], "0 to 1 were scaled by 255"),
    ],
)
def test_npz_values_are_brought_to_uint8(
    tmp_path: Path, x: Any, expected: list[int], note: str
) -> None:
    table = read_source(save_npz(tmp_path, x=np.tile(x[:, None, None], (1, 4, 4)), y=[0, 1, 1]))
    assert [int(np.asarray(table.open(i))[0, 0]) for i in range(3)] == expected
    assert np.asarray(table.open(0)).dtype == np.uint8
    assert "Read 3 images of set.npz: x, labels from y (2 classes)." in table.notes[0]
    assert [note in told for told in table.notes[1:]] == [True] * bool(note)


@pytest.mark.parametrize(
    ("theirs", "x", "expected", "note"),
    [
        ([0, 200], np.array([0, 200, 4000], np.uint16), [0, 200, 255], "white, as those of the st"),
        ([0, 200], np.array([0, 7, 200], np.uint16), [0, 7, 200], ""),
        ([0, 4000], np.array([0, 4000, 4095], np.uint16), [0, 249, 255], "0 to 4095 were read"),
        ([0, 4000], np.array([0, 4, 9000]), [0, 0, 255], "and cut off beyond"),
        ([0.0, 0.9], np.array([0.0, 0.5, 1.02]), [0, 128, 255], "and cut off beyond"),
        # In other units, or in 8 bits: by themselves.
        ([0.0, 0.9], np.array([0, 7, 200]), [0, 7, 200], ""),
        ([0, 4000], np.array([0.0, 0.5, 1.0]), [0, 128, 255], "were scaled by 255"),
        ([0, 4000], np.array([0, 7, 200], np.uint8), [0, 7, 200], ""),
    ],
)
def test_an_npz_is_read_by_the_black_and_white_of_another(
    tmp_path: Path, theirs: list[float], x: Any, expected: list[int], note: str
) -> None:
    """Else one bright pixel of new images would make all of them dark."""
    data = np.zeros((3, 4, 4), np.asarray(theirs).dtype)
    data[0, 0, :2] = theirs
    levels = read_source(save_npz(tmp_path, x=data, y=[0, 1, 1])).array_levels
    assert levels is not None
    file = save_npz(tmp_path, x=np.tile(x[:, None, None], (1, 4, 4)), y=[0, 1, 1])
    table = read_source(file, array_levels=levels)
    assert [int(np.asarray(table.open(i))[0, 0]) for i in range(3)] == expected
    assert [note in told for told in table.notes[1:]] == [True] * bool(note)


def test_an_npz_of_uint8_has_no_black_and_white_of_its_own(tmp_path: Path) -> None:
    for x in (images(3, 4, 4), np.zeros((3, 4, 4), bool)):
        assert read_source(save_npz(tmp_path, x=x, y=[0, 1, 1])).array_levels is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": images(3, 4, 4), "y": np.array([0, 1, {}], object)}, "pickled objects"),
        ({"x": images(3, 4), "y": [0, 1, 1]}, r"got the shape \(3, 4\)"),
        ({"x": images(3, 3, 5, 5), "y": [0, 1, 1]}, r"\(3, 3, 5, 5\). Move the channels"),
        ({"x": images(3, 4, 4, 2), "y": [0, 1, 1]}, r"got the shape \(3, 4, 4, 2\)\.$"),
        ({"x": images(0, 4, 4), "y": []}, r"got the shape \(0, 4, 4\)"),
        ({"x": images(3, 4, 4), "y": [[0, 1], [1, 0], [1, 0]]}, r"y must be \(images,\)"),
        ({"x": images(3, 4, 4), "y": [0, 1]}, r"y must be as many as x \(3\), got 2"),
        ({"x": images(3, 4, 4), "y": [0.0, 1.5, 1]}, "y must be integers or text, got float64"),
        ({"x": images(3, 4, 4), "y": ["a", "b", ""]}, "y must not be empty"),
        ({"x": images(3, 4, 4), "y": [0, -1, 1]}, r"y must be in \[0, 2\^31\), got -1"),
        ({"x": images(3, 4, 4), "y": [0, 2**31, 1]}, r"got 2147483648"),
        ({"x": images(3, 4, 4)}, "must hold y beside x, got x"),
        (
            {"train_images": images(3, 4, 4), "train_labels": [0, 1, 1], "test_labels": [0]},
            "must hold test_images beside test_labels",
        ),
        ({"a": images(3, 4, 4)}, "must hold train_images and train_labels .* got a."),
        ({"x": np.full((3, 4, 4), np.nan), "y": [0, 1, 1]}, "image values must be in 0..1"),
        ({"x": np.full((3, 4, 4), -1.0), "y": [0, 1, 1]}, "got -1 to -1"),
        ({"x": np.full((3, 4, 4), "a"), "y": [0, 1, 1]}, "images must be numbers"),
        ({"x": images(3, 4, 4), "y": [1, 1, 1]}, "two classes, got only '1'"),
    ],
)
def test_npz_that_breaks_a_rule(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_source(save_npz(tmp_path, **arrays))


def test_npz_with_values_that_are_none_in_a_later_array(tmp_path: Path) -> None:
    y, bad = [0, 1] * 3, np.full((6, 4, 4), 0.5)
    bad[3, 0, 0] = np.nan
    x = {"train_images": np.full((6, 4, 4), 0.5), "test_images": bad}
    with pytest.raises(DataError, match=r"image values must be in 0\.\.1"):
        read_source(save_npz(tmp_path, **x, train_labels=y, test_labels=y))


def test_the_shape_of_an_array_is_part_of_its_content(tmp_path: Path) -> None:
    """Else a table of decoded images would be found again after a wrong shape was corrected."""
    x, y = images(6, 4, 8), [0, 1] * 3
    found = [
        read_source(save_npz(tmp_path, x=x.reshape(6, *shape), y=y)).sha256[0]
        for shape in ((4, 8), (8, 4), (4, 8, 1))
    ]
    assert found[0] != found[1]
    assert found[0] == found[2]
    square = images(6, 8, 8)
    expected = hashlib.sha256(square[0].tobytes()).hexdigest()
    assert read_source(save_npz(tmp_path, x=square, y=y)).sha256[0] == expected


def test_npz_arrays_that_are_not_read_are_named(tmp_path: Path) -> None:
    x, y = images(3, 4, 4), [0, 1, 1]
    table = read_source(save_npz(tmp_path, train_images=x, train_labels=y, x=x, patient=y))
    assert table.notes[1:] == ("Not read are its other arrays: x, patient.",)


def test_npz_labels_may_be_text(tmp_path: Path) -> None:
    table = read_source(save_npz(tmp_path, x=images(3, 4, 4), y=["dog", "cat", "dog"]))
    assert table.class_names == ("cat", "dog")
    assert table.labels.tolist() == [1, 0, 1]


def test_npz_that_is_none(tmp_path: Path) -> None:
    whole = Path(save_npz(tmp_path, x=images(30, 9, 9), y=np.arange(30) % 2))
    content = whole.read_bytes()
    for broken in (b"", b"hello", content[:700], content[:300] + b"\0" * 99 + content[399:]):
        whole.write_bytes(broken)
        with pytest.raises(DataError, match=r"set.npz: must be a whole .npz archive"):
            read_source(str(whole))
    np.save(tmp_path / "one.npy", images(2, 3, 3))
    shutil.move(tmp_path / "one.npy", whole)
    with pytest.raises(DataError, match=r"must be a whole .npz archive, got: it holds a single"):
        read_source(str(whole))


def test_digits(recorder: Any) -> None:
    table = read_source("digits", observer=recorder)
    assert len(table) == 1797
    assert table.class_names == tuple("0123456789")
    assert table.paths[12] == "digits[12]"
    first = np.asarray(table.open(0))
    assert first.shape == (8, 8)
    assert first.max() > 200
    assert recorder.stages == [("read", 1797)]
    assert recorder.steps == 1797


def test_words() -> None:
    assert split_word("Validation ") == "val"
    assert split_word("train images") == "train"
    assert split_word("trainee") is None
    assert sorted(["b2", "B10", "b1", "²"], key=natural_key) == ["b1", "b2", "B10", "²"]


@pytest.mark.usefixtures("permissions_hold")
def test_folder_that_may_not_be_read(class_folders: Any) -> None:
    root = class_folders({"a": 1, "b": 1})
    (root / "a").chmod(0)
    with pytest.raises(DataError, match="a: must be readable, got: Permission denied"):
        read_source(str(root))
    (root / "a").chmod(0o755)


@pytest.mark.parametrize("place", ["train.csv", "data/pets-00000-of-00001.parquet"])
def test_a_folder_around_a_table_says_which_table(place: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("id,species\n1,a\n")
    with pytest.raises(DataError, match="must be a folder of class folders") as caught:
        read_source(str(tmp_path))
    assert str(tmp_path / place) in caught.value.remedy
