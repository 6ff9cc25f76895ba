"""A finished study with predictions of three classes, drawn at random, and no models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autocnn.core.arrays import DoubleArray, IntArray
from autocnn.core.config import resolve_config
from autocnn.core.csv_tables import Cell
from autocnn.metrics.scores import score_split
from autocnn.reporting.leaderboard import build_leaderboard
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice, DataFacts, StudyStatus
from tests.metrics.predictions import make_predictions
from tests.samples import candidate

CLASSES = ("benign", "ductal carcinoma", "other")


def make_predicted_study(
    results: Path,
    name: str = "mine",
    *,
    classes: Sequence[str] = CLASSES,
    num_images: int = 400,
    num_candidates: int = 2,
    has_folds: bool = True,
    skill: float = 2.5,
    **asked: object,
) -> StudyFolder:
    """A study of which every candidate has predictions: out of fold, val, test; half of it clean.

    Image i of test is `t<i>.png`; every second one is a copy of an image of train. Images 0 and 1
    of the clean ones, and of train, are of one patient.
    """
    status = StudyStatus.new(name, resolve_config({"name": name, **asked}), epochs=1).model_copy(
        update={
            "status": "done",
            "choice": Choice(candidate=1, sentences=("It is the best on the folds.",)),
            "data": DataFacts(
                fingerprint="f",
                class_names=tuple(classes),
                image_shape=(8, 8, 1),
                split={"train": num_images, "val": 4, "test": num_images},
            ),
        }
    )
    folder = StudyFolder.create(results, name, status.to_json())
    records = []
    for number in range(1, num_candidates + 1):
        labels, drawn = write_predictions(
            folder, number, classes, num_images=num_images, has_folds=has_folds, skill=skill
        )
        scored = score_split("test", labels, drawn, classes, num_resamples=20)
        clean = score_split("test_clean", labels[1::2], drawn[1::2], classes, num_resamples=20)
        changes = {"test": scored, "test_clean": clean, "checked_on": "test_clean"}
        record = candidate(number).model_copy(update=changes)
        folder.write_candidate(record)
        folder.candidate_model_path(number).write_bytes(b"model")
        records.append(record)
    rows = [
        (f"{i}.png", classes[0], "p" if i < 2 else "", "train", f"c{i}") for i in range(num_images)
    ]
    rows += [
        (
            f"t{i}.png",
            classes[0],
            "q" if i in (1, 3) else "",
            "test",
            f"c{i}" if i % 2 == 0 else f"t{i}",
        )
        for i in range(num_images)
    ]
    folder.write_split(rows)
    folder.write_leaderboard(build_leaderboard(records, objective=status.config.objective).to_csv())
    return folder


def write_predictions(
    folder: StudyFolder,
    number: int,
    classes: Sequence[str],
    *,
    num_images: int = 400,
    has_folds: bool = True,
    skill: float = 2.5,
) -> tuple[IntArray, DoubleArray]:
    """The tables of a candidate; labels and probabilities of test come back."""
    shares = [f"p.{label}" for label in classes]
    tables = {}
    for seed, split in enumerate(("folds", "val", "test")):
        size = 40 if split == "val" else num_images
        tables[split] = make_predictions(
            size, len(classes), seed=10 * number + seed, decimals=6, skill=skill - number / 4
        )
    rows: list[list[Cell]] = []
    for split in ("val", "test"):
        for i, (label, share) in enumerate(zip(*tables[split], strict=True)):
            path = f"t{i}.png" if split == "test" else f"v{i}.png"
            is_clean = i % 2 == 1 if split == "test" else None
            predicted = classes[int(share.argmax())]
            rows.append([path, classes[label], split, predicted, *share.tolist(), is_clean])
    header = ["path", "label", "split", "predicted", *shares, "is_clean"]
    folder.write_candidate_table(number, "predictions", header, rows)
    if has_folds:
        header = ["path", "label", "fold", "predicted", *shares]
        held: list[list[Cell]] = [
            [f"{i}.png", classes[label], 1, classes[int(share.argmax())], *share.tolist()]
            for i, (label, share) in enumerate(zip(*tables["folds"], strict=True))
        ]
        folder.write_candidate_table(number, "out_of_fold", header, held)
    return tables["test"]


def predicted_arrays(folder: StudyFolder, number: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of a split as the table has them; `clean`: test without copies."""
    name = "out_of_fold" if split == "folds" else "predictions"
    labels, shares = [], []
    status = folder.read_status()
    assert status.data is not None
    names = status.data.class_names
    for row in folder.read_candidate_table(number, name):
        if split != "folds" and row["split"] != ("test" if split == "clean" else split):
            continue
        if split == "clean" and row["is_clean"] != "true":
            continue
        labels.append(names.index(row["label"]))
        shares.append([float(row[f"p.{label}"]) for label in names])
    return np.array(labels), np.array(shares)
