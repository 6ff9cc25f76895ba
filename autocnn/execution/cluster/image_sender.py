"""Brings decoded images to the machines of the agents, each to each machine once."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from autocnn.execution.cluster.messages import HasImages, Offer, Piece
from autocnn.execution.cluster.names import images_name
from autocnn.execution.cluster.remote_agent import RemoteAgent

PIECE = 32 * 2**20
"""Bytes of images that travel in one message."""

MOST_PACKED = 4
"""Pieces that are kept for other agents, which get them at about the same time."""


class ImageSender:
    """Offers images to agents, and sends them to those that do not find them on their machine.

    Args:
        pack: Content that several agents will get -> what stands for it in their commands.
    """

    def __init__(self, pack: Callable[[bytes], Any]) -> None:
        self._pack = pack
        self._names: dict[tuple[Path, int, int], str] = {}
        self._paths: dict[str, Path] = {}
        self._packed: dict[tuple[str, int], Any] = {}

    def name(self, path: Path, meanwhile: Callable[[], None]) -> str:
        """The name of decoded images; they are read once for it.

        Args:
            path: Their file.
            meanwhile: As of `images_name`.
        """
        facts = path.stat()
        known = path, facts.st_size, facts.st_mtime_ns
        if known not in self._names:
            self._names[known] = images_name(path, meanwhile)
        self._paths[self._names[known]] = path
        return self._names[known]

    def has(self, agent: RemoteAgent, images: str | None) -> bool:
        """Whether an agent has images; the first time, they are offered to it."""
        if images is None:
            return True
        if images not in agent.images:
            agent.images[images] = False
            path = self._paths[images]
            facts = path.stat()
            absolute = str(path.resolve())
            agent.outbox.append(Offer(images, absolute, facts.st_size, facts.st_mtime_ns))
        return agent.images[images]

    def next_piece(self, agent: RemoteAgent, agents: Iterable[RemoteAgent]) -> Piece | None:
        """The next piece of images that an agent waits for, where no other sends them there.

        Args:
            agent: The agent.
            agents: All agents.
        """
        for images, number in agent.wants.items():
            others = (a for a in agents if a.place.node == agent.place.node)
            if next(a for a in others if images in a.wants) is not agent:
                continue  # it is offered again when the other has it
            agent.wants[images] = number + 1
            is_last = (number + 1) * PIECE >= self._paths[images].stat().st_size
            return Piece(images, self._piece(images, number), number == 0, is_last)
        return None

    def take(self, agent: RemoteAgent, report: HasImages, agents: Iterable[RemoteAgent]) -> None:
        """Note whether images are at an agent.

        Args:
            agent: The agent.
            report: What it says.
            agents: All agents.
        """
        if not report.are_there:
            agent.wants[report.images] = 0
            return
        agent.wants.pop(report.images, None)
        agent.images[report.images] = True
        for other in agents:
            if other.place.node == agent.place.node and other.wants.pop(report.images, None) == 0:
                del other.images[report.images]  # it is offered again, and finds them

    def _piece(self, images: str, number: int) -> Any:
        if (images, number) not in self._packed:
            with self._paths[images].open("rb") as file:
                file.seek(number * PIECE)
                self._packed[images, number] = self._pack(file.read(PIECE))
            if len(self._packed) > MOST_PACKED:
                del self._packed[next(iter(self._packed))]
        return self._packed[images, number]
