"""What loads a model file and runs it: Keras, TensorFlow, onnxruntime or LiteRT.

Nothing heavy is imported before a model is opened. Nothing is ever unpickled.
"""

import contextlib
import hashlib
import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autocnn.core.errors import ExportError, MissingExtraError
from autocnn.core.extras import install_line
from autocnn.core.keras_import import import_keras, on_tensorflow
from autocnn.core.quiet import silent_stderr
from autocnn.core.records import ExportMetadata
from autocnn.core.trust import check_trusted
from autocnn.execution.machine import batch_size_for
from autocnn.inference.metadata import METADATA_FILE, is_inside
from autocnn.metrics.familiarity import Reference, read_reference

FAMILIARITY_FILE = "familiarity.npz"

PIXELS = "pixels"
"""Layer of an exported .keras whose output is what the network takes."""

NETWORK = "network"
"""Layer of an exported .keras: the candidate's own model."""

EXTRAS = {"onnxruntime": "onnx", "tf2onnx": "onnx", "onnx": "onnx", "ai-edge-litert": "litert"}
"""Package -> the extra that brings it."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model gives for n images.

    Attributes:
        probabilities: (n, classes) float32.
        distances: (n,) float32, how unlike the training images each is; None where the model
            cannot say.
    """

    probabilities: NDArray[np.float32]
    distances: NDArray[np.float32] | None


class Runtime(Protocol):
    """A model that is loaded.

    Attributes:
        name: Of what runs it, with its version: `onnxruntime 1.32.0`.
    """

    name: str

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        """Predict images of one size.

        Args:
            images: (n, height, width, channels) as the file takes them.
        """
        ...


def open_runtime(
    metadata: ExportMetadata, folder: Path, *, threads: int, trust_code: bool = False
) -> Runtime:
    """Load an exported model with its format's own runtime.

    Args:
        metadata: Of the folder.
        folder: Holds the model file.
        threads: For the model; TensorFlow keeps those that it began with.
        trust_code: Whether modules that the folder names may be imported.

    Raises:
        UsageError: When it names some, and they are not trusted.
        ExportError: When the file is absent, changed, broken, or outside of the folder.
        MissingExtraError: When the runtime is not installed.
    """
    path = _find_model(metadata, folder)
    if metadata.format == "keras" and metadata.requires:
        check_trusted(folder, metadata.requires, trust_code=trust_code)
    with _explained(path):
        match metadata.format:
            case "keras":
                _import_required(metadata)
                familiarity = folder / FAMILIARITY_FILE
                return _open_keras(
                    path, familiarity if metadata.familiarity is not None else None, threads
                )
            case "savedmodel":
                return _SavedModel(path, threads)
            case "onnx":
                return _Onnx(path, threads)
            case "litert":
                return LiteRTRuntime(path, threads)


def open_keras(path: Path, *, familiarity_path: Path | None, threads: int) -> Runtime:
    """Load the model of a study's candidate.

    Args:
        path: A .keras file; it is loaded in safe mode.
        familiarity_path: The candidate's familiarity.npz; None: no distances.
        threads: As for `open_runtime`.

    Raises:
        ExportError: When it is absent or broken, or no classifier of uint8 images.
    """
    if not path.is_file():
        raise ExportError(f"{path}: must be a model file, got none.")
    with _explained(path):
        return _open_keras(path, familiarity_path, threads)


def import_extra(module: str, package: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: To import.
        package: That brings it, as pip names it.

    Raises:
        MissingExtraError: When it is not installed; the remedy is the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{package} must be installed for this, got: {error}.",
            remedy=install_line(EXTRAS[package]),
        ) from error


class KerasRuntime:
    """A .keras file: of an export, which takes RGB of any size, or of a study's candidate.

    Args:
        model: As loaded.
        reference: What distances are measured to; None: there are none.

    Attributes:
        network: The candidate's own model, without what an export puts before it.
    """

    def __init__(self, model: Any, reference: Reference | None) -> None:
        import keras
        import tensorflow as tf

        self.name = _named("keras")
        layers = {layer.name: layer for layer in model.layers}
        is_export = NETWORK in layers and PIXELS in layers
        self.network = layers[NETWORK] if is_export else model
        inside: Any = self.network
        if reference is not None:
            from autocnn.training.networks.features import model_with_features, nearest_distances

            inside = model_with_features(self.network)
        if is_export:
            pixels = keras.Model(model.input, layers[PIXELS].output)
            inside = keras.Model(model.input, inside(pixels(model.input)))

        def call(images: Any) -> tuple[Any, ...]:
            found = inside(images, training=False)
            if reference is None:
                return (found,)
            probabilities, features = found
            neighbours = reference.facts.neighbours
            return probabilities, nearest_distances(features, reference.features, neighbours)

        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)]
        self._call = tf.function(call, autograph=False, input_signature=signature)
        self._to_tensor: Callable[[Any], Any] = tf.constant

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        """See `Runtime.predict`."""
        return _in_batches(self._predict, images)

    def _predict(self, images: NDArray[np.uint8]) -> Outputs:
        found = [np.asarray(part, np.float32) for part in self._call(self._to_tensor(images))]
        return Outputs(found[0], found[1] if len(found) > 1 else None)


class _SavedModel:
    """A SavedModel by its serving signature."""

    def __init__(self, path: Path, threads: int) -> None:
        tf = _tensorflow(threads)
        self.name = _named("tensorflow")
        self._to_tensor: Callable[[Any], Any] = tf.constant
        self._loaded = tf.saved_model.load(str(path))  # the signature does not keep it alive
        self._call = self._loaded.signatures["serving_default"]

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        return _in_batches(self._predict, images)

    def _predict(self, images: NDArray[np.uint8]) -> Outputs:
        found = self._call(image=self._to_tensor(images))
        return _outputs({name: np.asarray(tensor) for name, tensor in found.items()})


class _Onnx:
    """An ONNX file in onnxruntime, on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        onnxruntime = import_extra("onnxruntime", "onnxruntime")
        self.name = _named("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        return _in_batches(self._predict, images)

    def _predict(self, images: NDArray[np.uint8]) -> Outputs:
        found = self._session.run(self._names, {"image": np.ascontiguousarray(images)})
        return _outputs(dict(zip(self._names, found, strict=True)))


class LiteRTRuntime:
    """A .tflite file in LiteRT.

    Args:
        path: The file.
        threads: That it computes with.
    """

    def __init__(self, path: Path, threads: int) -> None:
        litert = import_extra("ai_edge_litert.interpreter", "ai-edge-litert")
        self.name = _named("ai-edge-litert")
        interpreter = litert.Interpreter(model_content=path.read_bytes(), num_threads=threads)
        self._interpreter = interpreter
        self._call = interpreter.get_signature_runner("serving_default")

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        """See `Runtime.predict`."""
        return _in_batches(self._predict, images)

    def _predict(self, images: NDArray[np.uint8]) -> Outputs:
        return _outputs(self._call(image=np.ascontiguousarray(images)))


def _open_keras(path: Path, familiarity_path: Path | None, threads: int) -> KerasRuntime:
    reference = read_reference(familiarity_path) if familiarity_path is not None else None
    _tensorflow(threads)
    model = import_keras().saving.load_model(path, compile=False, safe_mode=True)
    is_ours = (
        len(getattr(model, "inputs", ())) == len(getattr(model, "outputs", ())) == 1
        and model.inputs[0].dtype == "uint8"
        and len(model.inputs[0].shape) == 4
        and model.inputs[0].shape[-1] in (1, 3)
        and len(model.outputs[0].shape) == 2
    )
    if not is_ours:
        raise ExportError(
            f"{path}: must be a model of autocnn, uint8 images (n, height, width, 1 or 3) to "
            "probabilities (n, classes); got another one."
        )
    return KerasRuntime(model, reference)


def _tensorflow(threads: int) -> Any:
    """TensorFlow with its threads set, if it has not begun yet."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with on_tensorflow():
        tf = importlib.import_module("tensorflow")
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def _find_model(metadata: ExportMetadata, folder: Path) -> Path:
    """The model file, once it was found whole and inside of the folder."""
    path = folder / metadata.model
    if not is_inside(folder, metadata.model):
        raise ExportError(
            f"{folder / METADATA_FILE}: model must be a name in this folder, "
            f"got {metadata.model!r}."
        )
    if not path.exists():
        raise ExportError(
            f"{path}: must be the exported model, got no such file.",
            remedy="Export it again: autocnn export.",
        )
    for name, digest in metadata.sha256.items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            raise ExportError(
                f"{folder / METADATA_FILE}: sha256 must name files in this folder, got {name!r}."
            )
        is_needed = name.split("/")[0] == metadata.model or name == FAMILIARITY_FILE
        if is_needed and sha256_of(file) != digest:
            raise ExportError(
                f"{file}: must be as it was exported, got another content.",
                remedy="It may have been copied in part. Copy it again, or export it again.",
            )
    return path


def sha256_of(path: Path) -> str:
    """Hex digest of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _import_required(metadata: ExportMetadata) -> None:
    for module in metadata.requires:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ExportError(
                f"{metadata.model}: needs the module {module!r}, of its network, got: {error}.",
                remedy="Put its file where Python finds it: beside your script, or on PYTHONPATH.",
            ) from error


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what a library raises for a file that it cannot load into an error with a remedy."""
    try:
        with silent_stderr():  # native libraries greet there
            yield
    except (ExportError, MissingExtraError):
        raise
    except Exception as error:  # every library has errors of its own kind
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")[:300]
        raise ExportError(
            f"{path}: must be a whole model, got: {reason.rstrip('.')}.",
            remedy="It may be broken, or of another program.",
        ) from error


def _in_batches(
    predict: Callable[[NDArray[np.uint8]], Outputs], images: NDArray[np.uint8]
) -> Outputs:
    """Predict a batch at a time; at least one, so that no images give arrays of no rows."""
    size = batch_size_for(*images.shape[1:3])
    parts = [predict(images[start : start + size]) for start in range(0, max(1, len(images)), size)]
    distances = [part.distances for part in parts if part.distances is not None]
    return Outputs(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate(distances) if distances else None,
    )


def _outputs(found: dict[str, NDArray[Any]]) -> Outputs:
    distances = found.get("distance")
    return Outputs(
        np.asarray(found["probabilities"], np.float32),
        None if distances is None else np.asarray(distances, np.float32),
    )


def _named(package: str) -> str:
    return f"{package} {packages.version(package)}"
