"""Whether refits may begin with the weights of the trial: `python -m benchmarks.warm_refits DATA`.

Of each outer fold nothing is seen by any network. A trial learns from six sevenths of the rest, as
it does from train without val. Refits from scratch learn from all the rest, each with another seed;
warm ones too, but with fewer epochs, from the weights that the trial has ended with. The trial's
own model is averaged with them too, as it costs no more training. Judged by calibrated log loss
and accuracy of what the outer folds hold out, by group. Test is never looked at.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import click
import numpy as np

from autocnn.core.arrays import FloatArray
from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.data import prepare_data
from autocnn.data.split import make_folds
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.scores import score
from autocnn.selection.plan import cut_folds
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import image_size_of
from benchmarks.commands import BenchmarkCommand, space_option
from benchmarks.trainings import Training, bundles_of, difference, train_all

VAL_PARTS = 7
"""One part in so many is val."""


@click.command(cls=BenchmarkCommand)
@click.argument("data")
@space_option
@click.option("--outer", type=click.IntRange(min=2), default=3, show_default=True)
@click.option("--cuts", type=click.IntRange(min=1), default=3, help="Outer folds that are used.")
@click.option("--refits", type=click.IntRange(min=2), default=3, show_default=True)
@click.option(
    "--share",
    "shares",
    type=click.FloatRange(0, 1),
    multiple=True,
    default=[0.4],
    help="Of the epochs, if warm; again for another.",
)
def main(
    data: str, space: str, outer: int, cuts: int, refits: int, shares: tuple[float, ...]
) -> None:
    """Compare refits from scratch with warm ones on outer folds of DATA."""
    loaded = load_space(space)
    params, epochs = dict(loaded.start[0]), loaded.epochs
    dataset = prepare_data(
        StudyConfig(data=data), image_sizes=[image_size_of(params)], observer=Observer()
    )
    used = cut_folds(dataset, outer, repeats=1, seed=0)[:cuts]
    rows = np.concatenate([cut.held_out for cut in used])
    labels, groups = dataset.labels[rows], bundles_of(dataset, rows)
    numbers = range(1, refits + 1)

    def plan() -> Iterator[Training]:
        for place, cut in enumerate(used):
            bundles = bundles_of(dataset, cut.train)
            part = make_folds(dataset.labels[cut.train], bundles, num_folds=VAL_PARTS, seed=0)
            per_cut = 1 + (1 + len(shares)) * refits
            trial = place * per_cut
            seen, held_out = cut.train, cut.held_out
            seeds = ((cut.number, number) for number in range(per_cut))
            yield Training("trial", params, epochs, next(seeds), seen[part != 1], held_out)
            for n in numbers:
                yield Training(f"scratch {n}", params, epochs, next(seeds), seen, held_out)
            for share, n in product(shares, numbers):
                fewer = max(1, round(share * epochs))
                name = f"warm {share:g} {n}"
                yield Training(name, params, fewer, next(seeds), seen, held_out, trial)

    trainings = list(plan())
    trained = list(zip(trainings, train_all(dataset, trainings), strict=True))

    def average(names: Sequence[str]) -> FloatArray:
        of_cuts = [
            np.mean(
                [t.predicted for one, t in trained if one.name in names and one.seed[0] == number],
                axis=0,
            )
            for number in (cut.number for cut in used)
        ]
        raw = np.concatenate(of_cuts)
        return apply_temperature(raw, fit_temperature(labels, raw))

    averages = {"the trial": ["trial"]}
    kinds = {"from scratch": [f"scratch {n}" for n in numbers]}
    for share in shares:
        kinds[f"warm, {share:g} of the epochs"] = [f"warm {share:g} {n}" for n in numbers]
    for (kind, names), number in product(kinds.items(), numbers):
        averages[f"{number} {kind}"] = names[:number]
        averages[f"the trial and {number} {kind}"] = ["trial", *names[:number]]
    one = average(["scratch 1"])
    click.echo("| average of | log loss | against one refit | accuracy | worker-seconds |")
    click.echo("|---|---|---|---|---|")
    for name, names in averages.items():
        predicted = average(names)
        scores, apart = score(labels, predicted), ""
        if names != ["scratch 1"]:
            apart = difference(labels, predicted, one, "log_loss", groups)
        seconds = sum(t.seconds for member, t in trained if member.name in names)
        click.echo(
            f"| {name} | {scores.log_loss:.4f} | {apart} | {scores.accuracy:.4f} | {seconds:.0f} |"
        )


if __name__ == "__main__":
    main()
