"""Programs that search, each for the same minutes on the same images: what `accuracy` compares.

Each module is a program of its own, `python -m benchmarks.rivals.NAME ASSIGNMENT.json`, since each
has its own idea of processes and threads. It answers with an .npz: probabilities of train, val and
test, and how many trials it made.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")

STARTED = time.monotonic()
"""The minutes of a program count from here, its imports included."""

LAST_SHARE = 0.03
"""Share of the minutes that a program without a budget of its own keeps for its predictions."""


@dataclass(frozen=True)
class Assignment:
    """What a program is to do.

    Attributes:
        data: An .npz of `train_images`, `train_labels`, `val_...`, `test_...`: uint8 (n, height,
            width) or (n, height, width, 3), class numbers (n,).
        minutes: All the time that it has.
        seed: Of all that it does by chance.
        space: Of autocnn, where it has use for one.
        folder: An empty one, for whatever it writes.
    """

    data: str
    minutes: float
    seed: int
    space: str
    folder: str

    @property
    def answer_path(self) -> Path:
        """Where the answer goes."""
        return Path(self.folder) / "answer.npz"

    @property
    def left_s(self) -> float:
        """Seconds left for training."""
        return 60 * self.minutes * (1 - LAST_SHARE) - (time.monotonic() - STARTED)

    def write(self) -> Path:
        """The file that the program reads."""
        path = Path(self.folder) / "assignment.json"
        path.write_text(json.dumps(asdict(self)), "utf-8")
        return path

    def read_images(self, most_side: int = 96) -> dict[str, tuple[NDArray[np.uint8], np.ndarray]]:
        """Images (n, side, side, channels) and one-hot labels of each split.

        Args:
            most_side: Larger images are shrunk to it, as people do who have no GPU.
        """
        found = {}
        with np.load(self.data) as arrays:
            num_classes = int(arrays["train_labels"].max()) + 1
            for split in SPLITS:
                images = arrays[f"{split}_images"]
                images = images if images.ndim == 4 else images[..., np.newaxis]
                labels = arrays[f"{split}_labels"]
                found[split] = shrink(images, most_side), np.eye(num_classes, dtype="f4")[labels]
        return found


@dataclass(frozen=True)
class Answer:
    """What a program found.

    Attributes:
        probabilities: Split -> (n, classes).
        num_trials: Configurations of which at least one epoch was trained.
        out_of_fold: (m, classes) of train images by models that had not seen them; None: no folds.
        held_labels: (m,) Their classes.
        candidates: What it could have chosen, the chosen one first: JSON of a list of scores.
    """

    probabilities: dict[str, NDArray[np.floating]]
    num_trials: int
    out_of_fold: NDArray[np.floating] | None = None
    held_labels: NDArray[np.integer] | None = None
    candidates: str = "[]"

    def write(self, path: Path) -> None:
        """As an .npz."""
        arrays = {
            **self.probabilities,
            "num_trials": np.array(self.num_trials),
            "candidates": np.array(self.candidates),
        }
        if self.out_of_fold is not None and self.held_labels is not None:
            arrays |= {"out_of_fold": self.out_of_fold, "held_labels": self.held_labels}
        np.savez(path, allow_pickle=False, **arrays)


class TimeIsUp(BaseException):
    """Ends a search from within a callback; no `except Exception` of a library stops it."""


def shrink(images: NDArray[np.uint8], most_side: int) -> NDArray[np.uint8]:
    """(n, side, side, channels) Images whose sides are no longer than that."""
    if max(images.shape[1:3]) <= most_side:
        return images
    import tensorflow as tf

    parts = [
        tf.image.resize(images[start : start + 256], (most_side, most_side), method="area")
        for start in range(0, len(images), 256)
    ]
    shrunk: NDArray[np.uint8] = np.concatenate([np.asarray(part) for part in parts]).astype("u1")
    return shrunk


def run_program(search: Callable[[Assignment], Answer]) -> None:
    """Do the assignment that the command line names."""
    assignment = Assignment(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    search(assignment).write(assignment.answer_path)
