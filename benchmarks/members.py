"""What averaging gives: more seeds of one configuration, its fold models, or both.

    python -m benchmarks.members brain --space mri

Of each of some outer folds nothing is seen by any member. Refits learn from all the rest, each with
another seed; fold models from the rest without one inner fold, as those do that compare finalists.
Each average is judged by calibrated log loss and accuracy of what the outer folds hold out, against
one refit, by group. Test is never looked at.
"""

from collections.abc import Iterator, Sequence

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
from benchmarks.commands import BenchmarkCommand, epochs_option, space_option
from benchmarks.trainings import Training, bundles_of, difference, train_all


@click.command(cls=BenchmarkCommand)
@click.argument("data")
@space_option
@epochs_option
@click.option("--outer", type=click.IntRange(min=2), default=3, show_default=True)
@click.option("--refits", type=click.IntRange(min=2), default=4, show_default=True)
@click.option("--folds", type=click.IntRange(min=2), default=3, show_default=True)
def main(data: str, space: str, epochs: int | None, outer: int, refits: int, folds: int) -> None:
    """Compare averages of members with one refit, on outer folds of DATA."""
    loaded = load_space(space)
    params, refit_names = dict(loaded.start[0]), [f"refit {n + 1}" for n in range(refits)]
    fold_names = [f"fold {n + 1}" for n in range(folds)]
    config = StudyConfig(data=data)
    dataset = prepare_data(config, image_sizes=[image_size_of(params)], observer=Observer())
    cuts = cut_folds(dataset, outer, repeats=1, seed=0)
    rows = np.concatenate([cut.held_out for cut in cuts])
    labels, groups = dataset.labels[rows], bundles_of(dataset, rows)

    def members() -> Iterator[Training]:
        for cut in cuts:
            part = make_folds(
                dataset.labels[cut.train], bundles_of(dataset, cut.train), num_folds=folds, seed=0
            )
            rows = [cut.train] * refits + [cut.train[part != n] for n in range(folds)]
            for number, (name, seen) in enumerate(zip(refit_names + fold_names, rows, strict=True)):
                seed = (cut.number, number)
                yield Training(name, params, epochs or loaded.epochs, seed, seen, cut.held_out)

    trainings = list(members())
    trained = list(zip(trainings, train_all(dataset, trainings), strict=True))

    def average(names: Sequence[str]) -> FloatArray:
        of_cuts = [
            [
                one.predicted
                for member, one in trained
                if member.name in names and member.seed[0] == n
            ]
            for n in (cut.number for cut in cuts)
        ]
        raw = np.concatenate([np.mean(predicted, axis=0) for predicted in of_cuts])
        return apply_temperature(raw, fit_temperature(labels, raw))

    averages = {
        "one refit": refit_names[:1],
        "one fold model": fold_names[:1],
        **{f"{n} refits": refit_names[:n] for n in range(2, refits + 1)},
        f"{folds} fold models": fold_names,
        f"one refit and {folds} fold models": refit_names[:1] + fold_names,
        f"{refits} refits and {folds} fold models": refit_names + fold_names,
    }
    one = average(refit_names[:1])
    click.echo("| average of | log loss | against one refit | accuracy | against one refit |")
    click.echo("|---|---|---|---|---|")
    for name, names in averages.items():
        predicted = average(names)
        scores, apart = score(labels, predicted), ["", ""]
        if name != "one refit":
            apart = [
                difference(labels, predicted, one, metric, groups)
                for metric in ("log_loss", "accuracy")
            ]
        click.echo(
            f"| {name} | {scores.log_loss:.4f} | {apart[0]} | {scores.accuracy:.4f} | {apart[1]} |"
        )


if __name__ == "__main__":
    main()
