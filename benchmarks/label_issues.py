"""Planted wrong labels: how many are found, beside confident learning.

    python -m benchmarks.label_issues digits --seeds 3
    python -m benchmarks.label_issues images/ --image-size 64 --epochs 12
    python -m benchmarks.label_issues images/ --space mri --params image_size=64
    python -m benchmarks.label_issues images/ --space transfer --weights FILE

A share of the labels of train is changed at random; autocnn's own networks, the space's default
configuration, are trained on the folds; what they say of the images that they have not seen is
ranked by `doubt_labels`, and by how little probable the label is without temperature and copies, as
confident learning has it. *Precision* of a ranking is how many of the first are wrong, of as many
as were changed (which is the recall there too); *found* is what a method picks by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import click
import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import DoubleArray, IntArray
from autocnn.core.config import IMAGENET, StudyConfig
from autocnn.core.events import Observer
from autocnn.data import Dataset, prepare_data
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.label_issues import confident_learning, doubt_labels
from autocnn.selection.label_issues import copy_numbers
from autocnn.selection.plan import cut_folds
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import image_size_of, is_frozen
from benchmarks.commands import BenchmarkCommand, space_option
from benchmarks.folds import Arm, read_arm
from benchmarks.trainings import Training, train_all


@dataclass(frozen=True, eq=False)
class Predicted:
    """What models say of n images of train that they have not seen.

    Attributes:
        labels: (n,) Some of them changed.
        is_wrong: (n,) Which.
        probabilities: (networks, n, classes), before any temperature.
        copies: (n,) The same number for images that show the same.
    """

    labels: IntArray
    is_wrong: NDArray[np.bool_]
    probabilities: DoubleArray
    copies: IntArray


def change_labels(dataset: Dataset, share: float, *, seed: int) -> Dataset:
    """A share of the labels of train changed, each to another class at random."""
    train, rng = dataset.positions("train"), np.random.default_rng((seed, 5))
    changed = rng.permutation(train)[: round(share * len(train))]
    labels, rows = dataset.table.labels.copy(), dataset.labels.copy()
    steps = rng.integers(1, dataset.num_classes, len(changed))
    labels[changed] = (labels[changed] + steps) % dataset.num_classes
    rows[dataset.rows] = labels
    return replace(dataset, labels=rows, table=replace(dataset.table, labels=labels))


def predict_unseen(
    dataset: Dataset, arm: Arm, *, networks: int, seed: int, share: float, weights: str = IMAGENET
) -> Predicted:
    """Train on the folds of changed labels, and predict what each holds out."""
    noisy = change_labels(dataset, share, seed=seed)
    folds = cut_folds(noisy, 3, repeats=1, seed=seed)
    trained = train_all(
        noisy,
        [
            Training(
                f"seed {seed}, network {number}, fold {fold.number}",
                arm.params,
                arm.epochs,
                (seed, number, fold.number),
                fold.train,
                fold.held_out,
            )
            for number in range(networks)
            for fold in folds
        ],
        weights=weights,
    )
    held = dataset.position_of[np.concatenate([fold.held_out for fold in folds])]
    step = len(folds)
    return Predicted(
        labels=noisy.table.labels[held],
        is_wrong=noisy.table.labels[held] != dataset.table.labels[held],
        probabilities=np.stack(
            [
                np.concatenate([one.predicted for one in trained[first : first + step]])
                for first in range(0, len(trained), step)
            ]
        ),
        copies=copy_numbers(dataset)[held],
    )


def compare_methods(found: Predicted) -> list[tuple[str, float, int, float, float]]:
    """Method, precision of its ranking, how many it picks, their precision and their recall."""
    labels, is_wrong = found.labels, found.is_wrong
    raw = found.probabilities.mean(axis=0).astype(np.float64)
    raw /= raw.sum(axis=1, keepdims=True)
    calibrated = np.mean(
        [apply_temperature(one, fit_temperature(labels, one)) for one in found.probabilities],
        axis=0,
    )
    number = int(is_wrong.sum())

    def measure(
        name: str, order: IntArray, picked: NDArray[np.bool_]
    ) -> tuple[str, float, int, float, float]:
        hits = int(is_wrong[picked].sum())
        precision = hits / max(1, int(picked.sum()))
        return name, is_wrong[order[:number]].mean(), int(picked.sum()), precision, hits / number

    own = raw[np.arange(len(labels)), labels]
    alone = doubt_labels(labels, calibrated)
    ours = doubt_labels(labels, calibrated, copies=found.copies)
    return [
        measure(
            "confident learning", np.argsort(own, kind="stable"), confident_learning(labels, raw)
        ),
        measure("autocnn, copies apart", alone.order, alone.is_suspect),
        measure("autocnn", ours.order, ours.is_suspect),
    ]


def print_rows(data: str, results: Sequence[list[tuple[str, float, int, float, float]]]) -> None:
    """The means over the seeds, as Markdown."""
    for rows in zip(*results, strict=True):
        ranked, picked, precision, recall = np.mean([row[1:] for row in rows], axis=0)
        click.echo(
            f"| {data} | {rows[0][0]} | {ranked:.3f} | {picked:.0f} | {precision:.3f} "
            f"| {recall:.3f} |"
        )


@click.command(cls=BenchmarkCommand)
@click.argument("data")
@space_option
@click.option("--params", "changes", default="", help="knob=value,... beside the default's.")
@click.option("--image-size", type=int, help="Default: the space's, or chosen from the data.")
@click.option("--epochs", type=int, help="Default: the space's.")
@click.option("--networks", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--weights", default=IMAGENET, help="File of pretrained weights.")
@click.option("--share", type=float, default=0.05, show_default=True, help="Labels to change.")
def main(
    data: str,
    space: str,
    changes: str,
    image_size: int | None,
    epochs: int | None,
    networks: int,
    seeds: int,
    weights: str,
    share: float,
) -> None:
    """Change some labels of DATA, and look for them."""
    loaded = load_space(space)
    arm = read_arm(f"default:{changes}", loaded.start[0], epochs or loaded.epochs)
    if is_frozen(arm.params):
        arm = replace(arm, epochs=1)  # a second one would see the same features again
    config = StudyConfig(data=data, image_size=image_size)
    sizes = [image_size_of(arm.params)]
    dataset = prepare_data(config, image_sizes=sizes, observer=Observer())
    results = []
    for seed in range(seeds):
        found = predict_unseen(
            dataset, arm, networks=networks, seed=seed, share=share, weights=weights
        )
        right = found.probabilities.mean(axis=0).argmax(axis=1) == found.labels
        click.echo(
            f"seed {seed}: {found.is_wrong.sum()} of {len(found.labels):,} labels changed, of the "
            f"others {right[~found.is_wrong].mean():.3f} predicted",
            err=True,
        )
        results.append(compare_methods(found))
    click.echo("| data | method | precision of the first | found | precision | recall |")
    click.echo("|---|---|---|---|---|---|")
    print_rows(data, results)


if __name__ == "__main__":
    main()
