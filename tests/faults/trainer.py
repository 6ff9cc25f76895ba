"""Training and judging by a formula, in real processes, with real checkpoints.

What a trial does wrong is said in the environment: FAULTS='{"2": "segfault"}'. Every
epoch that is really trained is noted in a log beside the model, so that a test can count.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autocnn.core.errors import TrialDivergedError
from autocnn.core.records import EpochScore, Scores
from autocnn.core.records.exports import Familiarity
from autocnn.execution.tasks import (
    CandidateResult,
    CandidateTask,
    PredictionResult,
    PredictionTask,
    TrainingResult,
    TrainingTask,
)
from autocnn.metrics.familiarity import Reference
from autocnn.metrics.robustness import DISTURBANCES
from autocnn.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autocnn.training.measurements import Measurements

Report = Callable[[EpochScore], bool]

EPOCH_S = float(os.environ.get("EPOCH_S", "0.01"))
CHECKPOINT_MB = float(os.environ.get("CHECKPOINT_MB", "0"))


def train(task: TrainingTask, report: Report) -> TrainingResult:
    """Weights follow from the seed and the epochs; so does accuracy."""
    is_refit = len(task.val_rows) == 0
    fault = "" if is_refit else json.loads(os.environ.get("FAULTS", "{}")).get(str(task.seed[1]))
    weights = np.random.default_rng(task.seed).random(4)
    history: list[EpochScore] = []
    best_epoch, best_weights = 0, weights
    checkpoint = read_checkpoint(task.checkpoint_path)
    if checkpoint is not None:
        history, weights = list(checkpoint.history), checkpoint.weights[0]
        best_epoch, best_weights = checkpoint.best_epoch, checkpoint.best_weights[0]
        for score in history[:-1]:
            report(score)
    is_over = bool(history) and report(history[-1])
    if task.start_path is not None:
        weights = np.load(task.start_path) if checkpoint is None else weights
    while not is_over and task.first_epoch - 1 + len(history) < task.epochs:
        epoch = task.first_epoch + len(history)
        _misbehave(fault, epoch, task)
        time.sleep(EPOCH_S)
        rng = np.random.default_rng((*task.seed, epoch))
        weights = 0.9 * weights + 0.1 * rng.random(4)
        accuracy = round(float(weights.mean()) + 0.01 * epoch, 6)
        val = Scores() if is_refit else Scores(accuracy=accuracy, balanced_accuracy=accuracy)
        history.append(
            EpochScore(
                epoch=epoch,
                train_loss=1 - accuracy,
                learning_rate=1e-3,
                seconds=EPOCH_S,
                train=Scores(accuracy=accuracy, balanced_accuracy=accuracy),
                val=val,
            )
        )
        best = history[-1] if is_refit else task.goal.best_epoch(history)
        if best is not None and best.epoch == epoch:
            best_epoch, best_weights = epoch, weights
        ballast = np.zeros(int(CHECKPOINT_MB * 1e6), np.uint8)
        write_checkpoint(
            task.checkpoint_path,
            Checkpoint(tuple(history), best_epoch, [weights, ballast], [], [best_weights]),
        )
        with (task.model_path.parent / "trained.log").open("a") as log:
            log.write(f"{epoch}\n")
        is_over = report(history[-1])
    np.save(task.model_path.with_name(".model.npy"), best_weights)
    task.model_path.with_name(".model.npy").replace(task.model_path)
    return TrainingResult(tuple(history), best_epoch, 4)


def predict(task: PredictionTask, report: Report) -> PredictionResult:
    """Probabilities that follow from the weights."""
    for prediction in task.predictions:
        weights = np.load(prediction.model_path)
        number = len(prediction.rows) + len(DISTURBANCES) * len(prediction.disturbed)
        found = _probabilities(weights, number, task.images.num_classes)
        np.save(prediction.probabilities_path, found)
    return PredictionResult()


def make_candidate(task: CandidateTask, report: Report) -> CandidateResult:
    """The mean of the members' weights, and probabilities that follow from it."""
    weights = np.sum([member.weight * np.load(member.path) for member in task.members], axis=0)
    np.save(task.model_path.with_name(".model.npy"), weights)
    task.model_path.with_name(".model.npy").replace(task.model_path)
    num_classes = task.images.num_classes
    test = _probabilities(weights, len(task.test_rows), num_classes)
    _, height, width, _ = task.images.open().shape
    explained = np.union1d(task.explained, task.judged)
    maps = np.ones((len(explained), height, width), np.float32)
    facts = Familiarity(
        neighbours=1, num_reference=4, threshold=0.5, val_share=0.01, test_share=None
    )
    Measurements(
        test=test,
        test_before=test,
        disturbed=task.disturbed,
        disturbed_test=dict.fromkeys(DISTURBANCES, test[task.disturbed]),
        explained=explained,
        maps=maps,
        random_maps=maps,
        familiarity=Reference(np.eye(4, dtype=np.float32), facts),
        num_weights=4,
        flops=100,
        latency_ms=1.0,
        recipe=task.recipe,
    ).write(task.results_path)
    return CandidateResult()


def _probabilities(weights: np.ndarray, number: int, num_classes: int) -> np.ndarray:
    rng = np.random.default_rng(int(weights.sum() * 1e6))
    scores = rng.random((number, num_classes)).astype(np.float32)
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def _misbehave(fault: str | None, epoch: int, task: TrainingTask) -> None:
    if fault is None or epoch != 2:
        return
    match fault:
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(600)
        case "nan":
            raise TrialDivergedError("diverged: the loss became nan in epoch 2")
        case "memory" if not task.half_batch:
            _ballast.append(np.ones(400_000_000, np.uint8))
            time.sleep(60)
        case "always-memory":
            raise MemoryError
        case "error":
            raise ZeroDivisionError("a bug")
        case "wait":
            while not Path(os.environ["GO_ON"]).exists():
                time.sleep(0.01)


_ballast: list[object] = []
