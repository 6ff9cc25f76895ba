"""Networks with operations that converters stumble over, in the formats' own runtimes."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from autocnn.core.quiet import silent_stderr
from autocnn.core.records import Fit, Params
from autocnn.data import decode_image
from autocnn.inference.export.conversion import convert_to_lite, convert_to_onnx
from autocnn.inference.export.graphs import ServedModel, lite_graph
from autocnn.inference.predict.runtimes import LiteRTRuntime
from autocnn.training.networks import build_model

TINY: Params = {
    "num_stages": 1,
    "blocks_per_stage": 1,
    "width": 8,
    "activation": "gelu",
    "normalization": "group",
    "squeeze_excitation": True,
}


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3)).astype(np.uint8)


@contextlib.contextmanager
def converting() -> Iterator[None]:
    """As in a worker, whose words go to a file."""
    with warnings.catch_warnings(), silent_stderr(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.slow
def test_gelu_and_constants_of_layers_become_onnx(images: NDArray[np.uint8]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    inputs = keras.Input((12, 12, 3), dtype="uint8")
    normalized = layers.Normalization(mean=[100.0, 90.0, 80.0], variance=[9.0, 4.0, 1.0])
    inner = build_model(TINY, (12, 12, 3), 3)
    x = layers.GlobalAveragePooling2D()(normalized(layers.Rescaling(1.0)(inputs)))
    both = layers.Concatenate()([inner(inputs), layers.Dense(3, activation="gelu")(x)])
    network = keras.Model(inputs, layers.Dense(3, activation="softmax")(both))
    with converting():
        content = convert_to_onnx(ServedModel(network, None))
    session = onnxruntime.InferenceSession(content)
    assert [given.name for given in session.get_inputs()] == ["image"]
    (found,) = session.run(["probabilities"], {"image": images})
    assert np.allclose(found, network(images, training=False), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_images_that_are_not_square_become_squares_in_onnx(fit: Fit) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    inputs = keras.Input((12, 12, 3), dtype="uint8")
    network = keras.Model(inputs, layers.Flatten()(layers.Rescaling(1.0)(inputs)))
    with converting():
        content = convert_to_onnx(ServedModel(network, None, fit=fit))
    session = onnxruntime.InferenceSession(content)
    for shape in ((31, 64, 3), (64, 31, 3), (20, 20, 3)):
        image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        (found,) = session.run(["probabilities"], {"image": image[None]})
        wanted = decode_image(image, side=12, channels="rgb", fit=fit)
        assert np.abs(found[0] - wanted.ravel()).max() <= 1


@pytest.mark.slow
def test_int8_halves_a_litert_file_and_more(images: NDArray[np.uint8], tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    network = build_model({"num_stages": 2, "width": 16}, (12, 12, 3), 3)
    wanted = np.asarray(network(images, training=False))
    lite = lite_graph(network)
    path = tmp_path / "model.tflite"
    sizes = []
    for options in ({}, {"has_int8_weights": True}, {"calibration": images}):
        with converting():
            path.write_bytes(convert_to_lite(lite, **options))
            found = LiteRTRuntime(path, 1).predict(images).probabilities
        sizes.append(path.stat().st_size)
        assert np.abs(found - wanted).max() < (0.1 if options else 1e-5)
    assert max(sizes[1:]) < sizes[0] / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "side", "channels"),
    [("plain", 7, 1), ("resnet", 31, 3), ("separable", 13, 3), ("resnet", 9, 1)],
)
def test_formats_agree_at_odd_sizes_and_in_batches_of_any_size(
    family: str, side: int, channels: int, tmp_path: Path
) -> None:
    """Strides and paddings of odd sides differ from those of even ones between runtimes."""
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    keras.utils.set_random_seed(0)
    params: Params = {"family": family, "num_stages": 2, "width": 8}
    network = build_model(params, (side, side, channels), 3)
    rng = np.random.default_rng(side)
    images = rng.integers(0, 256, (17, side, side, channels)).astype(np.uint8)
    coloured = np.repeat(images, 3, axis=3) if channels == 1 else images
    with converting():
        onnx = onnxruntime.InferenceSession(convert_to_onnx(ServedModel(network, None)))
        (tmp_path / "model.tflite").write_bytes(convert_to_lite(lite_graph(network)))
    litert = LiteRTRuntime(tmp_path / "model.tflite", 1)
    wanted = np.asarray(network(images, training=False))
    assert np.ptp(wanted, axis=0).max() > 1e-3, "it does tell images apart"
    for number in (1, 2, 3, 17, 5):
        (found,) = onnx.run(["probabilities"], {"image": coloured[:number]})
        assert np.abs(found - wanted[:number]).max() < 1e-5, number
        found = litert.predict(images[:number]).probabilities
        assert np.abs(found - wanted[:number]).max() < 1e-5, number
