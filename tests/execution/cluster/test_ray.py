"""The border to Ray: what is refused, and what a node offers. No cluster runs but in slow tests."""

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from autocnn.core.config import resolve_config
from autocnn.core.errors import ConfigError, MissingExtraError
from autocnn.core.events import Observer
from autocnn.core.extras import install_line
from autocnn.execution.cluster import ray_executor
from autocnn.execution.cluster.agent import AgentOptions
from autocnn.execution.cluster.ray_executor import RayExecutor, RayTransport
from autocnn.execution.cluster.remote_agent import Place
from autocnn.execution.executor import EndEvent
from autocnn.execution.machine import Resources
from autocnn.execution.tasks import WeightsTask
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus
from autocnn.study.run import _make_ready
from tests.cluster import LoopbackCluster, loopback_cluster
from tests.execution.functions import HERE


def test_a_cluster_that_is_not_there_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        RayTransport("127.0.0.2:9")
    assert caught.value.message == (
        "cluster must be a Ray cluster that runs, got '127.0.0.2:9': Connection refused."
    )
    assert caught.value.exit_code == 2
    monkeypatch.setattr(ray_executor, "_running_address", lambda: None)
    with pytest.raises(ConfigError, match="got 'auto': none runs here"):
        RayTransport("auto")


def test_auto_looks_for_a_cluster_also_where_the_environment_says_auto(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray._private.utils.read_ray_address", lambda: "127.0.0.2:9")
    for named, expected in (("10.0.0.5:6379", "10.0.0.5:6379"), ("auto", "127.0.0.2:9")):
        monkeypatch.setenv("RAY_ADDRESS", named)
        assert ray_executor._running_address() == expected


def test_a_machine_outside_of_the_cluster_is_told_to_join_it() -> None:
    """The head answers, and Ray finds no process of its own here."""

    class Outside(FakeRay):
        def init(self, **options: Any) -> None:
            raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.5:6379")

    with pytest.raises(ConfigError) as caught:
        make_transport(Outside())._connect("10.0.0.5:6379")
    assert caught.value.message == (
        "cluster must be a Ray cluster that this machine belongs to, got '10.0.0.5:6379': "
        "Failed to connect to Ray cluster at 10.0.0.5:6379."
    )
    assert "ray start --address=10.0.0.5:6379 --num-cpus=0" in caught.value.remedy


@pytest.mark.slow
def test_a_program_that_is_no_ray_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "CONNECT_S", 1.0)
    with socket.create_server(("127.0.0.2", 0)) as server:
        address = f"127.0.0.2:{server.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"must be a Ray cluster that runs, got '{address}'"):
            RayTransport(address)


def test_without_ray_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match="cluster needs Ray, which is not installed"
    ) as caught:
        RayExecutor("127.0.0.2:9", tmp_path, Observer())
    assert caught.value.exit_code == 7
    assert caught.value.remedy == install_line("ray")


def node_id(name: str) -> str:
    """As Ray writes one."""
    return name.encode().hex().ljust(56, "0")


class FakeRay:
    """What `RayTransport` asks of Ray, for nodes as they are listed here."""

    def __init__(self, **resources: dict[str, float]) -> None:
        self.options: list[dict[str, Any]] = []
        self.told: list[AgentOptions] = []
        self.listed = [
            {
                "NodeID": node_id(name),
                "NodeManagerAddress": f"10.0.0.{index}",
                "Alive": name != "gone",
            }
            | {"Resources": facts}
            for index, (name, facts) in enumerate(resources.items())
        ]

    def nodes(self) -> list[dict[str, Any]]:
        return self.listed

    def remote(self, actor: type) -> Any:
        fake = self

        class Made:
            def options(self, **options: Any) -> Any:
                fake.options.append(options)
                return self

            def remote(self, options: AgentOptions) -> str:
                fake.told.append(options)
                return "actor"

        return Made()


def make_transport(fake: FakeRay) -> RayTransport:
    transport = RayTransport.__new__(RayTransport)
    transport._ray = fake
    return transport


def test_there_is_an_agent_per_node_and_per_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(
        head={"memory": 1.0}, cpu={"CPU": 6.0}, gpus={"CPU": 9.0, "GPU": 2.0}, gone={"CPU": 4.0}
    )
    transport = make_transport(fake)
    numbers = [place.number for place in transport.places()]
    cpu, gpus = node_id("cpu"), node_id("gpus")
    assert numbers == [cpu, f"{gpus}/0", f"{gpus}/1"]
    free = {cpu: {"CPU": 4.0}, gpus: {"CPU": 9.0, "GPU": 2.0}}
    monkeypatch.setattr(ray_executor, "_free_resources", lambda node: free[node])
    for place in transport.places():
        assert transport.start(place, AgentOptions(most_workers=3)) == "actor"
    asked = [(options["num_cpus"], options["num_gpus"]) for options in fake.options]
    assert asked == [(4, 0), (4, 1), (4, 1)], "what is free of a node, a share of it per GPU"
    told = [(options.num_cpus, options.share, options.most_workers) for options in fake.told]
    assert told == [(4, 1.0, 3), (4, 0.5, 3), (4, 0.5, 3)], "what TensorFlow sees is theirs to say"
    assert {options["max_restarts"] for options in fake.options} == {0}
    free[gpus]["GPU"] = 0.0
    assert transport.start(transport.places()[1], AgentOptions()) is None
    assert transport.start(Place("x", "x", "x"), AgentOptions()) is None


def test_a_node_that_dies_before_its_agent_starts_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray lists it without any of its resources then."""
    fake = FakeRay(one={"CPU": 6.0}, other={"CPU": 6.0})
    transport = make_transport(fake)
    monkeypatch.setattr(ray_executor, "_free_resources", lambda node: {"CPU": 6.0})
    one, other = transport.places()
    fake.listed[0] |= {"Alive": False, "Resources": {}}
    assert transport.start(one, AgentOptions()) is None
    assert transport.places() == [other]
    assert transport.start(other, AgentOptions()) == "actor"


@pytest.mark.parametrize(
    ("asked", "most_workers"),
    [
        ({"trials": 50}, 50),
        ({"trials": 50, "workers": 4}, 4),
        ({"trials": 2, "workers": 4}, 2),
        ({"budget_s": 3600.0}, None),
    ],
)
def test_agents_know_how_many_tasks_there_are_at_once(
    asked: dict[str, Any], most_workers: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[AgentOptions] = []

    class Noting:
        def __init__(self, *arguments: Any, options: AgentOptions, **others: Any) -> None:
            told.append(options)

        def begin(self) -> Resources:
            return Resources(1, 1, 1.0, "float32")

    monkeypatch.setattr(ray_executor, "RayExecutor", Noting)
    config = resolve_config({"data": "digits", "cluster": "auto", **asked})
    status = StudyStatus.new("study", config, epochs=1)
    folder = StudyFolder.create(tmp_path, "study", {})
    _make_ready(config, folder, Observer(), status, None)
    assert [options.most_workers for options in told] == [most_workers]


def test_our_signal_handlers_outlast_ray() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ray_executor._own_signal_handlers():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is before


# -- with a cluster ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackCluster]:
    with loopback_cluster(1) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_full_cluster_is_an_error_until_it_is_not(
    cluster: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autocnn.execution.cluster import remote

    options = AgentOptions(preload=[])
    first = RayExecutor(cluster.address, tmp_path, Observer(), options=options)
    first.begin()
    monkeypatch.setattr(remote, "FREE_S", 3.0)
    second = RayExecutor(cluster.address, tmp_path, Observer(), options=options)
    with pytest.raises(
        ConfigError, match=r"free processors, got nodes whose are all taken: 127\.0"
    ):
        second.begin()
    monkeypatch.undo()
    second._transport.close()
    first.close()
    third = RayExecutor(cluster.address, tmp_path, Observer(), options=options)
    assert third.begin().workers == 1
    third.close()


@pytest.mark.slow
def test_images_reach_a_node_through_ray_s_store(
    cluster: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from autocnn.execution.cluster import agent, image_sender
    from autocnn.execution.cluster.messages import Offer
    from tests.execution.test_contract import OPTIONS, train, training

    monkeypatch.setattr(image_sender, "PIECE", 100)
    monkeypatch.setattr(
        image_sender, "Offer", lambda *facts: Offer(facts[0], "/none", facts[2], facts[3])
    )
    executor = RayExecutor(cluster.address, tmp_path, Observer(), options=OPTIONS)
    executor.begin()
    task = training(tmp_path)
    np.save(task.images.path, np.random.default_rng().integers(0, 255, (6, 8, 8, 1), np.uint8))
    _, ends = train(executor, task, tmp_path / "log.txt", until=99)
    executor.close()
    assert ends[0].outcome.state == "complete"
    content = task.images.path.read_bytes()
    kept = [*agent.scratch_dir().glob("images/*.npy")]
    assert content in [path.read_bytes() for path in kept]


@pytest.mark.slow
def test_an_agent_that_nobody_calls_ends_itself_and_its_processes(
    cluster: LoopbackCluster, tmp_path: Path
) -> None:
    options = AgentOptions(preload=[HERE], lease_s=2.0)
    executor = RayExecutor(cluster.address, tmp_path, Observer(), options=options)
    executor.begin()
    task = WeightsTask((), 32, "")
    log_path = tmp_path / "log.txt"
    executor.submit(0, f"{HERE}:hang", task, log_path=log_path, timeout_s=None)
    while not executor.poll(1.0):  # it has begun
        pass
    raylet = cluster.raylet_of(cluster.nodes[0])
    (agent,) = (p for p in raylet.children() if "RayAgent" in " ".join(p.cmdline()))
    processes = [agent, *agent.children(recursive=True)]
    assert len(processes) >= 3, "a server, and what it forked"
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    (end,) = executor.poll(30.0)
    assert isinstance(end, EndEvent) and end.outcome.is_lost
    executor.close()
