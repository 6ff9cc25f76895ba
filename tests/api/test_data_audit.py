"""`autocnn.audit`: what was found as a record and as tables, and a split without leaks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import autocnn
from autocnn.core.errors import ConfigError, DataError, UsageError
from autocnn.core.records import SampleImage


@pytest.fixture
def pets() -> Path:
    """20 train and 10 test images per class; a copy with another label, one unreadable file."""
    rng = np.random.default_rng(0)
    folder = Path("pets")
    for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (folder / place).mkdir(parents=True)
        for i in range(20 if place.startswith("train") else 10):
            pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / place / f"{i}.png")
    (folder / "test/cat/3.png").write_bytes((folder / "train/dog/0.png").read_bytes())
    (folder / "train/cat/1.png").write_bytes(b"no image")
    return folder


def test_tables_are_frames(pets: Path) -> None:
    found = autocnn.audit(pets, cache_dir="cache")
    assert found.counts.to_dict("records")[2] == {"split": "test", "cat": 10, "dog": 10, "all": 20}
    assert found.copies["path"].tolist() == ["test/cat/3.png", "train/dog/0.png"]
    assert set(found.copies["kind"]) == {"bytes"}
    assert found.label_conflicts["label"].tolist() == ["cat", "dog"]
    assert found.problems["problem"].tolist() == ["unreadable"]
    assert found.problems["path"].tolist() == ["train/cat/1.png"]
    assert list(found.shortcuts)[:3] == ["predicts", "target", "auc"]
    assert found.warnings == found.record.warnings
    assert repr(found) == "Audit('pets': 59 images, 2 classes, 3 warnings)"
    assert (found.split_path, found.split_notes) == (None, ())
    assert set(found.samples["picture"]) < set(found.pictures)  # copies are pictured too
    assert set(found.samples["label"]) == {"cat", "dog"}
    html = found._repr_html_()
    assert html.count("<img ") == len(found.samples)
    assert "<strong>pets</strong>: 59 images" in html
    assert all(warning.split("'")[0] in html for warning in found.warnings)


def test_classes_with_markup_are_shown_as_they_are(pets: Path) -> None:
    record = autocnn.audit(pets, cache_dir="cache", samples=0).record
    names = ("<script>", "&")
    counts = {split: dict.fromkeys(names, 1) for split in record.counts}
    sample = SampleImage(path='a"b.png', label="<script>", split="train", picture="a")
    changed = {"class_names": names, "counts": counts, "samples": (sample,)}
    html = autocnn.Audit(record.model_copy(update=changed), pictures={"a": b"x"})._repr_html_()
    assert "<script>" not in html
    assert 'alt="a&quot;b.png"' in html


@pytest.mark.slow
def test_a_split_without_leaks_is_written(pets: Path) -> None:
    found = autocnn.audit(pets, split_out="pets/split.csv", cache_dir="cache")
    assert found.split_path == Path("pets/split.csv")
    assert "left out" in found.split_notes[0]
    again = autocnn.audit("pets/split.csv", cache_dir="cache")
    assert len(again.copies) == 0
    assert again.label_conflicts.empty


def test_what_cannot_be_is_refused_in_pythons_words(pets: Path) -> None:
    (pets / "list.csv").write_text("path,label\ntrain/cat/0.png,cat\ntrain/dog/1.png,dog\n")
    with pytest.raises(DataError, match=r"Use split_out='pets/split\.csv'"):
        autocnn.audit(pets / "list.csv", split_out=pets / "list.csv", cache_dir="cache")
    with pytest.raises(ConfigError, match=r"val_fraction must be less than 0\.5"):
        autocnn.audit(pets, val_fraction=0.7)
    with pytest.raises(ConfigError, match="trials is no setting"):
        autocnn.audit(pets, trials=3)  # type: ignore[call-arg]


@pytest.mark.slow
def test_what_a_program_holds_is_audited_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 16, 16), dtype=np.uint8)
    labels = ["cat", "dog"] * 20
    found = autocnn.audit((pixels, labels), cache_dir="cache")
    assert repr(found) == "Audit('(images, labels)': 40 images, 2 classes, 0 warnings)"
    sizes = [pixels[i, : 10 + i % 3] for i in range(40)]
    frame = pd.DataFrame({"image": sizes, "kind": labels, "site": ["a", "b"] * 20})
    found = autocnn.audit(frame, label_column="kind", cache_dir="cache")
    assert repr(found) == "Audit('DataFrame': 40 images, 2 classes, 0 warnings)"
    with pytest.raises(DataError, match="split_out can be written for image files only, got Data"):
        autocnn.audit(frame, split_out="split.csv", cache_dir="cache")
    with pytest.raises(DataError) as raised:
        autocnn.audit((pixels[:4], labels[:4]), cache_dir="cache")
    assert str(raised.value).startswith("(images, labels): class 'cat' must have at least 3")
    assert list(temporary.iterdir()) == []


def test_the_split_of_a_frame_of_paths_can_be_given_back(pets: Path) -> None:
    paths = sorted((pets / "train").rglob("*.png"))
    frame = pd.DataFrame({"file": paths, "label": [path.parent.name for path in paths]})
    found = autocnn.audit(frame, split_out="split.csv", cache_dir="cache")
    assert found.split_path == Path("split.csv")
    again = autocnn.audit("split.csv", cache_dir="cache")
    assert again.record.num_images == found.record.num_images


def test_a_page_shows_it_all(pets: Path) -> None:
    found = autocnn.audit(pets, to="page.html", samples=2, cache_dir="cache")
    assert found.page_path == Path("page.html")
    html = found.page_path.read_text("utf-8")
    assert "<h1>pets</h1>" in html
    assert html.count("data:image/jpeg") == 6, "two samples of each class, and the copies"
    assert found.to_html("again.html").read_text("utf-8") == html
    assert found.pixels["label"].tolist() == ["cat", "dog"]
    assert found.pixels["num_images"].tolist() == [29, 30]
    bare = autocnn.audit(pets, samples=0, cache_dir="cache")
    assert bare.page_path is None
    assert "data:image/jpeg" not in bare.to_html("bare.html").read_text("utf-8")
    with pytest.raises(UsageError, match=r"to nowhere/page\.html: its folder must be there"):
        autocnn.audit(pets, to="nowhere/page.html", cache_dir="cache")
