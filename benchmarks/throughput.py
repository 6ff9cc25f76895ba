"""Images trained per second: `python -m benchmarks.throughput`.

A study trains the start point of the default space, once per worker, with augmentation;
by hand one process trains the same network on the same images with Keras's layers. The
programs take turns; each trains several epochs, and the first one of each is left out.
Both score the val split after each epoch; a study scores train images as well.

The study can also be told how to share the machine: what it chose is compared with
the alternatives, workers x threads and precision.
"""

import contextlib
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from autocnn.core.config import Precision, StudyConfig
from autocnn.core.events import Observer
from autocnn.core.records import EpochScore
from autocnn.execution.machine import Machine, Resources, share_machine
from autocnn.study.run import search
from benchmarks.images import write_image_folder
from benchmarks.processes import QUIET, ROOT, module_command, quiet_environment
from benchmarks.report import Figure, Options, Samples, print_progress, print_table, run_benchmarks
from benchmarks.spaces import default_point, write_point

EPOCHS = 2
NUM_TRAIN = {64: 1536, 96: 1024}
"""Images per epoch by side in px: whole batches of the start point's 64."""

REPEATS = {64: 2, 96: 1}
SHARING_REPEATS = 2

NUM_VAL, NUM_TEST = 256, 64
SHARING_SIDE, SHARING_TRAIN = 64, 256
"""Fewer images to compare ways to share the machine: some are slow."""

HOPELESS = 0.5
"""A way to share the machine that reaches less of the chosen one's speed is tried once."""

LEAST_RATIO = 2.0
LEAST_OF_BEST = 0.95

Policy = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: dict[Policy, Precision] = {
    "float32": "float32",
    "mixed_bfloat16": "bfloat16",
    "mixed_float16": "float16",
}
"""Keras's dtype policy -> the value of --precision."""

PLACES = {
    "map": "by hand, augmentation in Dataset.map",
    "model": "by hand, augmentation in the model",
}


@dataclass(frozen=True)
class Work:
    """What every program is to train.

    Attributes:
        images: Folder with train, val and test.
        num_train: Images per epoch.
        side: Of the images, px.
        space: File of the one-point space.
        epochs: Per trial.
        work_dir: For studies and the cache.
    """

    images: Path
    num_train: int
    side: int
    space: Path
    epochs: int
    work_dir: Path


@dataclass(frozen=True)
class HandRates:
    """Images per second of training by hand.

    Attributes:
        epochs: For each epoch but the first, from end to end.
        steps: The same epochs, between their first and last step: without val and without
            what TensorFlow does where an epoch ends and begins.
    """

    epochs: tuple[float, ...]
    steps: tuple[float, ...]


def measure(options: Options) -> list[Figure]:
    """Compare a study with training by hand, and its resources with the alternatives."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    figures = []
    with by_hand_process() as by_hand:
        for side, num_train in NUM_TRAIN.items():
            work = _prepare(options, "by-hand", side, options.size(num_train, 256))
            figures.append(_compare_by_hand(options, work, by_hand))
    work = _prepare(options, "sharing", SHARING_SIDE, options.size(SHARING_TRAIN, 64))
    figures.append(_compare_sharing(options, work))
    return figures


def _prepare(options: Options, name: str, side: int, num_train: int) -> Work:
    work_dir = options.work_dir / f"{name}-{side}"
    counts = {"train": num_train, "val": options.size(NUM_VAL, 64), "test": NUM_TEST}
    print_progress(f"throughput: drawing {sum(counts.values()):,} images of {side} px")
    return Work(
        images=write_image_folder(work_dir / "images", counts, side=side, channels=3),
        num_train=num_train,
        side=side,
        space=write_point(work_dir / "point.yaml", default_point()),
        epochs=options.size(EPOCHS, 2),
        work_dir=work_dir,
    )


def _compare_by_hand(options: Options, work: Work, by_hand: "subprocess.Popen[str]") -> Figure:
    """A study and both ways to write it by hand, in turn."""
    chosen = chosen_resources()
    study: list[float] = []
    hand: dict[str, list[HandRates]] = {place: [] for place in PLACES}
    for repeat in range(options.repeats_or(REPEATS[work.side])):
        print_progress(f"throughput: {work.side} px, repeat {repeat + 1}")
        study += study_rates(work, chosen)
        for place, rates in hand.items():
            rates.append(hand_rates(by_hand, work, place))
    best_hand = max(Samples.of(_epochs_of(rates)).median for rates in hand.values())

    def row(name: str, values: list[float]) -> tuple[str, str, str]:
        samples = Samples.of(values)
        return name, samples.text(0), f"{samples.median / best_hand:.2f}"

    rows = [row("study", study)]
    for place, rates in hand.items():
        rows.append(row(PLACES[place], _epochs_of(rates)))
        rows.append(row("  its steps alone", [rate for r in rates for rate in r.steps]))
    print_table(
        f"THROUGHPUT: {work.num_train:,} images of {work.side} px RGB, {work.epochs} epochs, "
        "images/s from the second epoch on",
        ("program", "images/s", "ratio to the better by hand"),
        rows,
        (
            f"Study: {_describe(chosen)}; by hand: one process, TensorFlow's threads, float32.",
            "Steps alone: without val, and without the ends of tf.data's iterators.",
        ),
    )
    ratio = Samples.of(study).median / best_hand
    name = f"throughput at {work.side} px, study / by hand"
    return Figure(name, ratio, " x", least=LEAST_RATIO)


def _compare_sharing(options: Options, work: Work) -> Figure:
    """The ways in which a study can share the machine, in turn."""
    chosen = chosen_resources()
    rates: dict[Resources, list[float]] = {
        way: [] for way in [chosen, *_alternatives(options, chosen)]
    }
    for repeat in range(options.repeats_or(SHARING_REPEATS)):
        print_progress(f"throughput: sharing the machine, repeat {repeat + 1}")
        for way, values in rates.items():
            if not values or max(values) > HOPELESS * max(rates[chosen]):
                values += study_rates(work, way)
    medians = {way: Samples.of(values).median for way, values in rates.items()}
    print_table(
        f"THROUGHPUT: how a study shares the machine, {work.num_train:,} images of {work.side} px",
        ("workers x threads, precision", "images/s", "ratio to chosen"),
        [
            (
                _describe(way) + ("  <- chosen" if way == chosen else ""),
                Samples.of(values).text(0),
                f"{medians[way] / medians[chosen]:.2f}",
            )
            for way, values in rates.items()
        ],
    )
    name = "throughput of the way chosen to share / of the best way"
    value = medians[chosen] / max(medians.values())
    return Figure(name, value, " x", least=LEAST_OF_BEST)


def chosen_resources() -> Resources:
    """What a study takes when it is left to choose, with more trials than workers."""
    machine = Machine.inspect()
    return share_machine(machine, trials=1000, workers=None, threads=None, precision="auto")


def _alternatives(options: Options, chosen: Resources) -> list[Resources]:
    """Many workers or one, float32 or half precision, without what was chosen."""
    processors = Machine.inspect().num_cpus
    shares = {(chosen.workers, chosen.threads), (processors, 1), (1, processors)}
    policies: tuple[Policy, ...] = ("float32", "mixed_bfloat16")
    if options.is_quick:
        policies = (chosen.precision,)  # an emulated one takes minutes
    ways = [
        replace(chosen, workers=workers, threads=threads, precision=policy)
        for (workers, threads), policy in itertools.product(sorted(shares), policies)
    ]
    return [way for way in ways if way != chosen]


def _describe(resources: Resources) -> str:
    return f"{resources.workers} x {resources.threads}, {PRECISIONS[resources.precision]}"


def _epochs_of(rates: list[HandRates]) -> list[float]:
    return [rate for r in rates for rate in r.epochs]


# -- a study ------------------------------------------------------------------------------


class EnoughError(Exception):
    """Ends a study before its finalists: they are not part of this figure."""


class EpochClock(Observer):
    """When each trial ended each epoch."""

    def __init__(self) -> None:
        self.ends: dict[int, list[float]] = {}

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """Note the time."""
        self.ends.setdefault(trial, []).append(time.perf_counter())

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """Leave at the stage after the search."""
        if self.ends:
            raise EnoughError


_names = itertools.count()


def study_rates(work: Work, resources: Resources) -> list[float]:
    """Images per second of all workers together, for each epoch but the first.

    The trials run at once and are alike: the e-th epochs of all of them coincide.
    """
    clock = EpochClock()
    config = StudyConfig(
        data=str(work.images),
        name=f"throughput-{next(_names)}",
        results=work.work_dir / "results",
        space=str(work.space),
        trials=resources.workers,
        epochs=work.epochs,
        pruner="none",
        finalists=1,
        image_size=work.side,
        channels="rgb",
        cache_dir=work.work_dir / "cache",
        workers=resources.workers,
        threads=resources.threads,
        precision=PRECISIONS[resources.precision],
    )
    with contextlib.suppress(EnoughError):
        search(config, clock)
    assert len(clock.ends) == resources.workers, clock.ends
    rates = [_rates(ends, work.num_train) for ends in clock.ends.values()]
    return [sum(of_epoch) for of_epoch in zip(*rates, strict=True)]


def _rates(ends: list[float], num_images: int) -> tuple[float, ...]:
    return tuple(num_images / (end - begin) for begin, end in itertools.pairwise(ends))


# -- by hand ------------------------------------------------------------------------------


@contextlib.contextmanager
def by_hand_process() -> "Iterator[subprocess.Popen[str]]":
    """The program `benchmarks.by_hand`, waiting for jobs."""
    with subprocess.Popen(
        module_command("by_hand"),
        cwd=ROOT,
        env=quiet_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def hand_rates(
    process: "subprocess.Popen[str]", work: Work, place: str, precision: str = "float32"
) -> HandRates:
    """Have the program train once.

    Raises:
        RuntimeError: When it ends instead; run it by itself to see why.
    """
    job = {
        "folder": str(work.images),
        "side": work.side,
        "params": default_point(),
        "epochs": work.epochs,
        "precision": precision,
        "place": place,
    }
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"python -m benchmarks.by_hand ended at the job {json.dumps(job)}")
    noted: dict[str, Any] = json.loads(answer)
    batch_size = int(default_point()["batch_size"])
    between = work.num_train - batch_size  # from the end of the first step to the last one's
    return HandRates(
        epochs=_rates(noted["epoch_ends"], work.num_train),
        steps=tuple(between / seconds for seconds in noted["step_seconds"][1:]),
    )


if __name__ == "__main__":
    run_benchmarks(__doc__ or "", [measure])
