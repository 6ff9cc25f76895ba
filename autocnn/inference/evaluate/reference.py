"""What the study of a model knows: its figures on test, and which images the model has seen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from autocnn.core.errors import StudyNotFoundError
from autocnn.core.paths import to_path
from autocnn.core.records import ExportMetadata, Interval, OperatingPoint
from autocnn.data.decode import Levels
from autocnn.inference.evaluate.seen import StudyData
from autocnn.inference.metadata import read_metadata
from autocnn.inference.predict.model import find_export, load
from autocnn.inference.predict.study_facts import BEST
from autocnn.storage import StudyFolder, find_candidate, open_study

TestSet = Literal["test", "test_clean"]


@dataclass(frozen=True)
class Reference:
    """A model's own study, as far as it is known.

    Attributes:
        study: Name of the study.
        candidate: Number of the candidate.
        class_names: In the order of the model's probabilities.
        scored: Set that the figures are of: test without copies where the study has one;
            None without figures.
        figures: Metric -> value with its 95 % interval.
        seen: SHA-256 of the images that the model was trained or chosen on; None: not known.
        seen_groups: Names of the groups of these.
        tested: Path and SHA-256 of the study's test images; None: not known.
        source: Where its images are, to look for near copies of those that it has seen; None: not
            known.
        seed: Of the study: with it, its own test images get the intervals of its leaderboard.
        point: At which an exported model decides in `predict`; None: by the largest probability.
        array_levels: Values that became 0 and 255 in its .npz; None: not known, or it has none.
    """

    study: str
    candidate: int
    class_names: tuple[str, ...]
    scored: TestSet | None = None
    figures: Mapping[str, Interval] | None = None
    seen: frozenset[str] | None = None
    tested: frozenset[tuple[str, str]] | None = None
    source: StudyData | None = None
    seen_groups: frozenset[str] = frozenset()
    seed: int = 0
    point: OperatingPoint | None = None
    array_levels: Levels | None = None


def open_reference(model: str, *, results: Path, candidate: int | None = None) -> Reference:
    """Of MODEL: an exported folder, or else a study.

    Args:
        model: As for `predict.model.load`.
        results: Folder that holds the studies.
        candidate: Of a study; None: the best.

    Raises:
        StudyError: When it is neither, or has no such candidate.
        ExportError: When its metadata.json cannot be read.
    """
    place = to_path(model)
    exported = find_export(place, results)
    if exported is not None:
        return export_reference(read_metadata(exported))
    found = find_candidate(place)
    if found is not None:
        study, own_number = found
        return study_reference(study, own_number if candidate is None else candidate)
    try:
        folder = open_study(model, results)
    except StudyNotFoundError:
        load(model, results=results, candidate=candidate)  # says what all MODEL may be
        raise
    return study_reference(folder, BEST if candidate is None else candidate)


def study_reference(folder: StudyFolder, candidate: int) -> Reference:
    """Of a candidate in a study.

    Args:
        folder: The study.
        candidate: Its number.

    Raises:
        StudyError: When there is no such candidate, or its record cannot be read.
    """
    record = folder.read_candidate(candidate)
    judged = record.test_clean or record.test
    status = folder.read_status()
    rows = folder.read_split()  # path, label, group, split, sha256
    seen = frozenset(row[4] for row in rows if row[3] != "test" and row[4]) or None
    source = None
    if status.data is not None and seen:
        config = status.config
        side = status.data.image_shape[0]
        source = StudyData(
            data=config.data,
            side=side,
            channels=config.channels or "auto",
            sha256=seen,
            reading=config.reading,
            levels=status.data.levels,
            fit=config.fit,
        )
    return Reference(
        study=folder.name,
        candidate=candidate,
        class_names=status.data.class_names if status.data is not None else (),
        scored="test_clean" if record.test_clean else "test",
        figures=judged.intervals,
        seen=seen,
        seen_groups=frozenset(row[2] for row in rows if row[3] != "test" and row[2]),
        tested=frozenset((row[0], row[4]) for row in rows if row[3] == "test" and row[4]) or None,
        source=source,
        seed=record.seed,
        array_levels=status.data.array_levels if status.data is not None else None,
    )


def export_reference(metadata: ExportMetadata) -> Reference:
    """Of an exported model, which remembers its figures but not its images.

    Args:
        metadata: Its metadata.json.
    """
    known = Reference(
        metadata.study,
        metadata.candidate,
        metadata.class_names,
        point=metadata.operating_point,
        array_levels=metadata.input.array_levels,
    )
    sets: tuple[TestSet, ...] = ("test_clean", "test")
    for scored in sets:
        figures = {
            name.removeprefix(f"{scored}_"): interval
            for name, interval in metadata.scores.items()
            if name.startswith(f"{scored}_") and not name.startswith(f"{scored}_clean_")
        }
        if figures:
            return replace(known, scored=scored, figures=figures)
    return known
