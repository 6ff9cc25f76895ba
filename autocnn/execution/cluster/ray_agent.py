"""The agent as an actor of Ray; see `ray_executor`."""

import os
from collections.abc import Iterable
from dataclasses import replace

import ray

from autocnn.execution.cluster.agent import Agent, AgentOptions
from autocnn.execution.cluster.messages import Command, Piece, Report


class RayAgent(Agent):
    """An agent in a process of Ray.

    Args:
        options: How it shares its machine.
    """

    def __init__(self, options: AgentOptions) -> None:
        # Ray sets it by the processors of the actor; TensorFlow's threads come with each task.
        os.environ["OMP_NUM_THREADS"] = "1"
        super().__init__(options)
        self.watch()

    def exchange(self, commands: Iterable[Command], wait_s: float) -> list[Report]:
        """See `Agent.exchange`; pieces of images stand in Ray's store."""
        return super().exchange(map(_unpack, commands), wait_s)


def _unpack(command: Command) -> Command:
    if isinstance(command, Piece) and isinstance(command.content, ray.ObjectRef):
        return replace(command, content=ray.get(command.content))
    return command
