"""Objectives beyond the listed metrics."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import fbeta_score, roc_curve

from autocnn.core.errors import ConfigError, StudyChangedError, UsageError
from autocnn.core.objective import Goal
from autocnn.core.own_model import OwnModel
from autocnn.metrics.comparison import compare
from autocnn.metrics.own_objective import measure_of, try_measure
from autocnn.metrics.scores import score, score_split

NAMES = ("benign", "malignant")

F2 = """
from sklearn.metrics import fbeta_score

def f2(labels, probabilities, class_names):
    return fbeta_score(labels == class_names.index("malignant"), probabilities[:, 1] > 0.5, beta=2)
"""


def predictions(number: int = 200) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, number)
    share = 1 / (1 + np.exp(-generator.normal(2 * labels - 1, 1.2)))
    return labels, np.stack([1 - share, share], axis=1)


def own(folder: Path, source: str, name: str) -> Goal:
    path = folder / f"{name}.py"
    path.write_text(source)
    function = OwnModel(path, "f2" if "def f2" in source else "f", setting="objective")
    return Goal(str(function), class_names=NAMES, function=function)


@pytest.mark.parametrize("least", [0.5, 0.9, 1.0])
def test_a_rate_at_a_rate_is_that_of_scikit_learn(least: float) -> None:
    labels, probabilities = predictions()
    false, true, _ = roc_curve(labels, probabilities[:, 1], drop_intermediate=False)
    goal = Goal(f"sensitivity of malignant at specificity >= {least}", class_names=NAMES)
    found = score(labels, probabilities, measure_of(goal))
    assert goal.value_of(found) == pytest.approx(true[1 - false >= least - 1e-12].max())
    goal = Goal(f"specificity of malignant at recall >= {least:.0%}", class_names=NAMES)
    found = score(labels, probabilities, measure_of(goal))
    assert goal.value_of(found) == pytest.approx((1 - false)[true >= least - 1e-12].max())


def test_of_one_class_alone_a_rate_is_not_defined() -> None:
    goal = Goal("sensitivity of malignant at specificity >= 0.9", class_names=NAMES)
    found = score(np.zeros(3, int), np.full((3, 2), 0.5), measure_of(goal))
    assert goal.value_of(found) is None


def test_a_class_that_is_not_there_is_named() -> None:
    goal = Goal("sensitivity of malign at specificity >= 0.9", class_names=NAMES)
    with pytest.raises(UsageError, match=r"objective: CLASS must be one of .*got 'malign'"):
        measure_of(goal)


@pytest.mark.parametrize("kind", ["rate", "function"])
def test_it_has_an_interval_and_is_compared(kind: str, tmp_path: Path) -> None:
    labels, probabilities = predictions()
    goal = Goal("sensitivity of malignant at specificity >= 0.8", class_names=NAMES)
    if kind == "function":
        goal = own(tmp_path, F2, "own_f2")
    measure = measure_of(goal)
    assert measure is not None
    found = score_split("test", labels, probabilities, NAMES, own=measure)
    interval = found.interval_of(goal.objective)
    assert interval is not None and interval.value == goal.value_of(found.scores)
    assert interval.low < interval.value < interval.high
    if kind == "function":
        assert interval.value == pytest.approx(
            fbeta_score(labels, probabilities[:, 1] > 0.5, beta=2)
        )
    worse = np.full_like(probabilities, 0.5)
    difference = compare(labels, probabilities, worse, other=1, metric=goal.objective, own=measure)
    assert difference.is_told_apart and difference.difference.value > 0
    same = compare(labels, probabilities, probabilities, other=1, metric="own", own=measure)
    assert not same.is_told_apart


def test_images_of_one_group_are_drawn_together() -> None:
    labels, probabilities = predictions()
    measure = measure_of(Goal("sensitivity of malignant at specificity >= 0.8", None, NAMES))
    widths = []
    for groups in (np.arange(200), np.arange(200) // 20):
        found = score_split("test", labels, probabilities, NAMES, groups=groups, own=measure)
        widths.append(found.intervals["own"].high - found.intervals["own"].low)
    assert widths[0] != widths[1]


@pytest.mark.parametrize(
    ("name", "body", "got"),
    [
        ("nan", "return float('nan')", "must return a finite number .*got NaN"),
        ("array", "return probabilities[0]", r"must return a number, got an array of shape \(2,\)"),
        ("none", "return None", "must return a number, got NoneType"),
        ("error", "return 1 / 0", r"own_error.py:2: must return a number .*ZeroDivisionError"),
        ("exit", "raise SystemExit(3)", "must return a number .*SystemExit"),
    ],
)
def test_what_a_function_must_not_return(name: str, body: str, got: str, tmp_path: Path) -> None:
    source = f"def f(labels, probabilities, class_names):\n    {body}\n"
    measure = measure_of(own(tmp_path, source, f"own_{name}"))
    assert measure is not None
    with pytest.raises(ConfigError, match=re.compile(got, re.DOTALL)):
        try_measure(measure, 2)


def test_a_function_gets_copies(tmp_path: Path) -> None:
    body = "probabilities[:] = 0\n    labels[:] = 0\n    return 0.0"
    goal = own(tmp_path, f"def f(labels, probabilities, class_names):\n    {body}\n", "own_copies")
    labels, probabilities = predictions()
    before = labels.copy(), probabilities.copy()
    score(labels, probabilities, measure_of(goal))
    assert (labels == before[0]).all() and (probabilities == before[1]).all()


def test_a_function_that_has_changed_is_named(tmp_path: Path) -> None:
    goal = own(tmp_path, F2, "own_changed")
    assert goal.function is not None
    function = OwnModel(goal.function.path, "f2", {"own_changed.py": "0"}, "objective")
    with pytest.raises(StudyChangedError, match=r"own_changed.py: an objective must stay"):
        measure_of(Goal("own_changed:f2", None, NAMES, function))
