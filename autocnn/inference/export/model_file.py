"""The model file of an export: written by a worker, checked by a fresh process."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autocnn.core.atomic import writing_error
from autocnn.core.errors import AutocnnError, ExportError, Text
from autocnn.core.events import Observer
from autocnn.core.own_model import OwnModel
from autocnn.core.records import ExportMetadata, Parity, Precision
from autocnn.execution.executor import Outcome
from autocnn.execution.local import LocalExecutor
from autocnn.execution.runner import run_one
from autocnn.execution.tasks import EXPORT, ExportResult, ExportTask
from autocnn.inference.export.check import check_parity, compare, predict_apart
from autocnn.inference.export.images import CheckImages, find_check_images
from autocnn.inference.metadata import write_metadata
from autocnn.inference.predict.runtimes import FAMILIARITY_FILE
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus

TIMEOUT_S = 3600.0

_DISK_FULL = "No space left on device"


def write_model(
    folder: StudyFolder,
    status: StudyStatus,
    metadata: ExportMetadata,
    own_model: OwnModel | None,
    target: Path,
    observer: Observer,
) -> ExportMetadata:
    """Write the model file that some metadata describe, and compare it with the study's model.

    An int8 file computes in int8 throughout; where it then gives other answers, or crashes its
    runtime, only its weights are int8.

    Args:
        folder: The study.
        status: Its study.json.
        metadata: What is to be written.
        own_model: Whose code the model needs; None: it loads with Keras alone.
        target: Folder, empty; it gets the model file, metadata.json and, for keras,
            familiarity.npz.
        observer: Hears of each step.

    Returns:
        The metadata with what is known now: outputs, parity, what it requires.

    Raises:
        ExportError: When the model cannot be converted, or the file is not the same model.
        DiskFullError: When the disk is full.
    """
    with _workshop(folder, status, metadata, own_model, target, observer) as work:
        if metadata.precision == "float32":
            return work.attempt("float32")
        if work.images.source != "val":
            raise ExportError(
                "litert in int8 needs val images of the study for its ranges, got none.",
                remedy=Text(
                    "Put the data back to {0}, or leave {precision} out.", status.config.data
                ),
            )
        try:
            return work.attempt("int8")
        except ExportError as error:
            observer.warn(f"Only the weights become int8, not what is computed: {error.message}")
            return work.attempt("float32")


@contextmanager
def _workshop(
    folder: StudyFolder,
    status: StudyStatus,
    metadata: ExportMetadata,
    own_model: OwnModel | None,
    target: Path,
    observer: Observer,
) -> Iterator["_Workshop"]:
    """Workers, images and a folder for what passes between processes."""
    executor = LocalExecutor()  # begins to import TensorFlow
    try:
        with tempfile.TemporaryDirectory(prefix="autocnn-export-") as scratch:
            images = find_check_images(
                folder,
                status,
                side=metadata.input.height,
                channels=1 if metadata.input.is_grey else 3,
                observer=observer,
            )
            yield _Workshop(
                folder, metadata, target, observer, executor, Path(scratch), images, own_model
            )
    finally:
        executor.close()


@dataclass(frozen=True)
class _Workshop:
    """All that a model file is made with."""

    folder: StudyFolder
    metadata: ExportMetadata
    target: Path
    observer: Observer
    executor: LocalExecutor
    scratch: Path
    images: CheckImages
    own_model: OwnModel | None

    def attempt(self, activations: Precision) -> ExportMetadata:
        """Write and check one file."""
        metadata, candidate = self.metadata, self.metadata.candidate
        familiarity = self.folder.candidate_familiarity_path(candidate).resolve()
        has_familiarity = metadata.familiarity is not None
        images_path = self.scratch / "images.npy"
        np.save(images_path, self.images.pixels)
        task = ExportTask(
            format=metadata.format,
            precision=metadata.precision,
            activations=activations,
            model_path=self.folder.candidate_model_path(candidate).resolve(),
            familiarity_path=familiarity if has_familiarity else None,
            images_path=images_path,
            target_path=self.target / metadata.model,
            reference_path=self.scratch / "reference.npy",
            threads=os.cpu_count() or 1,
            own_model=self.own_model,
            fit=metadata.input.fit,
        )
        self.observer.stage(f"write {metadata.format}")
        result = self._convert(task)
        requires: tuple[str, ...] = ()
        if self.own_model is not None and result.has_own_layers:
            root, files = self.own_model.root, self.own_model.files
            requires = tuple(replace(self.own_model, path=root / name).module for name in files)
        if metadata.format == "keras" and has_familiarity:
            shutil.copyfile(familiarity, self.target / FAMILIARITY_FILE)
        changes = {"outputs": result.outputs, "activations": activations, "requires": requires}
        metadata = metadata.model_copy(update=changes)
        write_metadata(metadata, self.target)
        self.observer.stage("check it in a fresh process")
        return metadata.model_copy(update={"parity": self._check(metadata, task)})

    def _convert(self, task: ExportTask) -> ExportResult:
        log_path = self.scratch / "log.txt"
        outcome = run_one(self.executor, EXPORT, task, log_path=log_path, timeout_s=TIMEOUT_S)
        if isinstance(outcome.result, ExportResult):
            return outcome.result
        raise self._conversion_error(outcome, log_path)

    def _conversion_error(self, outcome: Outcome, log_path: Path) -> AutocnnError:
        if outcome.error is not None:
            return outcome.error
        log = log_path.read_text("utf-8", errors="replace") if log_path.exists() else ""
        if _DISK_FULL in outcome.traceback + outcome.reason + log:
            full = OSError(errno.ENOSPC, _DISK_FULL)
            return writing_error(full, self.target.parent, setting="to")
        path = self.folder.candidate_model_path(self.metadata.candidate)
        return ExportError(
            f"{path}: must become {self.metadata.format}, got: {outcome.reason.rstrip('.')}.",
            remedy=Text("Is the file whole? Else choose another {format}."),
        )

    def _check(self, metadata: ExportMetadata, task: ExportTask) -> Parity:
        pixels, channels = self.images.pixels, metadata.input.shape[3]
        if pixels.shape[3] != channels:
            np.save(task.images_path, np.repeat(pixels, channels, axis=3))
        runtime, found = predict_apart(
            self.target,
            metadata,
            task.images_path,
            self.scratch / "found.npy",
            module_dir=self.own_model.root if self.own_model is not None else None,
        )
        parity = compare(
            np.load(task.reference_path),
            found,
            runtime=runtime,
            precision=metadata.precision,
            images=self.images.source,
        )
        check_parity(parity, metadata.format, metadata.precision)
        return parity
