"""Tasks on other machines: the study's side of the agents.

An `Executor` that hands tasks to agents, wherever its `Transport` can start some. The study
stays the only writer of its folder: an agent works in a folder of its own per submission, and
what it left is taken over here, after it was seen that the submission still counts. So nothing
that a lost agent does later reaches the study.

What can become of an agent, in one place each: `_greeted` (it is like us, and may work),
`_lose` (its tasks are lost, which is no fault of theirs), `_ban` (its place is of no use).
"""

import contextlib
import shlex
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autocnn.core.atomic import append_to_file
from autocnn.core.errors import ConfigError, StudyError, Text
from autocnn.core.events import Observer
from autocnn.core.records import TrialState
from autocnn.core.wording import count
from autocnn.execution.cluster.agent import AgentOptions, installed
from autocnn.execution.cluster.image_sender import ImageSender
from autocnn.execution.cluster.messages import (
    Answer,
    Begin,
    Cancel,
    CheckStorage,
    EndReport,
    EpochReport,
    HasImages,
    Hello,
    Leave,
    Report,
    StorageReport,
    Unusable,
)
from autocnn.execution.cluster.names import name_task
from autocnn.execution.cluster.remote_agent import (
    AgentLostError,
    RemoteAgent,
    Submission,
    Transport,
)
from autocnn.execution.cluster.transfer import ByMessage, BySharedFolder, Transfer
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.local import LocalExecutor
from autocnn.execution.machine import Resources
from autocnn.execution.tasks import (
    CandidateTask,
    ExportTask,
    GpusTask,
    OwnModelTask,
    PredictionTask,
    Task,
    TrainingTask,
)

LOOK_S = 2.0
"""Seconds between two looks at which machines there are."""

CALL_S = 0.1
"""Seconds that an agent waits for news in one call: so long may a new task wait for it."""

CALLS_PER_S = 100.0
"""Calls of all agents in a second when nothing happens: of many agents each waits longer."""

START_S = 600.0
"""For an agent to start and to import TensorFlow, from a slow network too."""

FREE_S = 120.0
"""For processors to become free when a study begins."""

TELL_S = 5.0
"""After so long it is said what is waited for."""

STRAGGLER_S = 20.0
"""At the start, seconds to wait for the others when one has greeted."""

WAIT_S = 600.0
"""Seconds to wait for a machine when all are gone; then the study stops, to be resumed."""

CLOSE_S = 20.0
"""Seconds for running tasks to give their checkpoints back when the study stops."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0
"""After an agent was lost its place rests, twice as long each time in a row."""

AT_HOME = (OwnModelTask, ExportTask, GpusTask)
"""Tasks that need files of this machine, or are about it."""


@dataclass
class _Rest:
    """How long a place rests after agents were lost there."""

    num_lost: int = 0
    until: float = 0.0


class RemoteExecutor:
    """Runs tasks by agents on other machines; see `Executor` and `Elastic`.

    Args:
        transport: To the machines.
        study: Folder of the study.
        observer: Hears of machines that come, go, or are of no use.
        options: What agents are told.
        workers: Most tasks at once; None: as many as there are processors for.
        storage: Folder that all machines share; None: files travel in messages.
        clock: Seconds now.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        transport: Transport,
        study: Path,
        observer: Observer,
        *,
        options: AgentOptions | None = None,
        workers: int | None = None,
        storage: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.options = options or AgentOptions()
        self._transport = transport
        self._study = study
        self._observer = observer
        self._most = workers
        self._clock = clock
        self._sleep = sleep
        self._session = f"{time.time_ns():x}"
        self._num_submitted = 0
        self._transfer: Transfer = ByMessage()
        self._storage: BySharedFolder | None = None
        if storage is not None:
            self._transfer = self._storage = BySharedFolder(storage, study, self._session)
        self._versions = installed()
        self._agents: dict[str, RemoteAgent] = {}
        self._rests: dict[str, _Rest] = {}
        self._banned: dict[str, str] = {}
        self._unstarted: dict[str, str] = {}
        self._looked = float("-inf")
        self._alone_since: float | None = None
        self._running: dict[int, Submission] = {}
        self._queue: deque[Submission] = deque()
        self._arriving: list[tuple[Submission, EndReport, float]] = []
        self._events: list[tuple[str, Event]] = []
        self._images = ImageSender(transport.pack)
        self._home: LocalExecutor | None = None

    # -- the contract -------------------------------------------------------------------------

    @property
    def num_running(self) -> int:
        """Tasks submitted and not ended."""
        return len(self._running) + (self._home.num_running if self._home else 0)

    @property
    def num_slots(self) -> int:
        """Tasks that it can run at once now; see `Elastic`."""
        slots = sum(a.hello.resources.workers for a in self._usable if a.hello)
        return max(1, slots if self._most is None else min(slots, self._most))

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """Start a task, as soon as a machine can take it; see `Executor.submit`."""
        if isinstance(task, AT_HOME):
            self._home = self._home or LocalExecutor(preload=self.options.preload)
            self._home.submit(key, function, task, log_path=log_path, timeout_s=timeout_s)
            return
        self._num_submitted += 1
        number = f"{self._session}-{self._num_submitted:06d}"
        named = name_task(task, self._study, self._name_images)
        submission = Submission(number, key, function, named, log_path, timeout_s)
        self._running[key] = submission
        self._queue.append(submission)

    def _name_images(self, path: Path) -> str:
        """Their name; agents are answered while a large file is read, or their leases end."""
        return self._images.name(path, lambda: self._talk(0.0))

    def poll(self, timeout_s: float) -> list[Event]:
        """What happened; see `Executor.poll`."""
        deadline = self._clock() + timeout_s
        while True:
            if self._home is not None and self._home.num_running:
                return self._home.poll(timeout_s)
            self._look()
            self._hand_out()
            left_s = deadline - self._clock()
            self._talk(0.0 if self._events else max(0.0, left_s))
            self._check_hope()
            if self._events or left_s <= 0.0:
                return self._take_events()

    def answer(self, key: int, *, stop: bool) -> None:
        """Reply to an EpochEvent; see `Executor.answer`."""
        submission = self._running.get(key)
        agent = self._agent_of(submission) if submission else None
        if submission is not None and agent is not None:
            agent.outbox.append(Answer(submission.number, stop))

    def cancel(self, key: int) -> None:
        """Stop one task at once; see `Executor.cancel`. Its checkpoint stands afterwards."""
        if self._home is not None:
            self._home.cancel(key)
        submission = self._running.pop(key, None)
        if submission is not None:
            self._cancel([submission], self.options.lease_s)

    def close(self) -> None:
        """Stop all tasks at once; their checkpoints stand afterwards, if there is time."""
        running = list(self._running.values())
        self._running.clear()
        try:
            with contextlib.suppress(StudyError):  # on a full disk, what stood there stands
                self._cancel(running, CLOSE_S)
            for agent in self._agents.values():
                agent.outbox.append(Leave())
            self._talk(0.0)  # what is called already is answered first
            self._talk(CALL_S)
        finally:
            for agent in self._agents.values():
                self._transport.kill(agent.handle)
            self._agents.clear()
            self._queue.clear()
            self._transport.close()
            self._transfer.close()
            if self._home is not None:
                self._home.close()

    # -- the start ----------------------------------------------------------------------------

    def begin(self) -> Resources:
        """Start agents, and wait until they may work.

        Returns:
            How the tasks share all machines, as far as one value can say it.

        Raises:
            ConfigError: When there is no machine, none has free processors, or one does not fit.
        """
        if self._storage is not None:
            self._storage.begin(self._study)
        began, first, is_told = self._clock(), None, False
        while True:
            self._look(is_wanted=True)
            self._talk(CALL_S)
            if not self._agents and not is_told and self._clock() - began > TELL_S:
                is_told = True
                self._observer.note("Waiting for a node of the cluster with free processors.")
            for name, reason in self._banned.items():
                raise ConfigError(Text("{cluster}: node {0} {1}.", name, reason))
            usable, now = self._usable, self._clock()
            if self._unstarted and not self._agents:
                name, reason = next(iter(self._unstarted.items()))
                raise ConfigError(Text("{cluster}: node {0} cannot run trials: {1}.", name, reason))
            first = first or (now if usable else None)
            if usable and len(usable) == len(self._agents):
                break
            if first is not None and now - first > STRAGGLER_S:
                break
            if now - began > (START_S if self._agents else FREE_S):
                raise self._nothing_free()
        return self.resources

    @property
    def resources(self) -> Resources:
        """How the tasks share all machines, as far as one value can say it."""
        nodes = [agent.hello.resources for agent in self._usable if agent.hello]
        return Resources(
            workers=self.num_slots,
            threads=min(node.threads for node in nodes),
            memory_limit_gb=min(node.memory_limit_gb for node in nodes),
            precision=nodes[0].precision,
        )

    def _nothing_free(self) -> ConfigError:
        names = sorted({place.name for place in self._transport.places()})
        if not names:
            return ConfigError(
                Text("{cluster} must have a node with a processor for trials, got none."),
                remedy="Start one: ray start --address=HOST:PORT; see docs/cluster.md.",
            )
        return ConfigError(
            Text(
                "{cluster} must have free processors, got nodes whose are all taken: {0}.",
                ", ".join(names),
            ),
            remedy="`ray status` says by what; or start another node.",
        )

    # -- machines -----------------------------------------------------------------------------

    @property
    def _usable(self) -> list[RemoteAgent]:
        return [agent for agent in self._agents.values() if agent.is_usable]

    @property
    def _num_expected(self) -> int:
        """Slots of all agents; of one that has not greeted, at least one."""
        hellos = [agent.hello for agent in self._agents.values()]
        return sum(hello.resources.workers if hello is not None else 1 for hello in hellos)

    def _look(self, *, is_wanted: bool = False) -> None:
        """Start agents in places that have none, as long as there is work."""
        now = self._clock()
        if now - self._looked < LOOK_S or not (self._running or is_wanted):
            return
        self._looked = now
        for place in self._transport.places():
            if self._most is not None and self._num_expected >= self._most:
                break  # the others are left to whoever needs them
            rest = self._rests.setdefault(place.number, _Rest())
            if place.number in self._agents or place.name in self._banned or now < rest.until:
                continue
            handle = self._transport.start(place, self.options)
            if handle is not None:
                self._agents[place.number] = RemoteAgent(place, handle, now)

    def _greeted(self, agent: RemoteAgent, hello: Hello) -> None:
        """Let an agent work whose versions are ours, and who shares our storage if need be."""
        agent.hello = hello
        others = [
            f"{package} {hello.versions.get(package) or 'missing'}, not {version}"
            for package, version in self._versions.items()
            if hello.versions.get(package) != version
        ]
        if others:
            self._ban(agent, f"must have the versions of this machine, got {'; '.join(others)}")
            return
        for warning in hello.warnings:
            self._observer.warn(f"Node {agent.place.name}: {warning}")
        if self._storage is not None:
            agent.outbox.append(CheckStorage(*self._storage.check))
        else:
            self._admit(agent)

    def _admit(self, agent: RemoteAgent) -> None:
        agent.is_usable = True
        if self._running:
            self._observer.note(f"Node {agent.place.name} takes trials now: {self}.")

    def _lose(self, agent: RemoteAgent, reason: str) -> None:
        """Go on without an agent: its tasks are lost."""
        self._transport.kill(agent.handle)
        self._agents.pop(agent.place.number, None)
        rest = self._rests.setdefault(agent.place.number, _Rest())
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**rest.num_lost)
        rest.num_lost += 1
        rest.until = self._clock() + pause_s
        if agent.hello is None:
            self._unstarted[agent.place.name] = reason
        for submission in list(agent.tasks.values()):
            if submission.begun is None:
                if not submission.is_cancelled:
                    self._queue.appendleft(submission)
                continue
            seconds = self._clock() - submission.begun
            named, number = submission.named, submission.number
            # Its last whole epoch is read, then its folder is closed to it: a process that lives
            # on there can take nothing back.
            self._transfer.recover(named, number)
            if not submission.is_cancelled:
                lost = f"node {agent.place.name}: {reason}"
                outcome = Outcome(TrialState.FAILED, seconds, lost, is_lost=True)
                self._add_end(submission, outcome)
        agent.tasks.clear()

    def _ban(self, agent: RemoteAgent, reason: str) -> None:
        """Never again start an agent on that machine."""
        self._banned[agent.place.name] = reason
        if agent.hello is not None and (agent.tasks or self._running):
            self._observer.warn(f"Node {agent.place.name} gets no more work: it {reason}.")
        self._lose(agent, reason)

    def _check_hope(self) -> None:
        """Stop the study when no machine is left, after some patience."""
        if self._usable or not self._queue:
            self._alone_since = None
            return
        if self._agents:
            return  # one starts, which may or may not do so in the end
        now = self._clock()
        names = {place.name for place in self._transport.places()}
        if names and names <= self._banned.keys():
            reasons = "; ".join(f"{name} {self._banned[name]}" for name in sorted(names))
            raise StudyError(f"{self._study}: a node must be fit for work, got: {reasons}.")
        if self._alone_since is None:
            self._alone_since = now
            self._observer.warn("No node of the cluster is left; the study waits for one.")
        if now - self._alone_since > WAIT_S:
            reasons = "".join(f"; {name} {why}" for name, why in sorted(self._unstarted.items()))
            raise StudyError(
                f"{self._study}: the cluster must have a node for trials, got none for "
                f"{WAIT_S / 60:.0f} minutes{reasons}.",
                remedy="Start nodes, then go on with "
                f"`autocnn resume {shlex.quote(str(self._study))}`.",
            )

    # -- tasks to machines --------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give queued tasks to the machines with the most free slots; begin what has its images."""
        while self._queue:
            agent = max(self._agents.values(), key=lambda agent: agent.num_free, default=None)
            if agent is None or agent.num_free <= 0:
                break
            submission = self._queue.popleft()
            agent.tasks[submission.number] = submission
        for agent in list(self._agents.values()):
            for submission in agent.tasks.values():
                if submission.begun is None and self._images.has(agent, submission.named.images):
                    submission.begun = self._clock()
                    agent.outbox.append(self._begin(agent, submission))

    def _begin(self, agent: RemoteAgent, submission: Submission) -> Begin:
        assert agent.hello is not None
        resources, named = agent.hello.resources, submission.named
        task = named.task
        if isinstance(task, TrainingTask):
            task = replace(task, threads=resources.threads, precision=resources.precision)
        elif isinstance(task, PredictionTask | CandidateTask):
            task = replace(task, threads=resources.threads)
        files, folder = self._transfer.send(named, submission.number)
        return Begin(
            submission.number,
            submission.function,
            task,
            tuple(named.writes),
            named.checkpoint,
            named.images,
            submission.timeout_s,
            files,
            folder,
        )

    def _cancel(self, submissions: Sequence[Submission], most_s: float) -> None:
        """Stop submissions, and wait until what they left has come."""
        deadline = self._clock() + most_s
        left: set[str] = set()
        for submission in submissions:
            submission.is_cancelled = True
            if submission in self._queue:
                self._queue.remove(submission)
            agent = self._agent_of(submission)
            if agent is not None and submission.begun is None:
                del agent.tasks[submission.number]
            elif agent is not None:
                agent.outbox.append(Cancel(submission.number))
                left.add(submission.number)
        while left and self._clock() < deadline:
            self._talk(CALL_S)
            under_way = {number for agent in self._agents.values() for number in agent.tasks}
            left &= under_way | {submission.number for submission, *_ in self._arriving}
        for agent in list(self._agents.values()):
            if left & agent.tasks.keys():
                self._lose(agent, "does not answer")

    def _agent_of(self, submission: Submission) -> RemoteAgent | None:
        agents = self._agents.values()
        return next((agent for agent in agents if submission.number in agent.tasks), None)

    # -- messages -----------------------------------------------------------------------------

    def _talk(self, timeout_s: float) -> None:
        """Call the agents that wait for a call; take what comes within some time."""
        for agent in self._agents.values():
            if agent.call is None:
                commands, agent.outbox = agent.outbox, []
                piece = self._images.next_piece(agent, self._agents.values())
                commands += [piece] if piece is not None else []
                agent.called = self._clock()
                idle_s = max(CALL_S, len(self._agents) / CALLS_PER_S)
                wait_s = 0.0 if piece is not None else idle_s
                agent.call = self._transport.call(agent.handle, commands, wait_s)
        calls = [agent.call for agent in self._agents.values()]
        if calls:
            ready = self._transport.ready(calls, timeout_s)
        else:
            ready = ()
            self._sleep(min(timeout_s, CALL_S))
        for agent in list(self._agents.values()):
            if any(agent.call is call for call in ready):
                self._listen(agent)
            elif self._clock() - agent.called > self._patience_s(agent):
                self._lose(agent, "does not answer")
        self._take_arrived()

    def _patience_s(self, agent: RemoteAgent) -> float:
        return START_S if agent.hello is None else self.options.lease_s

    def _listen(self, agent: RemoteAgent) -> None:
        call, agent.call = agent.call, None
        try:
            reports = self._transport.reports(call)
        except AgentLostError as error:
            self._lose(agent, str(error))
            return
        for report in reports:
            if agent.place.number not in self._agents:
                break  # it was banned for what it said before
            self._take(agent, report)

    def _take(self, agent: RemoteAgent, report: Report) -> None:
        match report:
            case Hello():
                self._greeted(agent, report)
            case StorageReport():
                if report.wrong:
                    self._ban(agent, f"cannot use the storage: {report.wrong}")
                else:
                    self._admit(agent)
            case HasImages():
                self._images.take(agent, report, self._agents.values())
            case EpochReport():
                self._take_epoch(agent, report)
            case EndReport():
                submission = agent.tasks.pop(report.submission, None)
                if submission is not None:
                    self._take_end(agent, submission, report)
            case Unusable():
                self._ban(agent, f"is of no use: {report.reason}")

    def _take_epoch(self, agent: RemoteAgent, report: EpochReport) -> None:
        submission = agent.tasks.get(report.submission)
        if submission is None or submission.is_cancelled:
            return
        _append(submission.log_path, report.log)
        # The checkpoint stands before the loop hears of the epoch, as on this machine.
        self._transfer.keep(submission.named, report.files)
        self._events.append((submission.number, EpochEvent(submission.key, report.score)))

    def _take_end(self, agent: RemoteAgent, submission: Submission, report: EndReport) -> None:
        outcome = report.outcome
        _append(submission.log_path, report.log)
        self._rests.pop(agent.place.number, None)
        if outcome is not None and isinstance(outcome.error, StudyError) and not self._storage:
            # The disk of that machine is full, and others go on.
            self._ban(agent, f"is of no use: {outcome.error.message}")
            lost = replace(outcome, error=None, reason="its disk is full", is_lost=True)
            report = replace(report, outcome=lost)
        self._arriving.append((submission, report, self._clock()))

    def _take_arrived(self) -> None:
        """End the submissions whose files are here."""
        arriving, self._arriving = self._arriving, []
        for submission, report, since in arriving:
            named, number, outcome = submission.named, submission.number, report.outcome
            if not self._transfer.has_arrived(number, report.left):
                if self._clock() - since < self.options.lease_s:
                    self._arriving.append((submission, report, since))
                    continue
                outcome = outcome and replace(
                    outcome, reason="its files did not come", is_lost=True, result=None
                )
                report = replace(report, left={})
            self._transfer.take(named, number, report.left, report.files)
            if outcome is not None and not submission.is_cancelled:
                self._add_end(submission, outcome)

    def _add_end(self, submission: Submission, outcome: Outcome) -> None:
        self._events.append((submission.number, EndEvent(submission.key, outcome)))

    def _take_events(self) -> list[Event]:
        """What is to be told; nothing of submissions that do not count any more."""
        events, self._events = self._events, []
        told: list[Event] = []
        for number, event in events:
            submission = self._running.get(event.key)
            if submission is None or submission.number != number:
                continue
            if isinstance(event, EndEvent):
                del self._running[event.key]
            told.append(event)
        return told

    def __str__(self) -> str:
        nodes = {agent.place.node for agent in self._usable}
        return f"{count(len(nodes), 'node')}, {count(self.num_slots, 'trial')} at once"


def _append(path: Path, log: bytes) -> None:
    if log:
        append_to_file(path, log)
