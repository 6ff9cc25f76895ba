"""One question at a time: the same folds, trained with and without a change.

    python -m benchmarks.folds brain --space mri --arm now --arm long:epochs=32 --arm wide:width=32

An arm is NAME or NAME:knob=value,...: the space's default configuration with those knobs; `epochs`
is no knob, but may stand there too. All arms train on the same folds with the same seeds, in turn,
so that a machine that becomes slower does so for all. They are judged by the calibrated log loss
of the held-out images, which tells more than the accuracy of so few: the difference from the first
arm with its 95 % interval, by group; and by worker-seconds. Test is never looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import click
import numpy as np

from autocnn.core.config import StudyConfig
from autocnn.core.errors import did_you_mean
from autocnn.core.events import Observer
from autocnn.core.records import ParamValue
from autocnn.data import prepare_data
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.scores import score
from autocnn.selection.plan import cut_folds
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import KNOBS, image_size_of
from benchmarks.commands import BenchmarkCommand, epochs_option, space_option
from benchmarks.trainings import Training, bundles_of, difference, train_all


@dataclass(frozen=True)
class Arm:
    """A way to train.

    Attributes:
        name: Of the arm.
        params: Of its network and training.
        epochs: Of its schedule.
    """

    name: str
    params: Mapping[str, ParamValue]
    epochs: int


def read_arm(text: str, params: Mapping[str, ParamValue], epochs: int) -> Arm:
    """An arm as it is written on the command line.

    >>> read_arm("wide:width=32,epochs=25", {"width": 24}, 20)
    Arm(name='wide', params={'width': 32}, epochs=25)

    Raises:
        click.BadParameter: When it names a knob that is none: both arms would be the same.
    """
    name, _, changes = text.partition(":")
    arm = Arm(name, dict(params), epochs)
    for change in filter(None, changes.split(",")):
        key, _, value = change.partition("=")
        if key == "epochs":
            arm = replace(arm, epochs=int(value))
        elif key not in KNOBS:
            remedy = did_you_mean(key, KNOBS)
            raise click.BadParameter(f"{key} is no knob. {remedy}".strip(), param_hint="--arm")
        else:
            arm = replace(arm, params={**arm.params, key: _value(value)})
    return arm


def _value(text: str) -> ParamValue:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@click.command(cls=BenchmarkCommand)
@click.argument("data")
@space_option
@epochs_option
@click.option("--folds", "num_folds", type=click.IntRange(min=2), default=3, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True)
@click.option(
    "--disturbed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Images of each fold that are disturbed.",
)
@click.option(
    "--mirror", is_flag=True, help="A row more per arm: averaged with the mirrored image."
)
@click.option("--arm", "texts", multiple=True, required=True, help="NAME or NAME:knob=value,...")
def main(
    data: str,
    space: str,
    epochs: int | None,
    num_folds: int,
    seeds: int,
    disturbed: int,
    mirror: bool,
    texts: Sequence[str],
) -> None:
    """Train arms on the folds of DATA; compare them with the first."""
    loaded = load_space(space)
    arms = [read_arm(text, loaded.start[0], epochs or loaded.epochs) for text in texts]
    sizes = {image_size_of(arm.params) for arm in arms}
    dataset = prepare_data(StudyConfig(data=data), image_sizes=list(sizes), observer=Observer())
    folds = cut_folds(dataset, num_folds, repeats=1, seed=0)
    parts = list(product(range(seeds), folds, arms))
    trained = train_all(
        dataset,
        [
            Training(
                f"{arm.name}, fold {fold.number}, seed {seed}",
                arm.params,
                arm.epochs,
                (seed, fold.number),
                fold.train,
                fold.held_out,
            )
            for seed, fold, arm in parts
        ],
        num_disturbed=disturbed,
        mirror=mirror,
    )
    # The same image with another seed is the same image: its group counts once.
    rows = np.tile(np.concatenate([fold.held_out for fold in folds]), seeds)
    labels, groups = dataset.labels[rows], bundles_of(dataset, rows)
    click.echo(
        "| arm | log loss | against the first | accuracy | against | lost | worker-seconds |"
    )
    click.echo("|---|---|---|---|---|---|---|")
    first = None
    for number, arm in enumerate(arms):
        ours = trained[number :: len(arms)]
        raw = np.concatenate([one.predicted for one in ours])
        answers = {arm.name: raw}
        if mirror:
            turned = np.concatenate([one.mirrored for one in ours if one.mirrored is not None])
            answers[f"{arm.name}, and mirrored"] = (raw + turned) / 2
        drop, seconds = np.mean([one.drop for one in ours]), sum(one.seconds for one in ours)
        for name, answer in answers.items():
            predicted = apply_temperature(answer, fit_temperature(labels, answer))
            scores, apart = score(labels, predicted), ["", ""]
            if first is None:
                first = predicted
            else:
                apart = [
                    difference(labels, predicted, first, metric, groups)
                    for metric in ("log_loss", "accuracy")
                ]
            click.echo(
                f"| {name} | {scores.log_loss:.4f} | {apart[0]} | {scores.accuracy:.4f} "
                f"| {apart[1]} | {drop:.3f} | {seconds:.0f} |"
            )


if __name__ == "__main__":
    main()
