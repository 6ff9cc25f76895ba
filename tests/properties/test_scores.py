"""Scores against scikit-learn, whatever the classes, the weights and the probabilities are."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from autocnn.core.arrays import DoubleArray, FloatArray, IntArray
from autocnn.core.objective import Goal, distinct_trials
from autocnn.core.records import TrialRecord
from autocnn.metrics.intervals import mean_interval, wilson_interval
from autocnn.metrics.scores import score
from autocnn.metrics.weighted import SMALLEST_PROBABILITY, WeightedMetrics
from autocnn.tuning.ranking import Ranking
from tests.samples import trial


@dataclass(frozen=True)
class Predicted:
    """Labels of some of the classes, probabilities with ties, and weights with zeros."""

    labels: IntArray
    probabilities: FloatArray
    weights: DoubleArray


@st.composite
def predictions(draw: st.DrawFn) -> Predicted:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    num_classes, num_images = draw(st.integers(2, 6)), draw(st.integers(1, 40))
    present = rng.permutation(num_classes)[: draw(st.integers(1, num_classes))]
    labels = rng.choice(present, num_images)
    levels = draw(st.sampled_from([2, 5, 1000]))
    scores = rng.integers(0, levels, (num_images, num_classes)) + 1e-3
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    weights = rng.integers(0, 3, num_images).astype(float)
    weights[0] = max(weights[0], 1.0)
    return Predicted(labels.astype(np.int64), probabilities, weights)


def close(found: float | None, expected: float) -> bool:
    if found is None or np.isnan(found):
        return bool(np.isnan(expected))
    return bool(np.isclose(found, expected, rtol=1e-5, atol=1e-6))


@given(predictions())
def test_weighted_scores_are_those_of_scikit_learn(drawn: Predicted) -> None:
    labels, weights = drawn.labels, drawn.weights
    prepared = WeightedMetrics.prepare(labels, drawn.probabilities)
    found, classes = prepared.reduce(weights[:, None])
    predicted = drawn.probabilities.argmax(axis=1)
    options = {"sample_weight": weights}
    names = np.arange(drawn.probabilities.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert close(found.accuracy[0], metrics.accuracy_score(labels, predicted, **options))
        kept = weights > 0
        balanced = metrics.balanced_accuracy_score(
            labels[kept], predicted[kept], sample_weight=weights[kept]
        )
        assert close(found.balanced_accuracy[0], balanced)
        precision, recall, *_ = metrics.precision_recall_fscore_support(
            labels, predicted, labels=names, zero_division=np.nan, **options
        )
        clipped = np.clip(drawn.probabilities.astype(float), SMALLEST_PROBABILITY, 1)
        loss = -np.average(np.log(clipped[np.arange(len(labels)), labels]), weights=weights)
    assert close(found.log_loss[0], loss)
    for index in names:
        assert close(classes.precision[index, 0], precision[index])
        assert close(classes.recall[index, 0], recall[index])
        own = labels == index
        if 0 < weights[own].sum() < weights.sum():
            area = metrics.roc_auc_score(own, drawn.probabilities[:, index], **options)
            assert close(classes.auc[index, 0], area)
        else:
            assert np.isnan(classes.auc[index, 0])


@given(predictions(), st.randoms(use_true_random=False))
def test_the_order_of_images_changes_no_score(drawn: Predicted, random: object) -> None:
    order = np.random.default_rng(len(drawn.labels)).permutation(len(drawn.labels))
    first = score(drawn.labels, drawn.probabilities)
    second = score(drawn.labels[order], drawn.probabilities[order])
    for name, value in first.model_dump().items():
        other = getattr(second, name)
        assert (value is None) == (other is None)
        assert value is None or np.isclose(value, other, rtol=1e-9)


@given(predictions())
def test_a_weight_is_so_many_copies(drawn: Predicted) -> None:
    times = drawn.weights.astype(int)
    copies = score(np.repeat(drawn.labels, times), np.repeat(drawn.probabilities, times, axis=0))
    prepared = WeightedMetrics.prepare(drawn.labels, drawn.probabilities)
    found, _ = prepared.reduce(drawn.weights[:, None])
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece"):
        assert close(getattr(found, name)[0], getattr(copies, name)), name


@given(st.floats(0, 1), st.floats(0.5, 1e6))
def test_an_interval_of_a_share_holds_it_and_is_one(share: float, number: float) -> None:
    found = wilson_interval(share, number)
    assert 0 <= found.low <= share + 1e-9
    assert share - 1e-9 <= found.high <= 1


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 500)), min_size=1, max_size=8))
def test_a_mean_of_intervals_lies_within_them(parts: list[tuple[float, float]]) -> None:
    intervals = [wilson_interval(share, number) for share, number in parts]
    found = mean_interval(intervals)
    assert found.low <= found.value <= found.high
    assert min(one.low for one in intervals) - 1e-9 <= found.low
    assert found.high <= max(one.high for one in intervals) + 1e-9


# -- ranks ---------------------------------------------------------------------------------

OBJECTIVES = st.sampled_from([0.1, 0.5, 0.5, 0.9])


@st.composite
def trials(draw: st.DrawFn) -> list[TrialRecord]:
    values = draw(st.lists(st.tuples(OBJECTIVES, st.integers(0, 3)), min_size=1, max_size=12))
    return [
        trial(number, objective=value, params={"width": width})
        for number, (value, width) in enumerate(values)
    ]


@pytest.mark.parametrize("objective", ["accuracy", "log_loss"])
@given(trials(), st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_the_ends(
    objective: str, records: list[TrialRecord], random: object
) -> None:
    goal = Goal(objective)
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ranked = goal.rank(records)
    assert goal.rank(shuffled) == ranked
    ranking = Ranking(goal, lambda params: params["width"] == 0)
    for record in shuffled:
        ranking.add(record)
    assert ranking.best == ranked[0]
    default = next((record for record in ranked if record.params["width"] == 0), None)
    for number in (1, 2, 20):
        wanted = ranked[:number]
        more = [] if default is None or default in wanted else [default]
        assert ranking.shortlist(number) == wanted + more
        best = distinct_trials(ranked)[:number]
        more = [] if default is None or default in best else [default]
        assert ranking.distinct(number) == best + more
