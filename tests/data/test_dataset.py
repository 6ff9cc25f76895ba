import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.config import StudyConfig
from autocnn.data import Dataset, prepare_data
from autocnn.errors import DataError
from autocnn.events import Observer


def prepare(tmp_path: Path, data: Any, recorder: Any = None, **kwargs: Any) -> Dataset:
    sizes = kwargs.pop("image_sizes", (0,))
    config = StudyConfig(data=str(data), cache_dir=tmp_path / "cache", **kwargs)
    return prepare_data(config, image_sizes=sizes, observer=recorder or Observer())


def test_rows_and_labels_agree(class_folders: Any, tmp_path: Path, recorder: Any) -> None:
    root = class_folders({"a": 20, "b": 20})
    (root / "a/3.png").write_bytes(b"")
    dataset = prepare(tmp_path, root, recorder, image_sizes=(0, 16, 16))
    assert dataset.default_image_size == 12
    assert set(dataset.arrays) == {0, 12, 16}
    assert dataset.images() is dataset.images(12)
    assert dataset.images(16).image_shape == (16, 16, 1)
    assert dataset.num_classes == 2
    assert len(dataset.table) == 39
    assert dataset.labels.shape == (40,)
    assert dataset.labels[3] == -1
    rows = np.concatenate([dataset.indices(split) for split in ("train", "val", "test")])
    assert rows.dtype == np.int64
    assert sorted(rows.tolist()) == [i for i in range(40) if i != 3]
    pixels = dataset.images().open()
    for split in ("train", "val", "test"):
        for position, row in zip(dataset.positions(split), dataset.indices(split), strict=True):
            assert dataset.split_names[position] == split
            assert dataset.table.labels[position] == dataset.labels[row]
            path = dataset.table.open(int(position))
            assert isinstance(path, Path)
            assert path.parent.name == dataset.class_names[dataset.labels[row]]
            assert pixels[row].max() > 0
    with pytest.raises(DataError, match=r"prepared \(0, 12, 16\), got 24"):
        dataset.images(24)
    assert [name for name, _ in recorder.stages] == ["read", "decode", "decode"]
    assert recorder.notes[0] == "39 images in 2 classes, read as grey, 12 x 12 px."
    assert recorder.warnings == [
        "1 image cannot be read and is left out: a/3.png is empty (0 bytes)."
    ]


def test_settings_win(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 4, "b": 4})
    dataset = prepare(tmp_path, root, image_size=24, channels="rgb", image_sizes=())
    assert dataset.images().image_shape == (24, 24, 3)


def test_every_size_has_the_same_channels(class_folders: Any, tmp_path: Path, save: Any) -> None:
    root = class_folders({"a": 4, "b": 4})
    pixels = np.full((64, 64, 3), 100, np.uint8)
    pixels[5, 5, 0] = 140  # colour that fades when the image is made small
    save(root / "a/0.png", pixels)
    dataset = prepare(tmp_path, root, image_size=64, image_sizes=(0, 8))
    assert dataset.images(64).image_shape[2] == dataset.images(8).image_shape[2] == 3
    assert dataset.audit.coloured == {"a": 1, "b": 0}


def test_ignored_files_and_copies_are_told(
    class_folders: Any, tmp_path: Path, recorder: Any
) -> None:
    root = class_folders({f"{s}/{c}": 10 for s in ("train", "test") for c in "ab"})
    (root / "train/a/x.txt").touch()
    (root / "test/a/0.png").write_bytes((root / "train/a/0.png").read_bytes())
    dataset = prepare(tmp_path, root, recorder)
    assert "Ignored: .txt 1." in recorder.notes
    assert "val: 3 of 20 training images, stratified." in recorder.notes
    assert dataset.audit.test_images_in_train == 1
    assert recorder.warnings == list(dataset.audit.warnings)


def test_fingerprint(class_folders: Any, tmp_path: Path, colour_pixels: Any, save: Any) -> None:
    root = class_folders({"a": 8, "b": 8})
    first = prepare(tmp_path, root).fingerprint
    assert len(first) == 64
    assert prepare(tmp_path, root).fingerprint == first
    assert prepare(tmp_path, root, seed=1).fingerprint != first
    save(root / "a/0.png", colour_pixels(1))
    assert prepare(tmp_path, root).fingerprint != first


def test_too_many_unreadable_images(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 10, "b": 10})
    for i in range(2):
        (root / f"a/{i}.png").write_text("x")
    with pytest.raises(DataError) as error:
        prepare(tmp_path, root)
    assert str(error.value) == (
        f"{root}: at most 5% of the images may be unreadable, got 2 of 20: "
        "a/0.png is no PNG, JPEG, GIF, BMP, TIFF or WebP, "
        "a/1.png is no PNG, JPEG, GIF, BMP, TIFF or WebP. "
        "Mend or delete them, or raise --max-unreadable."
    )
    assert len(prepare(tmp_path, root, max_unreadable=0.1).table) == 18
    for file in root.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"got 20 of 20: a/0\.png is empty"):
        prepare(tmp_path, root, max_unreadable=1.0)


def test_a_class_that_cannot_be_read_at_all(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 30, "b": 1})
    (root / "b/0.png").write_bytes(b"")
    with pytest.raises(DataError, match="in train, got none of 'b'"):
        prepare(tmp_path, root)


def test_digits_and_what_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from autocnn.config import StudyConfig\nfrom autocnn.data import prepare_data\n"
        "from autocnn.events import Observer\n"
        "print(sorted({'sklearn', 'pandas', 'keras', 'tensorflow'} & set(sys.modules)))\n"
        "config = StudyConfig(cache_dir=Path(sys.argv[1]))\n"
        "dataset = prepare_data(config, image_sizes=[0], observer=Observer())\n"
        "print(dataset.images().open().shape, len(dataset.indices('val')))\n"
        "print(sorted({'keras', 'tensorflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[]", "(1797, 8, 8, 1) 270", "[]"]


def test_pixels_are_let_go(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 2)
    dataset = prepare(tmp_path, tmp_path / "x.npz")
    assert np.array_equal(dataset.images().open()[..., 0], x)
    with pytest.raises(DataError, match="without pixels"):
        dataset.table.open(0)
