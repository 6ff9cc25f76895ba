"""The winner of a study in memory: it predicts, and it goes into pickles as a file's bytes."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.data.sources import num_threads
from autocnn.prediction.reading import read_image
from autocnn.prediction.runtimes import Runtime, open_keras
from autocnn.records import ModelInput


class WinningNetwork:
    """The model of a study's candidate, loaded when it first predicts.

    Args:
        content: Bytes of its `.keras` file.
        taken: The images that it takes.
    """

    def __init__(self, content: bytes, taken: ModelInput) -> None:
        self.content = content
        self.taken = taken
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

    def __getstate__(self) -> tuple[bytes, ModelInput]:
        return self.content, self.taken

    def __setstate__(self, state: tuple[bytes, ModelInput]) -> None:
        self.content, self.taken = state
        self._runtime = None

    def _load(self) -> Runtime:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            path.write_bytes(self.content)
            return open_keras(path, familiarity_path=None, threads=num_threads())
