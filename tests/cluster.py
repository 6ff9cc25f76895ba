"""A Ray cluster of several nodes on this machine alone: one loopback address for each node.

Nothing outside this machine is contacted, and all processes end with the one that started them.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import psutil

from autocnn.execution.cluster.ray_executor import _own_signal_handlers

HEAD, FIRST_NODE = 2, 3
"""Last parts of addresses: 127.0.0.2 is the head, 127.0.0.3 the first node."""


class LoopbackCluster:
    """A head without processors, and nodes with some.

    Args:
        num_nodes: Nodes at the start.
        num_cpus: Processors that each offers.
    """

    def __init__(self, num_nodes: int = 2, *, num_cpus: int = 1) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        self._num_cpus = num_cpus
        self._next = FIRST_NODE
        self.nodes: list[Any] = []
        self._frozen: list[psutil.Process] = []
        head = {"num_cpus": 0, "node_ip_address": f"127.0.0.{HEAD}", "include_dashboard": False}
        with _own_signal_handlers():
            self._cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
        try:
            for _ in range(num_nodes):
                self.add_node()
        except BaseException:
            self.shutdown()
            raise

    @property
    def address(self) -> str:
        """HOST:PORT of the head."""
        return str(self._cluster.address)

    def add_node(self) -> Any:
        """One node more."""
        address = f"127.0.0.{self._next}"
        self._next += 1
        with _own_signal_handlers():
            node = self._cluster.add_node(num_cpus=self._num_cpus, node_ip_address=address)
        self.nodes.append(node)
        return node

    def kill_node(self, node: Any) -> None:
        """End all processes of a node at once, as at a power cut."""
        self.nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def freeze_node(self, node: Any) -> None:
        """Stop the process that stands for the node; after `thaw` nobody knows it any more."""
        self.nodes.remove(node)
        self._frozen.append(self.raylet_of(node))
        self._frozen[-1].suspend()

    def thaw(self) -> None:
        """Let frozen nodes go on, and find out that nobody knows them any more."""
        for raylet in self._frozen:
            with contextlib.suppress(psutil.Error):
                raylet.resume()
        self._frozen.clear()

    def raylet_of(self, node: Any) -> psutil.Process:
        """The process that is the node for the others."""
        return psutil.Process(node.all_processes["raylet"][0].process.pid)

    def shutdown(self) -> None:
        """End all of it."""
        self.thaw()  # a frozen process cannot end
        shutdown: Any = self._cluster.shutdown
        shutdown()


@contextlib.contextmanager
def loopback_cluster(num_nodes: int = 2, *, num_cpus: int = 1) -> Iterator[LoopbackCluster]:
    """A cluster that ends with the block, well or not."""
    cluster = LoopbackCluster(num_nodes, num_cpus=num_cpus)
    try:
        yield cluster
    finally:
        cluster.shutdown()
