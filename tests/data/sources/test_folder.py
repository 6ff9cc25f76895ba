import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.config import Reading
from autocnn.core.errors import ConfigError, DataError, as_option
from autocnn.data.sources.names import NamePattern, propose_labels
from autocnn.data.sources.open import read_source
from autocnn.data.table import ImageTable

CLASSES = ("forest", "sea")


def read(root: Path, **reading: Any) -> ImageTable:
    return read_source(str(root), reading=Reading(**reading))


def counts(table: ImageTable) -> Counter[tuple[str | None, str]]:
    names = [table.class_names[label] for label in table.labels]
    return Counter(zip(table.splits, names, strict=True))


def put(save: Any, grey_pixels: Any, *paths: Path) -> None:
    for seed, path in enumerate(paths):
        save(path, grey_pixels(seed))


# -- splits


def test_split_folders_that_are_doubled_and_begin_alike(class_folders: Any) -> None:
    root = class_folders(
        {
            **{f"seg_train/seg_train/{name}": 3 for name in CLASSES},
            **{f"seg_test/seg_test/{name}": 2 for name in CLASSES},
            "seg_pred/seg_pred": 4,
        }
    )
    table = read(root)
    assert counts(table) == {
        ("train", "forest"): 3,
        ("train", "sea"): 3,
        ("test", "forest"): 2,
        ("test", "sea"): 2,
    }
    assert table.ignored == {"image outside the split folders": 4}
    assert table.notes == (
        "Read 10 images: labels from the names of 2 class folders, test from seg_test/seg_test "
        "and train from seg_train/seg_train. Otherwise: --label-from-name, or a table.",
        "seg_pred is no split folder: not read.",
    )


def test_one_folder_that_begins_like_a_split_is_a_class(class_folders: Any) -> None:
    assert read(class_folders({"old_train": 2, "old_bus": 2})).class_names == (
        "old_bus",
        "old_train",
    )


@pytest.mark.parametrize("others", [("bus", "car"), ("bus", "test")])
def test_a_class_that_is_called_train(class_folders: Any, others: tuple[str, str]) -> None:
    table = read(class_folders({"train": 3, **dict.fromkeys(others, 2)}))
    assert set(table.class_names) == {"train", *others}
    assert set(table.splits) == {None}
    assert "like" in table.notes[1]
    assert "train" in table.notes[1]


def test_splits_below_each_class(class_folders: Any) -> None:
    root = class_folders({f"{c}/{s}": 2 for c in CLASSES for s in ("train", "Testing")})
    table = read(root)
    assert counts(table) == {(s, c): 2 for c in CLASSES for s in ("train", "test")}
    assert "train from the train folder of each class" in table.notes[0]


def test_splits_without_train_are_no_classes(class_folders: Any) -> None:
    root = class_folders({f"{split}/{name}": 2 for split in ("val", "test") for name in CLASSES})
    assert read(root).class_names == CLASSES


def test_a_test_folder_without_labels_is_left_out(class_folders: Any) -> None:
    table = read(class_folders({"train/a": 2, "train/b": 2, "test": 3}))
    assert table.class_names == ("a", "b")
    assert table.ignored == {"image without a label": 3}
    assert table.notes[1] == (
        "test has no class folders: its 3 images without labels are left out."
    )


# -- classes of the wrong kind


@pytest.mark.parametrize("top", ["batch1", "10253"])
def test_folders_that_hold_the_same_folders_are_no_classes(class_folders: Any, top: str) -> None:
    root = class_folders({f"{batch}/{name}": 2 for batch in (top, "x") for name in CLASSES})
    with pytest.raises(DataError, match="which all hold the folders forest, sea") as error:
        read(root)
    _, remedy = error.value.lines(as_option)
    inner, outer = "([^/]+)/[^/]+$", "([^/]+)/[^/]+/[^/]+$"
    assert remedy == (
        f"If the inner folders are the classes: --label-from-name '{inner}'; if the outer ones "
        f"are: --label-from-name '{outer}'."
    )
    assert counts(read(root, label_from_name=inner)) == {(None, "forest"): 4, (None, "sea"): 4}
    assert counts(read(root, label_from_name=outer)) == {(None, top): 4, (None, "x"): 4}


def test_class_folders_once_more_beside_themselves(class_folders: Any) -> None:
    root = class_folders({"ill": 2, "well": 2, "cells/ill": 2, "cells/well": 2})
    table = read(root)
    assert table.class_names == ("ill", "well")
    assert len(table) == 4
    assert table.notes[1:] == ("cells holds the class folders again: not read.",)


def test_masks_beside_their_images(tmp_path: Path, save: Any, grey_pixels: Any) -> None:
    for label in ("benign", "normal"):
        names = ["x (1).png", "x (1)_mask.png", "x (1)_mask_1.png", "y_mask.png", "z-label.png"]
        put(save, grey_pixels, *(tmp_path / label / name for name in names))
    table = read(tmp_path)
    # Without its image, a file that is called a mask may be anything.
    kept = ("x (1).png", "y_mask.png", "z-label.png")
    assert table.paths == tuple(
        f"{label}/{name}" for label in ("benign", "normal") for name in kept
    )
    assert table.ignored == {"mask of an image": 4}


def test_folders_of_masks(class_folders: Any) -> None:
    root = class_folders({f"{label}/{kind}": 2 for label in "ab" for kind in ("images", "masks")})
    table = read(root)
    assert counts(table) == {(None, "a"): 2, (None, "b"): 2}
    assert table.ignored == {"mask of an image": 4}
    assert table.notes[1:] == ("a/masks, b/masks hold masks of the images beside: not read.",)
    with pytest.raises(DataError, match="two classes, got only 'images'"):
        read(class_folders({"images": 2, "masks": 2}, root.parent / "flat"))
    people = read(class_folders({"mask": 2, "no mask": 2}, root.parent / "people"))
    assert people.class_names == ("mask", "no mask")


def test_a_split_with_none_of_the_classes_is_left_out(class_folders: Any) -> None:
    root = class_folders(
        {
            **{f"train/{name}/images": 3 for name in CLASSES},
            **{f"val/{name.upper()}": 2 for name in CLASSES},
            "test/images": 4,
        }
    )
    table = read(root)
    assert {split for split, _ in counts(table)} == {"train", "val"}
    assert counts(table)["train", "sea"] == 3
    assert table.ignored == {"image without a label": 4}
    assert (
        "test has no class folders that train has: its 4 images without labels are left out."
        in table.notes
    )


@pytest.mark.parametrize("name", ["loop", "loop.png", ".loop"])
def test_a_link_to_itself_is_left_out(class_folders: Any, name: str) -> None:
    root = class_folders({"a": 2, "b": 2})
    (root / "a" / name).symlink_to(name)
    table = read(root)
    assert len(table) == 4
    kind = "hidden file" if name == ".loop" else "broken link or special file"
    assert table.ignored == {kind: 1}


@pytest.mark.usefixtures("permissions_hold")
def test_a_link_into_a_folder_that_may_not_be_read_is_left_out(
    class_folders: Any, tmp_path: Path
) -> None:
    root = class_folders({"a": 2, "b": 2})
    closed = tmp_path / "closed"
    (closed / "more").mkdir(parents=True)
    (root / "a/more").symlink_to(closed / "more")
    closed.chmod(0)
    table = read(root)
    closed.chmod(0o755)
    assert table.ignored == {"broken link or special file": 1}


def test_archives_of_a_mac(class_folders: Any) -> None:
    root = class_folders({"set/a": 2, "set/b": 2, "__MACOSX/set/a": 2, "__MACOSX/set/b": 2})
    table = read(root)
    assert table.class_names == ("a", "b")
    assert table.ignored == {"hidden folder": 1}


@pytest.mark.parametrize("target", ["", "..", "b", "/"])
def test_links_to_what_is_read_anyway(class_folders: Any, target: str) -> None:
    root = class_folders({"a": 2, "b": 2})
    (root / "a/link").symlink_to(root / target)
    table = read(root)
    assert counts(table) == {(None, "a"): 2, (None, "b"): 2}
    assert table.ignored == {"link to a folder that is read anyway": 1}


def test_links_to_folders_elsewhere_are_followed(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 2, "b": 2})
    class_folders({"more": 3, "c": 4}, tmp_path / "elsewhere")
    (root / "a/link").symlink_to(tmp_path / "elsewhere/more")
    (root / "c").symlink_to(tmp_path / "elsewhere/c")
    assert counts(read(root)) == {(None, "a"): 5, (None, "b"): 2, (None, "c"): 4}


def test_names_in_two_forms_of_unicode_are_one_class(class_folders: Any) -> None:
    composed, split = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    root = class_folders({f"train/{composed}": 2, "train/a": 2, f"test/{split}": 2, "test/a": 2})
    assert read(root).class_names == ("a", composed)


def test_names_in_two_forms_of_unicode_are_one_group(class_folders: Any) -> None:
    composed, split = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    root = class_folders({f"a/{composed}": 2, f"a/{split}": 2, "b/x": 2})
    assert set(read(root, group_from_name="([^/]+)/[^/]+$").groups) == {composed, "x"}


# -- labels in names


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ([f"{c}.{i}.jpg" for c in ("cat", "dog") for i in range(6)], {"cat", "dog"}),
        ([f"{c} ({i}).png" for c in ("benign", "normal") for i in range(6)], {"benign", "normal"}),
        ([f"{c}_{i}.jpg" for c in ("great_dane", "pug") for i in range(6)], {"great_dane", "pug"}),
        ([f"{c}_{i:x}a.jpg" for c in ("pug", "cat") for i in range(9, 16)], {"pug", "cat"}),
        ([f"{i:04d}_{c}.jpg" for c in ("pug", "cat") for i in range(6)], {"pug", "cat"}),
        ([f"ID_{i}_AGE_{i + 40}_C_{i % 2}_CT.dcm" for i in range(12)], {"0", "1"}),
        ([f"img{i:03d}.png" for i in range(12)], None),
        ([f"patient_{p}_slice_{i}.png" for p in range(4) for i in range(5)], None),
        ([f"{word}.png" for word in "abcdefghijkl"], None),
        ([f"a_{i}.png" for i in range(9)] + ["b_1.png"], None),
    ],
)
def test_labels_that_names_hold_are_proposed(names: list[str], labels: set[str] | None) -> None:
    found = propose_labels(names)
    assert (None if found is None else set(found.counts)) == labels


def test_labels_in_names_are_proposed_and_taken(
    tmp_path: Path, save: Any, grey_pixels: Any
) -> None:
    names = [f"{c}.{i}.png" for c in ("cat", "dog") for i in range(4)]
    put(save, grey_pixels, *(tmp_path / "train" / name for name in names))
    put(save, grey_pixels, *(tmp_path / "test1" / f"{i}.png" for i in range(3)))
    with pytest.raises(DataError, match="train: must hold one folder per class, got 8") as error:
        read(tmp_path)
    _, remedy = error.value.lines(as_option)
    assert remedy == (
        r"If their names hold the labels (cat: 4, dog: 4): --label-from-name "
        r"'^(.+?)[ ._(-]*\d+\)?\.'."
    )
    table = read(tmp_path, label_from_name=r"^(.+?)[ ._(-]*\d+\)?\.")
    assert counts(table) == {("train", "cat"): 4, ("train", "dog"): 4}
    assert table.notes == (
        "Read 8 images: labels from names by --label-from-name (cat: 4, dog: 4), train from train.",
        "Left out, without a match of --label-from-name: 3 names (test1/0.png, test1/1.png, "
        "test1/2.png).",
    )


def test_names_without_a_match(tmp_path: Path, save: Any, grey_pixels: Any) -> None:
    names = ("cat.0.png", "cat.1.png", "dog.0.png", "dog.1.png", "7.png")
    put(save, grey_pixels, *(tmp_path / name for name in names))
    table = read(tmp_path, label_from_name="^([a-z]+)[.]")
    assert len(table) == 4
    assert table.ignored == {"name without a label": 1}
    assert table.notes[1] == "Left out, without a match of --label-from-name: 1 name (7.png)."
    with pytest.raises(DataError, match="must match the names of the images, got none of 5"):
        read(tmp_path, label_from_name="^x")


def test_label_from_name_is_for_folders(class_folders: Any, tmp_path: Path) -> None:
    for data in ("digits", str(tmp_path / "list.csv")):
        (tmp_path / "list.csv").touch()
        with pytest.raises(DataError, match="label_from_name is for folders, got no"):
            read_source(data, reading=Reading(label_from_name="x"))


def test_what_a_pattern_catches() -> None:
    assert NamePattern("cat|dog").find("dog/cat.1.png") == "cat"
    assert NamePattern("^x(a)?|^y(b)").find("z/yb.png") == "b"
    assert NamePattern("(.*)/1.png").find("a/b/1.png") == "a/b"
    assert NamePattern("^( *)").find("  .png") is None


@pytest.mark.parametrize("field", ["label_from_name", "group_from_name"])
def test_an_expression_that_is_none(field: str) -> None:
    from autocnn.core.config import resolve_config

    with pytest.raises(ConfigError, match="must be a regular expression") as error:
        resolve_config({field: "(a{1,"})
    assert error.value.lines(as_option)[0].startswith(f"--{field.replace('_', '-')} must be")


# -- nothing to read


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/1.xyz", "a/2.xyz", "b/README"], r"got no image \(2 \.xyz, 1 no suffix\).* Read are"),
        (["a/1.nii.gz", "b/2.nii"], r"\.nii and \.nii\.gz are volumes: autocnn reads single"),
        ([], "must be a folder of class folders with images, got no image. Put the"),
    ],
)
def test_what_is_there_and_what_is_read_is_named(
    tmp_path: Path, names: list[str], message: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_files_without_a_suffix_are_images_if_they_are_dicom(
    class_folders: Any, tmp_path: Path
) -> None:
    from autocnn.data.image_files import is_image_file

    names = ("IM0001", "1.2.840.3", "README", "x.txt")
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "1.2.840.3").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "README").write_bytes(bytes(200))
    (tmp_path / "x.txt").write_bytes(bytes(128) + b"DICM")
    found = {name: is_image_file(str(tmp_path / name)) for name in names}
    assert found == {"IM0001": True, "1.2.840.3": True, "README": False, "x.txt": False}
