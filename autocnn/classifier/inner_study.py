"""The study inside `fit`: where its files are, what it says, and its winner."""

import datetime
import importlib
import itertools
import multiprocessing
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autocnn.classifier.network import OwnFiles, WinningNetwork
from autocnn.core.atomic import writing_error
from autocnn.core.config import StudyConfig
from autocnn.core.errors import StudyExistsError
from autocnn.core.events import Observer
from autocnn.core.paths import to_path
from autocnn.data.sources.memory import write_images
from autocnn.inference.predict.study_facts import describe_candidate, find_study_own_model
from autocnn.study.run import search

_ONE_STUDY = threading.Lock()
"""A process runs one study at a time: it shares its streams with the server of the trials."""


class Network(Protocol):
    """What predicts and can be pickled."""

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n, height, width, channels) -> probabilities (n, classes)."""


@dataclass(frozen=True)
class Winner:
    """What a study found.

    Attributes:
        network: The model of its first candidate.
        score: Its objective: mean over the folds, or on val without folds.
        study_dir: The study.
    """

    network: Network
    score: float
    study_dir: Path


class Workspace:
    """The folder of a study, its images and, if it is temporary, its decoded images.

    Args:
        results_dir: Where studies stay; None: a folder that goes with this object, or at the
            latest with the process.

    Raises:
        StudyError: When the folder cannot be made.
    """

    def __init__(self, results_dir: str | Path | None) -> None:
        self.is_temporary = results_dir is None
        if results_dir is None:
            self.path = Path(tempfile.mkdtemp(prefix="autocnn-"))
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        else:
            self.path = to_path(results_dir)
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise writing_error(error, self.path) from error

    @property
    def cache_dir(self) -> Path | None:
        """Where decoded images go; None: to the platform's cache folder."""
        return self.path / "cache" if self.is_temporary else None

    def write_images(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Path:
        """Write an .npz named by its content, so that equal fits share it.

        Args:
            images: (n, height, width, channels).
            labels: (n,) class numbers.
        """
        return write_images(self.path, images, labels)


class Listener(Observer):
    """Keeps what may spoil the result.

    Attributes:
        warnings: The warnings so far.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Keep it."""
        self.warnings.append(text)


def default_name() -> str:
    """Name of a study that was given none: the time."""
    return f"classifier-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def check_process() -> None:
    """Refuse processes that must not start others.

    Raises:
        RuntimeError: In a daemonic process.
    """
    if multiprocessing.current_process().daemon:
        raise RuntimeError(
            "AutoCNNClassifier.fit starts processes, and a daemonic process must not, got "
            f"{multiprocessing.current_process().name}. Use joblib's loky (its default) or "
            "threading in the place of multiprocessing, or n_jobs=1."
        )


def run_study(config: StudyConfig, make_observer: Callable[[], Observer]) -> Winner:
    """A study under the first free one of the names NAME, NAME-2, NAME-3, ...

    Args:
        config: With its images and its name.
        make_observer: What hears of progress, for each name anew: a study closes it.

    Raises:
        AutocnnError: As `autocnn.study.run.search`.
    """
    if config.engine == "optuna":
        _import_apart("autocnn.tuning.engines.optuna_engine")
    for number in itertools.count(1):
        name = config.name if number == 1 else f"{config.name}-{number}"
        try:
            with _ONE_STUDY:
                folder = search(config.model_copy(update={"name": name}), make_observer())
        except StudyExistsError:
            continue
        break
    record = min(folder.read_candidates(), key=lambda candidate: candidate.rank)
    content = folder.candidate_model_path(record.candidate).read_bytes()
    taken = describe_candidate(folder, record.candidate).input
    own_model = find_study_own_model(folder)
    return Winner(
        network=WinningNetwork(content, taken, OwnFiles.of(own_model) if own_model else None),
        score=record.objective if record.cv_mean is None else record.cv_mean,
        study_dir=folder.path,
    )


def _import_apart(module: str) -> None:
    """Import in a thread of its own, whose frames end with it.

    Optuna keeps the exception of every optional package that is absent, and an exception keeps
    the frames that led to it: here the estimator and its images, as long as the process lives.
    """
    thread = threading.Thread(target=importlib.import_module, args=(module,))
    thread.start()
    thread.join()
