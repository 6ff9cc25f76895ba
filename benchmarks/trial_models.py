"""What the trials' own models are worth beside a refit: `python -m benchmarks.trial_models STUDY`.

They cost no training where there is no time for more refits, but have not learned from val. Each
model has the temperature that val gives its trial's own one. Judged is the clean test split of a
finished study, so look at studies whose choices are past.
"""

import tempfile
from pathlib import Path

import click
import numpy as np

from autocnn.core.arrays import FloatArray
from autocnn.core.events import Observer
from autocnn.core.records import REFIT
from autocnn.data import Dataset, prepare_data
from autocnn.execution.tasks import Prediction, PredictionTask
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.scores import score
from autocnn.selection.plan import study_images
from autocnn.spaces.knobs import image_size_of
from autocnn.storage import StudyFolder
from autocnn.storage.folder import open_study
from benchmarks.commands import BenchmarkCommand
from benchmarks.trainings import difference


def predict_all(
    folder: StudyFolder, dataset: Dataset, trials: list[int]
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """`own 7`, `refit 7` -> what that model predicts of val and test, before any temperature."""
    from autocnn.training.candidate import predict  # loads TensorFlow

    rows = np.concatenate([dataset.indices("val"), dataset.indices("test")])
    params = {record.trial: record.params for record in folder.read_trials()}
    found = {}
    with tempfile.TemporaryDirectory(prefix="autocnn-trial-models-") as place:
        for trial in trials:
            paths = {
                f"own {trial}": folder.trial_model_path(trial),
                f"refit {trial}": folder.retrained_model_path(trial, REFIT),
            }
            asked = {
                name: Prediction(path, rows, Path(place) / f"{name}.npy")
                for name, path in paths.items()
                if path.exists()
            }
            images = study_images(dataset, image_size_of(params[trial]))
            predict(PredictionTask(images, tuple(asked.values()), 2), lambda score: False)
            for name, one in asked.items():
                val, test = np.split(np.load(one.probabilities_path), [len(dataset.indices("val"))])
                found[name] = val, test
    return found


@click.command(cls=BenchmarkCommand)
@click.argument("study")
@click.option("--results", type=click.Path(path_type=Path), default="results", show_default=True)
def main(study: str, results: Path) -> None:
    """Compare averages of the models that STUDY has left."""
    folder = open_study(study, results)
    trials = sorted(folder.kept_models())
    params = {record.trial: record.params for record in folder.read_trials()}
    dataset = prepare_data(
        folder.read_status().config,
        image_sizes=[image_size_of(params[trial]) for trial in trials],
        observer=Observer(),
    )
    found = predict_all(folder, dataset, trials)
    val_labels = dataset.labels[dataset.indices("val")]
    is_clean = dataset.is_clean_test[dataset.positions("test")]
    labels = dataset.labels[dataset.indices("test")][is_clean]
    groups = dataset.bundles[dataset.positions("test")][is_clean]
    calibrated = {}
    for trial in trials:
        temperature = fit_temperature(val_labels, found[f"own {trial}"][0])
        for name in (f"own {trial}", f"refit {trial}"):
            if name in found:
                calibrated[name] = apply_temperature(found[name][1][is_clean], temperature)
    own = {name for name in calibrated if name.startswith("own")}
    click.echo(f"{len(labels):,} images of clean test")
    click.echo("| model | log loss | against the refit | accuracy |")
    click.echo("|---|---|---|---|")

    def show(name: str, predicted: FloatArray, other: FloatArray | None = None) -> None:
        apart = "" if other is None else difference(labels, predicted, other, "log_loss", groups)
        scores = score(labels, predicted)
        click.echo(f"| {name} | {scores.log_loss:.4f} | {apart} | {scores.accuracy:.4f} |")

    def mean(names: set[str]) -> FloatArray:
        averaged: FloatArray = np.mean([calibrated[name] for name in names], axis=0)
        return averaged

    for name in sorted(own):
        show(name, calibrated[name])
    show("mean of the own models", mean(own))
    for name in sorted(set(calibrated) - own):
        refit, itself = calibrated[name], name.replace("refit", "own")
        show(name, refit)
        show(f"{name} and own model", mean({name, itself}), refit)
        show(f"{name} and the others' own models", mean({name} | own - {itself}), refit)
    show("mean of the refits", mean(set(calibrated) - own))


if __name__ == "__main__":
    main()
