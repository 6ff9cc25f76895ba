"""What opens files, what a good file for it looks like, and what it may raise."""

import io
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.config import Reading, StudyConfig, resolve_config
from autocnn.core.records import TrialState
from autocnn.data.decode import decode_image, pillow_quiet, read_size
from autocnn.data.sources.open import read_source
from autocnn.inference.metadata import read_metadata
from autocnn.reporting.leaderboard import build_leaderboard, from_csv
from autocnn.spaces.files import load_space
from autocnn.storage import StudyFolder
from autocnn.storage.checkpoint import write_checkpoint
from autocnn.storage.status import StudyStatus
from tests.data.test_dicom import write as write_slice
from tests.inference.predict.models import metadata as describe
from tests.samples import candidate, checkpoint, open_trial, trial


@dataclass(frozen=True)
class Target:
    """One thing that opens files.

    Attributes:
        seeds: Good files.
        open: Opens the content, within a folder of its own.
        tokens: Words of the format.
    """

    seeds: Callable[[], Sequence[bytes]]
    open: Callable[[bytes, Path], object]
    tokens: tuple[bytes, ...] = ()


# -- images ----------------------------------------------------------------------------------


@cache
def images() -> tuple[bytes, ...]:
    """A small image in each format, deep, paletted and animated ones among them."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 4096, (9, 7), dtype=np.uint16))
    found = []
    for image, name, options in (
        (colours, "PNG", {}),
        (colours.convert("RGBA"), "PNG", {}),
        (colours.convert("P"), "PNG", {"transparency": 0}),
        (deep, "PNG", {}),
        (
            colours,
            "JPEG",
            {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"},
        ),
        (colours.convert("L"), "JPEG", {"progressive": True}),
        (colours.convert("CMYK"), "JPEG", {}),
        (colours, "GIF", {"save_all": True, "append_images": [colours.rotate(90)]}),
        (colours, "BMP", {}),
        (colours.convert("1"), "BMP", {}),
        (colours, "TIFF", {}),
        (deep, "TIFF", {"compression": "tiff_lzw"}),
        (colours.convert("F"), "TIFF", {}),
        (colours, "WEBP", {}),
        (colours, "AVIF", {}),
        (colours, "JPEG2000", {}),
        (colours, "PPM", {}),
        (deep.convert("I"), "PPM", {}),
    ):
        file = io.BytesIO()
        try:
            image.save(file, name, **options)
        except (OSError, KeyError, ValueError):
            continue  # this Pillow does not write it
        found.append(file.getvalue())
    return tuple(found)


def open_image(content: bytes, folder: Path) -> object:
    with pillow_quiet():
        read_size(content)
        return decode_image(content, side=8)


@cache
def dicoms() -> tuple[bytes, ...]:
    """A DICOM slice, with and without its mark."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for has_mark in (True, False):
            path = write_slice(Path(folder) / "slice.dcm", mark=has_mark, SOPInstanceUID="1.2.3.4")
            found.append(path.read_bytes())
    return tuple(found)


def open_dicom(content: bytes, folder: Path) -> object:
    path = folder / "slice.dcm"
    path.write_bytes(content)
    with pillow_quiet():
        read_size(path)
        return decode_image(path, side=8)


# -- sources -----------------------------------------------------------------------------------


def _with_images(folder: Path) -> None:
    for number in range(4):
        (folder / f"{number}.png").write_bytes(images()[0])


def open_folder(content: bytes, folder: Path) -> object:
    """The content is names of files, a line each, and what stands in one of them."""
    root = folder / "images"
    for place, line in enumerate(content.split(b"\n")[:12]):
        parts = [part for part in line.split(b"/") if part not in (b"", b".", b"..")][:4]
        if not parts or b"\0" in line or any(len(part) > 200 for part in parts):
            continue
        path = Path(os.fsdecode(os.path.join(os.fsencode(root), *parts)))  # noqa: PTH118
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(images()[place % 3] if place % 4 else content)
        except OSError:
            continue  # a name of a file in the place of a folder
    root.mkdir(exist_ok=True)
    return read_source(str(root))


def open_table(content: bytes, folder: Path) -> object:
    _with_images(folder)
    (folder / "list.csv").write_bytes(content)
    return read_source(str(folder / "list.csv"), reading=Reading())


def open_npz(content: bytes, folder: Path) -> object:
    (folder / "data.npz").write_bytes(content)
    table = read_source(str(folder / "data.npz"))
    with pillow_quiet():
        return [decode_image(table.open(index), side=8) for index in range(min(2, len(table)))]


def open_parquet(content: bytes, folder: Path) -> object:
    _with_images(folder)
    (folder / "list.parquet").write_bytes(content)
    return read_source(str(folder / "list.parquet"))


@cache
def npz_files() -> tuple[bytes, ...]:
    """Arrays with and without splits."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 6, 6), dtype=np.uint8)
    found = []
    kinds: list[dict[str, NDArray[Any]]] = [
        {"x": pixels, "y": np.arange(8) % 2},
        {"train_images": pixels, "train_labels": np.arange(8)[:, None] % 2},
    ]
    for arrays in kinds:
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        found.append(file.getvalue())
    return tuple(found)


@cache
def parquet_files() -> tuple[bytes, ...]:
    """A list of paths, and images in a column."""
    import pandas as pd

    labels = ["a", "b", "a", "b"]
    paths = pd.DataFrame({"path": [f"{number}.png" for number in range(4)], "label": labels})
    packed = pd.DataFrame({"image": [{"bytes": images()[0], "path": None}] * 4, "label": labels})
    found = []
    for table in (paths, packed):
        file = io.BytesIO()
        table.to_parquet(file)
        found.append(file.getvalue())
    return tuple(found)


# -- YAML ------------------------------------------------------------------------------------


def open_space(content: bytes, folder: Path) -> object:
    (folder / "space.yaml").write_bytes(content)
    return load_space(str(folder / "space.yaml"), own_names=len(content) % 2 == 0)


def spaces() -> list[bytes]:
    shipped = Path(__file__).parents[2] / "search_spaces"
    return [path.read_bytes() for path in sorted(shipped.glob("*.yaml"))]


def open_config(content: bytes, folder: Path) -> object:
    (folder / "config.yaml").write_bytes(content)
    return resolve_config({}, file=folder / "config.yaml")


CONFIG = b"""data: images
trials: 20
budget_s: 7200
by: [sex, site]
objective: accuracy
window: -550,1800
label_from_name: '^(.+?)_[0-9]'
"""


# -- a study's records ---------------------------------------------------------------------


def in_study(name: str, read: Callable[[StudyFolder], object]) -> Callable[[bytes, Path], object]:
    """What reads one file of a study."""

    def open_it(content: bytes, folder: Path) -> object:
        study = StudyFolder(folder)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "checkpoint" in name:
            study.write_trial(open_trial(0))
        path.write_bytes(content)
        return read(study)

    return open_it


def studies() -> list[bytes]:
    status = StudyStatus.new("mine", StudyConfig(data="digits"), epochs=4)
    return [json.dumps(status.to_json(), indent=1).encode()]


def trials() -> list[bytes]:
    records = [trial(0), open_trial(0), trial(0, state=TrialState.FAILED, traceback="...")]
    return [record.model_dump_json(indent=1).encode() for record in records]


def checkpoints() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "epoch.npz"
        write_checkpoint(path, checkpoint())
        return [path.read_bytes()]


def splits() -> list[bytes]:
    return [b"path,label,group,split,fold,sha256\na.png,cat,,train,1,00\nb.png,dog,g,test,,11\n"]


def open_metadata(content: bytes, folder: Path) -> object:
    (folder / "metadata.json").write_bytes(content)
    return read_metadata(folder)


def metadata() -> list[bytes]:
    return [describe().model_dump_json(indent=1).encode()]


TARGETS = {
    "image": Target(images, open_image, (b"IHDR", b"acTL", b"IDAT", b"\xff\xd8", b"II*\0")),
    "dicom": Target(dicoms, open_dicom, (b"DICM", b"US", b"OW", b"SQ")),
    "folder": Target(
        lambda: [b"cat/1.png\ncat/2.png\ndog/1.png\ndog/2.jpg\n", b"train/a/1.png\ntest/b/2.png"],
        open_folder,
        (b"train/", b"test/", b".png", b"__MACOSX/", b"Thumbs.db", "é/".encode()),
    ),
    "table": Target(
        lambda: [
            b"path,label,split,group\n0.png,a,train,x\n1.png,b,test,y\n2.png,a,val,\n3.png,b,,\n",
            b"label;pixels\n" + b"".join(b"c%d;%s\n" % (n % 2, b"7 " * 64) for n in range(4)),
            "\ufeffpath\tlabel\n0.png\té\n1.png\tb\n".encode("utf-16"),
        ],
        open_table,
        (b"sep=;", b"path", b"label", b",", b";", b"\t", b"\0"),
    ),
    "npz": Target(npz_files, open_npz, (b"PK\x03\x04", b"'descr': '|O'", b"'shape': (1,)")),
    "parquet": Target(parquet_files, open_parquet, (b"PAR1",)),
    "space": Target(spaces, open_space, (b"when:", b"<<: *a", b"&a", b"!!binary", b"log: true")),
    "config": Target(lambda: [CONFIG], open_config, (b"- ", b": ", b"&a", b"*a", b"(?P<a>")),
    "study.json": Target(studies, in_study("study.json", StudyFolder.read_status), (b"1e400",)),
    "trial.json": Target(
        trials, in_study("trials/0000/trial.json", StudyFolder.recover_trials), (b"Infinity",)
    ),
    "checkpoint": Target(
        checkpoints,
        in_study("trials/0000/checkpoint/epoch.npz", StudyFolder.recover_trials),
        (b"PK\x05\x06", b"'descr': '|O'"),
    ),
    "split.csv": Target(
        splits,
        in_study("split.csv", lambda study: (study.read_split(), study.read_folds())),
        (b"fold_2", b'"'),
    ),
    "leaderboard.csv": Target(
        lambda: [build_leaderboard([candidate(1), candidate(2)]).to_csv().encode()],
        in_study("leaderboard.csv", lambda study: from_csv(study.read_leaderboard())),
        (b"param.x", b"inf"),
    ),
    "candidate.json": Target(
        lambda: [candidate(1).model_dump_json(indent=1).encode()],
        in_study("candidates/01/candidate.json", StudyFolder.read_candidates),
    ),
    "metadata.json": Target(metadata, open_metadata),
}
