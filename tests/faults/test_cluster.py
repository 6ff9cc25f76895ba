"""A study on a cluster whose parts are killed, frozen and added ends like one that was left alone.

A head and two nodes on loopback addresses of this machine (tests/cluster.py); trainings follow a
formula, with real checkpoints, in real processes of the agents. Each schedule is drawn from its
seed: which disturbances, and after how many epochs of the study.
"""

import contextlib
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cluster import LoopbackCluster, loopback_cluster
from tests.faults.studies import Place, Session, read_table

pytestmark = pytest.mark.slow

SEEDS = range(20)

SAMPLED = (0, 1, 2)
"""Schedules that are run without `--full`."""

DISTURBANCES = (
    "kill a worker",
    "kill an agent",
    "kill a node",
    "freeze a node",
    "freeze an agent",
    "kill the study",
    "add a node",
)

LEASE_S = 10.0

TRIALS, EPOCHS = 6, 4

HEALTH_CHECK = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}
"""A frozen node counts as dead after seconds, not half a minute."""


@dataclass
class Clustered:
    """A study on a cluster, and what becomes of both.

    Attributes:
        place: Where it stands.
        cluster: What it runs on.
        name: The study's.
        session: The process that searches now.
        frozen: Agents that were stopped, to go on later.
        done: What was done.
    """

    place: Place
    cluster: LoopbackCluster
    name: str
    session: Session | None = None
    frozen: list[psutil.Process] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def epochs_log(self) -> Path:
        return self.place.path / f"{self.name}.epochs"

    def epochs(self) -> list[str]:
        """`trial epoch` of each new epoch that the study heard of."""
        return self.epochs_log.read_text().splitlines() if self.epochs_log.exists() else []

    def start(self, **changes: Any) -> None:
        self.place.env |= {
            "CLUSTER": self.cluster.address,
            "EPOCHS_LOG": str(self.epochs_log),
            "LEASE_S": str(LEASE_S),
        }
        cluster = {"cluster": self.cluster.address}
        if self.place.study(self.name).exists():
            self.session = self.place.resume(self.name, **cluster)
        else:
            self.session = self.place.search(**changes, name=self.name, **cluster)

    def agents(self) -> list[psutil.Process]:
        """Processes that are agents."""
        found = []
        for node in self.cluster.nodes:
            with contextlib.suppress(psutil.Error):
                children = self.cluster.raylet_of(node).children(recursive=True)
                found += [p for p in children if "ray::RayAgent" in " ".join(p.cmdline())]
        return found

    def workers(self) -> list[psutil.Process]:
        """Processes that train."""
        servers = [child for agent in self.agents() for child in _children(agent)]
        return [worker for server in servers for worker in _children(server)]

    def disturb(self, disturbance: str, rng: random.Random) -> None:
        """Do it, if there is something to do it to."""
        assert self.session is not None
        match disturbance:
            case "kill a worker":
                _send(self.workers(), signal.SIGKILL, rng)
            case "kill an agent":
                _send(self.agents(), signal.SIGKILL, rng)
            case "kill a node":
                self.cluster.kill_node(rng.choice(self.cluster.nodes))
                self.cluster.add_node()
            case "freeze a node":
                self.cluster.freeze_node(rng.choice(self.cluster.nodes))
                self.cluster.add_node()
            case "freeze an agent":
                self.frozen += _send(self.agents(), signal.SIGSTOP, rng)
            case "kill the study":
                self.session.kill_all()
                self.start()
            case "add a node":
                self.cluster.add_node()
        self.done.append(disturbance)

    def thaw(self) -> None:
        """What was frozen goes on, beyond its lease."""
        self.cluster.thaw()
        for process in self.frozen:
            with contextlib.suppress(psutil.Error):
                process.resume()
        self.frozen.clear()

    def wait_for(self, num_epochs: int) -> bool:
        """Whether so many epochs were heard of before the study ended."""
        assert self.session is not None
        return self.session.wait_until(lambda: len(self.epochs()) >= num_epochs, timeout_s=120)


def _children(process: psutil.Process) -> list[psutil.Process]:
    """Of a process that may have ended just now."""
    try:
        return process.children()
    except psutil.Error:
        return []


def _send(
    processes: list[psutil.Process], number: signal.Signals, rng: random.Random
) -> list[psutil.Process]:
    """Send a signal to one of some processes, which may have ended just now; that one."""
    for process in rng.sample(processes, min(1, len(processes))):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
            return [process]
    return []


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackCluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"EPOCH_S": "0.25", **HEALTH_CHECK}.items():
            patch.setenv(name, value)
        with loopback_cluster() as cluster:
            yield cluster


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("cluster"), {"EPOCH_S": "0.25"})


@pytest.fixture(scope="module")
def reference(place: Place) -> Path:
    """The study on this machine alone, undisturbed."""
    code, stderr = place.search(**CONFIG | {"name": "reference", "workers": 1}).wait()
    assert code == 0, stderr
    return place.study("reference")


CONFIG: dict[str, Any] = {
    "trials": TRIALS,
    "sampler": "random",
    "pruner": "none",
    "finalists": 2,
    "folds": 2,
    "members": 1,
    "workers": None,
}


@pytest.mark.long
@pytest.mark.parametrize(
    "seed",
    [seed if seed in SAMPLED else pytest.param(seed, marks=pytest.mark.full) for seed in SEEDS],
)
def test_a_study_on_a_disturbed_cluster_ends_like_one_left_alone(
    seed: int, cluster: LoopbackCluster, place: Place, reference: Path
) -> None:
    rng = random.Random(seed)
    while len(cluster.nodes) > 2:
        cluster.kill_node(cluster.nodes[0])  # of an earlier schedule
    study = Clustered(place, cluster, f"seed-{seed}")
    # Each disturbance is the first of some seeds.
    first = DISTURBANCES[seed % len(DISTURBANCES)]
    disturbances = [first, *rng.sample(DISTURBANCES, rng.randint(0, 2))]
    instants = sorted(rng.sample(range(1, TRIALS * EPOCHS - 1), len(disturbances)))
    changes = {"storage": str(place.path / "storage")} if seed % 2 else {}
    began = time.monotonic()
    study.start(**CONFIG | changes)
    for disturbance, instant in zip(disturbances, instants, strict=True):
        if study.wait_for(instant):
            time.sleep(rng.uniform(0, 0.3))
            study.disturb(disturbance, rng)
    if any("freeze" in done for done in study.done):
        time.sleep(LEASE_S + 2)
        study.thaw()
    assert study.session is not None
    code, stderr = study.session.wait(timeout_s=240)
    print(f"seed {seed}: {study.done} after {instants} epochs, {time.monotonic() - began:.0f} s")
    assert code == 0, (seed, study.done, stderr)
    assert study.done, "something was disturbed"
    folder = place.study(study.name)
    assert read_table(folder / "trials.csv") == read_table(reference / "trials.csv"), study.done
    board = read_table(folder / "leaderboard.csv")
    assert board == read_table(reference / "leaderboard.csv"), study.done
    heard = Counter(study.epochs())
    every = {f"{trial} {epoch}" for trial in range(TRIALS) for epoch in range(1, EPOCHS + 1)}
    # A study that was killed finds epochs kept that it had not heard of, as on one machine.
    assert heard.keys() == every or "kill the study" in study.done
    assert heard.keys() <= every
    # Each epoch is kept before it is told, so that none is told twice.
    assert max(heard.values()) == 1, (seed, study.done, heard.most_common(3))
    assert not [*folder.rglob("checkpoint/*.npz")]
    assert not [path for path in folder.rglob(".*") if path.is_file() and "lock" not in path.name]
    records = [json.loads(path.read_text()) for path in folder.glob("trials/*/trial.json")]
    assert {record["state"] for record in records} == {"complete"}
    assert not _left_behind(study), "agents and their processes end with the study"


def _left_behind(study: Clustered) -> list[psutil.Process]:
    """Agents that still run, after some time to end."""
    deadline = time.monotonic() + 2 * LEASE_S
    while study.agents() and time.monotonic() < deadline:
        time.sleep(0.2)
    return study.agents()


@pytest.mark.parametrize("presses", [1, pytest.param(2, marks=pytest.mark.full)])
def test_ctrl_c_keeps_the_running_epochs(
    presses: int, cluster: LoopbackCluster, place: Place, reference: Path
) -> None:
    study = Clustered(place, cluster, f"ctrl-c-{presses}")
    study.start(**CONFIG)
    assert study.wait_for(5)
    assert study.session is not None
    for _ in range(presses):
        study.session.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    code, stderr = study.session.wait()
    assert code == 130, stderr
    study.start()
    code, stderr = study.session.wait()
    assert code == 0, stderr
    folder = place.study(study.name)
    assert read_table(folder / "trials.csv") == read_table(reference / "trials.csv")
    assert max(Counter(study.epochs()).values()) == 1
