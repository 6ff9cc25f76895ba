"""Images of every kind, as the model takes them."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.errors import DataError
from autocnn.core.records import ModelInput
from autocnn.data.decode import decode_image
from autocnn.execution.machine import MOST_AT_ONCE
from autocnn.inference.predict import reading
from autocnn.inference.predict.reading import (
    NamedImage,
    batch_size,
    name_images,
    read_batches,
    read_image,
)

SIDE = 6


def taken(channels: int = 1, *, is_grey: bool = True, side: int = SIDE, **more: Any) -> ModelInput:
    return ModelInput(
        shape=(None, side, side, channels), height=side, width=side, is_grey=is_grey, **more
    )


def colours(seed: int = 0, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


# -- one image --------------------------------------------------------------------------------


@pytest.mark.parametrize("read_as", ["auto", "grey"])
def test_a_grey_network_sees_colours_as_pillow_turns_them_grey(read_as: str) -> None:
    expected = np.asarray(Image.fromarray(colours()).convert("L"))
    found = read_image(colours(), taken(read_as=read_as))
    np.testing.assert_array_equal(found[..., 0], expected)
    tripled = read_image(colours(), taken(3, read_as=read_as))
    np.testing.assert_array_equal(tripled, np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize("read_as", ["auto", "rgb"])
def test_a_colour_network_gets_a_grey_image_three_times(read_as: str) -> None:
    grey = colours()[..., 0]
    found = read_image(grey, taken(3, is_grey=False, read_as=read_as))
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(
        read_image(colours(), taken(3, is_grey=False, read_as=read_as)), colours()
    )


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_squares_are_made_as_the_study_made_them(fit: str) -> None:
    image = np.random.default_rng(0).integers(1, 256, (10, 20), dtype=np.uint8)
    expected = decode_image(image, side=SIDE, fit=fit)  # type: ignore[arg-type]
    np.testing.assert_array_equal(read_image(image, taken(fit=fit)), expected)
    assert (expected.min() == 0) == (fit == "pad")


def test_what_looks_grey_is_read_as_the_study_read_it() -> None:
    nearly = np.repeat(colours()[..., :1] // 2, 3, axis=2)
    nearly[0, 0, 0] += 2
    as_auto = read_image(nearly, taken(3, is_grey=False, read_as="auto"))
    assert (as_auto[..., 0] == as_auto[..., 2]).all()
    np.testing.assert_array_equal(
        read_image(nearly, taken(3, is_grey=False, read_as="rgb")), nearly
    )


def test_files_are_read_by_the_studys_own_reader(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(colours(side=90)).resize((180, 60)).save(path, exif=exif)
    for channels in ("auto", "grey"):
        expected = decode_image(path, side=SIDE, channels=channels)
        if channels == "auto":
            expected = np.asarray(Image.fromarray(expected).convert("L"))[..., None]
        np.testing.assert_array_equal(read_image(path, taken(read_as=channels)), expected)


# -- batches ----------------------------------------------------------------------------------


def test_batches_keep_the_order_and_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    images = []
    for number in range(600):
        pixels = np.full((SIDE, SIDE), number % 256, np.uint8)
        images.append(
            NamedImage(
                str(number),
                tmp_path / "text.png"
                if number % 100 == 7
                else tmp_path / "none.png"
                if number % 100 == 8
                else pixels,
            )
        )
    batches = list(read_batches(images, taken(), threads=3))
    assert [len(batch.names) for batch in batches] == [256, 256, 88]
    assert [name for batch in batches for name in batch.names] == [str(n) for n in range(600)]
    errors = [error for batch in batches for error in batch.errors]
    assert errors[7] == "is no image that autocnn reads"
    assert errors[8] == "cannot be read: No such file or directory"
    assert [n for n, error in enumerate(errors) if error] == [
        n for n in range(600) if n % 100 in (7, 8)
    ]
    for batch, start in zip(batches, (0, 256, 512), strict=True):
        numbers = np.arange(start, start + len(batch.names))[batch.is_readable]
        assert batch.pixels[:, 0, 0, 0].tolist() == (numbers % 256).tolist()


def test_a_batch_of_nothing_readable_has_no_pixels(tmp_path: Path) -> None:
    images = [NamedImage("a", tmp_path / "a.png")]
    (batch,) = read_batches(images, taken(3), threads=1)
    assert batch.pixels.shape == (0, SIDE, SIDE, 3)


def test_images_are_taken_only_as_far_ahead_as_is_decoded() -> None:
    num_taken = 0

    def images() -> Iterator[NamedImage]:
        nonlocal num_taken
        for number in range(100_000):
            num_taken += 1
            yield NamedImage(str(number), np.zeros((SIDE, SIDE), np.uint8))

    batches = read_batches(images(), taken(), threads=2)
    for number in range(1, 4):
        next(batches)
        most = (number + reading.BATCHES_AHEAD) * MOST_AT_ONCE + 3 * reading.UNIT
        assert number * MOST_AT_ONCE <= num_taken <= most
    before = threading.active_count()
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() < before


def test_the_next_batch_is_decoded_while_one_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    num_read = 0
    lock = threading.Lock()
    read = reading.read_image

    def count(image: Any, wanted: ModelInput) -> Any:
        nonlocal num_read
        with lock:
            num_read += 1
        return read(image, wanted)

    monkeypatch.setattr(reading, "read_image", count)
    images = [NamedImage(str(n), np.zeros((SIDE, SIDE), np.uint8)) for n in range(2000)]
    batches = read_batches(images, taken(), threads=2)
    next(batches)
    deadline = time.monotonic() + 5
    while num_read < 2 * MOST_AT_ONCE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert num_read >= 2 * MOST_AT_ONCE
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("side", "channels", "expected"), [(32, 1, 256), (224, 3, 32), (512, 3, 9), (9000, 3, 1)]
)
def test_batches_of_large_images_are_small(side: int, channels: int, expected: int) -> None:
    assert batch_size(taken(channels, side=side)) == expected


# -- what callers hand over -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 9), [(8, 9)]),
        ((8, 9, 3), [(8, 9, 3)]),
        ((8, 9, 1), [(8, 9, 1)]),
        ((5, 8, 9), [(8, 9)] * 5),
        ((2, 8, 9, 4), [(8, 9, 4)] * 2),
        ((0, 8, 9), []),
    ],
)
def test_arrays_are_one_image_or_many(shape: tuple[int, ...], expected: list[Any]) -> None:
    named = list(name_images(np.zeros(shape, np.uint8)))
    assert [one.image.shape for one in named] == expected  # type: ignore[union-attr]
    assert [one.name for one in named] == [f"images[{i}]" for i in range(len(expected))]


def test_a_list_may_mix_paths_images_and_arrays(tmp_path: Path) -> None:
    image = Image.new("L", (3, 3))
    named = list(name_images([tmp_path / "a.png", "b.png", image, np.zeros((3, 3), np.uint8)]))
    assert [one.name for one in named] == [
        str(tmp_path / "a.png"),
        "b.png",
        "images[2]",
        "images[3]",
    ]
    assert named[1].image == Path("b.png")
    of_table = name_images(np.array(["a.png", "b.png"], dtype=object))
    assert [one.name for one in of_table] == ["a.png", "b.png"]
    (alone,) = name_images("b.png")
    assert (alone.name, alone.image) == ("b.png", Path("b.png"))
    assert [one.image for one in name_images(image)] == [image]


def test_a_folder_in_the_place_of_an_image_is_refused_with_what_takes_it(tmp_path: Path) -> None:
    for folder in (tmp_path, str(tmp_path)):
        with pytest.raises(DataError, match="must be an image, got a folder") as caught:
            list(name_images(folder))
        assert "autocnn.predict" in caught.value.remedy


@pytest.mark.parametrize("images", [np.zeros((2, 8, 8)), [np.zeros((8, 8), np.float32)]])
def test_floats_are_refused_with_what_to_do(images: Any) -> None:
    with pytest.raises(DataError, match="must be uint8 from 0 to 255, got float") as caught:
        list(name_images(images))
    assert "scales by itself" in caught.value.remedy
    assert "astype('uint8')" in caught.value.remedy


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 2), np.uint8), r"got \(2, 8, 8, 2\)"),
        (np.zeros(8, np.uint8), r"got \(8,\)"),
        (np.zeros((0, 8), np.uint8), r"got \(0, 8\)"),
        ([np.zeros((5, 8, 8), np.uint8)], r"must be one image"),
        ([3], r"images\[0\]: must be a path, .* got int"),
    ],
)
def test_what_is_no_image_is_refused(images: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(name_images(images))


def test_more_than_8_bits_are_read_with_the_levels_of_the_study(tmp_path: Path) -> None:
    values = np.linspace(0, 900, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    Image.fromarray(values).save(tmp_path / "deep.png")

    deep = taken(levels=(0, 4095))
    for image in (tmp_path / "deep.png", Image.fromarray(values)):
        pixels = read_image(image, deep)[..., 0]
        np.testing.assert_array_equal(pixels, np.rint(values * (255 / 4095)))
