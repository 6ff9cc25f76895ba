import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.config import StudyConfig
from autocnn.core.errors import ConfigError, DataError
from autocnn.core.events import Observer
from autocnn.data import Dataset, check_split_file, correct_split, prepare_data, write_split
from autocnn.data.correction import CorrectedSplit
from autocnn.data.sources.open import read_source
from autocnn.data.split import Split
from tests.samples import read_rows


def prepare(tmp_path: Path, data: Any, **kwargs: Any) -> Dataset:
    config = StudyConfig(data=str(data), cache_dir=tmp_path / "cache", **kwargs)
    return prepare_data(config, image_sizes=[], observer=Observer())


def correct(dataset: Dataset, seed: int = 0) -> CorrectedSplit:
    return correct_split(dataset, val_fraction=0.15, test_fraction=0.15, seed=seed)


@pytest.fixture
def leaking(class_folders: Any, grey_pixels: Any, save: Any) -> Path:
    """40 train and 20 test images per class; 8 test images of `a` are copies, one mislabelled."""
    root: Path = class_folders({"train/a": 40, "train/b": 40, "test/a": 20, "test/b": 20})
    for i in range(4):
        file = root / f"train/a/{i}.png"
        (root / f"test/a/{i}.png").write_bytes(file.read_bytes())
        save(root / f"test/a/{i + 4}.png", np.rot90(grey_pixels(i + 4)))
    save(root / "test/b/0.png", grey_pixels(9)[::-1])  # train/a/9.png
    return root


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_no_image_stands_across_splits(leaking: Path, tmp_path: Path, seed: int) -> None:
    dataset = prepare(tmp_path, leaking)
    assert dataset.audit.all_copies.test_images_in_train == 9
    file = leaking / "split.csv"
    write_split(file, correct(dataset, seed))
    report = prepare(tmp_path, file).audit
    assert report.all_copies.groups == 8
    assert report.all_copies.groups_across_splits == 0
    assert report.all_copies.test_images_in_train == report.all_copies.val_images_in_train == 0
    assert not report.label_conflicts
    assert not report.warnings
    assert report.num_images == 118
    assert report.counts["test"] == {"a": 20, "b": 19}
    assert report.counts["val"] == {"a": 6, "b": 6}


@pytest.mark.slow
def test_what_was_changed_is_said(leaking: Path, tmp_path: Path) -> None:
    corrected = correct(prepare(tmp_path, leaking))
    assert corrected.sentences == (
        "1 group of copies with different labels left out: 2 images.",
        "train: 67 images, 4 moved out, 4 moved in.",
        "val: 12 images, made here.",
        "test: 39 images, 4 moved out, 4 moved in.",
    )
    whole = set(corrected.table.paths)
    assert {"train/a/9.png", "test/b/0.png"} & whole == set()
    sides = dict(zip(corrected.table.paths, corrected.split.names, strict=True))
    for i in range(8, 20):
        assert sides[f"test/a/{i}.png"] == "test"


@pytest.mark.slow
def test_a_given_val_is_corrected_too(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({f"{split}/{c}": 20 for split in ("train", "val", "test") for c in "ab"})
    for i in range(4):
        (root / f"val/a/{i}.png").write_bytes((root / f"train/a/{i}.png").read_bytes())
        (root / f"test/b/{i}.png").write_bytes((root / f"val/b/{i}.png").read_bytes())
    corrected = correct(prepare(tmp_path, root))
    assert corrected.split.made == ()
    sides: dict[bytes, set[str]] = {}
    for path, side in zip(corrected.table.paths, corrected.split.names, strict=True):
        sides.setdefault((root / path).read_bytes(), set()).add(side)
    assert all(len(found) == 1 for found in sides.values())
    assert corrected.split.names.count("test") == 40
    assert corrected.split.names.count("val") == 40


def test_paths_to_another_drive_are_absolute(
    class_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def relpath(path: Any, start: Any) -> str:
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    root = class_folders({"a": 2, "b": 2})
    table = read_source(str(root))
    split = Split(("train",) * 4, (), ())
    monkeypatch.setattr(os.path, "relpath", relpath)
    write_split(tmp_path / "out.csv", CorrectedSplit(table, split, ()))
    assert read_rows(tmp_path / "out.csv")[0]["path"] == (root / table.paths[0]).as_posix()


def test_what_is_clean_stays(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({f"{split}/{c}": 10 for split in ("train", "test") for c in "ab"})
    dataset = prepare(tmp_path, root)
    corrected = correct(dataset)
    assert corrected.split.names == dataset.split.names
    assert corrected.sentences == (
        "train: 17 images, as given.",
        "val: 3 images, made here.",
        "test: 20 images, as given.",
    )


def test_groups_are_kept_and_paths_are_of_the_file(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 12, "b": 12}, root=tmp_path / "x" / "deep")
    lines = [f"{c}/{i}.png,{c},p{i // 2}" for c in "ab" for i in range(12)]
    (root / "list.csv").write_text("\n".join(["path,label,group", *lines]))
    dataset = prepare(tmp_path, root / "list.csv")
    write_split(tmp_path / "out.csv", correct(dataset))
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert rows[0]["path"] == "x/deep/a/0.png"
    assert rows[3]["group"] == "p1"
    sides: dict[str, set[str]] = {}
    for row in rows:
        sides.setdefault(row["group"], set()).add(row["split"])
    assert all(len(found) == 1 for found in sides.values())
    again = prepare(tmp_path, tmp_path / "out.csv")
    assert [*again.split.names] == [row["split"] for row in rows]


@pytest.mark.slow
def test_files_that_could_not_be_given_back(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 4, "b": 4})
    dataset = prepare(tmp_path, root)
    message = "must be a folder to write split.csv to, got none"
    with pytest.raises(DataError, match=message):
        check_split_file(tmp_path / "none/split.csv", dataset.table)
    with pytest.raises(ConfigError, match=r"must name a .csv file, got '.txt'"):
        check_split_file(root / "split.txt", dataset.table)
    (root / "list.csv").write_text(
        "path,label\n" + "".join(f"{c}/{i}.png,{c}\n" for c in "ab" for i in range(4))
    )
    listed = prepare(tmp_path, root / "list.csv")
    with pytest.raises(DataError, match="must be another file than DATA"):
        check_split_file(root / "list.csv", listed.table)
    with pytest.raises(DataError, match="for image files only"):
        check_split_file(root / "split.csv", prepare(tmp_path, "digits").table)
