"""Networks with all that comes before and after them, from tiny untrained models."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from autocnn.inference.export.graphs import ServedModel, keras_graph, lite_graph, portable
from autocnn.inference.metadata import has_own_layers
from autocnn.metrics.familiarity import calibrate_familiarity, neighbour_distances
from autocnn.training.networks import build_model
from autocnn.training.networks.average import average_models, members_of
from autocnn.training.networks.features import feature_model, model_with_features

TINY = {"num_stages": 1, "blocks_per_stage": 1, "width": 8}


@pytest.fixture(scope="module")
def grey() -> keras.Model:
    return build_model(TINY, (12, 12, 1), 3)


@pytest.fixture(scope="module")
def mixed() -> keras.Model:
    """An ensemble of two sizes, with a temperature; the smaller is asked for mirror images too."""
    members = [build_model(TINY, (side, side, 1), 3) for side in (16, 10)]
    members[1] = average_models(members[1:], [1.0], temperature=0.8, mirrored=True)
    return average_models(members, [0.6, 0.4], temperature=1.4)


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(np.uint8)


def to_grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.fromarray(i).convert("L")) for i in images])[..., None]


def test_a_keras_export_takes_colour_and_any_size(grey: keras.Model) -> None:
    exported = keras_graph(grey)
    assert exported.input_shape == (None, None, None, 3)
    assert exported.output_names == ["probabilities"]
    images = noise(4, 12, 12, 3)
    wanted = np.asarray(grey(to_grey(images), training=False))
    assert np.allclose(exported(images, training=False), wanted, atol=1e-6)
    assert np.asarray(exported(noise(2, 30, 25, 3), training=False)).shape == (2, 3)


def test_a_served_model_agrees_and_measures_distances(grey: keras.Model, tmp_path: Path) -> None:
    images = noise(6, 12, 12, 3)
    pixels = to_grey(images)
    features = np.asarray(feature_model(grey)(to_grey(noise(40, 12, 12, 3))))
    reference = calibrate_familiarity(features, features, features, num_classes=3)
    np.savez(tmp_path / "familiarity.npz", allow_pickle=False, **dict(reference.arrays()))
    served = ServedModel(grey, tmp_path / "familiarity.npz")
    found = served.serve(tf.constant(images))
    assert served.outputs == ("probabilities", "distance")
    assert np.allclose(found["probabilities"], grey(pixels, training=False), atol=1e-6)
    own = np.asarray(feature_model(grey)(pixels))
    wanted = neighbour_distances(own, reference.features, reference.facts.neighbours)
    assert np.allclose(found["distance"], wanted, atol=1e-5)
    assert ServedModel(grey, None).outputs == ("probabilities",)


@pytest.mark.slow
@pytest.mark.parametrize("with_features", [False, True])
def test_an_ensemble_of_two_sizes_stays_the_same(mixed: keras.Model, with_features: bool) -> None:
    images = noise(5, 16, 16, 1)
    found = portable(mixed, with_features=with_features)(images, training=False)
    probabilities = found[0] if with_features else found
    assert np.allclose(probabilities, mixed(images, training=False), atol=1e-6)
    graph = tf.function(lambda x: portable(mixed, with_features=with_features)(x, training=False))
    nodes = graph.get_concrete_function(
        tf.TensorSpec((1, 16, 16, 1), tf.uint8)
    ).graph.get_operations()
    assert not {node.type for node in nodes} & {"ScaleAndTranslate", "ResizeBilinear"}


def test_features_beside_probabilities_are_those_alone(mixed: keras.Model) -> None:
    images = noise(5, 16, 16, 1)
    probabilities, features = model_with_features(mixed)(images, training=False)
    assert np.allclose(probabilities, mixed(images, training=False), atol=1e-6)
    assert np.allclose(features, feature_model(mixed)(images), atol=1e-5)
    large, small = (members_of(mixed)[number] for number in ("1", "2"))
    resized = mixed.get_layer("resize_2")(images)
    apart = [feature_model(large)(images), feature_model(small)(resized)]
    assert np.allclose(features, np.concatenate(apart, axis=1) / np.sqrt(2), atol=1e-5)


def test_a_lite_model_names_its_output(mixed: keras.Model) -> None:
    images = noise(3, 16, 16, 1)
    found = lite_graph(mixed)(images, training=False)
    assert np.allclose(found["probabilities"], mixed(images, training=False), atol=1e-6)


@keras.saving.register_keras_serializable("tests")
class Halve(keras.layers.Layer):  # type: ignore[misc]
    """A layer of somebody's own."""

    def call(self, images: object) -> object:
        return keras.ops.cast(images, "float32") / 2


def test_layers_that_keras_does_not_have_are_found(grey: keras.Model, tmp_path: Path) -> None:
    inputs = keras.Input((12, 12, 1), dtype="uint8")
    x = keras.layers.Flatten()(Halve()(inputs))
    own = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    keras_graph(own).save(tmp_path / "own.keras")
    keras_graph(grey).save(tmp_path / "grey.keras")
    assert has_own_layers(tmp_path / "own.keras")
    assert not has_own_layers(tmp_path / "grey.keras")
