"""autocnn, as `autocnn search DATA --budget 10m` does it."""

import os
from pathlib import Path

import numpy as np

import autocnn
from benchmarks.rivals import SPLITS, Answer, Assignment, run_program


def search(assignment: Assignment) -> Answer:
    """One study; the chosen candidate answers."""
    os.chdir(assignment.folder)
    study = autocnn.search(
        assignment.data,
        space=assignment.space,
        budget=f"{assignment.minutes}m",
        seed=assignment.seed,
        name="study",
        cache_dir=Path(assignment.folder) / "cache",
        verbose=False,
    )
    best = study.best
    frame = best.predictions
    columns = [f"p.{name}" for name in study.class_names]
    found = {split: frame[frame["split"] == split][columns].to_numpy() for split in SPLITS}
    trained = int((study.trials["epochs"] > 0).sum())
    path = study.path / f"candidates/{best.number:02d}/out_of_fold.csv"
    if not path.is_file():
        return Answer(found, trained)
    import pandas as pd

    held = pd.read_csv(path, dtype={"label": str})
    labels = np.array([study.class_names.index(label) for label in held["label"]])
    return Answer(found, trained, held[columns].to_numpy(), labels)


if __name__ == "__main__":
    run_program(search)
