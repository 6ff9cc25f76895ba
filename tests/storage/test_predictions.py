"""Stored predictions as arrays: which images, at which temperature, and what hangs together."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import StudyError
from autocnn.core.records import Calibration, CalibrationScores, CopyGroup
from autocnn.metrics.calibration import apply_temperature
from autocnn.storage.predictions import read_judged, read_unseen
from tests.predicted import CLASSES, make_predicted_study, predicted_arrays
from tests.reporting.studies import make_audit


def test_unseen_are_those_out_of_fold(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path)
    found = read_unseen(folder, folder.read_candidates()[1], CLASSES)
    labels, probabilities = predicted_arrays(folder, 2, "folds")
    assert found.source == "folds"
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.probabilities, probabilities)
    assert found.groups[0] == found.groups[1]  # of one patient
    assert len(np.unique(found.groups)) == len(labels) - 1


def test_tables_of_many_classes_are_read_a_row_at_a_time(tmp_path: Path) -> None:
    classes = [f"class {number}" for number in range(40)]
    folder = make_predicted_study(tmp_path, classes=classes, num_images=1000, num_candidates=1)
    record = folder.read_candidates()[0]
    tracemalloc.start()
    try:
        found = read_unseen(folder, record, classes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60 * found.probabilities.size, "as text, in dicts, a number takes 200 bytes"


def test_without_folds_they_are_those_of_val_at_the_temperature(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path, has_folds=False)
    scores = CalibrationScores(log_loss=0.1, ece=0.1)
    calibration = Calibration(
        temperature=2.0,
        fitted_on="val",
        num_images=2,
        fitted_before=scores,
        fitted_after=scores,
        test_before=scores,
        test_after=scores,
        bins=(),
    )
    record = folder.read_candidates()[0]
    cold = read_unseen(folder, record, CLASSES)
    warm = read_unseen(folder, record.model_copy(update={"calibration": calibration}), CLASSES)
    assert cold.source == warm.source == "val"
    np.testing.assert_allclose(warm.probabilities, apply_temperature(cold.probabilities, 2.0))


def test_what_judges_is_clean_test(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path)
    record = folder.read_candidates()[0]
    found = read_judged(folder, record, CLASSES)
    labels, probabilities = predicted_arrays(folder, 1, "clean")
    assert found.source == "test_clean"
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.probabilities, probabilities)
    assert found.groups[0] == found.groups[1]
    everything = read_judged(folder, record.model_copy(update={"test_clean": None}), CLASSES)
    assert everything.source == "test"
    assert len(everything.labels) == 2 * len(labels)


def audit_with_copies(*paths: str) -> str:
    """An audit.json that names near copies."""
    number = len(paths)
    copies = CopyGroup(
        kind="near",
        paths=paths,
        labels=("other",) * number,
        splits=tuple("test" for _ in paths),
        turns=("as is",) * number,
    )
    return make_audit().model_copy(update={"copies": (copies,)}).model_dump_json()


def test_near_copies_of_the_audit_hang_together(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path)
    folder.write_audit(audit_with_copies("t5.png", "t9.png", "t6.png"), {})
    record = folder.read_candidates()[0]
    groups = read_judged(folder, record, CLASSES).groups
    assert groups[2] == groups[4] != groups[3]
    (folder.path / "audit.json").write_text("torn")  # predictions can be read all the same
    groups = read_judged(folder, record, CLASSES).groups
    assert groups[2] != groups[4]


def test_what_is_gone_is_empty_and_what_is_torn_is_an_error(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path)
    record = folder.read_candidates()[0]
    (folder.path / "candidates/01/out_of_fold.csv").unlink()
    assert read_unseen(folder, record, CLASSES).source == "val"
    (folder.path / "candidates/01/predictions.csv").unlink()
    for read in (read_unseen, read_judged):
        assert read(folder, record, CLASSES).probabilities.shape == (0, 3)
    folder.write_candidate_table(1, "out_of_fold", ("path", "label"), [("a", "other")])
    with pytest.raises(StudyError, match="predictions of candidate 1 must be whole"):
        read_unseen(folder, record, CLASSES)
