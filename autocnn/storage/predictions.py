"""What a candidate predicted of its study's images, as arrays: of unseen ones, and clean test."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autocnn.core.csv_tables import SHARE_PREFIX
from autocnn.core.errors import StudyError
from autocnn.core.records import CandidateRecord
from autocnn.metrics.calibration import apply_temperature
from autocnn.storage.folder import StudyFolder


@dataclass(frozen=True, eq=False)
class StoredPredictions:
    """Predictions of some images, by the candidate as it is: at its temperature.

    Attributes:
        source: `folds`: predicted out of fold; `val`: by the trial's model; `test`, `test_clean`:
            by the candidate, the latter without copies of train or val.
        paths: (n,) The images.
        labels: (n,) Index of the class.
        probabilities: (n, classes)
        groups: (n,) The same number for images that are not independent: those of one named
            group, copies of each other, one image in several repeats of the folds.
    """

    source: Literal["folds", "val", "test", "test_clean"]
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    groups: NDArray[np.int64]


def read_unseen(
    folder: StudyFolder, record: CandidateRecord, class_names: Sequence[str]
) -> StoredPredictions:
    """Predictions of images that the predicting model had not seen, never of test.

    Args:
        folder: The study.
        record: Of the candidate.
        class_names: In the order of the study's labels.

    Returns:
        Of all of train, out of fold; in a study without folds, of val. n may be 0.

    Raises:
        StudyError: When a table cannot be read, or is not whole.
    """
    rows = folder.read_candidate_table(record.candidate, "out_of_fold")
    found = _read(folder, record, class_names, rows, "folds")
    if len(found.labels):
        return found
    rows = folder.read_candidate_table(record.candidate, "predictions")
    val = (row for row in rows if row.get("split") == "val")
    found = _read(folder, record, class_names, val, "val")
    if record.calibration is not None and record.kind != "ensemble" and len(found.labels):
        warmer = apply_temperature(found.probabilities, record.calibration.temperature)
        found = replace(found, probabilities=warmer)
    return found


def read_judged(
    folder: StudyFolder, record: CandidateRecord, class_names: Sequence[str]
) -> StoredPredictions:
    """Predictions of clean test, or of test where that is the same or empty (`num_test_clean`).

    Args:
        folder: The study.
        record: Of the candidate.
        class_names: In the order of the study's labels.

    Returns:
        n is 0 in a study whose predictions.csv is gone.

    Raises:
        StudyError: When the table cannot be read, or is not whole.
    """
    rows = folder.read_candidate_table(record.candidate, "predictions")
    test = (row for row in rows if row.get("split") == "test")
    if record.test_clean is None:
        return _read(folder, record, class_names, test, "test")
    clean = (row for row in test if row.get("is_clean") != "false")
    return _read(folder, record, class_names, clean, "test_clean")


def _read(
    folder: StudyFolder,
    record: CandidateRecord,
    class_names: Sequence[str],
    rows: Iterable[dict[str, str]],
    source: Literal["folds", "val", "test", "test_clean"],
) -> StoredPredictions:
    columns = [f"{SHARE_PREFIX}{name}" for name in class_names]
    place = {name: index for index, name in enumerate(class_names)}
    paths: list[str] = []
    labels: list[int] = []
    values = array("d")  # 8 bytes a number; as text and in dicts it would take 200
    try:
        for row in rows:
            values.extend(float(row[column]) for column in columns)
            labels.append(place[row["label"]])
            paths.append(row["path"])
    except (KeyError, ValueError, TypeError) as error:
        raise torn_predictions(folder, record.candidate, error) from error
    return StoredPredictions(
        source,
        tuple(paths),
        np.array(labels, np.int64),
        np.asarray(values).reshape(len(paths), len(columns)),
        _groups(folder, paths),
    )


def torn_predictions(folder: StudyFolder, candidate: int, error: Exception) -> StudyError:
    """What is said of a table of predictions in which something is missing.

    Args:
        folder: The study.
        candidate: Whose predictions they are.
        error: That reading them ended in.
    """
    return StudyError(
        f"{folder.path}: the predictions of candidate {candidate} must be whole, got: {error!r}."
    )


def _groups(folder: StudyFolder, paths: Sequence[str]) -> NDArray[np.int64]:
    """(n,) The same number for images of one named group, or that are copies of each other."""
    if not paths:
        return np.zeros(0, np.int64)
    leader: dict[object, object] = {}

    def find(name: object) -> object:
        while (above := leader.setdefault(name, name)) != name:
            leader[name] = leader[above]
            name = above
        return name

    rows = folder.read_split()  # path, label, group, split, sha256
    counts = Counter(row[4] for row in rows)
    for path, _, group, _, sha256 in rows:
        if group:
            leader[find(path)] = find(("group", group))
        if sha256 and counts[sha256] > 1:
            leader[find(path)] = find(("copy", sha256))
    for one in _copies(folder):
        for path in one[1:]:
            leader[find(path)] = find(one[0])
    number_of: dict[object, int] = {}
    names = (find(path) if path in leader else path for path in paths)
    return np.array([number_of.setdefault(name, len(number_of)) for name in names], np.int64)


def _copies(folder: StudyFolder) -> list[tuple[str, ...]]:
    """Images that are copies of each other; a study without its audit can be read all the same."""
    try:
        audit = folder.read_audit()
    except StudyError:
        return []
    return [group.paths for group in audit.copies] if audit is not None else []
