from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.core.records import ParamValue
from autocnn.data.sources.phantoms import Mark, make_phantoms
from autocnn.training.networks import build_model
from autocnn.training.networks.average import average_models, set_temperature
from autocnn.training.networks.grad_cam import GradCam, randomize_weights

pytestmark = pytest.mark.slow

FloatMaps = NDArray[np.float32]
SIDE = 64
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 24, 24, 1), dtype=np.uint8)
CLASSES = np.array([0, 1, 2, 0, 1])


class Marked:
    """Phantoms of which one class has a cross somewhere, as train and held-out images."""

    def __init__(self, number_per_class: int, *, seed: int) -> None:
        drawn = make_phantoms(number_per_class, side=SIDE, seed=seed, mark=Mark("glioma"))
        self.images = drawn.images[..., None]
        self.labels = (drawn.labels == drawn.class_names.index("glioma")).astype(np.int64)
        self.rows = np.flatnonzero(self.labels)
        self.inside = np.zeros((len(self.rows), SIDE, SIDE), bool)
        for mask, row in zip(self.inside, self.rows, strict=True):
            box = drawn.mark_boxes[row]
            assert box is not None
            mask[box.top : box.bottom, box.left : box.right] = True

    def find(self, model: keras.Model) -> tuple[float, float]:
        """Share of the marked images whose maximum is on the mark; attention there / area."""
        found = GradCam(model)(self.images[self.rows], np.ones(len(self.rows), np.int64))
        peaks = found.reshape(len(found), -1).argmax(axis=1)
        hits = self.inside.reshape(len(found), -1)[np.arange(len(found)), peaks]
        shares = np.where(self.inside, found, 0).sum(axis=(1, 2)) / self.inside.mean(axis=(1, 2))
        return float(hits.mean()), float(shares.mean())


def train(params: dict[str, ParamValue], data: Marked, *, epochs: int = 6) -> keras.Model:
    model = build_model(params, (SIDE, SIDE, 1), 2)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
    optimizer = keras.optimizers.AdamW(3e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        order = rng.permutation(len(data.images))
        for start in range(0, len(order) - 31, 32):
            rows = order[start : start + 32]
            model.train_on_batch(data.images[rows], data.labels[rows])
    return model


@pytest.fixture(scope="module")
def held_out() -> Marked:
    return Marked(25, seed=2)


@pytest.fixture(scope="module")
def trained() -> Iterator[list[keras.Model]]:
    """A plain and a residual network that have learned the mark."""
    keras.utils.set_random_seed(0)
    data = Marked(80, seed=1)
    plain: dict[str, ParamValue] = {"family": "plain", "width": 8, "num_stages": 3}
    plain["stem_stride"] = 2
    yield [train(params, data) for params in (plain, {**plain, "family": "resnet"})]


def test_maps_find_a_planted_mark(trained: list[keras.Model], held_out: Marked) -> None:
    for model in trained:
        top = np.asarray(model.predict_on_batch(held_out.images)).argmax(axis=1)
        assert (top == held_out.labels).mean() > 0.9
        hits, ratio = held_out.find(model)
        assert hits >= 0.8
        assert ratio > 4


def test_an_average_of_both_finds_it_too(trained: list[keras.Model], held_out: Marked) -> None:
    hits, ratio = held_out.find(average_models(trained, [0.5, 0.5], temperature=1.4))
    assert hits >= 0.8
    assert ratio > 4


def test_random_weights_do_not_find_it(trained: list[keras.Model], held_out: Marked) -> None:
    """A cross is the brightest thing there is, so random weights often see it, but dimly."""
    for model in (*trained, average_models(trained, [0.5, 0.5])):
        found = [held_out.find(randomize_weights(model, seed=seed)) for seed in range(3)]
        assert np.mean([hits for hits, _ in found]) < 0.7
        assert max(ratio for _, ratio in found) < held_out.find(model)[1] / 2


@pytest.mark.parametrize(
    "params",
    [
        {"family": "plain", "squeeze_excitation": True, "pooling": "max"},
        {"family": "resnet", "stochastic_depth": 0.2, "dropout": 0.1, "pooling": "avg_max"},
        {"family": "separable", "squeeze_excitation": True, "head_units": 4},
        {"family": "resnet", "normalization": "group", "stem_stride": 4, "num_stages": 4},
    ],
)
def test_every_family_has_maps_that_add_up_to_1(params: dict[str, ParamValue]) -> None:
    model = build_model({"width": 8, "num_stages": 2, **params}, (24, 24, 1), 3)
    before = np.asarray(model(IMAGES))
    maps = GradCam(model)(IMAGES, CLASSES)
    assert maps.shape == (5, 24, 24)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)
    assert (maps.std(axis=(1, 2)) > 0).all()
    np.testing.assert_array_equal(np.asarray(model(IMAGES)), before)  # left as it was


def test_a_frozen_backbone_inside_the_model_has_maps_too() -> None:
    params: dict[str, ParamValue] = {"family": "pretrained", "trainable_fraction": 0.0}
    model = build_model(params, (48, 48, 1), 3, weights=None)
    images = RNG.integers(0, 256, (2, 48, 48, 1), dtype=np.uint8)
    maps = GradCam(model)(images, np.array([0, 2]))
    assert maps.shape == (2, 48, 48)
    assert (maps.std(axis=(1, 2)) > 0).all()
    again = randomize_weights(model, seed=1)
    assert not np.allclose(GradCam(again)(images, np.array([0, 2])), maps, atol=1e-7)


def test_images_need_not_be_square() -> None:
    model = build_model({"family": "resnet", "width": 8, "num_stages": 2}, (32, 20, 3), 3)
    maps = GradCam(model)(RNG.integers(0, 256, (2, 32, 20, 3), dtype=np.uint8), CLASSES[:2])
    assert maps.shape == (2, 32, 20)


def test_small_images_use_their_finest_map() -> None:
    model = build_model({"family": "plain", "width": 8, "num_stages": 3}, (8, 8, 1), 3)
    maps = GradCam(model)(IMAGES[:, :8, :8], CLASSES)
    assert (maps.std(axis=(1, 2)) > 0).all()


def test_the_map_is_hirescam_of_the_centred_logit() -> None:
    inputs = keras.Input((24, 24, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    features = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    head = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(inputs, head(pooled))
    # A channel for each class, all of them active somewhere.
    kernel = np.random.default_rng(1).normal(size=(3, 3, 1, 4))
    model.set_weights([kernel, np.zeros(4), np.eye(4, 3), np.zeros(3)])
    maps = GradCam(model)(IMAGES, CLASSES)
    kernel = head.kernel.numpy()
    weights = (kernel - kernel.mean(axis=1, keepdims=True)).T[CLASSES]  # CAM: (n, channels)
    activations = np.asarray(keras.Model(inputs, features)(IMAGES))
    expected = np.maximum(np.einsum("nhwc,nc->nhw", activations, weights), 0)
    centre = (expected * np.arange(24)).sum(axis=2).sum(axis=1) / expected.sum(axis=(1, 2))
    found = (maps * np.arange(24)).sum(axis=2).sum(axis=1)
    np.testing.assert_allclose(found, centre, atol=0.3)  # smoothing moves it a little


def test_a_map_without_evidence_is_even() -> None:
    model = build_model({"family": "plain", "width": 8, "num_stages": 2}, (24, 24, 1), 3)
    model.layers[-1].set_weights([np.zeros((16, 3)), np.array([1.0, 0.0, 0.0])])
    maps = GradCam(model)(IMAGES, CLASSES)
    np.testing.assert_allclose(maps, 1 / 24**2, rtol=1e-5)


def test_a_member_weighs_in_the_map_what_it_weighs_in_the_model(tmp_path: Path) -> None:
    small = build_model({"family": "plain", "width": 8, "num_stages": 2}, (24, 24, 1), 3)
    large = build_model({"family": "resnet", "width": 8, "num_stages": 2}, (32, 32, 1), 3)
    images = RNG.integers(0, 256, (40, 32, 32, 1), dtype=np.uint8)
    classes = RNG.integers(0, 3, 40)

    def maps_with(weight: float) -> FloatMaps:
        return GradCam(average_models([small, large], [weight, 1 - weight]))(images, classes)

    np.testing.assert_allclose(maps_with(1e-6), GradCam(large)(images, classes), atol=1e-6)
    expected = 0.25 * maps_with(1 - 1e-6) + 0.75 * maps_with(1e-6)
    np.testing.assert_allclose(maps_with(0.25), expected, atol=1e-6)
    average_models([small, large], [0.25, 0.75]).save(tmp_path / "average.keras")
    loaded = keras.models.load_model(tmp_path / "average.keras", compile=False)
    np.testing.assert_allclose(GradCam(loaded)(images, classes), expected, atol=1e-6)


def test_a_temperature_changes_no_map() -> None:
    model = build_model({"family": "plain", "width": 8, "num_stages": 2}, (24, 24, 1), 3)
    before = GradCam(model)(IMAGES, CLASSES)
    set_temperature(model, 2.5)
    np.testing.assert_allclose(GradCam(model)(IMAGES, CLASSES), before, atol=1e-7)


def test_random_weights_come_from_the_seed_alone() -> None:
    model = build_model({"family": "resnet", "width": 8, "num_stages": 2}, (24, 24, 1), 3)
    before = model.get_weights()
    first, again, other = (randomize_weights(model, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], before[0])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_no_images_give_no_maps() -> None:
    model = build_model({"family": "plain", "width": 8, "num_stages": 1}, (24, 24, 1), 2)
    assert GradCam(model)(IMAGES[:0], CLASSES[:0]).shape == (0, 24, 24)


def test_a_model_without_softmax_or_maps_is_refused() -> None:
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1.0)(inputs))
    with pytest.raises(ValueError, match="feature map of at least 4 channels, got none"):
        GradCam(keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(flat)))
    features = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1.0)(inputs))
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(features))
    with pytest.raises(ValueError, match="must end in a Dense softmax layer, got Dense"):
        GradCam(keras.Model(inputs, outputs))
