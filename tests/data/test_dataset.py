from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.config import StudyConfig
from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.data import Dataset, prepare_data


def prepare(tmp_path: Path, data: Any, recorder: Any = None, **kwargs: Any) -> Dataset:
    sizes = kwargs.pop("image_sizes", ())
    config = StudyConfig(data=str(data), cache_dir=tmp_path / "cache", **kwargs)
    return prepare_data(config, image_sizes=sizes, observer=recorder or Observer())


def test_rows_and_labels_agree(class_folders: Any, tmp_path: Path, recorder: Any) -> None:
    root = class_folders({"a": 20, "b": 20})
    (root / "a/3.png").write_bytes(b"")
    dataset = prepare(tmp_path, root, recorder, image_sizes=(None, 16, 16))
    assert dataset.default_image_size == 12
    assert set(dataset.arrays) == {12, 16}
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
    with pytest.raises(DataError, match=r"prepared \(12, 16\), got 24"):
        dataset.images(24)
    stages = [name for name, _ in recorder.stages]
    assert stages == ["read", "decode", "decode", "facts", "compare", "audit"]
    assert recorder.notes[0].startswith("Read 40 images: labels from the names of 2 class folders.")
    assert recorder.notes[1] == "39 images in 2 classes, read as grey, 12 x 12 px."
    assert recorder.warnings == [
        "1 image cannot be read and is left out: a/3.png is empty (0 bytes)."
    ]


def test_settings_win(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 4, "b": 4})
    dataset = prepare(tmp_path, root, image_size=24, channels="rgb", image_sizes=())
    assert dataset.images().image_shape == (24, 24, 3)


def test_a_window_for_images_of_8_bits_is_told_to_do_nothing(
    class_folders: Any, tmp_path: Path
) -> None:
    root = class_folders({"a": 6, "b": 6})
    with_window, without = (
        prepare(tmp_path, root, **settings) for settings in ({"window": (40, 400)}, {})
    )
    says = "--window does nothing here: no image has values of more than 8 bits."
    assert says in with_window.audit.notes
    assert not [note for note in without.audit.notes if "--window" in note]


def test_every_size_has_the_same_channels(class_folders: Any, tmp_path: Path, save: Any) -> None:
    root = class_folders({"a": 4, "b": 4})
    pixels = np.full((64, 64, 3), 100, np.uint8)
    pixels[5, 5, 0] = 140  # colour that fades when the image is made small
    save(root / "a/0.png", pixels)
    dataset = prepare(tmp_path, root, image_size=64, image_sizes=(None, 8))
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
    assert dataset.audit.byte_copies.test_images_in_train == 1
    assert recorder.warnings == list(dataset.audit.warnings)


def test_copies_make_bundles_and_the_rest_is_clean(
    class_folders: Any, tmp_path: Path, grey_pixels: Any, save: Any
) -> None:
    root = class_folders({f"{s}/{c}": 12 for s in ("train", "test") for c in "ab"})
    leaked = grey_pixels(0)  # of train/a/0.png
    save(root / "test/a/mirrored.png", leaked[:, ::-1])
    (root / "test/b/0.png").write_bytes((root / "test/b/1.png").read_bytes())
    dataset = prepare(tmp_path, root)
    index = {path: i for i, path in enumerate(dataset.table.paths)}
    assert [group.kind for group in dataset.copies] == ["near", "bytes"]
    assert dataset.bundles.shape == (49,)
    assert dataset.bundles[index["test/a/mirrored.png"]] == dataset.bundles[index["train/a/0.png"]]
    assert dataset.bundles[index["test/b/0.png"]] == dataset.bundles[index["test/b/1.png"]]
    assert len(set(dataset.bundles.tolist())) == 47
    clean = {dataset.table.paths[i] for i in np.flatnonzero(dataset.is_clean_test)}
    assert clean == {path for path in dataset.table.paths if path.startswith("test/")} - {
        "test/a/mirrored.png"
    }


def test_most_warnings_are_left_to_the_audit(
    class_folders: Any, tmp_path: Path, recorder: Any
) -> None:
    root = class_folders({f"{s}/{c}": 20 for s in ("train", "test") for c in "ab"})
    first = (root / "train/a/0.png").read_bytes()
    (root / "test/a/0.png").write_bytes(first)
    (root / "test/b/0.png").write_bytes(first)
    (root / "train/b/9.png").write_bytes(b"")
    for i in range(7):
        (root / f"train/a/{i + 3}.png").write_bytes((root / "train/a/2.png").read_bytes())
    dataset = prepare(tmp_path, root, recorder)
    assert len(dataset.audit.warnings) == 4
    assert recorder.warnings == [
        *dataset.audit.warnings[:3],
        f"1 more warning: see `autocnn audit {root}`.",
    ]


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
        "a/0.png, a/1.png, each of which is no image that autocnn reads. "
        "Repair or delete them, or raise max_unreadable."
    )
    assert len(prepare(tmp_path, root, max_unreadable=0.1).table) == 18
    for file in root.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"got 20 of 20: a/0\.png, .* 17 more, each of which is empty"
    ):
        prepare(tmp_path, root, max_unreadable=1.0)


def test_a_class_that_cannot_be_read_at_all(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 30, "b": 1})
    (root / "b/0.png").write_bytes(b"")
    with pytest.raises(DataError, match="in train, got none of 'b'"):
        prepare(tmp_path, root)


@pytest.mark.slow
def test_digits_are_built_in(tmp_path: Path) -> None:
    config = StudyConfig(cache_dir=tmp_path)
    dataset = prepare_data(config, image_sizes=[], observer=Observer())
    assert dataset.images().open().shape == (1797, 8, 8, 1)
    assert len(dataset.indices("val")) == 270


def test_pixels_are_let_go(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 2)
    dataset = prepare(tmp_path, tmp_path / "x.npz")
    assert np.array_equal(dataset.images().open()[..., 0], x)
    with pytest.raises(DataError, match="without pixels"):
        dataset.table.open(0)


def save_textures(root: Path, seed: int) -> None:
    """20 train and 10 test JPEGs of 160 px per class, with the spectrum of natural images."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(160)[:, None], np.fft.rfftfreq(160))
    frequency[0, 0] = 1
    for split, count in (("train", 20), ("test", 10)):
        for name in "ab":
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(160, 160))) / frequency)
                pixels = np.clip(field / field.std() * 40 + 110, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / f"{split}/{name}/{i}.jpg", quality=90)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clean_files_raise_no_alarm_and_planted_ones_are_found(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "set"
    save_textures(root, seed)
    clean = prepare(tmp_path, root)
    assert clean.audit.warnings == ()
    assert clean.is_clean_test.sum() == 20
    changes: tuple[Callable[[Image.Image], Image.Image], ...] = (
        lambda image: image.transpose(Image.Transpose.ROTATE_90),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.resize((100, 100)),
        lambda image: image.point(lambda value: value * 0.9),
    )
    for i, change in enumerate(changes):
        with Image.open(root / f"train/a/{i}.jpg") as image:
            change(image).save(root / f"test/a/{i}.jpg", quality=60)
    with Image.open(root / "train/a/9.jpg") as image:
        image.save(root / "train/b/9.jpg", quality=40)  # a label conflict
    dataset = prepare(tmp_path, root)
    assert dataset.audit.byte_copies.groups == 0
    assert dataset.audit.all_copies.groups == 5
    assert dataset.audit.all_copies.test_images_in_train_by_class == {"a": 4, "b": 0}
    assert [c.paths for c in dataset.audit.label_conflicts] == [("train/a/9.jpg", "train/b/9.jpg")]
    assert dataset.is_clean_test.sum() == 16
    assert dataset.audit.warnings[0].startswith(
        "4 of 20 test images are near copies of training images (a: 4 of 10). "
    )


@pytest.mark.parametrize("colour", [0, 255])
def test_shapes_by_transparency_alone(tmp_path: Path, colour: int) -> None:
    for label in range(2):
        for i in range(6):
            pixels = np.full((16, 16, 4), colour, np.uint8)
            pixels[..., 3] = 0
            pixels[2 + i : 6 + i + 4 * label, 2:9, 3] = 255
            path = tmp_path / "set" / "ab"[label] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    if colour == 0:  # seen as every viewer shows them
        assert prepare(tmp_path, tmp_path / "set").audit.blank == ()
        return
    with pytest.raises(DataError, match=r"vanishes on white.* Save them on a darker ground"):
        prepare(tmp_path, tmp_path / "set")


def test_git_lfs_pointers_are_told_once(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 3, "b": 3})
    for file in root.rglob("*.png"):
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n")
    with pytest.raises(
        DataError,
        match=r"got 6 of 6: a/0\.png, .* and 3 more, each of which is a Git LFS pointer, not the "
        r"image: `git lfs pull` in its repository gets it\. Repair them, or give other images\.",
    ):
        prepare(tmp_path, root)
