"""Parquet: tables of text, and images in a column, as the Hugging Face hub has them."""

import builtins
import hashlib
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.config import Reading
from autocnn.core.errors import DataError, MissingExtraError
from autocnn.data.decode import decode_image, read_size
from autocnn.data.sources.open import read_source
from autocnn.data.sources.parquet import IMAGES_AT_ONCE, ParquetColumn
from autocnn.data.table import EncodedImages, FileImages

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

CLASS_LABEL = {"names": ["cat", "dog"], "_type": "ClassLabel"}


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write(path: Path, columns: dict[str, Any], features: Any = None, **options: Any) -> str:
    table = pa.table(columns)
    if features is not None:
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, **options)
    return str(path)


def test_an_image_column_of_the_hub(tmp_path: Path) -> None:
    images = [{"bytes": png(i), "path": None} for i in range(10)]
    file = write(
        tmp_path / "train.parquet",
        {"image": images, "label": [0, 1] * 5, "site": [1.5, None] * 5},
        {"image": {"_type": "Image"}, "label": CLASS_LABEL},
        row_group_size=3,
    )
    table = read_source(file)
    assert [table.class_names[label] for label in table.labels] == ["cat", "dog"] * 5
    assert table.paths[3] == "train[3]"
    assert table.others == {"site": ("1.5", "") * 5}
    assert table.sha256[4] == hashlib.sha256(png(4)).hexdigest()
    assert "images from `image`, labels from `label` (2 classes); 1 other" in table.notes[0]
    chosen = table.select([7, 2]).without_pixels()
    assert chosen.open(0) == png(7)
    assert read_size(chosen.open(0)) == (7, 9)
    assert decode_image(chosen.open(1), side=8).shape == (8, 8, 1)


def test_images_are_called_by_their_own_names_where_these_are_different(tmp_path: Path) -> None:
    images = [{"bytes": png(i), "path": f"{i}.png"} for i in range(4)]
    file = write(tmp_path / "a.parquet", {"image": images, "label": ["a", "b"] * 2})
    assert read_source(file).paths == ("0.png", "1.png", "2.png", "3.png")
    images[3]["path"] = "0.png"
    file = write(tmp_path / "a.parquet", {"image": images, "label": ["a", "b"] * 2})
    assert read_source(file).paths == ("a[0]", "a[1]", "a[2]", "a[3]")


def test_a_class_of_minus_one_is_no_label(tmp_path: Path) -> None:
    images = [{"bytes": png(i), "path": None} for i in range(4)]
    features = {"image": {"_type": "Image"}, "label": CLASS_LABEL}
    file = write(tmp_path / "a.parquet", {"image": images, "label": [0, 1, -1, 1]}, features)
    with pytest.raises(DataError, match="got 1 row without a label: line 3"):
        read_source(file)


def test_nan_is_no_label_and_nothing_in_other_columns(tmp_path: Path) -> None:
    """pandas writes null for it, polars and pyarrow NaN."""
    images = [{"bytes": png(i), "path": None} for i in range(4)]
    columns = {"image": images, "label": [0.0, 1.0, float("nan"), 1.0]}
    file = write(tmp_path / "a.parquet", columns)
    with pytest.raises(DataError, match="got 1 row without a label: line 3"):
        read_source(file)
    columns = {"image": images, "label": ["a", "b"] * 2, "age": [float("nan"), 1.5, 2.5, 3.5]}
    file = write(tmp_path / "a.parquet", columns)
    assert read_source(file).others == {"age": ("", "1.5", "2.5", "3.5")}


def test_a_column_of_plain_bytes_and_one_of_paths(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"img": [png(0), png(1), None], "y": ["a", "b", "b"]})
    table = read_source(file)
    assert table.open(0) == png(0)
    assert table.sha256[2] == ""
    with pytest.raises(DataError, match="is empty"):
        decode_image(table.open(2), side=8)
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    images = [{"bytes": None, "path": f"{i}.png"} for i in range(2)]
    table = read_source(write(tmp_path / "b.parquet", {"image": images, "label": ["a", "b"]}))
    assert isinstance(table.images, FileImages)
    assert table.paths == ("0.png", "1.png")


def test_a_table_of_text(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"00{i}.png").write_bytes(png(i))
    columns = {
        "id": [f"00{i}" for i in range(4)],
        "grade": [True, False] * 2,
        "tags": [["x", "y"], [], ["x"], None],
        "box": [{"x": 1}] * 4,
    }
    file = write(tmp_path / "a.parquet", columns)
    table = read_source(file, reading=Reading(label_column="grade"))
    assert table.class_names == ("False", "True")
    assert table.others == {"tags": ("x|y", "", "x", "")}
    assert "Columns of nested values are not read: box." in table.notes


def test_several_labels_for_an_image_are_refused(tmp_path: Path) -> None:
    images = [{"bytes": png(i), "path": None} for i in range(3)]
    file = write(tmp_path / "a.parquet", {"image": images, "labels": [[0, 1], [1], [0]]})
    with pytest.raises(DataError, match=r"must have one label, got several .* as '0\|1'"):
        read_source(file)
    file = write(tmp_path / "a.parquet", {"image": images, "labels": [[0], [1], [0]]})
    assert read_source(file).class_names == ("0", "1")


@pytest.mark.parametrize("row_group_size", [5, 10_000])
def test_images_are_read_in_any_order_and_few_are_held(tmp_path: Path, row_group_size: int) -> None:
    num = 3 * IMAGES_AT_ONCE + 5
    contents = [bytes([i % 256]) * 10 + str(i).encode() for i in range(num)]
    images = [{"bytes": content, "path": None} for content in contents]
    file = write(tmp_path / "a.parquet", {"image": images}, row_group_size=row_group_size)
    column = ParquetColumn(Path(file), "image.bytes")
    order = [*range(num), num - 1, 0, 70, 3, *range(0, num, 7)]
    assert [column.read(i) for i in order] == [contents[i] for i in order]
    held = [part for _, part in column._held]
    assert sum(map(len, held)) <= 2 * IMAGES_AT_ONCE
    positions = np.array([5, 2], dtype=np.int64)
    assert EncodedImages(column, positions).open("x", 1) == contents[2]


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match=r"a\.parquet: must be a whole Parquet file, got"):
        read_source(str(tmp_path / "a.parquet"))


@pytest.mark.parametrize("seed", range(20))
def test_broken_files_are_told(tmp_path: Path, seed: int) -> None:
    images = [{"bytes": png(i), "path": None} for i in range(10)]
    file = Path(write(tmp_path / "a.parquet", {"image": images, "label": ["a", "b"] * 5}))
    rng = np.random.default_rng(seed)
    for _ in range(20):
        content = bytearray(file.read_bytes())
        for place in rng.integers(0, len(content), 3):
            content[place] = rng.integers(0, 256)
        broken = tmp_path / "broken.parquet"
        broken.write_bytes(content[: rng.integers(0, 2 * len(content))])
        with suppress(DataError):
            table = read_source(str(broken))
            assert [table.open(i) for i in range(len(table))]


def test_without_pyarrow_the_line_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").touch()
    known = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError("No module named 'pyarrow'")
        return known(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        MissingExtraError, match="pyarrow must be installed to read Parquet"
    ) as error:
        read_source(str(tmp_path / "a.parquet"))
    assert "pip install" in str(error.value)


def test_other_options_hold_for_parquet_too(tmp_path: Path) -> None:
    images = [{"bytes": png(i), "path": None} for i in range(6)]
    columns = {"image": images, "fine_label": ["a", "b", "c"] * 2, "coarse_label": ["x", "y"] * 3}
    file = write(tmp_path / "a.parquet", columns)
    with pytest.raises(DataError, match=r"coarse_label \(x, y\), fine_label \(a, b, c\)"):
        read_source(file)
    table = read_source(file, reading=Reading(label_column="fine_label"))
    assert table.class_names == ("a", "b", "c")
    assert table.others["coarse_label"] == ("x", "y") * 3


# -- in parts ------------------------------------------------------------------------------


def write_parts(folder: Path, names: dict[str, range]) -> Path:
    """A data set whose parts hold images by number, labelled even and odd."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, numbers in names.items():
        images = [{"bytes": png(i), "path": None} for i in numbers]
        columns = {"image": images, "label": [i % 2 for i in numbers]}
        write(folder / name, columns, {"label": CLASS_LABEL})
    return folder


PARTS = {
    "test-00000-of-00001.parquet": range(8, 12),
    "train-00000-of-00002-8e6a.parquet": range(5),
    "train-00001-of-00002-0b1f.parquet": range(5, 8),
}


@pytest.mark.parametrize("below", ["", "data"])
def test_parts_of_a_data_set_are_one_table_with_splits(tmp_path: Path, below: str) -> None:
    write_parts(tmp_path / "pets" / below, PARTS)
    (tmp_path / "pets" / "README.md").write_text("pets")
    table = read_source(str(tmp_path / "pets"))
    order = [*range(8, 12), *range(8)]
    assert [table.class_names[label] for label in table.labels] == [
        ("cat", "dog")[i % 2] for i in order
    ]
    assert list(table.splits) == ["test"] * 4 + ["train"] * 8
    assert table.paths[4] == "pets[4]"
    for place in (11, 0, 4, 8, 9, 3):
        assert table.open(place) == png(order[place]), place
    assert table.sha256 == tuple(hashlib.sha256(png(i)).hexdigest() for i in order)
    assert "labels from `label` (2 classes)" in table.notes[0]


def test_files_named_after_splits_are_parts_and_columns_may_be_named(tmp_path: Path) -> None:
    write_parts(tmp_path, {"train.parquet": range(4), "validation.parquet": range(4, 8)})
    table = read_source(str(tmp_path), reading=Reading(label_column="label"))
    assert list(table.splits) == ["train"] * 4 + ["val"] * 4
    write(
        tmp_path / "train.parquet",
        {"image": [{"bytes": png(9), "path": None}], "label": [1], "split": ["test"]},
    )
    with pytest.raises(DataError, match=r"validation\.parquet: must have the columns of train"):
        read_source(str(tmp_path))


def test_a_split_column_of_the_parts_counts(tmp_path: Path) -> None:
    for name, splits in (("train.parquet", ["test", "train"]), ("test.parquet", ["val", "val"])):
        images = [{"bytes": png(i + len(name)), "path": None} for i in range(2)]
        write(tmp_path / name, {"image": images, "label": ["a", "b"], "split": splits})
    assert list(read_source(str(tmp_path)).splits) == ["val", "val", "test", "train"]


def test_a_missing_part_and_files_of_other_names_are_told(tmp_path: Path) -> None:
    write_parts(tmp_path, PARTS)
    (tmp_path / "train-00000-of-00002-8e6a.parquet").unlink()
    with pytest.raises(DataError, match=r"all 2 parts of train must be there, got none .* 00000"):
        read_source(str(tmp_path))
    write_parts(tmp_path, {"more.parquet": range(2)})
    with pytest.raises(DataError, match="Tables are there: give the one of the labels"):
        read_source(str(tmp_path))
