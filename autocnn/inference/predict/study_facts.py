"""What an exported folder says of itself in metadata.json, said of a candidate in its study."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from autocnn.core.errors import StudyError, Text, UsageError
from autocnn.core.own_model import OwnModel, kept_own_model
from autocnn.core.records import CandidateRecord, Channels, ExportMetadata, Interval, ModelInput
from autocnn.core.trust import check_trusted
from autocnn.inference.metadata import has_own_layers
from autocnn.metrics.familiarity import Reference, read_reference
from autocnn.metrics.rejection import rejection_curve
from autocnn.reporting.operating_points import find_operating_point
from autocnn.storage import StudyFolder
from autocnn.storage.predictions import StoredPredictions, read_unseen
from autocnn.storage.status import DataFacts

BEST = 1
"""Number of the candidate that a study has chosen."""


def describe_candidate(
    folder: StudyFolder,
    number: int | None,
    *,
    target: str | None = None,
    prevalence: float | None = None,
) -> ExportMetadata:
    """The facts of a candidate that prediction needs.

    Args:
        folder: The study.
        number: Of the candidate; None: the chosen one.
        target: The operating point at which it decides; None: by the largest probability.
        prevalence: Of the target's class.

    Raises:
        UsageError: When no threshold reaches the target.
        StudyError: When the study has no such candidate, or a record cannot be read.
    """
    number = BEST if number is None else number
    record = find_record(folder, number)
    status = folder.read_status()
    if status.data is None:
        raise StudyError(f"{folder.path}: must know its images, got a study.json without `data`.")
    side = record.image_size or status.data.image_shape[0]
    channels = status.data.image_shape[2]
    reference = read_familiarity(folder, number)
    unseen = read_unseen(folder, record, status.data.class_names)
    point = None
    if target is not None:
        point = find_operating_point(folder, record, target, prevalence=prevalence)
    elif prevalence is not None:
        raise UsageError(Text("{prevalence} is of the class of a {target}, got no {target}."))
    return ExportMetadata(
        format="keras",
        model=folder.candidate_model_path(number).name,
        study=folder.name,
        candidate=number,
        kind=record.kind,
        class_names=status.data.class_names,
        input=ModelInput(
            shape=(None, side, side, channels),
            height=side,
            width=side,
            is_grey=channels == 1,
            read_as=_read_as(status.config.channels or "auto", status.data, side),
            levels=status.data.levels,
            fit=status.config.fit,
            array_levels=status.data.array_levels,
        ),
        is_calibrated=record.calibration is not None,
        rejection=rejection_curve(unseen.labels, unseen.probabilities, unseen.groups),
        rejection_source=_source(unseen),
        familiarity=reference.facts if reference is not None else None,
        predicted=_predicted(unseen, status.data.class_names),
        num_predicted=len(np.unique(unseen.groups)),
        operating_point=point,
        scores=_scores(record),
    )


def read_familiarity(folder: StudyFolder, number: int) -> Reference | None:
    """A candidate's familiarity; None in studies that did not measure it.

    Raises:
        StudyError: When its file is broken.
    """
    path = folder.candidate_familiarity_path(number)
    if not path.is_file():
        return None
    try:
        return read_reference(path)
    except ValueError as error:
        raise StudyError(
            str(error), remedy="Delete the file: the model predicts without it, and says less."
        ) from error


def find_study_own_model(folder: StudyFolder) -> OwnModel | None:
    """The user's own model of a study as it was: the study's copy of its files.

    Returns:
        None for autocnn's networks. Its `register` tells when the copy is gone.

    Raises:
        StudyError: When study.json cannot be read.
    """
    status = folder.read_status()
    return kept_own_model(status.config.model, status.model_files, folder.own_model_dir)


def find_needed_own_model(
    folder: StudyFolder, candidate: int, *, trust_code: bool
) -> OwnModel | None:
    """The user's own model whose code a candidate's file needs, because it has layers of its own.

    Args:
        folder: The study.
        candidate: Its number.
        trust_code: Whether that code may run.

    Returns:
        None where the file loads with Keras alone.

    Raises:
        UsageError: When it needs code that is not trusted.
        StudyError: When study.json cannot be read.
    """
    own_model = find_study_own_model(folder)
    if own_model is None or not has_own_layers(folder.candidate_model_path(candidate)):
        return None
    code = [f"{folder.own_model_dir.name}/{name}" for name in own_model.files]
    check_trusted(folder.path, code, trust_code=trust_code)
    return own_model


def find_record(folder: StudyFolder, number: int) -> CandidateRecord:
    """The record of a candidate.

    Raises:
        StudyError: When the study has no such candidate, or a record cannot be read.
    """
    records = {record.candidate: record for record in folder.read_candidates()}
    if not records:
        raise StudyError(
            f"{folder.path}: must have a finished model, got none: it has no candidates yet.",
            remedy=f"Go on with it: `{folder.resume_command()}`.",
        )
    if number not in records:
        there = ", ".join(map(str, records))
        raise StudyError(
            Text("{0}: {candidate} must be one of {1}, got {2}.", folder.path, there, number),
            remedy=f"See them with `autocnn leaderboard {folder.argument}`.",
        )
    return records[number]


def _read_as(asked: Channels, data: DataFacts, side: int) -> Channels:
    """How `data.prepare_data` decoded that side: what the first showed decides for the others."""
    if asked != "auto" or side == data.image_shape[0]:
        return asked
    return "grey" if data.image_shape[2] == 1 else "rgb"


def _predicted(unseen: StoredPredictions, class_names: Sequence[str]) -> dict[str, float]:
    """Class -> share of the images that is taken for it; empty without images."""
    if not len(unseen.labels):
        return {}
    guesses = unseen.probabilities.argmax(axis=1)
    shares = np.bincount(guesses, minlength=len(class_names)) / len(guesses)
    return dict(zip(class_names, shares.tolist(), strict=True))


def _source(unseen: StoredPredictions) -> Literal["folds", "val"] | None:
    if not len(unseen.labels):
        return None
    return "folds" if unseen.source == "folds" else "val"


def _scores(record: CandidateRecord) -> dict[str, Interval]:
    return {
        f"{scores.split}_{name}": interval
        for scores in (record.test, record.test_clean)
        if scores is not None
        for name, interval in scores.intervals.items()
    }
