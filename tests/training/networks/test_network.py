import itertools
from pathlib import Path

import keras
import numpy as np
import pytest

from autocnn.core.errors import ConfigError
from autocnn.core.records import ParamValue
from autocnn.spaces.files import load_space, shipped_names
from autocnn.spaces.knobs import KNOBS
from autocnn.spaces.space import AnyParameter, Categorical, Float
from autocnn.training.networks import build_model
from autocnn.training.networks.blocks import BlockStyle
from autocnn.training.networks.inference import (
    compile_prediction,
    count_flops,
    measure_latency_ms,
    predict_rows,
)
from autocnn.training.networks.pretrained import fitting_backbones, load_backbone

SMALL: dict[str, ParamValue] = {"width": 4, "num_stages": 2}
USUAL_BACKBONES = ("MobileNetV3Small", "EfficientNetLite0")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), dtype=np.uint8)


@pytest.mark.parametrize("family", ["plain", "resnet", "separable"])
@pytest.mark.parametrize("normalization", ["batch", "group", "none"])
def test_every_family_predicts_probabilities(family: str, normalization: str) -> None:
    params: dict[str, ParamValue] = {**SMALL, "family": family, "normalization": normalization}
    params |= {"stochastic_depth": 0.2, "squeeze_excitation": True, "dropout": 0.1}
    params |= {"head_units": 3}
    model = build_model(params, (16, 16, 1), 3)
    probabilities = np.asarray(model(IMAGES))
    assert probabilities.shape == (5, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "stride", "stages"), list(itertools.product([8, 9, 28], [1, 4], [1, 6]))
)
def test_small_and_odd_images_fit_every_depth(side: int, stride: int, stages: int) -> None:
    params = {"width": 4, "num_stages": stages, "stem_stride": stride}
    assert build_model(params, (side, side, 3), 2).output_shape == (None, 2)


@pytest.mark.slow
def test_images_need_not_be_square() -> None:
    families: list[dict[str, ParamValue]] = [{}, {"family": "pretrained"}]
    for params in families:
        model = build_model({**SMALL, "num_stages": 6, **params}, (32, 40, 1), 2, weights=None)
        assert model(np.zeros((1, 32, 40, 1), np.uint8)).shape == (1, 2)


@pytest.mark.parametrize("pooling", ["avg", "max", "avg_max"])
def test_pooling_decides_the_length_of_the_features(pooling: str) -> None:
    model = build_model({**SMALL, "pooling": pooling}, (16, 16, 1), 2)
    expected = 16 if pooling == "avg_max" else 8
    assert model.layers[-1].input.shape[-1] == expected


def test_params_change_the_network() -> None:
    def weights(**params: ParamValue) -> int:
        return int(build_model({**SMALL, **params}, (16, 16, 1), 2).count_params())

    base = weights()
    assert weights(width=8) > base
    assert weights(blocks_per_stage=2) > base
    assert weights(kernel_size=5) > base
    assert weights(squeeze_excitation=True) > base
    assert weights(family="separable") < base


def test_activation_is_the_one_asked_for() -> None:
    model = build_model({**SMALL, "activation": "silu"}, (16, 16, 1), 2)
    used = {
        layer.activation.__name__
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation)
    }
    assert used == {"silu"}


def test_group_normalisation_divides_any_width() -> None:
    for width in (4, 10, 13, 24):
        build_model({"width": width, "num_stages": 1, "normalization": "group"}, (8, 8, 1), 2)
    assert BlockStyle(3, "group", "relu", squeeze_excitation=False).kernel_size == 3


@pytest.mark.parametrize("name", [n for n in shipped_names() if n != "transfer"])
def test_every_shipped_space_builds(name: str) -> None:
    rng = np.random.default_rng(0)

    def pick(parameter: AnyParameter) -> ParamValue:
        if isinstance(parameter, Categorical):
            return parameter.choices[int(rng.integers(len(parameter.choices)))]
        if isinstance(parameter, Float):
            return float(rng.uniform(parameter.low, parameter.high))
        return parameter.low

    for _ in range(3):
        params = {**load_space(name).walk(pick), "width": 8}
        assert build_model(params, (32, 32, 1), 4).output_shape == (None, 4)


def test_a_saved_model_needs_no_autocnn(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = build_model({**SMALL, "stochastic_depth": 0.3}, (16, 16, 1), 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(IMAGES), model(IMAGES), atol=1e-6)
    assert b"autocnn" not in (tmp_path / "model.keras").read_bytes()


def test_prediction_follows_the_rows_and_the_weights() -> None:
    model = build_model(SMALL, (16, 16, 1), 2)
    predict = compile_prediction(model)
    rows = np.array([3, 0])
    expected = np.asarray(model(IMAGES[rows]))
    np.testing.assert_allclose(predict_rows(predict, IMAGES, rows), expected, atol=1e-5)
    model.set_weights([weight * 0 for weight in model.get_weights()])
    np.testing.assert_allclose(predict_rows(predict, IMAGES, rows), 0.5, atol=1e-6)


def test_flops_count_the_convolutions() -> None:
    inputs = keras.Input((10, 10, 3), dtype="uint8")
    x = keras.layers.Rescaling(1.0)(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x))
    multiply_adds = 10 * 10 * 9 * 3 * 4
    rescaling = 10 * 10 * 3 * 2
    assert count_flops(model) == 2 * multiply_adds + rescaling
    assert measure_latency_ms(compile_prediction(model), np.zeros((10, 10, 3), np.uint8)) > 0


def test_a_network_that_standardizes_sees_neither_brightness_nor_contrast() -> None:
    keras.utils.set_random_seed(0)
    params: dict[str, ParamValue] = {"width": 4, "num_stages": 2, "standardize": True}
    model = build_model(params, (16, 16, 1), 3)
    images = np.random.default_rng(0).integers(50, 100, (4, 16, 16, 1), dtype=np.uint8)
    seen = predict_rows(compile_prediction(model), images, np.arange(4))
    changed = predict_rows(compile_prediction(model), images * 2 + 20, np.arange(4))
    np.testing.assert_allclose(changed, seen, atol=0.01)
    flat = np.full((1, 16, 16, 1), 7, np.uint8)
    assert np.isfinite(predict_rows(compile_prediction(model), flat, np.arange(1))).all()


@pytest.mark.slow
def test_pretrained_weights_come_from_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    source = load_backbone("MobileNetV3Small", (32, 32), weights=None)
    path = tmp_path / "backbone.weights.h5"
    source.save_weights(path)
    params: dict[str, ParamValue] = {
        "family": "pretrained",
        "backbone": "MobileNetV3Small",
        "trainable_fraction": 0.3,
    }
    model = build_model(params, (32, 32, 1), 3, weights=str(path))
    backbone = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    for mine, theirs in zip(backbone.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    trained = [layer.trainable for layer in backbone.layers]
    assert not any(trained[: round(len(trained) * 0.7)])
    assert trained[-1]
    names = ("EfficientNetB0", "MobileNetV3Small")
    assert fitting_backbones(names, 32, weights=str(path)) == ("MobileNetV3Small",)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["imagenet", "backbone.weights.h5", "backbone.keras"])
def test_efficientnet_sees_images_alike_wherever_its_weights_come_from(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
    source = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    source.layers[2].set_weights([mean, deviation, np.int32(0)])  # as published
    source.save_weights(tmp_path / "backbone.weights.h5")
    source.save(tmp_path / "backbone.keras")
    monkeypatch.setattr(
        "keras.src.applications.efficientnet.file_utils.get_file",
        lambda *_, **__: str(tmp_path / "backbone.weights.h5"),
    )
    params: dict[str, ParamValue] = {"family": "pretrained", "backbone": "EfficientNetB0"}
    weights = form if form == "imagenet" else str(tmp_path / form)
    trained = build_model(params, (32, 32, 3), 3, weights=weights)
    backbone = next(layer for layer in trained.layers if isinstance(layer, keras.Model))
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    scaled = keras.Model(backbone.input, backbone.get_layer(index=2).output)(images)
    np.testing.assert_allclose(scaled, (images / 255 - mean) / deviation, atol=1e-5)
    saved = build_model(params, (32, 32, 3), 3, weights=None)  # as the end of a training does
    saved.set_weights(trained.get_weights())
    saved.save(tmp_path / "model.keras")
    found = keras.models.load_model(tmp_path / "model.keras")(images)
    np.testing.assert_allclose(found, trained(images), atol=1e-6)


def test_weights_that_fit_nothing_say_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "junk.weights.h5"
    path.write_bytes(b"junk")
    with pytest.raises(ConfigError, match=r"junk\.weights\.h5: must hold the weights"):
        fitting_backbones(("MobileNetV3Small",), 32, weights=str(path))


def test_a_torch_file_is_judged_as_one(tmp_path: Path) -> None:
    path = tmp_path / "junk.pth"
    path.write_bytes(b"junk")
    with pytest.raises(ConfigError, match=r"of EfficientNetLite0 .* no state dict of PyTorch"):
        fitting_backbones(("MobileNetV2", "EfficientNetLite0"), 32, weights=str(path))


def test_without_network_the_message_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise Exception("URL fetch failure: no network")

    monkeypatch.setattr(keras.applications, "MobileNetV3Small", refuse)
    with pytest.raises(ConfigError, match="no network") as caught:
        fitting_backbones(("MobileNetV3Small",), 32, weights="imagenet")
    assert "--weights FILE" in caught.value.remedy


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in USUAL_BACKBONES else pytest.mark.full)
        for name in KNOBS["backbone"].choices
    ],
)
def test_each_backbone_takes_its_weights_from_a_saved_model(name: str, tmp_path: Path) -> None:
    source = load_backbone(name, (32, 32), weights=None)
    source.save(tmp_path / "backbone.keras")
    found = load_backbone(name, (32, 32), weights=str(tmp_path / "backbone.keras"))
    for mine, theirs in zip(found.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    params: dict[str, ParamValue] = {"family": "frozen", "backbone": name}
    model = build_model(params, (32, 32, 3), 3, weights=None)
    assert [tuple(w.shape) for w in model.trainable_weights][1:] == [(3,)], "its output alone"


@pytest.mark.parametrize("weights", ["imagenet", None])
def test_a_backbone_that_takes_larger_images_says_so(weights: str | None) -> None:
    with pytest.raises(ConfigError, match=r"got 16 x 16 px: .* at least 32x32.* larger image_size"):
        load_backbone("MobileNetV2", (16, 16), weights=weights)
