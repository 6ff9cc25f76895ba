"""What starts quickly loads little: each program runs alone, and what it has loaded is looked at.

One Python process forks for every program, so that none pays for the start of an interpreter.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NETWORKS = frozenset({"keras", "keras_tuner", "tensorflow", "optuna"})
HEAVY = NETWORKS | {"matplotlib", "pandas", "sklearn", "scipy"}
SCORING = NETWORKS | {"sklearn", "scipy.stats", "scipy.optimize"}

FORK = """
import json, os, sys, traceback
programs = json.load(sys.stdin)
for name, program in programs.items():
    child = os.fork()
    if child == 0:
        try:
            exec(program, {"__name__": "__main__"})
            sys.stdout.flush()
            with open(name + ".loaded", "w") as file:
                json.dump(sorted(sys.modules), file)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.waitpid(child, 0)
"""

COMPLETE = """
import os
from autocnn.cli.main import run
for words in ("autocnn ", "autocnn resume ", "autocnn predict ", "autocnn export --format ",
              "autocnn search --space ", "autocnn search --engine optuna --sampler "):
    os.environ |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split())),
                   "_AUTOCNN_COMPLETE": "bash_complete"}
    try:
        run([])
    except SystemExit as end:
        assert end.code == 0
"""


def command(code: int, *arguments: str) -> str:
    """A program: one command, which ends with the code."""
    return f"from autocnn.cli.main import run; assert run({list(arguments)!r}) == {code}"


@dataclass(frozen=True)
class Program:
    """What runs, and what it must not load: names of packages or modules."""

    text: str
    unwanted: frozenset[str]


PROGRAMS = {
    "help": Program(command(0, "--help"), HEAVY),
    "leaderboard": Program(command(0, "leaderboard", "--json"), HEAVY),
    "help-of-search": Program(command(0, "search", "--help"), HEAVY),
    "wrong-format": Program(command(2, "export", "--format", "tf"), HEAVY),
    "name-in-use": Program(
        f"{command(4, 'search', 'digits', '--name', 'mine')}\n"
        "from multiprocessing import forkserver\n"
        "assert forkserver._forkserver._forkserver_pid is None",
        HEAVY - {"pandas", "sklearn", "scipy"},
    ),
    "completion": Program(COMPLETE, HEAVY),
    "import": Program("import autocnn; autocnn.StudyConfig; autocnn.load_space", HEAVY),
    "classifier": Program("import autocnn; autocnn.AutoCNNClassifier", NETWORKS | {"matplotlib"}),
    "read-a-leaderboard": Program("import autocnn.reporting.leaderboard", HEAVY | {"numpy"}),
    "prepare-to-draw": Program("import autocnn.reporting.page", HEAVY | {"jinja2"}),
    "report": Program(command(0, "report", "mine"), NETWORKS),
    "metrics": Program("import autocnn.metrics.scores, autocnn.metrics.robustness", SCORING),
    "data": Program("import autocnn.data", NETWORKS | {"pandas", "sklearn"}),
    "tensorboard": Program("import autocnn.integrations.trackers.tensorboard", NETWORKS),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which every program has left its modules; what they wrote to stderr."""
    from tests.cli.studies import make_study

    place = tmp_path_factory.mktemp("loading")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        make_study("mine")
    programs = json.dumps({name: program.text for name, program in PROGRAMS.items()})
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        cwd=place,
        input=programs,
        capture_output=True,
        text=True,
        check=True,
    )
    return place, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_does_not_load(name: str, loaded: tuple[Path, str]) -> None:
    place, stderr = loaded
    found = place / f"{name}.loaded"
    assert found.exists(), stderr
    modules = set(json.loads(found.read_text()))
    assert "json" in modules
    assert not PROGRAMS[name].unwanted & modules


WORKER = """
import sys
from importlib import import_module
from autocnn.execution.local import PRELOAD
for name in PRELOAD:
    import_module(name)
assert "keras" in sys.modules
assert not {"matplotlib", "pandas", "sklearn"} & set(sys.modules)
import matplotlib, pandas, sklearn.base  # who needs them later gets them
"""


def test_workers_import_keras_without_what_it_takes_along() -> None:
    subprocess.run([sys.executable, "-c", WORKER], check=True)
