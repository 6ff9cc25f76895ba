"""What a program holds becomes files that are read as any other, and are the same at resume."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autocnn.core.config import Reading
from autocnn.core.errors import ConfigError, DataError, StudyError
from autocnn.data.decode import decode_image
from autocnn.data.sources.memory import Written, write_data
from autocnn.data.sources.open import read_source
from autocnn.data.table import ImageTable

KINDS = ["cat", "dog"] * 3


@pytest.fixture(autouse=True)
def _at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def draw(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def read(written: Written, **settings: Any) -> ImageTable:
    reading = Reading(images=written.images, **settings)
    return read_source(str(written.data), reading=reading)


def labels_of(table: ImageTable) -> list[str]:
    return [table.class_names[label] for label in table.labels]


def pixels_of(table: ImageTable, side: int = 8) -> list[np.ndarray]:
    return [decode_image(table.open(i), side=side) for i in range(len(table))]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (KINDS, KINDS),
        (np.arange(6) % 3, ["0", "1", "2"] * 2),
        (np.array([[0.0], [1.0]] * 3), ["0", "1"] * 3),
        ([-1, 1] * 3, ["-1", "1"] * 3),
        ([True, False] * 3, ["True", "False"] * 3),
        (np.eye(3)[[0, 1, 2, 0, 1, 2]], ["0", "1", "2"] * 2),
        (pd.Series(KINDS, dtype="category"), KINDS),
        (["007", "NA"] * 3, ["007", "NA"] * 3),
        ([["cat"], ["dog"]] * 3, KINDS),
        (pd.Series([["cat"], ["dog"]] * 3), KINDS),
        (pd.Series([1, 2] * 3, dtype="Int64"), ["1", "2"] * 3),
    ],
)
def test_an_array_and_its_labels(labels: Any, expected: list[str]) -> None:
    images = draw(6, 8, 8, 3)
    written = write_data((images, labels), Path("results"))
    assert written.data.parent == Path("results")
    assert written == write_data((images.copy(), labels), Path("results"))
    assert len(list(Path("results").iterdir())) == 1
    table = read(written)
    assert labels_of(table) == expected
    opened = table.open(2)
    assert isinstance(opened, np.ndarray)
    assert np.array_equal(opened, images[2])
    other = write_data((images, list(reversed(KINDS))), Path("results"))
    assert other.data != written.data


def test_arrays_of_one_shape_are_one_array() -> None:
    images = [draw(8, 8) / 255 for _ in range(6)]
    table = read(write_data((images, KINDS), Path("results")))
    assert table.notes[1].startswith("Image values ")
    assert table.paths[3] == "x[3]"


def as_pillow(pixels: Any) -> Image.Image:
    return Image.fromarray(pixels)


def as_file(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    return file.getvalue()


@pytest.mark.parametrize("make", [np.asarray, as_pillow, as_file, lambda p: {"bytes": as_file(p)}])
def test_images_of_any_size(make: Any) -> None:
    drawn = [draw(8 + i, 8 + i, 3) for i in range(6)]
    written = write_data(([make(pixels) for pixels in drawn], KINDS), Path("results"))
    table = read(written)
    assert labels_of(table) == KINDS
    found = [decode_image(table.open(i), side=8 + i) for i in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(found, drawn, strict=True))
    again = write_data(([make(pixels) for pixels in drawn], KINDS), Path("results"))
    assert again == written
    assert [path.name for path in Path("results").iterdir()] == [written.data.parent.name]


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "F", "I;16", "RGBA"])
def test_images_of_any_mode(mode: str) -> None:
    images = [Image.new(mode, (8 + i, 8)) for i in range(6)]
    assert len(pixels_of(read(write_data((images, KINDS), Path("results"))))) == 6


def test_whole_numbers_of_32_bits_are_what_predict_reads() -> None:
    values = np.random.default_rng(0).integers(-9, 2**20, (6, 8, 8), dtype=np.int32)
    images = [*map(Image.fromarray, values)]
    assert {image.mode for image in images} == {"I"}
    table = read(write_data((images, KINDS), Path("results")))
    for i, image in enumerate(images):
        expected = decode_image(image, side=8, levels=(0, 2**20))
        assert np.array_equal(decode_image(table.open(i), side=8, levels=(0, 2**20)), expected)
        assert not np.array_equal(expected, decode_image(images[i - 1], side=8, levels=(0, 2**20)))


def make_files(folder: str) -> list[Path]:
    paths = [Path(folder, f"{i}.png") for i in range(6)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draw(8, 8)).save(path)
    return paths


def test_paths_begin_at_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make_files("pics")
    pairs = [*zip(paths, KINDS, strict=True)]
    for data in ((paths, KINDS), ([*map(str, paths)], KINDS), pairs):
        written = write_data(data, Path("results"))
        assert written.images == tmp_path
        table = read(written)
        assert table.paths == tuple(map(str, paths))
        assert labels_of(table) == KINDS
    monkeypatch.chdir("/")
    assert read_source(
        str(tmp_path / written.data), reading=Reading(images=written.images)
    ).paths == tuple(map(str, paths))


def test_a_frame_of_paths_keeps_its_columns() -> None:
    frame = pd.DataFrame(
        {"file": make_files("pics"), "kind": KINDS, "age": [7, None, 8, 9, 9, 9], 3: "=1"}
    )
    table = read(write_data(frame, Path("results")), label_column="kind")
    assert labels_of(table) == KINDS
    assert table.others == {"age": ("7.0", "", "8.0", "9.0", "9.0", "9.0"), "3": ("=1",) * 6}


def test_a_frame_of_images_keeps_its_columns() -> None:
    frame = pd.DataFrame({"image": list(draw(6, 8, 8)), "label": KINDS, "patient": list("aabbcc")})
    table = read(write_data(frame, Path("results")))
    assert np.array_equal(pixels_of(table)[4][..., 0], frame["image"][4])
    assert table.groups == ("a", "a", "b", "b", "c", "c")


def test_photos_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    paths = [tmp_path / f"{number}.jpg" for number in range(2)]
    for number, path in enumerate(paths):
        Image.fromarray(draw(2, 8, 12, 3)[number]).save(path, exif=exif)
    table = read(write_data(([Image.open(path) for path in paths], ["a", "b"]), Path("results")))
    for number, path in enumerate(paths):
        written = decode_image(table.open(number), side=8)
        assert np.array_equal(written, decode_image(path, side=8))


def test_train_and_test_as_keras_loads_them() -> None:
    train, test = (draw(6, 8, 8, 3), np.arange(6)[:, None] % 3), (draw(3, 8, 8, 3) // 2, [0, 1, 2])
    for data in ((train, test), (list(train), list(test))):
        written = write_data(data, Path("results"))
        table = read(written)
        assert table.splits == ("train",) * 6 + ("test",) * 3
        assert labels_of(table) == [*"012012", *"012"]
        assert np.array_equal(np.asarray(table.open(7)), test[0][1])
    assert len(list(Path("results").iterdir())) == 1
    pair = (draw(8, 8, 3), draw(9, 8, 3)), ("cat", "dog")
    assert labels_of(read(write_data(pair, Path("results")))) == ["cat", "dog"]
    with pytest.raises(DataError, match=r"labels must be as many as the images \(3\), got 2"):
        write_data((train, (test[0], [0, 1])), Path("results"))


@pytest.mark.parametrize(
    "ages",
    [
        pd.array([None, 1, 2, 3, 4, 5], dtype="Int64"),
        *(
            [missing, *"12345"]
            for missing in (None, pd.NA, pd.NaT, float("nan"), np.float32("nan"))
        ),
    ],
)
def test_what_is_missing_is_an_empty_cell(ages: Any) -> None:
    frame = pd.DataFrame({"file": make_files("pics"), "label": KINDS, "age": ages})
    assert read(write_data(frame, Path("results"))).others == {"age": ("", *"12345")}


@pytest.mark.parametrize("names", [("image", "mask"), ("mask", "image")])
def test_of_two_columns_of_images_the_one_named_so_is_read(names: tuple[str, str]) -> None:
    held = {"image": list(draw(6, 8, 8)), "mask": list(draw(6, 8, 8) // 2)}
    frame = pd.DataFrame({**{name: held[name] for name in names}, "label": KINDS, "site": KINDS})
    table = read(write_data(frame, Path("results")))
    assert np.array_equal(pixels_of(table)[4][..., 0], held["image"][4])
    assert list(table.others) == ["site"]


def test_a_column_of_vectors_holds_no_images() -> None:
    vectors = [np.linspace(0, 1, 5)] * 6
    frame = pd.DataFrame({"path": make_files("pics"), "label": KINDS, "embedding": vectors})
    table = read(write_data(frame, Path("results")))
    assert table.paths[2] == "pics/2.png"
    assert table.others == {}


def test_a_frame_of_another_library() -> None:
    class Frame:
        def to_pandas(self) -> pd.DataFrame:
            return pd.DataFrame({"file": make_files("pics"), "label": KINDS})

    assert labels_of(read(write_data(Frame(), Path("results")))) == KINDS


def test_a_data_set_of_the_hub_writes_itself() -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    class Dataset:
        features = ("image", "label")

        def to_parquet(self, path: str) -> None:
            images = [{"bytes": as_file(draw(8, 8 + i)), "path": None} for i in range(6)]
            pq.write_table(pa.table({"image": images, "label": KINDS}), path)

    both = write_data({"train": Dataset(), "validation": Dataset()}, Path("results"))
    table = read(both)
    assert table.splits == ("train",) * 6 + ("val",) * 6
    assert pixels_of(table)[7].shape == (8, 8, 1)
    both.data.unlink()
    written = write_data(Dataset(), Path("results"))
    assert written.data.suffix == ".parquet"
    assert labels_of(read(written)) == KINDS
    assert write_data(Dataset(), Path("results")) == written
    assert len(list(Path("results").iterdir())) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, r"data must be a path, .* a DataFrame, .* got int\.$"),
        ([1, 2, 3], "got list"),
        ({"train": 1, "test": 2}, r"got dict\. Give one of its parts: train, test\."),
        ((draw(6, 8, 8), KINDS[:5]), r"labels must be as many as the images \(6\), got 5"),
        ((draw(6, 8, 8), np.linspace(0, 1, 6)), "labels must be classes, got numbers like 0.2"),
        ((draw(6, 8, 8), [None, *KINDS[1:]]), "must have a label, got none at place 0"),
        ((draw(3, 8, 8), [0.0, 1.0, np.nan]), "must have a label, got none at place 2"),
        ((draw(3, 8, 8), ["a", float("nan"), "b"]), "must have a label, got none at place 1"),
        ((draw(3, 8, 8), [0.0, 1.0, np.inf]), "labels must be classes, got numbers like inf"),
        ((draw(2, 8, 8), [["a"], ["a", "b"]]), r"got at place 1: \['a', 'b'\]\. Several labels"),
        ((draw(2, 8, 8), pd.Series([["a"], ["a", "b"]])), "one label, got at place 1: "),
        (([np.ones(3), np.ones(4)], [0, 1]), r"must be arrays, .* got one of the shape \(3,\)"),
        ((draw(6, 8, 8), np.ones((6, 3))), "must have one class, got rows of labels with several"),
        ((draw(6, 8, 8), np.full((6, 3), 7)), r"one per image, \(n,\), got the shape \(6, 3\)"),
        (([1, 2, 3], [0, 1, 1]), "images must be arrays, .* got int"),
        (([draw(8, 8) / 2, draw(9, 8)], [0, 1]), r"images\[0\]: must be uint8, .* got float64"),
        (([draw(8, 8, 2), draw(9, 8)], [0, 1]), r"images\[0\]: must be uint8"),
        (([draw(8, 8), "a.png"], [0, 1]), r"images\[1\]: must be an array, .* got str"),
    ],
)
def test_what_is_no_data(data: Any, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        write_data(data, Path("results"))
    assert list(Path("results").iterdir()) == []


def test_a_folder_that_is_a_file() -> None:
    Path("results").touch()
    with pytest.raises(StudyError, match="results"):
        write_data((draw(6, 8, 8), KINDS), Path("results"))
