"""autocnn, as `autocnn search DATA --budget 10m` does it."""

import os
from pathlib import Path

import numpy as np

import autocnn
from benchmarks.rivals import SPLITS, Answer, Assignment, run_program

COLUMNS = [
    *("kind", "trial", "cv_mean", "cv_sd", "val_accuracy", "test_accuracy"),
    *("test_balanced_accuracy", "test_log_loss", "test_macro_auc"),
]
"""Of the leaderboard, kept of all candidates: was a better one there? Trial 0 is the default."""


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
    candidates = study.leaderboard[COLUMNS].to_json(orient="records")
    path = study.path / f"candidates/{best.number:02d}/out_of_fold.csv"
    if not path.is_file():
        return Answer(found, trained, candidates=candidates)
    import pandas as pd

    held = pd.read_csv(path, dtype={"label": str})
    labels = np.array([study.class_names.index(label) for label in held["label"]])
    return Answer(found, trained, held[columns].to_numpy(), labels, candidates)


if __name__ == "__main__":
    run_program(search)
