"""Runs the processes of the end of a study, some at a time."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autocnn.core.events import Observer
from autocnn.execution.executor import EndEvent, Executor, Outcome
from autocnn.execution.tasks import Task, TrainingTask
from autocnn.selection.plan import FinalistsPlan

POLL_S = 0.5


@dataclass(frozen=True)
class Job:
    """A task and what runs it.

    Attributes:
        function: Named as in `tasks`.
        task: Its argument.
        log_path: File for what the process prints.
    """

    function: str
    task: Task
    log_path: Path


def run_jobs(
    plan: FinalistsPlan,
    jobs: Mapping[int, Job],
    executor: Executor,
    observer: Observer,
    keep: Callable[[int, Outcome], None],
) -> None:
    """Run jobs in their order; each outcome is given to `keep` as soon as it is there.

    Args:
        plan: Workers, and when to stop.
        jobs: By a number of the caller's.
        executor: Runs the processes.
        observer: Hears of each epoch of a training, and of the end of each other job.
        keep: Takes the number of a job and how it ended.

    Raises:
        KeyboardInterrupt: When stopping was asked for, once no job is running.
    """
    waiting = deque(jobs)
    running: set[int] = set()
    try:
        while waiting or running:
            if plan.interruption.is_wished and not running:
                raise KeyboardInterrupt
            while waiting and len(running) < plan.workers and not plan.interruption.is_wished:
                key = waiting.popleft()
                job = jobs[key]
                executor.submit(key, job.function, job.task, log_path=job.log_path, timeout_s=None)
                running.add(key)
            for event in executor.poll(POLL_S):
                if isinstance(event, EndEvent):
                    running.discard(event.key)
                    keep(event.key, event.outcome)
                    if not isinstance(jobs[event.key].task, TrainingTask):
                        observer.advance()
                    continue
                observer.advance()
                if plan.interruption.is_wished:
                    executor.cancel(event.key)
                    running.discard(event.key)
                    waiting.append(event.key)
                else:
                    executor.answer(event.key, stop=plan.is_time_to_judge())
            plan.save_progress()
    except BaseException:
        executor.close()
        raise
