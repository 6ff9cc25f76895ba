"""Studies that run in processes of their own, and what is killed, broken and compared."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]

TIMING = {"seconds", "peak_memory_mb", "train_seconds", "latency_ms"}
"""Columns that differ from machine to machine and from time to time."""

SPACE = """
description: "Two params"
epochs: 4
parameters:
  - {name: width, type: int, low: 4, high: 64, step: 4}
  - {name: learning_rate, type: float, low: 1e-3, high: 1e-1, log: true}
start:
  - {width: 8, learning_rate: 1e-2}
"""


@dataclass
class Session:
    """One process that searches or resumes."""

    process: subprocess.Popen[str]

    def wait(self, timeout_s: float = 500) -> tuple[int, str]:
        """Exit code and stderr."""
        _, stderr = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, stderr

    def kill_all(self) -> str:
        """SIGKILL to the process and all of its children, as at a power cut; its stderr so far."""
        os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.communicate()[1]

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 300) -> bool:
        """Whether the condition came true before the process ended."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.001)
        return False


@dataclass
class Place:
    """A folder with data, a space, and studies.

    Attributes:
        path: The folder.
        env: Environment of the sessions.
    """

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        labels = np.arange(120) % 3
        x = rng.integers(0, 255, (120, 8, 8), dtype=np.uint8)
        np.savez(self.path / "data.npz", x=x, y=labels)
        (self.path / "space.yaml").write_text(SPACE)

    def study(self, name: str = "s") -> Path:
        """The folder of a study."""
        return self.path / "results" / name

    def config(self, **changes: Any) -> dict[str, Any]:
        """A small, reproducible study."""
        values = {
            "name": "s",
            "data": str(self.path / "data.npz"),
            "trials": 6,
            "finalists": 1,
            "folds": 0,
            "members": 1,
            "space": str(self.path / "space.yaml"),
            "workers": 1,
            "results": str(self.path / "results"),
            "cache_dir": str(self.path / "cache"),
        }
        return values | changes

    def start(self, *arguments: str) -> Session:
        """A session in a process group of its own."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self.env}
        return Session(
            subprocess.Popen(
                [sys.executable, "-m", "tests.faults.driver", *arguments],
                cwd=ROOT,
                env=environment,
                text=True,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )

    def search(self, **changes: Any) -> Session:
        """Begin a study."""
        return self.start("search", json.dumps(self.config(**changes)))

    def resume(self, name: str = "s", **changes: Any) -> Session:
        """Go on with a study."""
        return self.start("resume", str(self.study(name)), json.dumps(changes))


def kill_when(
    session: Session, condition: Callable[[], object], rng: random.Random, *, delay_s: float
) -> bool:
    """Kill everything up to `delay_s` after the condition comes true; False if it never did."""
    if not session.wait_until(condition):
        session.wait()
        return False
    time.sleep(rng.uniform(0, delay_s))
    session.kill_all()
    return True


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV without the columns that hold times."""
    rows = csv.DictReader(io.StringIO(path.read_text("utf-8")))
    return [{key: row[key] for key in row if key not in TIMING} for row in rows]


def read_record(study: Path, trial: int) -> dict[str, Any]:
    """The trial.json of a trial."""
    record: dict[str, Any] = json.loads((study / f"trials/{trial:04d}/trial.json").read_text())
    return record


def has_trained(study: Path, trial: int) -> bool:
    """Whether a first epoch of the trial stands in its log (which is there, empty, before)."""
    path = study / f"trials/{trial:04d}/trained.log"
    return path.exists() and path.stat().st_size > 0


def trained_epochs(study: Path) -> dict[str, list[int]]:
    """Epochs that were really trained, by trial and retrained model, in their order."""
    logs = sorted(study.rglob("trained.log"))
    return {
        str(path.parent.relative_to(study)): [int(line) for line in path.read_text().split()]
        for path in logs
    }
