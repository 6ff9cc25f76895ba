"""The winner of a study in memory: it predicts, and it goes into pickles as a file's bytes."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.classifier.old_names import add_old_names
from autocnn.core.limits import usable_cpus
from autocnn.core.own_model import OwnModel
from autocnn.core.records import ModelInput
from autocnn.inference.predict.reading import read_image
from autocnn.inference.predict.runtimes import Runtime, open_keras

add_old_names()


@dataclass(frozen=True)
class OwnFiles:
    """The files of a model of the user's own, whose layers must be there when it is loaded.

    Attributes:
        builder: The own model as it stood in the study; named so in pickles of older versions.
        contents: Path relative to the own model's root -> content.
    """

    builder: OwnModel
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, own_model: OwnModel) -> "OwnFiles":
        """Read them from where they stand."""
        return cls(own_model, own_model.read_files())

    def register(self) -> None:
        """Import them, from a folder that lasts as long as the process.

        Raises:
            ConfigError: When one cannot be imported.
        """
        root = Path(tempfile.mkdtemp(prefix="autocnn-model-"))
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        for name, content in self.contents.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        place = self.builder.path.relative_to(self.builder.root)
        replace(self.builder, path=(root / place).resolve()).register()


class WinningNetwork:
    """The model of a study's candidate, loaded when it first predicts.

    Args:
        content: Bytes of its `.keras` file.
        taken: The images that it takes.
        own_files: Of a model of the user's own; None: of autocnn's networks.
    """

    def __init__(
        self, content: bytes, taken: ModelInput, own_files: OwnFiles | None = None
    ) -> None:
        self.content = content
        self.taken = taken
        self.own_files = own_files
        self._runtime: Runtime | None = None

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities.

        Args:
            images: uint8, shape (n, height, width, 1 or 3), of any size: read as the study
                read its own.

        Returns:
            float64, shape (n, classes), in the order of the class numbers.

        Raises:
            ExportError: When Keras cannot load the bytes.
        """
        if images.shape[1:] != self.taken.shape[1:]:
            images = np.stack([read_image(image, self.taken) for image in images])
        if self._runtime is None:
            self._runtime = self._load()
        probabilities = self._runtime.predict(images).probabilities.astype(np.float64)
        total: NDArray[np.float64] = probabilities.sum(axis=1, keepdims=True)
        return probabilities / total  # to 1 in 64 bits too, as scikit-learn's metrics check

    def __getstate__(self) -> tuple[bytes, ModelInput, OwnFiles | None]:
        return self.content, self.taken, self.own_files

    def __setstate__(self, state: tuple[bytes, ModelInput, OwnFiles | None]) -> None:
        self.content, self.taken, self.own_files = state
        self._runtime = None

    def _load(self) -> Runtime:
        if self.own_files is not None:
            self.own_files.register()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            path.write_bytes(self.content)
            return open_keras(path, familiarity_path=None, threads=usable_cpus())
