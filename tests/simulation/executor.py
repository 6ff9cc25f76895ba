"""Studies without processes: trainings that follow a formula, on a clock of their own.

`SimulatedExecutor` takes the place of local processes wherever an `Executor` is wanted, so that
the loop, the engines, the folder and whole studies run in milliseconds, always alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autocnn.core.events import Interruption, Observer
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, Params, Scores, TrialRecord, TrialState
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.tasks import (
    MAKE_CANDIDATE,
    PREDICT,
    Images,
    Result,
    Task,
    TrainingResult,
    TrainingTask,
)
from autocnn.storage import StudyFolder
from autocnn.storage.disk import DiskGuard
from autocnn.tuning.budget import Budget
from autocnn.tuning.engines.base import Engine, NoProposal, Proposal
from autocnn.tuning.loop import SearchPlan, run_search
from tests.faults import trainer

GOAL = Goal("accuracy")
NUM_WEIGHTS = 1234
PROCESS_S = 10.0
"""Seconds that every process says it took."""


class Clock:
    """Time passes when an epoch is trained."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def formula(params: Params, epoch: int) -> EpochScore:
    """Accuracy grows with `width` and, for a while, with the epochs."""
    accuracy = min(1.0, int(params.get("width", 8)) / 256 + 0.01 * min(epoch, 3))
    scores = Scores(accuracy=accuracy, balanced_accuracy=accuracy)
    return EpochScore(
        epoch=epoch,
        train_loss=1.0 / epoch,
        train=scores,
        val=scores,
        learning_rate=1e-3,
        seconds=1.0,
    )


@dataclass
class SimulatedTask:
    """A task under way."""

    function: str
    task: Task
    history: list[EpochScore] = field(default_factory=list)
    is_waiting: bool = False
    is_stopped: bool = False


@dataclass
class SimulatedExecutor:
    """Runs tasks in memory: one event of each running task per poll.

    Attributes:
        clock: Moved on by the seconds of each epoch, over the tasks that run at once.
        formula: Params and epoch -> the scores of that epoch.
        epoch_s: Key of a task -> seconds of its epochs, where they are not the formula's.
        ends: Key of a task -> how its first attempt ends instead of training.
        losses: Key of a task -> how often its worker is lost after its first epoch.
        has_models: Whether trainings leave a model.
        interrupt_after: Polls after which Ctrl-C ends everything at once.
        press_after: Polls after which Ctrl-C is pressed once.
        interruption: What is pressed.
        others: Functions of tasks other than training, called with the task.
        running: Tasks under way.
        tasks: All tasks that were submitted, in their order.
        functions: What was to run them.
        timeouts: The seconds that each was given.
        most_at_once: Largest number of tasks under way.
        num_polls: Polls so far.
        is_closed: Whether all tasks were stopped.
        checkpoints: The epochs that a training with this checkpoint and batch goes on from:
            they are reported again, and take no time.
    """

    clock: Clock = field(default_factory=Clock)
    formula: Callable[[Params, int], EpochScore] = formula
    epoch_s: dict[int, float] = field(default_factory=dict)
    ends: dict[int, Outcome] = field(default_factory=dict)
    losses: dict[int, int] = field(default_factory=dict)
    has_models: bool = True
    interrupt_after: int | None = None
    press_after: int | None = None
    interruption: Interruption = field(default_factory=Interruption)
    others: dict[str, Callable[..., Result]] = field(
        default_factory=lambda: {
            PREDICT: lambda task: trainer.predict(task, lambda score: False),
            MAKE_CANDIDATE: lambda task: trainer.make_candidate(task, lambda score: False),
        }
    )
    running: dict[int, SimulatedTask] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)
    most_at_once: int = 0
    num_polls: int = 0
    is_closed: bool = False
    checkpoints: dict[tuple[Path, bool], list[EpochScore]] = field(default_factory=dict)

    @property
    def num_running(self) -> int:
        """Tasks submitted and not ended."""
        return len(self.running)

    @property
    def trainings(self) -> list[TrainingTask]:
        """The tasks that train."""
        return [task for task in self.tasks if isinstance(task, TrainingTask)]

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """Start a task; see `Executor.submit`."""
        assert log_path.parent.is_dir()
        assert key not in self.running
        assert not self.is_closed
        self.functions.append(function)
        self.tasks.append(task)
        self.timeouts.append(timeout_s)
        self.running[key] = SimulatedTask(function, task)
        self.most_at_once = max(self.most_at_once, len(self.running))

    def poll(self, timeout_s: float) -> list[Event]:
        """One event of each running task; see `Executor.poll`."""
        self.num_polls += 1
        if self.interrupt_after is not None and self.num_polls > self.interrupt_after:
            raise KeyboardInterrupt
        if self.num_polls == self.press_after:
            self.interruption.press()
        return [self._step(key, running) for key, running in list(self.running.items())]

    def answer(self, key: int, *, stop: bool) -> None:
        """Reply to an epoch; see `Executor.answer`."""
        self.running[key].is_waiting = False
        self.running[key].is_stopped = stop

    def cancel(self, key: int) -> None:
        """Stop a task; see `Executor.cancel`."""
        del self.running[key]

    def close(self) -> None:
        """Stop all tasks; see `Executor.close`."""
        self.is_closed = True
        self.running.clear()

    def _step(self, key: int, running: SimulatedTask) -> Event:
        assert not running.is_waiting, "every epoch is answered"
        task = running.task
        if not isinstance(task, TrainingTask):
            if key in self.ends:
                return self._end(key, self.ends[key])
            result = self.others[running.function](task)
            return self._end(key, Outcome(TrialState.COMPLETE, 1.0, result=result))
        if key in self.ends and not task.half_batch:
            return self._end(key, self.ends[key])
        if running.history and self.losses.get(key, 0) > 0:
            self.losses[key] -= 1
            lost = Outcome(TrialState.FAILED, PROCESS_S, "its node is gone", is_lost=True)
            return self._end(key, lost)
        if running.is_stopped or (running.history and running.history[-1].epoch == task.epochs):
            if self.has_models:
                with task.model_path.open("wb") as file:
                    np.save(file, np.random.default_rng(task.seed).random(4))
            result = TrainingResult(tuple(running.history), 1, NUM_WEIGHTS)
            return self._end(
                key, Outcome(TrialState.COMPLETE, PROCESS_S, result=result, peak_memory_mb=500.0)
            )
        return EpochEvent(key, self._train(key, running, task))

    def _train(self, key: int, running: SimulatedTask, task: TrainingTask) -> EpochScore:
        running.is_waiting = True
        kept = self.checkpoints.setdefault((task.checkpoint_path, task.half_batch), [])
        if len(running.history) < len(kept):
            running.history.append(kept[len(running.history)])
            return running.history[-1]
        epoch = running.history[-1].epoch + 1 if running.history else task.first_epoch
        score = self.formula(task.params, epoch)
        if key in self.epoch_s:
            score = score.model_copy(update={"seconds": self.epoch_s[key]})
        if len(task.train_rows) and not len(task.val_rows):
            score = score.model_copy(update={"val": Scores()})  # a refit has no val split
        running.history.append(score)
        kept.append(score)
        self.clock.now += score.seconds
        return score

    def _end(self, key: int, outcome: Outcome) -> EndEvent:
        del self.running[key]
        return EndEvent(key, outcome)


@dataclass
class ListEngine:
    """Proposes widths from a list; trial 0 is the start point.

    Attributes:
        widths: Of trials 0, 1, 2, ...; the last one is repeated.
        hopeless: Trials to prune after their second epoch.
        num_points: Points of the space; None: no end of them.
        waits: Trials that are not proposed while others run.
    """

    widths: Sequence[int] = (8,)
    hopeless: Sequence[int] = ()
    num_points: int | None = None
    waits: Sequence[int] = ()
    opened: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    told: list[TrialRecord] = field(default_factory=list)

    def reopen(self, record: TrialRecord) -> None:
        """See `Engine.reopen`."""
        self.opened.append(record.trial)

    def needed_models(self) -> set[int]:
        """See `Engine.needed_models`."""
        return set()

    def close(self) -> None:
        """See `Engine.close`."""
        raise AssertionError("the loop did not open it")

    def ask(self, trial: int) -> Proposal | NoProposal:
        """See `Engine.ask`."""
        if len(self.asked) == self.num_points:
            return NoProposal.EXHAUSTED
        if trial in self.waits and len(self.told) < len(self.asked):
            return NoProposal.WAIT
        self.asked.append(trial)
        width = self.widths[min(trial, len(self.widths) - 1)]
        return Proposal({"width": width}, from_start=trial == 0)

    def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
        """See `Engine.report`."""
        return trial in self.hopeless and score.epoch == 2

    def tell(self, record: TrialRecord) -> None:
        """See `Engine.tell`."""
        self.told.append(record)


class Recorder(Observer):
    """Keeps what it is told, in words."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.left: list[float | None] = []
        self.steps = 0

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """A stage, its total and its unit."""
        self.said.append(f"stage {name} {total} {unit}")

    def advance(self, steps: int = 1) -> None:
        """Counted."""
        self.steps += steps

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """A trial and its epochs."""
        self.said.append(f"start {trial} {epochs}")

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """A trial and its epoch."""
        self.said.append(f"epoch {trial} {score.epoch}")

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        """A trial and the best one."""
        self.said.append(f"end {record.trial} best {best.trial if best else None}")

    def note(self, text: str) -> None:
        """A note."""
        self.said.append(f"note {text}")

    def warn(self, text: str) -> None:
        """A warning."""
        self.said.append(f"warn {text}")

    def time_left(self, seconds: float | None, *, finalists_s: float = 0.0) -> None:
        """Kept apart from the words."""
        self.left.append(seconds)


@dataclass
class SimulatedSearch:
    """A search that is ready to run.

    Attributes:
        folder, executor, engine, observer, plan, budget: What `run_search` takes.
    """

    folder: StudyFolder
    executor: SimulatedExecutor
    engine: ListEngine
    observer: Recorder
    plan: SearchPlan
    budget: Budget

    def run(
        self,
        earlier: Sequence[TrialRecord] = (),
        disk: DiskGuard | None = None,
        engine: Engine | None = None,
    ) -> list[TrialRecord]:
        """The records of the search, with another engine if need be."""
        return run_search(
            self.plan,
            engine or self.engine,
            self.executor,
            self.folder,
            self.budget,
            self.observer,
            earlier=earlier,
            interruption=self.executor.interruption,
            disk=disk,
        )

    def kept_models(self) -> list[int]:
        """Numbers of the trials whose models stand."""
        trials = self.folder.path / "trials"
        return sorted(int(path.parent.name) for path in trials.glob("*/model.keras"))


def training_task(folder: StudyFolder, record: TrialRecord) -> TrainingTask:
    """The task of a trial, on no images."""
    rows = np.zeros(0, np.int64)
    return TrainingTask(
        images=Images(Path("images.npy"), rows, 2),
        train_rows=rows,
        val_rows=rows,
        params=dict(record.params),
        epochs=record.epochs or 1,
        seed=(0, record.trial),
        goal=GOAL,
        model_path=folder.trial_model_path(record.trial),
        threads=1,
        precision="float32",
        weights="",
        checkpoint_path=folder.trial_checkpoint_path(record.trial),
        first_epoch=record.first_epoch,
        half_batch=record.half_batch,
    )


def make_search(
    path: Path,
    *,
    engine: ListEngine | None = None,
    executor: SimulatedExecutor | None = None,
    trials: int | None = 4,
    epochs: int = 3,
    workers: int = 1,
    keep: int = 2,
    budget_s: float | None = None,
    finalists: int = 1,
) -> SimulatedSearch:
    """A search in the folder `study` under `path`, made if there is none yet.

    The first width that the engine proposes is the default configuration.
    """
    proposing = engine or ListEngine()

    def is_default(params: Params) -> bool:
        return params["width"] == proposing.widths[0]

    if (path / "study").exists():
        folder = StudyFolder(path / "study")
    else:
        folder = StudyFolder.create(path, "study", {})
    executor = executor or SimulatedExecutor()
    plan = SearchPlan(
        goal=GOAL,
        trials=trials,
        epochs=epochs,
        workers=workers,
        keep=keep,
        trial_timeout_s=60.0,
        make_task=lambda record: training_task(folder, record),
        is_default=is_default,
        function="tests:train",
    )
    budget = Budget(budget_s, workers, finalists, 1.0, is_default, clock=executor.clock)
    return SimulatedSearch(folder, executor, proposing, Recorder(), plan, budget)
