"""The folder in which a page runs: small images under the names that pages use."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

PETS = ("cat", "dog")
TUMOURS = ("glioma", "meningioma", "notumor", "pituitary")

SIDE = 24
"""Side of the images in px: a study on them takes seconds."""


def make_inputs(folder: Path) -> None:
    """All that README.md beside this file promises, except the study."""
    rng = np.random.default_rng(0)
    for name, num in (("images", 40), ("later", 10)):
        for label, pet in enumerate(PETS):
            for number in range(num):
                _save(_draw(rng, label, 2, SIDE), folder / name / pet / f"{number}.png")
    for number in range(1, 7):
        _save(_draw(rng, number % 2, 2, SIDE), folder / "new" / f"{number}.png")
    for split, num in (("Training", 20), ("Testing", 6)):
        for label, tumour in enumerate(TUMOURS):
            for number in range(num):
                image = _draw(rng, label, 4, SIDE)[..., 0]
                _save(image, folder / "brain" / split / tumour / f"{tumour}-{number}.jpg")
    for label, pet in enumerate(PETS):
        for number in range(12):
            _save(_draw(rng, label, 2, SIDE), folder / "pets" / f"{pet}.{number}.png")
            deep = 15 * _draw(rng, label, 2, SIDE)[..., 0].astype(np.uint16)
            _save(deep, folder / "cells" / pet / f"{number}.tif")
    for label, name in enumerate(("ill", "well")):
        for patient in range(8):
            for number in range(4):
                image_name = f"patient_{8 * label + patient:02d}_slice_{number}.png"
                _save(_draw(rng, label, 2, SIDE)[..., 0], folder / "scans" / name / image_name)
    for label, name in enumerate(("with", "without")):
        for number in range(12):
            values = 8 * _draw(rng, label, 2, SIDE)[..., 0].astype(np.int16) - 1024
            patient_id = f"{name} {number // 2}"
            _save_dicom(values, folder / "ct" / name / f"{number}.dcm", patient=patient_id)
    with (folder / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group"])
        for path in sorted((folder / "images").rglob("*.png")):
            writer.writerow([path.relative_to(folder), path.parent.name, f"p{path.stem}"])
    _make_tables(folder)
    arrays: dict[str, Any] = {}
    for split, num in (("train", 60), ("val", 20), ("test", 20)):
        labels = np.arange(num) % 2
        images = [_draw(rng, int(label), 2, 28)[..., 0] for label in labels]
        arrays |= {f"{split}_images": np.array(images), f"{split}_labels": labels}
    np.savez(folder / "images.npz", **arrays)


def _make_tables(folder: Path) -> None:
    """The images of `images/` as other people's tables have them."""
    lines = ["id;species;sex;site"]
    one_hot, pixels = ["image\tusage\tcat\tdog"], []
    rows = []
    for number, path in enumerate(sorted((folder / "images").rglob("*.png"))):
        name = f"{number:04d}"
        label = PETS.index(path.parent.name)
        content = path.read_bytes()
        (folder / "photos").mkdir(exist_ok=True)
        (folder / "photos" / f"{name}.png").write_bytes(content)
        lines.append(f"{name};{path.parent.name};{'fm'[number % 2]};{number % 20}")
        usage = "Testing" if number % 4 == 0 else "Training"
        one_hot.append(f"{name}.png\t{usage}\t{1 - label}.0\t{label}.0")
        grey = np.asarray(Image.open(path).convert("L"))
        pixels.append([PETS[label], *grey.ravel().tolist()])
        rows.append({"image": {"bytes": content, "path": None}, "label": label})
    (folder / "observations.csv").write_text("\n".join(lines))
    cells = [line.split(";") for line in lines]
    pd.DataFrame(cells[1:], columns=cells[0]).to_excel(folder / "observations.xlsx", index=False)
    bare = [f"photos/{name}.png,{species}" for name, species, *_ in cells[1:]]
    (folder / "bare.csv").write_text("\n".join(bare))
    (folder / "one-hot.tsv").write_text("\n".join(one_hot))
    with (folder / "pixels.csv").open("w", newline="") as file:
        names = ["label", *(f"pixel{number}" for number in range(SIDE**2))]
        csv.writer(file).writerows([names, *pixels])
    features = {"label": {"names": list(PETS), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.Table.from_pylist(rows).replace_schema_metadata(metadata)
    pq.write_table(table, folder / "hub.parquet")
    (folder / "hub" / "data").mkdir(parents=True)
    half = len(rows) // 2
    for number, part in enumerate((table[:half], table[half:])):
        pq.write_table(part, folder / "hub" / "data" / f"train-0000{number}-of-00002.parquet")


def _draw(rng: np.random.Generator, label: int, num_classes: int, side: int) -> np.ndarray:
    """Noise (side, side, 3), uint8, with a bright stripe whose place is the class."""
    image = rng.integers(0, 120, (side, side, 3), dtype=np.uint8)
    width = side // num_classes
    image[:, label * width : (label + 1) * width] += np.uint8(100)
    return image


def _save_dicom(values: np.ndarray, path: Path, *, patient: str) -> None:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    dataset.PatientID, dataset.PatientName = patient, "Doe^Jane"
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = values.astype(np.int16).tobytes()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def _save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
