"""Images that a person leaves out: of train and val, never of test; the rest stays as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.config import StudyConfig
from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.data import Dataset, prepare_data
from autocnn.data.dropping import read_drops


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("path\na.png\nb.png\na.png\n", ("a.png", "b.png")),
        ("label;path\ncat;a, b.png\n", ("a, b.png",)),
        ("path,label,drop\na.png,x,yes\nb.png,y,\nc.png,y,no\nd.png,y,1\n", ("a.png", "d.png")),
        ("path,drop\n'=a.png,TRUE\n", ("=a.png",)),
    ],
)
def test_a_file_names_the_images(tmp_path: Path, text: str, paths: tuple[str, ...]) -> None:
    assert read_drops(write(tmp_path / "drop.csv", text)) == paths


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,x\n", r"must have a column `path`, got file, label\."),
        ("", r"must have a column `path`, got an empty file\."),
        ("path,drop\na.png,\n", r"must mark at least one image, got none of 1\. Look at the"),
        ("path,drop\na.png,perhaps\n", r"must say yes or nothing, got perhaps\."),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_drops(write(tmp_path / "drop.csv", text))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be a CSV with a column `path`"):
        read_drops(tmp_path / "drop.parquet")
    with pytest.raises(DataError, match="must be readable, got: No such file"):
        read_drops(tmp_path / "drop.csv")


def prepare(tmp_path: Path, root: Path, drop: Path | None, recorder: Any = None) -> Dataset:
    config = StudyConfig(data=str(root), cache_dir=tmp_path / "cache", drop_labels=drop)
    return prepare_data(config, image_sizes=(), observer=recorder or Observer())


def split_of(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.table.paths, dataset.split_names, strict=True))


def test_what_is_left_out_changes_nothing_else(
    class_folders: Any, tmp_path: Path, recorder: Any
) -> None:
    root = class_folders({"a": 30, "b": 30})
    (root / "a/1.png").write_bytes((root / "a/0.png").read_bytes())
    (root / "b/29.png").write_bytes(b"")
    whole = prepare(tmp_path, root, None)
    before = split_of(whole)
    chosen = {
        split: next(p for p in before if before[p] == split and p != "a/0.png")
        for split in ("train", "val", "test")
    }
    named = [*chosen.values(), "b/29.png", "a/0.png"]
    drop = write(tmp_path / "drop.csv", "path\n" + "\n".join(named) + "\n")
    dataset = prepare(tmp_path, root, drop, recorder)
    gone = {path for path in named if before.get(path) in ("train", "val")}
    assert split_of(dataset) == {path: s for path, s in before.items() if path not in gone}
    assert {row[0] for row in dataset.dropped} == gone
    assert all(before[path] == split for path, _, split in dataset.dropped)
    assert dataset.copies == ()
    assert dataset.bundles.tolist() == list(range(len(dataset.table)))
    assert dataset.fingerprint != whole.fingerprint
    pixels, all_pixels = dataset.images().open(), whole.images().open()
    for place, path in enumerate(dataset.table.paths):
        there = whole.table.paths.index(path)
        assert (pixels[dataset.rows[place]] == all_pixels[whole.rows[there]]).all()
        assert dataset.labels[dataset.rows[place]] == dataset.table.labels[place]
    assert len(dataset.labels) == 60
    assert (dataset.labels == -1).sum() == 1 + len(gone)
    said = " ".join(recorder.notes)
    assert f"{len(gone)} images left out, as {drop} says" in said
    assert f"1 test image that it names stays: test is never changed ({chosen['test']})." in said
    assert dataset.audit.num_images == 59 - len(gone)


def test_a_path_that_is_not_there_is_told(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 12, "b": 12})
    drop = write(tmp_path / "drop.csv", "path\na/0.png\nc/1.png\n")
    with pytest.raises(DataError, match=r"got 1 path that is not there: c/1\.png\. Take these"):
        prepare(tmp_path, root, drop)


def test_what_a_study_has_left_out_may_be_gone_by_now(class_folders: Any, tmp_path: Path) -> None:
    """Whether the others are what they were, the study finds out."""
    root = class_folders({f"{s}/{c}": 6 for s in ("train", "val", "test") for c in "ab"})
    config = StudyConfig(data=str(root), cache_dir=tmp_path / "cache")
    paths = ("train/a/0.png", "val/b/1.png")

    def resume() -> Dataset:
        return prepare_data(config, image_sizes=(), observer=Observer(), dropped=paths)

    before = resume()
    (root / paths[0]).unlink()
    after = resume()
    assert [row[0] for row in after.dropped] == [paths[1]]
    assert after.fingerprint == before.fingerprint
    (root / "train/a/1.png").unlink()
    assert resume().fingerprint != before.fingerprint


def test_a_class_is_not_left_out_as_a_whole(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({f"{s}/{c}": 6 for s in ("train", "val", "test") for c in "ab"})
    paths = [f"val/b/{number}.png" for number in range(6)]
    drop = write(tmp_path / "drop.csv", "path\n" + "\n".join(paths) + "\n")
    with pytest.raises(DataError, match="must keep images in val, got all 6 of 'b' to be left"):
        prepare(tmp_path, root, drop)


def test_copies_of_what_is_left_out_stay_copies(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({f"{s}/{c}": 12 for s in ("train", "test") for c in "ab"})
    for name in ("train/a/1.png", "train/a/2.png", "test/a/3.png"):
        (root / name).write_bytes((root / "train/a/0.png").read_bytes())
    drop = write(tmp_path / "drop.csv", "path\ntrain/a/0.png\n")
    dataset = prepare(tmp_path, root, drop)
    (group,) = dataset.copies
    kept = [dataset.table.paths[i] for i in group.members]
    assert sorted(kept) == ["test/a/3.png", "train/a/1.png", "train/a/2.png"]
    assert len(set(dataset.bundles[list(group.members)].tolist())) == 1
    assert not dataset.is_clean_test[dataset.table.paths.index("test/a/3.png")]
    assert np.array_equal(np.unique(dataset.table.labels), [0, 1])
