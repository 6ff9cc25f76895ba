"""Whole studies of images as people have them; trainings are simulated."""

import csv
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.cli.main import run
from tests.data.test_dicom import make_set
from tests.study.test_run import TINY_SPACE

pytestmark = [pytest.mark.usefixtures("simulated"), pytest.mark.slow]


def search(data: Path, *flags: str) -> Path:
    """Run a small study beside the data; its folder."""
    place = data.parent
    (place / "tiny.yaml").write_text(TINY_SPACE)
    arguments = ["search", str(data), "--space", str(place / "tiny.yaml"), "--name", "s", "-q"]
    arguments += ["--results", str(place / "results"), "--cache-dir", str(place / "cache")]
    assert run([*arguments, "--trials", "1", "--finalists", "1", "--folds", "2", *flags]) == 0
    return place / "results/s"


def draw(path: Path) -> None:
    seed = zlib.crc32("/".join(path.parts[-3:]).encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def test_no_name_and_no_number_of_a_patient_enters_a_study(tmp_path: Path, capfd: Any) -> None:
    secrets = {
        "PatientName": "Quibble^Zebulon",
        "PatientID": "MRN-7714142",
        "PatientBirthDate": "19310507",
        "AccessionNumber": "ACC-99182",
        "ReferringPhysicianName": "Whistler^Ottoline",
        "InstitutionName": "Sankt Nimmerlein",
        "StudyDate": "20190317",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.77",
        "StudyInstanceUID": "1.2.826.0.1.3680043.78",
    }
    root = make_set(tmp_path / "set", 8)
    import pydicom

    for file in root.rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        number = file.name[0]
        for name, value in secrets.items():
            is_own = name in ("PatientName", "PatientID", "SeriesInstanceUID")
            setattr(dataset, name, f"{value}{number}" if is_own else value)
        dataset.save_as(file)
    broken = root / "with/broken.dcm"
    broken.write_bytes(next(root.rglob("*.dcm")).read_bytes()[:-100])
    folder = search(root, "--max-unreadable", "0.1", "--tensorboard", "--window", "500,2000")
    assert run(["resume", str(folder), "--trials", "2"]) == 0
    assert run(["report", str(folder)]) == 0
    assert run(["audit", str(root), "--max-unreadable", "0.1", "--json"]) == 0
    assert len({row["group"] for row in rows(folder / "split.csv")}) == 8
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    printed = capfd.readouterr()
    written[tmp_path / "printed"] = (printed.out + printed.err).encode()
    written |= {path: path.read_bytes() for path in (tmp_path / "cache").rglob("entry.json")}
    assert len(written) > 20
    for value in secrets.values():
        for part in value.split("^"):
            for kind in (part.encode(), part.lower().encode(), part.encode("utf-16-le")):
                assert [path for path, content in written.items() if kind in content] == []
    status = json.loads((folder / "study.json").read_text("utf-8"))
    assert status["data"]["levels"] == [-500, 1500]
    assert status["config"]["window"] == [500, 2000]


def test_a_class_that_test_lacks_is_not_measured_there(tmp_path: Path, capfd: Any) -> None:
    for split, labels in (("train", "abc"), ("val", "abc"), ("test", "ac")):
        for label in labels:
            for number in range(8):
                draw(tmp_path / "set" / split / label / f"{number}.png")
    folder = search(tmp_path / "set")
    assert "test has no image of 'b': how well it is recognised is not measured" in (
        capfd.readouterr().err
    )
    (best, *_) = rows(folder / "leaderboard.csv")
    assert best["test_accuracy"]
    record = json.loads((folder / "candidates/01/candidate.json").read_text("utf-8"))
    (absent,) = [one for one in record["test"]["classes"] if one["label"] == "b"]
    assert absent["recall"] is None
    assert run(["report", str(folder)]) == 0
    assert run(["leaderboard", str(folder)]) == 0


def test_a_resume_reads_labels_and_groups_from_names_as_before(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for patient in range(6):
            for number in range(2):
                name = f"{label}_p{patient}_{number}.png"
                draw(tmp_path / "set" / name)
    names = ("--label-from-name", "^([a-z]+)_", "--group-from-name", r"(p\d+)_")
    folder = search(tmp_path / "set", *names)
    before = rows(folder / "split.csv")
    assert {row["group"] for row in before} == {f"p{patient}" for patient in range(6)}
    assert {row["label"] for row in before} == {"cat", "dog"}
    assert run(["resume", str(folder), "--trials", "2"]) == 0
    assert rows(folder / "split.csv") == before
