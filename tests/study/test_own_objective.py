"""Studies that improve an objective of their own."""

import json
import shlex
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from autocnn.cli.main import run
from autocnn.core.config import StudyConfig, resolve_config
from autocnn.core.errors import ConfigError, StudyChangedError, UsageError
from autocnn.core.objective import Goal
from autocnn.core.objective_text import check_objective
from autocnn.execution.cluster.names import locate_task, name_task
from autocnn.storage import StudyFolder
from autocnn.study.own_objective import find_goal
from autocnn.study.run import _resolve_objective
from tests.execution.cluster.test_names import study, training  # noqa: F401

COST = """
def cost(labels, probabilities, class_names):
    assert len(class_names) == probabilities.shape[1]
    return 10 * float((probabilities.argmax(axis=1) != labels).mean())
"""

SPACE = """
description: "One point"
epochs: 1
parameters:
  - {name: width, type: int, low: 4, high: 8, step: 4}
start:
  - {width: 4}
"""

NAMES = ("a", "b")


def context(objective: str) -> Any:
    return SimpleNamespace(goal=Goal(objective))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{tmp_path.name}.py").write_text(COST)
    return tmp_path


def test_a_function_is_found_and_must_stay_as_it_was(folder: Path) -> None:
    objective = _resolve_objective(f"-{folder.name}:cost")
    path = folder / f"{folder.name}.py"
    assert objective == f"-{path}:cost"
    goal = find_goal(context(objective), None, NAMES)
    assert not goal.maximize and goal.function is not None
    files = dict(goal.function.files)
    assert list(files) == [path.name]
    assert find_goal(context(objective), files, NAMES) == goal
    path.write_text(COST + "# another thought\n")
    with pytest.raises(StudyChangedError, match=r"an objective must stay .* another content"):
        find_goal(context(objective), files, NAMES)
    path.unlink()
    with pytest.raises(StudyChangedError, match=r"an objective must stay .* got none"):
        find_goal(context(objective), files, NAMES)


@pytest.mark.parametrize(
    ("objective", "rule"),
    [
        ("no_such_module:f", "{objective} must name a module in this folder"),
        ("no_such.py:f", "{objective} must name a Python file, got none"),
    ],
)
def test_a_function_that_is_not_there_is_told(objective: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _resolve_objective(objective)
    assert rule.replace("{objective}", "objective") in str(caught.value)


def test_a_class_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="CLASS must be one of 'a', 'b', got 'c'"):
        find_goal(context("sensitivity of c at specificity >= 0.9"), None, NAMES)


def test_a_callable_counts_only_where_processes_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("gains_of_mine")
    exec("def gain(labels, probabilities, class_names): return 1.0", vars(module))
    monkeypatch.setitem(__import__("sys").modules, "gains_of_mine", module)
    assert check_objective(module.gain) == "gains_of_mine:gain"
    assert StudyConfig(objective=module.gain).objective == "gains_of_mine:gain"
    with pytest.raises(ConfigError, match="at the top of a module"):
        resolve_config({"objective": lambda labels, probabilities, names: 1.0})


def test_a_config_of_another_study_names_no_function_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "study.json"
    file.write_text(json.dumps({"config": {"objective": "-costs.py:cost"}}))
    with pytest.raises(ConfigError, match="its objective must be given again"):
        resolve_config({}, file=file)
    given = resolve_config({"objective": "-costs.py:cost"}, file=file)
    assert given.own_code == ["costs.py:cost"]


def test_a_function_goes_with_its_task_to_another_machine(
    folder: Path,
    study: Path,  # noqa: F811
) -> None:
    from dataclasses import replace

    goal = find_goal(context(_resolve_objective(f"{folder.name}:cost")), None, NAMES)
    named = name_task(
        replace(training(study), goal=goal), study, lambda path: "images/0-8px-rgb.npy"
    )
    assert folder / f"{folder.name}.py" in named.reads.values()
    there = locate_task(named.task, Path("/there"), Path("/there/images.npy"))
    assert there.goal.function.path == Path(f"/there/builder/{folder.name}.py")  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.usefixtures("dots")
def test_a_study_of_an_own_objective_and_its_resume(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "space.yaml").write_text(SPACE)
    words = (
        f"search digits --space space.yaml --objective -{folder.name}.py:cost --trials 1 "
        "--image-size 8 --finalists 1 --folds 2 --members 1 --name own --cache-dir cache"
    )
    assert run(shlex.split(words)) == 0
    assert f"{folder.name}:cost" in capsys.readouterr().out
    path = folder / "results" / "own"
    facts = json.loads((path / "study.json").read_text())
    assert list(facts["objective_files"]) == [f"{folder.name}.py"]
    trials = StudyFolder(path).read_trials()
    best = min(trials, key=lambda trial: trial.objective or 0.0)
    record = StudyFolder(path).read_candidate(1)
    assert record.trial == best.trial and record.objective == best.objective
    accuracy = record.judged.scores.accuracy
    assert accuracy is not None
    assert record.judged.scores.own == pytest.approx(10 * (1 - accuracy))
    assert "own" in record.judged.intervals and record.cv_mean is not None
    assert f"{folder.name}:cost on " in (path / "report.html").read_text()
    assert run(["resume", "own", "--trials", "3"]) == 2
    assert "without that" in capsys.readouterr().err
    (folder / f"{folder.name}.py").write_text(COST + "\n")
    assert run(["resume", "own", "--trials", "3", "--trust-code", "--cache-dir", "cache"]) == 4
    assert "an objective must stay as it was" in capsys.readouterr().err
