"""Where a search should begin: points by chance, or the default configuration with some changes.

    python -m benchmarks.first_trials digits --points 20 --share 0.15 --share 0.35
    python -m benchmarks.first_trials digits --share 0.35 --keep architecture

Each way draws as many points of the space. All of them are trained on the same part and judged by
the calibrated log loss of the same held-out part, as the default configuration is, three times with
other seeds. Printed are how many are better than the default's mean, the median, the best of five
and of ten to be expected, and the seconds. Test is never looked at.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

import click
import numpy as np

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.core.records import Params, ParamValue
from autocnn.data import prepare_data
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.scores import score
from autocnn.selection.plan import cut_folds
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import Group, image_size_of
from autocnn.spaces.space import AnyParameter, Categorical, Float, Int, SearchSpace
from benchmarks.commands import BenchmarkCommand, epochs_option, image_size_option, space_option
from benchmarks.trainings import Training, train_all

Draw = Callable[[np.random.Generator], dict[str, ParamValue]]
DEFAULTS = 3


def draw_point(space: SearchSpace, rng: np.random.Generator) -> dict[str, ParamValue]:
    """A point by chance.

    Args:
        space: The space.
        rng: Of all that is by chance.
    """
    return space.walk(lambda parameter: _draw(parameter, rng))


def change_point(
    space: SearchSpace,
    point: Params,
    rng: np.random.Generator,
    *,
    share: float,
    kept: str | None = None,
) -> dict[str, ParamValue]:
    """A point near another one: each of its params is drawn anew with probability `share`.

    At least one that has another value to take is drawn. What becomes active by a change, and
    has no value in `point`, is drawn.

    Args:
        space: The space.
        point: A full point of it.
        rng: Of all that is by chance.
        share: From 0 to 1.
        kept: Group of params that are not drawn.
    """
    able = [
        p.name
        for p in space.parameters
        if p.name in point and p.group != kept and p.values != (point[p.name],)
    ]
    changed = {name for name in able if rng.random() < share}
    if able and not changed:
        changed = {able[rng.integers(len(able))]}

    def pick(parameter: AnyParameter) -> ParamValue:
        if parameter.name in point and parameter.name not in changed:
            return point[parameter.name]
        return _draw(parameter, rng)

    return space.walk(pick)


def _draw(parameter: AnyParameter, rng: np.random.Generator) -> ParamValue:
    match parameter:
        case Categorical():
            return parameter.choices[rng.integers(len(parameter.choices))]
        case Int():
            values = parameter.values
            if not parameter.log:
                return values[int(rng.integers(len(values)))]
            low, high = math.log(parameter.low - 0.5), math.log(parameter.high + 0.5)
            return round(math.exp(rng.uniform(low, high)))
        case Float():
            if parameter.log:
                return math.exp(rng.uniform(math.log(parameter.low), math.log(parameter.high)))
            return float(rng.uniform(parameter.low, parameter.high))


@click.command(cls=BenchmarkCommand)
@click.argument("data")
@space_option
@epochs_option
@image_size_option
@click.option("--points", type=click.IntRange(min=10), default=20, show_default=True)
@click.option("--share", "shares", type=float, multiple=True, default=(0.15, 0.35))
@click.option(
    "--keep",
    "kept_groups",
    type=click.Choice(get_args(Group)),
    multiple=True,
    help="Also draw without the params of such a group.",
)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    data: str,
    space: str,
    epochs: int | None,
    image_size: int | None,
    points: int,
    shares: Sequence[float],
    kept_groups: Sequence[str],
    seed: int,
) -> None:
    """Compare ways to draw the first points of a search on DATA."""
    loaded = load_space(space)
    if image_size is not None:
        loaded = loaded.narrow("image_size", [image_size])
    default = dict(loaded.default)
    ways: dict[str, Draw] = {"chance": partial(draw_point, loaded)}
    for share in shares:
        ways[f"{share:g} changed"] = partial(change_point, loaded, default, share=share)
        for group in kept_groups:
            ways[f"{share:g} changed, {group} kept"] = partial(
                change_point, loaded, default, share=share, kept=group
            )
    drawn = {
        name: [draw(np.random.default_rng((seed, number))) for number in range(points)]
        for name, draw in ways.items()
    }
    named = [("default", default)] * DEFAULTS
    named += [(name, drawn[name][number]) for number in range(points) for name in drawn]
    sizes = {image_size_of(point) for _, point in named}
    dataset = prepare_data(StudyConfig(data=data), image_sizes=list(sizes), observer=Observer())
    fold = cut_folds(dataset, 3, repeats=1, seed=seed)[0]
    length = epochs or loaded.epochs
    trainings = [
        Training(f"{name} {number}", params, length, (seed, number), fold.train, fold.held_out)
        for number, (name, params) in enumerate(named)
    ]
    trained = train_all(dataset, trainings, may_fail=True)
    labels = dataset.labels[fold.held_out]
    losses: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for (name, _), one in zip(named, trained, strict=True):
        losses.setdefault(name, []).append(_loss(labels, one.predicted))
        seconds.setdefault(name, []).append(one.seconds)
    bar = float(np.mean(losses["default"]))
    click.echo("| points | better than the default | median | best of 5 | best of 10 | seconds |")
    click.echo("|---|---|---|---|---|---|")
    for name, found in losses.items():
        better = sum(loss < bar for loss in found)
        click.echo(
            f"| {name} | {better} of {len(found)} | {np.median(found):.4f} | {_best(found, 5):.4f} "
            f"| {_best(found, 10):.4f} | {np.median(seconds[name]):.0f} |"
        )


def _loss(labels: IntArray, predicted: FloatArray) -> float:
    """Log loss after calibration; a training that failed knows nothing."""
    calibrated = apply_temperature(predicted, fit_temperature(labels, predicted))
    loss = score(labels, calibrated).log_loss
    return math.inf if loss is None else loss


def _best(losses: Sequence[float], number: int) -> float:
    """The best of so many to be expected, drawn without return."""
    rng = np.random.default_rng(0)
    number = min(number, len(losses))
    return float(np.mean([rng.choice(losses, number, replace=False).min() for _ in range(2000)]))


if __name__ == "__main__":
    main()
