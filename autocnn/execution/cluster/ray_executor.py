"""Trials on a Ray cluster: the transport between a study and its agents.

Ray brings membership, actors and the way for bytes; everything else is in `remote` and `agent`.
An agent is an actor that is never restarted: a new one would know nothing of the tasks that the
old one had, and Ray would hide that.
"""

import contextlib
import importlib.util
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autocnn.core.errors import ConfigError, MissingExtraError, Text
from autocnn.core.events import Observer
from autocnn.core.extras import install_line
from autocnn.execution.cluster.agent import AgentOptions
from autocnn.execution.cluster.messages import Command, Report
from autocnn.execution.cluster.remote import RemoteExecutor
from autocnn.execution.cluster.remote_agent import AgentLostError, Place

AUTO = "auto"

CONNECT_S = 10.0
"""A head that has not answered by then is none."""


def find_cluster(cluster: str) -> str:
    """The address of a Ray cluster that runs.

    Args:
        cluster: `auto`, or HOST:PORT of its head.

    Raises:
        MissingExtraError: When Ray is not installed.
        ConfigError: When there is no such cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError(
            Text("{cluster} needs Ray, which is not installed."), remedy=install_line("ray")
        )
    # Before its import, which reads them: nothing is told to anybody, and none waits half a minute
    # for what listens and is no Ray.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_py_gcs_connect_timeout_s", f"{CONNECT_S:.0f}")
    address = _running_address() if cluster == AUTO else cluster
    reason = "none runs here" if address is None else _why_not(address)
    if address is None or reason:
        where = f"{address}: " if address not in (None, cluster) else ""
        raise ConfigError(
            Text(
                "{cluster} must be a Ray cluster that runs, got {0!r}: {1}.",
                cluster,
                where + reason,
            ),
            remedy="Start one: ray start --head; `ray status` says whether it runs.",
        )
    return address


class RayExecutor(RemoteExecutor):
    """Runs tasks on a Ray cluster that runs already.

    Args:
        cluster: `auto`, or HOST:PORT of its head.
        study: Folder of the study.
        observer: Hears of nodes that come, go, or are of no use.
        options: What agents are told.
        workers: Most tasks at once; None: as many as there are processors for.
        storage: Folder that all nodes share; None: files travel through this process.

    Raises:
        MissingExtraError: When Ray is not installed.
        ConfigError: When there is no such cluster, or it is of another version.
    """

    def __init__(
        self,
        cluster: str,
        study: Path,
        observer: Observer,
        *,
        options: AgentOptions | None = None,
        workers: int | None = None,
        storage: Path | None = None,
    ) -> None:
        super().__init__(
            RayTransport(cluster),
            study,
            observer,
            options=options,
            workers=workers,
            storage=storage,
        )


class RayTransport:
    """Agents as actors of a Ray cluster; see `Transport`.

    Args:
        cluster: `auto`, or HOST:PORT of its head.

    Raises:
        ConfigError: When there is no such cluster, or it is of another version.
    """

    def __init__(self, cluster: str) -> None:
        address = find_cluster(cluster)
        import ray

        self._ray: Any = ray
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            self._connect(address)

    def _connect(self, address: str) -> None:
        options: dict[str, Any] = {}
        host = address.rpartition(":")[0]
        if host.startswith("127."):
            # Ray would look for the address that the internet sees, and find no such node.
            options["_node_ip_address"] = host
        try:
            with _own_signal_handlers():
                self._ray.init(
                    address=address, log_to_driver=False, logging_level=logging.ERROR, **options
                )
        except ConnectionError as error:  # its head answers: `find_cluster` has asked it
            raise ConfigError(
                Text(
                    "{cluster} must be a Ray cluster that this machine belongs to, got {0!r}: {1}.",
                    address,
                    _line(error).rstrip("."),
                ),
                remedy=f"Let it join: ray start --address={address} --num-cpus=0, which brings no "
                "trials here.",
            ) from error
        except (ValueError, OSError) as error:
            raise ConfigError(
                Text(
                    "{cluster} must be a Ray cluster that runs, got {0!r}: {1}",
                    address,
                    _line(error),
                )
            ) from error
        except RuntimeError as error:
            raise ConfigError(
                Text(
                    "{cluster} must be of this machine's version of Ray and Python, got: {0}",
                    " ".join(str(error).split()),
                ),
                remedy="Install the same on all nodes; see docs/cluster.md.",
            ) from error
        # Without this, what a node logs when it dies goes to stdout, where tables go.
        self._ray._private.worker.print_to_stdstream = lambda *args, **options: None

    def places(self) -> Sequence[Place]:
        """One for each node with processors, or for each of its GPUs; see `Transport.places`."""
        places = []
        for node in self._usable_nodes():
            name, number = node["NodeManagerAddress"], node["NodeID"]
            gpus = int(node["Resources"].get("GPU", 0))
            numbers = [f"{number}/{gpu}" for gpu in range(gpus)] or [number]
            places += [Place(one, number, name) for one in numbers]
        return places

    def _usable_nodes(self) -> Iterator[Mapping[str, Any]]:
        """Nodes that are there, with processors; Ray lists dead ones without any resources."""
        for node in self._ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU", 0) >= 1:
                yield node

    def start(self, place: Place, options: AgentOptions) -> Any:
        """An actor with the free processors of its node, or its GPU's share of them."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from autocnn.execution.cluster.ray_agent import RayAgent

        node = next((n for n in self._usable_nodes() if n["NodeID"] == place.node), None)
        if node is None:
            return None
        total, free = node["Resources"], _free_resources(place.node)
        agents = max(1, int(total.get("GPU", 0)))
        num_cpus = min(int(total["CPU"] // agents), int(free.get("CPU", 0)))
        needs_gpu = total.get("GPU", 0) >= 1
        if num_cpus < 1 or (needs_gpu and free.get("GPU", 0) < 1):
            return None
        actor = self._ray.remote(RayAgent).options(
            num_cpus=num_cpus,
            num_gpus=1 if needs_gpu else 0,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
        )
        return actor.remote(replace(options, num_cpus=num_cpus, share=1 / agents))

    def call(self, agent: Any, commands: Sequence[Command], wait_s: float) -> Any:
        """See `Transport.call`."""
        return agent.exchange.remote(list(commands), wait_s)

    def ready(self, calls: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """See `Transport.ready`: the first that has ended, and all others that have."""
        ready, others = self._ray.wait(list(calls), num_returns=1, timeout=timeout_s)
        if others:
            ready += self._ray.wait(others, num_returns=len(others), timeout=0)[0]
        return [call for call in calls if call in ready]

    def reports(self, call: Any) -> Sequence[Report]:
        """See `Transport.reports`."""
        exceptions = self._ray.exceptions
        try:
            reports: list[Report] = self._ray.get(call)
        except exceptions.ActorUnavailableError as error:
            raise AgentLostError("it cannot be reached") from error
        except exceptions.RayError as error:
            raise AgentLostError(f"its agent ended: {_last_line(error)}") from error
        return reports

    def kill(self, agent: Any) -> None:
        """See `Transport.kill`."""
        with contextlib.suppress(Exception):  # it may be gone in any way
            self._ray.kill(agent)

    def pack(self, content: bytes) -> Any:
        """In Ray's store, from which nodes take it of each other."""
        return self._ray.put(content)

    def close(self) -> None:
        """See `Transport.close`."""
        if self._is_ours and self._ray.is_initialized():
            with _own_signal_handlers():
                self._ray.shutdown()


def _running_address() -> str | None:
    """The cluster that runs on this machine, or that RAY_ADDRESS names; None: Ray looks for it."""
    address = os.environ.get("RAY_ADDRESS")
    if address and address != AUTO:
        return address
    from ray._private import utils

    return utils.read_ray_address() or None


def _why_not(address: str) -> str:
    """Why a cluster cannot be used, or nothing; Ray itself would wait for one for minutes."""
    from ray import _raylet
    from ray.exceptions import RpcError

    raylet: Any = _raylet  # untyped

    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
        raylet.GcsClient(address=address).check_alive([], timeout=CONNECT_S)
    except OSError as error:
        return error.strerror or str(error)
    except (RpcError, RuntimeError, ValueError) as error:
        return _line(error)
    return ""


def _free_resources(node: str) -> dict[str, float]:
    """What of a node's resources nobody has taken."""
    from ray._private import state

    resources: Any = state.available_resources_per_node  # untyped
    free: dict[str, float] = resources().get(node, {})
    return free


def _line(error: BaseException) -> str:
    """The first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _last_line(error: BaseException) -> str:
    """The last line of an error: of one that came from elsewhere, what happened there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


@contextlib.contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep our handlers: Ray puts its own in the place of that of SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
