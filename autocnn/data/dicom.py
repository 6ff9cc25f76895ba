"""DICOM files, by pydicom: pixels in their units, and who belongs together.

No name and no number of a patient leaves this module: who an image is of becomes a keyed hash.
"""

import contextlib
import hashlib
import io
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autocnn.core.errors import DataError, MissingExtraError
from autocnn.core.extras import install_line

File = Path | bytes
"""A file, or its content."""

DICOM = "DICOM"
"""Type of these files."""

_MARK_AT, _MARK = 128, b"DICM"
_IDENTITY = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "BurnedInAnnotation")
_HEADER = ("Rows", "Columns", "NumberOfFrames", "BitsStored", "PhotometricInterpretation")
_INVERTED = "MONOCHROME1"
_VOLUME = (0x5200, 0x9230)
"""Per-frame Functional Groups Sequence, which enhanced CT, MR and PET of many slices have."""


@dataclass(frozen=True, eq=False)
class StoredValues:
    """The values of an image that Pillow has no mode for.

    Attributes:
        file_type: Of the file, `DICOM` or `TIFF`.
        values: (h, w) or (h, w, 3), of any number type; in DICOM after the rescale.
        is_inverted: Whether the lowest value is white.
        window: Values that viewers show as black and as white; None: the file names none.
    """

    file_type: str
    values: NDArray[Any]
    is_inverted: bool = False
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class DicomHeader:
    """What a file says before its pixels: sides in px, bits per value, frames."""

    width: int
    height: int
    num_bits: int
    num_frames: int
    is_colour: bool


@dataclass(frozen=True)
class Identity:
    """Whom and what a file shows; both are empty where it does not say.

    Attributes:
        patient: PatientID.
        series: UID of the series, or else of the examination.
        is_burned_in: Whether the file says that names are drawn into its pixels.
    """

    patient: str
    series: str
    is_burned_in: bool


def as_stream(file: File) -> Path | io.BytesIO:
    """What opens a file, or its content."""
    return io.BytesIO(file) if isinstance(file, bytes) else file


def is_dicom(file: File | str) -> bool:
    """Whether a file has the mark of DICOM behind its first 128 bytes."""
    if isinstance(file, bytes):
        return file[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - many
            return opened.read(_MARK_AT + len(_MARK))[_MARK_AT:] == _MARK
    except OSError:
        return False


def find_pydicom() -> ModuleType:
    """The package, with a silent log: what it says quotes the files.

    Its warnings do so too; `decode.pillow_quiet` silences them.

    Raises:
        MissingExtraError: When it is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise MissingExtraError(
            "DICOM images need pydicom, got none.", remedy=install_line("dicom")
        ) from error
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    return pydicom


def read_dicom(file: File) -> StoredValues:
    """The first frame of a file.

    Args:
        file: Of DICOM, with or without its mark, or its content.

    Raises:
        DataError: When it has no pixels, is a volume, or cannot be decoded; the message is the
            reason alone, without any value of the file.
        MissingExtraError: When pydicom is not installed.
    """
    pydicom = find_pydicom()
    with _explained():
        dataset = pydicom.dcmread(as_stream(file), force=True)
        _check_single(dataset)
        if not hasattr(dataset.file_meta, "TransferSyntaxUID"):  # written before part 10
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        syntax = dataset.file_meta.TransferSyntaxUID
        try:
            stored = pydicom.pixels.pixel_array(dataset, index=0)
        except RuntimeError as error:  # no decoder of this compression is installed
            raise DataError(
                f"is compressed as {syntax.name}, for which a decoder is missing "
                "(pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg)"
            ) from error
        colours = str(dataset.get("PhotometricInterpretation", ""))
        if colours == "PALETTE COLOR":
            stored = pydicom.pixels.apply_color_lut(stored, dataset)
            return StoredValues(DICOM, upper_bytes(stored))
        if stored.ndim == 3:
            return StoredValues(DICOM, upper_bytes(stored))
        values = _rescaled(pydicom, dataset, stored)
        is_padding = _padding(dataset, stored)
        is_inverted = colours == _INVERTED
        if is_padding is not None and is_padding.any() and not is_padding.all():
            inside = values[~is_padding]
            values[is_padding] = inside.max() if is_inverted else inside.min()  # black
        return StoredValues(DICOM, values, is_inverted, _window(dataset))


def read_dicom_header(file: File) -> DicomHeader:
    """The size of an image and how many frames there are.

    Raises:
        DataError: As `read_dicom`.
        MissingExtraError: When pydicom is not installed.
    """
    pydicom = find_pydicom()
    with _explained():
        dataset = pydicom.dcmread(
            as_stream(file), force=True, stop_before_pixels=True, specific_tags=list(_HEADER)
        )
        if "Rows" not in dataset or "Columns" not in dataset:
            raise DataError("is DICOM without an image")
        return DicomHeader(
            width=int(dataset.Columns),
            height=int(dataset.Rows),
            num_bits=int(dataset.get("BitsStored") or 8),
            num_frames=int(dataset.get("NumberOfFrames") or 1),
            is_colour=not str(dataset.get("PhotometricInterpretation", "")).startswith("MONO"),
        )


def read_identity(path: Path) -> Identity | None:
    """Whom a file shows; None when it cannot be read.

    Raises:
        MissingExtraError: When pydicom is not installed.
    """
    pydicom = find_pydicom()
    try:
        dataset = pydicom.dcmread(
            path, force=True, stop_before_pixels=True, specific_tags=list(_IDENTITY)
        )
        patient, study, series, burned = (str(dataset.get(tag) or "") for tag in _IDENTITY)
    except Exception:  # noqa: BLE001 - foreign code on files of any content
        return None
    return Identity(patient.strip(), series.strip() or study.strip(), burned.strip() == "YES")


def group_by_patient(identities: Mapping[int, Identity], *, key: bytes) -> dict[int, str]:
    """Groups of images of one patient; of one series where the patients are not named.

    A PatientID that all images of more than one series have is a word put in its place.

    Args:
        identities: Place of an image -> whom it shows.
        key: Of the hash, from what only the images hold: the same images give the same groups, and
            without them nobody finds out by trying who is meant.

    Returns:
        Place -> group, for the images that say what they belong to.
    """
    patients = Counter(one.patient for one in identities.values())
    all_series = {one.series for one in identities.values()}
    is_replaced = len(patients) == 1 and len(all_series) > 1
    groups = {}
    for place, one in identities.items():
        is_named = bool(one.patient) and not is_replaced
        who = ("patient", one.patient) if is_named else ("series", one.series)
        if who[1]:
            digest = hashlib.blake2b("\0".join(who).encode(), key=key, digest_size=6)
            groups[place] = f"{who[0]} {digest.hexdigest()}"
    return groups


def naming_paths(paths: Sequence[str], identities: Mapping[int, Identity]) -> int:
    """How many paths hold the PatientID of their image, as a word or a number of its own."""
    patterns = {one.patient: _whole(one.patient) for one in identities.values() if one.patient}
    return sum(
        bool(one.patient) and patterns[one.patient].search(paths[place].casefold()) is not None
        for place, one in identities.items()
    )


def _whole(word: str) -> re.Pattern[str]:
    """Finds a word where no letter, or no digit, goes on at its ends: 1 is not in IM0001."""
    folded = word.casefold()
    before, after = (
        r"\d" if end.isdecimal() else r"[^\W\d_]" if end.isalpha() else r"(?!)"
        for end in (folded[0], folded[-1])
    )
    return re.compile(rf"(?<!{before}){re.escape(folded)}(?!{after})")


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Whatever pydicom raises, without its words: they may quote the file."""
    try:
        yield
    except (DataError, MissingExtraError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - foreign code on files of any content
        raise DataError(f"is broken DICOM ({type(error).__name__})") from None


def _check_single(dataset: Any) -> None:
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        raise DataError("is DICOM without an image")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1 and _VOLUME in dataset:
        raise DataError(
            f"is a volume of {frames:,} slices: save the slices that count as single images"
        )


def _rescaled(pydicom: ModuleType, dataset: Any, stored: NDArray[Any]) -> NDArray[Any]:
    """The values in their units; whole numbers where slope and intercept are."""
    values: NDArray[Any] = pydicom.pixels.apply_modality_lut(stored, dataset)
    if values is stored:
        return np.array(stored)
    if np.array_equal(values, np.rint(values)):
        return values.astype(np.int32)
    return values.astype(np.float32)


def _padding(dataset: Any, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where there is no image: around the round field of a scanner.

    Of two numbers, which stand in either order, all from the one to the other are padding.
    """
    padding, limit = (dataset.get(f"PixelPadding{name}") for name in ("Value", "RangeLimit"))
    if padding is None or isinstance(padding, bytes):
        return None
    ends = [int(padding)]
    if limit is not None and not isinstance(limit, bytes):
        ends.append(int(limit))
    bits = 8 * stored.dtype.itemsize
    if stored.dtype.kind == "i":  # some are written without their sign
        ends = [end - 2**bits if end >= 2 ** (bits - 1) else end for end in ends]
    is_padding: NDArray[np.bool_] = (stored >= min(ends)) & (stored <= max(ends))
    return is_padding


def _window(dataset: Any) -> tuple[float, float] | None:
    """Black and white of the first window that is named."""
    try:
        centre, width = (
            float(value if isinstance(value, str | float | int) else value[0])
            for value in (dataset.WindowCenter, dataset.WindowWidth)
        )
    except (AttributeError, TypeError, ValueError, IndexError):
        return None
    return (centre - width / 2, centre + width / 2) if width > 0 else None


def upper_bytes(values: NDArray[Any]) -> NDArray[Any]:
    """Colours of 16 bits without their lower byte, as Pillow gives those of other files."""
    return (values >> 8).astype(np.uint8) if values.dtype.itemsize == 2 else values
