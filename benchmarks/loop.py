"""What the search costs the parent, trainings apart: `python -m benchmarks.loop`.

The real loop, engines and folder with trainings that follow a formula on a virtual clock; the
CPU time of the simulated trainings is measured apart and taken off.
"""

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from autocnn.core.events import Observer
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, Params, ParamValue, Scores, TrialRecord, TrialState
from autocnn.execution.executor import EndEvent, Event
from autocnn.execution.tasks import Task, TrainingTask
from autocnn.spaces.files import load_space
from autocnn.spaces.space import AnyParameter, Float, SearchSpace
from autocnn.storage import StudyFolder
from autocnn.tuning.budget import Budget
from autocnn.tuning.engines.base import Engine, Proposal, restore
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from autocnn.tuning.engines.optuna_storage import MOST_SEEN
from autocnn.tuning.loop import SearchPlan, run_search
from benchmarks.report import Figure, Options, print_progress, print_table, run_benchmarks
from tests.simulation.executor import SimulatedExecutor, training_task

GOAL = Goal("accuracy")
EPOCHS = 20
WORKERS = 16
FINALISTS = 5

MOST_GROWTH = 2.0
"""The aim: a step among 10,000 trials over a step among 100."""

MOST_CPU_S = 60.0
"""The aim for 1,000 trials."""

AT_ONCE = 1000
"""Trials at once, as on a large cluster."""

EVENTS_PER_S = 100.0
"""Epochs that a study hears of in a second when trials at once train 10 s an epoch."""

MOST_SHARE, MOST_MB = 0.5, 50.0
"""The aims there: of a processor, and of memory for as many trials again."""


def formula(params: Params, epoch: int) -> EpochScore:
    """Scores that differ from trial to trial and rise with the epochs."""
    share = float(np.random.default_rng(abs(hash(tuple(params.items())))).random())
    accuracy = 0.5 + 0.3 * share + 0.01 * epoch
    scores = Scores(accuracy=accuracy, balanced_accuracy=accuracy)
    return EpochScore(
        epoch=epoch,
        train_loss=1.0 / epoch,
        train=scores,
        val=scores,
        learning_rate=1e-3,
        seconds=1.0 + share,
    )


@dataclass
class TimedExecutor(SimulatedExecutor):
    """Knows how much CPU time it took itself, and when the first and the last event were."""

    tasks_by_key: dict[int, Task] = field(default_factory=dict)
    own_s: float = 0.0
    first: float | None = None
    last: float = 0.0

    def submit(self, key: int, *arguments: Any, **options: Any) -> None:
        """Timed; see `SimulatedExecutor.submit`."""
        began = time.process_time()
        super().submit(key, *arguments, **options)
        self.tasks_by_key[key] = self.tasks[-1]
        self.own_s += time.process_time() - began

    def poll(self, timeout_s: float) -> list[Event]:
        """Timed; see `SimulatedExecutor.poll`."""
        began = self.last = time.process_time()
        if self.first is None:
            self.first, self.own_s = began, 0.0
        events = super().poll(timeout_s)
        for event in events:
            if isinstance(event, EndEvent):
                self._forget(event.key)
        self.own_s += time.process_time() - began
        return events

    def _forget(self, key: int) -> None:
        """Let go of an ended task, as processes do."""
        task = self.tasks_by_key.pop(key)
        assert isinstance(task, TrainingTask)
        self.checkpoints.pop((task.checkpoint_path, task.half_batch), None)
        self.tasks.clear()

    @property
    def loop_s(self) -> float:
        """CPU seconds between the first event and the last, its own apart."""
        return self.last - (self.first or 0.0) - self.own_s


class NoFolder(StudyFolder):
    """A study folder that writes nothing, to measure what is not the disk's."""

    def trial_dir(self, trial: int) -> Path:
        """A path, not made."""
        return self.path / "trials" / f"{trial:04d}"

    def trial_log_path(self, trial: int) -> Path:
        """In a folder that is there."""
        return Path(tempfile.gettempdir()) / "log.txt"

    def trial_checkpoint_path(self, trial: int) -> Path:
        """A path, not made."""
        return self.trial_dir(trial) / "checkpoint" / "epoch.npz"

    def write_trial(self, record: TrialRecord) -> None:
        """Nothing."""

    def write_trials_table(self, records: Sequence[TrialRecord]) -> None:
        """Nothing."""

    def append_trial_row(self, record: TrialRecord, names: Iterable[str]) -> None:
        """Nothing."""

    def remove_checkpoint(self, trial: int) -> None:
        """Nothing."""

    def remove_models(self, trials: Iterable[int]) -> None:
        """Nothing."""

    def keep_models(self, trials: Iterable[int]) -> None:
        """Nothing."""


class RandomEngine:
    """Random points of a space, without a library: the loop alone."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space

    def ask(self, trial: int) -> Proposal:
        """See `Engine.ask`."""
        return Proposal(random_point(self.space, trial), from_start=False)

    def reopen(self, record: TrialRecord) -> None:
        """See `Engine.reopen`."""

    def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
        """See `Engine.report`."""
        return False

    def tell(self, record: TrialRecord) -> None:
        """See `Engine.tell`."""

    def needed_models(self) -> set[int]:
        """See `Engine.needed_models`."""
        return set()

    def close(self) -> None:
        """See `Engine.close`."""


def random_point(space: SearchSpace, seed: int) -> dict[str, ParamValue]:
    """A point of a space by chance."""
    rng = np.random.default_rng((7, seed))

    def pick(parameter: AnyParameter) -> ParamValue:
        if isinstance(parameter, Float):
            return float(rng.uniform(parameter.low, parameter.high))
        values = parameter.values
        return values[int(rng.integers(len(values)))]

    return space.walk(pick)


def ended_trials(space: SearchSpace, number: int) -> list[TrialRecord]:
    """Trials as an earlier session would have left them, one worker after another."""
    records = []
    for trial in range(number):
        params = space.default if trial == 0 else random_point(space, trial)
        history = tuple(formula(params, epoch) for epoch in (1, EPOCHS))
        record = TrialRecord(
            trial=trial,
            state=TrialState.COMPLETE,
            params=dict(params),
            objective=history[-1].val.accuracy,
            best_epoch=EPOCHS,
            history=history,
            seconds=30.0,
            from_start=trial == 0,
            epochs=EPOCHS,
            num_ended_before=trial,
            end_order=trial,
        )
        records.append(record)
    return records


def search(
    space: SearchSpace,
    folder: StudyFolder,
    engine: Engine,
    earlier: Sequence[TrialRecord],
    num_trials: int,
    *,
    workers: int = WORKERS,
) -> TimedExecutor:
    """Run so many trials after the earlier ones."""
    executor = TimedExecutor(formula=formula, has_models=False)
    plan = SearchPlan(
        goal=GOAL,
        trials=len(earlier) + num_trials,
        epochs=EPOCHS,
        workers=workers,
        keep=FINALISTS,
        trial_timeout_s=None,
        make_task=lambda record: training_task(folder, record),
        is_default=space.is_default,
    )
    budget = Budget(
        1e9, workers, FINALISTS, 1.2, space.is_default, num_folds=3, clock=executor.clock
    )
    run_search(plan, engine, executor, folder, budget, Observer(), earlier=earlier)
    return executor


def build_engines(space: SearchSpace, num_trials: int) -> dict[str, Engine]:
    """The engines to compare, by what the table calls them."""
    arguments: dict[str, Any] = {"epochs": EPOCHS, "num_trials": num_trials}
    return {
        "loop alone": RandomEngine(space),
        "random": OptunaEngine(space, GOAL, sampler="random", pruner="none", **arguments),
        "random, asha": OptunaEngine(space, GOAL, sampler="random", **arguments),
        "tpe": OptunaEngine(space, GOAL, pruner="none", **arguments),
    }


def measure(options: Options) -> list[Figure]:
    """Print the cost of a trial among few and many; return the figures of the aims."""
    space = load_space("default")
    sizes = [options.size(full, quick) for full, quick in ((100, 10), (1000, 20), (10_000, 40))]
    num_trials = options.size(64, 16)
    costs: dict[str, list[float]] = {}
    for size in sizes:
        earlier = ended_trials(space, size)
        for name, engine in build_engines(space, size + num_trials).items():
            print_progress(f"{name}: {num_trials} trials after {size:,}")
            restore(engine, earlier)
            folder = NoFolder(options.work_dir / "none")
            executor = search(space, folder, engine, earlier, num_trials)
            costs.setdefault(name, []).append(1e3 * executor.loop_s / num_trials)
    print_table(
        f"CPU ms of the parent per trial of {EPOCHS} epochs, {WORKERS} at once, disk apart",
        ["engine", *(f"after {size:,}" for size in sizes), "growth"],
        [
            [name, *(f"{cost:.1f}" for cost in row), f"{row[-1] / row[0]:.1f} x"]
            for name, row in costs.items()
        ],
        [f"tpe looks at {MOST_SEEN} ended trials at most; asha ends most trials early."],
    )
    growths = {name: cost[-1] / cost[0] for name, cost in costs.items()}
    return [
        *(
            Figure(f"Growth of a step, {name}", growth, " x", most=MOST_GROWTH)
            for name, growth in growths.items()
        ),
        *_measure_whole(options, space),
        *_measure_at_once(options, space),
    ]


def _measure_whole(options: Options, space: SearchSpace) -> list[Figure]:
    """A whole search on disk, with its database, as `autocnn search` runs it."""
    number = options.size(1000, 20)
    rows, figures = [], []
    for sampler in ("random", "tpe"):
        print_progress(f"{number:,} trials with {sampler} and a folder on disk")
        folder = StudyFolder.create(options.work_dir, f"whole-{sampler}", {})
        began, began_wall = time.process_time(), time.perf_counter()
        engine = OptunaEngine(
            space,
            GOAL,
            sampler=sampler,
            pruner="none",  # every trial trains all its epochs
            epochs=EPOCHS,
            num_trials=number,
            storage=folder.optuna_url,
        )
        executor = search(space, folder, engine, [], number)
        engine.close()
        seconds = time.process_time() - began - executor.own_s
        wall_s = time.perf_counter() - began_wall
        rows.append([sampler, f"{seconds:.1f}", f"{wall_s:.1f}", f"{folder.size_gb() * 1e3:.0f}"])
        name = f"CPU for {number:,} trials, {sampler}"
        figures.append(Figure(name, seconds, " s", most=MOST_CPU_S))
    print_table(
        f"{number:,} trials of {EPOCHS} epochs, {WORKERS} at once, records and optuna.db on disk",
        ["sampler", "CPU s", "wall s", "MB"],
        rows,
    )
    return figures


def _measure_at_once(options: Options, space: SearchSpace) -> list[Figure]:
    """Many trials at once, records on disk: the parent's share of a processor, and its memory."""
    at_once = options.size(AT_ONCE, 20)
    print_progress(f"{at_once:,} trials at once")
    memory_mb, shares = [], []
    process = psutil.Process()
    for number in (at_once, 2 * at_once, 3 * at_once):
        folder = StudyFolder.create(options.work_dir, f"at-once-{number}", {})
        engine = OptunaEngine(
            space, GOAL, sampler="random", pruner="none", epochs=EPOCHS, num_trials=number
        )
        executor = search(space, folder, engine, [], number, workers=at_once)
        shares.append(executor.loop_s / (number * EPOCHS) * EVENTS_PER_S)
        memory_mb.append(process.memory_info().rss / 1e6)
    print_table(
        f"{at_once:,} trials at once, {EVENTS_PER_S:.0f} epochs a second, records on disk",
        ["trials in all", "share of a processor", "MB of the process"],
        [
            [f"{(index + 1) * at_once:,}", f"{share:.2f}", f"{mb:.0f}"]
            for index, (share, mb) in enumerate(zip(shares, memory_mb, strict=True))
        ],
    )
    name = f"with {at_once:,} trials at once"
    return [
        Figure(f"Share of a processor {name}", shares[-1], "", most=MOST_SHARE),
        Figure(
            f"Memory for as many again {name}", memory_mb[-1] - memory_mb[-2], " MB", most=MOST_MB
        ),
    ]


if __name__ == "__main__":
    run_benchmarks("What the search costs the parent beside the trainings.", [measure])
