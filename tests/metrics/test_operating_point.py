"""Targets read, thresholds against trying all, PPV and NPV against Bayes and simulation."""

import numpy as np
import pytest

from autocnn.core.errors import UsageError
from autocnn.core.records import Interval
from autocnn.metrics.operating_point import (
    Counts,
    Target,
    answered_values,
    choose_threshold,
    decide,
    parse_target,
    ratio_interval,
)
from tests.metrics.predictions import make_predictions

CLASSES = ("benign", "of doubt", "a >= 0.5 b", "  spaced", "опухоль", "'quoted'")


@pytest.mark.parametrize(
    ("text", "metric", "label", "least"),
    [
        ("sensitivity of benign >= 0.95", "sensitivity", "benign", 0.95),
        ("Recall of Benign>=.95", "sensitivity", "benign", 0.95),
        ("specificity of of doubt >= 99%", "specificity", "of doubt", 0.99),
        ("ppv of a >= 0.5 b >= 1", "precision", "a >= 0.5 b", 1.0),
        ("precision of   spaced ≥ 0.5", "precision", "  spaced", 0.5),
        ("precision of опухоль >= 99.5%", "precision", "опухоль", 0.995),
        ("precision of 'quoted' >= 0.9", "precision", "'quoted'", 0.9),
        ("precision of 'benign' >= 0.9", "precision", "benign", 0.9),
        (' precision of "of doubt" >= 0.9 ', "precision", "of doubt", 0.9),
        ("answered >= 0.9", "answered", None, 0.9),
    ],
)
def test_a_target_is_read(text: str, metric: str, label: str | None, least: float) -> None:
    target = parse_target(text, CLASSES)
    assert (target.metric, target.label) == (metric, label)
    assert target.least == pytest.approx(least)
    assert parse_target(str(target), CLASSES) == target


@pytest.mark.parametrize(
    ("text", "rule", "remedy"),
    [
        ("", "METRIC of CLASS >= NUMBER", "sensitivity of CLASS"),
        ("sensitivity of benign > 0.9", "METRIC of CLASS >= NUMBER", "sensitivity of CLASS"),
        ("sensitvity of benign >= 0.9", "METRIC of CLASS >= NUMBER", "Did you mean sensitivity"),
        ("sensitivity >= 0.9", "CLASS must be one of 'benign', ", "sensitivity of CLASS"),
        ("sensitivity benign >= 0.9", "got no class", "sensitivity of CLASS"),
        ("sensitivity of bening >= 0.9", "got 'bening'", "Did you mean 'benign'"),
        ("sensitivity of benign >= 0", "above 0 and at most 1, got '0'", "0.95 or 95%"),
        ("sensitivity of benign >= 1.01", "above 0 and at most 1", "0.95 or 95%"),
        ("sensitivity of benign >= nan", "above 0 and at most 1", "0.95 or 95%"),
        ("sensitivity of benign >= 1e-3", "above 0 and at most 1", "0.95 or 95%"),
        ("sensitivity of benign >= ", "above 0 and at most 1, got ''", "0.95 or 95%"),
        ("answered of benign >= 0.9", "answered is about all classes", "answered >= 0.9"),
    ],
)
def test_what_is_no_target_is_said_with_the_rule(text: str, rule: str, remedy: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_target(text, CLASSES)
    assert rule in error.value.message
    assert remedy in error.value.remedy


def every_threshold(
    labels: np.ndarray, probabilities: np.ndarray, place: int, prevalence: float | None
) -> list[tuple[float, dict[str, float]]]:
    """Each threshold that occurs, and what counting gives there."""
    groups = np.arange(len(labels))
    shares = probabilities[:, place]
    found = []
    for threshold in np.unique(shares.round(6)).tolist():
        counts = Counts.at(threshold, labels == place, shares, groups)
        values = counts.values(prevalence)
        found.append((threshold, {name: one.value for name, one in values.items()}))
    return found


@pytest.mark.parametrize("prevalence", [None, 0.02])
@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("least", [0.5, 0.9, 1.0])
def test_the_threshold_is_the_cheapest_that_reaches_the_target(
    least: float, decimals: int, prevalence: float | None
) -> None:
    labels, probabilities = make_predictions(120, 3, seed=1, decimals=decimals)
    tried = every_threshold(labels, probabilities, 1, prevalence)
    for metric, name in (
        ("sensitivity", "sensitivity"),
        ("specificity", "specificity"),
        ("precision", "ppv"),
    ):
        reaching = [
            threshold
            for threshold, values in tried
            if values.get(name, 0) >= least - 1e-12 and values["sensitivity"] > 0
        ]
        target = Target(metric, "b", least)  # type: ignore[arg-type]
        if not reaching:
            with pytest.raises(UsageError, match="Ask for less"):
                choose_threshold(target, labels, probabilities, "abc", prevalence=prevalence)
            continue
        found = choose_threshold(target, labels, probabilities, "abc", prevalence=prevalence)
        assert found == (max if metric == "sensitivity" else min)(reaching)


def test_what_is_out_of_reach_is_said_with_the_best_that_is_not() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    target = Target("precision", "b", 0.9)
    with pytest.raises(UsageError, match=r"at most 0\.6667 .* threshold of 0\.3") as error:
        choose_threshold(target, labels, probabilities, "ab")
    assert "'b'" in error.value.message
    with pytest.raises(UsageError, match="images of 'b'"):
        choose_threshold(target, np.zeros(4, int), probabilities, "ab")
    for metric in ("specificity", "precision"):
        with pytest.raises(UsageError, match="images of others than 'b'"):
            choose_threshold(Target(metric, "b", 0.9), np.ones(4, int), probabilities, "ab")
    found = choose_threshold(Target("sensitivity", "b", 1), np.ones(4, int), probabilities, "ab")
    assert found == 0.1


def test_no_limit_of_a_share_is_above_1() -> None:
    found = Counts(1, 1, 2, 2, 2.0, 4.0).values(1.0)  # a last digit more, by rounding
    assert max(one.high for one in found.values()) == 1


@pytest.mark.parametrize("least", [0.25, 0.9, 1.0])
def test_the_share_that_is_answered_is_reached_by_the_surest(least: float) -> None:
    labels, probabilities = make_predictions(200, 4, seed=2, decimals=2)
    threshold = choose_threshold(Target("answered", None, least), labels, probabilities, "abcd")
    largest = probabilities.max(axis=1).round(6)
    assert (largest >= threshold).mean() >= least
    assert (largest > threshold).mean() < least
    values, counts = answered_values(threshold, labels, probabilities, np.arange(200))
    is_answered = largest >= threshold
    assert values["answered"].value == is_answered.mean()
    assert counts["answered"] == is_answered.sum()
    right = (probabilities.argmax(axis=1) == labels)[is_answered]
    assert values["accuracy"].value == pytest.approx(right.mean())


def test_ppv_and_npv_follow_bayes() -> None:
    counts = Counts(80, 20, 30, 270, 100.0, 300.0)
    values = counts.values()
    assert values["ppv"].value == pytest.approx(80 / 110)  # at its own prevalence: the precision
    assert values["npv"].value == pytest.approx(270 / 290)
    values = counts.values(0.01)
    assert values["ppv"].value == pytest.approx(0.8 * 0.01 / (0.8 * 0.01 + 0.1 * 0.99))
    assert values["npv"].value == pytest.approx(0.9 * 0.99 / (0.9 * 0.99 + 0.2 * 0.01))


@pytest.mark.parametrize(
    "counts",
    [(0, 50, 0, 50), (50, 0, 0, 50), (0, 50, 50, 0), (50, 0, 50, 0), (0, 0, 5, 5), (5, 5, 0, 0)],
)
def test_at_the_ends_every_interval_holds_its_value(counts: tuple[int, int, int, int]) -> None:
    own, others = sum(counts[:2]), sum(counts[2:])
    for prevalence in (None, 0.02, 0.98):
        for name, one in Counts(*counts, float(own), float(others)).values(prevalence).items():
            assert 0 <= one.low <= one.value <= one.high <= 1, name


def test_images_of_one_group_count_once() -> None:
    is_own = np.array([True] * 40 + [False] * 40)
    shares = np.tile([0.9, 0.9, 0.1, 0.1], 20)
    alone = Counts.at(0.5, is_own, shares, np.arange(80)).sensitivity
    pairs = Counts.at(0.5, is_own, shares, np.arange(80) // 2).sensitivity
    assert alone is not None
    assert pairs is not None
    assert pairs.value == alone.value
    assert pairs.high - pairs.low > 1.3 * (alone.high - alone.low)


def test_the_ratio_of_shares_is_between_its_limits() -> None:
    over, under = (Interval(value=v, low=v - 0.1, high=v + 0.1) for v in (0.8, 0.2))
    low, high = ratio_interval(over, under)
    assert 0.7 / 0.3 < low < 4 < high < 0.9 / 0.1


def test_ppv_at_a_low_prevalence_is_covered_by_its_interval() -> None:
    rng = np.random.default_rng(0)
    sensitivity, specificity, prevalence = 0.9, 0.97, 0.02
    truth = sensitivity * prevalence / (sensitivity * prevalence + 0.03 * 0.98)
    num_covered = 0
    for _ in range(400):
        found, right = int(rng.binomial(80, sensitivity)), int(rng.binomial(300, specificity))
        ppv = Counts(found, 80 - found, 300 - right, right, 80.0, 300.0).values(prevalence)["ppv"]
        num_covered += ppv.low <= truth <= ppv.high
    assert 0.92 <= num_covered / 400 <= 0.985


def test_the_class_is_taken_from_its_threshold_on() -> None:
    _, probabilities = make_predictions(500, 3, seed=3, decimals=2)
    chosen = decide(probabilities, 1, 0.2)
    is_taken = probabilities[:, 1].round(6) >= 0.2
    assert (chosen[is_taken] == 1).all()
    others = probabilities[:, [0, 2]].argmax(axis=1)[~is_taken]
    assert (chosen[~is_taken] == np.array([0, 2])[others]).all()
    single = np.array([[0.6, 0.4]], np.float32)
    assert decide(single, 1, 0.4).tolist() == [1]  # float32 is rounded as the tables are
