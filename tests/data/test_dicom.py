import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from autocnn.core.config import Reading, StudyConfig
from autocnn.core.errors import DataError, MissingExtraError
from autocnn.core.events import Observer
from autocnn.data import Dataset, prepare_data
from autocnn.data.decode import ValueRange, decode_image, pillow_quiet, read_size
from autocnn.data.dicom import Identity, group_by_patient, naming_paths, read_dicom
from autocnn.data.image_files import read_header
from autocnn.data.sources.open import read_source

pytestmark = pytest.mark.usefixtures("quiet")

SIDE = 16
RAMP = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)


@pytest.fixture
def quiet() -> Iterator[None]:
    with pillow_quiet():
        yield


def write(path: Path, stored: Any = None, *, mark: bool = True, **tags: Any) -> Path:
    """A DICOM file of some stored values; `tags` by their keywords."""
    stored = np.asarray(RAMP if stored is None else stored)
    if stored.dtype.kind != "u" and stored.dtype != np.int16:
        stored = stored.astype(np.uint16)
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
    dataset.Rows, dataset.Columns = stored.shape[-2:] if stored.ndim < 4 else stored.shape[1:3]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if stored.ndim == 3:
        dataset.NumberOfFrames = len(stored)
    if stored.ndim == 4:
        stored = stored[0]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "PAT-7"
    dataset.SeriesInstanceUID = "1.2.3"
    for name, value in tags.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    if mark:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(path, enforce_file_format=True)
    else:
        dataset.save_as(path, implicit_vr=True, little_endian=True)
    return path


def pixels_of(path: Path, **options: Any) -> Any:
    return decode_image(path, side=SIDE, **options)[..., 0]


# -- values


def test_rescaled_values_by_one_rule(tmp_path: Path) -> None:
    path = write(tmp_path / "x.dcm", 8 * RAMP, RescaleSlope=1, RescaleIntercept=-1024)
    noted: list[ValueRange] = []
    pixels = pixels_of(path, levels=(-160.0, 240.0), note=noted.append)
    assert noted == [ValueRange(-1024, 1016, is_float=False)]
    expected = np.rint((8.0 * RAMP - 1024 + 160) * (255 / 400)).clip(0, 255)
    assert np.array_equal(pixels, expected)


def test_a_slope_that_is_no_whole_number(tmp_path: Path) -> None:
    write(tmp_path / "x.dcm", RAMP, RescaleSlope="1.000244", RescaleIntercept="-24.0")
    values = read_dicom(tmp_path / "x.dcm").values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, RAMP * 1.000244 - 24, rtol=1e-5)


def test_monochrome_1_is_inverted(tmp_path: Path) -> None:
    plain = pixels_of(write(tmp_path / "2.dcm", 16 * RAMP))
    inverted = write(tmp_path / "1.dcm", 16 * RAMP, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(pixels_of(inverted), 255 - plain)
    eight = write(
        tmp_path / "8.dcm", RAMP.astype(np.uint8), PhotometricInterpretation="MONOCHROME1"
    )
    assert np.array_equal(pixels_of(eight, levels=(0, 9)), 255 - RAMP)


def test_eight_bits_are_pixels(tmp_path: Path) -> None:
    noted: list[ValueRange] = []
    path = write(tmp_path / "x.dcm", RAMP.astype(np.uint8))
    assert np.array_equal(pixels_of(path, levels=(0, 9), note=noted.append), RAMP)
    assert noted == []


@pytest.mark.parametrize("padding", [-2000, 65536 - 2000])
def test_padding_is_black(tmp_path: Path, padding: int) -> None:
    stored = RAMP.astype(np.int16) - 100
    stored[:2] = -2000
    path = write(tmp_path / "x.dcm", stored)
    # Some write the number without its sign, which pydicom does not.
    dataset = pydicom.dcmread(path)
    tag = pydicom.dataelem.DataElement("PixelPaddingValue", "US" if padding > 0 else "SS", padding)
    dataset.add(tag)
    dataset.save_as(path)
    assert read_dicom(path).values.min() == RAMP[2, 0] - 100
    assert (pixels_of(path)[:2] == 0).all()
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(path)
    assert read_dicom(path).values.max() == RAMP[-1, -1] - 100
    assert (pixels_of(path)[:2] == 0).all()


@pytest.mark.parametrize(("value", "limit"), [(-2000, -1500), (-1500, -2000), (63536, 64036)])
def test_padding_may_be_a_range(tmp_path: Path, value: int, limit: int) -> None:
    stored = RAMP.astype(np.int16) - 100
    stored[0], stored[1], stored[2, 0] = -2000, -1500, -1499
    path = write(tmp_path / "x.dcm", stored)
    dataset = pydicom.dcmread(path)
    for name, number in (("PixelPaddingValue", value), ("PixelPaddingRangeLimit", limit)):
        kind = "US" if number > 0 else "SS"
        dataset.add(pydicom.dataelem.DataElement(name, kind, number))
    dataset.save_as(path)
    assert (read_dicom(path).values[:2] == -1499).all()


def test_windows_in_the_files(tmp_path: Path) -> None:
    write(tmp_path / "x.dcm", WindowCenter=[40, -550], WindowWidth=[400, 1800])
    assert read_dicom(tmp_path / "x.dcm").window == (-160, 240)
    for center, width in ((40, 0), (None, 400), ([], [])):
        write(tmp_path / "y.dcm", WindowCenter=center, WindowWidth=width)
        assert read_dicom(tmp_path / "y.dcm").window is None


def test_colour(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    path = write(tmp_path / "x.dcm", colours)
    assert np.array_equal(decode_image(path, side=SIDE), colours[0])
    assert read_header(path).mode == "RGB"


# -- files


def test_files_without_mark_or_suffix(tmp_path: Path) -> None:
    marked = pixels_of(write(tmp_path / "IM0001"))
    assert np.array_equal(pixels_of(write(tmp_path / "x.dcm", mark=False)), marked)
    assert np.array_equal(pixels_of(write(tmp_path / "1.2.840.1")), marked)
    for name in ("IM0001", "x.dcm", "1.2.840.1"):
        assert read_size(tmp_path / name) == (SIDE, SIDE)
        assert read_header(tmp_path / name).file_type == "DICOM"
    content = (tmp_path / "IM0001").read_bytes()
    assert np.array_equal(decode_image(content, side=SIDE)[..., 0], marked)
    assert read_header(content) == read_header(tmp_path / "IM0001")


def test_frames_and_volumes(tmp_path: Path) -> None:
    frames = np.stack([RAMP, RAMP + 9, RAMP + 50]).astype(np.uint16)
    path = write(tmp_path / "film.dcm", frames)
    assert np.array_equal(read_dicom(path).values, RAMP)
    assert read_header(path).num_frames == 3
    groups = pydicom.Sequence([pydicom.Dataset() for _ in frames])
    write(path, frames, PerFrameFunctionalGroupsSequence=groups)
    with pytest.raises(DataError, match=r"^is a volume of 3 slices: save the slices that count"):
        decode_image(path, side=4)


@pytest.mark.parametrize("spoil", ["PixelData", "Rows", "BitsAllocated"])
def test_what_is_missing_is_said_without_the_patient(tmp_path: Path, spoil: str) -> None:
    dataset = pydicom.dcmread(write(tmp_path / "x.dcm"))
    del dataset[spoil]
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(DataError, match=r"^is (DICOM without an image|broken DICOM)") as error:
        decode_image(tmp_path / "x.dcm", side=4)
    assert not re.search("Doe|PAT-7", str(error.value))


def test_broken_files_are_told_in_words(tmp_path: Path, capfd: Any) -> None:
    content = write(tmp_path / "x.dcm").read_bytes()
    rng = np.random.default_rng(0)
    for part in rng.integers(132, len(content), 20).tolist():
        broken = bytearray(content[: part if part % 2 else len(content)])
        broken[part - 4 : part + 4] = rng.bytes(8)
        (tmp_path / "x.dcm").write_bytes(bytes(broken))
        for look in (lambda path: decode_image(path, side=4), read_size):
            try:
                look(tmp_path / "x.dcm")
            except DataError as error:
                assert re.match("^(is|has|cannot) ", str(error))
    assert capfd.readouterr().err == ""


def test_a_compression_without_a_decoder(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write(tmp_path / "x.dcm"))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(20)])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    with pytest.raises(
        DataError, match=r"^is compressed as JPEG-LS Lossless.*pip install pylibjpeg"
    ):
        decode_image(tmp_path / "x.dcm", side=4)


def test_without_pydicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in "ab":
        write(tmp_path / label / "1.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"DICOM images need pydicom, got none. Install it"):
        read_source(str(tmp_path))
    with pytest.raises(MissingExtraError):
        decode_image(tmp_path / "a/1.dcm", side=4)


# -- a set


def make_set(root: Path, num_patients: int = 6, **tags: Any) -> Path:
    """Two classes, two slices of each patient; values from -1000 on."""
    rng = np.random.default_rng(0)
    for patient in range(num_patients):
        for label in ("with", "without"):
            for number in range(2):
                write(
                    root / label / f"{patient}-{number}.dcm",
                    rng.integers(0, 2000 + 100 * patient, (SIDE, SIDE)),
                    **{
                        "PatientID": f"PAT-{patient}",
                        "PatientName": f"Doe^Jane{patient}",
                        "SeriesInstanceUID": f"1.2.{patient}.{number}",
                        "RescaleSlope": 1,
                        "RescaleIntercept": -1000,
                        **tags,
                    },
                )
    return root


def prepare(root: Path, **settings: Any) -> Dataset:
    config = StudyConfig(data=str(root), cache_dir=root.parent / "cache", **settings)
    return prepare_data(config, image_sizes=[], observer=Observer())


def test_patients_are_groups_as_hashes(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set")
    table = read_source(str(root))
    by_patient: dict[str, set[str | None]] = {}
    for path, group in zip(table.paths, table.groups, strict=True):
        by_patient.setdefault(Path(path).name[0], set()).add(group)
    assert all(len(groups) == 1 for groups in by_patient.values())
    assert len(set(table.groups)) == 6
    assert all(re.fullmatch("patient [0-9a-f]{12}", group or "") for group in table.groups)
    assert "6 groups from the patients that the DICOM files name" in table.notes[1]
    assert table.groups == read_source(str(root)).groups
    # Other images, other hashes: nobody finds an id by hashing all that there may be.
    other = read_source(str(make_set(tmp_path / "other", 5)))
    assert not set(other.groups) & set(table.groups)


@pytest.mark.parametrize("patient", ["", "ANON"])
def test_series_are_groups_where_patients_have_no_number(tmp_path: Path, patient: str) -> None:
    table = read_source(str(make_set(tmp_path / "set", PatientID=patient)))
    assert len(set(table.groups)) == 12
    assert all((group or "").startswith("series ") for group in table.groups)


def test_groups_from_names_come_first(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set")
    reading = Reading(group_from_name=r"^(\d)-")
    assert set(read_source(str(root), reading=reading).groups) == set("012345")


def test_nobody_finds_an_id_by_what_a_study_keeps(tmp_path: Path) -> None:
    table = read_source(str(make_set(tmp_path / "set")))
    kept = "\n".join(sorted(table.sha256)).encode()
    key = hashlib.blake2b(kept, digest_size=32).digest()
    tried = {n: Identity(f"PAT-{n}", f"1.2.{n}.0", is_burned_in=False) for n in range(6)}
    assert not set(group_by_patient(tried, key=key).values()) & set(table.groups)


def test_names_of_patients_are_told_beside_groups_from_names(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set", BurnedInAnnotation="YES")
    (root / "with/0-0.dcm").rename(root / "with/0-pat-0.dcm")
    table = read_source(str(root), reading=Reading(group_from_name=r"^(\d)-"))
    assert set(table.groups) == set("012345")
    notes = " ".join(table.notes)
    assert "Names are drawn into images, by the headers of 24 files" in notes
    assert "The id of the patient stands in 1 file name;" in notes
    assert "that the DICOM files name" not in notes


@pytest.mark.parametrize(
    ("path", "patient", "is_named"),
    [
        ("a/IM0001.dcm", "1", False),
        ("a/IM0001.dcm", "0001", True),
        ("p1/x.dcm", "1", True),
        ("p12/x.dcm", "1", False),
        ("scan_pat-7_2.dcm", "PAT-7", True),
        ("spat-7.dcm", "PAT-7", False),
        ("pat-77.dcm", "PAT-7", False),
        ("a/(x).dcm", "(X)", True),
        ("a/x.dcm", "", False),
    ],
)
def test_an_id_is_named_where_it_stands_whole(path: str, patient: str, is_named: bool) -> None:
    assert naming_paths([path], {0: Identity(patient, "1.2", is_burned_in=False)}) == is_named


def test_what_a_file_says_of_its_patient_is_told_without_it(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set", BurnedInAnnotation="YES")
    (root / "with/0-0.dcm").rename(root / "with/pat-0.dcm")
    notes = read_source(str(root)).notes
    assert any(
        note.startswith("Names are drawn into images, by the headers of 24 files") for note in notes
    )
    assert any(note.startswith("The id of the patient stands in 1 file name;") for note in notes)
    assert "PAT" not in " ".join(notes).upper().replace("PATIENT", "")


@pytest.mark.parametrize(
    ("tags", "settings", "levels", "why"),
    [
        ({}, {}, None, ""),
        ({"WindowCenter": 40, "WindowWidth": 400}, {}, (-160, 240), "the middle of the windows"),
        (
            {"WindowCenter": 40, "WindowWidth": 400},
            {"window": "-550,1800"},
            (-1450, 350),
            "as --window says",
        ),
        ({}, {"window": (100, 50)}, (75, 125), "as --window says"),
    ],
)
def test_one_rule_for_the_whole_set(
    tmp_path: Path, tags: Any, settings: Any, levels: Any, why: str
) -> None:
    dataset = prepare(make_set(tmp_path / "set", **tags), **settings)
    images = dataset.images()
    if levels is None:
        values = [read_dicom(file).values for file in (tmp_path / "set").rglob("*.dcm")]
        levels = (min(map(np.min, values)), max(map(np.max, values)))
    assert images.levels == levels
    note = next(note for note in dataset.audit.notes if note.startswith("Values of more than 8"))
    assert f"from {levels[0]:g}, black, to {levels[1]:g}, white" in note
    assert why in note
    file = dataset.table.open(3)
    expected = decode_image(file, side=images.image_shape[0], levels=levels)
    assert np.array_equal(images.open()[dataset.rows[3]], expected)


def test_a_split_keeps_patients_whole(tmp_path: Path) -> None:
    dataset = prepare(make_set(tmp_path / "set", 9))
    sides: dict[str | None, set[str]] = {}
    for group, split in zip(dataset.table.groups, dataset.split_names, strict=True):
        sides.setdefault(group, set()).add(split)
    assert all(len(found) == 1 for found in sides.values())
    assert set(dataset.split_names) == {"train", "val", "test"}
    assert dataset.audit.likely_groups is None
    assert {*dataset.audit.file_types["with"]} == {"DICOM"}
