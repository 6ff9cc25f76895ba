import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.data.audit import copies as copies_module
from autocnn.data.audit.copies import NEAR, REACH, Copies, bundle_images, find_copies
from autocnn.data.audit.fingerprints import TURNS, compute_spectra, squared_distances
from autocnn.data.sources.open import read_source

SIDE = 64


def texture(seed: int, side: int = SIDE) -> Pixels:
    """(side, side) as natural images are: the larger, the stronger."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = 1
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) / frequency, (side, side))
    pixels: Pixels = np.clip((field - field.mean()) / field.std() * 40 + 110, 0, 255).astype(
        np.uint8
    )
    return pixels


def groups_of(table: Any, images: Any, recorder: Any) -> tuple[Copies, ...]:
    pixels = np.stack(list(images))[..., np.newaxis]
    return find_copies(table, pixels, rows=np.arange(len(pixels)), observer=recorder)


def saved_again(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("L")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return image.point(lambda value: min(255, int(value * factor)))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg 75": lambda image: saved_again(image, 75),
    "jpeg 40": lambda image: saved_again(image, 40),
    "smaller": lambda image: scaled(image, 0.6),
    "twice": lambda image: scaled(image, 2),
    "brighter": lambda image: brighter(image, 1.1),
    "darker": lambda image: brighter(image, 0.85),
    "all": lambda image: saved_again(brighter(scaled(image, 0.5), 1.05), 75),
}


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change: str, turn: int, make_table: Any, recorder: Any) -> None:
    large = [Image.fromarray(texture(seed, 2 * SIDE)) for seed in range(6)]
    changed = CHANGES[change](large[2])
    if turn % 2:
        changed = changed.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    changed = changed.rotate(-90 * (turn // 2))
    images = [np.asarray(image.resize((SIDE, SIDE))) for image in [*large, changed]]
    (group,) = groups_of(make_table([0, 1] * 3 + [0]), images, recorder)
    assert group.kind == "near"
    assert group.members == (2, 6)
    assert group.turns[0] == TURNS[0]
    assert ("mirrored" in group.turns[1]) == (turn % 2 == 1)
    degrees = f"turned {90 * (turn // 2)}"
    assert group.turns[1].endswith(degrees if turn // 2 else ("as is", "mirrored")[turn % 2])
    assert recorder.stages == [("compare", 7)]
    assert recorder.steps == 7


@pytest.mark.parametrize("seed", range(3))
def test_different_images_are_no_copies(seed: int, make_table: Any, recorder: Any) -> None:
    images = [texture(1000 * seed + i) for i in range(150)]
    assert groups_of(make_table([0, 1] * 75), images, recorder) == ()


def coloured(seed: int, side: int) -> Image.Image:
    """As photographs are: brightness in detail, colours in large areas, with an object in one."""
    luma = texture(seed, side).astype(float)
    first, second = (texture(seed + 1000 * n, side).astype(float) - 110 for n in (1, 2))
    pixels = np.stack([luma + first, luma - 0.4 * first - 0.4 * second, luma + second], axis=-1)
    pixels[side // 4 : side // 2, side // 3 : side // 2] = (190, 60, 40)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def stored(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file).convert("RGB")


COLOUR_CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg 75": lambda image: stored(image, "JPEG", quality=75),
    "jpeg 50": lambda image: stored(image, "JPEG", quality=50),
    "webp 80": lambda image: stored(image, "WEBP", quality=80),
    "half": lambda image: scaled(image, 0.5),
    "palette": lambda image: image.convert("P", palette=Image.Palette.ADAPTIVE).convert("RGB"),
    "mirrored": lambda image: stored(
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=75
    ),
}


@pytest.mark.parametrize("side", [64, 96, 160])
@pytest.mark.parametrize("change", COLOUR_CHANGES)
def test_a_changed_copy_in_colour_is_found(
    change: str, side: int, make_table: Any, recorder: Any
) -> None:
    images = [coloured(seed, side) for seed in range(6)]
    changed = [COLOUR_CHANGES[change](image).resize((side, side)) for image in images]
    pixels = np.stack([np.asarray(image) for image in [*images, *changed]])
    found = find_copies(
        make_table([0, 1] * 6), pixels, rows=np.arange(len(pixels)), observer=recorder
    )
    assert [group.members for group in found] == [(i, i + 6) for i in range(6)]


def test_an_image_in_other_colours_is_no_copy(make_table: Any, recorder: Any) -> None:
    images = [np.asarray(coloured(seed, SIDE)) for seed in range(6)]
    pixels = np.stack([*images, *(image[..., ::-1] for image in images)])
    assert find_copies(make_table([0, 1] * 6), pixels, rows=np.arange(12), observer=recorder) == ()


def test_a_grey_image_is_the_same_in_rgb() -> None:
    pixels = np.stack([texture(seed) for seed in range(4)])[..., np.newaxis]
    grey, rgb = compute_spectra(pixels), compute_spectra(np.repeat(pixels, 3, axis=-1))
    np.testing.assert_allclose(rgb[:, 0], grey[:, 0], atol=1e-9)
    np.testing.assert_allclose(rgb[:, 1:], 0, atol=1e-9)


def test_alike_is_not_the_same(make_table: Any, recorder: Any) -> None:
    # A neighbouring slice: the same head, a little of it another.
    first, other = texture(0).astype(float), texture(1).astype(float)
    images = [(first * (1 - share) + other * share).astype(np.uint8) for share in (0, 0.15)]
    assert groups_of(make_table([0, 1]), images, recorder) == ()


def test_tiny_digits_raise_no_alarm(recorder: Any) -> None:
    table = read_source("digits")
    pixels = np.stack([np.asarray(table.open(i)) for i in range(len(table))])[..., np.newaxis]
    assert find_copies(table, pixels, rows=np.arange(len(table)), observer=recorder) == ()


def test_the_weakest_tie_is_the_kind(make_table: Any, recorder: Any) -> None:
    images = [texture(seed) for seed in (0, 0, 1, 1, 2, 2, 2)]
    images[6] = images[6][:, ::-1]
    sha256 = ["x", "x", "y1", "y2", "z", "z", "w"]
    groups = groups_of(make_table([0, 1] * 3 + [0], sha256=sha256), images, recorder)
    assert [(group.kind, group.members) for group in groups] == [
        ("bytes", (0, 1)),
        ("pixels", (2, 3)),
        ("near", (4, 5, 6)),
    ]
    assert groups[2].turns == ("as is", "as is", "mirrored")


def test_images_of_one_colour_are_copies_only_byte_by_byte(make_table: Any, recorder: Any) -> None:
    images = [np.full((SIDE, SIDE), value, np.uint8) for value in (0, 0, 0, 9)]
    images += [np.random.default_rng(i).integers(50, 52, (SIDE, SIDE), np.uint8) for i in range(3)]
    table = make_table([0, 1] * 3 + [0], sha256=list("aabcdef"))
    assert [group.members for group in groups_of(table, images, recorder)] == [(0, 1)]


def test_a_chain_does_not_hold_different_images_together(make_table: Any, recorder: Any) -> None:
    # Each is nearly the next one, but the last is not the first.
    first, last = texture(0).astype(float) - 110, texture(1).astype(float) - 110
    angles = np.linspace(0, np.pi / 2, 25)
    images = [np.clip(np.cos(a) * first + np.sin(a) * last + 110, 0, 255) for a in angles]
    pixels = np.stack(images).astype(np.uint8)
    spectra = compute_spectra(pixels[..., np.newaxis])
    steps = squared_distances(spectra[:-1], spectra[1:]).min(axis=1)
    assert steps.max() < NEAR
    for group in groups_of(make_table([0] * 24 + [1]), pixels, recorder):
        start = np.repeat(spectra[[group.members[0]]], len(group.members), axis=0)
        reach = squared_distances(start, spectra[list(group.members)]).min(axis=1).max()
        assert reach <= REACH * NEAR
        assert not {0, 24} <= set(group.members)


@pytest.mark.parametrize("names", ["TILE", "PAIRS", "CHUNK_VALUES"])
def test_the_size_of_the_work_at_once_does_not_matter(
    names: str, make_table: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [texture(i % 20) if i % 3 else texture(i % 20)[::-1] for i in range(60)]
    table = make_table([0, 1] * 30)
    whole = groups_of(table, images, recorder)
    small = {"TILE": (7, 9), "PAIRS": 3, "CHUNK_VALUES": 5 * SIDE * SIDE}
    monkeypatch.setattr(copies_module, names, small[names])
    assert groups_of(table, images, recorder) == whole
    assert len(whole) == 20


def test_many_near_copies_of_one_image_are_one_group(
    make_table: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some pairs then come up when all of them are joined already: those are not compared."""
    monkeypatch.setattr(copies_module, "PAIRS", 3)
    compared: list[int] = []

    def counted(first: Any, second: Any) -> Any:
        compared.append(len(first))
        return squared_distances(first, second)

    monkeypatch.setattr(copies_module, "squared_distances", counted)
    rng = np.random.default_rng(0)
    images = [texture(0) + rng.integers(0, 3, (SIDE, SIDE), np.uint8) for _ in range(20)]
    (group,) = groups_of(make_table([0, 1] * 10), images, recorder)
    assert (group.kind, group.members) == ("near", tuple(range(20)))
    assert sum(compared) < 20 * 19 / 4


def test_rows_say_where_the_pixels_are(make_table: Any, recorder: Any) -> None:
    pixels = np.stack([texture(i) for i in (0, 1, 2, 1, 0)])[..., np.newaxis]
    rows = np.array([4, 3, 2, 0])
    (group,) = find_copies(make_table([0, 1, 0, 1]), pixels, rows=rows, observer=recorder)
    assert group.members == (0, 3)


def test_bundles_unite_copies_and_groups(make_table: Any) -> None:
    groups = [None, "p", "p", None, "q", None, "q"]
    copies = (
        Copies("near", (2, 3), ("as is", "mirrored")),
        Copies("bytes", (0, 5), ("as is",) * 2),
    )
    bundles = bundle_images(make_table([0, 1] * 3 + [0], groups=groups), copies)
    assert bundles.tolist() == [0, 1, 1, 1, 4, 0, 4]
    assert bundles.dtype == np.int64
