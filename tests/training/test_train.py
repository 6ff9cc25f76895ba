import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from autocnn.core.arrays import IntArray, Pixels
from autocnn.core.errors import DiskFullError, TrialDivergedError
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, ParamValue
from autocnn.execution.tasks import Images, TrainingResult, TrainingTask
from autocnn.storage.checkpoint import read_checkpoint, write_checkpoint
from autocnn.training import train as training
from autocnn.training.networks import batches
from autocnn.training.networks.stored_images import images_on_gpu
from autocnn.training.train import Report, train

SMALL: dict[str, ParamValue] = {
    "width": 8,
    "num_stages": 2,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "flip": "none",
    "rotation": 0.0,
    "weight_averaging": True,
    "dropout": 0.2,
}


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Two classes that a tiny network can distinguish: bright left, bright right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 320)
    pixels = rng.integers(0, 80, (320, 12, 12, 1))
    for image, label in zip(pixels, labels, strict=True):
        image[:, 6 * label : 6 * label + 6] += 120
    path = tmp_path / "images.npy"
    np.save(path, pixels.astype(np.uint8))
    return Images(path, labels.astype(np.int32), 2)


def make_task(images: Images, tmp_path: Path, **changes: Any) -> TrainingTask:
    values: dict[str, Any] = {
        "images": images,
        "train_rows": np.arange(256),
        "val_rows": np.arange(256, 320),
        "params": SMALL,
        "epochs": 3,
        "seed": (0, 7),
        "goal": Goal("balanced_accuracy"),
        "model_path": tmp_path / "model.keras",
        "threads": 1,
        "precision": "float32",
        "weights": "imagenet",
        "checkpoint_path": tmp_path / "epoch.npz",
    }
    return TrainingTask(**{**values, **changes})


def keep_going(score: EpochScore) -> bool:
    return False


@pytest.mark.slow
def test_it_learns_and_saves_the_best_epoch(images: Images, tmp_path: Path) -> None:
    task = make_task(images, tmp_path)
    seen: list[EpochScore] = []

    def remember(score: EpochScore) -> bool:
        seen.append(score)
        return False

    result = train(task, remember)
    assert [score.epoch for score in seen] == [1, 2, 3]
    assert tuple(seen) == result.history
    assert seen[-1].val.accuracy is not None and seen[-1].val.accuracy > 0.95
    best = task.goal.best_epoch(result.history)
    assert best is not None and best.epoch == result.best_epoch
    model = keras.models.load_model(task.model_path)
    predicted = np.asarray(model(images.open()[task.val_rows])).argmax(axis=1)
    assert np.mean(predicted == images.labels[task.val_rows]) == pytest.approx(best.val.accuracy)
    assert model.count_params() == result.num_weights
    assert [path.name for path in tmp_path.glob("*.keras")] == ["model.keras"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(images: Images, tmp_path: Path) -> None:
    histories = []
    for number, seed in enumerate(((0, 7), (0, 7), (0, 8))):
        path = tmp_path / f"{number}.npz"
        task = make_task(images, tmp_path, seed=seed, epochs=2, checkpoint_path=path)
        result = train(task, keep_going)
        histories.append([score.train_loss for score in result.history])
    assert histories[0] == histories[1]
    assert histories[0] != histories[2]


class Stopped(BaseException):
    """The process is gone."""


def stop_after(end: int) -> Report:
    def stop(score: EpochScore) -> bool:
        if score.epoch == end:
            raise Stopped
        return False

    return stop


def train_in_pieces(task: TrainingTask, ends: list[int]) -> TrainingResult:
    """Train, but be killed right after the epochs `ends` were saved."""
    for end in ends:
        with pytest.raises(Stopped):
            train(task, stop_after(end))
    return train(task, keep_going)


def without_times(history: tuple[EpochScore, ...]) -> list[EpochScore]:
    return [score.model_copy(update={"seconds": 0.0}) for score in history]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "precision"),
    [
        ({}, "float32"),
        pytest.param(
            {"weight_averaging": False, "optimizer": "sgd"}, "float32", marks=pytest.mark.full
        ),
        pytest.param(
            {"optimizer": "lion", "learning_rate": 1e-3, "stochastic_depth": 0.2},
            "mixed_bfloat16",
            marks=pytest.mark.full,
        ),
        pytest.param(
            {"mixup": 0.2, "erasing": 0.3, "rotation": 10.0},
            "mixed_float16",
            marks=pytest.mark.full,
        ),
    ],
)
def test_training_in_pieces_ends_with_the_same_numbers(
    images: Images, tmp_path: Path, change: dict[str, ParamValue], precision: str
) -> None:
    params = {**SMALL, **change}
    whole = make_task(images, tmp_path, params=params, precision=precision)
    pieces = make_task(
        images,
        tmp_path,
        params=params,
        precision=precision,
        checkpoint_path=tmp_path / "pieces.npz",
        model_path=tmp_path / "pieces.keras",
    )
    expected, result = train(whole, keep_going), train_in_pieces(pieces, [1, 2, 3])
    assert without_times(result.history) == without_times(expected.history)
    assert result.best_epoch == expected.best_epoch
    models = [keras.models.load_model(task.model_path) for task in (whole, pieces)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_training_goes_on_in_the_precision_of_another_machine(
    images: Images, tmp_path: Path
) -> None:
    states: list[list[Any]] = []
    history: tuple[EpochScore, ...] = ()
    for epoch, precision in enumerate(("mixed_float16", "float32", "mixed_float16"), 1):
        task = make_task(images, tmp_path, precision=precision)
        with pytest.raises(Stopped):
            train(task, stop_after(epoch))
        checkpoint = read_checkpoint(task.checkpoint_path)
        assert checkpoint is not None
        states.append(checkpoint.optimizer)
        history = checkpoint.history
    number = len(states[1])
    assert len(states[0]) == len(states[2]) > number, "the loss is scaled in float16"
    steps = [int(state[-number]) for state in states]
    assert steps[1] == steps[0] + 8, "the optimiser goes on"
    assert steps[2] > steps[1]
    assert [score.epoch for score in history] == [1, 2, 3]
    assert (history[-1].val.accuracy or 0) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("kept", [slice(-1), slice(2, None)])
def test_a_checkpoint_of_another_optimiser_is_refused(
    images: Images, tmp_path: Path, kept: slice
) -> None:
    task = make_task(images, tmp_path)
    with pytest.raises(Stopped):
        train(task, stop_after(1))
    checkpoint = read_checkpoint(task.checkpoint_path)
    assert checkpoint is not None
    broken = replace(checkpoint, optimizer=checkpoint.optimizer[kept])
    write_checkpoint(task.checkpoint_path, broken)
    with pytest.raises(ValueError, match=r"shape|must hold the state"):
        train(task, keep_going)


@pytest.mark.slow
def test_a_restored_training_reports_its_epochs_again(images: Images, tmp_path: Path) -> None:
    task = make_task(images, tmp_path, epochs=2)
    first = train(task, keep_going)
    seen: list[EpochScore] = []

    def remember(score: EpochScore) -> bool:
        seen.append(score)
        return False

    again = train(task, remember)
    assert tuple(seen) == first.history == again.history, "not trained anew"


@pytest.mark.slow
def test_a_restored_training_ends_where_it_is_told(images: Images, tmp_path: Path) -> None:
    task = make_task(images, tmp_path, epochs=4)
    with pytest.raises(Stopped):
        train(task, stop_after(2))
    assert len(train(task, lambda score: score.epoch == 2).history) == 2


@pytest.mark.slow
def test_a_training_may_begin_with_a_parent_s_weights(images: Images, tmp_path: Path) -> None:
    parent = make_task(images, tmp_path, epochs=2)
    train(parent, keep_going)
    child = make_task(
        images,
        tmp_path,
        epochs=4,
        start_path=parent.model_path,
        first_epoch=3,
        model_path=tmp_path / "child.keras",
        checkpoint_path=tmp_path / "child.npz",
    )
    result = train(child, keep_going)
    assert [score.epoch for score in result.history] == [3, 4]
    assert result.history[0].train_loss < 0.3, "it goes on, not over"
    assert (result.history[0].val.accuracy or 0) > 0.95, "with averages of its own weights"
    in_pieces = make_task(
        images,
        tmp_path,
        epochs=4,
        start_path=parent.model_path,
        first_epoch=3,
        model_path=tmp_path / "child.keras",
        checkpoint_path=tmp_path / "child2.npz",
    )
    again = train_in_pieces(in_pieces, [3])
    assert without_times(again.history) == without_times(result.history)


def count_steps(task: TrainingTask) -> int:
    """Steps of the optimiser in one training."""
    train(task, keep_going)
    checkpoint = read_checkpoint(task.checkpoint_path)
    assert checkpoint is not None
    return int(checkpoint.optimizer[0])


@pytest.mark.slow
@pytest.mark.parametrize("is_small", [False, True])
def test_half_the_batch_is_twice_the_steps(images: Images, tmp_path: Path, is_small: bool) -> None:
    """Also of a set that is smaller than the batch that the params ask for."""
    whole, half = (
        make_task(images, tmp_path, epochs=1, half_batch=half, checkpoint_path=tmp_path / f"{half}")
        for half in (False, True)
    )
    if is_small:
        params, few = {**whole.params, "batch_size": 64}, np.arange(20)
        whole, half = (replace(one, params=params, train_rows=few) for one in (whole, half))
    assert count_steps(half) == 2 * count_steps(whole)


@pytest.mark.slow
def test_a_full_disk_ends_the_training(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(DiskFullError):
        train(make_task(images, tmp_path), keep_going)


@pytest.mark.slow
def test_it_stops_when_told(images: Images, tmp_path: Path) -> None:
    result = train(make_task(images, tmp_path), lambda score: score.epoch == 2)
    assert len(result.history) == 2


@pytest.mark.slow
def test_early_stopping_waits_for_its_patience(images: Images, tmp_path: Path) -> None:
    params = {**SMALL, "early_stopping_patience": 1, "learning_rate": 1e-7, "warmup_epochs": 0}
    result = train(make_task(images, tmp_path, params=params, epochs=10), keep_going)
    assert len(result.history) == result.best_epoch + 1 < 10


@pytest.mark.slow
def test_a_refit_has_no_val_and_keeps_its_last_epoch(images: Images, tmp_path: Path) -> None:
    task = make_task(images, tmp_path, val_rows=np.arange(0), train_rows=np.arange(320))
    result = train(task, keep_going)
    assert result.best_epoch == 3
    assert all(score.val.accuracy is None for score in result.history)
    assert all(score.train.accuracy is not None for score in result.history)


@pytest.mark.slow
def test_a_diverging_trial_says_so(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nan = np.full(2, np.nan, np.float32)
    monkeypatch.setattr(batches, "class_weights", lambda labels, num_classes, settings: nan)
    with pytest.raises(TrialDivergedError, match=r"diverged: .* nan in epoch 1"):
        train(make_task(images, tmp_path), keep_going)


@pytest.mark.slow
def test_a_trial_whose_last_step_makes_it_diverge_says_so(images: Images, tmp_path: Path) -> None:
    far = {**SMALL, "learning_rate": 10.0, "warmup_epochs": 0, "batch_size": 256}
    params = {**far, "weight_averaging": False}
    with pytest.raises(TrialDivergedError, match="diverged: a probability became nan in epoch 1"):
        train(make_task(images, tmp_path, params=params, precision="mixed_float16"), keep_going)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "sgd"},
        {"optimizer": "rmsprop", "schedule": "linear"},
        {"optimizer": "lion", "learning_rate": 1e-3},
        {"weight_averaging": False},
        {"imbalance": "class_weights"},
        {"imbalance": "focal_loss", "schedule": "constant"},
        {"mixup": 0.2, "cutmix": 0.5},
    ],
)
def test_every_way_of_training_learns(
    images: Images, tmp_path: Path, change: dict[str, ParamValue]
) -> None:
    result = train(make_task(images, tmp_path, params={**SMALL, **change}), keep_going)
    assert max(score.val.accuracy or 0 for score in result.history) > 0.9


@pytest.mark.slow
def test_tiny_data_and_odd_batches_train(images: Images, tmp_path: Path) -> None:
    task = make_task(images, tmp_path, train_rows=np.arange(5), val_rows=np.arange(5, 8), epochs=1)
    assert len(train(task, keep_going).history) == 1


@pytest.mark.slow
def test_bfloat16_trains_and_saves_float32(images: Images, tmp_path: Path) -> None:
    task = make_task(images, tmp_path, precision="mixed_bfloat16", epochs=2)
    result = train(task, keep_going)
    assert result.history[-1].val.accuracy is not None
    model = keras.models.load_model(task.model_path)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


@pytest.fixture
def stored(as_on_a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What trainings put into a GPU's memory, in the place of which the processor's is used."""
    found: list[Any] = []

    @contextlib.contextmanager
    def store(images: Pixels, rows: IntArray) -> Iterator[Any]:
        with images_on_gpu(images, rows) as variable:
            assert variable is not None and len(variable.numpy()) == len(rows)
            found.append(variable)
            yield variable

    monkeypatch.setattr(training, "images_on_gpu", store)
    return found


@pytest.mark.slow
def test_images_in_a_gpu_s_memory_give_the_same_network(
    images: Images, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    params = {**SMALL, "rotation": 10.0, "noise": 0.05, "mixup": 0.2, "imbalance": "class_weights"}
    rows = np.random.default_rng(0).permutation(300)[:256]
    tasks = [
        make_task(
            images,
            tmp_path,
            params=params,
            train_rows=rows,
            val_rows=np.arange(300, 320),
            epochs=2,
            checkpoint_path=tmp_path / f"{name}.npz",
            model_path=tmp_path / f"{name}.keras",
        )
        for name in ("loaded", "stored", "pieces")
    ]
    expected = train(tasks[0], keep_going)
    stored = request.getfixturevalue("stored")
    result = train(tasks[1], keep_going)
    assert len(stored) == 1
    for one, other in zip(result.history, expected.history, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
    in_pieces = train_in_pieces(tasks[2], [1])
    assert len(stored) == 3, "once for each part of the training"
    assert without_times(in_pieces.history) == without_times(result.history)
    weights = [keras.models.load_model(task.model_path).get_weights() for task in tasks]
    for loaded, whole, pieces in zip(*weights, strict=True):
        np.testing.assert_allclose(whole, loaded, atol=1e-3)
        np.testing.assert_array_equal(pieces, whole)


@pytest.mark.slow
@pytest.mark.parametrize("report", [keep_going, stop_after(1)])
def test_a_training_leaves_no_images_in_a_gpu_s_memory(
    images: Images, tmp_path: Path, stored: list[Any], report: Report
) -> None:
    with contextlib.suppress(Stopped):
        train(make_task(images, tmp_path, epochs=1), report)
    assert [len(variable.numpy()) for variable in stored] == [0]


@pytest.mark.slow
def test_what_found_no_memory_does_not_store_its_images_again(
    images: Images, tmp_path: Path, stored: list[Any]
) -> None:
    train(make_task(images, tmp_path, epochs=1, half_batch=True), keep_going)
    assert not stored
