"""What a set of images can show."""

import numpy as np
import pytest

from autocnn.core.records import SplitScores
from autocnn.metrics.evidence import equivalent_images, is_at_chance
from autocnn.metrics.scores import score_split


def scored(labels: list[int], *, is_right: bool = True) -> SplitScores:
    truth = np.array(labels)
    predicted = truth if is_right else np.zeros_like(truth)
    return score_split("test", truth, np.eye(3)[predicted], ("a", "b", "c"), num_resamples=20)


def test_classes_that_count_alike_rest_on_the_rarest() -> None:
    whole = scored([0] * 20 + [1] * 5)
    assert equivalent_images(whole, whole, "accuracy") == 25
    assert equivalent_images(whole, whole, "balanced_accuracy") == pytest.approx(4 / (0.05 + 0.2))


def test_images_of_one_group_count_as_one() -> None:
    """Of 40 images each, all of one patient of that class."""
    labels = np.repeat([0, 1, 2], 40)
    found = score_split(
        "test", labels, np.eye(3)[labels], ("a", "b", "c"), groups=labels, num_resamples=20
    )
    for metric in ("accuracy", "balanced_accuracy"):
        assert equivalent_images(found, found, metric) == pytest.approx(3)
    older = found.model_copy(
        update={
            "num_independent": None,
            "classes": tuple(
                one.model_copy(update={"num_independent": None}) for one in found.classes
            ),
        }
    )
    assert equivalent_images(older, older, "accuracy") == 120
    assert equivalent_images(older, older, "balanced_accuracy") == pytest.approx(120)


def test_a_class_that_only_the_part_lacks_leaves_nothing_to_rest_on() -> None:
    part, whole = scored([0] * 20 + [1] * 5), scored([0] * 20 + [1] * 5 + [2])
    assert equivalent_images(part, whole, "macro_f1") == 0
    assert equivalent_images(part, whole, "log_loss") == 25


def test_a_model_that_names_one_class_is_at_chance() -> None:
    assert is_at_chance(scored([0] * 20 + [1] * 20, is_right=False))
    assert not is_at_chance(scored([0] * 20 + [1] * 20))


def test_images_of_one_class_cannot_show_chance() -> None:
    assert not is_at_chance(scored([0] * 40))
