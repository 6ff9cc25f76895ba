"""Prediction of a folder of images, by autocnn and by hand; and a model for both.

    python -m benchmarks.predict_programs make MODEL SIDE tiny|default IMAGES
    python -m benchmarks.predict_programs autocnn|on_batch|predict MODEL IMAGES

`make` writes an untrained network as an exported folder. The others print the seconds from the
list of paths to the last row of CSV, the first call of the model included; imports and
loading are not. By hand: Pillow, NumPy and the model, a batch of 256 at a time, as people
write it; `on_batch` is Model.predict_on_batch, `predict` is Model.predict.
"""

import csv
import hashlib
import io
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from autocnn.core.records import ExportMetadata, ModelInput
from autocnn.inference.predict.listing import list_images
from autocnn.inference.predict.model import load
from autocnn.inference.predict.reading import NamedImage
from autocnn.inference.predict.rows import csv_header, csv_rows
from autocnn.metrics.familiarity import calibrate_familiarity
from autocnn.training.networks import build_model
from autocnn.training.networks.features import feature_model
from autocnn.training.networks.inference import compile_prediction, predict_rows
from benchmarks.spaces import TINY, default_point

BATCH_SIZE = 256
CLASSES = ("a", "b", "c", "d")


def make_model(folder: Path, side: int, params_name: str, images: Path) -> None:
    """An untrained network with its familiarity, as an exported folder."""
    folder.mkdir()
    keras.utils.set_random_seed(0)
    params = TINY if params_name == "tiny" else default_point()
    model = build_model(dict(params), (side, side, 3), len(CLASSES), weights=None)
    model.save(folder / "model.keras")
    shown = _read([next(list_images([str(images)]))] * 64)
    features = predict_rows(compile_prediction(feature_model(model)), shown, np.arange(64))
    reference = np.repeat(features, 8, axis=0)
    found = calibrate_familiarity(reference, features, features, num_classes=len(CLASSES))
    np.savez(folder / "familiarity.npz", allow_pickle=False, **dict(found.arrays()))
    hashes = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("model.keras", "familiarity.npz")
    }
    metadata = ExportMetadata(
        format="keras",
        model="model.keras",
        study="benchmark",
        candidate=1,
        kind="refit",
        class_names=CLASSES,
        input=ModelInput(shape=(None, side, side, 3), height=side, width=side, is_grey=False),
        is_calibrated=False,
        familiarity=found.facts,
        sha256=hashes,
    )
    (folder / "metadata.json").write_text(metadata.model_dump_json(), "utf-8")


def by_autocnn(folder: Path, images: Path) -> float:
    """What `autocnn predict --csv` does."""
    model = load(folder)
    started = time.perf_counter()
    named = (NamedImage(str(path), path) for path in list_images([str(images)]))
    file = io.StringIO()
    file.write(csv_header(model.class_names))
    for batch in model.read(named):
        file.write(csv_rows(model.answer(batch)))
    return time.perf_counter() - started


def by_hand(folder: Path, images: Path, *, on_batch: bool) -> float:
    """A loop over batches of files."""
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    started = time.perf_counter()
    paths = sorted(images.rglob("*.png"))
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["path", "predicted", *CLASSES])
    for start in range(0, len(paths), BATCH_SIZE):
        batch = paths[start : start + BATCH_SIZE]
        pixels = _read(batch)
        found = model.predict_on_batch(pixels) if on_batch else model.predict(pixels, verbose=0)
        for path, row in zip(batch, found, strict=True):
            writer.writerow([path, CLASSES[row.argmax()], *row])
    return time.perf_counter() - started


def _read(paths: list[Path]) -> np.ndarray:
    pictures = []
    for path in paths:
        with Image.open(path) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    return np.stack(pictures)


def main() -> None:
    """One program of those above."""
    name, folder, *rest = sys.argv[1:]
    if name == "make":
        make_model(Path(folder), int(rest[0]), rest[1], Path(rest[2]))
    elif name == "autocnn":
        print(json.dumps(by_autocnn(Path(folder), Path(rest[0]))))
    else:
        seconds = by_hand(Path(folder), Path(rest[0]), on_batch=name == "on_batch")
        print(json.dumps(seconds))


if __name__ == "__main__":
    main()
