"""A model and a space of somebody's own through a whole study, and back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from autocnn.cli.main import run
from autocnn.core.errors import ConfigError
from autocnn.core.events import Observer
from autocnn.core.own_model import OwnModel
from autocnn.core.records import TrialState
from autocnn.data import Dataset
from autocnn.execution.executor import Outcome
from autocnn.execution.tasks import OwnModelResult
from autocnn.spaces.files import parse_space
from autocnn.storage import StudyFolder
from autocnn.study import own_model
from autocnn.study.context import Context

SPACE = """
description: my own
epochs: 2
parameters:
  - {name: filters, type: int, low: 4, high: 8, step: 4}
  - {name: kind, type: categorical, choices: [conv, blur]}
  - {name: never_read, type: int, low: 1, high: 2}
  - {name: learning_rate, type: float, low: 1e-3, high: 1e-2, log: true}
"""

MODEL = """
import keras
from keras import layers
from my_layers import Blur


def build(params, image_shape, num_classes):
    x = images = keras.Input(image_shape)
    x = layers.Conv2D(params["filters"], 3, padding="same")(layers.Rescaling(1 / 255)(x))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = Blur(3)(x)
    x = layers.GlobalAveragePooling2D()(x)
    assert params["kind"] in ("conv", "blur")
    return keras.Model(images, layers.Dense(num_classes, activation="softmax")(x))
"""

LAYERS = """
import keras


@keras.saving.register_keras_serializable("my_layers")
class Blur(keras.layers.Layer):
    def __init__(self, size, **options):
        super().__init__(**options)
        self.size = size

    def call(self, x):
        return keras.ops.average_pool(x, self.size, strides=1, padding="same")

    def get_config(self):
        return {**super().get_config(), "size": self.size}
"""

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody's with a model in two files, and a space."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_model.py").write_text(MODEL)
    (tmp_path / "my_layers.py").write_text(LAYERS)
    (tmp_path / "my_space.yaml").write_text(SPACE)
    return tmp_path


def search(*more: str) -> int:
    arguments = (
        "search --model my_own_model.py:build --space my_space.yaml --trials 2 --finalists 1 "
        "--folds 0 --workers 2 --name own --cache-dir cache"
    )
    return run([*arguments.split(), *more])


@pytest.mark.slow
@pytest.mark.usefixtures("dots")
def test_a_study_of_an_own_model_and_its_resume(folder: Path, capsys: Output) -> None:
    assert search() == 0
    out, err = capsys.readouterr()
    assert "does not read never_read of the space" in err
    assert "refit" in out
    study = folder / "results" / "own"
    facts = json.loads((study / "study.json").read_text())
    assert facts["config"]["model"] == f"{folder / 'my_own_model.py'}:build"
    assert list(facts["model_files"]) == ["my_layers.py", "my_own_model.py"]
    assert (study / "builder" / "my_layers.py").read_text() == LAYERS
    record = json.loads((study / "candidates" / "01" / "candidate.json").read_text())
    assert (record["builder"], record["explanation"] is None) == ("my_own_model:build", False)
    assert (study / "candidates" / "01" / "familiarity.npz").is_file()
    assert "own model my_own_model:build" in (study / "report.html").read_text()
    loading = (
        "import sys; sys.path.insert(0, 'builder'); import my_own_model; import keras; "
        "print(keras.saving.load_model('candidates/01/model.keras').input_shape)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", loading], cwd=study, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "(None, 8, 8, 1)\n"

    more = ["resume", "own", "--trials", "3"]
    assert run(more) == 2
    assert "my_own_model.py:build without that" in capsys.readouterr().err
    more.append("--trust-code")
    (folder / "my_layers.py").write_text(LAYERS + "# another thought\n")
    assert run(more) == 4
    err = capsys.readouterr().err
    assert "its data, its space and its model as they were" in err
    assert "Model: my_layers.py has another content." in err
    assert "--fork" in err

    for name in ("my_layers.py", "my_own_model.py"):
        (folder / name).unlink()
    assert run([*more, "--cache-dir", "cache"]) == 0
    assert "the study's own copy of the model is used" in capsys.readouterr().err
    assert len(StudyFolder(study).read_trials()) == 3


@pytest.mark.slow
def test_a_model_that_breaks_a_rule_leaves_nothing(folder: Path, capsys: Output) -> None:
    bad = MODEL.replace('activation="softmax"', 'activation="sigmoid"')
    (folder / "my_own_model.py").write_text(bad)
    assert search() == 2
    err = capsys.readouterr().err
    assert "my_own_model.py:build: must return a model that ends in a Dense softmax layer" in err
    assert "search: " not in err
    assert list((folder / "results").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "default"], "--space must be a file with --model, got the shipped 'default'"),
        (["--weights", "my_own_model.py"], "--weights must not go with --model"),
        (["--model", "my_own_model.py"], "--model must be FILE:FUNCTION"),
        (["--model", "no.py:build"], "--model must name a Python file"),
    ],
)
def test_what_cannot_be_asked_for_is_told_before_anything(
    folder: Path, capsys: Output, arguments: list[str], message: str
) -> None:
    assert search(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "results").exists()


class FakeContext(Observer):
    """What `check_own_model` looks at, and one answer of a worker."""

    def __init__(self, folder: StudyFolder, outcome: Outcome) -> None:
        self.folder, self.outcome = folder, outcome
        self.observer = self.resources = self
        self.precision = "float32"
        self.warnings: list[str] = []

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        assert name == "try your model"

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def run_alone(self, function: str, task: Any, **options: Any) -> Outcome:
        assert task.params == {"filters": 4, "kind": "conv", "never_read": 1, "learning_rate": 2e-3}
        assert task.image_shape == (8, 8, 1)
        return self.outcome


class FakeDataset:
    """Images of 8 x 8 px in two classes."""

    num_classes = 2
    image_shape = (8, 8, 1)

    def images(self, size: int | None) -> "FakeDataset":
        assert size is None
        return self


def check(folder: Path, outcome: Outcome) -> tuple[OwnModel, list[str]]:
    """The own model as it is kept, and what was warned of."""
    context = FakeContext(StudyFolder(folder), outcome)
    kept = own_model.check_own_model(
        cast(Context, context),
        OwnModel(folder / "my_own_model.py", "build"),
        parse_space(SPACE, source="s.yaml", name="s", own_names=True),
        cast(Dataset, FakeDataset()),
    )
    return kept, context.warnings


def test_what_is_odd_about_a_good_model_is_a_warning(folder: Path) -> None:
    result = OwnModelResult({"my_own_model.py": "00"}, frozenset({"filters", "kind"}), "no map")
    kept, warnings = check(folder, Outcome(TrialState.COMPLETE, 1.0, result=result))
    assert kept.files == {"my_own_model.py": "00"}
    assert (folder / "builder" / "my_own_model.py").read_text() == MODEL
    assert len(warnings) == 2
    assert "my_own_model:build does not read never_read of" in warnings[0]
    assert "Grad-CAM cannot open what my_own_model:build builds (no map)" in warnings[1]


def test_a_worker_that_does_not_answer_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"got: ran longer than its 300 s\.") as caught:
        check(folder, Outcome(TrialState.TIMED_OUT, 300.0, "ran longer than its 300 s"))
    assert caught.value.exit_code == 2


def test_the_error_of_a_worker_is_handed_on(folder: Path) -> None:
    error = ConfigError("--model x: must return a keras.Model.")
    with pytest.raises(ConfigError) as caught:
        check(folder, Outcome(TrialState.FAILED, 1.0, "it", error=error))
    assert caught.value is error


def test_which_parameters_only_a_network_reads() -> None:
    names = ("filters", "width", "dropout", "image_size", "rotation", "batch_size")
    assert [own_model.is_for_the_network(name) for name in names] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
