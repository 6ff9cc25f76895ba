"""A small study of the digits in real processes, which ends with the same numbers each time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import share

SPACE = """
description: "One small network"
epochs: 3
parameters:
  - {name: family, type: categorical, choices: [plain]}
  - {name: flip, type: categorical, choices: [none]}
  - {name: batch_size, type: categorical, choices: [32]}
  - {name: num_stages, type: int, low: 1, high: 1}
  - {name: width, type: int, low: 4, high: 8, step: 4}
  - {name: learning_rate, type: float, low: 1e-2, high: 3e-2, log: true}
"""

COMMAND = (
    "search digits --space tiny.yaml --trials 3 --finalists 1 --folds 0 --members 1 --workers 1 "
    "--threads 1 --precision float32 --pruner none"
)


def arguments(folder: Path, *more: str) -> list[str]:
    """The command line of the study, whose space is written into the folder it is to run in."""
    (folder / "tiny.yaml").write_text(SPACE)
    return [sys.executable, "-m", "autocnn", *COMMAND.split(), *more]


def run_search(
    folder: Path, *more: str, cpus: set[int] | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the study in a folder; on some processors alone, in another environment."""

    def limit() -> None:
        if cpus is not None:
            os.sched_setaffinity(0, cpus)

    folder.mkdir(exist_ok=True)
    result = subprocess.run(
        arguments(folder, *more),
        cwd=folder,
        env={**os.environ, **(env or {})},
        text=True,
        capture_output=True,
        preexec_fn=limit,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


def reference_study(factory: pytest.TempPathFactory) -> Path:
    """The study `s` that was left alone, with `--deterministic`; log.txt is beside results/."""

    def make(path: Path) -> None:
        result = run_search(path, "--deterministic", "--name", "s")
        (path / "log.txt").write_text(result.stderr)

    return share(factory, "digits", make) / "results" / "s"
