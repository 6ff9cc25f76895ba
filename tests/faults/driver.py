"""A study in a process of its own, with `trainer` in the place of Keras: to be killed.

python -m tests.faults.driver search '{"name": "s", ...}' [results/old/study.json]
python -m tests.faults.driver resume results/s '{"trials": 8}'
"""

import json
import sys
from pathlib import Path
from typing import Any

from autocnn.cli.display import PlainDisplay
from autocnn.cli.interruption import handle_signals
from autocnn.config import resolve_config
from autocnn.errors import AutocnnError
from autocnn.executors.local import LocalExecutor
from autocnn.machine import Resources
from autocnn.store import StudyFolder
from autocnn.study import resume, search
from autocnn.tasks import MAKE_CANDIDATE, PREDICT, TRAIN, Task

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


def main(command: str, *arguments: str) -> int:
    """Run one command; its exit code."""
    options: dict[str, Any] = {
        "make_executor": FormulaExecutor, "interruption": handle_signals(),
    }  # fmt: skip
    try:
        if command == "search":
            file = Path(arguments[1]) if len(arguments) > 1 else None
            search(resolve_config(json.loads(arguments[0]), file=file), PlainDisplay(), **options)
        else:
            changes = json.loads(arguments[1]) if len(arguments) > 1 else {}
            force = changes.pop("force_unlock", False)
            resume(StudyFolder(Path(arguments[0])), PlainDisplay(), changes=changes,
                   force_unlock=force, **options)  # fmt: skip
    except AutocnnError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
