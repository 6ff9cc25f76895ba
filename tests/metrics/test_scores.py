"""Metrics against scikit-learn, intervals against scipy, edge cases."""

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.records import Scores
from autocnn.metrics import weighted
from autocnn.metrics.intervals import (
    effective_number,
    freedom_of_mean,
    loss_interval,
    mean_interval,
    share_interval,
    wilson_interval,
)
from autocnn.metrics.scores import CLASS_METRICS, METRICS, confusion_matrix, score, score_split
from tests.metrics.predictions import NAMES, make_predictions


def reference_auc(labels: IntArray, probabilities: FloatArray) -> float:
    """Mean one-vs-rest AUC by scikit-learn, one class at a time."""
    areas = [
        reference.roc_auc_score(labels == index, probabilities[:, index])
        for index in range(probabilities.shape[1])
    ]
    return float(np.mean(areas))


def reference_ece(labels: IntArray, probabilities: FloatArray) -> float:
    """Calibration error by its definition, one bin at a time."""
    top, total = probabilities.max(axis=1), 0.0
    correct = probabilities.argmax(axis=1) == labels
    for index in range(15):
        inside = (top > index / 15) & (top <= (index + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - top[inside].mean())
    return float(total)


@pytest.mark.parametrize(("num_images", "num_classes"), [(40, 2), (300, 4), (900, 26)])
@pytest.mark.parametrize("decimals", [None, 1])
def test_score_agrees_with_scikit_learn(
    num_images: int, num_classes: int, decimals: int | None
) -> None:
    labels, probabilities = make_predictions(num_images, num_classes, decimals=decimals)
    top = probabilities.argmax(axis=1)
    clipped = probabilities.clip(1e-7, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # clipped rows do not add up to 1
        log_loss = reference.log_loss(labels, clipped, labels=range(num_classes))

    scores = score(labels, probabilities)

    assert scores.accuracy == pytest.approx(reference.accuracy_score(labels, top), abs=1e-9)
    balanced = reference.balanced_accuracy_score(labels, top)
    assert scores.balanced_accuracy == pytest.approx(balanced, abs=1e-9)
    macro_f1 = reference.f1_score(labels, top, average="macro")
    assert scores.macro_f1 == pytest.approx(macro_f1, abs=1e-9)
    assert scores.macro_auc == pytest.approx(reference_auc(labels, probabilities), abs=1e-9)
    assert scores.kappa == pytest.approx(reference.cohen_kappa_score(labels, top), abs=1e-9)
    assert scores.mcc == pytest.approx(reference.matthews_corrcoef(labels, top), abs=1e-9)
    assert scores.log_loss == pytest.approx(log_loss, abs=1e-9)
    if decimals is None:  # rounded probabilities lie on the edges of bins
        assert scores.ece == pytest.approx(reference_ece(labels, probabilities), abs=1e-9)


def test_macro_auc_is_scikit_learns_one_vs_rest() -> None:
    labels, probabilities = make_predictions(200, 5)
    expected = reference.roc_auc_score(labels, probabilities, multi_class="ovr")
    assert score(labels, probabilities).macro_auc == pytest.approx(expected, abs=1e-9)
    labels, probabilities = make_predictions(200, 2)
    expected = reference.roc_auc_score(labels, probabilities[:, 1])
    assert score(labels, probabilities).macro_auc == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_small_integer_labels_do_not_overflow(dtype: type[np.integer]) -> None:
    labels, probabilities = make_predictions(300, 26)
    narrow = labels.astype(dtype)
    assert score(narrow, probabilities) == score(labels, probabilities)
    matrix = confusion_matrix(narrow, probabilities, NAMES)
    assert matrix == confusion_matrix(labels, probabilities, NAMES)


def test_float32_probabilities_keep_their_order() -> None:
    labels, probabilities = make_predictions(300, 4)
    single = score(labels, probabilities.astype(np.float32))
    assert single.macro_auc == pytest.approx(reference_auc(labels, probabilities), abs=1e-5)


def test_class_without_image_is_left_out_of_class_means() -> None:
    labels, probabilities = make_predictions(200, 4)
    present = labels != 2
    labels, probabilities = labels[present], probabilities[present]
    top = probabilities.argmax(axis=1)
    assert (top == 2).any()

    scores = score(labels, probabilities)

    recalls = reference.recall_score(labels, top, average=None, labels=[0, 1, 3])
    assert scores.balanced_accuracy == pytest.approx(recalls.mean(), abs=1e-9)
    macro_f1 = reference.f1_score(labels, top, average="macro")
    assert scores.macro_f1 == pytest.approx(macro_f1, abs=1e-9)
    assert scores.macro_auc is None


def test_all_images_of_one_class() -> None:
    _, probabilities = make_predictions(50, 3)
    scores = score(np.zeros(50, dtype=int), probabilities)
    assert scores.accuracy == scores.balanced_accuracy
    assert scores.macro_auc is None


def test_correlations_of_a_single_class() -> None:
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    always = score(np.array([0, 1, 0]), shares)  # taken for one class: no better than guessing
    assert (always.kappa, always.mcc) == (0.0, 0.0)
    single = score(np.array([1, 1, 1]), shares)
    assert (single.kappa, single.mcc) == (0.0, None)
    right = score(np.array([0, 0, 0]), shares)
    assert (right.kappa, right.mcc) == (None, None)
    split = score_split("val", np.array([0, 0, 0]), shares, NAMES[:2], num_resamples=5)
    assert not {"kappa", "mcc"} & set(split.intervals)


@pytest.mark.parametrize("skill", [-2.0, 0.0, 1.5, 9.0])
def test_the_interval_of_a_correlation_holds_it(skill: float) -> None:
    labels, probabilities = make_predictions(200, 3, seed=1, skill=skill)
    split = score_split("val", labels, probabilities, NAMES[:3], num_resamples=400)
    for name in ("kappa", "mcc"):
        found = split.intervals[name]
        assert found.value == getattr(split.scores, name)
        assert -1 <= found.low < found.value <= found.high <= 1
        resampled = [
            getattr(score(labels[drawn], probabilities[drawn]), name)
            for drawn in np.random.default_rng(0).integers(0, 200, (300, 200))
        ]
        assert found.high - found.low == pytest.approx(
            np.percentile(resampled, 97.5) - np.percentile(resampled, 2.5), rel=0.3, abs=0.05
        )


def test_perfect_predictions() -> None:
    labels = np.array([0, 1, 2, 2])
    ones = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1", "macro_auc"), 1.0)
    expected = Scores(**ones, kappa=1, mcc=1, log_loss=0, ece=0)
    assert score(labels, np.eye(3)[labels]) == expected


def test_wrong_and_certain_costs_a_finite_log_loss() -> None:
    scores = score(np.array([0, 1]), np.eye(2)[[1, 0]])
    assert scores.log_loss == pytest.approx(-np.log(1e-7))
    assert (scores.accuracy, scores.macro_auc, scores.ece) == (0.0, 0.0, 1.0)


def test_constant_probabilities_are_all_ties() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    scores = score(labels, np.full((6, 3), 1 / 3))
    assert scores.macro_auc == 0.5
    assert scores.accuracy == 0.5
    assert scores.balanced_accuracy == pytest.approx(1 / 3)


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    # The bin of 0.9 is right half the time, the bin of 0.6 always: both are off by 0.4.
    scores = score(np.array([0, 1, 0, 0]), probabilities)
    assert scores.ece == pytest.approx(0.4)


def test_bins_of_the_calibration_error_hold_their_upper_edge() -> None:
    # 3/15 closes bin 3; with both images there, right and wrong cancel to 0.5 - 0.2.
    probabilities = np.full((2, 5), 0.2)
    assert score(np.array([0, 1]), probabilities).ece == pytest.approx(0.3)


def test_names_must_be_one_per_class() -> None:
    labels, probabilities = make_predictions(20, 3)
    with pytest.raises(ValueError, match="class_names must be 3 names, got 2"):
        confusion_matrix(labels, probabilities, ["a", "b"])
    with pytest.raises(ValueError, match="class_names must be 3 names, got 2"):
        score_split("val", labels, probabilities, ["a", "b"])


def test_undefined_class_scores_are_none() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1, 0.0], [0.1, 0.1, 0.8, 0.0]])
    classes = score_split("val", np.array([0, 1]), probabilities, NAMES[:4]).classes
    assert (classes[1].precision, classes[1].recall, classes[1].f1) == (None, 0.0, 0.0)
    assert (classes[2].precision, classes[2].recall, classes[2].f1) == (0.0, None, 0.0)
    assert (classes[3].precision, classes[3].recall, classes[3].f1) == (None, None, None)
    assert classes[3].auc is None
    assert classes[3].num_images == 0


def test_accuracy_interval_is_as_wide_as_the_binomial_one() -> None:
    labels, probabilities = make_predictions(1000, 3)
    interval = score_split("val", labels, probabilities, NAMES[:3]).intervals["accuracy"]
    hits = round(interval.value * 1000)
    wilson = binomtest(hits, 1000).proportion_ci(method="wilson")
    assert interval.low == pytest.approx(wilson.low, abs=0.004)
    assert interval.high == pytest.approx(wilson.high, abs=0.004)


def test_intervals_follow_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = make_predictions(100, 3)
    first = score_split("val", labels, probabilities, NAMES[:3], num_resamples=100, seed=1)
    again = score_split("val", labels, probabilities, NAMES[:3], num_resamples=100, seed=1)
    other = score_split("val", labels, probabilities, NAMES[:3], num_resamples=100, seed=2)
    assert first == again
    assert first.intervals != other.intervals
    monkeypatch.setattr(weighted, "CHUNK_ELEMENTS", 1000)  # ten resamples at a time
    chunked = score_split("val", labels, probabilities, NAMES[:3], num_resamples=100, seed=1)
    for name in METRICS:
        assert chunked.intervals[name].low == pytest.approx(first.intervals[name].low, abs=1e-12)


def test_a_rare_class_widens_the_wilson_interval_of_class_means() -> None:
    labels = np.array([0] * 98 + [1] * 2)
    intervals = score_split("val", labels, np.eye(2)[labels], NAMES[:2]).intervals
    wilson = binomtest(100, 100).proportion_ci(method="wilson")
    assert intervals["accuracy"].low == pytest.approx(wilson.low)
    assert intervals["balanced_accuracy"].low < 0.7


def test_the_auc_of_a_rare_class_is_known_as_little_as_their_mean() -> None:
    labels = np.repeat([0, 1], [60, 3])
    logits = np.random.default_rng(3).normal(size=63) + 1.5 * labels
    chance = 1 / (1 + np.exp(-logits))
    split = score_split("test", labels, np.stack([1 - chance, chance], axis=1), NAMES[:2])
    mean = split.intervals["macro_auc"]
    assert 0.7 < mean.value < 1
    for one in split.classes:  # of two classes both areas are the same
        found = one.intervals["auc"]
        assert (found.low, found.high) == pytest.approx((mean.low, mean.high))


def test_one_image_of_a_class_leaves_intervals_defined() -> None:
    labels, probabilities = make_predictions(60, 3)
    labels[labels == 2] = 0
    labels[5] = 2
    split = score_split("val", labels, probabilities, NAMES[:3], num_resamples=200)
    assert tuple(split.intervals) == METRICS
    for interval in split.intervals.values():
        assert interval.low <= interval.value <= interval.high


def test_one_image() -> None:
    split = score_split("val", np.array([1]), np.array([[0.3, 0.7]]), NAMES[:2])
    assert split.scores.accuracy == 1.0
    assert "macro_auc" not in split.intervals
    assert split.intervals["accuracy"].low == pytest.approx(0.2065, abs=1e-4)


def test_confusion_matrix_agrees_with_scikit_learn() -> None:
    labels, probabilities = make_predictions(300, 5)
    labels[labels == 3] = 0
    matrix = confusion_matrix(labels, probabilities, NAMES[:5])
    top = probabilities.argmax(axis=1)
    expected = reference.confusion_matrix(labels, top, labels=range(5))
    assert np.array_equal(np.array(matrix.counts), expected)
    assert matrix.labels == NAMES[:5]
    assert sum(matrix.counts[3]) == 0


def test_split_holds_the_point_scores_and_the_classes() -> None:
    labels, probabilities = make_predictions(300, 4)
    top = probabilities.argmax(axis=1)
    precision, recall, f1, support = reference.precision_recall_fscore_support(labels, top)

    split = score_split("folds", labels, probabilities, NAMES[:4], num_resamples=50)

    assert (split.split, split.num_images) == ("folds", 300)
    assert split.scores == score(labels, probabilities)
    assert tuple(split.intervals) == METRICS
    for index, scores in enumerate(split.classes):
        assert (scores.label, scores.num_images) == (NAMES[index], support[index])
        assert scores.precision == pytest.approx(precision[index], abs=1e-9)
        assert scores.recall == pytest.approx(recall[index], abs=1e-9)
        specificity = reference.recall_score(labels != index, top != index)
        assert scores.specificity == pytest.approx(specificity, abs=1e-9)
        assert scores.f1 == pytest.approx(f1[index], abs=1e-9)
        area = reference.roc_auc_score(labels == index, probabilities[:, index])
        assert scores.auc == pytest.approx(area, abs=1e-9)
        assert tuple(scores.intervals) == CLASS_METRICS
        for name, interval in scores.intervals.items():
            assert interval.value == getattr(scores, name)
            assert 0 <= interval.low < interval.value < interval.high <= 1


def test_undefined_class_scores_have_no_interval() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1, 0.0], [0.1, 0.1, 0.8, 0.0]])
    classes = score_split("val", np.array([0, 1]), probabilities, NAMES[:4]).classes
    assert tuple(classes[1].intervals) == ("recall", "specificity", "f1", "auc")
    assert tuple(classes[2].intervals) == ("precision", "specificity", "f1")
    assert tuple(classes[3].intervals) == ("specificity",)
    for scores in classes:
        assert scores.specificity is not None


def test_of_one_group_the_log_loss_has_no_interval() -> None:
    labels, probabilities = make_predictions(12, 3)
    split = score_split("val", labels, probabilities, NAMES[:3], groups=np.zeros(12, int))
    assert split.scores.log_loss is not None
    assert set(METRICS) - set(split.intervals) == {"log_loss"}
    assert split.interval_of("log_loss") is None


def test_intervals_come_from_the_resamples() -> None:
    labels, probabilities = make_predictions(200, 3)
    groups = np.arange(200) // 2 + 100 * labels  # of one class each
    split = score_split(
        "val", labels, probabilities, NAMES[:3], groups=groups, num_resamples=400, seed=7
    )
    prepared = weighted.WeightedMetrics.prepare(labels, probabilities)
    resampled, classes = prepared.resample(groups, 400, seed=7)
    loss = loss_interval(prepared.cross_entropy, groups, num_resamples=400, seed=7)
    assert loss is not None
    assert split.intervals["log_loss"] == loss.model_copy(update={"value": split.scores.log_loss})
    assert loss.value == pytest.approx(split.scores.log_loss)
    points = [one.intervals["recall"].value for one in split.classes]
    numbers = np.array([effective_number(groups[labels == index]) for index in range(3)])
    freedom = freedom_of_mean(numbers)
    recalls = [
        share_interval(*of_class, freedom=freedom)
        for of_class in zip(points, classes.recall, numbers, strict=True)
    ]
    found = split.intervals["balanced_accuracy"]
    assert (found.low, found.high) == (mean_interval(recalls).low, mean_interval(recalls).high)
    accuracy = split.intervals["accuracy"]
    assert accuracy == share_interval(accuracy.value, resampled.accuracy, effective_number(groups))
    recall = split.classes[1].intervals["recall"]
    assert recall == share_interval(recall.value, classes.recall[1], numbers[1])


def test_balanced_accuracy_is_no_surer_than_accuracy_where_groups_hold_all_classes() -> None:
    """Ten images of a site, half of each class, are right or wrong together."""
    groups, labels = np.repeat(np.arange(40), 10), np.tile([0, 1], 200)
    is_right = groups < 28
    predicted = np.where(is_right, labels, 1 - labels)
    probabilities = np.where(np.eye(2, dtype=bool)[predicted], 0.8, 0.2)
    found = score_split("test", labels, probabilities, ("a", "b"), groups=groups).intervals
    accuracy, balanced = found["accuracy"], found["balanced_accuracy"]
    assert (balanced.low, balanced.high) == pytest.approx((accuracy.low, accuracy.high), abs=0.005)
    shares = np.pad(probabilities, ((0, 0), (0, 1)))
    with_more = score_split("test", labels, shares, ("a", "b", "absent"), groups=groups).intervals
    assert with_more["balanced_accuracy"].low == pytest.approx(balanced.low, abs=0.005)


def test_two_patients_leave_every_score_unsure() -> None:
    """Of 100 images each, 90 and 91 right: that says little of a third patient."""
    labels, groups = np.tile([0, 1], 100), np.repeat([0, 1], 100)
    is_wrong = np.isin(np.arange(200), [*range(0, 12), 100, 103, 104, 105, 107, 109, 111])
    probabilities = np.where(np.eye(2, dtype=bool)[labels ^ is_wrong], 0.8, 0.2)
    split = score_split("test", labels, probabilities, NAMES[:2], groups=groups)
    assert {"kappa", "mcc", "macro_f1", "macro_auc"} <= set(split.intervals)
    for intervals in (split.intervals, *(one.intervals for one in split.classes)):
        for name, found in intervals.items():
            assert found.high - found.low > 0.08, name


@pytest.mark.parametrize("share", [0, 1])
@pytest.mark.parametrize("copies", [1, 4])
def test_a_share_of_0_or_1_has_the_wilson_interval(share: int, copies: int) -> None:
    truth = np.repeat(np.arange(40) % 2, copies)
    groups = np.repeat(np.arange(40), copies)
    probabilities = np.eye(2)[truth if share else 1 - truth]
    split = score_split("val", truth, probabilities, NAMES[:2], groups=groups, num_resamples=20)
    for intervals, number, names in (
        (split.intervals, 40, ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc")),
        (split.classes[0].intervals, 20, ("precision", "recall", "specificity", "f1")),
        (split.classes[0].intervals, 40, ("auc",)),
    ):
        wilson = binomtest(number * share, number).proportion_ci(method="wilson")
        for name in names:
            assert intervals[name].value == share
            assert intervals[name].low == pytest.approx(wilson.low, abs=1e-9)
            assert intervals[name].high == pytest.approx(wilson.high, abs=1e-9)


def test_copies_in_groups_change_no_interval() -> None:
    labels, probabilities = make_predictions(90, 3)
    alone = score_split("test", labels, probabilities, NAMES[:3], num_resamples=200)
    groups = np.tile(np.arange(90), 3)
    copied = score_split(
        "test",
        np.tile(labels, 3),
        np.tile(probabilities, (3, 1)),
        NAMES[:3],
        groups=groups,
        num_resamples=200,
    )
    for name in METRICS:
        assert copied.intervals[name].low == pytest.approx(alone.intervals[name].low, abs=1e-9)
        assert copied.intervals[name].high == pytest.approx(alone.intervals[name].high, abs=1e-9)
    recall = copied.classes[2].intervals["recall"]
    assert recall.low == pytest.approx(alone.classes[2].intervals["recall"].low, abs=1e-9)


def test_one_group_tells_as_little_as_one_image() -> None:
    labels, probabilities = make_predictions(50, 2)
    groups = np.zeros(50, dtype=int)
    split = score_split("test", labels, probabilities, NAMES[:2], groups=groups, num_resamples=20)
    accuracy = split.intervals["accuracy"]
    assert accuracy == wilson_interval(accuracy.value, 1)
    assert accuracy.high - accuracy.low > 0.7


@pytest.mark.parametrize("groups", [np.arange(19), np.zeros(20), np.zeros((20, 1), dtype=int)])
def test_groups_must_be_one_integer_per_image(groups: IntArray) -> None:
    labels, probabilities = make_predictions(20, 3)
    with pytest.raises(ValueError, match=r"groups must be integers of \(20,\), got"):
        score_split("val", labels, probabilities, NAMES[:3], groups=groups)


def test_of_very_many_predictions_areas_are_measured_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 4
    probabilities = rng.dirichlet(np.ones(4), 60)
    names = list("abcd")
    whole = score_split("test", labels, probabilities, names, num_resamples=50)
    monkeypatch.setattr("autocnn.metrics.scores.MOST_RANKED", 10)
    found = score_split("test", labels, probabilities, names, num_resamples=50)
    assert found.scores == whole.scores
    assert [one.auc for one in found.classes] == [one.auc for one in whole.classes]
    assert found.intervals["accuracy"] == whole.intervals["accuracy"]
    for name in ("macro_auc", "accuracy"):
        interval = found.intervals[name]
        assert interval.low <= interval.value <= interval.high
    assert found.classes[0].intervals["auc"].low < found.classes[0].intervals["auc"].high
