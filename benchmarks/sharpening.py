"""How sure a mean of models may be: `python -m benchmarks.sharpening results/STUDY ...`.

Log loss on clean test of each candidate of finished studies that averages models, with the
temperatures of its members alone, with that of a mean besides (docs/decisions/0036), and with the
best one in hindsight. Test chooses nothing here, but look at studies whose choices are past.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd

import autocnn
from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.records import CandidateRecord
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.ensembles import fit_disagreement, temperature_of_mean
from autocnn.metrics.scores import score
from benchmarks.commands import BenchmarkCommand


@click.command(cls=BenchmarkCommand)
@click.argument("studies", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(studies: Sequence[Path]) -> None:
    """Compare the temperatures of the means in finished STUDIES."""
    click.echo("| study | candidate | models | members' alone | of a mean too | best |")
    click.echo("|---|---|---|---|---|---|")
    for path in studies:
        study = autocnn.open_study(path)
        names = study.class_names
        records = [candidate.record for candidate in study.candidates]
        apart = disagreement(path, records, names)
        for record in records:
            if not record.members:
                continue
            folder = path / f"candidates/{record.candidate:02d}"
            frame = read(folder / "predictions.csv")
            judged = frame[(frame["split"] == "test") & (frame["is_clean"] != "false")]
            labels, predicted = parts(judged, names)
            there = record.calibration.sharpening if record.calibration else 1.0
            plain = apply_temperature(predicted, 1 / there)
            sharpened = apply_temperature(plain, factor(record, apart))
            best = apply_temperature(plain, fit_temperature(labels, plain))
            losses = [f"{score(labels, p).log_loss:.4f}" for p in (plain, sharpened, best)]
            row = [path.name, f"{record.kind} {record.trial}", str(len(record.members)), *losses]
            click.echo(f"| {' | '.join(row)} |")


def disagreement(path: Path, records: Sequence[CandidateRecord], names: Sequence[str]) -> float:
    """How far apart the finalists' own models are, on folds or on val."""
    labels: IntArray = np.zeros(0, np.int64)
    found = []
    for record in records:
        if record.kind not in ("refit", "trial") or record.calibration is None:
            continue
        folder = path / f"candidates/{record.candidate:02d}"
        held = folder / "out_of_fold.csv"
        if held.exists():
            labels, predicted = parts(read(held), names)
        else:
            frame = read(folder / "predictions.csv")
            labels, predicted = parts(frame[frame["split"] == "val"], names)
            predicted = apply_temperature(predicted, record.calibration.temperature)
        found.append(predicted)
    return fit_disagreement(labels, np.mean(found, axis=0), num_models=len(found))


def factor(record: CandidateRecord, apart: float) -> float:
    """The temperature of a candidate's mean, over that of what was fitted."""
    shares: dict[int, float] = defaultdict(float)
    for member in record.members:
        shares[member.trial] += member.weight
    fitted = list(shares.values()) if record.kind == "ensemble" else [1.0]
    shipped = [member.weight for member in record.members]
    return temperature_of_mean(apart, shipped) / temperature_of_mean(apart, fitted)


def read(path: Path) -> pd.DataFrame:
    """A table of predictions, its labels as text."""
    return pd.read_csv(path, dtype={"label": str, "is_clean": str})


def parts(frame: pd.DataFrame, names: Sequence[str]) -> tuple[IntArray, FloatArray]:
    """(n,) true classes and (n, classes) probabilities."""
    labels = np.array([names.index(label) for label in frame["label"]])
    return labels, frame[[f"p.{name}" for name in names]].to_numpy()


if __name__ == "__main__":
    main()
