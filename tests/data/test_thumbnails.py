"""Thumbnails: samples of each class, and of copies the telling groups first."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.data import Dataset, prepare_data
from autocnn.data.thumbnails import MOST_SAMPLES, SIDE, draw_thumbnail, picture_data, sample_sizes

MakeFolders = Callable[[Mapping[str, int]], Path]


def prepare(data: Path, tmp_path: Path) -> Dataset:
    config = StudyConfig(data=str(data), cache_dir=tmp_path / "cache")
    return prepare_data(config, image_sizes=(), observer=Observer())


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 3), (224, 1)])
def test_any_image_becomes_a_small_jpeg(side: int, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, channels), dtype=np.uint8)
    content = draw_thumbnail(pixels)
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.size) == ("JPEG", (SIDE, SIDE))
    assert image.mode == ("L" if channels == 1 else "RGB")
    assert len(content) < 20_000


def test_small_images_keep_their_pixels() -> None:
    pixels = np.zeros((8, 8, 1), np.uint8)
    pixels[0, 0] = 255
    drawn = np.asarray(Image.open(io.BytesIO(draw_thumbnail(pixels))))
    assert drawn[: SIDE // 8, : SIDE // 8].mean() > 240
    assert drawn[SIDE // 8 :, SIDE // 8 :].mean() < 5


def test_samples_of_each_class_are_of_train_where_it_has_any(
    class_folders: MakeFolders, tmp_path: Path
) -> None:
    counts = {"train/cat": 5, "train/dog": 12, "val/cat": 4, "val/dog": 4, "test/cat": 9}
    dataset = prepare(class_folders({**counts, "test/dog": 9}), tmp_path)
    report, pictures = picture_data(dataset)
    assert [sample.label for sample in report.samples] == ["cat"] * 8 + ["dog"] * 8
    splits = [sample.split for sample in report.samples]
    assert splits == ["train"] * 5 + ["val"] * 3 + ["train"] * 8
    assert set(pictures) == {sample.picture for sample in report.samples}
    assert all(sample.path.split("/")[1] == sample.label for sample in report.samples)
    assert len({sample.path for sample in report.samples}) == 16
    assert picture_data(dataset)[0].samples == report.samples, "the same seed, the same samples"
    assert picture_data(dataset, seed=1)[0].samples != report.samples
    assert len(picture_data(dataset, samples=2)[1]) == 4


def test_no_samples_are_no_thumbnails_at_all(class_folders: MakeFolders, tmp_path: Path) -> None:
    folder = class_folders({"a": 12, "b": 12})
    (folder / "b" / "0.png").write_bytes((folder / "a" / "0.png").read_bytes())
    dataset = prepare(folder, tmp_path)
    assert any(name.startswith("copy-") for name in picture_data(dataset)[1])
    report, pictures = picture_data(dataset, samples=0)
    assert (report, pictures) == (dataset.audit, {})


@pytest.mark.parametrize("num_classes", [2, 30, 31, 240, 241, 5000])
@pytest.mark.parametrize("samples", [None, 1, 8, 50])
def test_samples_are_never_more_than_a_page_holds(num_classes: int, samples: int | None) -> None:
    shown, per_class = sample_sizes(num_classes, samples)
    assert 1 <= shown <= num_classes
    assert shown * per_class <= MOST_SAMPLES
    assert samples in (None, per_class)


def test_each_class_has_its_pixels_in_numbers(tmp_path: Path) -> None:
    for name, levels in (("dark", (10, 30)), ("light", (200, 200))):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.full((20, 30, 3), levels[number % 2], np.uint8)
            pixels[:, 15:] += number  # no two are alike
            pixels[:, :15] -= number
            pixels[0, 0, 0] += 40
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{number}.png")
    dark, light = prepare(tmp_path / "set", tmp_path).audit.pixels
    assert (dark.label, dark.num_images) == ("dark", 12)
    assert dark.brightness == pytest.approx(20, abs=1)
    assert dark.brightness_sd == pytest.approx(10, abs=1)
    assert light.brightness_sd == pytest.approx(0, abs=0.5)
    assert (light.width, light.height) == (30, 20)
    assert light.contrast == pytest.approx(5.5, abs=1)
    assert 0 < light.colourfulness < 1
