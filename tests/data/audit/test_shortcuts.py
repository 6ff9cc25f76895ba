"""Planted shortcuts are found, and legitimate differences raise no alarm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.core.events import Observer
from autocnn.core.records import Shortcut
from autocnn.data.audit import shortcuts
from autocnn.data.audit.facts import Facts, read_facts
from autocnn.data.audit.shortcuts import find_shortcuts
from autocnn.data.table import ArrayImages, FileImages

SIDE = 24


def exchangeable(n: int, seed: int, **columns: Any) -> Facts:
    """Facts that have nothing to do with anything, or `columns` in their place."""
    rng = np.random.default_rng(seed)
    facts: dict[str, Any] = {
        "mode": rng.choice(["L", "RGB"], n),
        "file_type": rng.choice(["JPEG", "PNG"], n, p=[0.7, 0.3]),
        "width": rng.integers(30, 60, n),
        "height": rng.choice([30, 40, 50], n),
        "num_frames": np.ones(n, int),
        "has_transparency": np.zeros(n, bool),
        "num_bytes": rng.integers(1000, 9000, n),
        "jpeg_quality": np.where(rng.random(n) < 0.3, np.nan, rng.choice([75.0, 90.0], n)),
        "frame_width": np.zeros(n),
        "frame_brightness": np.full(n, np.nan),
    }
    names = (
        "brightness",
        "contrast",
        "border_brightness",
        "border_contrast",
        "sharpness",
        "black_share",
        "colourfulness",
    )
    facts |= {name: rng.normal(100, 20, n) for name in names}
    return Facts(**(facts | columns))


def find(facts: Facts, labels: NDArray[Any], **changes: Any) -> tuple[Shortcut, ...]:
    n = len(facts)
    options: dict[str, Any] = {
        "is_test": np.arange(n) % 5 == 0,
        "bundles": np.arange(n, dtype=np.int64),
        "seed": 0,
    }
    options |= changes
    names = [f"class{c}" for c in range(int(labels.max()) + 1)]
    return find_shortcuts(
        facts,
        labels.astype(np.int32),
        names,
        options["is_test"],
        options["bundles"],
        seed=options["seed"],
    )


def noise(rng: np.random.Generator) -> Pixels:
    """A bright blob at a random place on soft noise."""
    y, x = np.mgrid[:SIDE, :SIDE]
    centre = rng.uniform(6, SIDE - 6, 2)
    blob = 120 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 30)
    pixels: Pixels = (blob + rng.uniform(30, 100, (SIDE, SIDE))).astype(np.uint8)
    return pixels


def save(folder: Path, index: int, plant: str, is_planted: bool, pixels: Pixels) -> Path:
    """Write an image; the planted ones in another manner."""
    image = Image.fromarray(pixels)
    planted = plant if is_planted else ""
    if planted == "frame":
        pixels = pixels.copy()
        pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:] = 255, 255, 255, 255
        image = Image.fromarray(pixels)
    if planted == "width":
        image = image.resize((SIDE + 8, SIDE))
    if planted == "mode":
        image = image.convert("RGB")
    path = folder / f"{index}.{'png' if planted == 'file type' else 'jpg'}"
    if path.suffix == ".jpg":
        image.save(path, quality=60 if planted == "JPEG quality" else 85)
    else:
        image.save(path)
    return path


def read(make_table: Any, paths: list[Path], labels: list[int]) -> Facts:
    root = paths[0].parent
    table = replace(
        make_table(labels), images=FileImages(root), paths=tuple(path.name for path in paths)
    )
    decoded = [Image.open(path).convert("L").resize((SIDE, SIDE)) for path in paths]
    pixels = np.stack([np.asarray(image) for image in decoded])[..., np.newaxis]
    return read_facts(table, pixels, np.arange(len(paths)), observer=Observer())


SENTENCES = {
    "width": "100 % of class1 images but 0 % of class0 images are 32 px wide",
    "mode": "100 % of class1 images but 0 % of class0 images have mode RGB",
    "file type": "100 % of class1 images but 0 % of class0 images are PNG files",
    "JPEG quality": "100 % of class1 images but 0 % of class0 images have JPEG quality 60",
    "frame": "100 % of class1 images but 0 % of class0 images have a frame of one colour",
}


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(plant, marks=() if plant == "file type" else pytest.mark.slow)
        for plant in SENTENCES
    ],
)
def test_a_planted_shortcut_is_named(tmp_path: Path, make_table: Any, plant: str) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.repeat([0, 1], [40, 30]))
        folder = tmp_path / str(seed)
        folder.mkdir()
        paths = [save(folder, i, plant, label == 1, noise(rng)) for i, label in enumerate(labels)]
        found = find(read(make_table, paths, labels.tolist()), labels, seed=seed)
        alarm, split = found
        assert alarm.is_warning
        assert (alarm.predicts, alarm.target, alarm.fact) == ("class", "class1", plant)
        assert alarm.fact_auc == 1.0
        assert alarm.sentence.startswith(SENTENCES[plant])
        assert not split.is_warning


@pytest.mark.slow
def test_without_a_shortcut_files_raise_no_alarm(tmp_path: Path, make_table: Any) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    paths = [save(tmp_path, i, "", False, noise(rng)) for i in range(80)]
    found = find(read(make_table, paths, labels.tolist()), labels)
    assert [shortcut.is_warning for shortcut in found] == [False, False]
    assert all("no more than chance" in shortcut.sentence for shortcut in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "num_classes"),
    [
        pytest.param(100, 2, marks=pytest.mark.slow),
        (150, 4),
        pytest.param(300, 3, marks=pytest.mark.slow),
    ],
)
def test_exchangeable_facts_raise_no_alarm(n: int, num_classes: int) -> None:
    for seed in range(2):
        labels = np.random.default_rng(seed + 100).integers(0, num_classes, n)
        found = find(exchangeable(n, seed), labels, seed=seed)
        assert len(found) == (num_classes if num_classes > 2 else 1) + 1
        assert not any(shortcut.is_warning for shortcut in found)


def shapes(kind: int, rng: np.random.Generator) -> Pixels:
    """Discs, squares and upright bars on black, of random size, place and grey."""
    y, x = np.mgrid[:SIDE, :SIDE]
    (cy, cx), size = rng.uniform(9, SIDE - 9, 2), rng.uniform(3, 8)
    inside = [
        (x - cx) ** 2 + (y - cy) ** 2 < size**2,
        (abs(x - cx) < size) & (abs(y - cy) < size),
        abs(x - cx) < size / 2,
    ][kind]
    pixels: Pixels = np.where(inside, rng.uniform(120, 250), 0).astype(np.uint8)
    return pixels


def array_facts(make_table: Any, pixels: Pixels, labels: NDArray[Any]) -> Facts:
    rows = np.arange(len(pixels))
    table = replace(make_table(labels.tolist()), images=ArrayImages((pixels,), rows))
    return read_facts(table, pixels[..., np.newaxis], rows, observer=Observer())


@pytest.mark.slow
def test_classes_that_look_different_raise_no_alarm(make_table: Any) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        labels = np.arange(120) % 3
        facts = array_facts(make_table, np.stack([shapes(c, rng) for c in labels.tolist()]), labels)
        found = find(facts, labels)
        assert not any(shortcut.is_warning for shortcut in found)
        bars = next(shortcut for shortcut in found if shortcut.target == "class2")
        assert bars.auc > 0.8
        assert "the content itself may make that so" in bars.sentence


@pytest.mark.slow
def test_the_built_in_digits_raise_no_alarm(make_table: Any) -> None:
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(x))[:500]
    labels = labels[chosen]
    pixels = (x[chosen].reshape(-1, 8, 8) * 15.9).astype(np.uint8)
    facts = array_facts(make_table, pixels, labels)
    found = find(facts, labels)
    assert len(found) == 11
    assert found[0].auc > 0.9
    assert not any(shortcut.is_warning for shortcut in found)


@pytest.mark.slow
def test_a_split_of_other_files_is_an_alarm() -> None:
    for seed in range(2):
        is_test = np.random.default_rng(seed).random(120) < 0.25
        facts = exchangeable(120, seed, width=np.where(is_test, 64, 48))
        alarm, *others = find(facts, np.arange(120) % 2, is_test=is_test, seed=seed)
        assert (alarm.predicts, alarm.target, alarm.fact) == ("split", "test", "width")
        assert alarm.is_warning
        assert "100 % of test images but 0 % of the others are 64 px wide" in alarm.sentence
        assert not any(shortcut.is_warning for shortcut in others)


@pytest.mark.slow
def test_a_split_that_looks_different_is_an_alarm() -> None:
    is_test = np.arange(200) % 4 == 0
    brightness = np.random.default_rng(0).normal(100, 10, 200) + 40 * is_test
    alarm = find(
        exchangeable(200, 0, brightness=brightness), np.arange(200) // 100, is_test=is_test
    )[0]
    assert (alarm.predicts, alarm.fact, alarm.is_warning) == ("split", "brightness", True)


@pytest.mark.slow
def test_other_shares_of_the_classes_are_no_shift() -> None:
    """The class tells the mode, and test holds far more of one class."""
    labels = np.arange(400) % 2
    is_test = np.random.default_rng(0).random(400) < np.where(labels == 1, 0.5, 0.1)
    facts = exchangeable(400, 0, mode=np.where(labels == 1, "RGB", "L"))
    found = {shortcut.predicts: shortcut for shortcut in find(facts, labels, is_test=is_test)}
    assert found["class"].is_warning
    assert not found["split"].is_warning
    assert found["split"].fact_auc < 0.65


@pytest.mark.slow
def test_copies_do_not_count_twice() -> None:
    """Facts of ten scenes, each taken 20 times: as images a certainty, as scenes chance."""
    rng = np.random.default_rng(1)
    scenes = rng.integers(0, 24, 400).astype(np.int64)
    labels = rng.permutation(24)[scenes] % 2
    facts = exchangeable(24, 3).select(scenes)
    as_images = find(facts, labels, is_test=np.zeros(400, bool))
    as_scenes = find(facts, labels, is_test=np.zeros(400, bool), bundles=scenes)
    assert as_images[0].is_warning
    assert as_images[0].auc > 0.99
    assert not as_scenes[0].is_warning
    assert as_scenes[0].auc < 0.9


@pytest.mark.slow
def test_alarms_come_first_and_say_the_same_again() -> None:
    labels = np.arange(150) % 3
    facts = exchangeable(
        150, 0, mode=np.where(labels == 1, "P", "L"), brightness=np.where(labels == 0, 50.0, 90.0)
    )
    found = find(facts, labels)
    assert found[0].is_warning
    assert (found[0].target, found[0].fact) == ("class1", "mode")
    flags = [shortcut.is_warning for shortcut in found]
    assert flags == sorted(flags, reverse=True)
    assert find(facts, labels) == found


@pytest.mark.slow
def test_small_classes_and_equal_facts_are_left_out() -> None:
    labels = np.repeat([0, 1, 2], [60, 60, 9])
    found = find(exchangeable(129, 0), labels, is_test=np.arange(129) < 9)
    assert [(shortcut.predicts, shortcut.target) for shortcut in found] == [("class", "class0")]
    facts = exchangeable(60, 0)
    assert find(facts.select(np.zeros(60, np.int64)), np.arange(60) % 2) == ()


@pytest.mark.slow
def test_a_large_set_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    measure: Callable[..., Any] = shortcuts._measure

    def watch(columns: Any, target: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(len(target))
        assert np.bincount(target).min() >= 20
        return measure(columns, target, *arguments, **options)

    monkeypatch.setattr(shortcuts, "MOST_IMAGES", 200)
    monkeypatch.setattr(shortcuts, "_measure", watch)
    labels = np.repeat([0, 1], [900, 100])
    facts = exchangeable(1000, 0, width=np.where(labels == 1, 30, 40))
    alarm = find(facts, labels)[0]
    assert seen == [200, 200]
    assert (alarm.fact, alarm.target, alarm.is_warning) == ("width", "class1", True)
