"""Agents in this process: the whole way of messages without a cluster."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autocnn.core.errors import StudyError
from autocnn.core.records import TrialState
from autocnn.execution.cluster.agent import Agent, AgentOptions
from autocnn.execution.cluster.messages import Command, Report
from autocnn.execution.cluster.remote_agent import AgentLostError, Place
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.tasks import Task, TrainingResult, TrainingTask
from tests.simulation.executor import formula


@dataclass
class Call:
    """A call of an agent that is made when somebody looks for its end."""

    agent: Agent
    commands: Sequence[Command]
    wait_s: float
    reports: Sequence[Report] | None = None


@dataclass
class InProcess:
    """A transport to agents of this process; see `Transport`.

    Attributes:
        num_places: Machines.
        make_agent: Starts one.
        agents: Those that run, by the number of their place.
        lost: Agents that are gone: their calls fail.
        frozen: Agents whose calls never end.
        started: Numbers of places in which an agent was started, in their order.
        packed: Pieces that were packed.
    """

    num_places: int = 2
    make_agent: Callable[[AgentOptions], Agent] = Agent
    agents: dict[str, Agent] = field(default_factory=dict)
    lost: list[Agent] = field(default_factory=list)
    frozen: list[Agent] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)

    def places(self) -> Sequence[Place]:
        """See `Transport.places`."""
        names = [f"node-{number}" for number in range(self.num_places)]
        return [Place(name, name, name) for name in names]

    def start(self, place: Place, options: AgentOptions) -> Any:
        """See `Transport.start`."""
        self.started.append(place.number)
        self.agents[place.number] = self.make_agent(options)
        return self.agents[place.number]

    def call(self, agent: Any, commands: Sequence[Command], wait_s: float) -> Any:
        """See `Transport.call`."""
        return Call(agent, commands, wait_s)

    def ready(self, calls: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """See `Transport.ready`."""
        calls = [call for call in calls if not any(call.agent is a for a in self.frozen)]
        for call in calls:
            if call.reports is None and not any(call.agent is a for a in self.lost):
                call.reports = call.agent.exchange(call.commands, call.wait_s)
        return calls

    def reports(self, call: Any) -> Sequence[Report]:
        """See `Transport.reports`."""
        if any(call.agent is agent for agent in self.lost):
            raise AgentLostError("its machine is gone")
        reports: Sequence[Report] = call.reports
        return reports

    def kill(self, agent: Any) -> None:
        """See `Transport.kill`."""
        agent.close()
        self.agents = {place: a for place, a in self.agents.items() if a is not agent}

    def pack(self, content: bytes) -> Any:
        """See `Transport.pack`."""
        self.packed.append(content)
        return content

    def close(self) -> None:
        """See `Transport.close`."""


@dataclass
class Clock:
    """Goes on a little whenever somebody looks at it."""

    now: float = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        """Without waiting."""
        self.now += seconds


@dataclass
class _Step:
    task: TrainingTask
    done: list[int]
    num_told: int = 0
    is_waiting: bool = False
    is_stopped: bool = False


@dataclass
class StepExecutor:
    """Trains in this process: an epoch of each task per poll, with a checkpoint on the disk.

    Attributes:
        trained: (trial, epoch) of each epoch that was trained, in their order.
        error: What the next task ends with.
    """

    trained: list[tuple[int, int]] = field(default_factory=list)
    error: StudyError | None = None
    running: dict[int, _Step] = field(default_factory=dict)

    @property
    def num_running(self) -> int:
        """See `Executor.num_running`."""
        return len(self.running)

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """See `Executor.submit`."""
        assert isinstance(task, TrainingTask)
        kept = task.checkpoint_path
        log_path.write_text("begun\n")
        self.running[key] = _Step(task, json.loads(kept.read_text()) if kept.exists() else [])

    def poll(self, timeout_s: float) -> list[Event]:
        """See `Executor.poll`."""
        return [
            self._step(key, step) for key, step in list(self.running.items()) if not step.is_waiting
        ]

    def answer(self, key: int, *, stop: bool) -> None:
        """See `Executor.answer`."""
        self.running[key].is_waiting = False
        self.running[key].is_stopped = stop

    def cancel(self, key: int) -> None:
        """See `Executor.cancel`."""
        self.running.pop(key, None)

    def close(self) -> None:
        """See `Executor.close`."""
        self.running.clear()

    def _step(self, key: int, step: _Step) -> Event:
        task = step.task
        told = step.num_told
        if self.error is not None:
            del self.running[key]
            ended = Outcome(TrialState.FAILED, 1.0, "full", error=self.error)
            self.error = None
            return EndEvent(key, ended)
        if step.is_stopped or told == task.epochs:
            del self.running[key]
            task.model_path.write_text(json.dumps(step.done))
            scores = tuple(formula(task.params, epoch) for epoch in step.done)
            return EndEvent(
                key, Outcome(TrialState.COMPLETE, 1.0, result=TrainingResult(scores, 1, 4))
            )
        if told == len(step.done):
            step.done.append(told + 1)
            self.trained.append((task.seed[-1], told + 1))
            task.checkpoint_path.write_text(json.dumps(step.done))
        step.is_waiting = True
        step.num_told = told + 1
        return EpochEvent(key, formula(task.params, told + 1))
