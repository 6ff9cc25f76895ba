"""A logistic regression on a network's features, as the weights of its output layer."""

import warnings
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from autocnn.core.arrays import IntArray
from autocnn.training.networks.inference import compile_prediction, predict_rows

INVERSE_STRENGTH = 0.01
"""scikit-learn's C, of the regularisation: for a thousand features of deviation 1."""

ABSENT = 20.0
"""By so much the logit of a class without images lies below the lowest of the others'."""


def fit_output(
    model: keras.Model,
    images: NDArray[np.uint8],
    labels: IntArray,
    rows: IntArray,
    *,
    weights: NDArray[np.float32] | None = None,
    half_batch: bool = False,
) -> float:
    """Fit the output layer to the features of some images, as they are; nothing else changes.

    Args:
        model: Its last layer is dense with a softmax.
        images: uint8 (n, height, width, channels).
        labels: (n,) classes.
        rows: Of the images to fit it to.
        weights: (classes,) Of each class in the loss; None: 1.
        half_batch: Whether half as many images as usual are seen at once.

    Returns:
        The weighted mean of the log loss on them.
    """
    output = model.layers[-1]
    extract = compile_prediction(keras.Model(model.inputs, output.input))
    features = predict_rows(extract, images, rows, half_batch=half_batch).astype(np.float64)
    scaler = StandardScaler().fit(features)
    scaled, wanted = scaler.transform(features), labels[rows]
    regression = LogisticRegression(C=INVERSE_STRENGTH, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # nearly there is good enough
        of_images = None if weights is None else weights[wanted]
        regression.fit(scaled, wanted, sample_weight=of_images)
    kernel, bias = _of_all_classes(regression, output.units)
    output.set_weights(
        [kernel / scaler.scale_[:, None], bias - (scaler.mean_ / scaler.scale_) @ kernel]
    )
    found = regression.predict_proba(scaled)
    return float(log_loss(wanted, found, labels=regression.classes_, sample_weight=of_images))


def _of_all_classes(
    regression: LogisticRegression, num_classes: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Kernel (features, classes) and bias (classes,); classes that it has not seen are unlikely."""
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # one row, for the second of both
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    kernel = np.zeros((coefficients.shape[1], num_classes))
    bias = np.full(num_classes, intercepts.min() - ABSENT)
    kernel[:, regression.classes_] = coefficients.T
    bias[regression.classes_] = intercepts
    return kernel, bias
