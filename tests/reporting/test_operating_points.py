"""Operating points of a study: chosen on what the model had not seen, judged on clean test."""

from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import StudyError, UsageError
from autocnn.core.wording import describe_point, point_rule
from autocnn.reporting.operating_points import find_operating_point, find_operating_points
from autocnn.storage import StudyFolder
from tests.predicted import CLASSES, make_predicted_study, predicted_arrays

TARGET = "sensitivity of ductal carcinoma >= 0.9"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return make_predicted_study(tmp_path_factory.mktemp("results"))


def test_it_is_chosen_out_of_fold_and_judged_on_clean_test(study: StudyFolder) -> None:
    point = find_operating_point(study, study.read_candidates()[0], TARGET)
    assert (point.target, point.label, point.candidate) == (TARGET, "ductal carcinoma", 1)
    assert (point.chosen_on, point.judged_on, point.num_judged) == ("folds", "test_clean", 200)
    labels, shares = predicted_arrays(study, 1, "folds")
    own = np.sort(shares[labels == 1, 1])
    assert (own >= point.threshold).mean() >= 0.9
    assert (own > point.threshold).mean() < 0.9
    labels, shares = predicted_arrays(study, 1, "clean")
    is_own, is_taken = labels == 1, shares[:, 1] >= point.threshold
    assert point.counts == {
        "true_positives": int((is_own & is_taken).sum()),
        "false_negatives": int((is_own & ~is_taken).sum()),
        "false_positives": int((~is_own & is_taken).sum()),
        "true_negatives": int((~is_own & ~is_taken).sum()),
    }
    assert point.judged["sensitivity"].value == is_taken[is_own].mean()
    assert point.judged["ppv"].value == pytest.approx(is_own[is_taken].mean())
    assert point.prevalence == is_own.mean()
    assert not point.is_prevalence_stated
    assert all(one.low <= one.value <= one.high for one in point.judged.values())


def test_a_prevalence_that_is_stated_changes_ppv_and_npv_alone(study: StudyFolder) -> None:
    record = study.read_candidates()[0]
    here = find_operating_point(study, record, TARGET)
    there = find_operating_point(study, record, TARGET, prevalence=0.02)
    assert there.threshold == here.threshold
    assert there.judged["sensitivity"] == here.judged["sensitivity"]
    assert there.judged["ppv"].value < here.judged["ppv"].value / 2
    assert there.judged["npv"].value > here.judged["npv"].value
    assert (there.prevalence, there.is_prevalence_stated) == (0.02, True)
    assert "at the stated prevalence of 0.02" in describe_point(there)
    assert "at the prevalence of clean test" in describe_point(here)


def test_a_precision_is_chosen_for_the_prevalence_that_is_stated(study: StudyFolder) -> None:
    record, target = study.read_candidates()[0], "precision of other >= 0.8"
    here = find_operating_point(study, record, target)
    there = find_operating_point(study, record, target, prevalence=0.05)
    assert there.threshold > here.threshold
    assert there.chosen["ppv"].value >= 0.8


def test_the_share_answered_needs_no_class(study: StudyFolder) -> None:
    record = study.read_candidates()[0]
    point = find_operating_point(study, record, "answered >= 0.8")
    assert point.label is None
    assert point.chosen["answered"].value >= 0.8
    labels, shares = predicted_arrays(study, 1, "clean")
    is_answered = shares.max(axis=1) >= point.threshold
    assert point.judged["answered"].value == is_answered.mean()
    right = (shares.argmax(axis=1) == labels)[is_answered]
    assert point.judged["accuracy"].value == pytest.approx(right.mean())
    assert point_rule(point).startswith("unsure below a probability of ")
    assert describe_point(point).startswith("Target: answered >= 0.8. Rule: unsure below")
    with pytest.raises(UsageError, match="prevalence is of a class"):
        find_operating_point(study, record, "answered >= 0.8", prevalence=0.1)


def test_all_candidates_stand_in_the_order_of_the_leaderboard(study: StudyFolder) -> None:
    points = find_operating_points(study, TARGET)
    assert [point.candidate for point in points] == [1, 2]


def test_a_candidate_that_does_not_reach_the_target_is_left_out(tmp_path: Path) -> None:
    study = make_predicted_study(tmp_path)
    labels, shares = predicted_arrays(study, 2, "folds")
    shares[:, 2] = np.where(labels == 2, 0.0, 1.0)  # wrong throughout
    header = ["path", "label", "fold", *(f"p.{name}" for name in CLASSES)]
    rows = [
        [f"{i}.png", CLASSES[label], 1, *share]
        for i, (label, share) in enumerate(zip(labels.tolist(), shares.tolist(), strict=True))
    ]
    study.write_candidate_table(2, "out_of_fold", header, rows)
    points = find_operating_points(study, "precision of other >= 0.9")
    assert [point.candidate for point in points] == [1]


def test_what_no_candidate_reaches_is_an_error_with_the_best(tmp_path: Path) -> None:
    study = make_predicted_study(tmp_path, skill=0.3)
    with pytest.raises(UsageError, match=r"precision of other >= 1: .* at most 0\.\d+") as error:
        find_operating_points(study, "precision of other >= 1", prevalence=0.01)
    assert "Ask for less" in error.value.remedy


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_prevalence_must_be_one(study: StudyFolder, prevalence: float) -> None:
    with pytest.raises(UsageError, match="prevalence must be above 0 and below 1"):
        find_operating_point(study, study.read_candidates()[0], TARGET, prevalence=prevalence)


def test_without_predictions_it_says_which_are_missing(tmp_path: Path) -> None:
    study = make_predicted_study(tmp_path)
    record = study.read_candidates()[0]
    (study.path / "candidates/01/predictions.csv").unlink()
    with pytest.raises(StudyError, match="must have test predictions"):
        find_operating_point(study, record, TARGET)
    (study.path / "candidates/01/out_of_fold.csv").unlink()
    with pytest.raises(StudyError, match="must have out-of-fold or val predictions"):
        find_operating_point(study, record, TARGET)
