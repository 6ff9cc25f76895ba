"""What a user's own Keras is set to changes nothing, and is left as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

THEIRS = {
    "backend": "torch",
    "floatx": "float16",
    "epsilon": 1e-3,
    "image_data_format": "channels_first",
}

FOUND = """
import os
print(keras.config.backend(), keras.config.image_data_format(), keras.config.floatx(),
      keras.config.epsilon(), os.environ.get("KERAS_BACKEND"))
"""


def run(program: str, home: Path, **environment: str) -> str:
    """The last line that a program prints, in a process with a keras.json of the user's own."""
    home.mkdir()
    (home / "keras.json").write_text(json.dumps(THEIRS))
    clean = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    quiet = {"KERAS_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | quiet | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((home / "keras.json").read_text()) == THEIRS, "it is never rewritten"
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, {"KERAS_BACKEND": "jax"}])
def test_workers_have_keras_as_it_comes(tmp_path: Path, environment: dict[str, str]) -> None:
    program = """
from autocnn.execution.processes import worker_environment
with worker_environment():
    import autocnn.training.lean_keras
    import keras
"""
    after = environment.get("KERAS_BACKEND")
    expected = f"tensorflow channels_last float32 1e-07 {after}"
    assert run(program + FOUND, tmp_path / "keras", **environment) == expected


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, {"KERAS_BACKEND": "jax"}])
def test_models_are_loaded_on_tensorflow(tmp_path: Path, environment: dict[str, str]) -> None:
    program = "from autocnn.core.keras_import import import_keras\nkeras = import_keras()\n"
    after = environment.get("KERAS_BACKEND")
    assert run(program + FOUND, tmp_path / "keras", **environment) == (
        f"tensorflow channels_first float16 0.001 {after}"
    ), "the rest is the caller's"


def test_a_process_that_runs_keras_on_something_else_is_told(tmp_path: Path) -> None:
    program = """
import sys
from types import ModuleType, SimpleNamespace
keras = ModuleType("keras")
keras.config = SimpleNamespace(backend=lambda: "torch")
sys.modules["keras"] = keras
from autocnn.core.errors import UsageError
from autocnn.core.keras_import import import_keras
try:
    import_keras()
except UsageError as error:
    print(error)
"""
    said = run(program, tmp_path / "keras")
    assert said.startswith("Keras must run on TensorFlow to load this model, got torch")
    assert "Set KERAS_BACKEND=tensorflow before Keras is imported" in said
