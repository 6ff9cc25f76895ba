"""From what models predict to records: what is scored on which images, by which models."""

from dataclasses import replace

import numpy as np
import pytest

from autocnn.core.records import CandidateRecord, TrialState
from autocnn.data import Dataset
from autocnn.execution.executor import Outcome
from autocnn.metrics.calibration import apply_temperature
from autocnn.metrics.scores import score
from autocnn.selection.compare import Contender
from autocnn.selection.judge import judge
from autocnn.selection.plan import Finalist, FinalistsPlan, cut_folds
from autocnn.selection.retrain import retrain
from autocnn.selection.score import Candidate, score_candidates
from autocnn.training.measurements import Measurements
from tests.selection.studies import EPOCHS, NUM_WEIGHTS, Selection, make_finalists


def judged_of(selection: Selection, plan: FinalistsPlan) -> list[tuple[Contender, Measurements]]:
    finalists = retrain(plan, selection.executor, selection.folder, selection.observer)
    return judge(
        plan,
        finalists,
        selection.executor,
        selection.folder,
        selection.observer,
        open_test=lambda choice: None,
    )


def run(selection: Selection, *numbers: int, num_folds: int = 2) -> list[Candidate]:
    """The candidates that these finalists give."""
    plan = selection.plan(make_finalists(*numbers), num_folds=num_folds)
    judged = judged_of(selection, plan)
    return score_candidates(plan, judged, selection.folder, selection.observer)


def of_kind(candidates: list[Candidate], kind: str) -> CandidateRecord:
    return next(one.record for one in candidates if one.record.kind == kind)


def accuracy(candidate: Candidate, name: str) -> float:
    found = candidate.predictions[name]  # type: ignore[index]
    return float((found.probabilities.argmax(axis=1) == found.labels).mean())


def test_the_record_of_a_refit(selection: Selection) -> None:
    candidates = run(selection, 7, 0)
    record = next(c.record for c in candidates if c.record.kind == "refit" and c.record.trial == 7)
    assert (record.members, record.params, record.seed) == ((), {"width": 7}, 5)
    assert (record.epochs, len(record.history)) == (EPOCHS, EPOCHS)
    assert record.train_seconds == pytest.approx(EPOCHS * 1.23456)
    assert (record.num_weights, record.flops, record.latency_ms) == (NUM_WEIGHTS, 2000, 1.5)
    assert record.size_mb == pytest.approx(len("a candidate") / 1e6)
    assert record.image_size == 8
    assert record.objective == 0.5
    assert len(record.fold_scores) == 2
    assert record.cv_mean == pytest.approx(np.mean(record.fold_scores))


def test_the_mean_of_the_folds_names_its_members_and_has_no_history(selection: Selection) -> None:
    record = of_kind(run(selection, 7), "folds")
    members = [(member.trial, member.fold, member.weight) for member in record.members]
    assert members == [(7, 1, 0.5), (7, 2, 0.5)]
    assert record.history == ()
    assert record.num_weights == 2 * NUM_WEIGHTS
    assert record.train_seconds == pytest.approx(2 * EPOCHS * 1.23456)


def test_the_trial_s_own_model_has_no_refit_to_show(selection: Selection) -> None:
    """Its epochs are the trial's, which learning curves show anyway."""
    selection.executor.ends = {"train 7 fold 0": Outcome(TrialState.FAILED, 1.0, "ValueError: no")}
    record = of_kind(run(selection, 7, 0), "trial")
    assert (record.trial, record.epochs, record.history) == (7, 1, ())


def test_an_ensemble_names_its_refits(selection: Selection) -> None:
    selection.executor.skill = dict.fromkeys((7, 8, 9), 0.85)
    candidates = run(selection, 7, 8, 9)
    record = of_kind(candidates, "ensemble")
    assert {member.fold for member in record.members} == {None}
    assert sum(member.weight for member in record.members) == pytest.approx(1.0)
    heaviest = max(record.members, key=lambda member: member.weight)
    assert record.trial == heaviest.trial
    assert record.num_weights == NUM_WEIGHTS * len(record.members)


def test_candidates_are_numbered_and_ranked_in_their_order(selection: Selection) -> None:
    records = [candidate.record for candidate in run(selection, 7, 0)]
    numbers = list(range(1, len(records) + 1))
    assert [record.candidate for record in records] == numbers
    assert [record.rank for record in records] == numbers
    assert ("measure", len(records)) in selection.observer.stages


def test_the_default_configuration_is_known_whatever_its_number(selection: Selection) -> None:
    """As after `--fork`, where number 0 may be any point of the space."""
    first, second = make_finalists(0, 7)
    finalists: tuple[Finalist, ...] = (
        replace(first, is_default=False),
        replace(second, is_default=True),
    )
    plan = selection.plan(finalists, num_folds=0)
    judged = judged_of(selection, plan)
    records = score_candidates(plan, judged, selection.folder, selection.observer)
    assert [(c.record.trial, c.record.is_default) for c in records if c.record.kind == "refit"] == [
        (0, False),
        (7, True),
    ]


def test_every_set_is_scored_on_its_own_images(selection: Selection) -> None:
    selection.executor.skill = {7: 0.75}
    dataset = selection.dataset
    (candidate, *_) = run(selection, 7)
    found = {name: len(what.labels) for name, what in candidate.predictions.items()}
    assert found == {"train": 36, "val": 12, "test": 12, "test_clean": 10, "folds": 36}
    for name in ("train", "val", "test", "folds"):
        assert accuracy(candidate, name) == pytest.approx(0.75, abs=0.03)
    record = candidate.record
    scored = (record.train, record.val, record.folds, record.test, record.test_clean)
    assert [one.num_images for one in scored if one is not None] == [36, 12, 36, 12, 10]
    for split in ("train", "val", "test"):
        labels = candidate.predictions[split].labels
        rows = dataset.indices(split)
        np.testing.assert_array_equal(labels, dataset.labels[rows])


def test_clean_test_leaves_out_the_copies_of_training_images(selection: Selection) -> None:
    (candidate, *_) = run(selection, 7)
    every, clean = candidate.predictions["test"], candidate.predictions["test_clean"]
    np.testing.assert_array_equal(clean.probabilities, every.probabilities[2:])
    assert candidate.record.gap is not None
    assert [step.scored for step in candidate.record.gap.steps] == [
        "train",
        "val",
        "folds",
        "test_clean",
    ]


def test_all_that_is_checked_is_of_the_judged_images(selection: Selection) -> None:
    """Copies of training images would flatter pictures, ties and calibration alike."""
    candidates = run(selection, 7, 0)
    for candidate in candidates:
        record = candidate.record
        assert (record.checked_on, record.num_test_clean) == ("test_clean", 10)
        assert len(candidate.judged.labels) == len(candidate.predictions["test_clean"].labels) == 10
        assert record.judged is record.checked is record.test_clean
        assert record.calibration is not None and record.judged.scores.ece is not None
        assert record.calibration.test_after.ece == pytest.approx(record.judged.scores.ece)
        assert sum(one.num_images for one in record.calibration.bins) == 10
        copies = {0, 1}
        assert not copies & set(candidate.measured.disturbed.tolist())
        assert not copies & set(candidate.measured.explained.tolist())


def test_test_without_copies_has_one_figure(selection: Selection) -> None:
    dataset = selection.dataset
    selection.dataset = replace(dataset, bundles=np.arange(len(dataset.bundles)))
    (candidate, *_) = run(selection, 7, num_folds=0)
    record = candidate.record
    assert record.test_clean is None
    assert record.num_test_clean == record.test.num_images == 12
    assert record.judged is record.test


def test_where_nothing_of_test_is_clean_all_of_it_counts(selection: Selection) -> None:
    dataset = selection.dataset
    copies = dataset.bundles.copy()
    copies[dataset.positions("test")] = copies[dataset.positions("train")[0]]
    selection.dataset = replace(dataset, bundles=copies)
    (candidate, *_) = run(selection, 7, num_folds=0)
    assert candidate.record.test_clean is None
    assert candidate.record.num_test_clean == 0
    assert candidate.record.gap is not None
    assert [step.scored for step in candidate.record.gap.steps] == ["train", "val", "test"]


def test_out_of_fold_predictions_are_scored_at_the_temperature_of_the_candidate(
    selection: Selection,
) -> None:
    (candidate, *_) = run(selection, 7)
    contender = candidate.contender
    expected = apply_temperature(contender.out_of_fold, contender.temperatures[0])
    np.testing.assert_allclose(candidate.predictions["folds"].probabilities, expected)
    assert candidate.record.calibration is not None
    assert candidate.record.calibration.temperature == contender.temperatures[0]
    assert candidate.record.calibration.fitted_on == "folds"


def test_without_folds_val_stands_in_and_no_fold_is_scored(selection: Selection) -> None:
    (candidate, *_) = run(selection, 7, num_folds=0)
    record = candidate.record
    assert (record.folds, record.cv_mean, record.cv_sd, record.fold_scores) == (
        None,
        None,
        None,
        (),
    )
    assert "folds" not in candidate.predictions
    assert record.calibration is not None
    assert record.calibration.fitted_on == "val"


def test_the_refit_and_the_folds_of_a_trial_share_all_scores_but_test(selection: Selection) -> None:
    candidates = run(selection, 7)
    refit, folds = of_kind(candidates, "refit"), of_kind(candidates, "folds")
    assert (refit.train, refit.val, refit.folds) == (folds.train, folds.val, folds.folds)
    assert refit.train is folds.train


def test_each_candidate_is_compared_with_the_better_ones(selection: Selection) -> None:
    selection.executor.skill = {7: 1.0, 0: 0.25}
    candidates = run(selection, 7, 0, num_folds=0)
    first, second = (candidate.record for candidate in candidates)
    assert (first.comparisons, first.tied_with) == ((), None)
    (comparison,) = second.comparisons
    assert comparison.other == 1
    here, there = (one.judged.scores.accuracy or 0.0 for one in (second, first))
    assert comparison.difference.value == pytest.approx(here - there)
    assert (comparison.is_told_apart, second.tied_with) == (True, None)


def test_candidates_that_are_not_told_apart_are_tied_with_the_best_of_them(
    selection: Selection,
) -> None:
    selection.executor.skill = {7: 0.75, 8: 0.75, 0: 0.75}
    candidates = run(selection, 7, 8, 0, num_folds=0)
    assert [candidate.record.tied_with for candidate in candidates] == [None, 1, 1, 1]


def test_without_folds_the_temperature_of_an_ensemble_is_fitted_on_val_before_it(
    selection: Selection,
) -> None:
    selection.executor.skill = {7: 0.75, 8: 0.75, 0: 0.75}
    first = run(selection, 7, 8, 0, num_folds=0)[0]
    found, labels = first.record.calibration, first.predictions["val"].labels
    assert (first.record.kind, first.record.folds, found is None) == ("ensemble", None, False)
    assert first.record.objective == first.record.val.scores.accuracy
    assert found is not None and found.fitted_on == "val"
    before = score(labels, first.contender.mix_seen("val")).log_loss
    after = score(labels, first.predictions["val"].probabilities).log_loss
    assert (found.fitted_before.log_loss, found.fitted_after.log_loss) == pytest.approx(
        (before, after)
    )


def test_an_image_that_several_repeats_hold_out_is_one_image(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7))
    dataset = selection.dataset
    plan = replace(plan, folds=cut_folds(dataset, 2, repeats=2, seed=0))
    for candidate in score_candidates(
        plan, judged_of(selection, plan), selection.folder, selection.observer
    ):
        folds, found = candidate.record.folds, candidate.record.calibration
        assert folds is not None
        assert found is not None
        number = len(dataset.positions("train"))
        assert folds.num_images == sum(one.num_images for one in folds.classes) == number
        assert found.num_images == number


def test_disturbed_images_are_held_against_the_same_ones_undisturbed(selection: Selection) -> None:
    selection.executor.skill = {7: 0.75}
    plan = selection.plan(make_finalists(7), num_folds=0)
    ((contender, measured),) = judged_of(selection, plan)
    wrong = 1 - measured.disturbed_test["blur", 3]
    measured = replace(measured, disturbed_test={**measured.disturbed_test, ("blur", 3): wrong})
    (candidate,) = score_candidates(
        plan, [(contender, measured)], selection.folder, selection.observer
    )
    robustness = candidate.record.robustness
    assert robustness is not None
    clean = candidate.record.test_clean
    assert clean is not None
    assert robustness.num_images == clean.num_images == 10
    accuracy = clean.scores.accuracy or 0.0
    assert robustness.accuracy == pytest.approx(accuracy)
    drops = {(one.name, one.strength): one.drop for one in robustness.corruptions}
    assert drops.pop(("blur", 3)) == pytest.approx(accuracy - (1 - accuracy))
    assert set(drops.values()) == {0.0}


def test_the_largest_member_gives_the_image_size(
    selection: Selection, small_dataset: Dataset
) -> None:
    finalists = (*make_finalists(7), *make_finalists(8, image_size=12))
    selection.executor.skill = {7: 0.85, 8: 0.85}
    plan = selection.plan(finalists, num_folds=2)
    judged = judged_of(selection, plan)
    candidates = score_candidates(plan, judged, selection.folder, selection.observer)
    sizes = {
        candidate.record.image_size
        for candidate in candidates
        if {finalist.number for finalist in candidate.contender.finalists} != {7}
    }
    assert sizes == {12}
