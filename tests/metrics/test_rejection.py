"""Coverage and error at every threshold, against counting by hand."""

import numpy as np
import pytest

from autocnn.core.records import RejectionPoint
from autocnn.metrics.rejection import MAX_POINTS, rejection_curve, threshold_for


def draw(number: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that are right about as often as they are sure."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, number)
    logits = rng.normal(size=(number, 3)) + 2 * np.eye(3)[labels]
    shares = np.exp(logits)
    return labels, shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("number", [1, 50, 3000])
def test_every_point_is_what_counting_gives(number: int) -> None:
    labels, probabilities = draw(number)
    curve = rejection_curve(labels, probabilities)
    assert len(curve) == min(number, MAX_POINTS)
    assert [point.threshold for point in curve] == sorted({p.threshold for p in curve})
    for point in curve:
        is_answered = probabilities.max(axis=1) >= point.threshold
        is_wrong = probabilities.argmax(axis=1) != labels
        assert point.coverage == pytest.approx(is_answered.mean())
        assert point.error == pytest.approx(is_wrong[is_answered].mean())
    assert (curve[0].threshold, curve[0].coverage) == (0.0, 1.0)


def test_equal_probabilities_are_answered_together() -> None:
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1]])
    curve = rejection_curve(np.array([0, 1, 0]), probabilities)
    assert [(p.threshold, p.coverage) for p in curve] == [(0.0, 1.0), (0.9, pytest.approx(1 / 3))]


def test_no_images_give_no_curve() -> None:
    assert rejection_curve(np.zeros(0, int), np.zeros((0, 2))) == ()


def test_the_threshold_answers_as_many_as_it_may() -> None:
    labels, probabilities = draw(2000)
    curve = rejection_curve(labels, probabilities)
    assert threshold_for(curve, 1.0) == 0.0
    threshold = threshold_for(curve, 0.05)
    assert threshold is not None
    lower = [point for point in curve if point.threshold < threshold]
    assert lower
    assert all(point.error > 0.05 for point in lower)
    reached = next(point for point in curve if point.threshold == threshold)
    assert reached.error <= 0.05


def test_what_no_threshold_reaches_is_none() -> None:
    wrong = (RejectionPoint(threshold=0.0, coverage=1.0, error=0.5),)
    assert threshold_for(wrong, 0.1) is None
    assert threshold_for((), 0.1) is None
