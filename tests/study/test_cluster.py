"""The digits with Keras on a head and two nodes, through the command line."""

import os
from pathlib import Path

import pytest

from tests.cluster import loopback_cluster
from tests.digits import run_search
from tests.faults.studies import read_table


@pytest.mark.slow
@pytest.mark.long
def test_the_digits_on_a_cluster_end_with_the_leaderboard_of_one_machine(tmp_path: Path) -> None:
    flags = ("--quiet", "--trials", "2", "--epochs", "2", "--name")
    here = run_search(tmp_path, *flags, "alone", cpus={min(os.sched_getaffinity(0))}).stdout
    with loopback_cluster(2) as cluster:
        there = run_search(tmp_path, *flags, "nodes", "--cluster", cluster.address).stdout
    assert there == here.replace("alone", "nodes"), "nothing of Ray is printed"
    for table in ("trials.csv", "leaderboard.csv"):
        rows = [read_table(tmp_path / "results" / name / table) for name in ("alone", "nodes")]
        assert rows[0] == rows[1], table
        assert len(rows[0]) >= 2
