"""Whole studies with a budget on a simulated clock: situations drawn from a seed.

The search, the choice of the finalists, their retraining and the resumes are those of autocnn;
processes take the time that a situation says, and judging is a number of seconds.
"""

import heapq
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.config import PrunerName, StudyConfig
from autocnn.core.errors import SearchInterrupted
from autocnn.core.events import Interruption, Observer
from autocnn.core.records import EpochScore, Params, Scores, TrialRecord, TrialState
from autocnn.data import Dataset
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.tasks import Task, TrainingResult, TrainingTask
from autocnn.selection.plan import Finalist
from autocnn.selection.retrain import add_members, retrain
from autocnn.storage import StudyFolder
from autocnn.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autocnn.storage.status import Choice
from autocnn.study import finish as end_of_study
from autocnn.study import prepare as start_of_study
from autocnn.study import trials as search_of_study
from autocnn.study.run import resume, search
from autocnn.tuning.budget import Budget
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.simulation.executor import Clock

SPACE = """
description: "Wider is better, and slower"
epochs: {epochs}
parameters:
  - {{name: width, type: int, low: 8, high: 64}}
  - {{name: dropout, type: float, low: 0.0, high: 0.5}}
start:
  - {{width: 24, dropout: 0.1}}
"""

MOST_TRIALS = 25
"""Of a drawn study: more only take time."""

MEMBERS = 3
"""Refits of the best that are wanted."""


@dataclass(frozen=True)
class Situation:
    """How long everything takes, and what is asked.

    Attributes:
        seed: Of all that is drawn.
        budget_s: Seconds.
        epoch_s: Seconds of an epoch of the default configuration, on train.
        start_s: Seconds of the start of a process.
        compile_s: Seconds that a first epoch takes longer.
        noise: Epochs vary by so much, up and down, as a share.
        judged: Images that a model predicts at the end, over those that it was trained on.
        judging_error: What judging takes, over what the budget believes.
        epochs: Most epochs of a trial.
        trials: Trials that are asked for; None: until the budget is spent.
        workers, finalists, folds: As in the config.
        pruner: `asha` or `none`.
        num_stops: Times that Ctrl-C is pressed.
        more: The budget of a resume of the finished study, over the first; None: there is none.
    """

    seed: int
    budget_s: float
    epoch_s: float
    start_s: float
    compile_s: float
    noise: float
    judged: float
    judging_error: float
    epochs: int
    trials: int | None
    workers: int
    finalists: int
    folds: int
    pruner: PrunerName
    num_stops: int
    more: float | None


def draw(seed: int) -> Situation:
    """Epochs of 0.1 s to 10 minutes, budgets of 2 minutes to 12 hours, any number of trials."""
    rng = random.Random(seed)

    def log_uniform(low: float, high: float) -> float:
        return math.exp(rng.uniform(math.log(low), math.log(high)))

    budget_s, epoch_s = log_uniform(120, 12 * 3600), log_uniform(0.1, 600)
    epochs, workers = rng.randint(3, 40), rng.randint(1, 4)
    start_s = rng.uniform(0.5, 8.0)
    possible = workers * budget_s / (epochs * epoch_s + start_s)
    trials = rng.randint(1, MOST_TRIALS)
    return Situation(
        seed=seed,
        budget_s=budget_s,
        epoch_s=epoch_s,
        start_s=start_s,
        compile_s=rng.choice([0.0, 5.0, 30.0]) * rng.random(),
        noise=rng.choice([0.0, 0.1]),
        judged=rng.uniform(0.05, 1.0),
        judging_error=rng.uniform(0.8, 1.2),
        epochs=epochs,
        trials=trials if possible > MOST_TRIALS or rng.random() < 0.25 else None,
        workers=workers,
        finalists=rng.randint(1, 3),
        folds=rng.choice([0, 2, 3]),
        pruner="asha" if rng.random() < 0.5 else "none",
        num_stops=rng.choice([0, 0, 1, 2]),
        more=rng.choice([None, None, 1.5]),
    )


@dataclass
class _Process:
    """A task under way."""

    task: TrainingTask
    deadline: float
    restored: tuple[EpochScore, ...]
    history: list[EpochScore] = field(default_factory=list)
    is_over: bool = False


@dataclass
class TimedExecutor:
    """Trains by a formula, every process at its own pace; `poll` jumps to the next event.

    Attributes:
        situation: Says how long everything takes.
        num_train: Images of a trial.
        clock: Moved on to each event.
        longest_s: The longest that a process was without an event: its start and an epoch.
        num_polls: Polls so far, of all sessions.
        press_at: Polls after which Ctrl-C is pressed.
        interruption: What is pressed.
    """

    situation: Situation
    num_train: int
    clock: Clock
    longest_s: float = 0.0
    num_polls: int = 0
    press_at: int | None = None
    interruption: Interruption = field(default_factory=Interruption)
    _running: dict[int, _Process] = field(default_factory=dict)
    _events: list[tuple[float, int, int]] = field(default_factory=list)
    _order: int = 0

    @property
    def num_running(self) -> int:
        """See `Executor.num_running`."""
        return len(self._running)

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        """See `Executor.submit`."""
        assert isinstance(task, TrainingTask)
        assert key not in self._running
        kept = read_checkpoint(task.checkpoint_path)
        restored = kept.history if kept is not None else ()
        deadline = self.clock.now + (timeout_s if timeout_s is not None else float("inf"))
        process = self._running[key] = _Process(task, deadline, restored)
        self._plan_next(key, process, self.situation.start_s)

    def poll(self, timeout_s: float) -> list[Event]:
        """See `Executor.poll`."""
        self.num_polls += 1
        if self.press_at is not None and self.num_polls >= self.press_at:
            self.press_at = None
            self.interruption.press()
        while self._events:
            now, _, key = heapq.heappop(self._events)
            process = self._running.get(key)
            if process is None:
                continue  # it was cancelled
            self.clock.now = max(self.clock.now, now)
            if now >= process.deadline:
                del self._running[key]
                return [EndEvent(key, Outcome(TrialState.TIMED_OUT, now, "too long"))]
            if process.is_over:
                return [self._end(key, process)]
            process.history.append(self._score(process))
            return [EpochEvent(key, process.history[-1])]
        return []

    def answer(self, key: int, *, stop: bool) -> None:
        """See `Executor.answer`."""
        process = self._running[key]
        is_last_kept = len(process.history) >= len(process.restored)
        if is_last_kept and (stop or process.history[-1].epoch == process.task.epochs):
            process.is_over = True
        self._plan_next(key, process, 0.0)

    def cancel(self, key: int) -> None:
        """See `Executor.cancel`."""
        self._keep_checkpoint(self._running.pop(key))
        self._events = [event for event in self._events if event[2] != key]
        heapq.heapify(self._events)

    def close(self) -> None:
        """See `Executor.close`."""
        for key in list(self._running):
            self.cancel(key)

    def epoch_s(self, params: Params, share: float = 1.0) -> float:
        """Seconds of an epoch without noise, on a share of the images of a trial."""
        return self.situation.epoch_s * int(params["width"]) / 24 * share

    def _plan_next(self, key: int, process: _Process, wait_s: float) -> None:
        if not process.is_over and len(process.history) >= len(process.restored):
            task, epoch = process.task, len(process.history) + 1
            rng = random.Random(str((self.situation.seed, task.seed, epoch)))
            share = len(task.train_rows) / self.num_train
            noise = 1 + rng.uniform(-self.situation.noise, self.situation.noise)
            wait_s += self.epoch_s(task.params, share) * noise
            if len(process.history) == len(process.restored):
                wait_s += self.situation.compile_s
            self.longest_s = max(self.longest_s, wait_s)
        self._order += 1
        heapq.heappush(self._events, (self.clock.now + wait_s, self._order, key))

    def _score(self, process: _Process) -> EpochScore:
        done = len(process.history)
        if done < len(process.restored):
            return process.restored[done]
        task = process.task
        rng = random.Random(str((self.situation.seed, task.seed, done + 1)))
        share = len(task.train_rows) / self.num_train
        noise = 1 + rng.uniform(-self.situation.noise, self.situation.noise)
        seconds = self.epoch_s(task.params, share) * noise
        seconds += self.situation.compile_s if done == len(process.restored) else 0.0
        accuracy = int(task.params["width"]) / 80 * (1 - math.exp(-(done + 1) / 8))
        accuracy += 0.01 * random.Random(str((task.seed, done))).random()
        scores = Scores(accuracy=accuracy, balanced_accuracy=accuracy, log_loss=1 - accuracy)
        return EpochScore(
            epoch=done + 1,
            train_loss=1 - accuracy,
            train=scores,
            val=scores if len(task.val_rows) else Scores(),
            learning_rate=1e-3,
            seconds=seconds,
        )

    def _end(self, key: int, process: _Process) -> Event:
        del self._running[key]
        self._keep_checkpoint(process)
        process.task.model_path.touch()
        history = tuple(process.history)
        result = TrainingResult(history, len(history), 1000)
        trained = history[len(process.restored) :]
        seconds = self.situation.start_s + sum(score.seconds for score in trained)
        return EndEvent(key, Outcome(TrialState.COMPLETE, seconds, result=result))

    def _keep_checkpoint(self, process: _Process) -> None:
        if process.history or process.restored:
            history = max((tuple(process.history), process.restored), key=len)
            array = [np.zeros(1)]
            checkpoint = Checkpoint(history, 1, array, array, array)
            write_checkpoint(process.task.checkpoint_path, checkpoint)


@dataclass
class Drawn:
    """A study of a situation.

    Attributes:
        situation: What was drawn.
        executor: With the clock.
        folder: Of the study, once it has begun.
        finalists: Of the last end.
        judged_s: What judging took, each time.
        num_ends: Times that the study was done.
        notes, warnings: What was said.
    """

    situation: Situation
    executor: TimedExecutor
    folder: StudyFolder | None = None
    finalists: list[Finalist] = field(default_factory=list)
    judged_s: list[float] = field(default_factory=list)
    num_ends: int = 0

    @property
    def records(self) -> list[TrialRecord]:
        """All trials."""
        assert self.folder is not None
        return self.folder.read_trials()

    def run(self, config: StudyConfig) -> None:
        """From start to end, stopped and resumed as the situation says."""
        executor = self.executor
        rng = random.Random(self.situation.seed)
        for number in range(self.situation.num_stops + 1):
            executor.interruption = Interruption()
            if number < self.situation.num_stops:
                executor.press_at = executor.num_polls + rng.randint(1, 60)
            try:
                self._go_on(config)
            except SearchInterrupted:
                continue
            return
        executor.press_at = None
        executor.interruption = Interruption()
        self._go_on(config)

    def go_on(self, budget_s: float) -> None:
        """With a larger budget."""
        self.executor.press_at = None
        self.executor.interruption = Interruption()
        self._go_on(None, budget_s=budget_s)

    def _go_on(self, config: StudyConfig | None, **changes: object) -> None:
        options: dict[str, Any] = {
            "interruption": self.executor.interruption,
            "make_executor": lambda resources: self.executor,
            "clock": self.executor.clock,
            "finish": self._finish,
        }
        if self.folder is None:
            assert config is not None
            self.folder = StudyFolder(config.results / str(config.name))
            search(config, Observer(), **options)
        else:
            resume(self.folder, Observer(), changes=changes, **options)

    def _finish(self, context: Any, progress: Any, prepared: Any, searched: Any) -> None:
        """As `study.finish`, with judging that only takes time."""
        if progress.status.finalists is None and not end_of_study._choose_finalists(
            context, progress, prepared, searched
        ):
            self.num_ends += 1
            return
        plan = end_of_study._plan(context, progress, prepared, searched)
        with context.interruption.graceful():
            found = retrain(plan, context.executor, context.folder, context.observer)
            plan = plan.compared_on(found)
            # The first is the chosen one: `judge` trains it with further seeds.
            work = context.executor, context.folder, context.observer
            found = add_members(plan, found, found[:1], *work)
        trials = [finalist.trial for finalist in found]
        num_refits = sum(part.is_refit for part in found[0].members)
        believed = searched.budget.judging_s(trials, len(plan.folds), num_refits)
        self.judged_s.append(self.situation.judging_error * believed)
        self.executor.clock.now += self.judged_s[-1]
        self.finalists = found
        end_of_study._open_test(context, progress, Choice(candidate=1, sentences=()))
        context.folder.write_leaderboard("")
        end_of_study._close(progress)
        context.folder.write_report("")
        self.num_ends += 1


@contextmanager
def without_waiting(dataset: Dataset, situation: Situation) -> Iterator[None]:
    """Images that are there already, an engine without a database, files that are not synced."""
    real_budget = search_of_study._budget

    def budget(*stage: Any) -> Budget:
        found = real_budget(*stage)
        judged = round(situation.judged * found.num_train)
        return replace(found, num_judged=judged, num_measured=judged // 3)

    def build_engine(
        config: StudyConfig, space: Any, goal: Any, folder: Any, *, epochs: int, warn: Any
    ) -> OptunaEngine:
        assert config.pruner is not None
        return OptunaEngine(
            space,
            goal,
            sampler="random",
            pruner=config.pruner,
            seed=config.seed,
            epochs=epochs,
            num_trials=config.num_trials,
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start_of_study, "prepare_data", lambda *_, **__: dataset)
        patch.setattr(start_of_study, "installed_versions", dict)
        patch.setattr(search_of_study, "build_engine", build_engine)
        patch.setattr(search_of_study, "_budget", budget)
        patch.setattr("os.fsync", lambda number: None)
        yield


def make(situation: Situation, dataset: Dataset, place: Path) -> tuple[Drawn, StudyConfig]:
    """A study that has not begun, and its config."""
    space = place / "space.yaml"
    space.write_text(SPACE.format(epochs=situation.epochs))
    config = StudyConfig(
        data="digits",
        space=str(space),
        name="drawn",
        results=place,
        objective="accuracy",
        budget_s=situation.budget_s,
        trials=situation.trials,
        workers=situation.workers,
        threads=1,
        finalists=situation.finalists,
        folds=situation.folds,
        members=MEMBERS,
        pruner=situation.pruner,
        seed=situation.seed,
    )
    num_train = len(dataset.indices("train"))
    return Drawn(situation, TimedExecutor(situation, num_train, Clock())), config
