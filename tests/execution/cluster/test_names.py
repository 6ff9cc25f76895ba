"""Tasks as names: nothing of this machine leaves it, and every path is found again elsewhere."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.objective import Goal
from autocnn.core.own_model import OwnModel
from autocnn.execution.cluster.names import images_name, is_named_by, locate_task, name_task
from autocnn.execution.tasks import (
    CandidateTask,
    Images,
    MemberModel,
    Prediction,
    PredictionTask,
    Task,
    TrainingTask,
    WeightsTask,
)

ROWS = np.arange(4)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "home/results/mine"
    path.mkdir(parents=True)
    np.save(tmp_path / "home/decoded.npy", np.zeros((4, 8, 8, 3), np.uint8))
    return path


def images(study: Path) -> Images:
    return Images(study.parents[1] / "decoded.npy", ROWS % 2, 2)


def training(study: Path) -> TrainingTask:
    return TrainingTask(
        images=images(study),
        train_rows=ROWS[:2],
        val_rows=ROWS[2:],
        params={"family": "plain"},
        epochs=3,
        seed=(0, 7),
        goal=Goal("accuracy"),
        model_path=study / "trials/0007/model.keras",
        threads=2,
        precision="float32",
        weights="imagenet",
        checkpoint_path=study / "trials/0007/checkpoint/epoch.npz",
        start_path=study / "trials/0003/model.keras",
    )


def predicting(study: Path) -> PredictionTask:
    model, target = study / "trials/0007/model.keras", study / "candidates/.predictions/7.npy"
    return PredictionTask(images(study), (Prediction(model, ROWS, target),), threads=1)


def making(study: Path) -> CandidateTask:
    model, given = (
        study / "finalists/0007/refit/model.keras",
        study / "candidates/.predictions/7.npy",
    )
    return CandidateTask(
        members=(MemberModel(model, given, 1.0, 1.5),),
        temperature=1.0,
        has_temperature=False,
        model_path=study / "candidates/01/model.keras",
        images=images(study),
        test_rows=ROWS,
        val_rows=ROWS,
        reference_rows=ROWS,
        judged=ROWS,
        num_independent=4.0,
        disturbed=ROWS,
        explained=ROWS,
        per_class=1,
        results_path=study / "candidates/.predictions/candidate-1.npz",
        threads=1,
        seed=0,
    )


def test_images_are_named_by_content_side_and_channels(study: Path) -> None:
    path = images(study).path
    name = images_name(path)
    assert name.startswith("images/") and name.endswith("-8px-rgb.npy")
    assert is_named_by(hashlib.sha256(path.read_bytes()).hexdigest(), name)
    np.save(path, np.ones((4, 8, 8, 3), np.uint8))
    assert not is_named_by(hashlib.sha256(path.read_bytes()).hexdigest(), name)
    assert images_name(path) != name


@pytest.mark.parametrize("make", [training, predicting, making])
def test_nothing_of_this_machine_leaves_it(make: type, study: Path, tmp_path: Path) -> None:
    task: Task = make(study)
    named = name_task(task, study, images_name)
    message = pickle.dumps((named.task, tuple(named.writes), named.checkpoint, named.images))
    assert str(tmp_path).encode() not in message
    # On the study's own machine the names lead to the same files.
    back = locate_task(named.task, study, images(study).path)
    assert pickle.dumps(back) == pickle.dumps(task)
    elsewhere = locate_task(named.task, Path("/scratch/1"), Path("/scratch/images/x.npy"))
    assert str(tmp_path).encode() not in pickle.dumps(elsewhere)


def test_what_a_task_reads_and_leaves_is_known_by_its_place_in_the_study(study: Path) -> None:
    named = name_task(training(study), study, images_name)
    assert named.checkpoint == "trials/0007/checkpoint/epoch.npz"
    assert list(named.reads) == ["trials/0003/model.keras"]
    assert list(named.writes) == ["trials/0007/model.keras", named.checkpoint]
    made = name_task(making(study), study, images_name)
    assert list(made.reads) == ["finalists/0007/refit/model.keras", "candidates/.predictions/7.npy"]
    assert list(made.writes) == [
        "candidates/01/model.keras",
        "candidates/.predictions/candidate-1.npz",
    ]
    assert isinstance(made.task, CandidateTask)
    assert made.task.recipe == making(study).recipe, "a candidate is known by it"
    predicted = name_task(predicting(study), study, images_name)
    assert (predicted.checkpoint, list(predicted.reads)) == (None, ["trials/0007/model.keras"])


def test_weights_and_a_model_of_ones_own_go_along(study: Path, tmp_path: Path) -> None:
    weights, code = tmp_path / "home/w.h5", tmp_path / "home/code"
    weights.write_bytes(b"w")
    (code / "parts").mkdir(parents=True)
    (code / "my_model.py").write_text("def build(): ...")
    (code / "parts/block.py").write_text("")
    own = OwnModel(code / "my_model.py", "build", {"my_model.py": "1", "parts/block.py": "2"})
    task = replace(training(study), weights=str(weights), own_model=own, start_path=None)
    named = name_task(task, study, images_name)
    assert dict(named.reads) == {
        "builder/my_model.py": code / "my_model.py",
        "builder/parts/block.py": code / "parts/block.py",
        "weights/w.h5": weights,
    }
    there = locate_task(named.task, Path("/scratch/1"), Path("/scratch/images/x.npy"))
    assert isinstance(there, TrainingTask) and there.own_model is not None
    assert there.weights == "/scratch/1/weights/w.h5"
    assert there.own_model.path == Path("/scratch/1/builder/my_model.py")
    probe = name_task(WeightsTask(("vgg16",), 32, str(weights)), study, images_name)
    assert list(probe.reads) == ["weights/w.h5"] and probe.images is None


def test_a_file_that_is_no_part_of_the_study_is_no_name(study: Path) -> None:
    task = replace(training(study), model_path=Path("/somewhere/model.keras"))
    with pytest.raises(ValueError, match="somewhere"):
        name_task(task, study, images_name)
