"""Judging by a formula: what a model predicts follows from what is in its file.

`Judging` does what autocnn's workers do to predict and to make a candidate, in their order, and
knows which candidates are finished, and of what.
"""

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autocnn.core.arrays import FloatArray
from autocnn.core.atomic import replace_file, replacing
from autocnn.execution.tasks import (
    CandidateResult,
    CandidateTask,
    PredictionResult,
    PredictionTask,
    Task,
    TrainingTask,
)
from autocnn.training.measurements import Measurements
from tests.simulation.training import NUM_WEIGHTS, Broken

TASK_S = 0.5
"""Seconds of each task: less than what the budget keeps for it."""

FAULTS = ("memory", "lost")


@dataclass
class Judging:
    """What is judged in a study.

    Attributes:
        seed: Draws what becomes of a task.
        trouble: Share of tasks that end in one of `FAULTS`, the first time.
        is_test_open: Whether study.json says that the candidates are judged.
        is_durable: Whether all that was finished stands: the disk has refused nothing.
        num_choices: How often finalists were chosen: each time all candidates are made anew.
        finished: Number of the choice, name of the candidate and content of its model, of those
            that a worker finished.
        contents: Of the last end: the models of all candidates.
    """

    seed: int = 0
    trouble: float = 0.0
    is_test_open: Callable[[], bool] = lambda: True
    is_durable: bool = True
    num_choices: int = 0
    finished: set[tuple[int, str, bytes]] = field(default_factory=set)
    contents: list[bytes] = field(default_factory=list)

    def fault_of(self, task: PredictionTask | CandidateTask) -> str:
        """What becomes of a task the first time; empty: nothing."""
        rng = random.Random(str((self.seed, self.num_choices, file_of(task).name)))
        return rng.choice(FAULTS) if rng.random() < self.trouble else ""

    def run(self, task: PredictionTask | CandidateTask) -> PredictionResult | CandidateResult:
        """Do what a worker does.

        Raises:
            Broken: When a candidate is judged that was before, or test is asked for and closed.
        """
        if isinstance(task, CandidateTask):
            return self._make_candidate(task)
        for prediction in task.predictions:
            if len(prediction.disturbed) and not self.is_test_open():
                raise Broken(f"{prediction.probabilities_path.stem}: predicted, and test is closed")
            content = prediction.model_path.read_bytes()
            number = len(prediction.rows) + 27 * len(prediction.disturbed)
            found = probabilities_of(content, number, task.images.num_classes)
            with replacing(prediction.probabilities_path) as file:
                np.save(file, found)
        return PredictionResult()

    def check(self, task: CandidateTask, measured: Measurements) -> None:
        """See that a candidate is made of its members as they stand, and was measured itself.

        Raises:
            Broken: When it is not, or was not.
        """
        name, content = task.model_path.parent.name, task.model_path.read_bytes()
        if content != candidate_of(task):
            raise Broken(f"candidate {name} is not made of its members as they stand")
        test = probabilities_of(content, len(task.test_rows), task.images.num_classes)
        if measured.recipe != task.recipe or not np.array_equal(measured.test, test):
            raise Broken(f"what was measured is not of candidate {name}")
        self.contents.append(content)

    def _make_candidate(self, task: CandidateTask) -> CandidateResult:
        """The model first, then what was measured on it."""
        content = candidate_of(task)
        mark = self.num_choices, task.results_path.name, content
        if mark in self.finished and self.is_durable:
            raise Broken(f"{task.results_path.stem} is judged again, and nothing of it has changed")
        if not self.is_test_open():
            raise Broken(f"{task.results_path.stem} is judged, and test is closed")
        num_classes, num_test = task.images.num_classes, len(task.test_rows)
        for member in task.members:
            number = num_test + 27 * len(task.disturbed)
            expected = probabilities_of(member.path.read_bytes(), number, num_classes)
            given = np.load(member.predicted_path) if member.predicted_path.exists() else None
            if given is None or not np.array_equal(given, expected):
                raise Broken(f"{task.results_path.stem}: {member.predicted_path.name} is not of it")
        replace_file(task.model_path, content)
        test = probabilities_of(content, num_test, num_classes)
        maps = np.zeros((len(task.explained), 1, 1), np.float32)
        Measurements(
            test=test,
            test_before=test,
            disturbed=task.disturbed,
            disturbed_test={},
            explained=task.explained,
            maps=maps,
            random_maps=maps,
            familiarity=None,
            num_weights=NUM_WEIGHTS,
            flops=1,
            latency_ms=1.0,
            recipe=task.recipe,
        ).write(task.results_path)
        self.finished.add(mark)
        return CandidateResult()


def candidate_of(task: CandidateTask) -> bytes:
    """The content of a candidate's model: its recipe, and its members as they stand."""
    members = [member.path.read_bytes().decode() for member in task.members]
    return json.dumps([task.recipe, members]).encode()


def probabilities_of(content: bytes, number: int, num_classes: int) -> FloatArray:
    """(number, classes) What a model of that content gives for so many images."""
    seed = int.from_bytes(hashlib.sha256(content).digest()[:4], "big")
    scores = np.random.default_rng(seed).random((number, num_classes), np.float32)
    found: FloatArray = scores / scores.sum(axis=1, keepdims=True)
    return found


def file_of(task: Task) -> Path:
    """A file that no other task writes."""
    if isinstance(task, TrainingTask):
        return task.checkpoint_path
    if isinstance(task, CandidateTask):
        return task.results_path
    assert isinstance(task, PredictionTask)
    return task.predictions[0].probabilities_path
