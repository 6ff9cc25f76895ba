"""Training outside of a study."""

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.core.errors import UsageError
from autocnn.core.records import ParamValue
from autocnn.integrations.tuners.fitting import fit_model
from autocnn.training.networks import build_model
from autocnn.training.networks.compiling import compile_model

PARAMS: dict[str, ParamValue] = {
    "family": "plain",
    "width": 8,
    "num_stages": 1,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "flip": "none",
    "rotation": 0.0,
}

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def draw(num: int) -> Arrays:
    """Bright left or bright right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, num)
    images = rng.integers(0, 80, (num, 12, 12, 1))
    for image, label in zip(images, labels, strict=True):
        image[:, 6 * label : 6 * label + 6] += 120
    return images.astype(np.uint8), labels


def make(**changes: ParamValue) -> tuple[keras.Model, dict[str, ParamValue]]:
    keras.utils.set_random_seed(0)
    params = {**PARAMS, **changes}
    return build_model(params, (12, 12, 1), 2), params


@pytest.mark.slow
def test_it_learns_and_ends_with_the_averaged_weights() -> None:
    (x, y), val = draw(256), draw(64)
    model, params = make()
    history = fit_model(model, params, x, y, epochs=3, validation_data=val).history
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history["val_accuracy"][-1] > 0.95
    predicted = np.asarray(model(val[0])).argmax(axis=1)
    assert np.mean(predicted == val[1]) == pytest.approx(history["val_accuracy"][-1])


@pytest.mark.slow
def test_images_need_not_be_square() -> None:
    x, y = draw(64)
    params: dict[str, ParamValue] = {**PARAMS, "rotation": 10.0, "erasing": 1.0, "cutmix": 0.5}
    model = build_model(params, (12, 9, 1), 2)
    assert np.isfinite(fit_model(model, params, x[:, :, :9], y).history["loss"][0])


@pytest.mark.slow
def test_class_numbers_and_one_hot_labels_are_the_same() -> None:
    x, y = draw(64)
    losses = []
    for labels in (y, np.eye(2)[y]):
        model, params = make()
        losses += fit_model(model, params, x, labels, validation_data=(x, labels)).history["loss"]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_the_schedule_spans_the_epochs_and_goes_on_where_it_was() -> None:
    x, y = draw(64)
    rates: list[float] = []
    model, params = make(weight_averaging=False)
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: rates.append(float(model.optimizer.learning_rate))
    )
    fit_model(model, params, x, y, epochs=4, callbacks=[note])
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1e-3 < rates[0]
    whole = rates.copy()
    rates.clear()
    fit_model(model, params, x, y, epochs=4, initial_epoch=2, callbacks=[note])
    assert rates == pytest.approx(whole[2:])


@pytest.mark.slow
def test_it_stops_early_when_the_params_say_so() -> None:
    x, y = draw(64)
    model, params = make(early_stopping_patience=1, learning_rate=1e-7)
    history = fit_model(model, params, x, y, epochs=6, validation_data=(x, y))
    assert len(history.history["loss"]) < 6


def test_a_training_that_is_stopped_ends_with_the_averaged_weights_too() -> None:
    x, y = draw(64)
    model, params = make(learning_rate=1e-2)
    seen: list[Any] = []

    def look(epoch: int, logs: Any) -> None:
        seen.append(model.get_weights())
        model.stop_training = epoch == 1

    fit_model(
        model, params, x, y, epochs=6, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=look)]
    )
    assert len(seen) == 2
    for expected, found in zip(seen[-1], model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 12, 12, 1)), np.zeros(4, int), "x and y: images must be uint8"),
        (np.zeros((4, 12, 12), np.uint8), np.zeros(4, int), "got uint8 of shape (4, 12, 12)"),
        (np.zeros((4, 12, 12, 1), np.uint8), np.zeros(3, int), "for 4 images"),
        (np.zeros((4, 12, 12, 1), np.uint8), np.full(4, 2), "class numbers of 0 to 1"),
        (np.zeros((4, 12, 12, 1), np.uint8), np.zeros(4), "got float64 of shape (4,)"),
    ],
)
def test_images_and_labels_of_another_kind_are_told(
    x: NDArray[Any], y: NDArray[Any], message: str
) -> None:
    model, params = make()
    with pytest.raises(UsageError) as caught:
        fit_model(model, params, x, y)
    assert message in caught.value.message


@pytest.mark.slow
def test_a_network_can_be_compiled_alone() -> None:
    x, y = draw(32)
    model, params = make(schedule="cosine", warmup_epochs=5)
    compile_model(model, params, metrics=["accuracy"])
    history = model.fit(x, np.eye(2)[y], epochs=2, verbose=0).history
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-2)
    assert len(history["accuracy"]) == 2
