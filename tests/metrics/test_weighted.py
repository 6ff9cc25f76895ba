"""Resamples against explicit resampling, by image and by group; checks."""

import numpy as np
import pytest
from sklearn import metrics as reference

from autocnn.metrics import weighted
from autocnn.metrics.scores import METRICS, score
from autocnn.metrics.weighted import (
    Ranking,
    WeightedMetrics,
    check_predictions,
    class_areas,
    draw_weights,
)
from tests.metrics.predictions import make_predictions


@pytest.mark.slow
@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("num_groups", [80, 20])
def test_every_resample_agrees_with_the_resampled_images(
    decimals: int | None, num_groups: int
) -> None:
    labels, probabilities = make_predictions(80, 3, decimals=decimals)
    groups = np.arange(80)
    groups[num_groups:] = num_groups - 1  # one group is larger than the others
    prepared = WeightedMetrics.prepare(labels, probabilities)
    scores, classes = prepared.resample(groups, 8, seed=3)
    (weights,) = draw_weights(groups, 8, seed=3)
    for index in range(8):
        drawn = np.repeat(np.arange(80), weights[:, index].astype(int))
        expected = score(labels[drawn], probabilities[drawn])
        for name in METRICS:
            value = getattr(scores, name)[index]
            assert value == pytest.approx(getattr(expected, name), abs=1e-9), name
        top = probabilities[drawn].argmax(axis=1)
        for label in range(3):
            truth, predicted = labels[drawn] == label, top == label
            for name, value in (
                ("precision", reference.precision_score(truth, predicted)),
                ("recall", reference.recall_score(truth, predicted)),
                ("specificity", reference.recall_score(~truth, ~predicted)),
                ("f1", reference.f1_score(truth, predicted)),
                ("auc", reference.roc_auc_score(truth, probabilities[drawn, label])),
            ):
                assert getattr(classes, name)[label, index] == pytest.approx(value, abs=1e-9), name


def test_groups_are_drawn_whole_and_as_many_as_there_are() -> None:
    groups = np.array([7, -2, 7, 7, 40, 40])
    (weights,) = draw_weights(groups, 300, seed=0)
    for members in ([0, 2, 3], [1], [4, 5]):
        assert (weights[members] == weights[members[0]]).all()
    assert (weights[[0, 1, 4]].sum(axis=0) == 3).all()
    assert len(np.unique(weights.sum(axis=0))) > 2  # resamples differ in size
    assert weights.mean() == pytest.approx(1, abs=0.1)


def test_resampling_holds_few_weights_at_a_time() -> None:
    sizes = [chunk.size for chunk in draw_weights(np.arange(20_000), 120, seed=0)]
    assert max(sizes) <= weighted.CHUNK_ELEMENTS
    assert sum(sizes) == 20_000 * 120


def test_resampled_means_are_those_of_the_drawn_images() -> None:
    values, groups = np.array([0.0, 1.0, 5.0]), np.array([0, 0, 1])
    (weights,) = draw_weights(groups, 200, seed=1)
    means = values @ weights / weights.sum(axis=0)
    assert set(means.round(9)) == {0.5, 2.0, 5.0}  # first twice, one each, second twice


@pytest.mark.parametrize(
    ("labels", "probabilities", "match"),
    [
        ([0, 1], [[1.0], [1.0]], r"n >= 1 and k >= 2, got \(2, 1\)"),
        ([], np.zeros((0, 2)), r"got \(0, 2\)"),
        ([0], [[0.5, 0.5], [0.5, 0.5]], r"labels must be \(2,\), got \(1,\)"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "labels must be 0 to 1, got 0 to 2"),
        ([0, -1], [[0.5, 0.5], [0.5, 0.5]], "labels must be 0 to 1, got -1 to 0"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], "probabilities must be 0 to 1, got nan"),
        ([0, 1], [[3.0, -3.0], [0.5, 0.5]], "probabilities must be 0 to 1, got -3.0 to 3.0"),
    ],
)
def test_predictions_that_cannot_be(labels: object, probabilities: object, match: str) -> None:
    for function in (check_predictions, score):
        with pytest.raises(ValueError, match=match):
            function(np.array(labels, dtype=int), np.array(probabilities))


def test_areas_one_class_at_a_time_are_those_of_rankings_to_the_last_digit() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 500)  # nothing is of the fifth class
    probabilities = rng.integers(0, 40, (500, 5)).astype(np.float32)  # many are equal
    ones = np.ones((500, 1))
    expected = [
        Ranking.prepare(labels == index, probabilities[:, index].astype(np.float64)).auc(ones)[0]
        for index in range(5)
    ]
    np.testing.assert_array_equal(class_areas(labels, probabilities), expected)
    assert np.isnan(expected[4])
    assert np.isnan(class_areas(np.zeros(3, int), probabilities[:3])).all()
