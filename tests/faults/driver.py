"""A study in a process of its own, with `trainer` in the place of Keras: to be killed.

python -m tests.faults.driver search '{"name": "s", ...}' [results/old/study.json]
python -m tests.faults.driver resume results/s '{"trials": 8}'

With CLUSTER=HOST:PORT in the environment, its trials run there, and each epoch that the study
hears of is a line in the file EPOCHS_LOG.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from autocnn.api.display import PlainDisplay
from autocnn.api.watch import handle_signals
from autocnn.core.config import resolve_config
from autocnn.core.errors import AutocnnError
from autocnn.core.records import EpochScore
from autocnn.execution.cluster import ray_executor
from autocnn.execution.cluster.agent import AgentOptions
from autocnn.execution.local import LocalExecutor
from autocnn.execution.machine import Resources
from autocnn.execution.tasks import MAKE_CANDIDATE, PREDICT, TRAIN, Task
from autocnn.storage import StudyFolder
from autocnn.study.context import Context, Progress
from autocnn.study.prepare import Prepared
from autocnn.study.run import resume, search
from autocnn.study.trials import Searched

FUNCTIONS = {
    TRAIN: "tests.faults.trainer:train",
    PREDICT: "tests.faults.trainer:predict",
    MAKE_CANDIDATE: "tests.faults.trainer:make_candidate",
}


class FormulaExecutor(LocalExecutor):
    """Local processes that import no Keras."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(
            memory_limit_gb=resources.memory_limit_gb, preload=["tests.faults.trainer"]
        )

    def submit(self, key: int, function: str, task: Task, **options: Any) -> None:
        """Start a task, its function replaced."""
        super().submit(key, FUNCTIONS[function], task, **options)


class FormulaRayExecutor(ray_executor.RayExecutor):
    """Processes of a cluster that import no Keras; every epoch is kept, and leases are short."""

    def __init__(self, *arguments: Any, options: AgentOptions, **others: Any) -> None:
        options = replace(
            options,
            preload=["tests.faults.trainer"],
            lease_s=float(os.environ["LEASE_S"]),
            keep_every_s=0.0,
        )
        super().__init__(*arguments, options=options, **others)

    def submit(self, key: int, function: str, task: Task, **options: Any) -> None:
        """Start a task, its function replaced."""
        super().submit(key, FUNCTIONS[function], task, **options)


class Noting(PlainDisplay):
    """Notes each epoch that is new, as the observers of a study hear of it."""

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """Noted."""
        super().trial_epoch(trial, score)
        with Path(os.environ["EPOCHS_LOG"]).open("a") as log:
            log.write(f"{trial} {score.epoch}\n")


def finish_with_dots(
    context: Context, progress: Progress, prepared: Prepared, searched: Searched
) -> None:
    """The end of a study, in which every picture is a dot."""
    # Slow to import, and not every session comes this far.
    from autocnn.study.finish import finish
    from tests.pictures import draw_dots

    draw_dots()
    finish(context, progress, prepared, searched)


def main(command: str, *arguments: str) -> int:
    """Run one command; its exit code."""
    options: dict[str, Any] = {
        "make_executor": FormulaExecutor,
        "interruption": handle_signals(),
        "finish": finish_with_dots,
    }
    display = PlainDisplay()
    if "CLUSTER" in os.environ:
        options["make_executor"] = None
        display = Noting()
        ray_executor.RayExecutor = FormulaRayExecutor  # type: ignore[assignment,misc]
    try:
        if command == "search":
            file = Path(arguments[1]) if len(arguments) > 1 else None
            search(resolve_config(json.loads(arguments[0]), file=file), display, **options)
        else:
            changes = json.loads(arguments[1]) if len(arguments) > 1 else {}
            force = changes.pop("force_unlock", False)
            resume(
                StudyFolder(Path(arguments[0])),
                display,
                changes=changes,
                force_unlock=force,
                **options,
            )
    except AutocnnError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
