import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.errors import DataError
from autocnn.data.decode import ValueRange, choose_levels, decode_image, fit_square, read_size

SIDE = 12


def decode(path: Any, **kwargs: Any) -> Any:
    return decode_image(path, side=kwargs.pop("side", SIDE), **kwargs)


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif", "webp"])
def test_lossless_formats_come_back_exactly(tmp_path: Path, suffix: str, grey_pixels: Any) -> None:
    pixels = grey_pixels(1)
    path = tmp_path / f"x.{suffix}"
    image = Image.fromarray(pixels)
    image.save(path, lossless=True) if suffix == "webp" else image.save(path)
    assert np.array_equal(decode(path)[..., 0], pixels)
    assert read_size(path) == (SIDE, SIDE)


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "YCbCr", "L"])
def test_jpeg_modes(tmp_path: Path, mode: str) -> None:
    colour = Image.new("RGB", (40, 40), (200, 40, 90))
    colour.convert(mode).save(tmp_path / "x.jpg", quality=95)
    decoded = decode(tmp_path / "x.jpg")
    expected = np.asarray(colour.convert("L" if mode == "L" else "RGB"))
    assert decoded.shape == (SIDE, SIDE, 1 if mode == "L" else 3)
    assert np.abs(decoded[5, 5].astype(int) - expected[5, 5]).max() <= 4


def test_modes_of_png_and_tiff(tmp_path: Path, grey_pixels: Any, colour_pixels: Any) -> None:
    colour = Image.fromarray(colour_pixels(1))
    palette = colour.quantize(256)
    palette.save(tmp_path / "p.png")
    assert np.array_equal(decode(tmp_path / "p.png"), np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(grey_pixels(2) > 100)
    assert bits.mode == "1"
    bits.save(tmp_path / "1.png")
    assert set(np.unique(decode(tmp_path / "1.png"))) == {0, 255}
    colour.convert("CMYK").save(tmp_path / "cmyk.tif")
    assert decode(tmp_path / "cmyk.tif").shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_pixels_lie_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (SIDE, SIDE), (200, 200, 200, 255))
    image.paste((0, 0, 0, 0), (0, 0, 6, SIDE))
    suffix = "tif" if mode == "PA" else "png"
    if mode == "PA":
        image.quantize(4).save(tmp_path / "x.png")
        suffix = "png"
    else:
        image.convert(mode).save(tmp_path / f"x.{suffix}")
    decoded = decode(tmp_path / f"x.{suffix}")
    assert decoded.shape == (SIDE, SIDE, 1)
    assert decoded[3, 2, 0] == 255
    assert decoded[3, 9, 0] == 200


@pytest.mark.parametrize(
    ("high", "bits"), [(255, 8), (900, 10), (4095, 12), (9000, 14), (65535, 16)]
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_scaled_by_the_bits_in_use(
    tmp_path: Path, high: int, bits: int, suffix: str
) -> None:
    values = np.linspace(0, high, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    Image.fromarray(values).save(tmp_path / f"x.{suffix}")
    expected = np.rint(values * (255 / (2**bits - 1))).astype(np.uint8)
    assert np.array_equal(decode(tmp_path / f"x.{suffix}")[..., 0], expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, 0.5, 1.0], np.float32), [0, 128, 255]),
        (np.array([0.0, 50.0, 200.0], np.float32), [0, 50, 200]),
        (np.array([0.0, 0.25, 1.25], np.float32), [0, 51, 255]),  # a hair above 1
        (np.array([-1000.0, 0.0, 1000.0], np.float32), [0, 128, 255]),
        (np.array([-10, 0, 10], np.int32), [0, 128, 255]),
        (np.array([7, 7, 7], np.float32) * 100, [0, 0, 0]),
        (np.array([0, 1023, 0], np.int32), [0, 255, 0]),
    ],
)
def test_32_bit_tiff(tmp_path: Path, values: Any, expected: list[int]) -> None:
    Image.fromarray(np.tile(values, (3, 1))).save(tmp_path / "x.tif")
    assert decode(tmp_path / "x.tif", side=3)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, grey_pixels: Any) -> None:
    upright = grey_pixels(3)
    # What a camera stores so that the viewer's turn gives `upright`.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(decode(tmp_path / "x.png")[..., 0], upright)


def test_broken_exif_does_not_spoil_the_image(tmp_path: Path, grey_pixels: Any) -> None:
    pixels = grey_pixels(4)
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert np.array_equal(decode(tmp_path / "x.png")[..., 0], pixels)


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("L", (SIDE, SIDE), value) for value in (10, 200)]
    for suffix in ("gif", "tif", "webp"):
        path = tmp_path / f"x.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert decode(path)[0, 0].tolist() == [10]


def test_two_pictures_of_a_stereo_camera(tmp_path: Path) -> None:
    frames = [Image.new("L", (SIDE, SIDE), value) for value in (10, 200)]
    frames[0].save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert decode(tmp_path / "x.jpg")[0, 0].tolist() == [10]


def test_type_is_judged_by_content(tmp_path: Path, grey_pixels: Any, save: Any) -> None:
    pixels = grey_pixels(5)
    save(tmp_path / "x.png", pixels).rename(tmp_path / "x.jpg")
    assert np.array_equal(decode(tmp_path / "x.jpg")[..., 0], pixels)


def test_channels(tmp_path: Path, grey_pixels: Any, save: Any) -> None:
    grey = np.repeat(grey_pixels(6)[..., None], 3, axis=2)
    nearly = grey.copy()
    nearly[..., 0] -= (nearly[..., 0] > 1) * np.uint8(2)
    colour = grey // 2
    colour[3, 3, 0] += 3
    shapes = [decode(save(tmp_path / "x.png", p)).shape[2] for p in (grey, nearly, colour)]
    assert shapes == [1, 1, 3]
    assert decode(tmp_path / "x.png", channels="grey").shape == (SIDE, SIDE, 1)
    save(tmp_path / "y.png", grey)
    assert np.array_equal(decode(tmp_path / "y.png", channels="rgb"), grey)
    assert decode(tmp_path / "y.png", channels="grey").shape == (SIDE, SIDE, 1)


def test_stretches_with_antialiasing(tmp_path: Path, save: Any) -> None:
    stripes = np.zeros((40, 80), np.uint8)
    stripes[:, ::2] = 200
    decoded = decode(save(tmp_path / "x.png", stripes), side=10)
    assert decoded.shape == (10, 10, 1)
    assert np.abs(decoded.astype(int) - 100).max() <= 6  # without it: 0 or 200


def test_large_jpeg_is_decoded_at_a_reduced_size(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 800).astype(np.uint8), (600, 1))
    Image.fromarray(ramp).save(tmp_path / "x.jpg", quality=95)
    for channels in ("auto", "grey"):
        decoded = decode(tmp_path / "x.jpg", side=32, channels=channels)
        assert np.abs(decoded[5, :, 0] - np.linspace(0, 255, 32)).max() < 8


def test_pixels_in_memory() -> None:
    for shape in ((6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4)):
        pixels = np.full(shape, 90, np.uint8)
        if shape[-1] == 4:
            pixels[..., 3] = 255
        assert decode(pixels, side=4).tolist() == np.full((4, 4, 1), 90).tolist()
        assert read_size(pixels) == (5, 6)


def encoded(fmt: str) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, fmt)
    return out.getvalue()


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_files(tmp_path: Path, fmt: str, part: float) -> None:
    content = encoded(fmt)
    (tmp_path / "x.png").write_bytes(content[: int(len(content) * part)])
    with pytest.raises(DataError, match=r"^(is truncated|is broken: |is no image)"):
        decode(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"this is a text", "is no image that autocnn reads"),
        (encoded("PCX"), "is no image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "is no image|is broken"),
    ],
)
def test_files_that_are_no_image(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(DataError, match=f"^({reason})"):
        decode(tmp_path / "x.jpg")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^cannot be read: No such file"):
        decode(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"^cannot be read"):
        read_size(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [SIDE * SIDE - 1, SIDE, None])
def test_decompression_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None, grey_pixels: Any, save: Any
) -> None:
    save(tmp_path / "x.png", grey_pixels(1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    if limit is None:
        assert decode(tmp_path / "x.png").shape == (SIDE, SIDE, 1)
        return
    for look in (decode, read_size):
        with pytest.raises(DataError, match=f"^has more pixels than the limit of {limit}"):
            look(tmp_path / "x.png")


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    Image.fromarray(np.array([[np.nan, 1.0]], np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match="not finite"):
        decode(tmp_path / "x.tif")


def test_an_open_image_is_read_as_its_file(tmp_path: Path, colour_pixels: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.png"
    Image.fromarray(colour_pixels(1)[:, :8]).save(turned, exif=exif)
    deep = tmp_path / "deep.png"
    Image.fromarray(np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) * 7).save(deep)
    for path in (turned, deep):
        with Image.open(path) as image:
            np.testing.assert_array_equal(decode(image), decode(path))
    assert decode(turned).shape == (SIDE, SIDE, 3)


# -- more than 8 bits, one rule for a data set ----------------------------------------------


def deep(low: float, high: float, dtype: Any = np.uint16) -> Image.Image:
    return Image.fromarray(np.linspace(low, high, SIDE * SIDE).astype(dtype).reshape(SIDE, SIDE))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_equal_values_stay_equal_from_image_to_image(dtype: Any) -> None:
    images = [deep(0, 900, dtype), deep(100, 4000, dtype)]
    ranges: list[ValueRange] = []
    alone = [decode(image, note=ranges.append) for image in images]
    assert [(one.low, one.high) for one in ranges] == [(0, 900), (100, 4000)]
    levels = choose_levels(ranges)
    assert levels == ((0, 4000) if dtype is np.float32 else (0, 4095))
    together = [decode(image, levels=levels) for image in images]
    assert levels is not None
    assert alone[0].max() > 220
    for image, pixels in zip(images, together, strict=True):
        expected = np.rint(np.asarray(image, float) * (255 / levels[1]))
        np.testing.assert_array_equal(pixels[..., 0], expected)


def test_values_beyond_the_levels_are_black_and_white() -> None:
    pixels = decode(deep(-500, 500, np.int32), levels=(0, 100))[..., 0].ravel()
    assert (pixels[0], pixels[-1]) == (0, 255)
    assert (np.diff(pixels.astype(int)) >= 0).all()


def test_images_of_8_bits_have_no_levels(grey_pixels: Any, colour_pixels: Any) -> None:
    noted: list[ValueRange] = []
    for pixels in (grey_pixels(1), colour_pixels(1)):
        image = Image.fromarray(pixels)
        with_levels = decode(image, levels=(0, 4095), note=noted.append)
        np.testing.assert_array_equal(with_levels, decode(image))
    assert noted == []
    assert choose_levels(noted) is None


def test_images_that_are_not_square_are_stretched_padded_or_cropped() -> None:
    pixels = np.arange(1, 29, dtype=np.uint8).reshape(4, 7)
    padded = decode(pixels[:3], side=7, fit="pad")[..., 0]
    assert np.array_equal(padded[2:5], pixels[:3])
    assert not padded[:2].any() and not padded[5:].any()
    assert np.array_equal(decode(pixels.T[:, :3], side=7, fit="pad")[..., 0], padded.T)
    assert np.array_equal(decode(pixels, side=4, fit="crop")[..., 0], pixels[:, 1:5])
    assert np.array_equal(decode(pixels.T, side=4, fit="crop")[..., 0], pixels.T[1:5])
    assert np.array_equal(decode(pixels, side=4), decode(pixels, side=4, fit="stretch"))
    square = pixels[:, :4]
    for fit in ("stretch", "pad", "crop"):
        assert np.array_equal(decode(square, side=9, fit=fit), decode(square, side=9))


def test_what_is_around_is_black_in_colour_too(colour_pixels: Any) -> None:
    pixels = colour_pixels(1)[:6] | 1
    padded = decode(pixels, side=12, fit="pad")
    assert padded.shape == (12, 12, 3)
    assert np.array_equal(padded[3:9], pixels)
    assert not padded[:3].any() and not padded[9:].any()


def test_a_long_strip_does_not_need_the_memory_of_its_square() -> None:
    strip = Image.new("L", (60_000, 10), 255)
    assert max(fit_square(strip, "pad", side=32).size) < 4 * 32
    assert decode(np.full((10, 60_000), 255, np.uint8), side=32, fit="pad").max() > 0
