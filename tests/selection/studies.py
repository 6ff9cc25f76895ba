"""Finalists of a tiny study, and an executor that trains, predicts and measures by formula."""

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autocnn.core.config import StudyConfig
from autocnn.core.events import Interruption, Observer
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, TrialState
from autocnn.core.records.exports import Familiarity
from autocnn.data import Dataset, prepare_data
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Outcome
from autocnn.execution.tasks import (
    BatchedTask,
    CandidateResult,
    CandidateTask,
    PredictionResult,
    PredictionTask,
    Task,
    TrainingResult,
    TrainingTask,
)
from autocnn.metrics.familiarity import Reference
from autocnn.metrics.robustness import DISTURBANCES
from autocnn.selection.plan import Finalist, FinalistsPlan, Fold, cut_folds
from autocnn.storage import StudyFolder
from autocnn.training.measurements import Measurements
from autocnn.tuning.budget import Budget
from tests.samples import epoch, trial

SIDE, LARGE_SIDE = 8, 12

EPOCHS = 3
"""For which each finalist is retrained."""

NUM_WEIGHTS = 1000


def make_dataset(folder: Path, *, num_train: int = 36, num_others: int = 12) -> Dataset:
    """Images of noise in two classes; two of those in test are copies of train.

    Args:
        folder: Where to.
        num_train: Images in train.
        num_others: Images in val, and in test.
    """
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {}
    for split, number in (("train", num_train), ("val", num_others), ("test", num_others)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (number, 16, 16), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(number) % 2
    arrays["test_images"][:2] = arrays["train_images"][:2]
    np.savez(folder / "data.npz", allow_pickle=False, **arrays)
    config = StudyConfig(data=str(folder / "data.npz"), cache_dir=folder / "cache", image_size=SIDE)
    return prepare_data(config, image_sizes=[None, LARGE_SIDE], observer=Observer())


class Recorder(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps = 0
        self.warnings: list[str] = []

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        self.stages.append((name, total))

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class FakeExecutor:
    """Does each task at once, step by step as it is polled; a second passes per epoch.

    Attributes:
        skill: Number of a trial -> share of the images that its models are right on.
        ends: Name of a task, that of `name_of` -> how it ends instead. One out of memory does
            better with half its batch.
        has_maps: Whether Grad-CAM opens the candidates.
        on_epoch: Called after each epoch of a training.
        tasks: All that were submitted, in their order.
        timeouts: The seconds that each was given.
        now: The clock.
        recipes: Model of a candidate -> what it was made of last.
    """

    skill: dict[int, float] = field(default_factory=dict)
    ends: dict[str, Outcome] = field(default_factory=dict)
    has_maps: bool = True
    on_epoch: Callable[[], None] = lambda: None
    tasks: list[Task] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)
    now: float = 0.0
    recipes: dict[Path, str] = field(default_factory=dict)
    is_closed: bool = False
    _steps: dict[int, Generator[Event, bool, None]] = field(default_factory=dict)
    _asked: dict[int, bool | None] = field(default_factory=dict)

    @property
    def num_running(self) -> int:
        return len(self._steps)

    def clock(self) -> float:
        return self.now

    def submit(
        self, key: int, function: str, task: Task, *, log_path: Path, timeout_s: float | None
    ) -> None:
        assert key not in self._steps
        self.tasks.append(task)
        self.timeouts.append(timeout_s)
        self._steps[key] = self._work(key, task)

    def poll(self, timeout_s: float) -> list[Event]:
        events = []
        for key, steps in list(self._steps.items()):
            if key not in self._asked:
                event = next(steps)
            elif (stop := self._asked[key]) is not None:
                event = steps.send(stop)
            else:
                continue  # it waits for an answer
            events.append(event)
            if isinstance(event, EpochEvent):
                self._asked[key] = None
            else:
                self._forget(key)
        return events

    def answer(self, key: int, *, stop: bool) -> None:
        self._asked[key] = stop

    def cancel(self, key: int) -> None:
        self._forget(key)

    def close(self) -> None:
        self.is_closed = True
        for key in list(self._steps):
            self._forget(key)

    def _forget(self, key: int) -> None:
        self._steps.pop(key)
        self._asked.pop(key, None)

    def _work(self, key: int, task: Task) -> Generator[Event, bool, None]:
        end = self.ends.get(name_of(task))
        has_half_batch = isinstance(task, BatchedTask) and task.half_batch
        if end is not None and not (has_half_batch and end.state == TrialState.OUT_OF_MEMORY):
            yield EndEvent(key, end)
            return
        match task:
            case TrainingTask():
                history: list[EpochScore] = []
                while len(history) < task.epochs:
                    history.append(epoch(len(history) + 1))
                    self.now += 1.0
                    self.on_epoch()
                    if (yield EpochEvent(key, history[-1])):
                        break
                write_model(task.model_path, trial=task.seed[1], fold=task.seed[3])
                result: Any = TrainingResult(tuple(history), len(history), NUM_WEIGHTS)
            case PredictionTask():
                for one in task.predictions:
                    labels = task.images.labels[one.rows]
                    disturbed = np.tile(labels[one.disturbed], len(DISTURBANCES))
                    parts = [labels, disturbed] if len(one.disturbed) else [labels]
                    found = [self.predict([one.model_path], part) for part in parts]
                    np.save(one.probabilities_path, np.concatenate(found))
                result = PredictionResult()
            case CandidateTask():
                self._measure(task).write(task.results_path)
                task.model_path.write_text("a candidate")
                self.recipes[task.model_path] = task.recipe
                result = CandidateResult()
            case _:
                raise AssertionError(task)
        yield EndEvent(key, Outcome(TrialState.COMPLETE, 2.5, result=result))

    def predict(self, paths: Sequence[Path], labels: NDArray[Any]) -> NDArray[np.float32]:
        """(n, 2) Right on the share of the images that the models' trial has the skill for."""
        every, number = [], len(labels)
        for path in paths:
            facts = json.loads(path.read_text())
            rng = np.random.default_rng([facts["trial"], facts["fold"], number])
            is_wrong = rng.permutation(number) >= self.skill.get(facts["trial"], 0.7) * number
            predicted = np.where(is_wrong, 1 - labels, labels)
            sure = rng.uniform(0.6, 0.95, (number, 1))
            every.append(np.where(np.eye(2, dtype=bool)[predicted], sure, 1 - sure))
        mean: NDArray[np.float32] = np.mean(every, axis=0).astype(np.float32)
        return mean

    def _measure(self, task: CandidateTask) -> Measurements:
        labels = task.images.labels[task.test_rows]
        test = self.predict([member.path for member in task.members], labels)
        shape = (len(task.explained), *task.images.open().shape[1:3])
        maps = np.ones(shape, np.float32) / np.prod(shape[1:]) if self.has_maps else None
        facts = Familiarity(neighbours=1, num_reference=4, threshold=0.5, val_share=0.01)
        return Measurements(
            test=test,
            test_before=test,
            disturbed=task.disturbed,
            disturbed_test=dict.fromkeys(DISTURBANCES, test[task.disturbed]),
            explained=task.explained,
            maps=maps,
            random_maps=maps,
            familiarity=Reference(np.eye(4, dtype=np.float32), facts) if self.has_maps else None,
            num_weights=NUM_WEIGHTS * len(task.members),
            flops=2000,
            latency_ms=1.5,
            recipe=task.recipe,
            is_unlike={"test": labels == 0} if self.has_maps else {},
        )


def name_of(task: Task) -> str:
    """Of a task in `FakeExecutor.ends`: `train 7 fold 1` (0: the refit), `train 7 refit 2`,
    `predict 7`, `test 7 refit`, `make 2`."""
    match task:
        case TrainingTask(seed=(_, number, _, _, member)):
            return f"train {number} refit {member}"
        case TrainingTask():
            return f"train {task.seed[1]} fold {task.seed[3]}"
        case PredictionTask(predictions=(one, *_)) if len(one.disturbed):
            return f"test {' '.join(one.probabilities_path.name.split('-')[:-2])}"
        case PredictionTask():
            return f"predict {int(task.predictions[0].model_path.parent.name)}"
        case CandidateTask():
            return f"make {int(task.model_path.parent.name)}"
    raise AssertionError(task)


def write_model(path: Path, *, trial: int, fold: int = 0) -> None:
    """A model that says whose it is."""
    path.write_text(json.dumps({"trial": trial, "fold": fold}))


def make_finalists(*numbers: int, epochs: int = EPOCHS, **params: Any) -> tuple[Finalist, ...]:
    """Finalists of trials with these numbers; that of trial 0 is the default configuration."""
    return tuple(
        Finalist(trial(number, params={"width": number, **params}), epochs, is_default=number == 0)
        for number in numbers
    )


@dataclass
class Selection:
    """The end of a study: its parts, as `retrain`, `judge` and `score` take them.

    Attributes:
        dataset: Images.
        folder: Of the study; holds the models of the trials.
        executor: Does the work.
        observer: What was told.
        interruption: Asks to stop.
    """

    dataset: Dataset
    folder: StudyFolder
    executor: FakeExecutor = field(default_factory=FakeExecutor)
    observer: Recorder = field(default_factory=Recorder)
    interruption: Interruption = field(default_factory=Interruption)

    def folds(self, number: int) -> tuple[Fold, ...]:
        return cut_folds(self.dataset, number, repeats=1, seed=0)

    def plan(
        self,
        finalists: tuple[Finalist, ...],
        *,
        num_folds: int = 2,
        budget_s: float | None = None,
        workers: int = 2,
        members: int = 1,
        dataset: Dataset | None = None,
    ) -> FinalistsPlan:
        """With the models of the finalists' trials in the folder."""
        for finalist in finalists:
            path = self.folder.trial_model_path(finalist.number)
            write_model(path, trial=finalist.number)
        budget = Budget(
            budget_s,
            workers=workers,
            finalists=3,
            members=members,
            refit_factor=1.0,
            is_default=lambda params: params.get("width") == 0,
            clock=self.executor.clock,
        )
        return FinalistsPlan(
            dataset=dataset or self.dataset,
            finalists=finalists,
            folds=self.folds(num_folds),
            goal=Goal("accuracy"),
            seed=5,
            workers=workers,
            threads=1,
            precision="float32",
            weights="imagenet",
            deterministic=True,
            budget=budget,
            interruption=self.interruption,
        )
