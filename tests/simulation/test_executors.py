"""First of all: trainings in one thread leave the study that real processes leave."""

import random
from pathlib import Path

import numpy as np

from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.core.objective import Goal
from autocnn.core.records import TrialRecord
from autocnn.execution.executor import Event, Executor
from autocnn.execution.local import LocalExecutor
from autocnn.execution.tasks import Images, Task, TrainingTask
from autocnn.storage import StudyFolder
from autocnn.tuning.budget import Budget
from autocnn.tuning.engines.build import build_engine
from autocnn.tuning.loop import SearchPlan, run_search
from tests.simulation.studies import space_of
from tests.simulation.training import TROUBLE, course_of
from tests.simulation.workers import VirtualExecutor, World

SEED = 171

TRIALS = 10

ROWS = np.arange(4)

MEASURED = {"seconds", "peak_memory_mb", "traceback"}
"""What real processes measure, and say in their own words."""


class Noting:
    """A real executor whose events are noted, and given one at a time."""

    def __init__(self, executor: LocalExecutor) -> None:
        self.executor = executor
        self.order: list[int] = []
        self.waiting: list[Event] = []

    @property
    def num_running(self) -> int:
        return self.executor.num_running

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        self.executor.submit(key, function, task, log_path=log_path, timeout_s=timeout_s)

    def poll(self, timeout_s: float) -> list[Event]:
        self.waiting = self.waiting or self.executor.poll(timeout_s)
        if not self.waiting:
            return []
        event = self.waiting.pop(0)
        self.order.append(event.key)
        return [event]

    def answer(self, key: int, *, stop: bool) -> None:
        self.executor.answer(key, stop=stop)

    def cancel(self, key: int) -> None:
        self.executor.cancel(key)

    def close(self) -> None:
        self.executor.close()


def search(path: Path, executor: Executor) -> list[TrialRecord]:
    """The trials of a study of two workers, with faults of every kind."""
    path.mkdir()
    folder = StudyFolder.create(path, "study", {})
    goal = Goal("accuracy")
    config = StudyConfig(data="digits", seed=SEED, sampler="random", pruner="asha", trials=TRIALS)
    engine = build_engine(config, space_of("two"), goal, folder, epochs=4)

    def make_task(record: TrialRecord) -> TrainingTask:
        return TrainingTask(
            images=Images(Path("images.npy"), ROWS, 2),
            train_rows=ROWS,
            val_rows=ROWS,
            params=dict(record.params),
            epochs=record.epochs or 1,
            seed=(SEED, record.trial),
            goal=goal,
            model_path=folder.trial_model_path(record.trial),
            threads=1,
            precision="float32",
            weights="",
            checkpoint_path=folder.trial_checkpoint_path(record.trial),
            half_batch=record.half_batch,
        )

    plan = SearchPlan(
        goal=goal,
        trials=TRIALS,
        epochs=4,
        workers=2,
        keep=2,
        trial_timeout_s=None,
        make_task=make_task,
        is_default=space_of("two").is_default,
        function="tests.simulation.training:train",
    )
    budget = Budget(None, 2, 2, 1.0, plan.is_default)
    try:
        run_search(plan, engine, executor, folder, budget, Observer())
    finally:
        engine.close()
        executor.close()
    return folder.read_trials()


def test_one_thread_and_real_processes_leave_the_same_study(tmp_path: Path) -> None:
    """Two workers; the events come in the order in which they came of the processes."""
    faults = [course_of((SEED, trial), TROUBLE).fault for trial in range(TRIALS)]
    assert {"memory", "always-memory", "crash", "nan"} <= set(faults)
    assert not {"hang", "lost"} & set(faults), "no process does that here"
    real = Noting(LocalExecutor(preload=["tests.simulation.training"]))
    expected = search(tmp_path / "real", real)
    world = World(random.Random(0), TROUBLE)
    found = search(tmp_path / "simulated", VirtualExecutor(world, 2, order=real.order))
    assert [r.model_dump(exclude=MEASURED) for r in found] == [
        r.model_dump(exclude=MEASURED) for r in expected
    ]
    assert len({record.state for record in found}) >= 3
    names = [sorted(str(p.relative_to(d)) for p in d.rglob("*.keras")) for d in tmp_path.iterdir()]
    assert names[0] == names[1] != []
