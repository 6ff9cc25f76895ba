"""Whether epochs may begin on smaller images: `python -m benchmarks.small_first DATA`.

Networks that see images of one size for all of their epochs, against networks that see smaller ones
for the first part and then, with the weights that they have, those of that size. Each part has a
schedule of its own. Judged by calibrated log loss and accuracy of what an outer fold holds out, by
group; paired with the mean of the first ones. Test is never looked at.
"""

from collections.abc import Iterator

import click
import numpy as np

from autocnn.core.arrays import FloatArray
from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.data import prepare_data
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.scores import score
from autocnn.selection.plan import cut_folds
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import image_size_of
from benchmarks.commands import BenchmarkCommand, space_option
from benchmarks.trainings import Training, bundles_of, difference, train_all


@click.command(cls=BenchmarkCommand)
@click.argument("data")
@space_option
@click.option(
    "--size", type=click.IntRange(min=8), default=64, help="Of the smaller images, in px."
)
@click.option("--share", type=click.FloatRange(0, 1), default=0.6, help="Of the epochs, on these.")
@click.option("--outer", type=click.IntRange(min=2), default=3, show_default=True)
@click.option("--fold", type=click.IntRange(min=1), default=2, help="The one that is held out.")
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True)
def main(data: str, space: str, size: int, share: float, outer: int, fold: int, seeds: int) -> None:
    """Compare networks that begin on smaller images with others, on an outer fold of DATA."""
    loaded = load_space(space)
    params = dict(loaded.start[0])
    first = round(share * loaded.epochs)
    dataset = prepare_data(
        StudyConfig(data=data), image_sizes=[image_size_of(params), size], observer=Observer()
    )
    cuts = cut_folds(dataset, outer, repeats=1, seed=0)
    if fold > len(cuts):
        raise click.UsageError(f"--fold must be one of {len(cuts)} outer folds, got {fold}.")
    cut = cuts[fold - 1]
    labels, groups = dataset.labels[cut.held_out], bundles_of(dataset, cut.held_out)

    def plan() -> Iterator[Training]:
        small = {**params, "image_size": size}
        rows = cut.train, cut.held_out
        for n in range(seeds):
            yield Training("one size", params, loaded.epochs, (n, 0), *rows)
            yield Training("smaller", small, first, (n, 1), *rows)
            yield Training("small first", params, loaded.epochs - first, (n, 2), *rows, 3 * n + 1)

    trainings = list(plan())
    trained = list(zip(trainings, train_all(dataset, trainings), strict=True))

    def calibrated(raw: FloatArray) -> FloatArray:
        return apply_temperature(raw, fit_temperature(labels, raw))

    def mean(name: str) -> FloatArray:
        return calibrated(np.mean([t.predicted for one, t in trained if one.name == name], axis=0))

    click.echo(
        "| images | log loss of each | of their mean | against one size | accuracy | seconds |"
    )
    click.echo("|---|---|---|---|---|---|")
    for name in ("one size", "small first"):
        each = [calibrated(t.predicted) for one, t in trained if one.name == name]
        losses = ", ".join(f"{score(labels, one).log_loss:.3f}" for one in each)
        scores, apart = score(labels, mean(name)), ""
        if name != "one size":
            apart = difference(labels, mean(name), mean("one size"), "log_loss", groups)
        counted = [name, *(["smaller"] if name == "small first" else [])]
        seconds = sum(t.seconds for one, t in trained if one.name in counted)
        click.echo(
            f"| {name} | {losses} | {scores.log_loss:.4f} | {apart} | {scores.accuracy:.4f} "
            f"| {seconds:.0f} |"
        )


if __name__ == "__main__":
    main()
