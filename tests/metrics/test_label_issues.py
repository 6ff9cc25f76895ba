"""Labels that look wrong: what is planted is found, and the counts are those of the paper."""

import numpy as np
import pytest

from autocnn.metrics.label_issues import confident_learning, doubt_labels, estimate_joint


def test_the_joint_counts_images_above_the_average_of_their_class() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Averages: 0.7 of class 0 among those labelled so, 0.6 of class 1.
    first = np.array([0.9, 0.9, 0.3, 0.8, 0.2, 0.2])
    probabilities = np.stack([first, 1 - first], axis=1)
    joint = estimate_joint(labels, probabilities)
    assert joint.tolist() == [[2, 1], [1, 2]]
    wrong = confident_learning(labels, probabilities)
    assert np.flatnonzero(wrong).tolist() == [2, 3]


def test_a_class_without_images_or_without_sure_ones_counts_as_right() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.3, 0.1]] * 2 + [[0.1, 0.6, 0.3]] * 2)
    assert estimate_joint(labels, probabilities).tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 0]]
    assert not confident_learning(labels, probabilities).any()


def make_noisy(seed: int, *, sharpness: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of which 5 % are wrong, the probabilities of a good model, and what is wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 2000)
    logits = rng.normal(size=(2000, 4)) + sharpness * np.eye(4)[truth]
    shares = np.exp(logits)
    labels = truth.copy()
    flipped = rng.permutation(2000)[:100]
    labels[flipped] = (labels[flipped] + rng.integers(1, 4, 100)) % 4
    return labels, shares / shares.sum(axis=1, keepdims=True), labels != truth


@pytest.mark.parametrize("seed", range(3))
def test_flipped_labels_are_found_at_least_as_well_as_by_confident_learning(seed: int) -> None:
    labels, probabilities, is_wrong = make_noisy(seed)
    doubts = doubt_labels(labels, probabilities)
    assert is_wrong[doubts.order[: is_wrong.sum()]].mean() > 0.85
    published = confident_learning(labels, probabilities)
    assert is_wrong[doubts.is_suspect].sum() >= is_wrong[published].sum()
    assert is_wrong[doubts.is_suspect].mean() > 0.8


def test_a_suspect_is_an_image_that_is_taken_for_another_class() -> None:
    labels, probabilities, _ = make_noisy(0, sharpness=1.0)
    doubts = doubt_labels(labels, probabilities)
    assert (doubts.predicted[doubts.is_suspect] != labels[doubts.is_suspect]).all()
    assert (np.diff(doubts.own[doubts.order]) >= 0).all()


def test_labels_that_all_fit_are_not_suspected() -> None:
    labels = np.arange(100) % 3
    probabilities = np.full((100, 3), 0.05)
    probabilities[np.arange(100), labels] = 0.9
    assert not doubt_labels(labels, probabilities).is_suspect.any()


def test_copies_with_other_labels_speak_against_a_label() -> None:
    labels = np.array([0, 1, 1, 0, 1, 0])
    probabilities = np.array([[0.6, 0.4]] * 3 + [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])
    alone = doubt_labels(labels, probabilities)
    together = doubt_labels(labels, probabilities, copies=np.array([7, 7, 7, 3, 4, 5]))
    # Alone, the second and third are the doubtful ones; with two labels against one, the first.
    assert set(alone.order[:2].tolist()) == {1, 2}
    assert together.order[0] == 0
    assert together.predicted[:3].tolist() == [1, 1, 1]


def test_copies_with_one_label_only_share_their_probabilities() -> None:
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    together = doubt_labels(labels, probabilities, copies=np.array([1, 1, 2]))
    assert together.own[:2] == pytest.approx([0.7, 0.7])
    assert together.own[2] == pytest.approx(0.8)


def test_what_is_no_prediction_is_refused() -> None:
    with pytest.raises(ValueError, match="groups must be integers"):
        doubt_labels(np.array([0, 1]), np.eye(2), copies=np.array([1]))
    with pytest.raises(ValueError, match="labels"):
        doubt_labels(np.array([0, 2]), np.eye(2))
