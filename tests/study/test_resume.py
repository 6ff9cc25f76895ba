"""A study with Keras that is killed and resumed, through the command line."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.digits import arguments, reference_study
from tests.faults.studies import read_table

MOST_KILLS = 2


def start(folder: Path, command: list[str]) -> subprocess.Popen[str]:
    """A command in a process group of its own, its output in a file."""
    log = (folder / "log.txt").open("a")
    with log:
        return subprocess.Popen(
            command,
            cwd=folder,
            text=True,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def trained_epochs(log: Path) -> int:
    """Epochs that were told to be trained; those of a checkpoint are not told again."""
    return len(re.findall(r"^trial \d+ epoch \d+:", log.read_text(), re.MULTILINE))


@pytest.mark.slow
@pytest.mark.long
def test_digits_that_were_killed_end_as_if_never_killed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    theirs = reference_study(tmp_path_factory)
    log = tmp_path / "log.txt"
    process = start(tmp_path, arguments(tmp_path, "--deterministic", "--name", "s"))
    rng = random.Random(20)
    for _ in range(MOST_KILLS if request.config.getoption("--full") else 1):
        # Somewhere in this trial or the next one, or soon after.
        epochs = trained_epochs(log) + rng.randint(1, 4)
        deadline = time.monotonic() + 200
        while trained_epochs(log) < epochs and time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 2))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process = start(tmp_path, [sys.executable, "-m", "autocnn", "resume", "s"])
    assert process.wait(1500) == 0, log.read_text()

    ours = tmp_path / "results/s"
    trials = read_table(ours / "trials.csv")
    assert len(trials) == 3
    for table in ("trials.csv", "leaderboard.csv"):
        assert read_table(ours / table) == read_table(theirs / table)
    # No epoch was trained twice but those in flight, which were not told before the kill.
    assert trained_epochs(log) == trained_epochs(theirs.parents[1] / "log.txt") == 9
