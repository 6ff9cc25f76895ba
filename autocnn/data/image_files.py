"""Image files of every kind: which files are images, and what opens them.

The type is judged by content, never by the name: a PNG named .jpg is read, a text is not. Names
only say which files of a folder are looked at.
"""

import logging
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from autocnn.core.errors import AutocnnError, DataError
from autocnn.core.extras import install_line
from autocnn.data.dicom import (
    DICOM,
    File,
    StoredValues,
    as_stream,
    is_dicom,
    read_dicom,
    read_dicom_header,
    upper_bytes,
)

FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        GifImagePlugin.GifImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
        WebPImagePlugin.WebPImageFile,
        AvifImagePlugin.AvifImageFile,
        Jpeg2KImagePlugin.Jpeg2KImageFile,
        PpmImagePlugin.PpmImageFile,
    )
)
"""What Pillow is asked for; it opens a format only when its plug-in was imported. JPEG covers
MPO, PPM its relatives PGM and PBM."""

HEIF, TIFF = "HEIF", "TIFF"
READ = "Read are PNG, JPEG, GIF, BMP, TIFF, WebP, AVIF, HEIC, JPEG 2000, PPM and DICOM."

DICOM_SUFFIXES = frozenset((".dcm", ".dicom"))
IMAGE_SUFFIXES = DICOM_SUFFIXES | {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp"),
    *(".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx", ".jpf"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
}
VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".mgz", ".mnc")
"""Names of files that hold volumes, or belong to one."""

_FRAMED = ("GIF", "WEBP", TIFF, "PNG", "AVIF", HEIF)
"""Formats in which frames are pages or moments; the second picture of a JPEG is its depth, or
that of the other eye."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what puts the image upright."""

_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf"))
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

# What Pillow's plug-ins let through on broken files, besides OSError.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Header:
    """What a file says of its image before it is decoded.

    Attributes:
        file_type: `JPEG`, `PNG`, `DICOM`, ...
        mode: Pillow's, or `16-bit` and the like of DICOM.
        width, height: px, as shown: upright by EXIF.
        num_frames: Frames or pages; the first one counts.
        has_transparency: Whether some pixels may be transparent.
        coarseness: Sum of the quantisation table of brightness in a JPEG; None of others.
    """

    file_type: str
    mode: str
    width: int
    height: int
    num_frames: int = 1
    has_transparency: bool = False
    coarseness: int | None = None


def is_image_file(path: str) -> bool:
    """Whether a file is an image by its name; without a suffix, by the mark of DICOM."""
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - many
    if suffix in IMAGE_SUFFIXES:
        return True
    # DICOM files are often called IM000001, or by a UID: 1.2.840.113619.2
    return (not suffix or suffix[1:].isdigit()) and is_dicom(path)


def is_dicom_file(path: Path) -> bool:
    """Whether a file is DICOM, by its suffix or, without one that says something, its mark."""
    suffix = path.suffix.lower()
    return suffix in DICOM_SUFFIXES or (suffix not in IMAGE_SUFFIXES and is_dicom(path))


def kind_of_name(name: str) -> str:
    """The suffix by which other files are counted.

    >>> kind_of_name("scan.nii.gz"), kind_of_name("notes.TXT"), kind_of_name("README")
    ('.nii.gz', '.txt', 'no suffix')
    """
    lower = name.lower()
    if lower.endswith(".nii.gz"):
        return ".nii.gz"
    return Path(lower).suffix or "no suffix"


def read_file(file: File, use: Callable[[Image.Image], T]) -> T | StoredValues:
    """What `use` makes of an image that Pillow has opened, or the values of one that it cannot.

    A PNG that Pillow refuses for its comments is read without them. Where `use` gives pixels that
    Pillow takes for others than they are, they are given as values.

    Args:
        file: A file, or its content.
        use: Is given the image as it was opened, not yet decoded.

    Raises:
        DataError: When the file is none that is read, with the reason alone.
        BROKEN: What Pillow raises on broken files; `refuse` puts it in words.
    """
    is_named_dicom = isinstance(file, Path) and file.suffix.lower() in DICOM_SUFFIXES
    if is_named_dicom and is_dicom(file):
        return read_dicom(file)
    try:
        with _open(file) as opened:
            found = use(opened)
            corrected = _correct_tiff(opened, found) if isinstance(found, Image.Image) else None
            return found if corrected is None else corrected
    except BROKEN as error:
        if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
            raise
        start = _first_bytes(file)
        if start.startswith(_PNG_MARK):
            return _read_bare_png(file, use, error)
        if start.startswith(_TIFF_MARKS):
            return _read_tiff(file, error)
        if not isinstance(error, UnidentifiedImageError):
            raise
        if is_named_dicom or is_dicom(file):
            return read_dicom(file)
        if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
            _register_heif()
            with _open(file, formats=(HEIF,)) as opened:
                return use(opened)
        _refuse_by_content(start)
        raise


def read_header(file: File) -> Header:
    """What a file, or its content, says of its image.

    Raises:
        DataError, BROKEN: As `read_file`.
    """
    is_likely = isinstance(file, bytes) or is_dicom_file(file)
    header = None if is_likely and is_dicom(file) else read_file(file, _header_of)
    if isinstance(header, Header):
        return header
    if header is not None and header.file_type == TIFF:
        height, width = header.values.shape[:2]
        return Header(TIFF, header.values.dtype.name, width, height)
    found = read_dicom_header(file)
    mode = "RGB" if found.is_colour else f"{found.num_bits}-bit"
    return Header(DICOM, mode, found.width, found.height, found.num_frames)


def orientation_of(opened: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none, or the block is broken."""
    try:
        orientation = int(opened.getexif().get(_ORIENTATION, 1))
    except BROKEN:  # a broken EXIF block does not spoil the pixels
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def put_upright(opened: Image.Image) -> Image.Image:
    """The pixels in memory, turned as the EXIF block says."""
    opened.load()  # the pixels outlive the file
    turn = _TURNS.get(orientation_of(opened))
    return opened if turn is None else opened.transpose(turn)


def refuse(error: BaseException) -> NoReturn:
    """Raise the reason why a file cannot be read, in words."""
    if isinstance(error, AutocnnError):
        raise error
    text = str(error)
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        reason = f"has more pixels than the limit of {Image.MAX_IMAGE_PIXELS:,}"
    elif isinstance(error, UnidentifiedImageError):
        reason = "is no image that autocnn reads"
    elif isinstance(error, OSError) and error.errno is not None:
        reason = f"cannot be read: {error.strerror}"
    elif isinstance(error, EOFError) or "truncated" in text.lower():
        reason = "is truncated"
    else:
        reason = f"is broken: {text or type(error).__name__}"
    raise DataError(reason) from error


_WIDTH, _HEIGHT, _ORIENTATION = 0x0100, 0x0101, 0x0112
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANES, _KIND = 0x0102, 0x0103, 0x0106, 0x011C, 0x0153
_MIN_IS_WHITE = 0
_UNSIGNED, _SIGNED = (1,), (2,)


def _open(file: File, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    try:
        image = Image.open(as_stream(file), formats=formats)
    except UnidentifiedImageError:
        if not _first_bytes(file):
            raise DataError("is empty (0 bytes)") from None
        raise
    width, height = image.size
    # Pillow only warns up to twice the limit, and warnings may be silenced.
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        image.close()
        raise Image.DecompressionBombError(f"{width} x {height} px")
    if isinstance(image, TiffImagePlugin.TiffImageFile) and _is_scrambled(image):
        image.close()
        raise UnidentifiedImageError("planes of 16 bits")
    return image


def _is_scrambled(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether Pillow takes bytes for pixels: of 16-bit colours in planes, not compressed."""
    planes, compression = (image.tag_v2.get(tag) for tag in (_PLANES, _COMPRESSION))
    return planes == 2 and compression == 1 and 16 in image.tag_v2.get(_BITS, ())


def _correct_tiff(opened: Image.Image, image: Image.Image) -> StoredValues | None:
    """The values of a TIFF where Pillow loses a sign or the largest bit, or shows white as black.

    Args:
        opened: As it was opened.
        image: Its pixels.
    """
    if not isinstance(opened, TiffImagePlugin.TiffImageFile):
        return None
    bits, kind = opened.tag_v2.get(_BITS), opened.tag_v2.get(_KIND, _UNSIGNED)
    is_deep = image.mode == "F" or image.mode.startswith("I")  # 8 bits it inverts by itself
    is_inverted = is_deep and opened.tag_v2.get(_PHOTOMETRIC) == _MIN_IS_WHITE
    values = np.asarray(image)
    if image.mode == "L" and bits == (8,) and kind == _SIGNED:
        values = values.view(np.int8)
    elif image.mode == "I" and bits == (32,) and kind == _UNSIGNED:
        values = values.view(np.uint32)
    elif not is_inverted:
        return None
    return StoredValues(TIFF, values, is_inverted)


def _header_of(opened: Image.Image) -> Header:
    coarseness = None
    if isinstance(opened, JpegImagePlugin.JpegImageFile) and opened.quantization:
        # The first table is that of brightness; a finer one has smaller entries.
        coarseness = sum(opened.quantization[min(opened.quantization)])
    width, height = opened.size
    file_type = opened.format or ""
    if isinstance(opened, TiffImagePlugin.TiffImageFile):  # Pillow 13 turns its size, 11 does not
        width, height = opened.tag_v2[_WIDTH], opened.tag_v2[_HEIGHT]
    if orientation_of(opened) >= 5:
        width, height = height, width
    return Header(
        file_type,
        opened.mode,
        width,
        height,
        num_frames=_num_frames(opened) if file_type in _FRAMED else 1,
        has_transparency=opened.has_transparency_data,
        coarseness=coarseness,
    )


def _num_frames(opened: Image.Image) -> int:
    """Pages or moments; 2, that is several, where one behind the first is broken."""
    try:
        return int(getattr(opened, "n_frames", 1))
    except BROKEN:
        return 2


def _first_bytes(file: File) -> bytes:
    if isinstance(file, bytes):
        return file[:64]
    try:
        with file.open("rb") as opened:
            return opened.read(64)
    except OSError:
        return b""


def _read_bare_png(file: File, use: Callable[[Image.Image], T], error: BaseException) -> T:
    """A PNG without comments, profiles and dates, of which the pixels need nothing.

    Pillow refuses comments of more than a megabyte. Whatever else is wrong stays wrong.
    """
    content = file if isinstance(file, bytes) else file.read_bytes()
    kept, place = [_PNG_MARK], len(_PNG_MARK)
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        if content[place + 4 : place + 8] in _PNG_CHUNKS:
            kept.append(content[place : place + 12 + length])
        place += 12 + length
    bare = b"".join(kept)
    if len(bare) == len(content):
        raise error
    try:
        with _open(bare) as opened:
            return use(opened)
    except BROKEN:
        raise error from None


def _read_tiff(file: File, error: BaseException) -> StoredValues:
    """A TIFF of a kind that Pillow does not know: floats of 64 bits, colours of 16 in planes."""
    try:
        import tifffile
    except ImportError:
        if isinstance(error, UnidentifiedImageError):
            line = install_line("tiff").rstrip(".")
            raise DataError(
                f"is a TIFF that Pillow cannot read and tifffile may ({line})"
            ) from error
        raise error from None
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # a line for each broken tag
    try:
        with tifffile.TiffFile(as_stream(file)) as opened:
            page: Any = opened.pages[0]
            values: Any = page.asarray()
            is_inverted = page.photometric == _MIN_IS_WHITE
    except Exception as second:
        text = str(second)
        if "imagecodecs" in text:
            raise DataError(
                "is a TIFF whose compression needs `pip install imagecodecs`"
            ) from second
        raise error from None
    values = np.asarray(values)
    if values.ndim == 3 and values.shape[0] in (3, 4) and values.shape[2] not in (3, 4):
        values = np.moveaxis(values, 0, 2)
    is_image = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))
    if not is_image or values.dtype.kind not in "uif" or not values.size:
        raise DataError(f"is a TIFF of {values.dtype} values in the shape {values.shape}")
    if values.ndim == 3:
        values = values[..., :3]
        values = upper_bytes(values) if values.dtype == np.uint16 else values
    return StoredValues(TIFF, values, is_inverted)


def _register_heif() -> None:
    try:
        import pi_heif as heif
    except ImportError:
        try:
            import pillow_heif as heif
        except ImportError as error:
            line = install_line("heic").rstrip(".")
            raise DataError(f"is HEIC, for which Pillow needs a plug-in ({line})") from error
    heif.register_heif_opener()


def _refuse_by_content(start: bytes) -> None:
    """What else often stands in a file that is called an image."""
    if start.startswith(b"version https://git-lfs"):
        raise DataError(
            "is a Git LFS pointer, not the image: `git lfs pull` in its repository gets it"
        )
    if start.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise DataError("is a web page, not an image: download it again")
