"""Trainings by a formula, in a process of their own or in none: what they do follows from a seed.

`Training` is what any process does with a task. `train` runs it in a real one; `VirtualExecutor`
(tests/simulation/workers.py) runs many of them in one thread. A fault that a task draws happens in
both.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from autocnn.core.atomic import replace_file
from autocnn.core.errors import TrialDivergedError
from autocnn.core.records import EpochScore, Params, Scores
from autocnn.execution.tasks import TrainingResult, TrainingTask
from autocnn.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

NUM_WEIGHTS = 100

TROUBLE = 0.6
"""Share of trainings that end in a fault, where the processes are real."""

FAULTS = ("memory", "always-memory", "crash", "nan", "hang", "lost", "lost")


class Broken(AssertionError):
    """A promise that was not kept."""


class Crashed(Exception):
    """The process ends at once."""


class Hung(Exception):
    """The process does nothing any more."""


class Lost(Exception):
    """The machine of the process is gone."""


@dataclass(frozen=True)
class Course:
    """What becomes of a training.

    Attributes:
        fault: One of `FAULTS`, or empty.
        fault_epoch: In which epoch.
        losses: Workers that are lost in that epoch, one after the other.
        start_s, compile_s, epoch_s: Seconds of its process before its first epoch, that this one
            takes longer, and of an epoch.
        last_epoch: After which it stops by itself.
        skill: Its accuracy.
    """

    fault: str
    fault_epoch: int
    losses: int
    start_s: float
    compile_s: float
    epoch_s: float
    last_epoch: int
    skill: float


@lru_cache(1000)
def course_of(seed: tuple[int, ...], trouble: float) -> Course:
    """Drawn from the seed of a task alone; `trouble` is the share that ends in a fault."""
    rng = random.Random(str(seed))
    scale = (0.1, 0.1, 1.0)[seed[0] % 3]
    return Course(
        fault=rng.choice(FAULTS) if rng.random() < trouble else "",
        fault_epoch=rng.randint(1, 3),
        losses=rng.choice((1, 1, 2, 2, 3, 4)),
        start_s=scale * rng.uniform(0.5, 5.0),
        compile_s=scale * rng.choice((0.0, 5.0)),
        epoch_s=scale * rng.uniform(1.0, 20.0),
        last_epoch=rng.choice((2, 3, 99, 99, 99)),
        skill=round(rng.random(), 2),
    )


class Training:
    """What the process of a task does.

    Args:
        task: The task.
        trouble: Share of trainings that end in a fault.

    Attributes:
        history: Epochs so far; those of its checkpoint from the start.
        num_restored: Those of the checkpoint.
    """

    def __init__(self, task: TrainingTask, trouble: float) -> None:
        self.task = task
        self.course = course_of(task.seed, trouble)
        self.history: list[EpochScore] = []
        checkpoint = read_checkpoint(task.checkpoint_path)
        if checkpoint is not None:
            assert checkpoint.weights[0].tolist() == list(self.identity), "another's checkpoint"
            self.history = list(checkpoint.history)
        self.num_restored = len(self.history)

    @property
    def identity(self) -> tuple[int, ...]:
        """What its weights are those of."""
        return (*self.task.seed, int(self.task.half_batch), *_digits(self.task.params))

    @property
    def is_over(self) -> bool:
        """Whether it stops now by itself."""
        done = self.history[-1].epoch if self.history else 0
        return done >= min(self.task.epochs, self.course.last_epoch)

    @property
    def next_epoch(self) -> int:
        """The epoch that it would train now."""
        return self.history[-1].epoch + 1 if self.history else self.task.first_epoch

    def train_epoch(self, num_lost: int = 99) -> EpochScore:
        """Train an epoch and keep it.

        Args:
            num_lost: Workers that were lost with this task before.

        Raises:
            Crashed, Hung, Lost, MemoryError, TrialDivergedError: The fault that it draws.
        """
        epoch, course = self.next_epoch, self.course
        if epoch == course.fault_epoch:
            self._misbehave(num_lost)
        score = self.score(epoch)
        self.history.append(score)
        is_refit = not len(self.task.val_rows)
        best = score if is_refit else self.task.goal.best_epoch(self.history)
        weights = [np.array(self.identity)]
        kept = Checkpoint(
            tuple(self.history), best.epoch if best is not None else epoch, weights, [], weights
        )
        write_checkpoint(self.task.checkpoint_path, kept)
        return score

    def finish(self) -> TrainingResult:
        """Write the model: whose it is, and of which epoch."""
        best = self.task.goal.best_epoch(self.history) or self.history[-1]
        replace_file(self.task.model_path, model_of(self.task.seed, best.epoch))
        return TrainingResult(tuple(self.history), best.epoch, NUM_WEIGHTS)

    def score(self, epoch: int) -> EpochScore:
        """What it scores in an epoch."""
        rng = random.Random(str((self.task.seed, epoch)))
        growth = 1 - 0.5**epoch
        accuracy = round(self.course.skill * growth + 0.1 * rng.random(), 2)
        val = Scores(accuracy=accuracy, balanced_accuracy=accuracy, log_loss=round(1 - accuracy, 2))
        train = round(min(1.0, accuracy + 0.1 * rng.random()), 2)
        return EpochScore(
            epoch=epoch,
            train_loss=1 - train,
            train=Scores(accuracy=train, balanced_accuracy=train, log_loss=round(1 - train, 2)),
            val=val if len(self.task.val_rows) else Scores(),
            learning_rate=1e-3,
            seconds=self.course.epoch_s,
        )

    def _misbehave(self, num_lost: int) -> None:
        match self.course.fault:
            case "memory" if not self.task.half_batch:
                raise MemoryError
            case "always-memory":
                raise MemoryError
            case "crash":
                raise Crashed
            case "nan":
                epoch = self.next_epoch
                raise TrialDivergedError(f"diverged: the loss became nan in epoch {epoch}")
            case "hang":
                raise Hung
            case "lost" if num_lost < self.course.losses:
                raise Lost


def model_of(seed: tuple[int, ...], epoch: int) -> bytes:
    """The content of a model file."""
    return f"model of {seed} after epoch {epoch}".encode()


def train(task: TrainingTask, report: Callable[[EpochScore], bool]) -> TrainingResult:
    """Run a training in this process, with all of its faults; no worker is lost here."""
    training = Training(task, TROUBLE)
    is_stopped = False
    for number, score in enumerate(training.history, start=1):
        is_stopped = report(score) and number == len(training.history)
    while not is_stopped and not training.is_over:
        try:
            score = training.train_epoch()
        except Crashed:
            os.kill(os.getpid(), signal.SIGKILL)
        except Hung:
            time.sleep(600)
        is_stopped = report(score)
    return training.finish()


def _digits(params: Params) -> list[int]:
    """Numbers that stand for params; the same in each process."""
    text = repr(sorted(params.items())).encode()
    return [int.from_bytes(text[start : start + 6], "big") for start in range(0, len(text), 6)]
