"""Coverage and error at every threshold, against counting by hand."""

import numpy as np
import pytest

from autocnn.core.records import RejectionPoint
from autocnn.metrics.rejection import MAX_POINTS, bounded_threshold, fewest_images, rejection_curve


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


def test_of_a_group_one_image_is_independent() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    curve = rejection_curve(np.zeros(4, int), probabilities, np.array([1, 1, 2, 1]))
    assert [point.num_independent for point in curve] == [2, 2, 1, 1]
    alone = rejection_curve(np.zeros(4, int), probabilities)
    assert [point.num_independent for point in alone] == [4, 3, 2, 1]


def draw_selective(number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two classes; an answer of probability p, spread evenly over 0.5 to 1, is right with p."""
    confidence = 0.5 + rng.random(number) / 2
    labels = (rng.random(number) >= confidence).astype(int)
    return labels, np.stack([confidence, 1 - confidence], axis=1)


def true_error(threshold: float) -> float:
    """Of the answers of at least that probability, on images without end."""
    return (1 - max(threshold, 0.5)) / 2


@pytest.mark.slow
@pytest.mark.parametrize(("number", "max_error"), [(78, 0.15), (78, 0.2), (500, 0.1), (500, 0.2)])
def test_the_bound_holds_in_95_of_100_studies(number: int, max_error: float) -> None:
    rng = np.random.default_rng(number)
    num_studies, num_found, num_broken, num_broken_by_the_luckiest = 1000, 0, 0, 0
    for _ in range(num_studies):
        curve = rejection_curve(*draw_selective(number, rng))
        found = bounded_threshold(curve, max_error)
        if found is not None:
            num_found += 1
            error = true_error(found.point.threshold)
            assert found.bound <= max_error
            num_broken += error > found.bound
        luckiest = next((point for point in curve if point.error <= max_error), None)
        if luckiest is not None:
            num_broken_by_the_luckiest += true_error(luckiest.threshold) > max_error
    assert num_broken <= 0.05 * num_studies
    assert num_found > 0.3 * num_studies or number < 100
    # What the curve alone says breaks its word far more often.
    assert num_broken_by_the_luckiest > 0.3 * num_studies


def test_too_few_images_have_no_bound() -> None:
    right = np.zeros(78, int), np.stack([np.linspace(0.6, 0.9, 78), np.zeros(78)], axis=1)
    curve = rejection_curve(*right)
    assert bounded_threshold(curve, 0.01) is None
    assert fewest_images(curve, 0.01) > 78
    found = bounded_threshold(curve, 0.07)
    assert found is not None
    assert found.point.threshold == 0.0
    assert found.bound == pytest.approx(1 - (0.05 / 7) ** (1 / 78))
    assert fewest_images(curve, 0.07) <= 78
    assert bounded_threshold(curve, 0.0) is None


def test_everything_is_allowed_with_a_limit_of_1() -> None:
    labels, probabilities = draw(50)
    found = bounded_threshold(rejection_curve(labels, probabilities), 1.0)
    assert found is not None
    assert found.point.threshold == 0.0


def test_what_no_threshold_reaches_is_none() -> None:
    wrong = (RejectionPoint(threshold=0.0, coverage=1.0, error=0.5, num_independent=500),)
    assert bounded_threshold(wrong, 0.1) is None
    assert bounded_threshold((), 0.1) is None
