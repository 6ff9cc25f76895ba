"""Whole exports of a real study: written, loaded by other programs, compared."""

import errno
import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from autocnn.cli.main import run
from autocnn.core.config import StudyConfig
from autocnn.core.errors import DiskFullError, ExportError, StudyError, UsageError, as_option
from autocnn.core.events import Observer
from autocnn.inference.export import export_model
from autocnn.inference.export.description import hash_files
from autocnn.inference.metadata import read_metadata
from autocnn.inference.predict.model import load
from autocnn.inference.predict.runtimes import open_runtime
from autocnn.storage import StudyFolder
from autocnn.study.run import search
from autocnn.training.networks import build_model
from autocnn.training.networks.average import average_models
from tests.pictures import save_dot
from tests.shared import share

pytestmark = pytest.mark.slow

SPACE = """
description: "Small"
epochs: 2
parameters:
  - {name: width, type: int, low: 8, high: 12}
  - {name: num_stages, type: categorical, choices: [2]}
start:
  - {width: 8, num_stages: 2}
"""

FORMATS = [
    ("keras", "float32"),
    ("savedmodel", "float32"),
    ("onnx", "float32"),
    ("litert", "float32"),
    ("litert", "int8"),
]

Export = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Two trials of two epochs on the digits."""
    path = share(tmp_path_factory, "exported", make_study)
    return StudyFolder(path / "results" / "digits")


def make_study(path: Path) -> None:
    (path / "space.yaml").write_text(SPACE)
    config = StudyConfig(
        data="digits",
        name="digits",
        results=path / "results",
        space=str(path / "space.yaml"),
        trials=2,
        finalists=1,
        folds=0,
        members=1,
        cache_dir=path / "cache",
        workers=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", save_dot)
        search(config)


@pytest.fixture(scope="module")
def export(study: StudyFolder, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Exports the study's best model, once per format and test run."""

    def export(name: str, precision: str = "float32") -> Path:
        for module in {"onnx": ["onnxruntime", "tf2onnx"], "litert": ["ai_edge_litert"]}.get(
            name, []
        ):
            pytest.importorskip(module)

        def make(path: Path) -> None:
            made = export_model(study, name, precision=precision)
            (path / "made").write_text(str(made))

        noted = share(tmp_path_factory, f"export-{name}-{precision}", make)
        return Path((noted / "made").read_text())

    return export


@pytest.mark.parametrize(("name", "precision"), FORMATS)
def test_an_export_is_the_study_s_model_and_says_so(
    name: str, precision: str, export: Export, study: StudyFolder
) -> None:
    folder = export(name, precision)
    metadata = read_metadata(folder)
    assert metadata.parity is not None
    assert metadata.parity.num_images == 270
    assert metadata.parity.images == "val"
    assert metadata.parity.agreement >= 0.98
    assert metadata.parity.largest_difference <= (1e-4 if precision == "float32" else 0.5)
    assert metadata.class_names == tuple("0123456789")
    assert (folder / "labels.txt").read_text().split() == list("0123456789")
    assert metadata.sha256 == hash_files(folder)
    assert {"labels.txt", "model_card.md"} < set(metadata.sha256)
    assert "test_accuracy" in metadata.scores
    assert metadata.rejection
    assert metadata.requires == ()
    assert ("distance" in metadata.outputs) == (name in ("savedmodel", "onnx"))
    assert (folder / "familiarity.npz").exists() == (name == "keras")
    assert not list(folder.parent.glob(f".{folder.name}.*")), "another test may write its own now"


@pytest.mark.parametrize(("name", "precision"), FORMATS)
def test_the_card_s_program_runs_without_autocnn(
    name: str, precision: str, export: Export, tmp_path: Path
) -> None:
    folder = export(name, precision)
    work = tmp_path / "work"
    shutil.copytree(folder, work)
    turned = turned_photograph()
    (work / "image.png").write_bytes(turned)  # the type is judged by content
    card = (work / "model_card.md").read_text("utf-8")
    program = card.split("```python\n")[1].split("```")[0]
    program = f"import sys\nsys.modules['autocnn'] = None\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=work, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[-10:]]
    assert [name for name, _ in rows] == list(read_metadata(folder).class_names)
    probabilities = [float(value) for _, value in rows]
    assert sum(probabilities) == pytest.approx(1, abs=0.03 if precision == "int8" else 1e-4)
    expected = load(folder).predict([work / "image.png"]).probabilities[0]
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)


def turned_photograph() -> bytes:
    """A JPEG that lies on its side, with a note that says so: bright on top once it is upright."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :10] = 220
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def test_formats_agree_on_foreign_images(export: Export) -> None:
    """The same images in each run: in one of a hundred a resized pixel lies between two levels and
    is rounded to either, which moved its probabilities by up to 0.0007 (1,200 were tried)."""
    grey = np.random.default_rng(0).normal(128, 80, (20, 61, 45, 1)).clip(0, 255)
    tint = grey * np.array([1.0, 0.7, 0.4])
    found = {}
    for name in ("keras", "savedmodel", "onnx"):
        folder = export(name, "float32")
        runtime = open_runtime(read_metadata(folder), folder, threads=1)
        found[name] = runtime.predict(tint.astype(np.uint8))
    assert np.abs(found["savedmodel"].probabilities - found["onnx"].probabilities).max() < 1e-4
    # Keras rounds once where Pillow and the others round twice: a level apart at worst.
    assert np.abs(found["keras"].probabilities - found["onnx"].probabilities).max() < 0.1
    first, second = found["savedmodel"].distances, found["onnx"].distances
    assert first is not None
    assert second is not None
    assert np.abs(first - second).max() < 1e-4


class Listener(Observer):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def copy_with(study: StudyFolder, path: Path, model: keras.Model | None) -> StudyFolder:
    """The study with another model, and without what was measured of the first."""
    shutil.copytree(study.path, path, ignore=shutil.ignore_patterns("exports"))
    copy = StudyFolder(path)
    if model is not None:
        model.save(copy.candidate_model_path(1))
        copy.candidate_familiarity_path(1).unlink()
    return copy


OWN_LAYER = """
import keras


@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def call(self, images):
        return keras.ops.cast(images, "float32") / 255
"""

OWN_MODEL = """
import keras
import my_layers


def build(params, image_shape, num_classes):
    x = inputs = keras.Input(image_shape, dtype="uint8")
    x = keras.layers.Flatten()(my_layers.Scale()(x))
    head = keras.layers.Dense(num_classes, activation="softmax", name="probabilities")
    return keras.Model(inputs, head(x))


if __name__ == "__main__":
    import sys

    keras.utils.set_random_seed(0)
    build({}, (8, 8, 1), 10).save(sys.argv[1])
"""


def test_a_model_with_layers_of_the_user_s_own_names_what_it_requires(
    study: StudyFolder, tmp_path: Path
) -> None:
    copy = copy_with(study, tmp_path / "own", None)
    files = {"my_layers.py": OWN_LAYER.encode(), "my_model.py": OWN_MODEL.encode()}
    copy.write_own_model(files)
    facts = copy.read_study()
    config = {**facts["config"], "model": str(tmp_path / "gone" / "my_model.py:build")}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    copy.write_study({**facts, "config": config, "model_files": digests})
    command = [sys.executable, "my_model.py", str(copy.candidate_model_path(1).resolve())]
    subprocess.run(command, cwd=copy.own_model_dir, check=True, capture_output=True)
    copy.candidate_familiarity_path(1).unlink()
    with pytest.raises(
        UsageError, match=r"got builder/my_layers\.py, builder/my_model\.py without"
    ):
        export_model(copy, "keras")
    with pytest.raises(UsageError, match="must be trusted"):
        load(copy.path)
    assert "my_layers" not in sys.modules
    metadata = read_metadata(export_model(copy, "keras", trust_code=True))
    assert sorted(metadata.requires) == ["my_layers", "my_model"]
    assert metadata.parity is not None
    assert metadata.parity.largest_difference < 1e-6
    assert "First import" in (copy.export_dir("keras", "float32") / "model_card.md").read_text()


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_an_ensemble_of_two_sizes_is_exported(
    name: str, study: StudyFolder, tmp_path: Path
) -> None:
    pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}[name])
    keras.utils.set_random_seed(0)
    members = [build_model({"num_stages": 1, "width": 8}, (side, side, 1), 10) for side in (8, 5)]
    members[1] = average_models(members[1:], [1.0], temperature=0.8, mirrored=True)
    copy = copy_with(study, tmp_path / "mixed", average_models(members, [0.5, 0.5], temperature=2))
    metadata = read_metadata(export_model(copy, name))
    assert metadata.parity is not None
    assert metadata.parity.largest_difference < 1e-5
    assert metadata.outputs == ("probabilities",)


def test_a_study_whose_data_are_gone_is_compared_on_drawn_images(
    study: StudyFolder, tmp_path: Path
) -> None:
    copy = copy_with(study, tmp_path / "moved", None)
    facts = copy.read_study()
    copy.write_study({**facts, "config": {**facts["config"], "data": str(tmp_path / "gone")}})
    listener = Listener()
    metadata = read_metadata(export_model(copy, "keras", observer=listener))
    assert metadata.parity is not None
    assert metadata.parity.images == "drawn"
    assert "cannot be found" in listener.warnings[0]
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ExportError, match="needs val images") as caught:
        export_model(copy, "litert", precision="int8")
    assert "Put the data back" in caught.value.remedy


def test_a_broken_model_is_told_and_nothing_is_left(study: StudyFolder, tmp_path: Path) -> None:
    copy = copy_with(study, tmp_path / "broken", None)
    path = copy.candidate_model_path(1)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ExportError, match=r"model\.keras: must become keras, got: ") as caught:
        export_model(copy, "keras", to=tmp_path / "out")
    assert caught.value.exit_code == 6
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".out*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 kB, which holds no model."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("name", ["keras", "savedmodel", "onnx", "litert"])
def test_a_full_disk_leaves_nothing_half_written(
    name: str, study: StudyFolder, small_disk: Path
) -> None:
    for module in {"onnx": ["tf2onnx"], "litert": ["ai_edge_litert"]}.get(name, []):
        pytest.importorskip(module)
    with pytest.raises(DiskFullError, match="it is full"):
        export_model(study, name, to=small_disk / "out")
    assert list(small_disk.iterdir()) == []


def test_a_study_in_a_read_only_folder_is_exported_elsewhere(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def refuse(path: Path, *arguments: Any, **options: Any) -> None:
        if study.path.resolve() in path.resolve().parents and not path.exists():
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StudyError, match="must be writable, got: Read-only") as caught:
        export_model(study, "keras", to=study.path / "exports" / "refused")
    assert caught.value.lines(as_option)[1] == "Choose a folder that you may write to with --to."


def test_the_command_prints_the_folder_and_the_comparison(
    study: StudyFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "out"
    code = run(["export", str(study.path), "--format", "keras", "--to", str(to)])
    out, err = capfd.readouterr()
    assert code == 0
    first, second = out.splitlines()
    assert first == str(to)
    assert second.startswith(f"keras {keras.__version__}: 270 val images, largest difference ")
    assert err.splitlines() == [
        "== read: 1,797 images",
        "== write keras",
        "== check it in a fresh process",
    ]
