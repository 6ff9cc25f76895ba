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

from tests.faults.studies import read_table

MOST_KILLS = 2


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """One command in a process group of its own, its output in a file."""
    log = (folder / "log.txt").open("a")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "autocnn", *arguments],
            cwd=folder,
            text=True,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def trained_epochs(folder: Path) -> int:
    """Epochs that were told to be trained; those of a checkpoint are not told again."""
    text = (folder / "log.txt").read_text()
    return len(re.findall(r"^trial \d+ epoch \d+:", text, re.MULTILINE))


@pytest.mark.slow
@pytest.mark.long
def test_digits_that_were_killed_end_as_if_never_killed(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    search = [
        "search",
        "--trials",
        "3",
        "--space",
        "quick",
        "--workers",
        "1",
        "--deterministic",
        "--finalists",
        "1",
        "--folds",
        "0",
        "--members",
        "1",
        "--epochs",
        "4",
    ]
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    for folder in (reference, killed):
        folder.mkdir()
    assert start(reference, *search, "--name", "s").wait(1500) == 0

    rng = random.Random(20)
    process = start(killed, *search, "--name", "s")
    for _ in range(MOST_KILLS if request.config.getoption("--full") else 1):
        # Somewhere in this trial or the next one, or soon after.
        epochs = trained_epochs(killed) + rng.randint(1, 4)
        deadline = time.monotonic() + 200
        while trained_epochs(killed) < epochs and time.monotonic() < deadline:
            assert process.poll() is None, (killed / "log.txt").read_text()
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process = start(killed, "resume", "s")
    assert process.wait(1500) == 0, (killed / "log.txt").read_text()

    ours, theirs = killed / "results/s", reference / "results/s"
    trials = read_table(ours / "trials.csv")
    assert len(trials) == 3
    assert trials == read_table(theirs / "trials.csv")
    assert read_table(ours / "leaderboard.csv") == read_table(theirs / "leaderboard.csv")
    board = read_table(ours / "leaderboard.csv")
    assert float(board[0]["test_accuracy"]) > 0.95
    assert float(board[0]["test_macro_auc"]) > 0.99
    # No epoch was trained twice but those in flight, which were not told before the kill.
    assert trained_epochs(killed) == trained_epochs(reference)
