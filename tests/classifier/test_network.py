"""The winner: images as it takes them, rows that add up to 1, pickles; and its study's name."""

import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.classifier.network import OwnFiles, WinningNetwork
from autocnn.core.own_model import OwnModel
from autocnn.core.records import ModelInput
from autocnn.inference.predict.reading import read_image
from autocnn.inference.predict.runtimes import Outputs

GREY = ModelInput(shape=(None, 4, 4, 1), height=4, width=4, is_grey=True, read_as="grey")


class Recorder:
    """A runtime that keeps what it is given."""

    name = "recorder"
    images: NDArray[np.uint8]

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        self.images = images
        third = np.full((len(images), 3), 1 / 3, np.float32)
        return Outputs(probabilities=third, distances=None)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(WinningNetwork, "_load", lambda network: recorder)
    return recorder


def test_images_of_its_size_reach_it_untouched(recorder: Recorder) -> None:
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4, 1)
    WinningNetwork(b"", GREY).predict(images)
    assert recorder.images is images


@pytest.mark.parametrize("axes", [(8, 6, 1), (4, 4, 3)])
def test_others_are_read_as_the_study_read_its_own(
    recorder: Recorder, axes: tuple[int, ...]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *axes), np.uint8)
    WinningNetwork(b"", GREY).predict(images)
    assert recorder.images.shape == (3, 4, 4, 1)
    assert np.array_equal(recorder.images[1], read_image(images[1], GREY))


def test_rows_add_up_to_1_in_64_bits(recorder: Recorder) -> None:
    probabilities = WinningNetwork(b"", GREY).predict(np.zeros((2, 4, 4, 1), np.uint8))
    assert probabilities.dtype == np.float64
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-15


def test_a_pickle_holds_the_file_and_not_what_was_loaded(recorder: Recorder) -> None:
    network = WinningNetwork(b"content", GREY)
    before = pickle.dumps(network)
    network.predict(np.zeros((1, 4, 4, 1), np.uint8))
    assert pickle.dumps(network) == before
    copy = pickle.loads(before)
    assert (copy.content, copy.taken) == (b"content", GREY)


def test_a_pickle_holds_the_files_of_a_model_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    source = b"NUMBER = 7\ndef build(params, image_shape, num_classes): ...\n"
    path = tmp_path / "net_in_a_pickle.py"
    path.write_bytes(source)
    files = {path.name: hashlib.sha256(source).hexdigest()}
    own_files = OwnFiles.of(OwnModel(path, "build", files))
    content = pickle.dumps(WinningNetwork(b"content", GREY, own_files))
    path.unlink()
    try:
        for _ in range(2):  # a second model of the same files, in the same process
            copy = pickle.loads(content)
            assert copy.own_files is not None
            copy.own_files.register()
        assert sys.modules["net_in_a_pickle"].NUMBER == 7
    finally:
        sys.modules.pop("net_in_a_pickle", None)
