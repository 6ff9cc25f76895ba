"""A study in a process of its own, with `trainer` in the place of Keras: to be killed.

python -m tests.faults.driver search '{"name": "s", ...}' [results/old/study.json]
python -m tests.faults.driver resume results/s '{"trials": 8}'
"""

import json
import sys
from pathlib import Path
from typing import Any

from autocnn.api.display import PlainDisplay
from autocnn.api.watch import handle_signals
from autocnn.core.config import resolve_config
from autocnn.core.errors import AutocnnError
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
    try:
        if command == "search":
            file = Path(arguments[1]) if len(arguments) > 1 else None
            search(resolve_config(json.loads(arguments[0]), file=file), PlainDisplay(), **options)
        else:
            changes = json.loads(arguments[1]) if len(arguments) > 1 else {}
            force = changes.pop("force_unlock", False)
            resume(
                StudyFolder(Path(arguments[0])),
                PlainDisplay(),
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
