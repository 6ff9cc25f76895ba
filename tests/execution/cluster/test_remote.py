"""The protocol between a study and its agents: leases, attempts, batches, images; no process."""

import errno
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.errors import ConfigError, DiskFullError, StudyError
from autocnn.core.records import TrialRecord, TrialState
from autocnn.execution.cluster import agent as agent_module
from autocnn.execution.cluster import image_sender, names, remote
from autocnn.execution.cluster.agent import Agent, AgentOptions
from autocnn.execution.cluster.messages import (
    Begin,
    CheckStorage,
    Command,
    Leave,
    Offer,
    Piece,
    Report,
)
from autocnn.execution.cluster.names import NamedTask
from autocnn.execution.cluster.remote import RemoteExecutor
from autocnn.execution.cluster.remote_agent import AgentLostError
from autocnn.execution.cluster.transfer import BySharedFolder
from autocnn.execution.executor import Elastic, EndEvent, EpochEvent, Event
from autocnn.execution.machine import Gpu, Machine, Resources
from autocnn.execution.processes import START_VARIABLE
from autocnn.execution.tasks import Images, PredictionTask, TrainingTask, WeightsResult
from autocnn.storage import StudyFolder
from autocnn.tuning.loop import run_search
from tests.execution.cluster.agents import Call, Clock, InProcess, StepExecutor
from tests.execution.functions import HERE as FUNCTIONS
from tests.execution.functions import run
from tests.simulation.executor import ListEngine, Recorder, make_search, training_task

OPTIONS = AgentOptions(num_cpus=2, lease_s=10.0, idle_s=100.0, keep_every_s=0.0)


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever machine the tests run on."""
    machine = Machine(2, 8.0, False, "CPU", "Linux x86_64")
    monkeypatch.setattr(agent_module, "inspect_machine", lambda observer: machine)


@dataclass
class Cluster:
    """A study, its executor, and agents that train in this process.

    Attributes:
        path: Everything stands here.
        num_places: Machines at the start.
        options: Of the agents.
        storage: That they share.
    """

    path: Path
    num_places: int = 2
    options: AgentOptions = OPTIONS
    storage: Path | None = None
    clock: Clock = field(default_factory=Clock)
    observer: Recorder = field(default_factory=Recorder)
    steps: list[StepExecutor] = field(default_factory=list)
    calls: list[Sequence[Command]] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transport = InProcess(self.num_places, self.make_agent)
        call = self.transport.call

        def noted(agent: Any, commands: Sequence[Command], wait_s: float) -> Call:
            self.calls.append(commands)
            made: Call = call(agent, commands, 0.0)
            return made

        self.transport.call = noted  # type: ignore[method-assign]
        self.study = StudyFolder.create(self.path, "study", {})
        np.save(self.path / "images.npy", np.zeros((4, 8, 8, 1), np.uint8))
        self.executor = self.make_executor()

    def make_executor(self) -> RemoteExecutor:
        return RemoteExecutor(
            self.transport,
            self.study.path,
            self.observer,
            options=self.options,
            storage=self.storage,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def make_agent(self, options: AgentOptions) -> Agent:
        self.steps.append(StepExecutor())
        step = self.steps[-1]
        return Agent(options, clock=self.clock, make_executor=lambda resources: step)

    def task(self, trial: int, epochs: int = 3) -> TrainingTask:
        record = TrialRecord(
            trial=trial, state=TrialState.RUNNING, params={"width": 8}, epochs=epochs
        )
        images = Images(self.path / "images.npy", np.zeros(4, np.int64), 2)
        return replace(training_task(self.study, record), images=images)

    def submit(self, *trials: int) -> None:
        for trial in trials:
            log_path = self.study.trial_log_path(trial)
            self.executor.submit(
                trial, "tests:train", self.task(trial), log_path=log_path, timeout_s=None
            )

    def run(self, stop: Callable[[Event], bool] = lambda event: False) -> list[Event]:
        """All events until nothing runs, or one that stops it, which waits for its answer."""
        events: list[Event] = []
        while self.executor.num_running:
            for key in self.waiting:
                self.executor.answer(key, stop=False)
            found = self.executor.poll(0.01)
            events += found
            self.waiting = [event.key for event in found if isinstance(event, EpochEvent)]
            if any(map(stop, found)):
                break
        return events

    @property
    def trained(self) -> list[tuple[int, int]]:
        return sorted(epoch for step in self.steps for epoch in step.trained)

    @property
    def agents(self) -> list[Agent]:
        return list(self.transport.agents.values())

    def agent_with_tasks(self) -> Agent:
        return next(agent for agent in self.agents if agent._submissions)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    cluster = Cluster(tmp_path)
    cluster.executor.begin()
    return cluster


def ends(events: Sequence[Event]) -> dict[int, EndEvent]:
    return {event.key: event for event in events if isinstance(event, EndEvent)}


def epochs(events: Sequence[Event], key: int) -> list[int]:
    return [e.score.epoch for e in events if isinstance(e, EpochEvent) and e.key == key]


# -- the way of a task ---------------------------------------------------------------------


def test_tasks_go_to_the_machines_with_free_slots_and_their_files_come_back(
    cluster: Cluster,
) -> None:
    assert isinstance(cluster.executor, Elastic)
    assert cluster.executor.num_slots == 4, "two machines with two processors each"
    assert str(cluster.executor) == "2 nodes, 4 trials at once"
    cluster.submit(0, 1, 2, 3)
    events = cluster.run()
    assert {len(step.trained) for step in cluster.steps} == {6}, "two tasks each"
    assert all(epochs(events, trial) == [1, 2, 3] for trial in range(4))
    assert all(end.outcome.state == TrialState.COMPLETE for end in ends(events).values())
    for trial in range(4):
        assert json.loads(cluster.study.trial_model_path(trial).read_text()) == [1, 2, 3]
        assert cluster.study.trial_log_path(trial).read_text() == "begun\n"
    assert not [*cluster.study.path.glob("trials/*/.*")], "no half-written file"


def test_more_tasks_than_slots_wait(cluster: Cluster) -> None:
    at_once: list[int] = []

    def look(event: Event) -> bool:
        at_once.extend(len(step.running) for step in cluster.steps)
        return False

    cluster.submit(*range(7))
    assert len(ends(cluster.run(look))) == 7
    assert max(at_once) == 2, "of each machine"


def test_each_agent_has_one_call_at_a_time_which_takes_all_commands(cluster: Cluster) -> None:
    make, ready, take = (getattr(cluster.transport, n) for n in ("call", "ready", "reports"))
    open_calls: set[int] = set()
    looks = itertools.count()

    def begin(agent: Any, commands: Sequence[Command], wait_s: float) -> Any:
        assert id(agent) not in open_calls
        open_calls.add(id(agent))
        return make(agent, commands, wait_s)

    def end(call: Any) -> Sequence[Report]:
        open_calls.discard(id(call.agent))
        return take(call)  # type: ignore[no-any-return]

    def sometimes(calls: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        return ready(calls, timeout_s) if next(looks) % 2 else ()

    cluster.transport.call = begin  # type: ignore[method-assign]
    cluster.transport.ready = sometimes  # type: ignore[method-assign]
    cluster.transport.reports = end  # type: ignore[method-assign]
    cluster.calls.clear()
    cluster.submit(0, 1, 2, 3)
    cluster.run()
    batches = [sum(isinstance(c, Begin) for c in commands) for commands in cluster.calls]
    assert sorted(filter(None, batches)) == [2, 2]


def test_a_study_over_agents_ends_like_one_on_this_machine(tmp_path: Path) -> None:
    tables = []
    for place in ("here", "there"):
        folder = tmp_path / place
        folder.mkdir()
        search = make_search(folder, engine=ListEngine(widths=(8, 64, 32, 16)), trials=6)
        np.save(folder / "images.npy", np.zeros((4, 8, 8, 1), np.uint8))
        images = Images(folder / "images.npy", np.zeros(4, np.int64), 2)

        def make_task(record: TrialRecord, search: Any = search, images: Images = images) -> Any:
            return replace(training_task(search.folder, record), images=images)

        plan = replace(search.plan, make_task=make_task)
        steps = StepExecutor()
        transport = InProcess(
            1,
            lambda options, steps=steps: Agent(options, make_executor=lambda r: steps),  # type: ignore[misc]
        )
        remote_executor = RemoteExecutor(
            transport, search.folder.path, search.observer, options=OPTIONS, workers=1
        )
        executor: Any = steps if place == "here" else remote_executor
        run_search(plan, search.engine, executor, search.folder, search.budget, search.observer)
        tables.append((search.folder.path / "trials.csv").read_text())
    assert tables[0] == tables[1]


# -- losses --------------------------------------------------------------------------------


def test_the_tasks_of_a_lost_agent_are_lost_and_others_go_on(cluster: Cluster) -> None:
    cluster.submit(0, 1, 2, 3)
    cluster.run(lambda event: isinstance(event, EpochEvent) and event.score.epoch == 2)
    gone = cluster.agent_with_tasks()
    cluster.transport.lost.append(gone)
    lost = {s.begin.submission for s in gone._submissions.values()}
    events = cluster.run()
    outcomes = [end.outcome for end in ends(events).values()]
    assert sum(outcome.is_lost for outcome in outcomes) == len(lost) == 2
    reasons = {outcome.reason for outcome in outcomes if outcome.is_lost}
    assert reasons <= {"node node-0: its machine is gone", "node node-1: its machine is gone"}


def test_a_lost_task_goes_on_elsewhere_from_its_last_kept_epoch(cluster: Cluster) -> None:
    cluster.submit(0)
    cluster.run(lambda event: isinstance(event, EpochEvent) and event.score.epoch == 2)
    cluster.transport.lost.append(cluster.agent_with_tasks())
    assert ends(cluster.run())[0].outcome.is_lost
    cluster.submit(0)
    events = cluster.run()
    assert epochs(events, 0) == [1, 2, 3], "those of the checkpoint are reported again"
    assert cluster.trained == [(0, 1), (0, 2), (0, 3)], "none is trained again"


def test_a_frozen_agent_is_lost_after_its_lease_and_cannot_write_when_it_comes_back(
    cluster: Cluster,
) -> None:
    cluster.submit(0)
    cluster.run(lambda event: isinstance(event, EpochEvent) and event.score.epoch == 1)
    frozen = cluster.agent_with_tasks()
    submission = next(iter(frozen._submissions.values()))
    kill, cluster.transport.kill = cluster.transport.kill, lambda agent: None  # type: ignore[method-assign]
    cluster.transport.frozen.append(frozen)
    assert cluster.executor.poll(0.1) == []
    cluster.clock.now += OPTIONS.lease_s + 1
    events = cluster.run()
    assert ends(events)[0].outcome.is_lost
    assert ends(events)[0].outcome.reason.endswith("does not answer")
    cluster.submit(0)
    cluster.run()
    model = cluster.study.trial_model_path(0).read_text()
    files = sorted(cluster.study.path.rglob("*"))
    # It comes back, writes on, and reports; nobody listens.
    cluster.transport.frozen.clear()
    assert frozen.is_forgotten
    submission.task.model_path.write_text("old")  # type: ignore[union-attr]
    frozen.exchange([], 0.0)
    assert cluster.executor.poll(0.1) == []
    assert cluster.study.trial_model_path(0).read_text() == model
    assert sorted(cluster.study.path.rglob("*")) == files
    kill(frozen)


def test_what_had_not_begun_is_no_loss(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_sender.ImageSender, "has", lambda *arguments: False)
    cluster.submit(0)
    cluster.executor.poll(0.05)
    holder = next(a for a in cluster.executor._agents.values() if a.tasks)
    cluster.transport.lost.append(holder.handle)
    cluster.executor.poll(0.05)
    monkeypatch.undo()
    assert not ends(cluster.run())[0].outcome.is_lost


def test_a_place_rests_after_a_loss_then_gets_another_agent(cluster: Cluster) -> None:
    cluster.submit(0, 1)
    cluster.run(lambda event: isinstance(event, EpochEvent))
    cluster.transport.lost.extend(cluster.agents)
    assert len(ends(cluster.run())) == 2
    started = len(cluster.transport.started)
    cluster.submit(0)
    cluster.executor.poll(0.1)
    assert len(cluster.transport.started) == started, "it rests"
    cluster.clock.now += remote.FIRST_PAUSE_S + remote.LOOK_S
    assert not ends(cluster.run())[0].outcome.is_lost
    assert len(cluster.transport.started) > started


def test_without_any_machine_the_study_waits_then_stops_to_be_resumed(cluster: Cluster) -> None:
    cluster.transport.lost.extend(cluster.agents)
    cluster.transport.num_places = 0
    cluster.submit(0)
    cluster.executor.poll(0.1)
    assert cluster.observer.said[-1].startswith("warn No node of the cluster is left")
    cluster.clock.now += remote.WAIT_S + 1
    with pytest.raises(StudyError, match="must have a node for trials, got none for 10 minutes"):
        cluster.executor.poll(0.1)


def test_a_machine_on_which_no_agent_lives_is_not_waited_for_forever(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each agent that starts there is lost before it can work, and there are always some."""
    cluster.transport.lost.extend(cluster.agents)
    cluster.submit(0)
    greeted: list[Agent] = []

    def lose(call: Call) -> list[Report]:
        if any(call.agent is agent for agent in greeted):
            raise AgentLostError("its disk is full")
        greeted.append(call.agent)
        return []

    monkeypatch.setattr(cluster.transport, "reports", lose)
    began = cluster.clock.now
    with pytest.raises(StudyError, match=r"got none for 10 minutes; .* its disk is full\."):
        for _ in range(120):
            cluster.clock.now += 60
            cluster.executor.poll(0.1)
    assert cluster.clock.now - began >= remote.WAIT_S
    told = [line for line in cluster.observer.said if "No node of the cluster is left" in line]
    assert len(told) == 1


def test_a_machine_that_joins_gets_work(cluster: Cluster) -> None:
    cluster.submit(0)
    cluster.transport.num_places = 3
    cluster.clock.now += remote.LOOK_S
    cluster.run()
    assert cluster.executor.num_slots == 6


def test_workers_are_a_limit_however_many_machines_join(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, num_places=3)
    cluster.executor._most = 2
    assert cluster.executor.begin().workers == 2
    assert len(cluster.agents) == 2, "a slot at least each; the third is left to others"


# -- leases --------------------------------------------------------------------------------


def test_an_agent_that_nobody_calls_ends_itself_soon_with_tasks_late_without(
    tmp_path: Path,
) -> None:
    clock = Clock()
    agent = Agent(OPTIONS, clock=clock, make_executor=lambda resources: StepExecutor())
    clock.now += OPTIONS.lease_s + 1
    assert not agent.is_forgotten, "it waits for tasks"
    clock.now += OPTIONS.idle_s
    assert agent.is_forgotten
    agent.exchange([], 0.0)
    assert not agent.is_forgotten
    cluster = Cluster(tmp_path)
    task = replace(cluster.task(0), model_path=Path("m"), checkpoint_path=Path("c"))
    agent.exchange([Begin("1", "tests:train", task, ("m", "c"), "c", None, None)], 0.0)
    clock.now += OPTIONS.lease_s + 1
    assert agent.is_forgotten
    agent.close()


def age(folder: Path) -> None:
    """Let a folder be as old as none that an agent is just about to lock."""
    then = time.time() - agent_module.YOUNG_S - 1
    os.utime(folder, (then, then))


def test_what_a_killed_agent_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    place = agent_module.scratch_dir()
    stale = place / f"{agent_module.FOLDER}x"
    stale.mkdir(parents=True)
    age(stale)
    other = Agent(OPTIONS, make_executor=lambda resources: StepExecutor())
    agent = Agent(OPTIONS, make_executor=lambda resources: StepExecutor())
    assert not stale.exists()
    assert agent._scratch.exists() and other._scratch.exists(), "they live"
    other.close()
    agent.exchange([Leave()], 0.0)
    assert not agent._scratch.exists()


def test_the_folder_of_an_agent_that_is_just_starting_is_left_alone() -> None:
    place = agent_module.scratch_dir()
    place.mkdir(parents=True, exist_ok=True)
    starting = place / f"{agent_module.FOLDER}starting"
    starting.mkdir()
    Agent(OPTIONS, make_executor=lambda resources: StepExecutor()).close()
    assert starting.exists()
    age(starting)
    Agent(OPTIONS, make_executor=lambda resources: StepExecutor()).close()
    assert not starting.exists()


@pytest.mark.slow
def test_the_process_that_an_agent_has_warmed_gets_the_first_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(START_VARIABLE, "spawn")
    agent = Agent(AgentOptions(num_cpus=2, most_workers=1, preload=[FUNCTIONS]))
    executor: Any = agent._executor
    try:
        (warmed,) = executor._workers._idle
        number = str(warmed.process.pid)
        task = PredictionTask(None, (), threads=2)  # type: ignore[arg-type]
        _, outcome = run(executor, "tell_process", tmp_path, task=task)
    finally:
        agent.close()
    assert outcome.result == WeightsResult((number,))


# -- how a node is shared ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_gpus", "most_workers", "expected"),
    [
        (0, None, (32, 1, 1.7)),
        (0, 100, (32, 1, 1.7)),
        (0, 4, (4, 8, 13.6)),
        (0, 1, (1, 32, 54.4)),
        (1, None, (1, 32, 54.4)),
    ],
)
def test_the_tasks_of_a_node_share_all_of_it(
    num_gpus: int,
    most_workers: int | None,
    expected: tuple[int, int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(32, 64.0, False, "CPU", "Linux x86_64", (Gpu("A100", (8, 0)),) * num_gpus)
    monkeypatch.setattr(agent_module, "inspect_machine", lambda observer: machine)
    found: list[Resources] = []

    def make_executor(resources: Resources) -> StepExecutor:
        found.append(resources)
        return StepExecutor()

    Agent(AgentOptions(most_workers=most_workers), make_executor=make_executor).close()
    shares = [(one.workers, one.threads, one.memory_limit_gb) for one in found]
    assert shares == [expected]


@pytest.mark.parametrize(("asked", "expected"), [(4, 4), (64, 32), (None, 32)])
def test_an_agent_takes_no_more_processors_than_it_may_use(
    asked: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm binds a step to some of those that Ray was told of."""
    machine = Machine(32, 64.0, False, "CPU", "Linux x86_64")
    monkeypatch.setattr(agent_module, "inspect_machine", lambda observer: machine)
    found: list[Resources] = []

    def make_executor(resources: Resources) -> StepExecutor:
        found.append(resources)
        return StepExecutor()

    Agent(AgentOptions(num_cpus=asked), make_executor=make_executor).close()
    assert [one.workers for one in found] == [expected]


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_has_files_too(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container any number may be one; Python 3.13 raises OSError, those before KeyError."""

    def refuse() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", refuse)
    assert agent_module.scratch_dir().name == f"autocnn-agents-{os.getuid()}"


def test_a_long_log_loses_its_middle(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "MOST_LOG", 4)
    cluster.submit(0)
    cluster.run()
    assert cluster.study.trial_log_path(0).read_text() == "be\n[...]\nn\n"


# -- stopping ------------------------------------------------------------------------------


def test_after_a_cancel_the_checkpoint_stands(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, options=replace(OPTIONS, keep_every_s=1e9))
    cluster.executor.begin()
    cluster.submit(0, 1)
    cluster.run(lambda event: isinstance(event, EpochEvent) and event.score.epoch == 2)
    assert not cluster.study.trial_checkpoint_path(0).exists()
    cluster.executor.cancel(0)
    assert json.loads(cluster.study.trial_checkpoint_path(0).read_text())[:1] == [1]
    cluster.executor.close()
    assert json.loads(cluster.study.trial_checkpoint_path(1).read_text())[:1] == [1]
    assert cluster.executor.num_running == 0
    assert not cluster.transport.agents


def test_a_stopped_training_leaves_its_checkpoint_for_another_day(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, options=replace(OPTIONS, keep_every_s=1e9))
    cluster.executor.begin()
    cluster.submit(0)
    cluster.run(lambda event: True)
    cluster.waiting.clear()
    cluster.executor.answer(0, stop=True)
    assert ends(cluster.run())[0].outcome.state == TrialState.COMPLETE
    assert json.loads(cluster.study.trial_checkpoint_path(0).read_text()) == [1]


# -- machines that do not fit --------------------------------------------------------------


def test_another_version_is_an_error_at_the_start_and_a_warning_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path)
    ours = cluster.executor._versions
    monkeypatch.setattr(agent_module, "installed", lambda: {**ours, "keras": "3.0.0", "ray": None})
    with pytest.raises(ConfigError) as caught:
        cluster.executor.begin()
    assert str(caught.value).startswith(
        "cluster: node node-0 must have the versions of this machine, got "
        f"ray missing, not {ours['ray']}; keras 3.0.0, not {ours['keras']}"
    )
    monkeypatch.undo()
    later = Cluster(tmp_path / "later", num_places=1)
    later.executor.begin()
    later.submit(0)
    later.transport.num_places = 2
    monkeypatch.setattr(agent_module, "installed", lambda: {**ours, "python": "3.9"})
    later.clock.now += remote.LOOK_S
    later.run()
    assert later.executor.num_slots == 2
    (said,) = (text for text in later.observer.said if text.startswith("warn"))
    assert said.startswith("warn Node node-1 gets no more work: it must have the versions")


def test_a_cluster_without_nodes_or_without_free_processors_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "FREE_S", 8.0)
    with pytest.raises(ConfigError, match="must have a node with a processor for trials, got none"):
        Cluster(tmp_path, num_places=0).executor.begin()
    full = Cluster(tmp_path / "full", num_places=1)
    full.transport.start = lambda place, options: None  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="all taken: node-0"):
        full.executor.begin()
    assert full.observer.said == ["note Waiting for a node of the cluster with free processors."]


def test_an_agent_that_cannot_start_says_why(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, num_places=1)
    make = cluster.transport.make_agent

    def broken(options: AgentOptions) -> Agent:
        agent = make(options)
        cluster.transport.lost.append(agent)
        return agent

    cluster.transport.make_agent = broken
    with pytest.raises(ConfigError, match="node node-0 cannot run trials: its machine is gone"):
        cluster.executor.begin()


def test_a_full_disk_of_one_machine_sends_its_tasks_elsewhere(cluster: Cluster) -> None:
    cluster.steps[0].error = DiskFullError("/scratch: the disk must have free space")
    cluster.submit(0)
    events = cluster.run()
    if not ends(events)[0].outcome.is_lost:  # the other machine got it
        cluster.submit(1, 2, 3)
        events = cluster.run()
    lost = [end for end in ends(events).values() if end.outcome.is_lost]
    assert [end.outcome.error for end in lost] == [None]
    assert any("gets no more work: it is of no use: /scratch" in s for s in cluster.observer.said)
    assert cluster.executor.num_slots == 2
    cluster.submit(7)
    assert ends(cluster.run())[7].outcome.state == TrialState.COMPLETE


# -- images --------------------------------------------------------------------------------


def test_images_that_an_agent_sees_are_used_where_they_stand(cluster: Cluster) -> None:
    cluster.submit(0, 1)
    cluster.run()
    assert cluster.transport.packed == []
    offers = [c for commands in cluster.calls for c in commands if isinstance(c, Offer)]
    assert len(offers) == 2, "one per machine"


@pytest.fixture
def far(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """Machines that see no file of this one."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "there"))
    (tmp_path / "there").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(image_sender, "PIECE", 100)
    monkeypatch.setattr(
        image_sender, "Offer", lambda *facts: Offer(facts[0], "/none", facts[2], facts[3])
    )
    far = Cluster(tmp_path / "far", num_places=2)
    places = far.transport.places
    far.transport.places = lambda: [replace(p, node="the same") for p in places()]  # type: ignore[method-assign]
    far.executor.begin()
    return far


def test_images_are_sent_once_to_each_machine_and_checked(far: Cluster) -> None:
    far.submit(0, 1, 2, 3)
    assert len(ends(far.run())) == 4
    size = (far.path / "images.npy").stat().st_size
    assert len(far.transport.packed) == -(-size // 100)
    assert b"".join(far.transport.packed) == (far.path / "images.npy").read_bytes()
    pieces = [c for commands in far.calls for c in commands if isinstance(c, Piece)]
    assert len(pieces) == len(far.transport.packed), "the second agent found them"
    (kept,) = agent_module.scratch_dir().glob("images/*.npy")
    assert kept.read_bytes() == (far.path / "images.npy").read_bytes()


def test_agents_are_called_while_a_large_file_of_images_is_read(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's lease ends, however long that takes."""
    monkeypatch.setattr(names, "READ", 100)
    cluster.calls.clear()
    cluster.submit(0)
    size = (cluster.path / "images.npy").stat().st_size
    assert len(cluster.calls) >= len(cluster.agents) * (size // 100)
    assert len(ends(cluster.run())) == 1


def test_images_that_come_broken_are_not_used(far: Cluster) -> None:
    far.executor._images._pack = lambda content: content[::-1]
    far.submit(0)
    with pytest.raises(StudyError, match=r"must be fit for work, got: .*images that were sent"):
        far.run()


def test_images_that_nobody_used_for_long_are_deleted(far: Cluster) -> None:
    far.submit(0)
    far.run()
    (kept,) = agent_module.scratch_dir().glob("images/*.npy")
    old = time.time() - agent_module.IMAGES_KEPT_S - 1
    os.utime(kept, (old, old))
    Agent(OPTIONS, make_executor=lambda resources: StepExecutor()).close()
    assert not kept.exists()


# -- a shared folder -----------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path: Path) -> Cluster:
    cluster = Cluster(tmp_path, storage=tmp_path / "shared")
    cluster.executor.begin()
    return cluster


def test_files_come_by_the_shared_folder_and_nothing_stays_there(shared: Cluster) -> None:
    shared.submit(0, 1)
    events = shared.run()
    assert len(ends(events)) == 2
    assert json.loads(shared.study.trial_model_path(1).read_text()) == [1, 2, 3]
    shared.executor.close()
    assert [*(shared.path / "shared").iterdir()] == []


@pytest.mark.parametrize("name", ["mkdir", "open"])
def test_a_shared_folder_that_fills_up_is_named(
    shared: Cluster, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    original = getattr(Path, name)

    def full(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.is_relative_to(shared.path / "shared"):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return original(path, *arguments, **options)

    monkeypatch.setattr(Path, name, full)
    with pytest.raises(DiskFullError, match=r"choose another folder with storage\.") as raised:
        shared.submit(0)
        shared.executor.poll(0.1)
    assert raised.value.exit_code == 4


def test_a_lost_task_goes_on_from_the_epoch_in_the_shared_folder(shared: Cluster) -> None:
    shared.submit(0)
    shared.run(lambda event: isinstance(event, EpochEvent) and event.score.epoch == 2)
    shared.transport.lost.append(shared.agent_with_tasks())
    assert ends(shared.run())[0].outcome.is_lost
    shared.submit(0)
    shared.run()
    assert shared.trained == [(0, 1), (0, 2), (0, 3)]


def test_after_the_study_was_killed_its_last_epochs_are_found_in_the_shared_folder(
    shared: Cluster,
) -> None:
    shared.submit(0, 1)
    shared.run(lambda event: isinstance(event, EpochEvent) and event.score.epoch == 2)
    kept = shared.study.trial_checkpoint_path(0)
    assert not kept.exists()
    newer = shared.study.trial_dir(1) / "trial.json"  # trial 1 went on elsewhere since
    newer.write_text("{}")
    os.utime(newer, (time.time() + 60, time.time() + 60))
    second = shared.make_executor()  # of the next session
    second.begin()
    assert json.loads(kept.read_text())[:2] == [1, 2]
    assert not shared.study.trial_checkpoint_path(1).exists()
    assert not [*(shared.path / "shared").glob("*/*/open.json")]


def test_a_killed_study_s_other_files_in_the_shared_folder_are_deleted_too(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_text("model")
    images = Images(tmp_path / "images.npy", np.zeros(4, np.int64), 2)
    prediction = PredictionTask(images, (), threads=1)
    named = NamedTask(prediction, {"model.keras": tmp_path / "model.keras"}, {})
    storage = tmp_path / "shared"
    left = []
    for name in ("study", "another"):
        _, folder = BySharedFolder(storage, tmp_path / name, "1").send(named, "1-000001")
        left.append(Path(str(folder)))
    assert (left[0] / "model.keras").exists()
    second = BySharedFolder(storage, tmp_path / "study", "2")
    second.begin(tmp_path / "study")
    assert [folder.exists() for folder in left] == [False, True]
    second.close()
    assert [path.name for path in storage.iterdir()] == [left[1].parent.name]


def test_a_storage_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="storage must be a folder that can be written, got"):
        Cluster(tmp_path, storage=tmp_path / "file")


def test_a_node_that_has_another_storage_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, storage=tmp_path / "shared")
    monkeypatch.setattr(agent_module, "_try_storage", lambda check: "/x: must be the same folder")
    with pytest.raises(ConfigError, match="node node-0 cannot use the storage: /x: must be"):
        cluster.executor.begin()


def test_the_storage_is_tried_from_the_node(tmp_path: Path) -> None:
    check = CheckStorage(str(tmp_path), "token")
    assert "must be the same folder on all nodes" in agent_module._try_storage(check)
    (tmp_path / "token").write_text("")
    assert agent_module._try_storage(check) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
