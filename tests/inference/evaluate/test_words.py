"""What an assessment means, in words."""

from typing import Any

import pytest

from autocnn.core.records import (
    Assessment,
    ConfusionMatrix,
    FigureComparison,
    Interval,
    UnreadableImage,
)
from autocnn.inference.evaluate.words import describe
from tests.samples import split


def make_record(**changes: Any) -> Assessment:
    facts: dict[str, Any] = {
        "model": "mine",
        "study": "mine",
        "candidate": 1,
        "data": "new",
        "split": "all",
        "scores": split("test"),
        "bins": (),
        "num_seen": 0,
        "num_near": 0,
        "confusion": ConfusionMatrix(labels=("a", "b"), counts=((2, 0), (0, 2))),
    }
    return Assessment(**(facts | changes))


def compared(value: float, low: float, high: float) -> FigureComparison:
    return FigureComparison(
        metric="accuracy",
        study=Interval(value=0.98, low=0.97, high=0.99),
        here=Interval(value=0.98 + value, low=0.5, high=1.0),
        difference=Interval(value=value, low=low, high=high),
        is_told_apart=not low <= 0 <= high,
    )


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ((-0.07, -0.1, -0.05), "lower by 0.0700 [0.0500, 0.1000], more than chance explains."),
        ((-0.01, -0.03, 0.02), "lower by 0.0100 [-0.0200, 0.0300], which may be chance"),
        ((0.01, -0.01, 0.02), "higher by 0.0100 [-0.0100, 0.0200], which may be chance"),
        ((0.0, -0.01, 0.02), "here 0.9800 [0.5000, 1.0000]: the same."),
    ],
)
def test_the_comparison_comes_first(difference: tuple[float, float, float], words: str) -> None:
    record = make_record(comparisons=(compared(*difference),), compared_with="test_clean")
    (sentence,) = describe(record)
    assert sentence.startswith("Accuracy: clean test in the study 0.9800 [0.9700, 0.9900], here")
    assert words in sentence


def test_what_was_seen_or_cannot_be_known_is_said() -> None:
    assert describe(make_record()) == ()
    (unknown,) = describe(make_record(num_seen=None))
    assert "is not known: an exported model, or a study without its split.csv" in unknown
    (everything,) = describe(make_record(num_seen=4))
    assert everything.startswith("4 of 4 images are copies of the study's train or val images:")
    (part,) = describe(make_record(num_seen=2, num_near=1, unseen=split("test")))
    assert "(1 turned, scaled, compressed again or the like)" in part
    assert part.endswith("the comparison is without them.")
    (kin,) = describe(make_record(num_seen=4, num_kin=4))
    assert "4 of 4 images are of a group with images in the study's train or val" in kin
    assert "has learned from their groups" in kin
    (both,) = describe(make_record(num_seen=3, num_kin=1, unseen=split("test")))
    assert "2 of 4 images are copies of the study's train or val images, and 1 more of a" in both
    bytes_only, not_looked_for = describe(make_record(num_seen=1, num_near=None))
    assert bytes_only.startswith("1 of 4 images are byte copies")
    assert "were not looked for" in not_looked_for
    (not_looked_for,) = describe(make_record(num_near=None))
    assert "Near copies of the study's images" in not_looked_for
    (own,) = describe(make_record(num_own_test=3))
    assert own.startswith("3 of 4 images are byte copies of the study's own test images")


def test_what_is_missing_is_named() -> None:
    unreadable = tuple(UnreadableImage(path=f"{n}.png", reason="is empty") for n in range(5))
    sentences = describe(
        make_record(num_unlike=2, missing_classes=("c", "d", "e", "f"), unreadable=unreadable)
    )
    assert sentences == (
        "2 of 4 images are unlike the training images.",
        "No image of 'c', 'd', 'e' and 1 more: class means are over the others, and "
        "there is no macro AUC.",
        "5 unreadable images left out: 0.png is empty, 1.png is empty, 2.png is empty and 2 more.",
    )
