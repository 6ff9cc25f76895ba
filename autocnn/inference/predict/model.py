"""A trained classifier wherever it lies: in its study, or exported."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autocnn.core.errors import (
    DataError,
    ExportError,
    StudyError,
    StudyNotFoundError,
    Text,
    UsageError,
)
from autocnn.core.limits import usable_cpus
from autocnn.core.paths import to_path
from autocnn.core.records import ExportMetadata
from autocnn.core.wording import count, square
from autocnn.inference.metadata import METADATA_FILE, read_metadata
from autocnn.inference.predict.abstention import Abstention, choose_abstention
from autocnn.inference.predict.predictions import DIGITS, Predictions
from autocnn.inference.predict.reading import Batch, NamedImage, name_images, read_batches
from autocnn.inference.predict.runtimes import Runtime, open_keras, open_runtime
from autocnn.inference.predict.study_facts import describe_candidate, find_needed_own_model
from autocnn.storage import StudyFolder, find_candidate, open_study, study_names

MODEL_SUFFIXES = frozenset((".keras", ".onnx", ".tflite", ".h5", ".pb"))


@dataclass(frozen=True, eq=False)
class Model:
    """A model that predicts images of any kind.

    Attributes:
        metadata: Classes, input, what is known of its errors.
        runtime: What runs it.
        threads: That decode images.
    """

    metadata: ExportMetadata
    runtime: Runtime
    threads: int

    def __repr__(self) -> str:
        known = self.metadata
        channels = "grey" if known.input.is_grey else "RGB"
        return (
            f"Model({known.study!r}, candidate {known.candidate}, {known.format}: {channels} "
            f"images of {square(known.input.height, known.input.width)}, "
            f"{count(len(known.class_names), 'class', 'classes')})"
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.metadata.class_names

    def predict(
        self, images: Any, *, unsure: float | None = None, max_error: float | None = None
    ) -> Predictions:
        """Predict images, read as the study read its own.

        Args:
            images: A path, an image of Pillow's, a uint8 array, or a list of these, mixed as
                you like; an array is (h, w), (h, w, c), (n, h, w) or (n, h, w, c).
            unsure: Answers with a smaller probability are `unsure`.
            max_error: Share of the answers that may be wrong, with 95 % confidence by images of
                the study that the model had not seen.

        Returns:
            One answer per image, in their order; what cannot be read has an error there.

        Raises:
            DataError: When something is no image at all, as an array of floats.
            UsageError: When a threshold is out of range, or `max_error` cannot be reached.
        """
        abstention = choose_abstention(self.metadata, unsure=unsure, max_error=max_error)
        parts = [self.answer(batch, abstention) for batch in self.read(name_images(images))]
        return Predictions.joined(parts or [self.answer(self.no_images(), abstention)])

    def read(self, images: Iterable[NamedImage]) -> Iterator[Batch]:
        """Decode images a batch at a time, ahead of whoever predicts them."""
        return read_batches(images, self.metadata.input, threads=self.threads)

    def answer(self, batch: Batch, abstention: Abstention | None = None) -> Predictions:
        """Predict one batch.

        Args:
            batch: From `read`.
            abstention: When an answer is withheld; None: as the model's operating point says,
                or never.
        """
        as_exported = choose_abstention(self.metadata)
        abstention = abstention or as_exported
        point = self.metadata.operating_point
        if point is not None and point.label is None and abstention != as_exported:
            point = None  # another threshold was asked for
        n, is_readable = len(batch.names), batch.is_readable
        probabilities = np.full((n, len(self.class_names)), np.nan, np.float32)
        facts = self.metadata.familiarity
        distances = None if facts is None else np.full(n, np.nan, np.float32)
        is_unsure = np.zeros(n, bool)
        if len(batch.pixels):
            outputs = self.runtime.predict(batch.pixels)
            probabilities[is_readable] = outputs.probabilities
            if distances is not None and outputs.distances is not None:
                distances[is_readable] = outputs.distances
            elif outputs.distances is None:
                distances = None
        if abstention is not None:
            largest = probabilities.max(axis=1).astype(np.float64)
            is_unsure = is_readable & ~(largest.round(DIGITS) >= abstention.threshold)
        return Predictions(
            names=batch.names,
            class_names=self.class_names,
            probabilities=probabilities,
            is_unsure=is_unsure,
            distances=distances,
            is_unlike=None if distances is None or facts is None else distances > facts.threshold,
            errors=batch.errors,
            point=point,
        )

    def no_images(self) -> Batch:
        """A batch of none."""
        taken = self.metadata.input
        shape = (0, taken.height, taken.width, taken.shape[-1])
        return Batch((), (), np.zeros(shape, np.uint8))


def find_export(model: Path, results: Path) -> Path | None:
    """The exported folder that MODEL is, or that holds the file there; None: it is neither.

    The name of a study is none, though data of that name, or the current folder, may hold a
    metadata.json.

    Args:
        model: As for `load`.
        results: Folder that holds the studies.
    """
    if not model.exists() or str(model) in study_names(results):
        return None
    folder = model if model.is_dir() else model.parent
    return folder if (folder / METADATA_FILE).is_file() else None


def load(
    path: str | Path,
    *,
    results: Path = Path("results"),
    candidate: int | None = None,
    threads: int | None = None,
    trust_code: bool = False,
    target: str | None = None,
    prevalence: float | None = None,
) -> Model:
    """Load a model. No code that comes with it runs, unless it is trusted.

    Args:
        path: A study (its name under `results`, or its path), the folder of one of its
            candidates, a folder of `autocnn export`, or the model file in one of those.
        results: Folder that holds the studies.
        candidate: Of a study; None: the chosen one.
        threads: That decode, and that the model uses; None: one per core.
        trust_code: Whether code may run that comes with a model of somebody's own: what the study
            keeps of it, or the modules that an export names.
        target: The operating point at which a study's model decides; None: by the largest
            probability, and an export as it was exported.
        prevalence: Of the target's class.

    Raises:
        UsageError: When it needs such code, and it is not trusted; when no threshold reaches the
            target, or an export is to get another one.
        StudyError: When there is no such study or candidate, or its model is broken.
        ExportError: When an exported folder is not whole, or was changed.
        DataError: When a file is a model of some other origin.
    """
    place = to_path(path)
    exported = find_export(place, results)
    if exported is not None:
        metadata = _read_asked(exported, place, candidate)
        _check_point(metadata, exported, target, prevalence)
        threads = threads or usable_cpus()
        runtime = open_runtime(metadata, exported, threads=threads, trust_code=trust_code)
        return Model(metadata, runtime, threads)
    found = find_candidate(place) if place.exists() else None
    if found is not None:
        study, own_number = found
        number = own_number if candidate is None else candidate
        return _open_candidate(study, number, threads, trust_code, target, prevalence)
    if place.is_file():
        raise _foreign(place)
    try:
        folder = open_study(str(place), results)
    except StudyNotFoundError as error:
        raise StudyNotFoundError(
            f"{path}: must be a study under {results}, a path to one, an exported folder or a "
            "model file in one of these, got none of them.",
            remedy=error.remedy,
        ) from error
    return _open_candidate(folder, candidate, threads, trust_code, target, prevalence)


def _open_candidate(
    folder: StudyFolder,
    candidate: int | None,
    threads: int | None,
    trust_code: bool,
    target: str | None,
    prevalence: float | None,
) -> Model:
    metadata = describe_candidate(folder, candidate, target=target, prevalence=prevalence)
    threads = threads or usable_cpus()
    path = folder.candidate_model_path(metadata.candidate)
    familiarity = folder.candidate_familiarity_path(metadata.candidate)
    own_model = find_needed_own_model(folder, metadata.candidate, trust_code=trust_code)
    if own_model is not None:
        own_model.register()
    try:
        runtime = open_keras(
            path,
            familiarity_path=familiarity if metadata.familiarity is not None else None,
            threads=threads,
        )
    except ExportError as error:
        raise StudyError(
            error.message_text,
            remedy=Text("Put the file back from a copy, or take another candidate: {candidate:2}."),
        ) from error
    return Model(metadata, runtime, threads)


def _read_asked(folder: Path, place: Path, candidate: int | None) -> ExportMetadata:
    """The metadata of an export, where it is the model and the candidate that were asked for."""
    metadata = read_metadata(folder)
    if place.is_file() and place.name not in (metadata.model, METADATA_FILE):
        raise ExportError(
            f"{place}: must be {metadata.model}, the model of its folder, got another file."
        )
    if candidate not in (None, metadata.candidate):
        raise UsageError(
            Text(
                "{candidate} must be {0}, which {1} holds, got {2}.",
                metadata.candidate,
                folder,
                candidate,
            ),
            remedy="Leave it out, or name the study in place of the exported folder.",
        )
    return metadata


def _check_point(
    metadata: ExportMetadata, folder: Path, target: str | None, prevalence: float | None
) -> None:
    """Refuse a target for an export: the predictions to choose by stayed in the study."""
    if target is None and prevalence is None:
        return
    point = metadata.operating_point
    got = f"one of {point.target!r}" if point is not None else "one without"
    raise UsageError(
        Text("{target}: an export decides as it was exported, got {0}, {1}.", folder, got),
        remedy=Text("Name the study, or export it again with this {target}."),
    )


def _foreign(path: Path) -> DataError:
    if path.suffix.lower() in MODEL_SUFFIXES:
        return DataError(
            f"{path}: a model must come with its classes and its input, got no {METADATA_FILE} "
            "beside it, and it is not the model of a study's candidate.",
            remedy="Name the study, or a folder made by `autocnn export`; models of other "
            "programs cannot be read.",
        )
    return DataError(
        f"{path}: must be a study, an exported folder or a model file, got another file.",
        remedy="The model comes first, then the images: autocnn predict MODEL IMAGE...",
    )
