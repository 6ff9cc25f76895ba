"""ROC and precision-recall curves against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from autocnn.metrics.curves import pr_curves, roc_curves
from autocnn.metrics.scores import score
from tests.metrics.predictions import NAMES, make_predictions


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("decimals", [None, 1])
def test_roc_curves_agree_with_scikit_learn(num_classes: int, decimals: int | None) -> None:
    labels, probabilities = make_predictions(200, num_classes, decimals=decimals)
    truth = np.eye(num_classes)[labels]

    *classes, macro, micro = roc_curves(labels, probabilities, NAMES[:num_classes])

    assert [curve.name for curve in classes] == list(NAMES[:num_classes])
    assert [curve.kind for curve in (*classes, macro, micro)] == [
        *["class"] * num_classes,
        "macro",
        "micro",
    ]
    for index, curve in enumerate(classes):
        area = reference.roc_auc_score(labels == index, probabilities[:, index])
        assert curve.auc == pytest.approx(area, abs=1e-9)
        expected, _, _ = reference.roc_curve(labels == index, probabilities[:, index])
        assert curve.false_positive_rate == pytest.approx(expected, abs=1e-9)
    mean = np.mean([curve.auc for curve in classes])
    assert macro.auc == pytest.approx(mean, abs=1e-9)
    area = reference.roc_auc_score(truth, probabilities, average="micro")
    assert micro.auc == pytest.approx(area, abs=1e-9)
    for curve in (*classes, macro, micro):
        rates = np.array([curve.false_positive_rate, curve.true_positive_rate])
        assert (np.diff(rates) >= 0).all()
        assert rates[:, 0].tolist() == [0, 0]
        assert rates[:, -1].tolist() == pytest.approx([1, 1])


def test_macro_average_is_the_mean_of_the_curves() -> None:
    labels, probabilities = make_predictions(60, 3)
    *classes, macro, _ = roc_curves(labels, probabilities, NAMES[:3])
    between = np.linspace(0.001, 0.999, 333)  # off every step, where curves are single-valued
    heights = [
        np.interp(between, curve.false_positive_rate, curve.true_positive_rate) for curve in classes
    ]
    mean = np.interp(between, macro.false_positive_rate, macro.true_positive_rate)
    assert mean == pytest.approx(np.mean(heights, axis=0), abs=1e-9)


def test_curve_of_a_class_without_images_is_skipped() -> None:
    labels, probabilities = make_predictions(100, 4)
    labels[labels == 1] = 0
    curves = roc_curves(labels, probabilities, NAMES[:4])
    assert [curve.name for curve in curves] == ["a", "c", "d", "micro average"]
    assert score(labels, probabilities).macro_auc is None, "nor is there a number"


def test_one_image_has_a_micro_average_only() -> None:
    names = [curve.name for curve in roc_curves(np.array([1]), np.array([[0.3, 0.7]]), "ab")]
    assert names == ["micro average"]


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("decimals", [None, 1])
def test_pr_curves_agree_with_scikit_learn(num_classes: int, decimals: int | None) -> None:
    labels, probabilities = make_predictions(200, num_classes, decimals=decimals)
    curves = pr_curves(labels, probabilities, NAMES[:num_classes])
    assert [curve.name for curve in curves] == list(NAMES[:num_classes])
    for index, curve in enumerate(curves):
        truth, probability = labels == index, probabilities[:, index]
        area = reference.average_precision_score(truth, probability)
        assert curve.average_precision == pytest.approx(area, abs=1e-9)
        assert curve.share == pytest.approx(truth.mean())
        points = set(zip(curve.recall, curve.precision, strict=True))
        precision, recall, _ = reference.precision_recall_curve(truth, probability)
        assert points <= set(zip(recall.tolist(), precision.tolist(), strict=True))
        assert len(points) <= len(precision)
        assert (np.diff(curve.recall) >= 0).all()
        assert (curve.recall[0], curve.precision[0], curve.recall[-1]) == (0, 1, 1)
        # A step's precision is the first at its recall: the later ones only add others.
        first = np.append(True, np.diff(curve.recall) > 0)
        steps = np.diff(np.array(curve.recall)[first], prepend=0)
        assert (steps * np.array(curve.precision)[first]).sum() == pytest.approx(area, abs=1e-9)


def test_a_class_without_images_has_no_pr_curve() -> None:
    labels, probabilities = make_predictions(100, 3)
    labels[labels == 1] = 0
    curves = pr_curves(labels, probabilities, NAMES[:3])
    assert [curve.name for curve in curves] == ["a", "c"]


@pytest.mark.parametrize("function", [roc_curves, pr_curves])
def test_names_must_be_one_per_class(function: object) -> None:
    labels, probabilities = make_predictions(20, 3)
    with pytest.raises(ValueError, match="class_names must be 3 names, got 2"):
        function(labels, probabilities, ["a", "b"])  # type: ignore[operator]
