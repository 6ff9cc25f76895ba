"""What a session of a study works with, and how far it is: study.json has one writer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

from autocnn.core.config import IMAGENET, StudyConfig
from autocnn.core.events import Interruption, Observer
from autocnn.core.objective import Goal
from autocnn.execution.executor import Executor, Outcome
from autocnn.execution.machine import Machine, Resources
from autocnn.execution.runner import run_one
from autocnn.execution.tasks import Task
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice, DataFacts, FinalistFacts, Stage, StudyStatus, TestLook

SAVE_EVERY_S = 10.0


@dataclass(frozen=True)
class Context:
    """What serves all stages of a session, and stays as it is.

    Attributes:
        config: What is asked, resolved.
        folder: The study's, locked.
        observer: Hears of progress.
        executor: Runs trials.
        machine: What there is.
        resources: How trials share it.
        interruption: Asks to stop.
        clock: Seconds now.
    """

    config: StudyConfig
    folder: StudyFolder
    observer: Observer
    executor: Executor
    machine: Machine
    resources: Resources
    interruption: Interruption
    clock: Callable[[], float] = time.monotonic

    @property
    def goal(self) -> Goal:
        """What the search improves."""
        return Goal(self.config.objective, self.config.max_gap)

    @property
    def weights(self) -> str:
        """Pretrained weights: a file, or ImageNet's."""
        return str(self.config.weights) if self.config.weights else IMAGENET

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
        return run_one(self.executor, function, task, log_path=log_path, timeout_s=timeout_s)


class StatusChanges(TypedDict, total=False):
    """The fields of study.json that change while a study runs; see `StudyStatus`."""

    status: Stage
    resumed: tuple[str, ...]
    config: StudyConfig
    versions: dict[str, str | None]
    machine: dict[str, Any]
    resources: dict[str, Any]
    data: DataFacts
    space_fingerprint: str
    model_files: dict[str, str] | None
    objective_files: dict[str, str] | None
    finalists: tuple[FinalistFacts, ...] | None
    num_folds: int
    choice: Choice | None
    test_looks: tuple[TestLook, ...]


class Progress:
    """How far a study is: the only writer of its study.json.

    Args:
        folder: The study's, locked.
        status: What study.json says.
        clock: Seconds now.

    Attributes:
        status: What study.json says now.
        started: The clock at the start of the study, had it run in one session.
    """

    def __init__(
        self, folder: StudyFolder, status: StudyStatus, clock: Callable[[], float]
    ) -> None:
        self.status = status
        self.started = clock() - status.seconds
        self._folder = folder
        self._clock = clock
        self._saved = clock()

    def save(self, stage: Stage | None = None) -> None:
        """Note the time that was taken, now and then; or at once, with a stage."""
        if stage is None and self._clock() - self._saved < SAVE_EVERY_S:
            return
        self._saved = self._clock()
        self.update(status=stage or self.status.status)

    def update(self, **changes: Unpack[StatusChanges]) -> None:
        """Write study.json with some fields changed, and the time that was taken."""
        seconds = round(self._clock() - self.started, 1)
        status = self.status.model_copy(update={**changes, "seconds": seconds})
        # Only what stands on the disk is so: else the next write would say what this one could not.
        self._folder.write_study(status.to_json())
        self.status = status
