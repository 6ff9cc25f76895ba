"""Scores by value: worse is shown where it is worse, and not where only the mix of classes is."""

import numpy as np
import pytest

from autocnn.metrics.subgroups import score_subgroups
from autocnn.reporting.subgroups import describe_worst

NAMES = ("a", "b")


def predict(labels: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    predicted = np.where(is_right, labels, 1 - labels)
    return np.where(np.eye(2, dtype=bool)[predicted], 0.8, 0.2)


def test_a_value_on_which_the_model_is_worse_is_shown_and_leads() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 2
    site = np.where(rng.random(600) < 0.3, "north", "south")
    is_right = rng.random(600) < np.where(site == "north", 0.6, 0.9)
    found = score_subgroups(
        labels, predict(labels, is_right), NAMES, {"site": site.tolist()}, groups=np.arange(600)
    )
    worst, best = found
    assert (worst.value, worst.verdict) == ("north", "worse")
    assert (best.value, best.verdict) == ("south", "better")
    assert worst.num_images == (site == "north").sum()
    assert worst.scores["accuracy"].value == pytest.approx(is_right[site == "north"].mean())
    assert set(worst.scores) == {"accuracy", "balanced_accuracy", "macro_auc"}
    assert worst.difference is not None
    assert worst.difference.high < 0
    assert worst.p_value is not None
    assert worst.p_value < 0.001


@pytest.mark.slow
def test_more_hard_cases_are_no_difference() -> None:
    shown = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = (rng.random(2000) < 0.5).astype(int)
        # Class b is harder, and the north has more of it.
        site = np.where(rng.random(2000) < np.where(labels == 1, 0.8, 0.2), "north", "south")
        is_right = rng.random(2000) < np.where(labels == 1, 0.7, 0.95)
        probabilities, values = predict(labels, is_right), {"site": site.tolist()}
        found = score_subgroups(labels, probabilities, NAMES, values, groups=np.arange(2000))
        assert found[0].value == "north"
        assert found[0].scores["accuracy"].high < found[1].scores["accuracy"].low
        shown += any(one.verdict != "no difference shown" for one in found)
    assert shown <= 3


@pytest.mark.slow
def test_chance_is_not_called_worse() -> None:
    labels = np.arange(300) % 2
    shown = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        is_right = rng.random(300) < 0.8
        values = {f"c{n}": rng.choice(list("pqrs"), 300).tolist() for n in range(2)}
        probabilities = predict(labels, is_right)
        found = score_subgroups(labels, probabilities, NAMES, values, groups=np.arange(300))
        shown += any(one.verdict in ("worse", "better") for one in found)
    assert shown <= 5


def test_p_values_are_corrected_for_all_values_of_all_columns() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(400) % 2
    site = np.where(np.arange(400) % 3 == 0, "x", "y")
    is_right = rng.random(400) < np.where(site == "x", 0.72, 0.85)
    probabilities, groups = predict(labels, is_right), np.arange(400)
    alone = score_subgroups(labels, probabilities, NAMES, {"s": site.tolist()}, groups=groups)
    more = {"s": site.tolist(), "t": [str(number % 5) for number in range(400)]}
    both = score_subgroups(labels, probabilities, NAMES, more, groups=groups)
    assert alone[0].p_value is not None
    assert both[0].p_value is not None
    assert both[0].p_value > 2.9 * alone[0].p_value


def test_small_values_and_those_without_others_get_no_verdict() -> None:
    labels = np.array([0, 1] * 20 + [0, 1] * 2)
    values = ["m"] * 40 + ["missing"] * 4
    is_right = np.ones(44, bool)
    found = score_subgroups(
        labels, predict(labels, is_right), NAMES, {"sex": values}, groups=np.arange(44)
    )
    verdicts = {one.value: (one.verdict, one.p_value) for one in found}
    assert verdicts["missing"] == ("too few images", None)
    assert verdicts["m"][0] == "no difference shown"
    only = score_subgroups(
        labels, predict(labels, is_right), NAMES, {"sex": ["m"] * 44}, groups=np.arange(44)
    )
    assert only[0].others is None
    assert only[0].verdict == "too few images"


def test_images_of_one_group_count_once() -> None:
    labels = np.repeat(np.arange(60) % 2, 10)
    site = np.where(np.arange(600) < 100, "x", "y")
    is_right = np.repeat(np.arange(60) % 4 != 0, 10)
    found = score_subgroups(
        labels,
        predict(labels, is_right),
        NAMES,
        {"site": site.tolist()},
        groups=np.repeat(np.arange(60), 10),
    )
    (small,) = [one for one in found if one.value == "x"]
    assert small.num_images == 100
    assert small.difference is not None
    assert small.difference.low < -0.2  # ten groups, not a hundred images
    assert small.verdict == "no difference shown"


def test_a_class_that_the_others_lack_is_not_compared() -> None:
    labels = np.array([0] * 40 + [1] * 40 + [0] * 40)
    site = ["x"] * 80 + ["y"] * 40
    is_right = np.array([True] * 40 + [False] * 40 + [True] * 40)
    found = score_subgroups(
        labels, predict(labels, is_right), NAMES, {"site": site}, groups=np.arange(120)
    )
    (worst,) = [one for one in found if one.value == "x"]
    assert worst.scores["accuracy"].value == 0.5
    assert worst.difference is not None
    assert worst.difference.value == 0
    assert worst.verdict == "no difference shown"
    (sentence,) = describe_worst([worst])
    assert "On the classes that the others have too it has 1.0000." in sentence
