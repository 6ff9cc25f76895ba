"""Model files of every kind of brokenness, and what is loaded of a whole one."""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.core.errors import ExportError, MissingExtraError, UsageError
from autocnn.core.extras import install_line
from autocnn.core.records import ExportMetadata, Familiarity, ModelInput
from autocnn.inference.export.graphs import keras_graph
from autocnn.inference.predict.runtimes import import_extra, open_keras, open_runtime, sha256_of
from autocnn.metrics.familiarity import calibrate_familiarity, neighbour_distances
from autocnn.training.networks import build_model
from autocnn.training.networks.features import feature_model


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build_model({"num_stages": 1, "blocks_per_stage": 1, "width": 8}, (12, 12, 1), 3)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (300, 12, 12, 1)).astype(np.uint8)


def metadata(folder: Path, **changes: object) -> ExportMetadata:
    facts: dict[str, object] = {
        "format": "keras",
        "model": "model.keras",
        "study": "mine",
        "candidate": 1,
        "kind": "refit",
        "class_names": ("a", "b", "c"),
        "is_calibrated": False,
        "input": ModelInput(shape=(None, None, None, 3), height=12, width=12, is_grey=True),
        "sha256": {"model.keras": sha256_of(folder / "model.keras")},
    }
    return ExportMetadata.model_validate(facts | changes)


def write_familiarity(network: keras.Model, images: NDArray[np.uint8], path: Path) -> Familiarity:
    features = np.asarray(feature_model(network)(images))
    reference = calibrate_familiarity(features, features, features, num_classes=3)
    np.savez(path, allow_pickle=False, **dict(reference.arrays()))
    return reference.facts


def test_a_candidate_s_model_predicts_and_measures_distances(
    network: keras.Model, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    network.save(tmp_path / "model.keras")
    facts = write_familiarity(network, images[:50], tmp_path / "familiarity.npz")
    runtime = open_keras(
        tmp_path / "model.keras", familiarity_path=tmp_path / "familiarity.npz", threads=1
    )
    assert runtime.name == f"keras {keras.__version__}"
    found = runtime.predict(images)  # more than a batch
    features = np.asarray(feature_model(network)(images))
    wanted = neighbour_distances(features, features[:50], facts.neighbours)
    assert found.distances is not None
    assert found.probabilities.dtype == found.distances.dtype == np.float32
    assert np.allclose(found.probabilities, network(images, training=False), atol=1e-6)
    assert np.allclose(found.distances, wanted, atol=1e-5)
    plain = open_keras(tmp_path / "model.keras", familiarity_path=None, threads=1)
    assert plain.predict(images[:1]).distances is None


def test_an_export_is_the_same_model_with_distances(
    network: keras.Model, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    keras_graph(network).save(tmp_path / "model.keras")
    facts = write_familiarity(network, images[:50], tmp_path / "familiarity.npz")
    described = metadata(tmp_path, familiarity=facts)
    found = open_runtime(described, tmp_path, threads=1).predict(np.repeat(images[:9], 3, axis=3))
    assert np.allclose(found.probabilities, network(images[:9], training=False), atol=1e-6)
    assert found.distances is not None
    assert (found.distances >= -1e-5).all()
    assert open_runtime(described, tmp_path, threads=1).predict(
        np.zeros((2, 31, 17, 3), np.uint8)
    ).probabilities.shape == (2, 3)


def test_a_changed_or_cut_file_is_refused_before_it_is_loaded(
    network: keras.Model, tmp_path: Path
) -> None:
    path = tmp_path / "model.keras"
    keras_graph(network).save(path)
    described = metadata(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ExportError, match="got another content") as caught:
        open_runtime(described, tmp_path, threads=1)
    assert caught.value.exit_code == 6
    path.unlink()
    with pytest.raises(ExportError, match="no such file"):
        open_runtime(described, tmp_path, threads=1)


@pytest.mark.parametrize("name", ["keras", "savedmodel", "onnx", "litert"])
def test_a_broken_file_of_any_format_is_told(name: str, tmp_path: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}.get(name, "keras"))
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04 no model")
    with pytest.raises(ExportError, match=r"model\.keras: must be a whole model, got: "):
        open_runtime(metadata(tmp_path, format=name), tmp_path, threads=1)


def write_half(path: Path, network: keras.Model) -> None:
    network.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_foreign(path: Path, network: keras.Model) -> None:
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(path)


def write_lambda(path: Path, network: keras.Model) -> None:
    inputs = keras.Input((12, 12, 1), dtype="uint8")
    x = keras.layers.Lambda(lambda x: x)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, keras.layers.Dense(2)(x)).save(path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (write_half, "whole model"),
        (write_foreign, "a model of autocnn"),
        (write_lambda, "whole model, got: .*ambda"),
    ],
)
def test_a_file_of_another_kind_is_no_candidate(
    write: Callable[[Path, keras.Model], None], words: str, network: keras.Model, tmp_path: Path
) -> None:
    write(tmp_path / "model.keras", network)
    with pytest.raises(ExportError, match=words):
        open_keras(tmp_path / "model.keras", familiarity_path=None, threads=1)
    with pytest.raises(ExportError, match="got none"):
        open_keras(tmp_path / "other.keras", familiarity_path=None, threads=1)


class Trap:
    """Would write a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_pickled_objects_are_never_loaded(network: keras.Model, tmp_path: Path) -> None:
    network.save(tmp_path / "model.keras")
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    with (tmp_path / "familiarity.npz").open("wb") as file:
        np.savez(file, reference=trap, neighbours=1, threshold=0.1, val_share=0.0)
    with pytest.raises(ExportError, match=r"whole familiarity\.npz"):
        open_keras(
            tmp_path / "model.keras", familiarity_path=tmp_path / "familiarity.npz", threads=1
        )
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "changes", [{"model": "../model.keras"}, {"model": "/etc/passwd"}, {"sha256": {"../x": "0"}}]
)
def test_paths_that_leave_the_folder_are_refused(
    changes: dict[str, object], network: keras.Model, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    network.save(tmp_path / "model.keras")
    network.save(folder / "model.keras")
    with pytest.raises(ExportError, match="in this folder"):
        open_runtime(metadata(folder, **changes), folder, threads=1)


def test_a_link_out_of_the_folder_is_refused(network: keras.Model, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    network.save(tmp_path / "elsewhere.keras")
    (folder / "model.keras").symlink_to(tmp_path / "elsewhere.keras")
    with pytest.raises(ExportError, match="in this folder"):
        open_runtime(metadata(folder), folder, threads=1)


def test_a_module_that_the_model_requires_is_named(network: keras.Model, tmp_path: Path) -> None:
    network.save(tmp_path / "model.keras")
    needy = metadata(tmp_path, requires=("no_such_layers",))
    with pytest.raises(ExportError, match="needs the module 'no_such_layers'"):
        open_runtime(needy, tmp_path, threads=1, trust_code=True)


def test_a_module_that_is_not_trusted_is_not_imported(
    network: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export of somebody's, with `python -m autocnn predict . x.png` in its folder."""
    network.save(tmp_path / "model.keras")
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    needy = metadata(tmp_path, requires=("evil",))
    with pytest.raises(UsageError, match="must be trusted before it runs, got evil") as caught:
        open_runtime(needy, tmp_path, threads=1)
    assert "trust_code=True" in caught.value.remedy
    with pytest.raises(SystemExit, match="it ran"):
        open_runtime(needy, tmp_path, threads=1, trust_code=True)


@pytest.mark.parametrize("name", ["..", ".", "", "a/model.keras", "../model.keras", "a\\b"])
def test_a_model_outside_of_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "export" / "a").mkdir(parents=True)
    for place in ("model.keras", "export/a/model.keras"):
        (tmp_path / place).touch()
    with pytest.raises(ExportError, match="must be a name in this folder"):
        open_runtime(metadata(tmp_path, model=name), tmp_path / "export", threads=1)


def test_a_missing_runtime_gives_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError) as caught:
        import_extra("onnxruntime", "onnxruntime")
    assert caught.value.remedy == install_line("onnx")
