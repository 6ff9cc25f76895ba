"""Thresholds: given, or from a target error."""

from pathlib import Path
from typing import Any

import pytest

from autocnn.core.errors import UsageError
from autocnn.inference.predict.abstention import Abstention, choose_abstention
from autocnn.inference.predict.study_facts import describe_candidate
from tests.inference.predict.models import CLASSES, CURVE, metadata
from tests.predicted import make_predicted_study


def test_without_a_wish_every_image_is_answered() -> None:
    assert choose_abstention(metadata()) is None


def test_a_target_error_gives_the_threshold_that_answers_most() -> None:
    found = choose_abstention(metadata(), max_error=0.05)
    assert found is not None
    assert found.bound is not None
    assert 0.02 < found.bound <= 0.05
    assert found == Abstention(0.7, 0.8, 0.02, "folds", found.bound)
    assert found.describe() == (
        "Unsure below a probability of 0.7: out of fold this answered 80.0% of the images, "
        f"2.00% of the answers wrong. On new images like these at most {found.bound:.2%}, with "
        "95 % confidence."
    )
    everything = choose_abstention(metadata(), max_error=0.3)
    assert everything is not None
    assert everything.threshold == 0.0


def test_an_error_that_no_threshold_reaches_says_what_can_be_had() -> None:
    with pytest.raises(UsageError, match=r"fewest errors out of fold are 0\.01, with 50\.0%"):
        choose_abstention(metadata(), max_error=0.015)


def test_too_few_images_for_a_bound_are_told() -> None:
    message = r"max_error 0\.001 needs at least 3,688 independent images out of fold"
    with pytest.raises(UsageError, match=message) as caught:
        choose_abstention(metadata(), max_error=0.001)
    assert "unsure=0.9" in caught.value.remedy
    with pytest.raises(UsageError, match="must be above 0"):
        choose_abstention(metadata(), max_error=0.0)


def test_an_export_of_an_earlier_version_has_no_bound() -> None:
    older = [point.model_copy(update={"num_independent": 0}) for point in CURVE]
    with pytest.raises(UsageError, match="of an earlier version"):
        choose_abstention(metadata(rejection=older), max_error=0.1)


def test_a_model_without_a_curve_cannot_keep_an_error() -> None:
    bare = metadata(rejection=(), rejection_source=None)
    with pytest.raises(UsageError, match="had not seen") as caught:
        choose_abstention(bare, max_error=0.1)
    assert "unsure=0.9" in caught.value.remedy
    assert choose_abstention(bare, unsure=0.9) == Abstention(0.9)


@pytest.mark.parametrize(("unsure", "place"), [(0.0, 0), (0.5, 0), (0.6, 1), (0.7, 1), (0.8, 2)])
def test_a_given_threshold_says_what_is_known_of_it(unsure: float, place: int) -> None:
    found = choose_abstention(metadata(rejection_source="val"), unsure=unsure)
    assert found == Abstention(unsure, CURVE[place].coverage, CURVE[place].error, "val")


def test_beyond_the_curve_nothing_is_known() -> None:
    found = choose_abstention(metadata(), unsure=0.99)
    assert found == Abstention(0.99)
    assert found.describe() == "Unsure below a probability of 0.99."


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"unsure": 1.1}, r"unsure must be a number from 0 to 1, got 1\.1\."),
        ({"max_error": -0.1}, r"max_error must be a number from 0 to 1, got -0\.1\."),
        (
            {"unsure": 0.5, "max_error": 0.5},
            r"unsure and max_error must not be given together, got both\.",
        ),
    ],
)
def test_wishes_out_of_range_are_refused(wish: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_abstention(metadata(), **wish)


def test_at_an_operating_point_for_a_class_no_other_threshold_is_promised(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path, classes=CLASSES)
    target = f"sensitivity of {CLASSES[1]} >= 0.99"
    point = describe_candidate(folder, 1, target=target).operating_point
    facts = metadata(operating_point=point)
    assert choose_abstention(facts) is None
    for wish in ({"unsure": 0.9}, {"max_error": 0.02}):
        with pytest.raises(UsageError, match="got a model that decides for sensitivity of"):
            choose_abstention(facts, **wish)
