"""The study's side of an agent: where it runs, what it was told, and what carries the messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from autocnn.execution.cluster.agent import AgentOptions
from autocnn.execution.cluster.messages import Command, Hello, Report
from autocnn.execution.cluster.names import NamedTask


class AgentLostError(Exception):
    """An agent that answers no more; its text is the reason."""


@dataclass(frozen=True)
class Place:
    """Where an agent can run: a machine of a cluster, or a GPU of it.

    Attributes:
        number: Names it, as long as the machine stays in the cluster.
        node: Names the machine.
        name: The machine's for people, e.g. its address.
    """

    number: str
    node: str
    name: str


class Transport(Protocol):
    """Starts agents, and carries messages to and from them."""

    def places(self) -> Sequence[Place]:
        """Where agents can run now."""
        ...

    def start(self, place: Place, options: AgentOptions) -> Any:
        """Begin to start an agent; None where nothing is free for one."""
        ...

    def call(self, agent: Any, commands: Sequence[Command], wait_s: float) -> Any:
        """Begin a call of `Agent.exchange`."""
        ...

    def ready(self, calls: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """Those calls that have ended, well or not; waits for the first."""
        ...

    def reports(self, call: Any) -> Sequence[Report]:
        """What an ended call brought.

        Raises:
            AgentLostError: When the agent is gone.
        """
        ...

    def kill(self, agent: Any) -> None:
        """End an agent, if it still runs."""
        ...

    def pack(self, content: bytes) -> Any:
        """Content that several agents will get: what stands for it in their commands."""
        ...

    def close(self) -> None:
        """Let go of the machines; all agents end."""
        ...


@dataclass(eq=False)
class Submission:
    """One attempt at a task."""

    number: str
    key: int
    function: str
    named: NamedTask
    log_path: Path
    timeout_s: float | None
    begun: float | None = None
    is_cancelled: bool = False


@dataclass(eq=False)
class RemoteAgent:
    """An agent, from its start on.

    Attributes:
        place, handle: Where it runs, and what the transport calls it.
        started: The clock when it was started.
        hello: Its greeting.
        is_usable: Whether it may work.
        call: The call under way, and `called` its start.
        outbox: Commands for the next call.
        tasks: By the numbers of their submissions.
        images: Name -> whether they are there; missing: not asked yet.
        wants: Images to send, with the number of pieces sent.
    """

    place: Place
    handle: Any
    started: float
    hello: Hello | None = None
    is_usable: bool = False
    call: Any = None
    called: float = 0.0
    outbox: list[Command] = field(default_factory=list)
    tasks: dict[str, Submission] = field(default_factory=dict)
    images: dict[str, bool] = field(default_factory=dict)
    wants: dict[str, int] = field(default_factory=dict)

    @property
    def num_free(self) -> int:
        """Tasks that it can take now."""
        if self.hello is None or not self.is_usable:
            return 0
        return self.hello.resources.workers - len(self.tasks)
