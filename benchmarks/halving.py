"""Which trials to stop: the same whole trainings, replayed under several rules.

    python -m benchmarks.halving breastmnist.npz --points 40 --budget 4 --budget 8

The default configuration and points near it, as a search begins with, are trained whole: on most
of what an outer fold leaves, scored on the rest of it, val, after each epoch. Then a search is
replayed many times, each time with the points in another order, and with the seconds of so many
whole trainings of the default. A rule stops trials by their values on val, and pays for the epochs
that it looks at. Of the trials that came to their end the best on val is chosen, and the best three
are averaged. Told is their log loss, with the best temperature in hindsight, on what the outer fold
holds out, and the first one's difference to autocnn's own rule. Test is never looked at.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from unittest.mock import patch

import click
import numpy as np

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.core.objective import Goal
from autocnn.data import prepare_data
from autocnn.data.split import make_folds
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.scores import score
from autocnn.selection.plan import cut_folds
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import Settings, image_size_of
from autocnn.spaces.space import SearchSpace
from autocnn.tuning.engines import halving
from autocnn.tuning.engines.optuna_engine import CHANGED_SHARE
from benchmarks.commands import BenchmarkCommand, epochs_option, image_size_option, space_option
from benchmarks.first_trials import change_point
from benchmarks.trainings import Training, bundles_of, train_all
from benchmarks.warm_refits import VAL_PARTS

NUM_ORDERS = 400

GLIMPSE = halving.RUNGS[0]
"""Share of its epochs for which each trial is trained before the best go on."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A trial that was trained whole.

    Attributes:
        values: The objective on val after each epoch, larger is better.
        seconds: What it has taken by the end of each epoch.
        epochs: Of its schedule, which it may have left early.
        warmup_epochs: Epochs in which its learning rate rises.
        predicted: (images, classes) Probabilities on what is held out.
    """

    values: tuple[float, ...]
    seconds: tuple[float, ...]
    epochs: int
    warmup_epochs: int
    predicted: FloatArray

    @property
    def best(self) -> float:
        """Its score: that of its best epoch."""
        return max(self.values)

    @property
    def glimpse(self) -> int:
        """The epoch until which each is trained before the best go on."""
        return min(len(self.values), max(1, round(GLIMPSE * self.epochs)))


Rule = Callable[[Sequence[Curve], float], list[Curve]]
"""From the curves in their order and the seconds, the trials that came to their end."""


def train_whole(curves: Sequence[Curve], budget_s: float) -> list[Curve]:
    """None is stopped."""
    sums = accumulate(curve.seconds[-1] for curve in curves)
    return [curve for curve, total in zip(curves, sums, strict=True) if total <= budget_s]


def halve(
    curves: Sequence[Curve],
    budget_s: float,
    *,
    factor: int,
    shares: tuple[float, ...] = halving.RUNGS,
    counts_first: bool = False,
) -> list[Curve]:
    """As the engine does: of each rung the best go on, and the start point always.

    Args:
        curves: The start point first.
        budget_s: Seconds.
        factor: One in so many goes on.
        shares: Of a schedule, where it stands at a rung.
        counts_first: Whether the others are compared with the start point too.
    """
    ended = []
    left = budget_s
    with patch.object(halving, "FACTOR", factor), patch.object(halving, "RUNGS", shares):
        rungs = halving.Halving(curves[0].epochs, maximize=True)
        for place, curve in enumerate(curves):
            is_behind, spent = False, 0.0
            for epoch, value in enumerate(curve.values, start=1):
                spent = curve.seconds[epoch - 1]
                if place or counts_first:
                    is_behind = rungs.is_behind(
                        epoch, value, epochs=curve.epochs, warmup_epochs=curve.warmup_epochs
                    )
                if (is_behind and place) or spent > left:
                    break
            else:
                ended.append(curve)
            left -= spent
            if left <= 0:
                break
    return ended


def keep_best(curves: Sequence[Curve], budget_s: float, *, number: int) -> list[Curve]:
    """All for a few epochs, then the best to their end: as many as there is time for.

    Args:
        curves: In their order.
        budget_s: Seconds.
        number: Trials that come to their end.
    """
    for begun in range(len(curves), number, -1):
        some = sorted(curves[:begun], key=lambda c: c.values[c.glimpse - 1], reverse=True)
        glimpses_s = sum(curve.seconds[curve.glimpse - 1] for curve in some[number:])
        if glimpses_s + sum(curve.seconds[-1] for curve in some[:number]) <= budget_s:
            return some[:number]
    return train_whole(curves, budget_s)


RULES: dict[str, Rule] = {
    "halving (autocnn)": partial(halve, factor=halving.FACTOR),
    "... the default counts": partial(halve, factor=halving.FACTOR, counts_first=True),
    "halving by 3": partial(halve, factor=3),
    "halving by 2, at half alone": partial(halve, factor=2, shares=(1 / 2,)),
    "halving by 3, at half alone": partial(halve, factor=3, shares=(1 / 2,)),
    "none is stopped": train_whole,
    "a sixth each, then the best": partial(keep_best, number=1),
    "a sixth each, then the best 3": partial(keep_best, number=3),
}


@click.command(cls=BenchmarkCommand)
@click.argument("data")
@space_option
@epochs_option
@image_size_option
@click.option("--points", type=click.IntRange(min=10), default=40, show_default=True)
@click.option(
    "--budget",
    "budgets",
    type=click.FloatRange(min=1),
    multiple=True,
    default=(4, 8),
    show_default=True,
    help="Whole trainings of the default; again for another.",
)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    data: str,
    space: str,
    epochs: int | None,
    image_size: int | None,
    points: int,
    budgets: Sequence[float],
    seed: int,
) -> None:
    """Compare rules that stop trials on DATA."""
    loaded = load_space(space)
    if image_size is not None:
        loaded = loaded.narrow("image_size", [image_size])
    curves, labels = train_points(data, loaded, epochs or loaded.epochs, points, seed=seed)

    @cache
    def loss_of(some: Hashable) -> float:
        assert isinstance(some, frozenset)
        mean = np.mean([curves[place].predicted for place in sorted(some)], axis=0)
        calibrated = apply_temperature(mean, fit_temperature(labels, mean))
        return score(labels, calibrated).log_loss or 0.0

    places = range(len(curves))
    print_correlations(curves, [loss_of(frozenset({place})) for place in places])
    rng = np.random.default_rng(seed)
    orders = [[0, *(1 + rng.permutation(len(curves) - 1))] for _ in range(NUM_ORDERS)]
    for budget in budgets:
        click.echo(f"\n{budget:g} whole trainings of the default, {NUM_ORDERS} orders:\n")
        click.echo("| rule | ended | on val | the best | against autocnn | mean of three |")
        click.echo("|---|---|---|---|---|---|")
        first: list[float] = []
        for name, rule in RULES.items():
            ended, values, chosen, means = [], [], [], []
            for order in orders:
                found = rule([curves[n] for n in order], budget * curves[0].seconds[-1])
                ranked = sorted(map(curves.index, found), key=lambda n: -curves[n].best)
                ended.append(len(ranked))
                values.append(abs(curves[ranked[0]].best))
                chosen.append(loss_of(frozenset(ranked[:1])))
                means.append(loss_of(frozenset(ranked[:3])))
            first = first or chosen
            apart = np.subtract(chosen, first)
            click.echo(
                f"| {name} | {np.mean(ended):.1f} | {np.mean(values):.4f} | {np.mean(chosen):.4f} "
                f"| {np.mean(apart):+.4f} (sd {np.std(apart):.4f}) | {np.mean(means):.4f} |"
            )


def train_points(
    data: str, space: SearchSpace, epochs: int, number: int, *, seed: int
) -> tuple[list[Curve], IntArray]:
    """The default first, then points near it, and the labels of what is held out.

    Those that fail are left out.

    Args:
        data: DATA, as for a search.
        space: The space.
        epochs: Of each schedule.
        number: Points.
        seed: Of all that is by chance.
    """
    default = dict(space.default)
    near = (
        change_point(space, default, np.random.default_rng((seed, n)), share=CHANGED_SHARE)
        for n in range(1, number)
    )
    points = [default, *near]
    config = StudyConfig(data=data)
    goal = Goal(config.objective)
    sizes = {image_size_of(point) for point in points}
    dataset = prepare_data(config, image_sizes=list(sizes), observer=Observer())
    fold = cut_folds(dataset, 3, repeats=1, seed=seed)[0]
    bundles = bundles_of(dataset, fold.train)
    part = make_folds(dataset.labels[fold.train], bundles, num_folds=VAL_PARTS, seed=seed)
    rows, val = fold.train[part != 1], fold.train[part == 1]
    trainings = [
        Training(f"point {n}", params, epochs, (seed, n), rows, fold.held_out, val=val)
        for n, params in enumerate(points)
    ]
    curves = []
    trained = train_all(dataset, trainings, may_fail=True, goal=goal)
    for params, one in zip(points, trained, strict=True):
        values = [goal.value_of(epoch.val) for epoch in one.history]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            continue
        spent = list(accumulate(epoch.seconds for epoch in one.history))
        start_s = max(0.0, one.seconds - spent[-1])
        curve = Curve(
            values=tuple(value if goal.maximize else -value for value in known),
            seconds=tuple(start_s + seconds for seconds in spent),
            epochs=epochs,
            warmup_epochs=Settings(params).integer("warmup_epochs"),
            predicted=one.predicted,
        )
        curves.append(curve)
    return curves, dataset.labels[fold.held_out]


def print_correlations(curves: Sequence[Curve], losses: Sequence[float]) -> None:
    """How well a glimpse, half of the epochs and the score on val tell how good a trial is."""
    from scipy.stats import spearmanr

    looks = {
        "a sixth of its epochs": [curve.values[curve.glimpse - 1] for curve in curves],
        "half": [curve.values[len(curve.values) // 2 - 1] for curve in curves],
        "its best epoch": [curve.best for curve in curves],
    }
    for name, values in looks.items():
        of_end = spearmanr(values, [curve.best for curve in curves]).statistic
        of_loss = spearmanr(values, [-loss for loss in losses]).statistic
        click.echo(
            f"val after {name}: rank correlation {of_end:.2f} with the score, {of_loss:.2f} with "
            "the log loss on what was held out"
        )


if __name__ == "__main__":
    main()
