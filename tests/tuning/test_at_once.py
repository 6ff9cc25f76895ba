"""Many trials at once: the loop keeps up, and holds no more than the records of ended trials."""

import tracemalloc
from pathlib import Path

import pytest

from autocnn.core.events import Observer
from autocnn.execution.executor import EndEvent, Event
from autocnn.execution.tasks import TrainingTask
from autocnn.tuning.loop import run_search
from tests.simulation.executor import ListEngine, SimulatedExecutor, make_search

AT_ONCE = 1000

MOST_KB = 25.0
"""Of memory per ended trial of two epochs: its record, twice its scores."""


class Forgetful(SimulatedExecutor):
    """Lets go of tasks that have ended, as processes do."""

    def poll(self, timeout_s: float) -> list[Event]:
        """One event of each running task; see `Executor.poll`."""
        before = {key: running.task for key, running in self.running.items()}
        events = super().poll(timeout_s)
        for event in events:
            task = before[event.key]
            if isinstance(event, EndEvent) and isinstance(task, TrainingTask):
                del self.checkpoints[task.checkpoint_path, task.half_batch]
        self.tasks.clear()
        return events


def memory_kb(path: Path, trials: int) -> float:
    """What a search of so many trials holds at its end."""
    path.mkdir()
    search = make_search(
        path,
        engine=ListEngine(widths=(8,)),
        executor=Forgetful(has_models=False),
        trials=trials,
        epochs=2,
        workers=AT_ONCE,
    )
    tracemalloc.start()
    try:
        records = run_search(
            search.plan, search.engine, search.executor, search.folder, search.budget, Observer()
        )
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(records) == trials
    assert search.executor.most_at_once == AT_ONCE
    assert search.executor.num_running == 0
    return held / 1e3


@pytest.mark.slow
@pytest.mark.full
def test_with_1000_trials_at_once_memory_grows_by_the_records_alone(tmp_path: Path) -> None:
    first, second = (memory_kb(tmp_path / str(n), n) for n in (AT_ONCE, 2 * AT_ONCE))
    assert (second - first) / AT_ONCE < MOST_KB
