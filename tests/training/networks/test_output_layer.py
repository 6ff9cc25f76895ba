"""A classifier on features that stay as they are."""

import keras
import numpy as np
import pytest

from autocnn.core.records import ParamValue
from autocnn.metrics.scores import score
from autocnn.training.networks import build_model
from autocnn.training.networks.inference import compile_prediction, predict_rows
from autocnn.training.networks.output_layer import fit_output


def images_of(labels: np.ndarray) -> np.ndarray:
    """Grey images that are the lighter the higher their class."""
    noise = np.random.default_rng(0).integers(0, 30, (len(labels), 32, 32, 1))
    return (labels[:, None, None, None] * 60 + noise).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [2, 3])
def test_only_the_output_learns_and_it_learns(num_classes: int) -> None:
    params: dict[str, ParamValue] = {
        "family": "frozen",
        "backbone": "EfficientNetLite0",
        "image_size": 32,
    }
    keras.utils.set_random_seed(0)
    model = build_model(params, (32, 32, 1), 3, weights=None)
    before = model.get_weights()
    labels = np.arange(60) % num_classes
    images = images_of(labels)
    loss = fit_output(model, images, labels, np.arange(30))
    after = model.get_weights()
    for old, new in zip(before[:-2], after[:-2], strict=True):
        np.testing.assert_array_equal(old, new)
    predicted = predict_rows(compile_prediction(model), images, np.arange(60))
    found = score(labels, predicted)
    assert found.accuracy == 1
    assert score(labels[:30], predicted[:30]).log_loss == pytest.approx(loss, abs=1e-3)
    if num_classes == 2:
        assert predicted[:, 2].max() < 1e-6, "a class without images is not predicted"


def test_classes_have_the_weight_that_they_are_given() -> None:
    model = build_model({"width": 8, "num_stages": 1}, (12, 12, 1), 2)
    labels = np.repeat([0, 1], [54, 6])
    images = np.random.default_rng(0).integers(0, 256, (60, 12, 12, 1), dtype=np.uint8)
    shares = []
    for weights in (None, np.array([60 / 108, 5], np.float32)):
        fit_output(model, images, labels, np.arange(60), weights=weights)
        predicted = predict_rows(compile_prediction(model), images, np.arange(60))
        shares.append(float(predicted[:, 1].mean()))
    assert shares == pytest.approx([0.1, 0.5], abs=0.05), "of noise, the prior alone is learned"
