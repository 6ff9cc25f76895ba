"""A real study: its model gives the study's own numbers, wherever it is loaded from."""

import contextlib
import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autocnn.cli.main import run
from tests.shared import share
from tests.study.test_run import TINY_SPACE

SPLITS = ("train", "val", "test")

CLASSES = ('co,m"ma', "two words", "кот")

SIDE = 24


def write_images(root: Path) -> Path:
    """Grey images in files of every kind: as colour JPEG, turned by EXIF, of 16 bits, ..."""
    rng = np.random.default_rng(0)
    for split, number in zip(SPLITS, (18, 8, 12), strict=True):
        for label, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(number):
                pixels = rng.integers(0, 90, (60, 50), dtype=np.uint8)
                pixels[:, label * 16 : label * 16 + 16] += 100
                image = Image.fromarray(pixels)
                match i % 6:
                    case 0:
                        image.convert("RGB").save(folder / f"{i}.jpg", quality=80)
                    case 1:
                        exif = Image.Exif()
                        exif[0x0112] = 6
                        turned = image.transpose(Image.Transpose.ROTATE_90)
                        turned.convert("RGB").save(folder / f"{i}.jpg", exif=exif)
                    case 2:
                        Image.fromarray(pixels.astype(np.uint16) * 16).save(folder / f"{i}.png")
                    case 3:
                        image.convert("RGBA").save(folder / f"{i}.png")
                    case 4:
                        image.quantize(64).save(folder / f"{i}.gif")
                    case _:
                        image.resize((200, 260)).convert("RGB").save(folder / f"{i}.jpg")
    return root


@dataclass(frozen=True)
class Printed:
    """What a command printed."""

    stdout: str
    stderr: str


def autocnn(folder: Path, *arguments: str, expected: int = 0) -> Printed:
    """A command in a folder, in this process: TensorFlow is imported once for all of them."""
    printed, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(printed, encoding="utf-8", newline="")
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
        out.flush()
    assert code == expected, err.getvalue()
    return Printed(printed.getvalue().decode("utf-8"), err.getvalue())


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/ and the study results/mine."""
    return share(tmp_path_factory, "predicted", make_place)


def make_place(folder: Path) -> None:
    write_images(folder / "images")
    (folder / "tiny.yaml").write_text(TINY_SPACE)
    autocnn(
        folder,
        "search",
        "images",
        "--name",
        "mine",
        "--space",
        "tiny.yaml",
        "--trials",
        "1",
        "--epochs",
        "3",
        "--finalists",
        "1",
        "--folds",
        "2",
        "--members",
        "1",
        "--image-size",
        str(SIDE),
        "--precision",
        "float32",
        "--cache-dir",
        "cache",
        "-q",
    )


def shares(row: dict[str, str]) -> list[float]:
    return [float(row[f"p.{name}"]) for name in CLASSES]


@pytest.mark.slow
@pytest.mark.parametrize("candidate", [1, 2])
def test_files_get_the_probabilities_of_the_study(place: Path, candidate: int) -> None:
    folder = place / "results" / "mine" / "candidates" / f"0{candidate}"
    stored = [
        row
        for row in read_csv((folder / "predictions.csv").read_text("utf-8"))
        if row["split"] == "test"
    ]
    result = autocnn(place, "predict", str(folder), "images/test", "--csv", "--unsure", "0.5")
    found = {row["path"]: row for row in read_csv(result.stdout)}
    assert len(found) == len(stored) == 36
    for row in stored:
        mine = found[f"images/{row['path']}"]
        np.testing.assert_allclose(shares(mine), shares(row), atol=1e-5)
        assert mine["unlike"] in ("true", "false")


@pytest.mark.slow
def test_what_is_no_training_image_is_unlike(place: Path) -> None:
    rng = np.random.default_rng(1)
    other = place / "other"
    other.mkdir()
    for i in range(20):
        pixels = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
        Image.fromarray(np.kron(pixels[::10, ::10], np.ones((10, 10, 1), np.uint8))).save(
            other / f"{i}.png"
        )
    share = []
    for images in ("other", "images/test"):
        lines = autocnn(place, "predict", "mine", images, "--json").stdout.splitlines()
        rows = [json.loads(line) for line in lines]
        share.append(np.mean([row["unlike"] for row in rows]))
    assert share[0] > 0.5
    assert share[1] < 0.15


@pytest.mark.slow
def test_maps_errors_and_the_exit_code(place: Path) -> None:
    (place / "images" / "test" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    try:
        result = autocnn(
            place,
            "predict",
            "mine",
            "images/test/**",
            "--explain",
            "maps",
            "--to",
            "rows.csv",
            expected=3,
        )
    finally:
        (place / "images" / "test" / "broken.png").unlink()
    assert result.stdout == "rows.csv\n"
    rows = read_csv((place / "rows.csv").read_text("utf-8"))
    assert sum(bool(row["error"]) for row in rows) == 1
    maps = sorted((place / "maps").iterdir())
    assert len(maps) == len(rows) - 1 == 36
    assert {path.suffix for path in maps} == {".jpg"}
    with Image.open(maps[0]) as picture:
        picture.load()


@pytest.mark.slow
def test_a_truncated_model_is_the_studys_error(place: Path, tmp_path: Path) -> None:
    study = tmp_path / "results" / "torn"
    shutil.copytree(place / "results" / "mine", study)
    model = study / "candidates" / "01" / "model.keras"
    model.write_bytes(model.read_bytes()[:-1000])
    result = autocnn(tmp_path, "predict", "torn", str(place / "images" / "test"), expected=4)
    assert "model.keras: must be a whole model" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_an_export_answers_as_its_study(place: Path) -> None:
    autocnn(place, "export", "mine", "--format", "keras", "--to", "exported", "-q")
    answers = [
        read_csv(autocnn(place, "predict", model, "images/test", "--csv").stdout)
        for model in ("mine", "exported", "exported/model.keras")
    ]
    for rows in answers[1:]:
        np.testing.assert_allclose(
            [shares(row) for row in rows], [shares(row) for row in answers[0]], atol=1e-5
        )
        assert [row["unlike"] for row in rows] == [row["unlike"] for row in answers[0]]
    autocnn(place, "predict", "exported", "images/test", "--explain", "maps-of-export")
    assert len(list((place / "maps-of-export").iterdir())) == 36
    model = place / "exported" / "model.keras"
    model.write_bytes(model.read_bytes()[:-10])
    result = autocnn(place, "predict", "exported", "images/test", expected=6)
    assert "must be as it was exported" in result.stderr


PEAK = """
import json, resource, sys
from pathlib import Path
from autocnn.inference.predict.model import load
from autocnn.inference.predict.reading import NamedImage
model = load("mine")
path = Path(sys.argv[1])
peaks = []
for number in (2000, 20000):
    for batch in model.read(NamedImage(str(path), path) for _ in range(number)):
        model.answer(batch)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps(peaks))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is Linux's")
def test_ten_times_the_images_need_no_more_memory(place: Path) -> None:
    (place / "peak.py").write_text(PEAK)
    image = next((place / "images" / "test").rglob("2.png"))
    result = subprocess.run(
        [sys.executable, "peak.py", str(image)],
        cwd=place,
        check=True,
        capture_output=True,
        text=True,
    )
    few, many = json.loads(result.stdout.splitlines()[-1])
    assert many < few + 10
