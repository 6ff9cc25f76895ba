"""Averaged models and temperature: the numbers, and that they load with Keras alone."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.core.records import ParamValue
from autocnn.training.networks import build_model
from autocnn.training.networks.average import average_models, set_temperature
from autocnn.training.networks.inference import compile_prediction, count_flops, predict_rows

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), dtype=np.uint8)

SUBPROCESS = """
import sys
sys.modules["autocnn"] = None  # an import of it fails
import keras, numpy as np
model = keras.models.load_model(sys.argv[1], safe_mode=True)
np.save(sys.argv[3], np.asarray(model(np.load(sys.argv[2]), training=False)))
"""


def member(
    seed: int, *, side: int = 16, channels: int = 1, classes: int = 3, family: str = "resnet"
) -> keras.Model:
    """A small network whose probabilities are not all alike."""
    keras.utils.set_random_seed(seed)
    params: dict[str, ParamValue] = {"width": 4, "num_stages": 2, "family": family}
    params["head_units"] = 8
    model = build_model(params, (side, side, channels), classes)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * 5, bias + np.arange(classes, dtype=np.float32)])
    return model


def predict(model: keras.Model, images: NDArray[np.uint8] = IMAGES) -> NDArray[np.float64]:
    return np.asarray(model(images, training=False), np.float64)


def soften(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """softmax(log(p) / T) in float64."""
    powers: NDArray[np.float64] = probabilities ** (1 / temperature)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_divides_the_logits(temperature: float) -> None:
    model = member(0)
    before = predict(model)
    set_temperature(model, temperature)
    np.testing.assert_allclose(predict(model), soften(before, temperature), atol=1e-6)
    assert before.std(axis=0).max() > 1e-3


def test_temperature_reaches_a_graph_that_is_compiled_already() -> None:
    model = member(0)
    compiled = compile_prediction(model)
    before = predict_rows(compiled, IMAGES, np.arange(5))
    set_temperature(model, 3.0)
    after = predict_rows(compiled, IMAGES, np.arange(5))
    np.testing.assert_allclose(after, soften(before.astype(np.float64), 3.0), atol=1e-6)


def test_temperature_needs_a_softmax_layer_of_that_name() -> None:
    inputs = keras.Input((4,))
    other = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs))
    with pytest.raises(ValueError, match="named 'probabilities', got none"):
        set_temperature(other, 2.0)
    average = average_models([member(0), member(1)], [0.5, 0.5])
    with pytest.raises(ValueError, match="named 'probabilities', got Add"):
        set_temperature(average, 2.0)
    linear = keras.Model(inputs, keras.layers.Dense(2, name="probabilities")(inputs))
    with pytest.raises(ValueError, match="must have a Dense softmax layer"):
        set_temperature(linear, 2.0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperature_is_above_0(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be a number above 0"):
        set_temperature(member(0), temperature)
    with pytest.raises(ValueError, match="temperature must be a number above 0"):
        average_models([member(0)], [1.0], temperature=temperature)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
def test_the_average_is_the_weighted_mean(temperature: float) -> None:
    members = [member(0), member(1), member(2, family="plain")]
    weights = [0.5, 0.3, 0.2]
    average = average_models(members, weights, temperature=temperature)
    mean = np.average([predict(model) for model in members], axis=0, weights=weights)
    np.testing.assert_allclose(predict(average), soften(mean, temperature), atol=1e-6)
    assert average.layers[-1].name == "probabilities"
    assert average.output.dtype == "float32"
    names = [layer.name for layer in average.layers if isinstance(layer, keras.Model)]
    assert names == ["member_1", "member_2", "member_3"]


def test_one_member_with_temperature_is_that_member_with_it() -> None:
    alone = member(0)
    average = average_models([alone], [1.0], temperature=1.7)
    found = predict(average)
    set_temperature(alone, 1.7)
    np.testing.assert_allclose(found, predict(alone), atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_a_mirrored_member_counts_with_the_mean_of_both_answers(
    tmp_path: Path, temperature: float
) -> None:
    alone = member(0)
    both = average_models([alone], [1.0], temperature=temperature, mirrored=True)
    mean = (predict(alone) + predict(alone, IMAGES[:, :, ::-1])) / 2
    np.testing.assert_allclose(predict(both), soften(mean, temperature), atol=1e-6)
    np.testing.assert_allclose(predict(both), predict(both, IMAGES[:, :, ::-1]), atol=1e-6)
    mixed = average_models([both, member(1, side=12)], [0.5, 0.5])
    mixed.save(tmp_path / "mixed.keras")
    loaded = keras.models.load_model(tmp_path / "mixed.keras", compile=False)
    np.testing.assert_array_equal(predict(loaded), predict(mixed))


def test_smaller_members_get_rounded_resized_images() -> None:
    large, small = member(0), member(1, side=8, family="plain")
    average = average_models([small, large], [0.25, 0.75])
    assert average.input_shape == (None, 16, 16, 1)
    assert average.input.dtype == "uint8"
    halves = IMAGES.astype(np.float64)
    # The antialiasing triangle of half the size, along both sides.
    kernel = np.zeros((8, 16))
    for row in range(8):
        distance = np.abs(np.arange(16) + 0.5 - 2 * (row + 0.5)) / 2
        kernel[row] = np.maximum(0, 1 - distance)
    kernel /= kernel.sum(axis=1, keepdims=True)
    halves = np.einsum("ij,njkc,lk->nilc", kernel, halves, kernel)
    expected = 0.25 * predict(small, np.rint(halves).astype(np.uint8)) + 0.75 * predict(large)
    np.testing.assert_allclose(predict(average), expected, atol=1e-3)
    resized = average.get_layer("resize_1")(IMAGES)
    assert np.abs(np.asarray(resized, np.float64) - halves).max() <= 0.5 + 1e-3


def test_a_call_without_training_predicts(tmp_path: Path) -> None:
    average = average_models([member(0, side=8), member(1)], [0.5, 0.5])
    expected = predict(average)
    average.save(tmp_path / "average.keras")
    loaded = keras.models.load_model(tmp_path / "average.keras", compile=False)
    for model in (average, loaded, keras.models.clone_model(average)):
        model.set_weights(average.get_weights())
        weights = model.get_weights()
        np.testing.assert_allclose(np.asarray(model(IMAGES)), expected, atol=1e-6)
        for before, after in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_a_probability_of_0_leaves_a_gradient() -> None:
    import tensorflow as tf

    sure = member(0)
    set_temperature(sure, 1e-4)
    average = average_models([sure], [1.0], temperature=2.0)
    watched = keras.Model(average.input, [average.get_layer("share_1").output, average.output])
    assert predict(sure).min() == 0
    with tf.GradientTape() as tape:
        shares, probabilities = watched(IMAGES)
        top = tf.reduce_sum(tf.reduce_max(probabilities, axis=1))
    assert np.asarray(shares).min() == 0
    gradients = tape.gradient(top, sure.trainable_variables)
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)


def test_prediction_and_flops_work_as_for_any_model() -> None:
    members = [member(0), member(1, side=8)]
    average = average_models(members, [0.5, 0.5], temperature=1.5)
    found = predict_rows(compile_prediction(average), IMAGES, np.array([3, 0]))
    np.testing.assert_allclose(found, predict(average)[[3, 0]], atol=1e-6)
    assert count_flops(average) >= sum(count_flops(model) for model in members)
    assert average.count_params() == sum(model.count_params() for model in members)


@pytest.mark.parametrize("temperature", [1.0, 1.6])
def test_saved_averages_keep_their_members_apart(tmp_path: Path, temperature: float) -> None:
    paths = [tmp_path / "first.keras", tmp_path / "second.keras"]
    for seed, path in enumerate(paths):
        member(seed).save(path)
    members = [keras.models.load_model(path, compile=False) for path in paths]
    average = average_models(members, [0.4, 0.6], temperature=temperature)
    average.save(tmp_path / "average.keras")
    loaded = keras.models.load_model(tmp_path / "average.keras", compile=False)
    mean = 0.4 * predict(members[0]) + 0.6 * predict(members[1])
    np.testing.assert_allclose(predict(loaded), soften(mean, temperature), atol=1e-6)
    assert np.abs(predict(members[0]) - predict(members[1])).max() > 0.01
    assert b"autocnn" not in (tmp_path / "average.keras").read_bytes()


def test_a_saved_average_loads_without_autocnn(tmp_path: Path) -> None:
    members = [member(0), member(1), member(2, side=8, family="separable")]
    average = average_models(members, [0.5, 0.3, 0.2], temperature=1.3)
    average.save(tmp_path / "average.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    names = ("average.keras", "images.npy", "found.npy")
    command = [sys.executable, "-c", SUBPROCESS, *(str(tmp_path / name) for name in names)]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), predict(average), atol=1e-6)


def test_members_must_fit_together() -> None:
    grey = member(0)
    with pytest.raises(ValueError, match=r"number of channels, got \[1, 3\]"):
        average_models([grey, member(1, channels=3)], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"number of classes, got \[2, 3\]"):
        average_models([grey, member(1, classes=2)], [0.5, 0.5])
    with pytest.raises(ValueError, match="members must be different models, got 2"):
        average_models([grey, grey], [0.5, 0.5])
    with pytest.raises(ValueError, match="members must be different models, got 0"):
        average_models([], [])


@pytest.mark.parametrize("weights", [[0.5], [0.5, 0.4], [1.5, -0.5], [1.0, 0.0]])
def test_weights_are_shares(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights must be"):
        average_models([member(0), member(1)], weights)
