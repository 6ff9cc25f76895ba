"""scikit-learn's own checks of an estimator, each in milliseconds.

Two things stand in the way of running them as they are, and are replaced:

- a fit is a study, of half a minute or more: the stub fits the mean image of each class. All
  before and after it is the real thing: validation, scaling, the file of images, labels.
- most checks use tables of 2, 5 or 10 columns, which are no square images, and `image_shape`
  must be the same for all of them: here a table's row is an image of one row. That other widths
  are refused is tested in test_pixels.py.

No check is excluded. `check_array_api_input` skips itself: arrays that are not NumPy's need
SCIPY_ARRAY_API set before SciPy is imported, and are turned into NumPy's here.
"""

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from autocnn.classifier import AutoCNNClassifier
from tests.classifier import stub


@pytest.fixture(autouse=True)
def replaced_study(monkeypatch: pytest.MonkeyPatch) -> None:
    stub.replace_study(monkeypatch)
    stub.accept_any_width(monkeypatch)


# Deterministic, for scikit-learn leaves checks out where equal seeds may give other numbers.
@parametrize_with_checks([AutoCNNClassifier(deterministic=True)])  # type: ignore[untyped-decorator]
def test_it_is_a_classifier_of_scikit_learn(
    estimator: AutoCNNClassifier, check: Callable[[Any], None]
) -> None:
    check(estimator)
