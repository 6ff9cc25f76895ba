"""A study under way: what was asked, what it has, and what study.json says of it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autocnn.core.config import StudyConfig
from autocnn.core.events import Interruption, Observer
from autocnn.core.objective import Goal
from autocnn.core.own_model import OwnModel
from autocnn.core.records import TrialRecord
from autocnn.execution.executor import EndEvent, Event, Executor, Outcome
from autocnn.execution.machine import Machine, Resources
from autocnn.execution.tasks import Task
from autocnn.spaces.space import SearchSpace
from autocnn.storage import StudyFolder
from autocnn.storage.status import Stage, StudyStatus
from autocnn.tuning.budget import Budget

if TYPE_CHECKING:
    from autocnn.data import Dataset
    from autocnn.selection.plan import Fold

IMAGENET = "imagenet"

SAVE_EVERY_S = 10.0


class Session:
    """One session of a study, in a locked folder.

    Args:
        config: What is asked, resolved.
        space: The space as it is now.
        folder: The study's.
        status: What study.json says.
        executor: Runs trials.
        observer: Hears of progress.
        machine: What there is.
        resources: How trials share it.
        interruption: Asks to stop.
        clock: Seconds now.

    Attributes:
        dataset: The images; from `prepare` on.
        folds: On which finalists are compared; from `prepare` on.
        trials: Of earlier sessions; from `prepare` on.
        budget: The time that there is; from `search_trials` on.
        own_model: Of networks of the user's own; None: autocnn's.
    """

    dataset: "Dataset"
    folds: "tuple[Fold, ...]"
    trials: Sequence[TrialRecord]
    budget: Budget

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        folder: StudyFolder,
        status: StudyStatus,
        executor: Executor,
        observer: Observer,
        *,
        machine: Machine,
        resources: Resources,
        interruption: Interruption,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if config.image_size is not None:
            space = space.narrow("image_size", [config.image_size])
        self.config = config
        self.space = space
        self.folder = folder
        self.status = status
        self.executor = executor
        self.observer = observer
        self.machine = machine
        self.resources = resources
        self.interruption = interruption
        self.clock = clock
        self.started = clock() - status.seconds
        self.saved = clock()
        self.own_model: OwnModel | None = None
        self.goal = Goal(config.objective, config.max_gap)
        self.weights = str(config.weights) if config.weights else IMAGENET

    def run_alone(
        self, function: str, task: Task, *, log_path: Path, timeout_s: float | None = None
    ) -> Outcome:
        """Run one task while nothing else runs, and wait for its end.

        Args:
            function: Named as in `tasks`.
            task: Its argument; it reports no epochs.
            log_path: File for what its process prints.
            timeout_s: Seconds that it may take; None: no limit.
        """
        self.executor.submit(0, function, task, log_path=log_path, timeout_s=timeout_s)
        events: list[Event] = []
        while not events:
            events = self.executor.poll(1.0)
        assert isinstance(events[0], EndEvent)
        return events[0].outcome

    def save(self, stage: Stage | None = None) -> None:
        """Note the time that was taken, now and then; or at once, with a stage."""
        if stage is None and self.clock() - self.saved < SAVE_EVERY_S:
            return
        self.saved = self.clock()
        self.update(status=stage or self.status.status)

    def update(self, **facts: object) -> None:
        """Write study.json with some fields changed, and the time that was taken."""
        seconds = round(self.clock() - self.started, 1)
        self.status = self.status.model_copy(update={**facts, "seconds": seconds})
        self.folder.write_study(self.status.to_json())
