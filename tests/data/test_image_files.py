import base64
import io
import logging
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from autocnn.core.errors import DataError
from autocnn.data.decode import decode_image, read_size
from autocnn.data.image_files import read_header

SIDE = 16
HEIC = (
    "c-muNV30{GsVvAy%}izhg51nBLl8SRGck>Ufw3kxwIq=N0u(b+a*CjAhJwuG5(YG&l$nzcHpIn&fe{FSfN=qY1_Em!R?"
    "f`KO9S&jqM|@fDif5KQI>27V)7MamgK^f{K+gRDge@VG7FOPfpjTQnKL6ZNN56Bk=zG{KYxGxU|`^9P5|nVaA4$N{Qn="
    "MfElEM8HD6^F*zgxB{iKG8PQ}GC^WK8d$n%Xvj>U`4m2<@@HBvgTatjP*<2V879Z>c+98~rpHq~VoKpc5<z-+4Dq#@GE"
    "G|feddvZeHIj1@K@Jmux*bga|Ns92kY<9>An}6CicFA3W)2PxASIDmkP8cAV6d?^GBLBZ0NKvDDT$ykHrHTWFRWOS?C{"
    "hy_^;OVAjSlh^Sk`l2>mL*^jFI;aeBSa^b4Qe*30~TyWnyCgY!yP8kRI~6?B;Z08?aX>i"
)
"""16 x 16 px, red on the left, blue on the right."""


def red_and_blue() -> Image.Image:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[:, :8] = (200, 40, 40)
    pixels[:, 8:] = (40, 40, 200)
    return Image.fromarray(pixels)


def heic(path: Path) -> Path:
    path.write_bytes(zlib.decompress(base64.b85decode(HEIC)))
    return path


@pytest.mark.parametrize("suffix", ["avif", "jp2", "j2k", "ppm", "pnm", "heic"])
def test_further_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    heic(path) if suffix == "heic" else red_and_blue().save(path)
    pixels = decode_image(path, side=SIDE).astype(int)
    assert np.abs(pixels[:, 2] - (200, 40, 40)).max() <= 8
    assert np.abs(pixels[:, 13] - (40, 40, 200)).max() <= 8
    assert read_size(path) == (SIDE, SIDE)
    assert read_header(path).num_frames == 1
    content = path.read_bytes()
    assert np.array_equal(decode_image(content, side=SIDE), pixels)
    assert read_header(content) == read_header(path)


@pytest.mark.parametrize("suffix", ["pgm", "pbm"])
def test_grey_relatives_of_ppm(tmp_path: Path, suffix: str) -> None:
    image = red_and_blue().convert("1" if suffix == "pbm" else "L")
    image.save(tmp_path / f"x.{suffix}")
    expected = np.asarray(image.convert("L"))
    assert np.array_equal(decode_image(tmp_path / f"x.{suffix}", side=SIDE)[..., 0], expected)


def test_heic_without_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for formats in (Image.OPEN, Image.MIME):
        monkeypatch.delitem(formats, "HEIF", raising=False)
    for name in ("pi_heif", "pillow_heif"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=r"^is HEIC, for which Pillow needs a plug-in \(Install"):
        decode_image(heic(tmp_path / "x.jpg"), side=SIDE)


# -- TIFFs that Pillow cannot read


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.float32, np.uint32])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiffs_of_all_numbers(tmp_path: Path, dtype: Any, channels: int) -> None:
    values = np.arange(SIDE * SIDE * channels).reshape(SIDE, SIDE, channels) % 200
    photometric = "minisblack" if channels == 1 else "rgb"
    tifffile.imwrite(tmp_path / "x.tif", values.squeeze().astype(dtype), photometric=photometric)
    noted: list[Any] = []
    pixels = decode_image(tmp_path / "x.tif", side=SIDE, levels=(0, 255), note=noted.append)
    assert np.array_equal(pixels, values)
    assert (noted[0].low, noted[0].high) == (0, 199)
    header = read_header(tmp_path / "x.tif")
    assert (header.file_type, header.width, header.height) == ("TIFF", SIDE, SIDE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.float32, float])
def test_where_the_lowest_value_is_white(tmp_path: Path, dtype: Any) -> None:
    values = np.arange(SIDE * SIDE).reshape(SIDE, SIDE).astype(dtype)
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, values, photometric="miniswhite")
    pixels = decode_image(path, side=SIDE, levels=(0, 255))
    assert np.array_equal(pixels[..., 0], 255 - values)


@pytest.mark.parametrize(("dtype", "low"), [(np.int8, -32), (np.uint32, 2**31 - 32)])
def test_signs_and_the_largest_bit_of_a_tiff(tmp_path: Path, dtype: Any, low: int) -> None:
    values = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 64 + low).astype(dtype)
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, values, photometric="minisblack", extratags=[(274, 3, 1, 3, True)])
    noted: list[Any] = []
    pixels = decode_image(path, side=SIDE, levels=(low, low + 255), note=noted.append)
    assert (noted[0].low, noted[0].high) == (low, low + 63)
    assert np.array_equal(np.rot90(pixels[..., 0], 2), values.astype(np.int64) - low)


def test_planes_one_after_the_other(tmp_path: Path) -> None:
    values = np.arange(3 * SIDE * SIDE, dtype=np.float32).reshape(3, SIDE, SIDE) % 200
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", planarconfig="separate")
    pixels = decode_image(tmp_path / "x.tif", side=SIDE, levels=(0, 255))
    assert np.array_equal(pixels, np.moveaxis(values, 0, 2))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_of_colours_of_16_bits_the_upper_byte_is_read(
    tmp_path: Path, compression: str | None, planes: Any
) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (SIDE, SIDE, 3), dtype=np.uint16)
    stored = values if planes == "contig" else np.moveaxis(values, 2, 0).copy()
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planes, compression=compression)
    assert np.array_equal(decode_image(path, side=SIDE, levels=(0, 9)), values >> 8)
    assert (read_header(path).width, read_header(path).height) == (SIDE, SIDE)


def test_tiffs_without_tifffile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((4, 4), np.float64))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(DataError, match=r"^is a TIFF that Pillow cannot read and tifffile may"):
        decode_image(tmp_path / "x.tif", side=SIDE)


def test_tiffs_of_other_shapes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(DataError, match=r"^is a TIFF of complex64 values in the shape \(4, 4\)"):
        decode_image(tmp_path / "x.tif", side=SIDE)


# -- metadata


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_long_comment_does_not_spoil_a_png(tmp_path: Path, is_behind: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("log", "x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    path = tmp_path / "x.png"
    red_and_blue().save(path, pnginfo=info)
    content = path.read_bytes()
    if is_behind:
        start = content.index(b"zTXt") - 4
        stop = start + 12 + int.from_bytes(content[start : start + 4])
        comment = content[start:stop]
        content = content[:start] + content[stop:]
        path.write_bytes(content[:-12] + comment + content[-12:])
    assert np.array_equal(decode_image(path, side=SIDE), np.asarray(red_and_blue()))
    assert read_size(path) == (SIDE, SIDE)
    path.write_bytes(path.read_bytes()[: len(content) // 2])
    with pytest.raises(DataError, match=r"truncated|broken"):
        decode_image(path, side=SIDE)


def test_the_size_is_that_of_the_upright_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    for orientation in range(1, 10):
        exif[0x0112] = orientation
        is_turned = 5 <= orientation <= 8
        for suffix in ("jpg", "png", "tif", "webp"):
            path = tmp_path / f"x.{suffix}"
            Image.new("L", (20, 10)).save(path, exif=exif)
            assert read_size(path) == ((10, 20) if is_turned else (20, 10)), suffix


def test_a_broken_frame_behind_the_first_is_a_frame(tmp_path: Path) -> None:
    """As of an animation that was half downloaded: what is read is whole."""
    path = tmp_path / "x.gif"
    Image.new("L", (SIDE, SIDE), 10).save(path)
    path.write_bytes(path.read_bytes()[:-1] + b"," + bytes(4))
    assert decode_image(path, side=SIDE)[0, 0, 0] == 10
    assert read_header(path).num_frames == 2


def test_frames_and_pages_are_counted(tmp_path: Path) -> None:
    frames = [Image.new("L", (SIDE, SIDE), value) for value in (10, 100, 200)]
    for suffix in ("gif", "tif", "webp", "png", "avif"):
        path = tmp_path / f"x.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert read_header(path).num_frames == 3
        assert abs(int(decode_image(path, side=SIDE)[0, 0, 0]) - 10) <= 1
    frames[0].save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert read_header(tmp_path / "x.jpg").num_frames == 1


# -- what is no image


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            r"^is a Git LFS pointer, not the image: `git lfs pull`",
        ),
        (b"<!DOCTYPE html><html>", "^is a web page, not an image"),
        (b"\n <html><body>404", "^is a web page, not an image"),
    ],
)
def test_what_stands_in_the_place_of_images(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    for look in (lambda path: decode_image(path, side=4), read_size):
        with pytest.raises(DataError, match=reason):
            look(tmp_path / "x.jpg")


def test_a_broken_file_under_any_name(tmp_path: Path) -> None:
    out = io.BytesIO()
    red_and_blue().save(out, "PNG")
    for suffix in ("heic", "dcm", "tif", "jp2", "avif", "ppm", "gif"):
        path = tmp_path / f"x.{suffix}"
        path.write_bytes(out.getvalue())
        assert decode_image(path, side=SIDE).shape == (SIDE, SIDE, 3)
        for content in (b"", b"\0", b"hello", out.getvalue()[:40], b"II*\0\x08\0\0\0" + bytes(9)):
            path.write_bytes(content)
            for look in (lambda path: decode_image(path, side=4), read_size):
                with pytest.raises(DataError, match=r"^(is|cannot) "):
                    look(path)


def test_a_broken_tiff_is_refused_without_further_lines(caplog: pytest.LogCaptureFixture) -> None:
    """tifffile logs a line for each tag that it cannot read."""
    logging.getLogger("tifffile").setLevel(logging.WARNING)
    tag = struct.pack("<HHII", 256, 0, 1, 1)  # of no type
    content = b"II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4)
    with pytest.raises(DataError):
        decode_image(content, side=SIDE)
    assert caplog.records == []
