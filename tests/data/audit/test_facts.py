from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.data.audit import facts as facts_module
from autocnn.data.audit.facts import (
    Facts,
    blank_images,
    count_by_class,
    describe_frames,
    odd_images,
    read_facts,
)
from autocnn.data.table import ArrayImages, FileImages, ImageTable

Measure = Callable[..., Facts]


@pytest.fixture
def table_of(make_table: Any, tmp_path: Path) -> Callable[..., ImageTable]:
    """(names, labels) -> a table of these files in the test's folder."""

    def make(names: list[str], labels: list[int] | None = None) -> ImageTable:
        table: ImageTable = make_table(labels or [i % 2 for i in range(len(names))])
        return replace(table, paths=tuple(names), images=FileImages(tmp_path))

    return make


@pytest.fixture
def measure(make_table: Any) -> Measure:
    """Images in memory -> their facts."""

    def make(*images: Pixels) -> Facts:
        pixels = np.stack(images)
        table = replace(
            make_table([0] * len(images)), images=ArrayImages((pixels,), np.arange(len(images)))
        )
        decoded = pixels if pixels.ndim == 4 else pixels[..., np.newaxis]
        return read_facts(table, decoded, np.arange(len(images)), observer=Observer())

    return make


def soft(seed: int, side: int = 24) -> Pixels:
    return np.random.default_rng(seed).integers(60, 140, (side, side), dtype=np.uint8)


def framed(width: int, colour: int = 255, seed: int = 0) -> Pixels:
    pixels = np.full((24, 24), colour, np.uint8)
    pixels[width:-width, width:-width] = soft(seed)[width:-width, width:-width]
    return pixels


def test_headers_of_files(table_of: Any, tmp_path: Path) -> None:
    image = Image.fromarray(soft(0)).resize((30, 20))
    image.save(tmp_path / "a.jpg", quality=40)
    image.convert("RGB").save(tmp_path / "b.jpg", quality=92)
    image.convert("P").save(tmp_path / "c.png")
    image.convert("1").save(tmp_path / "d.png.bmp")
    pixels = np.stack([soft(i) for i in range(4)])[..., np.newaxis]
    table = table_of(["a.jpg", "b.jpg", "c.png", "d.png.bmp"])
    facts = read_facts(table, pixels, np.arange(4), observer=Observer())
    assert facts.mode.tolist() == ["L", "RGB", "P", "1"]
    assert facts.file_type.tolist() == ["JPEG", "JPEG", "PNG", "BMP"]
    assert facts.width.tolist() == [30] * 4
    assert facts.height.tolist() == [20] * 4
    assert facts.num_bytes.tolist() == [(tmp_path / path).stat().st_size for path in table.paths]
    assert np.array_equal(facts.jpeg_quality, [40, 92, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 51, 75, 95, 100])
def test_the_quality_of_a_jpeg(table_of: Any, tmp_path: Path, quality: int) -> None:
    for name, mode in (("grey.jpg", "L"), ("colour.jpg", "RGB")):
        Image.fromarray(soft(0)).convert(mode).save(tmp_path / name, quality=quality)
    pixels = np.zeros((2, 8, 8, 1), np.uint8)
    table = table_of(["grey.jpg", "colour.jpg"])
    facts = read_facts(table, pixels, np.arange(2), observer=Observer())
    assert facts.jpeg_quality.tolist() == [quality, quality]


def test_sizes_are_those_of_the_upright_images(make_table: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    for orientation in (1, 6):  # lies, and stands
        exif[0x0112] = orientation
        Image.new("L", (30, 20)).save(tmp_path / f"{orientation - 1}.jpg", exif=exif)
    table = replace(make_table([0, 0]), paths=("0.jpg", "5.jpg"), images=FileImages(tmp_path))
    pixels = np.zeros((2, 24, 24, 1), np.uint8)
    facts = read_facts(table, pixels, np.arange(2), observer=Observer())
    assert (facts.width.tolist(), facts.height.tolist()) == ([30, 20], [20, 30])


def test_frames_and_transparency_are_known(make_table: Any, tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), value) for value in (10, 100)]
    frames[0].save(tmp_path / "0.gif", save_all=True, append_images=frames[1:])
    Image.new("RGBA", (8, 8)).save(tmp_path / "1.png")
    table = replace(make_table([0, 0]), paths=("0.gif", "1.png"), images=FileImages(tmp_path))
    pixels = np.zeros((2, 24, 24, 1), np.uint8)
    facts = read_facts(table, pixels, np.arange(2), observer=Observer())
    assert facts.num_frames.tolist() == [2, 1]
    assert facts.has_transparency.tolist() == [False, True]
    assert describe_frames(facts, table) == (
        "1 file has several frames or pages, of which the first is read: 0.gif.",
    )
    assert describe_frames(facts.select(np.array([1])), table) == ()


def test_images_in_memory(measure: Measure) -> None:
    facts = measure(np.stack([soft(0), soft(1), soft(2)], axis=2))
    assert (facts.mode[0], facts.file_type[0], facts.num_bytes[0]) == ("RGB", "array", 24 * 24 * 3)
    assert (facts.width[0], facts.height[0]) == (24, 24)
    assert np.isnan(facts.jpeg_quality[0])
    assert measure(soft(0)).mode[0] == "L"


def test_measures_agree_with_their_definitions(measure: Measure) -> None:
    image = np.stack([soft(0), soft(1), soft(2)], axis=2)
    image[:5] //= 20
    facts = measure(image)
    values = image.astype(np.float64)
    grey = values.mean(axis=2)
    edge = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    laplacian = [
        4 * grey[y, x] - grey[y - 1, x] - grey[y + 1, x] - grey[y, x - 1] - grey[y, x + 1]
        for y in range(1, 23)
        for x in range(1, 23)
    ]
    expected = {
        "brightness": grey.mean(),
        "contrast": np.sqrt(values.reshape(-1, 3).var(axis=0).mean()),
        "border_brightness": edge.mean(),
        "border_contrast": edge.std(),
        "sharpness": np.std(laplacian),
        "black_share": (grey < 8).mean(),
        "colourfulness": (values.max(axis=2) - values.min(axis=2)).mean(),
    }
    assert expected["black_share"] > 0.15
    for name, value in expected.items():
        assert getattr(facts, name)[0] == pytest.approx(value, rel=1e-5), name


def test_grey_in_three_channels_is_measured_as_grey(measure: Measure) -> None:
    grey, colour = measure(soft(0)), measure(np.repeat(soft(0)[..., np.newaxis], 3, axis=2))
    assert colour.colourfulness[0] == 0
    for name in ("brightness", "contrast", "border_contrast", "sharpness"):
        assert getattr(grey, name)[0] == pytest.approx(getattr(colour, name)[0])


@pytest.mark.parametrize(("width", "colour"), [(1, 255), (2, 0), (3, 200), (4, 255)])
def test_a_frame(measure: Measure, width: int, colour: int) -> None:
    facts = measure(framed(width, colour))
    assert facts.frame_width.tolist() == [width]
    assert facts.frame_brightness.tolist() == [colour]


def test_a_frame_survives_scaling_and_jpeg(measure: Measure, tmp_path: Path) -> None:
    large = np.full((90, 120), 250, np.uint8)
    large[6:-6, 6:-6] = np.random.default_rng(0).integers(40, 160, (78, 108))
    Image.fromarray(large).save(tmp_path / "a.jpg", quality=75)
    with Image.open(tmp_path / "a.jpg") as image:
        small = np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR, reducing_gap=3.0))
    facts = measure(small)
    assert 2 <= facts.frame_width[0] <= 3
    assert facts.frame_brightness[0] == pytest.approx(250, abs=3)


def disc(radius: float) -> Pixels:
    y, x = np.mgrid[:24, :24]
    return np.where((y - 11.5) ** 2 + (x - 11.5) ** 2 < radius**2, 200, 0).astype(np.uint8)


def boxed(top: int, bottom: int, left: int, right: int) -> Pixels:
    pixels = np.zeros((24, 24), np.uint8)
    pixels[top : 24 - bottom, left : 24 - right] = soft(1)[top : 24 - bottom, left : 24 - right]
    return pixels


NO_FRAMES = {
    "nothing around": soft(0),
    "a head on black": disc(10.5),
    "a smaller head": disc(6),
    "one colour": np.full((24, 24), 7, np.uint8),
    "wider than a frame": boxed(5, 5, 5, 5),
    "not the same on both sides": boxed(2, 2, 1, 4),
    "bars": boxed(0, 0, 3, 3),
    "one side": boxed(2, 0, 0, 0),
}


@pytest.mark.parametrize("name", NO_FRAMES)
def test_what_is_no_frame(measure: Measure, name: str) -> None:
    facts = measure(NO_FRAMES[name])
    assert facts.frame_width.tolist() == [0]
    assert np.isnan(facts.frame_brightness[0])


def test_blank_images(measure: Measure) -> None:
    dot = np.zeros((24, 24, 3), np.uint8)
    dot[3, 3] = 255
    blank = np.full((24, 24, 3), (10, 200, 30), np.uint8)
    rounded = blank.copy()
    rounded[::5] += 1
    two_colours = np.zeros((24, 24, 3), np.uint8)
    two_colours[:12, :, 0], two_colours[12:, :, 2] = 90, 90  # of the same grey
    facts = measure(blank, rounded, dot, two_colours)
    assert blank_images(facts).tolist() == [True, True, False, False]


def sized(sizes: list[tuple[int, int]], modes: list[str] | None = None) -> Facts:
    """Facts of which only sizes and modes count."""
    n = len(sizes)
    numbers = {field.name: np.zeros(n) for field in fields(Facts)}
    width, height = np.array(sizes).T
    texts: dict[str, Any] = {
        "mode": np.array(modes or ["L"] * n),
        "file_type": np.array(["PNG"] * n),
    }
    return Facts(**(numbers | {"width": width, "height": height} | texts))


def test_odd_images(make_table: Any) -> None:
    table = make_table([i % 2 for i in range(300)])
    sizes, modes = [(24, 24)] * 300, ["L"] * 300
    sizes[7], sizes[250], modes[7] = (24, 25), (9, 9), "RGBA"
    odd = odd_images(sized(sizes, modes), table)
    assert [(image.path, image.reason) for image in odd] == [
        ("7.png", "size 24 x 25, where 99.3 % have 24 x 24; mode RGBA, where 99.6 % have L"),
        ("250.png", "size 9 x 9, where 99.3 % have 24 x 24"),
    ]
    assert odd_images(sized([(24, 24)] * 296 + [(9, 9)] * 4), table) == ()  # more than 1 %
    assert len(odd_images(sized([(24, 24)] * 39 + [(9, 9)]), make_table([0, 1] * 20))) == 1
    both = sized([(24, 24)] * 300, ["L"] * 200 + ["RGB"] * 99 + ["P"])
    assert odd_images(both, table) == ()


def test_count_by_class() -> None:
    sizes = [(size, 10) for size in range(10, 20)] * 2 + [(30, 30)] * 5
    labels = np.array([0] * 10 + [1] * 15, np.int32)
    counts = count_by_class(sized(sizes, ["L"] * 20 + ["RGB"] * 5), labels, ["a", "b", "none"])
    assert counts.modes == {"a": {"L": 10}, "b": {"L": 10, "RGB": 5}, "none": {}}
    assert counts.file_types == {"a": {"PNG": 10}, "b": {"PNG": 15}, "none": {}}
    assert len(counts.sizes["b"]) == 9
    assert (counts.sizes["b"]["30 x 30"], counts.sizes["b"]["other"]) == (5, 3)
    assert sum(counts.sizes["a"].values()) == 10


def test_chunks_and_rows(
    table_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Any
) -> None:
    names = [f"{i}.png" for i in range(7)]
    for i, name in enumerate(names):
        Image.fromarray(soft(i)).save(tmp_path / name)
    rows = np.array([8, 0, 1, 3, 4, 6, 7])
    pixels = np.zeros((9, 24, 24, 1), np.uint8)
    pixels[rows] = np.stack([soft(i) for i in range(7)])[..., np.newaxis]
    whole = read_facts(table_of(names), pixels, rows, observer=Observer())
    monkeypatch.setattr(facts_module, "CHUNK_BYTES", 3 * 24 * 24)
    parts = read_facts(table_of(names), pixels, rows, observer=recorder)
    assert (recorder.stages, recorder.steps) == ([("facts", 7)], 7)
    assert whole.brightness[0] == pytest.approx(soft(0).mean())
    for field in fields(Facts):
        column, again = getattr(whole, field.name), getattr(parts, field.name)
        assert column.shape == (7,)
        assert np.array_equal(column, again, equal_nan=column.dtype.kind != "U"), field.name
    chosen = whole.select(np.array([5, 2]))
    assert len(chosen) == 2
    assert chosen.brightness.tolist() == [whole.brightness[5], whole.brightness[2]]


def test_a_file_that_is_gone(table_of: Any) -> None:
    with pytest.raises(DataError, match=r"^a\.png: must stay as it is while the data are read"):
        read_facts(
            table_of(["a.png", "b.png"]),
            np.zeros((2, 8, 8, 1), np.uint8),
            np.arange(2),
            observer=Observer(),
        )
