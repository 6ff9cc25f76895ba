"""The digits with Keras on a head and two nodes, through the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import loopback_cluster
from tests.faults.studies import read_table

SEARCH = (
    "search digits --space quick --trials 3 --epochs 2 --finalists 1 --folds 0 --members 1 "
    "--workers 1 --threads 1 --precision float32 --pruner none --quiet"
)


def search(folder: Path, *arguments: str, cpus: set[int] | None = None) -> str:
    """What a search prints; on some processors alone."""

    def limit() -> None:
        if cpus is not None:
            os.sched_setaffinity(0, cpus)

    result = subprocess.run(
        [sys.executable, "-m", "autocnn", *SEARCH.split(), *arguments],
        cwd=folder,
        text=True,
        capture_output=True,
        preexec_fn=limit,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.long
def test_the_digits_on_a_cluster_end_with_the_leaderboard_of_one_machine(tmp_path: Path) -> None:
    one = min(os.sched_getaffinity(0))
    here = search(tmp_path, "--name", "alone", cpus={one})
    with loopback_cluster(2) as cluster:
        there = search(tmp_path, "--name", "nodes", "--cluster", cluster.address)
    assert there == here.replace("alone", "nodes"), "nothing of Ray is printed"
    for table in ("trials.csv", "leaderboard.csv"):
        rows = [read_table(tmp_path / "results" / name / table) for name in ("alone", "nodes")]
        assert rows[0] == rows[1], table
        assert len(rows[0]) >= 2
