"""Runs the blocks of one page in this process's folder; or autocnn itself, with small studies.

python -m tests.docs.driver page docs/quickstart.md
python -m tests.docs.driver autocnn search images/ --trials 50
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autocnn.core.config import StudyConfig, change_config
from autocnn.spaces.space import SearchSpace
from autocnn.study import run as study
from tests.docs.pages import Block, read_blocks
from tests.pictures import draw_dots

SMALL = {"trials": 1, "epochs": 2, "finalists": 1, "folds": 0, "members": 1, "workers": 2}

HERE = ("audit", "evaluate", "export", "leaderboard", "predict", "report", "search", "spaces")
"""Commands that need no process of their own."""

SHELL = {"|", ">", ">>", "<", "&&", "||", ";", "\\"}

DRAWING = ("search", "resume", "evaluate", "report")


def cut_short() -> None:
    """From now on no study of this process is large, whatever is asked for."""
    resolve = study._resolve

    def resolve_small(config: StudyConfig, space: SearchSpace, name: str) -> StudyConfig:
        return resolve(config.model_copy(update=SMALL), space, name)

    def change_small(config: StudyConfig, flags: Mapping[str, Any]) -> StudyConfig:
        asked = change_config(config, flags)
        before, now = config.trials or 0, asked.trials or 0
        return asked.model_copy(update={"trials": before + (now > before)})

    vars(study).update(_resolve=resolve_small, change_config=change_small)


def run_page(page: Path) -> None:
    """All blocks of a page that run, in their order, in one namespace."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in read_blocks(page):
        print(f"{page}:{block.line} {block.verb} {block.language}", flush=True)
        if block.verb == "file":
            Path(block.name).parent.mkdir(parents=True, exist_ok=True)
            Path(block.name).write_text(block.text + "\n", "utf-8")
        elif block.verb == "empty results":
            shutil.rmtree("results", ignore_errors=True)
        elif block.verb == "run":
            _run_shell(block)
        elif block.is_python and block.verb != "shown":
            # The line numbers of a traceback are those of the page.
            code = compile("\n" * block.line + block.text, str(page), "exec")
            exec(code, namespace)


def _run_shell(block: Block) -> None:
    """Its lines in a shell; where all are commands of autocnn, here: imports take long."""
    words = [shlex.split(line, comments=True) for line in block.commands]
    if all(words) and all(
        line[0] == "autocnn" and line[1] in HERE and not SHELL & set(line) for line in words
    ):
        from autocnn.cli.main import run

        for line in words:
            if run(line[1:]) != 0:
                raise SystemExit(f"{' '.join(line)}: failed")
        return
    subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(block.commands)], check=True)


def main(arguments: list[str]) -> int:
    """One page, or one command line of autocnn."""
    cut_short()
    if arguments[0] == "page" or arguments[1] in DRAWING:
        draw_dots()
    if arguments[0] == "page":
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a script's folder is there too
        run_page(Path(arguments[1]))
        return 0
    from autocnn.cli.main import run

    return run(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
